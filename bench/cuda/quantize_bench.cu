// Quantizers and the fused rotate-quantize as a share of a device-to-device copy, counted in the
// bytes that must move. Usage: cuda_quantize_bench
#include <cstdint>
#include <cstdio>
#include <vector>

#include "cuda/device_timer.h"
#include "sylvester/cuda/rotate_quantize.h"

using sylvester::DType;
using sylvester::RotateQuantizeOptions;
namespace cuda = sylvester::cuda;
namespace bench = sylvester::bench;

int main() {
  std::printf("device %s\n", cuda::device_info().name.c_str());
  const std::int64_t most = std::int64_t{512} << 20;
  cuda::DeviceBuffer x(most), y(most);
  bench::fill_random(x.data(), most / 2, 1);
  const double copy = bench::copy_rate(x.data(), y.data(), most);
  std::printf("copy %.3f TB/s\n", copy * 1e-12);
  std::printf("one pass: bf16 read once, codes (and codes_t) written; two passes: read twice\n");
  std::printf("%-34s %14s %9s %9s %9s\n", "operation", "shape", "us", "one pass", "two");
  struct Case {
    const char* name;
    const char* spec;
    bool rows, transposed;
  };
  cuda::RotateWork work;
  for (const auto& [rows, cols] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {4096, 4096}, {16384, 4096}, {16384, 14336}, {16384, 11008}}) {
    for (const Case& c : {Case{"e4m3", "float8_e4m3fn", false, false},
                          {"e4m3 + codes_t", "float8_e4m3fn", false, true},
                          {"int8 + codes_t", "int8", false, true},
                          {"int8 row", "int8:row", false, false},
                          {"mxfp8_e4m3", "mxfp8_e4m3", false, false},
                          {"nvfp4", "nvfp4", false, false},
                          {"mxfp6_e3m2", "mxfp6_e3m2", false, false},
                          {"rotate e4m3", "float8_e4m3fn", true, false},
                          {"rotate e4m3 + codes_t", "float8_e4m3fn", true, true},
                          {"rotate int8 + codes_t", "int8", true, true}}) {
      if (cols == 11008 && c.rows) continue;
      cuda::DeviceQuantized q;
      const cuda::DeviceMatrix X(x.data(), DType::kBFloat16, rows, cols);
      const RotateQuantizeOptions options{.rows = c.rows, .transposed = c.transposed};
      const auto spec = sylvester::parse_quant_spec(c.spec);
      const bench::Timing t = bench::time_calls(
          [&](cudaStream_t s, int) { cuda::rotate_quantize(X, options, spec, q, work, {}, s); }, 4);
      const double n = static_cast<double>(rows) * cols;
      const double once = n * (c.transposed ? 4 : 3), twice = once + 2 * n;
      std::printf("%-34s %6lld x %5lld %9.1f %9.3f %9.3f\n", c.name, static_cast<long long>(rows),
                  static_cast<long long>(cols), t.median * 1e6, once / t.median / copy,
                  twice / t.median / copy);
      std::fflush(stdout);
    }
  }
}
