// Every rule that a file breaks, and a readable summary of what it holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sylvester::io {

struct Violation {
  std::string file;
  std::int64_t offset = 0;  // byte offset; line number for JSONL
  std::string field;
  std::string rule;
  bool warning = false;  // the readers accept it all the same
};

// All violations found, in the order of the file; empty for a good one. A defect that hides the
// rest (JSON that does not parse, a length that points outside the file) ends the list. Takes a
// safetensors, GGUF, npy, npz, JSON or JSONL file (by ending, then by the first bytes), a model
// folder (config.json, index and shards, tokenizer.json) or a checkpoint folder (MANIFEST.json).
// Errors: IoError when the path cannot be read; ValueError when its kind is not known.
std::vector<Violation> validate(const std::filesystem::path& path);

// Several lines of text: kind, counts, metadata, and a table of tensors (name, dtype, shape,
// bytes), at most max_tensors of them. Names are escaped. FormatError, IoError.
std::string inspect(const std::filesystem::path& path, std::int64_t max_tensors = 1000);
// The same as JSON: kind, counts, metadata, tensors; of a model folder its config too.
std::string inspect_json(const std::filesystem::path& path, std::int64_t max_tensors = 1000);

// "file: at OFFSET: field: rule", "warning: " before it where it is one.
std::string to_string(const Violation& violation);

}  // namespace sylvester::io
