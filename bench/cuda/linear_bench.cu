// Linear layers under HALO's recipes, forward + backward in one CUDA graph, beside BF16 through
// cuBLASLt and the ideal (the same products on codes that are there already), in one process; and
// the roofline: what ideal / time and bf16 / time would be if quantizing and rotating moved their
// bytes at the rate of a copy and did nothing else.
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
#include "sylvester/nn/linear_plan.h"

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

// One for each stream, made at its first call and kept: a capture takes no new memory.
class Card {
 public:
  Numerics& on(cudaStream_t stream) {
    if (card_ == nullptr || stream != stream_) card_ = make_cuda_numerics(stream), stream_ = stream;
    return *card_;
  }

 private:
  std::unique_ptr<Numerics> card_;
  cudaStream_t stream_ = nullptr;
};

// The three products in bfloat16.
Timing plain(Layer& l) {
  Card cards;
  return time_calls(
      [&](cudaStream_t s, int) {
        Numerics& card = cards.on(s);
        card.product(l.X, false, l.W, true, l.Y);
        card.product(l.E, false, l.W, false, l.dX);
        card.product(l.E, true, l.X, false, l.dW);
      },
      2, 9);
}

Timing recipe(Layer& l, const char* name, const char* policy) {
  LinearGroup group({l.W}, 1);
  group.set_recipe(parse_recipe(name), parse_accumulation(policy));
  Card cards;
  return time_calls(
      [&](cudaStream_t s, int) {
        Numerics& card = cards.on(s);
        Tensor* const Y[] = {&l.Y};
        const Tensor* const E[] = {&l.E};
        Tensor* const dW[] = {&l.dW};
        group.weights_changed();
        group.forward(card, l.X, Y, true, 0, 0);
        group.backward(card, E, l.dX, dW, true);
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
  Card cards;
  return time_calls(
      [&](cudaStream_t s, int) {
        Numerics& card = cards.on(s);
        card.matmul(x, false, w, false, accumulation, l.Y);
        card.matmul(e, false, w, true, accumulation, l.dX);
        card.matmul(e, true, x, true, accumulation, l.dW);
      },
      2, 9);
}

// Bytes that rotating and quantizing have to move: a tensor larger than the L2 cache is read twice,
// since one scale of the tensor follows from all of it.
double bytes_beside_products(const Layer& l, const LinearRecipe& recipe) {
  const LinearPlan p = plan(recipe);
  const auto codes = [&](const Tensor& t, const OperandPlan& first, const OperandPlan& second) {
    const auto size = static_cast<double>(t.size());
    const double read = 2 * size * (2 * t.size() > cuda::device_info().l2_bytes ? 2 : 1);
    const bool both = first.same_codes(second);
    return both ? read + size * (first.transposed != second.transposed ? 2 : 1)
                : 2 * read + 2 * size;
  };
  const auto turned_back = [](const Tensor& t, const Product& product) {
    return 4.0 * static_cast<double>(t.size()) * (int{product.left} + int{product.right});
  };
  return codes(l.X, p.x_F, p.x_G) + codes(l.W, p.w_F, p.w_E) + codes(l.E, p.e_E, p.e_G) +
         turned_back(l.Y, recipe.F) + turned_back(l.dX, recipe.E) + turned_back(l.dW, recipe.G);
}

void row(Layer& l, double copy, const Timing& base, const char* name, const char* spec,
         const char* policy) {
  const Timing all = recipe(l, name, policy), least = ideal(l, spec, policy);
  const double bound = least.median + bytes_beside_products(l, parse_recipe(name)) / copy;
  std::printf(
      "%5lld x %-7lld %7lld %9.1f %-16s %9.1f %9.1f %7.3f %7.3f %7.3f %7.3f  %.1f .. %.1f\n",
      static_cast<long long>(l.in), static_cast<long long>(l.out), static_cast<long long>(l.T),
      base.median * 1e6, name, least.median * 1e6, all.median * 1e6, base.median / all.median,
      least.median / all.median, base.median / bound, least.median / bound, all.low * 1e6,
      all.high * 1e6);
  std::fflush(stdout);
}

}  // namespace
}  // namespace sylvester::bench

int main(int argc, char** argv) {
  using namespace sylvester::bench;
  namespace cuda = sylvester::cuda;
  const std::int64_t most = argc > 1 ? std::atoll(argv[1]) : 16384;
  const std::int64_t least = argc > 2 ? std::atoll(argv[2]) : 512;
  cuda::set_autotuning(true);
  std::printf("device %s\n", cuda::device_info().name.c_str());
  std::printf("times in us of F + E + G; ratios: BF16 / time, ideal / time\n");
  const std::int64_t megabytes = std::int64_t{256} << 20;
  double copy = 0;
  {
    const cuda::DeviceBuffer from(megabytes), to(megabytes);
    fill_random(from.data(), megabytes / 2, 1);
    copy = copy_rate(from.data(), to.data(), megabytes);
  }
  std::printf("%-15s %7s %9s %-16s %9s %9s %7s %7s %15s  %s\n", "in x out", "tokens", "bf16",
              "recipe", "ideal", "time", "speedup", "/ideal", "roofline of both", "spread");
  for (const auto& [in, out] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {4096, 4096}, {4096, 11008}, {4096, 14336}}) {
    for (std::int64_t T = least; T <= most; T *= 2) {
      Layer layer(in, out, T);
      const Timing base = plain(layer);
      row(layer, copy, base, "halo0-fp8+bf16", "float8_e4m3fn", "sm90-cublaslt-fast");
      row(layer, copy, base, "halo1-fp8+bf16", "float8_e4m3fn", "sm90-cublaslt-fast");
      row(layer, copy, base, "halo2-fp8+bf16", "float8_e4m3fn", "sm90-cublaslt-fast");
      row(layer, copy, base, "halo0-int8+bf16", "int8", "int32");
      row(layer, copy, base, "halo2-int8+bf16", "int8", "int32");
    }
  }
}
