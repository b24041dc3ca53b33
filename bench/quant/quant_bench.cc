// Quantize and fake-quantize a 4096 x 4096 float32 matrix, as a ratio to memcpy of the same bytes.
//
// A case times memcpy and the quantizer by turns and takes the least of each, so that other load
// hits both alike. Bytes: the numbers once and the result once (per-tensor specs read the numbers
// twice; that counts once). Threads: SYLVESTER_THREADS (1), target: SYLVESTER_TARGET (auto), from
// the environment.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>

#include "sylvester/core/parallel.h"
#include "sylvester/core/target.h"
#include "sylvester/quant/quantize.h"

namespace sylvester {
namespace {

constexpr std::int64_t kSide = 4096;
constexpr int kRepetitions = 7;

double seconds(auto&& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// About normal, made once: the sum of the bytes of a random word.
const Buffer<float>& numbers() {
  static const Buffer<float> x = [] {
    Buffer<float> out(kSide * kSide);
    std::uint64_t state = 1;
    for (float& value : out) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const auto w = static_cast<std::uint32_t>(state >> 32);
      const std::uint32_t sum = (w & 255) + ((w >> 8) & 255) + ((w >> 16) & 255) + (w >> 24);
      value = (static_cast<float>(sum) - 510.0f) / 148.0f + static_cast<float>(w) * 0x1p-40f;
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
  double least_copy = std::numeric_limits<double>::max(), least = least_copy;
  for (auto _ : state) {
    for (int i = 0; i < kRepetitions; ++i) {
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
  state.counters["of_memcpy"] = least_copy / least;
}

void bench_codes(benchmark::State& state, const QuantSpec& spec, bool stats) {
  QuantizedMatrix out;
  QuantStats figures;
  const MatrixView<const float> X{numbers().data(), kSide, kSide};
  quantize(X, spec, out);
  const std::int64_t bytes = kSide * kSide * 5 + out.scale_codes.size() + out.scales.size() * 4;
  against_memcpy(state, bytes, [&] { quantize(X, spec, out, stats ? &figures : nullptr); });
}

void bench_values(benchmark::State& state, const QuantSpec& spec) {
  Buffer<float> out(kSide * kSide);
  const MatrixView<const float> X{numbers().data(), kSide, kSide};
  const MatrixView<float> Y{out.data(), kSide, kSide};
  fake_quantize(X, spec, Y);
  against_memcpy(state, kSide * kSide * 8, [&] { fake_quantize(X, spec, Y); });
}

void bench_dequantize(benchmark::State& state, const QuantSpec& spec) {
  Buffer<float> out(kSide * kSide);
  const QuantizedMatrix q = quantize({numbers().data(), kSide, kSide}, spec);
  const MatrixView<float> Y{out.data(), kSide, kSide};
  dequantize(q, Y);
  against_memcpy(state, kSide * kSide * 5, [&] { dequantize(q, Y); });
}

void register_all() {
  const auto add = [](const std::string& name, auto&& body) {
    benchmark::RegisterBenchmark(name.c_str(), body)
        ->UseManualTime()
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
  };
  for (const char* text : {"int8",
                           "int4",
                           "int8:row",
                           "int4:row",
                           "int4:row:asym",
                           "int4:col",
                           "int4:group=128",
                           "float8_e4m3fn",
                           "float8_e4m3fn:row",
                           "float8_e4m3fn:block=1x128",
                           "float8_e4m3fn:block=128x128",
                           "float6_e3m2fn",
                           "float4_e2m1fn",
                           "mxfp8_e4m3",
                           "mxfp8_e5m2",
                           "mxfp6_e3m2",
                           "mxfp6_e2m3",
                           "mxfp4",
                           "mxfp4:rule=rceil",
                           "nvfp4",
                           "nvfp4:as=te",
                           "nvfp4:block=16x16:as=te",
                           "nvfp4:levels=1",
                           "mxfp4:rounding=stochastic",
                           "int8:scale=bf16:quotient=bf16:codes=wrap",
                           "bfloat16"}) {
    const QuantSpec spec = parse_quant_spec(text);
    add(std::string("values/") + text, [=](auto& state) { bench_values(state, spec); });
    if (is_cast(spec)) continue;
    add(std::string("codes/") + text, [=](auto& state) { bench_codes(state, spec, false); });
    add(std::string("codes+stats/") + text, [=](auto& state) { bench_codes(state, spec, true); });
    add(std::string("dequantize/") + text, [=](auto& state) { bench_dequantize(state, spec); });
  }
}

}  // namespace
}  // namespace sylvester

int main(int argc, char** argv) {
  const char* target = std::getenv("SYLVESTER_TARGET");
  if (target != nullptr) sylvester::set_target(sylvester::parse_target(target));
  const char* threads = std::getenv("SYLVESTER_THREADS");
  sylvester::set_num_threads(threads == nullptr ? 1 : std::atoi(threads));
  benchmark::Initialize(&argc, argv);
  sylvester::register_all();
  benchmark::RunSpecifiedBenchmarks();
}
