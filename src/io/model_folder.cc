// A Hugging Face model folder as one file of tensors.
#include <cerrno>

#include "sylvester/core/error.h"
#include "sylvester/io/gguf.h"
#include "sylvester/io/json.h"
#include "sylvester/io/tensor_file.h"

namespace sylvester::io {
namespace {

namespace fs = std::filesystem;
constexpr const char* kIndexName = "model.safetensors.index.json";

// Several shards under one list; TensorInfo::offset counts from the start of the first shard, as if
// all lay one after another.
class ShardedFile : public TensorFile {
 public:
  explicit ShardedFile(const fs::path& folder) : path_(folder) {
    const JsonValue index = read_json(folder / kIndexName);
    std::map<std::string, std::size_t> shard_of;  // by shard name
    std::map<std::string, std::string> owner;     // tensor -> shard
    for (const auto& [tensor, shard] : index.at("weight_map").members()) {
      const std::string& name = shard.as_string();
      // A shard is a plain name: no folder, no parent, no absolute path.
      if (name.empty() || name == "." || name == ".." ||
          name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
        shard.fail("shard \"" + printable(name) + "\" is not a plain file name in the folder");
      }
      owner[std::string(tensor)] = name;
      if (shard_of.contains(name)) continue;
      if (!fs::exists(folder / name)) shard.fail("missing shard \"" + printable(name) + "\"");
      shard_of[name] = shards_.size();
      shards_.push_back(open_safetensors(folder / name));
      begin_.push_back(end_);
      end_ += fs::file_size(folder / name);
    }
    std::uint64_t total = 0;
    for (const auto& [name, i] : shard_of) {
      for (TensorInfo t : shards_[i]->tensors()) {
        const auto known = owner.find(t.name);
        if (known == owner.end()) {
          throw FormatError((folder / name).string(), static_cast<std::int64_t>(t.offset),
                            printable(t.name), std::string("tensor is not in ") + kIndexName);
        }
        if (known->second != name) {
          throw FormatError((folder / name).string(), static_cast<std::int64_t>(t.offset),
                            printable(t.name),
                            "tensor belongs to shard \"" + printable(known->second) + "\"");
        }
        t.offset += begin_[i];
        total += t.bytes;
        tensors_.push_back(std::move(t));
      }
      for (const auto& [key, value] : shards_[i]->metadata()) metadata_.emplace(key, value);
    }
    index_tensors();
    for (const auto& [tensor, shard] : index.at("weight_map").members()) {
      if (!contains(std::string(tensor))) {
        shard.fail("tensor is absent from shard \"" + printable(shard.as_string()) + "\"");
      }
    }
    if (const auto extra = index.find("metadata")) {
      const auto size = extra->find("total_size");
      if (size && size->as_uint() != total) {
        size->fail("is " + size->integer_text() + "; the shards hold " + std::to_string(total) +
                   " bytes");
      }
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
  fs::path path_;
  std::vector<std::unique_ptr<TensorFile>> shards_;
  std::vector<std::uint64_t> begin_;
  std::uint64_t end_ = 0;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace

std::unique_ptr<TensorFile> open_model_tensors(const fs::path& path) {
  if (fs::is_directory(path)) {
    if (fs::exists(path / "model.safetensors")) {
      return open_safetensors(path / "model.safetensors");
    }
    if (fs::exists(path / kIndexName)) return std::make_unique<ShardedFile>(path);
    throw IoError(path.string(), ENOENT,
                  std::string("no model.safetensors and no ") + kIndexName + " in the folder");
  }
  if (is_gguf(path)) return open_gguf(path);
  return open_safetensors(path);
}

}  // namespace sylvester::io
