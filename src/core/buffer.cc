#include "sylvester/core/buffer.h"

#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace sylvester::detail {
namespace {

constexpr std::size_t kHugePage = std::size_t{1} << 21;

std::align_val_t alignment_of(std::size_t bytes) {
  return std::align_val_t(bytes >= 2 * kHugePage ? kHugePage : kBufferAlignment);
}

}  // namespace

void* allocate_storage(std::size_t bytes) {
  const std::align_val_t alignment = alignment_of(bytes);
  void* memory = ::operator new(bytes, alignment);
#if defined(__linux__)
  // Advice: where the system has none, ordinary pages serve.
  if (alignment == std::align_val_t(kHugePage)) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return memory;
}

void release_storage(void* memory, std::size_t bytes) noexcept {
  ::operator delete(memory, alignment_of(bytes));
}

}  // namespace sylvester::detail
