#include "sylvester/core/parallel.h"

#include <omp.h>

#include <atomic>
#include <limits>
#include <mutex>
#include <string>

#include "sylvester/core/error.h"

namespace sylvester {
namespace {
// 0 means "not set": then OpenMP's own default holds.
std::atomic<int> g_threads{0};
}  // namespace

void set_num_threads(int n) {
  if (n < 1) throw ValueError("threads: " + std::to_string(n) + "; want >= 1");
  g_threads = n;
}

int num_threads() noexcept {
  const int n = g_threads;
  return n > 0 ? n : omp_get_max_threads();
}

namespace detail {

void run_parallel(std::int64_t tasks, void (*body)(void*, std::int64_t), void* context) {
  const int threads = static_cast<int>(std::min<std::int64_t>(tasks, num_threads()));
  if (threads <= 1 || omp_in_parallel()) {
    for (std::int64_t i = 0; i < tasks; ++i) body(context, i);
    return;
  }
  std::exception_ptr first;
  std::int64_t first_index = std::numeric_limits<std::int64_t>::max();
  std::mutex mutex;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (std::int64_t i = 0; i < tasks; ++i) {
    try {
      body(context, i);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (i < first_index) {
        first_index = i;
        first = std::current_exception();
      }
    }
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace detail
}  // namespace sylvester
