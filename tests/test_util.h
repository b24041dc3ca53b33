// Shared by the tests: golden files as arrays, and loops over the targets of this CPU.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/early_avx512.h"
#include "sylvester/core/target.h"

namespace sylvester::test {

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(SYLVESTER_TEST_DATA) / name;
}

// The whole file as an array of T; a missing or odd-sized file fails the test.
template <class T>
std::vector<T> read_golden(const std::string& name) {
  std::ifstream file(golden(name), std::ios::binary | std::ios::ate);
  EXPECT_TRUE(file.good()) << "missing golden file " << name;
  if (!file.good()) return {};
  const auto bytes = static_cast<std::size_t>(file.tellg());
  EXPECT_EQ(bytes % sizeof(T), 0u) << name;
  std::vector<T> out(bytes / sizeof(T));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(bytes));
  return out;
}

// Runs f once for each target the CPU has, and for AVX-512 without its newer instructions where
// some kernels use them; SCOPED_TRACE names it in failures.
template <class F>
void for_each_target(F&& f) {
  for (const Target target : available_targets()) {
    SCOPED_TRACE("target " + to_string(target));
    set_target(target);
    f(target);
    if (target != Target::kAvx512 || !detail::set_early_avx512()) continue;
    SCOPED_TRACE("early AVX-512");
    f(target);
  }
  set_target(Target::kAuto);
}

}  // namespace sylvester::test
