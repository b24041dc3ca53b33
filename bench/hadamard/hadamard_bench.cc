// The transform beside an in-place pass over the same memory, interleaved in one process.
// Counters: ns_per_element (fastest repetition), pass (the in-place pass), ratio = the quotient of
// the two, against_power_of_two for orders K 2^m.
//   hadamard_bench --benchmark_filter=Rows
// SYLVESTER_TARGET=avx2 in the environment: another instruction set for cases that do not name one.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <vector>

#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"
#include "sylvester/formats/convert.h"
#include "sylvester/hadamard/hadamard.h"
#include "sylvester/hadamard/rotate_quantize.h"

namespace sylvester {
namespace {

constexpr std::int64_t kElements = std::int64_t{1} << 24;

double seconds(const auto& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Read and write every element once. Alternating factors keep the values in range.
void in_place_pass(float* x, std::int64_t n, float factor) {
  parallel_blocks(n, std::int64_t{1} << 20,
                  [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) x[i] *= factor;
                  });
}

void fill(Buffer<float>& x) {
  Buffer<std::uint32_t> words(x.size());
  random_words({.seed = 1}, 0, words.span());
  std::transform(words.begin(), words.end(), x.begin(), [](std::uint32_t word) {
    return static_cast<float>(static_cast<std::int32_t>(word)) * 0x1p-31f;
  });
}

// The orthonormal transform keeps the sum of squares: checked before anything is timed.
double energy(const Buffer<float>& x) {
  double sum = 0;
  for (const float value : x) sum += static_cast<double>(value) * value;
  return sum;
}

void check(const Buffer<float>& x, double before) {
  if (std::fabs(energy(x) / before - 1) > 1e-4) {
    std::fprintf(stderr, "hadamard_bench: the transform changed the sum of squares\n");
    std::exit(1);
  }
}

// Times `work` and the in-place pass alternately for as long as the framework asks.
void compare(benchmark::State& state, Buffer<float>& x, const auto& work) {
  double best = std::numeric_limits<double>::infinity(), pass = best;
  float factor = 2.0f;
  for (auto _ : state) {
    const double t = seconds(work);
    state.SetIterationTime(t);
    best = std::min(best, t);
    pass = std::min(pass, seconds([&] { in_place_pass(x.data(), x.size(), factor); }));
    factor = 1.0f / factor;
  }
  const auto n = static_cast<double>(x.size());
  state.counters["ns_per_element"] = best / n * 1e9;
  state.counters["pass"] = pass / n * 1e9;
  state.counters["ratio"] = best / pass;
}

void Rows(benchmark::State& state) {
  const std::int64_t n = state.range(0), rows = kElements / n;
  set_num_threads(static_cast<int>(state.range(1)));
  Buffer<float> x(rows * n);
  fill(x);
  const MatrixView<float> view(x.data(), rows, n);
  const double before = energy(x);
  hadamard_rows(view, view);
  check(x, before);
  compare(state, x, [&] { hadamard_rows(view, view); });
}

void Columns(benchmark::State& state) {
  const std::int64_t m = state.range(0), n = state.range(1);
  set_num_threads(static_cast<int>(state.range(2)));
  Buffer<float> x(m * n);
  fill(x);
  const MatrixView<float> view(x.data(), m, n), rows(x.data(), n, m);
  const double before = energy(x);
  hadamard_cols(view, view);
  check(x, before);
  double row_time = std::numeric_limits<double>::infinity();
  compare(state, x, [&] { hadamard_cols(view, view); });
  for (int i = 0; i < 5; ++i) {
    row_time = std::min(row_time, seconds([&] { hadamard_rows(rows, rows); }));
  }
  state.counters["against_rows"] =
      state.counters["ns_per_element"] / (row_time / static_cast<double>(m * n) * 1e9);
}

// Time of one row of K 2^m over that of one row of the next power of two.
void BaseRows(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  std::int64_t power = 1;
  while (power < n) power *= 2;
  set_num_threads(1);
  const std::int64_t rows = std::max<std::int64_t>(1, (std::int64_t{1} << 22) / power);
  Buffer<float> x(rows * n), z(rows * power);
  fill(x);
  fill(z);
  const MatrixView<float> view(x.data(), rows, n), wide(z.data(), rows, power);
  const double before = energy(x);
  hadamard_rows(view, view);
  check(x, before);
  double other = std::numeric_limits<double>::infinity();
  compare(state, x, [&] { hadamard_rows(view, view); });
  for (int i = 0; i < 10; ++i) {
    other = std::min(other, seconds([&] { hadamard_rows(wide, wide); }));
  }
  const double best = state.counters["ns_per_element"] * static_cast<double>(rows * n) * 1e-9;
  state.counters["against_power_of_two"] = best / other;
}

void RowsBfloat16(benchmark::State& state) {
  const std::int64_t n = state.range(0), rows = kElements / n;
  set_num_threads(1);
  Buffer<std::uint16_t> x(rows * n);
  x.fill(0x3F80);
  Buffer<float> half(rows * n / 2);  // the same bytes, for the in-place pass
  fill(half);
  const MatrixView<std::uint16_t> view(x.data(), rows, n);
  compare(state, half, [&] { hadamard_rows(view, view); });
  state.counters["ns_per_element"] = state.counters["ns_per_element"] / 2;
}

// The fused pass over the transform alone (in place, the same matrix).
void RotateQuantize(benchmark::State& state, const char* text, bool transposed) {
  const std::int64_t rows = state.range(0), n = state.range(1);
  set_num_threads(static_cast<int>(state.range(2)));
  Buffer<float> x(rows * n);
  fill(x);
  const MatrixView<float> view(x.data(), rows, n);
  const QuantSpec spec = parse_quant_spec(text);
  QuantizedMatrix out;
  Buffer<std::uint8_t> codes_t;
  Buffer<float> scratch;
  const auto fused = [&] {
    rotate_quantize(view, {.rows = true, .transposed = transposed, .scratch = &scratch}, spec, out,
                    &codes_t);
  };
  fused();  // touches fresh memory
  double best = std::numeric_limits<double>::infinity(), transform = best;
  for (auto _ : state) {
    const double t = seconds(fused);
    state.SetIterationTime(t);
    best = std::min(best, t);
    transform = std::min(transform, seconds([&] { hadamard_rows(view, view); }));
  }
  state.counters["ns_per_element"] = best / static_cast<double>(rows * n) * 1e9;
  state.counters["transform"] = transform / static_cast<double>(rows * n) * 1e9;
  state.counters["against_transform"] = best / transform;
}

#define SYLVESTER_BENCH(f) BENCHMARK(f)->UseManualTime()->Unit(benchmark::kMillisecond)
SYLVESTER_BENCH(Rows)
    ->ArgNames({"n", "threads"})
    ->ArgsProduct({{64, 256, 1024, 4096, 16384, 65536, 1 << 20}, {1, 2}});
SYLVESTER_BENCH(Columns)
    ->ArgNames({"m", "n", "threads"})
    ->ArgsProduct({{64, 512, 4096, 65536}, {256}, {1}})
    ->ArgsProduct({{512, 4096}, {4096}, {1, 2}})
    ->Args({11008, 1024, 1});
SYLVESTER_BENCH(BaseRows)->ArgName("n")->ArgsProduct({{576, 768, 960, 1536, 2560, 3072, 5120, 5632,
                                                       4864, 8960, 11008, 13824, 14336, 17408,
                                                       18944, 25600, 28672}});
SYLVESTER_BENCH(RowsBfloat16)->ArgName("n")->ArgsProduct({{64, 1024, 4096, 16384}});
#define SYLVESTER_BENCH_SPEC(name, spec, transposed)        \
  BENCHMARK_CAPTURE(RotateQuantize, name, spec, transposed) \
      ->UseManualTime()                                     \
      ->Unit(benchmark::kMillisecond)                       \
      ->ArgNames({"rows", "n", "threads"})                  \
      ->Args({4096, 1024, 1})                               \
      ->Args({1024, 4096, 1})                               \
      ->Args({1024, 4096, 2})                               \
      ->Args({4096, 4096, 1})                               \
      ->Args({512, 576, 1})                                 \
      ->Args({2048, 14336, 1})
SYLVESTER_BENCH_SPEC(int8, "int8", false);
SYLVESTER_BENCH_SPEC(int8_row, "int8:row", false);
SYLVESTER_BENCH_SPEC(int8_transposed, "int8", true);
SYLVESTER_BENCH_SPEC(fp8, "float8_e4m3fn", false);
SYLVESTER_BENCH_SPEC(fp8_row, "float8_e4m3fn:row", false);
SYLVESTER_BENCH_SPEC(mxfp8, "mxfp8_e4m3", false);

}  // namespace
}  // namespace sylvester

int main(int argc, char** argv) {
  const char* target = std::getenv("SYLVESTER_TARGET");
  if (target != nullptr) sylvester::set_target(sylvester::parse_target(target));
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
