// Quantizers and the fused rotate-quantize as a share of a device-to-device copy, counted in the
// bytes that must move: X read once (or twice), codes, transposed codes, scales and scale codes
// written. Usage: cuda_quantize_bench [word that the names must hold]
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <vector>

#include "cuda/device_timer.h"
#include "sylvester/cuda/rotate_quantize.h"

using sylvester::DType;
using sylvester::RotateQuantizeOptions;
namespace cuda = sylvester::cuda;
namespace bench = sylvester::bench;

namespace {

struct Case {
  const char* name;
  const char* spec;
  bool rows = false, transposed = false;
};
constexpr Case kCases[] = {
    {"e4m3", "float8_e4m3fn"},
    {"int8", "int8"},
    {"e4m3 + codes_t", "float8_e4m3fn", false, true},
    {"int8 + codes_t", "int8", false, true},
    {"e4m3 row", "float8_e4m3fn:row"},
    {"int8 row", "int8:row"},
    {"e4m3 1x128", "float8_e4m3fn:block=1x128"},
    {"int4 group 64", "int4:group=64"},
    {"mxfp8_e4m3", "mxfp8_e4m3"},
    {"mxfp6_e3m2", "mxfp6_e3m2"},
    {"mxfp6_e2m3", "mxfp6_e2m3"},
    {"mxfp4", "mxfp4"},
    {"nvfp4 levels=1", "nvfp4:levels=1"},
    {"nvfp4", "nvfp4"},
    {"e4m3 128x128", "float8_e4m3fn:block=128x128"},
    {"nvfp4 16x16", "nvfp4:block=16x16"},
    {"rotate e4m3", "float8_e4m3fn", true, false},
    {"rotate e4m3 + codes_t", "float8_e4m3fn", true, true},
    {"rotate e5m2 + codes_t", "float8_e5m2", true, true},
    {"rotate int8 + codes_t", "int8", true, true},
};

}  // namespace

int main(int argc, char** argv) {
  std::printf("device %s\n", cuda::device_info().name.c_str());
  const std::int64_t most = std::int64_t{512} << 20;
  cuda::DeviceBuffer x(most), y(most);
  bench::fill_random(x.data(), most / 2, 1);
  const double copy = bench::copy_rate(x.data(), y.data(), most);
  std::printf("%-24s %14s %9s %9s %9s  %s\n", "operation", "shape", "us", "one read", "two",
              "spread of one");
  cuda::RotateWork work;
  for (const auto& [rows, cols] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {4096, 4096}, {16384, 4096}, {16384, 8192}, {16384, 14336}, {16384, 11008}}) {
    for (const Case& c : kCases) {
      if (argc > 1 && std::string_view(c.name).find(argv[1]) == std::string_view::npos) continue;
      cuda::DeviceQuantized q;
      // A fresh part of x each call, as far as there are: X comes from memory.
      const std::int64_t size = rows * cols * 2, parts = most / size;
      const RotateQuantizeOptions options{.rows = c.rows, .transposed = c.transposed};
      const auto spec = sylvester::parse_quant_spec(c.spec);
      const bench::Timing t = bench::time_calls(
          [&](cudaStream_t s, int i) {
            const cuda::DeviceMatrix X(x.as<char>() + i % parts * size, DType::kBFloat16, rows,
                                       cols);
            cuda::rotate_quantize(X, options, spec, q, work, {}, s);
          },
          4);
      const auto written = static_cast<double>(q.codes.size() + q.codes_t.size() + q.scales.size() +
                                               q.scale_codes.size());
      const double once = static_cast<double>(size) + written, twice = once + size;
      std::printf("%-24s %6lld x %5lld %9.1f %9.3f %9.3f  %.3f .. %.3f\n", c.name,
                  static_cast<long long>(rows), static_cast<long long>(cols), t.median * 1e6,
                  once / t.median / copy, twice / t.median / copy, once / t.high / copy,
                  once / t.low / copy);
      std::fflush(stdout);
    }
  }
}
