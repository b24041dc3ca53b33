// Helpers of the file tests: a private folder, literal bytes, and expected errors.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "sylvester/core/error.h"

namespace sylvester::test {

// f() must throw a FormatError with this file name (or its ending), offset (-1: any), field and a
// message that contains `says`.
template <class F>
void expect_format_error(F&& f, std::string_view file, std::int64_t offset, std::string_view field,
                         std::string_view says) {
  try {
    f();
    ADD_FAILURE() << "no error; expected FormatError saying \"" << says << "\"";
  } catch (const FormatError& e) {
    EXPECT_TRUE(std::string_view(e.file()).ends_with(file)) << e.file();
    if (offset >= 0) {
      EXPECT_EQ(e.offset(), offset) << e.what();
    }
    EXPECT_EQ(e.field(), field) << e.what();
    EXPECT_NE(std::string_view(e.what()).find(says), std::string_view::npos)
        << "message: " << e.what() << "\nexpected to contain: " << says;
  } catch (const std::exception& e) {
    ADD_FAILURE() << "expected FormatError saying \"" << says << "\", got: " << e.what();
  }
}

// A folder of this test's own, removed at its end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "sylvester-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    const auto file = path_ / name;
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The n low bytes of a number, little endian.
inline std::string le(std::uint64_t number, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += static_cast<char>(number >> (8 * i));
  return out;
}

}  // namespace sylvester::test
