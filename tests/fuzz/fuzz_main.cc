// The libFuzzer entry of one target; SYLVESTER_FUZZ_TARGET names it.
#include <cstddef>
#include <cstdint>

#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sylvester::test::SYLVESTER_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
