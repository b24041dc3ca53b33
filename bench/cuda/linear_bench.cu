// Linear layers under HALO's recipes, forward + backward in one CUDA graph, beside BF16 through
// cuBLASLt and the ideal (the same products on codes that are there already), in one process.
// Usage: cuda_linear_bench [most tokens, default 16384] [least tokens, default 512]
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "cuda/device_timer.h"
#include "sylvester/cuda/matmul.h"
#include "sylvester/nn/linear.h"

namespace sylvester::bench {
namespace {

struct Layer {
  std::int64_t in, out, T;
  std::unique_ptr<Numerics> setup = make_cuda_numerics(nullptr);
  Tensor X, W, E, Y, dX, dW;
  Layer(std::int64_t in_size, std::int64_t out_size, std::int64_t tokens)
      : in(in_size), out(out_size), T(tokens) {
    const auto make = [&](std::int64_t rows, std::int64_t cols) {
      return setup->allocate({rows, cols}, DType::kBFloat16);
    };
    X = make(T, in), W = make(out, in), E = make(T, out);
    Y = make(T, out), dX = make(T, in), dW = make(out, in);
    fill_random(X.raw(), X.size(), 1);
    fill_random(W.raw(), W.size(), 2);
    fill_random(E.raw(), E.size(), 3);
  }
};

// The three products in bfloat16.
Timing plain(Layer& l) {
  return time_calls(
      [&](cudaStream_t s, int) {
        const std::unique_ptr<Numerics> card = make_cuda_numerics(s);
        card->product(l.X, false, l.W, true, l.Y);
        card->product(l.E, false, l.W, false, l.dX);
        card->product(l.E, true, l.X, false, l.dW);
      },
      2, 9);
}

Timing recipe(Layer& l, const char* name, const char* policy) {
  LinearGroup group({l.W}, 1);
  group.set_recipe(parse_recipe(name), parse_accumulation(policy));
  cudaStream_t current = nullptr;
  std::unique_ptr<Numerics> card;
  return time_calls(
      [&](cudaStream_t s, int) {
        if (card == nullptr || s != current) card = make_cuda_numerics(s), current = s;
        Tensor* const Y[] = {&l.Y};
        const Tensor* const E[] = {&l.E};
        Tensor* const dW[] = {&l.dW};
        group.weights_changed();
        group.forward(*card, l.X, Y, true, 0, 0);
        group.backward(*card, E, l.dX, dW, true);
      },
      2, 9);
}

// The products alone.
Timing ideal(Layer& l, const char* spec, const char* policy) {
  const Accumulation accumulation = parse_accumulation(policy);
  QuantizedTensor x, w, e;
  l.setup->quantize(l.X, {}, parse_quant_spec(spec), x, {}, nullptr, true);
  l.setup->quantize(l.W, {}, parse_quant_spec(spec), w, {}, nullptr, true);
  l.setup->quantize(l.E, {}, parse_quant_spec(spec), e, {}, nullptr, true);
  l.setup->synchronize();
  return time_calls(
      [&](cudaStream_t s, int) {
        const std::unique_ptr<Numerics> card = make_cuda_numerics(s);
        card->matmul(x, false, w, false, accumulation, l.Y);
        card->matmul(e, false, w, true, accumulation, l.dX);
        card->matmul(e, true, x, true, accumulation, l.dW);
      },
      2, 9);
}

void row(Layer& l, const Timing& base, const char* name, const char* spec, const char* policy) {
  const Timing all = recipe(l, name, policy), least = ideal(l, spec, policy);
  std::printf("%5lld x %-7lld %7lld %9.1f %-16s %9.1f %9.1f %7.3f %7.3f  %.1f .. %.1f\n",
              static_cast<long long>(l.in), static_cast<long long>(l.out),
              static_cast<long long>(l.T), base.median * 1e6, name, least.median * 1e6,
              all.median * 1e6, base.median / all.median, least.median / all.median, all.low * 1e6,
              all.high * 1e6);
  std::fflush(stdout);
}

}  // namespace
}  // namespace sylvester::bench

int main(int argc, char** argv) {
  using namespace sylvester::bench;
  const std::int64_t most = argc > 1 ? std::atoll(argv[1]) : 16384;
  const std::int64_t least = argc > 2 ? std::atoll(argv[2]) : 512;
  sylvester::cuda::set_autotuning(true);
  std::printf("device %s\n", sylvester::cuda::device_info().name.c_str());
  std::printf("times in us of F + E + G; ratios: BF16 / time, ideal / time\n");
  std::printf("%-15s %7s %9s %-16s %9s %9s %7s %7s  %s\n", "in x out", "tokens", "bf16", "recipe",
              "ideal", "time", "speedup", "/ideal", "spread");
  for (const auto& [in, out] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {4096, 4096}, {4096, 11008}, {4096, 14336}}) {
    for (std::int64_t T = least; T <= most; T *= 2) {
      Layer layer(in, out, T);
      const Timing base = plain(layer);
      row(layer, base, "halo0-fp8+bf16", "float8_e4m3fn", "sm90-cublaslt-fast");
      row(layer, base, "halo1-fp8+bf16", "float8_e4m3fn", "sm90-cublaslt-fast");
      row(layer, base, "halo2-fp8+bf16", "float8_e4m3fn", "sm90-cublaslt-fast");
      row(layer, base, "halo0-int8+bf16", "int8", "int32");
      row(layer, base, "halo2-int8+bf16", "int8", "int32");
    }
  }
}
