// OpenMP with a partition that is a function of the sizes alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>

namespace sylvester {

// Threads used by the library from here on; n >= 1. Throws ValueError otherwise.
void set_num_threads(int n);
int num_threads() noexcept;

namespace detail {
void run_parallel(std::int64_t tasks, void (*body)(void*, std::int64_t), void* context);
}  // namespace detail

// Calls f(block, begin, end) for each block of `block` consecutive indices of [0, n).
// Determinism: the blocks do not depend on the number of threads, so a reduction that keeps one
// partial result per block and adds them in block order has the same bits with any thread count.
// An exception thrown by f is rethrown after all blocks ended (the first one, in block order).
template <class F>
void parallel_blocks(std::int64_t n, std::int64_t block, F&& f) {
  if (n <= 0) return;
  const std::int64_t step = std::max<std::int64_t>(1, block);
  struct Context {
    F& f;
    std::int64_t n, step;
  } context{f, n, step};
  detail::run_parallel((n + step - 1) / step,
                       [](void* raw, std::int64_t index) {
                         auto& c = *static_cast<Context*>(raw);
                         const std::int64_t begin = index * c.step;
                         c.f(index, begin, std::min(c.n, begin + c.step));
                       },
                       &context);
}

// Calls f(begin, end) over [0, n) in contiguous pieces, at least `grain` long, one per thread.
// Use only where the result does not depend on where the pieces end.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& f) {
  if (n <= 0) return;
  const std::int64_t least = std::max<std::int64_t>(1, grain);
  const std::int64_t pieces =
      std::clamp<std::int64_t>(n / least, 1, static_cast<std::int64_t>(num_threads()));
  parallel_blocks(n, (n + pieces - 1) / pieces,
                  [&](std::int64_t, std::int64_t begin, std::int64_t end) { f(begin, end); });
}

}  // namespace sylvester
