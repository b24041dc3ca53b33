#include "sylvester/train/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <map>

#include "sylvester/core/error.h"
#include "sylvester/io/file_system.h"
#include "sylvester/io/json.h"

namespace sylvester {
namespace {

void put(io::JsonWriter& json, const char* key, const std::optional<double>& value) {
  if (value) json.key(key).value(*value);
}

std::optional<double> get(const io::JsonValue& object, std::string_view key) {
  const auto value = object.find(key);
  if (!value) return std::nullopt;
  if (!value->is_string()) return value->as_double();
  const std::string& text = value->as_string();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  value->fail("want a number, \"NaN\", \"Infinity\" or \"-Infinity\"");
}

std::string text_of(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = io::read_file(path);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

std::string to_json(const MetricsRow& row) {
  io::JsonWriter json;
  json.begin_object().key("step").value(row.step).key("split").value(row.split);
  put(json, "loss", row.loss);
  put(json, "learning_rate", row.learning_rate);
  put(json, "grad_norm", row.grad_norm);
  put(json, "epoch", row.epoch);
  if (row.tokens) json.key("tokens").value(*row.tokens);
  put(json, "wall_s", row.wall_s);
  put(json, "tokens_per_s", row.tokens_per_s);
  put(json, "saturated", row.saturated);
  json.end_object();
  return json.text();
}

MetricsRow parse_metrics_row(const std::string& text, const std::string& file, std::int64_t line) {
  const io::JsonValue json = io::parse_json(text, file + ":" + std::to_string(line));
  MetricsRow row;
  row.step = json.at("step").as_int();
  row.split = json.at("split").as_string();
  row.loss = get(json, "loss");
  row.learning_rate = get(json, "learning_rate");
  row.grad_norm = get(json, "grad_norm");
  row.epoch = get(json, "epoch");
  if (const auto tokens = json.find("tokens")) row.tokens = tokens->as_int();
  row.wall_s = get(json, "wall_s");
  row.tokens_per_s = get(json, "tokens_per_s");
  row.saturated = get(json, "saturated");
  return row;
}

struct MetricsWriter::File {
  std::string path;
  int descriptor = -1;
  ~File() {
    if (descriptor >= 0) ::close(descriptor);
  }
  void write_line(const std::string& text) {
    const std::string line = text + "\n";
    std::size_t done = 0;
    while (done < line.size()) {
      const ssize_t n = ::write(descriptor, line.data() + done, line.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw IoError(path, errno, "appending metrics");
      done += static_cast<std::size_t>(n);
    }
  }
};

MetricsWriter::MetricsWriter(const std::filesystem::path& path) : file_(new File) {
  file_->path = path.string();
  file_->descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file_->descriptor < 0) throw IoError(file_->path, errno, "opening for append");
  const std::string text = text_of(path);
  const std::size_t last = text.rfind('\n');
  const std::size_t complete = last == std::string::npos ? 0 : last + 1;
  if (complete < text.size() && ::ftruncate(file_->descriptor, static_cast<off_t>(complete)) != 0) {
    throw IoError(file_->path, errno, "removing an unfinished line");
  }
  if (complete == 0) {
    io::JsonWriter json;
    json.begin_object().key("format").value("sylvester-metrics");
    json.key("version").value(kMetricsVersion).end_object();
    file_->write_line(json.text());
  }
}

MetricsWriter::~MetricsWriter() = default;
MetricsWriter::MetricsWriter(MetricsWriter&&) noexcept = default;
MetricsWriter& MetricsWriter::operator=(MetricsWriter&&) noexcept = default;

void MetricsWriter::append(const MetricsRow& row) { file_->write_line(to_json(row)); }

std::vector<MetricsRow> read_metrics(const std::filesystem::path& path) {
  const std::string text = text_of(path);
  std::vector<MetricsRow> rows;
  std::map<std::pair<std::int64_t, std::string>, std::size_t> newest;
  std::int64_t line = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;
    const std::string piece = text.substr(begin, end - begin);
    begin = end + 1;
    ++line;
    if (line == 1) {
      const io::JsonValue head = io::parse_json(piece, path.string() + ":1");
      if (head.get_string("format", "") != "sylvester-metrics") {
        throw FormatError(path.string(), 1, "format", "not a sylvester-metrics file");
      }
      if (head.at("version").as_int() > kMetricsVersion) {
        throw FormatError(
            path.string(), 1, "version",
            "written by a newer version; this one reads up to " + std::to_string(kMetricsVersion));
      }
      continue;
    }
    rows.push_back(parse_metrics_row(piece, path.string(), line));
    newest[{rows.back().step, rows.back().split}] = rows.size() - 1;
  }
  std::vector<MetricsRow> out;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (newest[{rows[i].step, rows[i].split}] == i) out.push_back(rows[i]);
  }
  return out;
}

}  // namespace sylvester
