// metrics.jsonl: what a run measured, one JSON object a line, only ever appended to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sylvester {

inline constexpr std::int64_t kMetricsVersion = 1;

// One line. Absent figures are left out; figures that are not finite become the strings "NaN",
// "Infinity" and "-Infinity".
struct MetricsRow {
  std::int64_t step = 0;
  std::string split = "train";  // or "eval"
  std::optional<double> loss;
  std::optional<double> learning_rate;
  std::optional<double> grad_norm;
  std::optional<double> epoch;
  std::optional<std::int64_t> tokens;  // seen since the run began, padding not included
  std::optional<double> wall_s;        // of the process that wrote the line
  std::optional<double> tokens_per_s;
  std::optional<double> saturated;  // share of quantized values beyond the largest finite one
};

std::string to_json(const MetricsRow& row);
// FormatError with `file` and `line` for text that is no row.
MetricsRow parse_metrics_row(const std::string& text, const std::string& file, std::int64_t line);

// Appends rows. The file's first line is {"format":"sylvester-metrics","version":1}. A last line
// that a dying process left unfinished is removed when the file is opened again; complete lines
// never change. A row replaces every earlier row of the same step and split (after a resume).
class MetricsWriter {
 public:
  explicit MetricsWriter(const std::filesystem::path& path);
  ~MetricsWriter();
  MetricsWriter(MetricsWriter&&) noexcept;
  MetricsWriter& operator=(MetricsWriter&&) noexcept;
  // One write call for the whole line. IoError.
  void append(const MetricsRow& row);

 private:
  struct File;
  std::unique_ptr<File> file_;
};

// Rows in file order with replaced ones left out. FormatError, IoError; a newer version than
// kMetricsVersion is a FormatError; an unfinished last line is skipped.
std::vector<MetricsRow> read_metrics(const std::filesystem::path& path);

}  // namespace sylvester
