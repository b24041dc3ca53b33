// Runs the built program as a user does: arguments in, exit code, stdout and stderr out.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace sylvester::test {

struct Finished {
  int code = -1;  // exit status, or 128 + signal
  std::string out;
  std::string err;
};

class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments,
                   const std::filesystem::path& folder = ".", const std::string& stdout_file = "");
  void send(int signal_number) const;
  Finished wait();

 private:
  pid_t pid_ = -1;
  std::filesystem::path out_, err_;
};

Finished run(const std::vector<std::string>& arguments, const std::filesystem::path& folder = ".");

// A new empty folder that is removed at the end of the test.
class Program : public ::testing::Test {
 protected:
  Program();
  ~Program() override;
  void put(const std::string& name, const std::string& text) const;
  std::string read(const std::filesystem::path& name) const;
  // Names of the folder's entries, sorted; lock files left out.
  std::vector<std::string> listing(const std::filesystem::path& name = ".") const;
  Finished run(const std::vector<std::string>& arguments) const;

  static std::string source(const std::string& name);
  std::filesystem::path folder_;
};

}  // namespace sylvester::test
