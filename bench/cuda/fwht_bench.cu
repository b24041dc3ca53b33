// Row transforms as a share of a device-to-device copy of the same bytes, in the same process.
// Usage: cuda_fwht_bench [megabytes of one tensor, default 512]
//        cuda_fwht_bench --one N [cols]    one bfloat16 transform and nothing else, for a profiler
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "cuda/device_timer.h"
#include "sylvester/cuda/hadamard.h"

using sylvester::DType;
using sylvester::HadamardOptions;
namespace cuda = sylvester::cuda;
namespace bench = sylvester::bench;

int main(int argc, char** argv) {
  if (argc > 2 && std::string_view(argv[1]) == "--one") {
    const std::int64_t n = std::atoll(argv[2]), size = std::int64_t{256} << 20;
    cuda::DeviceBuffer x(size), y(size);
    bench::fill_random(x.data(), size / 2, 1);
    const std::int64_t other = size / 2 / n;
    const bool cols = argc > 3;
    const cuda::DeviceMatrix X(x.data(), DType::kBFloat16, cols ? n : other, cols ? other : n);
    const cuda::DeviceMatrix Y(y.data(), DType::kBFloat16, X.rows, X.cols);
    cols ? cuda::hadamard_cols(X, Y) : cuda::hadamard_rows(X, Y);
    cuda::synchronize();
    return 0;
  }
  const std::int64_t bytes = (argc > 1 ? std::atoll(argv[1]) : 512) * (std::int64_t{1} << 20);
  std::printf("device %s\n", cuda::device_info().name.c_str());
  cuda::DeviceBuffer x(bytes), y(bytes);
  bench::fill_random(x.data(), bytes / 2, 1);
  bench::fill_random(y.data(), bytes / 2, 2);
  const auto measure = [&](const auto& work) {
    return bench::time_calls([&](cudaStream_t s, int) { work(s); }, 3);
  };
  const double copy = bench::copy_rate(x.data(), y.data(), bytes);
  std::printf("copy %.3f TB/s\n", copy * 1e-12);
  std::printf("%-10s %8s %9s %7s %18s\n", "type", "n", "TB/s", "share", "spread");
  const auto row = [&](const char* name, DType dtype, int size, std::int64_t n,
                       HadamardOptions options, bool cols) {
    // Columns: matrices as wide as an activation, one after the other.
    const std::int64_t rows = cols ? n : bytes / size / n;
    const std::int64_t width = cols ? 4096 : n;
    const std::int64_t matrices = cols ? bytes / size / n / width : 1;
    const bench::Timing t = measure([&](cudaStream_t s) {
      for (std::int64_t i = 0; i < matrices; ++i) {
        const std::int64_t at = i * rows * width * size;
        const cuda::DeviceMatrix X(x.as<char>() + at, dtype, rows, width);
        const cuda::DeviceMatrix Y(y.as<char>() + at, dtype, rows, width);
        cols ? cuda::hadamard_cols(X, Y, options, s) : cuda::hadamard_rows(X, Y, options, s);
      }
    });
    const double moved = 2.0 * matrices * rows * width * size;
    std::printf("%-10s %8lld %9.3f %7.3f  %.3f .. %.3f\n", name, static_cast<long long>(n),
                moved / t.median * 1e-12, moved / t.median / copy, moved / t.high / copy,
                moved / t.low / copy);
    std::fflush(stdout);
  };
  for (std::int64_t n = 8; n <= 32768; n *= 2) row("bf16", DType::kBFloat16, 2, n, {}, false);
  for (const std::int64_t n : {768,   1536, 3072, 6144, 12288, 24576, 1280,  10240, 5120,  2560,
                               20480, 1792, 3584, 7168, 14336, 28672, 11008, 5632,  13824, 2304}) {
    row("bf16", DType::kBFloat16, 2, n, {}, false);
  }
  row("bf16 signs", DType::kBFloat16, 2, 4096, {.signs = 1}, false);
  row("bf16 b64", DType::kBFloat16, 2, 4096, {.block = 64}, false);
  for (const std::int64_t n : {64, 512, 4096, 16384, 32768}) {
    row("fp16", DType::kFloat16, 2, n, {}, false);
    row("fp32", DType::kFloat32, 4, n, {}, false);
  }
  for (const std::int64_t n : {512, 1024, 2048, 4096, 8192, 16384}) {
    row("bf16 cols", DType::kBFloat16, 2, n, {}, true);
  }
}
