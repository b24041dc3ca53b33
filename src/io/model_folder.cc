// A Hugging Face model folder as one file of tensors.
#include <cerrno>
#include <set>

#include "io/model_folder.h"
#include "io/paths.h"
#include "sylvester/core/error.h"
#include "sylvester/io/gguf.h"
#include "sylvester/io/json.h"
#include "sylvester/io/tensor_file.h"

namespace sylvester::io {
namespace {

namespace fs = std::filesystem;
using detail::kIndexName;

// Several shards under one list; TensorInfo::offset counts from the start of the first shard, as if
// all lay one after another.
class ShardedFile : public TensorFile {
 public:
  ShardedFile(const fs::path& folder, detail::Findings& findings) : path_(folder) {
    const JsonValue index = read_json(folder / kIndexName);
    const auto weights = index.at("weight_map").members();
    const auto complain = [&](const JsonValue& at, const std::string& rule) {
      findings.error_in(at.file(), at.offset(), at.path(), rule);
    };
    std::map<std::string, std::string> owner;  // tensor -> shard
    std::set<std::string> names;
    for (const auto& [tensor, shard] : weights) {
      const std::string& name = shard.as_string();
      // A shard is a plain name: no folder, no parent, no absolute path.
      if (name.empty() || name == "." || name == ".." ||
          name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
        complain(shard, "shard \"" + printable(name) + "\" is not a plain file name");
        continue;
      }
      owner[std::string(tensor)] = name;
      if (names.contains(name)) continue;
      if (!detail::exists(folder / name)) {
        complain(shard, "missing shard \"" + printable(name) + "\"");
        continue;
      }
      names.insert(name);
      open_shard(folder / name, findings);
    }
    for (std::size_t i = 0; i < shards_.size(); ++i) take_tensors(i, owner, findings);
    index_tensors();
    for (const auto& [tensor, shard] : weights) {
      if (names.contains(shard.as_string()) && !contains(std::string(tensor))) {
        complain(shard, "tensor is absent from shard \"" + printable(shard.as_string()) + "\"");
      }
    }
    const auto extra = index.find("metadata");
    const auto size = extra ? extra->find("total_size") : std::nullopt;
    if (size && findings.clean() && size->as_uint() != total_) {
      complain(*size, "is " + size->integer_text() + "; the shards hold " + std::to_string(total_) +
                          " bytes");
    }
  }
  const fs::path& path() const override { return path_; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  void read_bytes(const TensorInfo& info, std::span<std::byte> out) const override {
    std::size_t i = begin_.size() - 1;
    while (i > 0 && begin_[i] > info.offset) --i;
    TensorInfo local = info;
    local.offset -= begin_[i];
    shards_[i]->read_bytes(local, out);
  }
  std::map<std::string, std::string> metadata() const override { return metadata_; }

 private:
  // A damaged shard is reported by itself where findings are collected.
  void open_shard(const fs::path& path, detail::Findings& findings) {
    try {
      shards_.push_back(open_safetensors(path));
      begin_.push_back(end_);
      end_ += detail::file_bytes(path);
    } catch (const FormatError& e) {
      if (!findings.collects()) throw;
      findings.error_in(e.file(), e.offset(), e.field(), "the shard is damaged");
    }
  }

  void take_tensors(std::size_t i, const std::map<std::string, std::string>& owner,
                    detail::Findings& findings) {
    const fs::path& shard = shards_[i]->path();
    for (TensorInfo t : shards_[i]->tensors()) {
      const auto known = owner.find(t.name);
      const std::string name = shard.filename().string();
      if (known == owner.end() || known->second != name) {
        findings.error_in(shard.string(), static_cast<std::int64_t>(t.offset), printable(t.name),
                          known == owner.end()
                              ? std::string("tensor is not in ") + kIndexName
                              : "tensor belongs to shard \"" + printable(known->second) + "\"");
        continue;
      }
      t.offset += begin_[i];
      total_ += t.bytes;
      tensors_.push_back(std::move(t));
    }
    for (const auto& [key, value] : shards_[i]->metadata()) metadata_.emplace(key, value);
  }

  fs::path path_;
  std::uint64_t total_ = 0;
  std::vector<std::unique_ptr<TensorFile>> shards_;
  std::vector<std::uint64_t> begin_;
  std::uint64_t end_ = 0;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace

void detail::check_shards(const fs::path& folder, Findings& findings) {
  ShardedFile(folder, findings);
}

std::unique_ptr<TensorFile> open_model_tensors(const fs::path& path) {
  if (detail::is_folder(path)) {
    if (detail::exists(path / "model.safetensors")) {
      return open_safetensors(path / "model.safetensors");
    }
    if (detail::exists(path / kIndexName)) {
      detail::Findings findings(path.string());
      return std::make_unique<ShardedFile>(path, findings);
    }
    throw IoError(path.string(), ENOENT,
                  std::string("no model.safetensors and no ") + kIndexName + " in the folder");
  }
  if (is_gguf(path)) return open_gguf(path);
  return open_safetensors(path);
}

}  // namespace sylvester::io
