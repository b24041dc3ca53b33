#include "fuzz/targets.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "sylvester/core/error.h"
#include "sylvester/io/gguf.h"
#include "sylvester/io/json.h"
#include "sylvester/io/jsonl.h"
#include "sylvester/io/npy.h"
#include "sylvester/io/tokenizer.h"

namespace sylvester::test {
namespace {

// A file in memory, so that a fuzzer does not wear a disk.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : descriptor_(::memfd_create("fuzz", 0)) {
    if (descriptor_ < 0 ||
        ::write(descriptor_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      std::abort();
    }
  }
  ~MemoryFile() { ::close(descriptor_); }
  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

template <class F>
void swallow(F&& f) {
  try {
    f();
  } catch (const Error&) {
  }
}

void check(bool good) {
  if (!good) std::abort();
}

void read_all(const io::TensorFile& file, std::size_t file_bytes) {
  for (const io::TensorInfo& t : file.tensors()) {
    check(t.bytes <= file_bytes);  // memory is bounded by the file
    std::vector<std::byte> raw(t.bytes);
    file.read_bytes(t, raw);
    std::uint64_t n = 1;
    for (const std::int64_t dim : t.shape) n *= static_cast<std::uint64_t>(dim);
    std::vector<float> x(n);
    swallow([&] { file.read_float32(t, x); });
  }
}

}  // namespace

void fuzz_json(std::string_view bytes) {
  swallow([&] {
    const io::JsonValue value = io::parse_json(bytes, "fuzz");
    const std::string text = value.dump();
    check(io::parse_json(text, "again").dump() == text);
  });
}

void fuzz_jsonl(std::string_view bytes) {
  const MemoryFile file(bytes);
  swallow([&] { io::read_jsonl(file.path(), {.max_bad_lines = 3}); });
}

void fuzz_safetensors(std::string_view bytes) {
  const MemoryFile file(bytes);
  swallow([&] { read_all(*io::open_safetensors(file.path()), bytes.size()); });
}

void fuzz_gguf(std::string_view bytes) {
  const MemoryFile file(bytes);
  swallow([&] { read_all(*io::open_gguf(file.path()), bytes.size()); });
  if (bytes.starts_with("GGUF")) {
    swallow([&] { io::load_tokenizer(file.path())->encode("Hello, 123 world \xC3\xA9"); });
  }
}

void fuzz_npy(std::string_view bytes) {
  const MemoryFile file(bytes);
  if (bytes.starts_with("PK")) {
    swallow([&] { io::read_npz(file.path(), 1 << 20); });
  } else {
    swallow([&] { io::read_npy(file.path()).to_float32(); });
  }
}

void fuzz_tokenizer(std::string_view bytes) {
  static const auto tokenizer = io::load_tokenizer(SYLVESTER_FUZZ_TOKENIZER);
  swallow([&] {
    const auto ids = tokenizer->encode(bytes);
    // "note:" and "[PAD]" take white space along.
    if (bytes.find("note:") == bytes.npos && bytes.find("[PAD]") == bytes.npos) {
      check(tokenizer->decode(ids) == bytes);
    }
  });
  if (bytes.starts_with("{")) {
    const MemoryFile file(bytes);
    swallow([&] { io::load_tokenizer(file.path())->encode("aab 12"); });
  }
}

}  // namespace sylvester::test
