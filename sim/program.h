// What the commands share: exit codes, output, and the list of commands.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace sylvester::sim {

enum ExitCode : int {
  kOk = 0,
  kCheckFailed = 1,
  kUsage = 2,
  kBadFile = 3,
  kIo = 4,
  kNumerics = 5,
  kInterrupted = 130,
};

using Words = std::span<const std::string>;

int run_analyze(Words arguments);
int run_compare(Words arguments);
int run_doctor(Words arguments);
int run_eval(Words arguments);
int run_formats(Words arguments);
int run_generate(Words arguments);
int run_golden(Words arguments);
int run_hadamard(Words arguments);
int run_inspect(Words arguments);
int run_matmul(Words arguments);
int run_quantize(Words arguments);
int run_train(Words arguments);
int run_validate(Words arguments);

// Rows of cells printed with aligned columns; the first row is the head. Cells that look like
// numbers are set to the right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> head) { rows_.push_back(std::move(head)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// To stdout; a failed write is an IoError.
void print(const std::string& text);
// 4 significant digits, "NaN", "inf".
std::string short_number(double value);

}  // namespace sylvester::sim
