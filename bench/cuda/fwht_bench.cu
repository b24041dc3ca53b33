// Transforms as a share of a device-to-device copy of the same bytes, in the same process.
// Usage: cuda_fwht_bench [megabytes of one tensor, default 512] [rows | base | cols]
//        cuda_fwht_bench --one N [cols]    one bfloat16 transform and nothing else, for a profiler
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "cuda/device_timer.h"
#include "sylvester/cuda/rotate_quantize.h"

using sylvester::DType;
using sylvester::HadamardOptions;
namespace cuda = sylvester::cuda;
namespace bench = sylvester::bench;

namespace {

struct Bench {
  std::int64_t bytes;  // of one tensor
  cuda::DeviceBuffer x, y;
  double copy;  // bytes a second

  explicit Bench(std::int64_t size) : bytes(size), x(size), y(size) {
    bench::fill_random(x.data(), bytes / 2, 1);
    bench::fill_random(y.data(), bytes / 2, 2);
    copy = bench::copy_rate(x.data(), y.data(), bytes);
    std::printf("copy %.3f TB/s\n", copy * 1e-12);
  }
  void line(const char* name, std::int64_t n, double moved, const bench::Timing& t) const {
    std::printf("%-10s %8lld %9.3f %7.3f  %.3f .. %.3f", name, static_cast<long long>(n),
                moved / t.median * 1e-12, moved / t.median / copy, moved / t.high / copy,
                moved / t.low / copy);
  }
  void rows(const char* name, DType dtype, int size, std::int64_t n, HadamardOptions options = {}) {
    const cuda::DeviceMatrix X(x.data(), dtype, bytes / size / n, n);
    const cuda::DeviceMatrix Y(y.data(), dtype, X.rows, n);
    const auto t =
        bench::time_calls([&](cudaStream_t s, int) { cuda::hadamard_rows(X, Y, options, s); }, 3);
    line(name, n, 2.0 * X.size() * size, t);
    std::printf("\n");
    std::fflush(stdout);
  }
  // Matrices of one width, one after the other; beside it a copy of one matrix after the other, and
  // both passes of the fused quantizer (5 bytes an element).
  void cols(const char* name, DType dtype, int size, std::int64_t n, std::int64_t width) {
    const std::int64_t one = n * width * size;
    const int count = static_cast<int>(bytes / one);
    const auto matrix = [&](const cuda::DeviceBuffer& at, int i) {
      return cuda::DeviceMatrix(at.as<char>() + i * one, dtype, n, width);
    };
    const auto t = bench::time_calls(
        [&](cudaStream_t s, int i) { cuda::hadamard_cols(matrix(x, i), matrix(y, i), {}, s); },
        count);
    const auto copied = bench::time_calls(
        [&](cudaStream_t s, int i) {
          bench::copy_kernel<><<<132 * 8, 256, 0, s>>>(x.as<uint4>() + i * one / 16,
                                                       y.as<uint4>() + i * one / 16, one / 16);
        },
        count);
    line(name, n, 2.0 * one, t);
    std::printf("  width %lld, copies of one %.3f", static_cast<long long>(width),
                2.0 * one / copied.median / copy);
    if (dtype == DType::kBFloat16) {
      cuda::RotateWork work;
      std::vector<cuda::DeviceQuantized> out(4);
      const auto spec = sylvester::parse_quant_spec("float8_e4m3fn");
      for (int i = 0; i < 4; ++i) {
        cuda::rotate_quantize(matrix(x, i % count), {.cols = true}, spec, out[i], work);
      }
      const auto codes = bench::time_calls(
          [&](cudaStream_t s, int i) {
            cuda::rotate_quantize(matrix(x, i), {.cols = true}, spec, out[i % 4], work, {}, s);
          },
          count);
      std::printf(", codes %.3f", 2.5 * one / codes.median / copy);
    }
    std::printf("\n");
    std::fflush(stdout);
  }
};

void run_one(std::int64_t n, bool cols) {
  const std::int64_t size = std::int64_t{256} << 20, other = size / 2 / n;
  cuda::DeviceBuffer x(size), y(size);
  bench::fill_random(x.data(), size / 2, 1);
  const cuda::DeviceMatrix X(x.data(), DType::kBFloat16, cols ? n : other, cols ? other : n);
  const cuda::DeviceMatrix Y(y.data(), DType::kBFloat16, X.rows, X.cols);
  cols ? cuda::hadamard_cols(X, Y) : cuda::hadamard_rows(X, Y);
  cuda::synchronize();
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i) {
    return i < argc ? std::string_view(argv[i]) : std::string_view();
  };
  if (argument(1) == "--one" && argc > 2) {
    run_one(std::atoll(argv[2]), argc > 3);
    return 0;
  }
  const auto wants = [&](std::string_view part) { return argc < 3 || argument(2) == part; };
  std::printf("device %s\n", cuda::device_info().name.c_str());
  Bench b((argc > 1 ? std::atoll(argv[1]) : 512) * (std::int64_t{1} << 20));
  std::printf("%-10s %8s %9s %7s %18s\n", "type", "n", "TB/s", "share", "spread");
  if (wants("rows")) {
    for (std::int64_t n = 8; n <= 32768; n *= 2) b.rows("bf16", DType::kBFloat16, 2, n);
    b.rows("bf16 signs", DType::kBFloat16, 2, 4096, {.signs = 1});
    b.rows("bf16 b64", DType::kBFloat16, 2, 4096, {.block = 64});
    for (const std::int64_t n : {64, 512, 4096, 16384, 32768}) {
      b.rows("fp16", DType::kFloat16, 2, n);
      b.rows("fp32", DType::kFloat32, 4, n);
    }
  }
  if (wants("base")) {
    for (const std::int64_t n :
         {768,  1536, 3072,  6144,  12288, 24576, 1280,  2560, 5120,  10240, 20480, 1792,
          3584, 7168, 14336, 28672, 576,   2304,  4608,  9216, 704,   5632,  22528, 26624,
          960,  1920, 17408, 4864,  6400,  25600, 13824, 8960, 18944, 4992,  11008}) {
      b.rows("bf16", DType::kBFloat16, 2, n);
    }
    for (const std::int64_t n : {3072, 14336, 5120, 2304, 11008}) {
      b.rows("fp32", DType::kFloat32, 4, n);
    }
  }
  if (wants("cols")) {
    for (const std::int64_t width : {4096, 14336}) {
      for (const std::int64_t n : {64, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768}) {
        if (n * width * 2 > b.bytes) continue;
        b.cols("bf16 cols", DType::kBFloat16, 2, n, width);
      }
    }
    for (const std::int64_t n : {512, 2048, 8192}) {
      b.cols("fp16 cols", DType::kFloat16, 2, n, 4096);
      b.cols("fp32 cols", DType::kFloat32, 4, n, 4096);
    }
  }
}
