// HALO linears, forward + backward in one CUDA graph, beside BF16 through cuBLASLt and the ideal
// (the same products on codes that are there already), in one process. Usage: cuda_linear_bench
// [most tokens, default 16384]
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "cuda/device_timer.h"
#include "sylvester/cuda/linear.h"

using sylvester::DType;
using sylvester::parse_accumulation;
using sylvester::parse_quant_spec;
namespace cuda = sylvester::cuda;
namespace bench = sylvester::bench;

int main(int argc, char** argv) {
  const std::int64_t most = argc > 1 ? std::atoll(argv[1]) : 16384;
  cuda::set_autotuning(true);
  std::printf("device %s\n", cuda::device_info().name.c_str());
  std::printf("times in us of F + E + G; ratios: BF16 / time, ideal / time\n");
  std::printf("%-15s %7s %9s %-12s %9s %9s %7s %7s  %s\n", "in x out", "tokens", "bf16", "recipe",
              "ideal", "time", "speedup", "/ideal", "spread");
  for (const auto& [in, out] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {4096, 4096}, {4096, 11008}, {4096, 14336}}) {
    for (std::int64_t T = 512; T <= most; T *= 2) {
      const auto bf16 = DType::kBFloat16;
      const cuda::DeviceArray X(bf16, T, in), W(bf16, out, in), E(bf16, T, out), Y(bf16, T, out),
          dX(bf16, T, in), dW(bf16, out, in);
      bench::fill_random(X.data(), T * in, 1);
      bench::fill_random(W.data(), out * in, 2);
      bench::fill_random(E.data(), T * out, 3);
      const auto policy = parse_accumulation("sm90-cublaslt");
      const bench::Timing base = bench::time_calls(
          [&](cudaStream_t s, int) {
            cuda::product(X, false, W, false, policy, Y, nullptr, s);
            cuda::product(E, false, W, true, policy, dX, nullptr, s);
            cuda::product(E, true, X, true, policy, dW, nullptr, s);
          },
          2, 9);
      struct Recipe {
        const char* name;
        int level;
        const char* spec;
        const char* policy;
      };
      for (const Recipe& r : {Recipe{"halo0-fp8", 0, "float8_e4m3fn", "sm90-cublaslt-fast"},
                              {"halo1-fp8", 1, "float8_e4m3fn", "sm90-cublaslt-fast"},
                              {"halo2-fp8", 2, "float8_e4m3fn", "sm90-cublaslt-fast"},
                              {"halo0-int8", 0, "int8", "int32"},
                              {"halo2-int8", 2, "int8", "int32"}}) {
        cuda::HaloLinear linear(T, in, out,
                                {r.level, parse_quant_spec(r.spec), parse_accumulation(r.policy)});
        const bench::Timing all = bench::time_calls(
            [&](cudaStream_t s, int) {
              linear.forward(X, W, Y, s);
              linear.backward(E, dX, dW, s);
            },
            2, 9);
        const bench::Timing ideal = bench::time_calls(
            [&](cudaStream_t s, int) { linear.products_only(Y, dX, dW, s); }, 2, 9);
        std::printf("%5lld x %-7lld %7lld %9.1f %-12s %9.1f %9.1f %7.3f %7.3f  %.1f .. %.1f\n",
                    static_cast<long long>(in), static_cast<long long>(out),
                    static_cast<long long>(T), base.median * 1e6, r.name, ideal.median * 1e6,
                    all.median * 1e6, base.median / all.median, ideal.median / all.median,
                    all.low * 1e6, all.high * 1e6);
        std::fflush(stdout);
      }
    }
  }
}
