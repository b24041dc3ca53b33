#include "sylvester/io/validate.h"

#include <array>
#include <cerrno>
#include <limits>

#include "io/findings.h"
#include "io/gguf.h"
#include "io/jsonl.h"
#include "io/model_folder.h"
#include "io/npy.h"
#include "io/paths.h"
#include "io/safetensors.h"
#include "io/zip.h"
#include "sylvester/core/error.h"
#include "sylvester/io/checkpoint.h"
#include "sylvester/io/json.h"
#include "sylvester/io/limits.h"
#include "sylvester/io/tokenizer.h"

namespace sylvester::io {
namespace detail {

FileKind kind_of(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  if (detail::is_folder(path)) {
    if (detail::exists(path / "MANIFEST.json")) return FileKind::kCheckpoint;
    for (const char* name : {"config.json", "model.safetensors", kIndexName, "tokenizer.json"}) {
      if (detail::exists(path / name)) return FileKind::kModelFolder;
    }
    throw ValueError(path.string() + ": the folder holds no config.json, model.safetensors, " +
                     kIndexName + ", tokenizer.json or MANIFEST.json");
  }
  constexpr std::pair<std::string_view, FileKind> kEndings[] = {
      {".safetensors", FileKind::kSafetensors},
      {".gguf", FileKind::kGguf},
      {".npy", FileKind::kNpy},
      {".npz", FileKind::kNpz},
      {".jsonl", FileKind::kJsonl},
      {".json", FileKind::kJson}};
  for (const auto& [ending, kind] : kEndings) {
    if (path.extension() == ending) return kind;
  }
  const ReadableFile file(path);
  std::array<char, 9> first{};
  const std::uint64_t n = std::min<std::uint64_t>(first.size(), file.size());
  file.read(0, std::as_writable_bytes(std::span(first).first(n)));
  const std::string_view text(first.data(), n);
  if (text.starts_with("GGUF")) return FileKind::kGguf;
  if (text.starts_with("\x93NUMPY")) return FileKind::kNpy;
  if (text.starts_with("PK\x03\x04")) return FileKind::kNpz;
  if (n == 9 && text[8] == '{') return FileKind::kSafetensors;
  throw ValueError(path.string() +
                   ": kind not known; want safetensors, gguf, npy, npz, json, jsonl or a folder");
}

}  // namespace detail

namespace {

namespace fs = std::filesystem;
using detail::FileKind;

// Runs a check and turns the error that ends it into the list's last entry.
template <class F>
void collect(std::vector<Violation>& list, F&& check) {
  try {
    check();
  } catch (const FormatError& e) {
    // The message starts with file, place and field, which the entry has already.
    std::string rule = e.what();
    const std::string place = e.file() + ": at " + std::to_string(e.offset()) + ": " +
                              (e.field().empty() ? "" : e.field() + ": ");
    if (rule.starts_with(place)) rule.erase(0, place.size());
    list.push_back({e.file(), e.offset(), e.field(), rule, false});
  } catch (const UnsupportedError& e) {
    list.push_back({"", 0, "", e.what(), true});
  }
}

void validate_npz(const fs::path& path, detail::Findings& findings, std::vector<Violation>& list) {
  const ReadableFile file(path);
  for (const auto& member : detail::read_zip_directory(file, findings)) {
    collect(list, [&] {
      detail::npz_array_name(member, findings);
      detail::read_npz_member(file, member, kMaxExpandedBytes, findings);
    });
  }
}

void validate_jsonl(const fs::path& path, std::vector<Violation>& list) {
  JsonlReport report;
  bool any = false;
  detail::scan_jsonl(
      path, [&](Example&&) { return any = true; },
      [&](const FormatError& e) {
        collect(list, [&] { throw e; });
        return true;
      },
      report);
  if (!any && list.empty()) {
    list.push_back({path.string(), report.lines, "", "no examples", false});
  }
}

void validate_folder(const fs::path& path, std::vector<Violation>& list) {
  for (const char* name : {"config.json", "tokenizer_config.json", "generation_config.json"}) {
    if (detail::exists(path / name)) collect(list, [&] { read_json(path / name); });
  }
  if (detail::exists(path / "tokenizer.json")) collect(list, [&] { load_tokenizer(path); });
  if (detail::exists(path / detail::kIndexName)) {
    collect(list, [&] {
      detail::Findings findings(path.string(), &list);
      detail::check_shards(path, findings);
    });
  }
  for (const auto& entry : detail::entries(path)) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto part = validate(entry.path());
    list.insert(list.end(), part.begin(), part.end());
  }
}

}  // namespace

std::vector<Violation> validate(const fs::path& path) {
  std::vector<Violation> list;
  if (!detail::exists(path)) throw IoError(path.string(), ENOENT, "cannot open");
  const FileKind kind = detail::kind_of(path);
  detail::Findings findings(path.string(), &list);
  collect(list, [&] {
    switch (kind) {
      case FileKind::kSafetensors:
        detail::read_safetensors_header(ReadableFile(path), findings);
        break;
      case FileKind::kGguf: {
        detail::read_gguf_header(ReadableFile(path), findings);
        if (list.empty() && open_gguf(path)->has("tokenizer.ggml.model")) load_tokenizer(path);
        break;
      }
      case FileKind::kNpy:
        read_npy(path);
        break;
      case FileKind::kNpz:
        validate_npz(path, findings, list);
        break;
      case FileKind::kJson:
        read_json(path);
        break;
      case FileKind::kJsonl:
        validate_jsonl(path, list);
        break;
      case FileKind::kModelFolder:
        validate_folder(path, list);
        break;
      case FileKind::kCheckpoint:
        verify_folder(path);
        break;
    }
  });
  return list;
}

std::string to_string(const Violation& v) {
  std::string out = v.warning ? "warning: " : "";
  if (!v.file.empty()) out += v.file + ": at " + std::to_string(v.offset) + ": ";
  if (!v.field.empty()) out += v.field + ": ";
  return out + v.rule;
}

}  // namespace sylvester::io
