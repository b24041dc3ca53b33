// Absmax and range of segments. The bodies in src/quant/row_kernels.cc define the results.
#include <algorithm>

#include "quant/simd_rows.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/quant_bounds.cc"
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#include <hwy/foreach_target.h>
// After foreach_target.
#include <hwy/highway.h>

#include "simd/quant_bounds-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sylvester::detail {
namespace HWY_NAMESPACE {
#if HWY_TARGET != HWY_SCALAR

// Rows that columns are taken from at once.
constexpr std::int64_t kTogether = 8;

// One maximum for each column.
void absmax_columns(MatrixView<const float> X, std::uint32_t* HWY_RESTRICT magnitude,
                    std::int64_t ahead) {
  const std::int64_t N = lanes();
  auto* out = reinterpret_cast<std::int32_t*>(magnitude);
  for (std::int64_t first = 0; first < X.rows; first += kTogether) {
    const std::int64_t end = std::min(X.rows, first + kTogether);
    std::int64_t i = 0;
    for (; i + N <= X.cols; i += N) {
      VI most = hn::LoadU(DI(), out + i);
      for (std::int64_t r = first; r < end; ++r) {
        prefetch(X.row(r) + i, ahead, 1);
        most = hn::Max(most, magnitude_of(X.row(r) + i));
      }
      hn::StoreU(most, DI(), out + i);
    }
    for (; i < X.cols; ++i) {
      for (std::int64_t r = first; r < end; ++r) {
        magnitude[i] = std::max(magnitude[i], magnitude_at(X.row(r) + i));
      }
    }
  }
}

void AbsmaxRows(MatrixView<const float> X, std::int64_t segment,
                std::uint32_t* HWY_RESTRICT magnitude, const Access& access) {
  if (segment == 1) return absmax_columns(X, magnitude, access.ahead);
  if (segment >= X.cols && X.contiguous()) {
    magnitude[0] = std::max(magnitude[0], absmax_run(X.data, X.size(), access.ahead));
    return;
  }
  std::int64_t r = 0;
  for (; r + 4 <= X.rows; r += 4) {
    absmax_segments<4>(X.row(r), X.stride, X.cols, segment, magnitude, access.ahead);
  }
  for (; r < X.rows; ++r) {
    absmax_segments<1>(X.row(r), X.stride, X.cols, segment, magnitude, access.ahead);
  }
}

HWY_INLINE VI key_of(const float* HWY_RESTRICT x) {
  const VI bits = hn::BitCast(DI(), hn::LoadU(D(), x));
  return hn::Xor(bits, hn::And(hn::ShiftRight<31>(bits), hn::Set(DI(), 0x7FFFFFFF)));
}

void range_columns(MatrixView<const float> X, std::int32_t* HWY_RESTRICT low,
                   std::int32_t* HWY_RESTRICT high, std::int64_t ahead) {
  const std::int64_t N = lanes();
  for (std::int64_t first = 0; first < X.rows; first += kTogether) {
    const std::int64_t end = std::min(X.rows, first + kTogether);
    std::int64_t i = 0;
    for (; i + N <= X.cols; i += N) {
      VI least = hn::LoadU(DI(), low + i), most = hn::LoadU(DI(), high + i);
      for (std::int64_t r = first; r < end; ++r) {
        prefetch(X.row(r) + i, ahead, 1);
        const VI key = key_of(X.row(r) + i);
        least = hn::Min(least, key);
        most = hn::Max(most, key);
      }
      hn::StoreU(least, DI(), low + i);
      hn::StoreU(most, DI(), high + i);
    }
    for (; i < X.cols; ++i) {
      for (std::int64_t r = first; r < end; ++r) {
        low[i] = std::min(low[i], order_key(X(r, i)));
        high[i] = std::max(high[i], order_key(X(r, i)));
      }
    }
  }
}

void range_run(const float* HWY_RESTRICT x, std::int64_t n, std::int32_t& low, std::int32_t& high,
               std::int64_t ahead) {
  const std::int64_t N = lanes();
  VI least0 = hn::Set(DI(), kHighestKey), most0 = hn::Set(DI(), kLowestKey);
  VI least1 = least0, most1 = most0;
  std::int64_t i = 0;
  for (; i + 2 * N <= n; i += 2 * N) {
    prefetch(x + i, ahead, 2);
    const VI a = key_of(x + i), b = key_of(x + i + N);
    least0 = hn::Min(least0, a);
    most0 = hn::Max(most0, a);
    least1 = hn::Min(least1, b);
    most1 = hn::Max(most1, b);
  }
  least0 = hn::Min(least0, least1);
  most0 = hn::Max(most0, most1);
  low = std::min(low, hn::GetLane(hn::MinOfLanes(DI(), least0)));
  high = std::max(high, hn::GetLane(hn::MaxOfLanes(DI(), most0)));
  for (; i < n; ++i) {
    low = std::min(low, order_key(x[i]));
    high = std::max(high, order_key(x[i]));
  }
}

void RangeRows(MatrixView<const float> X, std::int64_t segment, std::int32_t* HWY_RESTRICT low,
               std::int32_t* HWY_RESTRICT high, const Access& access) {
  if (segment == 1) return range_columns(X, low, high, access.ahead);
  for (std::int64_t r = 0; r < X.rows; ++r) {
    for (std::int64_t k = 0, i = 0; i < X.cols; ++k, i += segment) {
      range_run(X.row(r) + i, std::min(segment, X.cols - i), low[k], high[k], access.ahead);
    }
  }
}

#else  // a CPU without any of the instruction sets above

void AbsmaxRows(MatrixView<const float> X, std::int64_t segment, std::uint32_t* magnitude,
                const Access&) {
  for (std::int64_t i = 0; i < X.rows; ++i) {
    scalar::absmax_segments(X.row(i), X.cols, segment, magnitude);
  }
}
void RangeRows(MatrixView<const float> X, std::int64_t segment, std::int32_t* low,
               std::int32_t* high, const Access&) {
  for (std::int64_t i = 0; i < X.rows; ++i) {
    scalar::range_segments(X.row(i), X.cols, segment, low, high);
  }
}

#endif  // HWY_TARGET != HWY_SCALAR
}  // namespace HWY_NAMESPACE
}  // namespace sylvester::detail
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sylvester::detail {

HWY_EXPORT(AbsmaxRows);
HWY_EXPORT(RangeRows);

void absmax_rows_simd(MatrixView<const float> X, std::int64_t segment, std::uint32_t* magnitude,
                      const Access& access) noexcept {
  HWY_DYNAMIC_DISPATCH(AbsmaxRows)(X, segment, magnitude, access);
}
void range_rows_simd(MatrixView<const float> X, std::int64_t segment, std::int32_t* low,
                     std::int32_t* high, const Access& access) noexcept {
  HWY_DYNAMIC_DISPATCH(RangeRows)(X, segment, low, high, access);
}

}  // namespace sylvester::detail
#endif  // HWY_ONCE
