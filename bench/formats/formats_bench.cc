// Encode and decode 16M numbers on one thread, as a ratio to memcpy of the same bytes.
//
// Each case times memcpy and the conversion by turns in the same loop and takes the least of each,
// so that other load on the machine hits both alike; one thread is timed by its processor time,
// which does not count while another process runs. Counters: GB/s counts bytes read and written;
// `of_memcpy` is the ratio that docs/benchmarks.md tabulates. In the environment:
// SYLVESTER_TARGET=avx2 (sse4, scalar) for another instruction set, SYLVESTER_THREADS=2,
// SYLVESTER_REPETITIONS=25. --benchmark_filter=encode/float8 picks cases.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <string>

#include "sylvester/core/buffer.h"
#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"
#include "sylvester/formats/convert.h"

namespace sylvester {
namespace {

constexpr std::int64_t kElements = std::int64_t{1} << 24;

int from_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::atoi(text) : otherwise;
}

// Processor time of this thread, or wall time when several work.
double now() {
  timespec t{};
  clock_gettime(num_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double seconds(auto&& body) {
  const double start = now();
  body();
  return now() - start;
}

// About normal, standard deviation 4: sums of the four bytes of a random word.
const Buffer<float>& numbers() {
  static const Buffer<float> x = [] {
    Buffer<std::uint32_t> words(kElements);
    random_words({.seed = 1}, 0, words.span());
    Buffer<float> out(kElements);
    for (std::int64_t i = 0; i < kElements; ++i) {
      const std::uint32_t v = words[i];
      const auto sum =
          static_cast<float>((v & 255) + ((v >> 8) & 255) + ((v >> 16) & 255) + ((v >> 24) & 255));
      out[i] = (sum - 510.0f) * (1.0f / 37.0f) + static_cast<float>(v) * 0x1p-40f;
    }
    return out;
  }();
  return x;
}

template <class F>
void against_memcpy(benchmark::State& state, std::int64_t bytes, F&& body) {
  Buffer<char> from(bytes / 2), to(bytes / 2);
  from.fill(1);
  to.fill(2);
  const int repetitions = from_environment("SYLVESTER_REPETITIONS", 9);
  double least_copy = std::numeric_limits<double>::max(), least = least_copy;
  for (auto _ : state) {
    for (int i = 0; i < repetitions; ++i) {
      least_copy =
          std::min(least_copy, seconds([&] {
                     std::memcpy(to.data(), from.data(), static_cast<std::size_t>(bytes / 2));
                     benchmark::DoNotOptimize(to.data());
                   }));
      least = std::min(least, seconds(body));
    }
    state.SetIterationTime(least);
  }
  state.counters["GB/s"] = static_cast<double>(bytes) / least * 1e-9;
  state.counters["memcpy_GB/s"] = static_cast<double>(bytes) / least_copy * 1e-9;
  state.counters["of_memcpy"] = least_copy / least;
}

void bench_encode(benchmark::State& state, DType to, EncodeOptions options) {
  Buffer<std::uint8_t> codes(kElements);
  codes.fill(0);
  const Buffer<float>& x = numbers();
  against_memcpy(state, kElements * 5, [&] { encode(x.span(), to, codes.span(), options); });
}

void bench_decode(benchmark::State& state, DType from) {
  Buffer<std::uint8_t> codes(kElements);
  encode(numbers().span(), from, codes.span());
  Buffer<float> x(kElements);
  x.fill(0);
  against_memcpy(state, kElements * 5, [&] { decode(codes.span(), from, x.span()); });
}

void bench_encode16(benchmark::State& state, DType to) {
  Buffer<std::uint16_t> codes(kElements);
  codes.fill(0);
  const Buffer<float>& x = numbers();
  against_memcpy(state, kElements * 6, [&] { encode16(x.span(), to, codes.span()); });
}

void bench_decode16(benchmark::State& state, DType from) {
  Buffer<std::uint16_t> codes(kElements);
  encode16(numbers().span(), from, codes.span());
  Buffer<float> x(kElements);
  x.fill(0);
  against_memcpy(state, kElements * 6, [&] { decode16(codes.span(), from, x.span()); });
}

template <class F, class... Args>
void add(const std::string& name, F f, Args... args) {
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& s) { f(s, args...); })
      ->Iterations(1)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

void register_all() {
  for (const Format& f : formats()) {
    const std::string name(f.name);
    if (f.bits > 8) {
      add("encode/" + name, bench_encode16, f.dtype);
      add("decode/" + name, bench_decode16, f.dtype);
      continue;
    }
    add("encode/" + name, bench_encode, f.dtype, EncodeOptions{});
    add("decode/" + name, bench_decode, f.dtype);
  }
  const DType e4m3 = DType::kFloat8E4M3FN;
  add("encode/float8_e4m3fn/nonfinite", bench_encode, e4m3,
      EncodeOptions{.overflow = Overflow::kNonfinite});
  for (const Rounding r : {Rounding::kTowardZero, Rounding::kNearestAway, Rounding::kStochastic}) {
    for (const DType d : {e4m3, DType::kInt8}) {
      add("encode/" + std::string(to_string(d)) + "/" + std::string(to_string(r)), bench_encode, d,
          EncodeOptions{.rounding = r});
    }
  }
}

}  // namespace
}  // namespace sylvester

int main(int argc, char** argv) {
  if (const char* target = std::getenv("SYLVESTER_TARGET")) {
    sylvester::set_target(sylvester::parse_target(target));
  }
  sylvester::set_num_threads(sylvester::from_environment("SYLVESTER_THREADS", 1));
  benchmark::AddCustomContext("sylvester_target",
                              sylvester::to_string(sylvester::current_target()));
  sylvester::register_all();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
