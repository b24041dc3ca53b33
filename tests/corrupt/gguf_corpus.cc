#include "corrupt/corpus.h"
#include "io/io_test_util.h"

namespace sylvester::test {
namespace {

std::string str(const std::string& text) { return le(text.size(), 8) + text; }

std::string kv(const std::string& key, std::uint32_t type, const std::string& value) {
  return str(key) + le(type, 4) + value;
}

std::string tensor(const std::string& name, const std::vector<std::uint64_t>& dims,
                   std::uint32_t type, std::uint64_t offset) {
  std::string out = str(name) + le(dims.size(), 4);
  for (const std::uint64_t dim : dims) out += le(dim, 8);
  return out + le(type, 4) + le(offset, 8);
}

std::string gguf(const std::string& body = "", std::uint64_t tensors = 0, std::uint64_t values = 0,
                 std::uint32_t version = 3, const std::string& magic = "GGUF") {
  return magic + le(version, 4) + le(tensors, 8) + le(values, 8) + body;
}

// Padded to the alignment, then `data` zero bytes.
std::string with_data(std::string file, std::size_t data) {
  file.append((32 - file.size() % 32) % 32 + data, '\0');
  return file;
}

constexpr std::uint64_t kHuge = std::uint64_t{1} << 63;
constexpr std::uint64_t kAll = ~std::uint64_t{0};

std::vector<CorpusFile> values() {
  std::string nested;
  for (int i = 0; i < 20'000; ++i) nested += le(9, 4) + le(1, 8);
  const std::string zero4(4, '\0');
  return {
      {"magic", gguf("", 0, 0, 3, "FUGG"), 0, "magic", "not \"GGUF\""},
      {"version 0", gguf("", 0, 0, 0), 4, "version", "0; want 2 or 3"},
      {"version 1", gguf("", 0, 0, 1), 4, "version", "1; want 2 or 3"},
      {"version 99", gguf("", 0, 0, 99), 4, "version", "99; want 2 or 3"},
      {"big-endian", gguf("", 0, 0, 0x03000000), 4, "version", "big-endian"},
      {"empty file", "", 0, "magic", "needs 4 bytes; 0 are left"},
      {"cut header", std::string("GGUF\3\0\0\0", 8), 8, "tensor count", "needs 8 bytes"},
      {"2^64-1 tensors", gguf("", kAll), 8, "tensor count", "hold at most 0"},
      {"2^62 tensors", gguf("", kHuge / 2), 8, "tensor count", "hold at most 0"},
      {"2^64-1 values", gguf("", 0, kAll), 16, "value count", "hold at most 0"},
      {"key length 2^63", gguf(le(kHuge, 8) + zero4 + "x", 0, 1), 24, "key", "want at most 65535"},
      {"key cut", gguf(le(100, 8) + zero4 + "x", 0, 1), 32, "key", "needs 100 bytes; 5 are left"},
      {"empty key", gguf(kv("", 4, zero4), 0, 1), 24, "key", "empty"},
      {"key not UTF-8", gguf(kv("\xFF\xFE", 4, zero4), 0, 1), 24, "key", "is not UTF-8"},
      {"value type 99", gguf(kv("k", 99, zero4), 0, 1), 33, "k", "unknown value type 99"},
      {"string length 2^63", gguf(kv("k", 8, le(kHuge, 8)), 0, 1), 45, "k", "0 are left"},
      {"array length 2^63", gguf(kv("k", 9, le(4, 4) + le(kHuge, 8)), 0, 1), 41, "k",
       "hold at most 0"},
      {"arrays in arrays", gguf(kv("k", 9, nested), 0, 1), 37, "k", "array of arrays"},
      {"element type 99", gguf(kv("k", 9, le(99, 4) + le(1, 8)), 0, 1), 37, "k",
       "unknown element type 99"},
      {"strings cut", gguf(kv("k", 9, le(8, 4) + le(2, 8) + str("a") + le(9, 8)), 0, 1), 66, "k",
       "needs 9 bytes"},
      {"duplicate key", gguf(kv("k", 4, zero4) + kv("k", 4, zero4), 0, 2), 41, "k",
       "duplicate key, first value at 37"},
      {"bool 2", gguf(kv("k", 7, "\2"), 0, 1), 37, "k", "bool is 2"},
      {"bool 2 in an array", gguf(kv("k", 9, le(7, 4) + le(1, 8) + "\2"), 0, 1), 49, "k",
       "bool is 2"},
      {"alignment 0", gguf(kv("general.alignment", 4, le(0, 4)), 0, 1), 53, "general.alignment",
       "0; want a power of two"},
      {"alignment 3", gguf(kv("general.alignment", 4, le(3, 4)), 0, 1), 53, "general.alignment",
       "3; want a power of two"},
      {"alignment 13", gguf(kv("general.alignment", 4, le(13, 4)), 0, 1), 53, "general.alignment",
       "13; want a power of two"},
      {"alignment 2^31", gguf(kv("general.alignment", 4, le(kHuge >> 32, 4)), 0, 1), 53,
       "general.alignment", "want a power of two, at most 1048576"},
      {"alignment an int32", gguf(kv("general.alignment", 5, le(32, 4)), 0, 1), 49,
       "general.alignment", "want 4 (uint32)"},
  };
}

std::vector<CorpusFile> tensors() {
  const auto one = [](const std::string& info, std::size_t data) {
    return with_data(gguf(info, 1), data);
  };
  return {
      {"5 dimensions", one(tensor("a", {1, 1, 1, 1, 1}, 0, 0), 32), 33, "a", "5 dimensions"},
      {"2^32-1 dimensions", gguf(str("a") + le(0xFFFFFFFF, 4) + std::string(16, '\0'), 1), 33, "a",
       "4294967295 dimensions"},
      {"dimension -1", one(tensor("a", {kAll}, 0, 0), 0), 33, "a", "does not fit 64 bits"},
      {"product wraps", one(tensor("a", {(kHuge >> 21) + 1, 1 << 22}, 0, 0), 64), 33, "a",
       "does not fit 64 bits"},
      {"bytes wrap", one(tensor("a", {kHuge / 2, 1}, 0, 0), 64), 33, "a", "does not fit 64 bits"},
      {"2^61 floats", one(tensor("a", {kHuge / 4}, 0, 0), 64), 49, "a",
       "outside the 64 data bytes"},
      {"type -1", one(tensor("a", {4}, 0xFFFFFFFF, 0), 32), 45, "a", "type -1 is not known"},
      {"type removed", one(tensor("a", {32}, 4, 0), 32), 45, "a", "type 4 was removed"},
      {"row and block", one(tensor("a", {31}, 8, 0), 64), 33, "a",
       "row of 31 elements; Q8_0 has blocks of 32"},
      {"offset unaligned", one(tensor("a", {4}, 0, 7), 32), 49, "a",
       "no multiple of the alignment"},
      {"offset beyond the end", one(tensor("a", {4}, 0, kHuge >> 23), 32), 49, "a", "outside"},
      {"offset 2^64-32", one(tensor("a", {4}, 0, kAll - 31), 32), 49, "a", "outside"},
      {"duplicate tensor", with_data(gguf(tensor("a", {8}, 0, 0) + tensor("a", {8}, 0, 32), 2), 64),
       57, "a", "duplicate tensor"},
      {"overlap", with_data(gguf(tensor("a", {8}, 0, 0) + tensor("b", {8}, 0, 0), 2), 64), 82, "b",
       "overlaps tensor \"a\""},
      {"data short", one(tensor("a", {8}, 0, 0), 31), 49, "a", "outside the 31 data bytes"},
      {"tensor name not UTF-8", one(tensor("\xC0", {8}, 0, 0), 32), 24, "tensor name",
       "is not UTF-8"},
      {"one tensor, version 2",
       with_data(
           gguf(kv("general.architecture", 8, str("llama")) + tensor("a", {4}, 0, 0), 1, 1, 2),
           16)},
      {"dimension 0", one(tensor("a", {0}, 0, 0), 0)},
      {"no dimensions", one(tensor("a", {}, 0, 0), 4)},
      {"name of 200 bytes", one(tensor(std::string(200, 'n'), {8}, 0, 0), 32)},
      {"alignment 64",
       [] {
         std::string file =
             gguf(kv("general.alignment", 4, le(64, 4)) + tensor("a", {4}, 0, 0), 1, 1);
         file.append(64 - file.size() % 64 + 16, '\0');
         return file;
       }()},
  };
}

std::string strings(const std::vector<std::string>& list) {
  std::string out = le(8, 4) + le(list.size(), 8);
  for (const auto& text : list) out += str(text);
  return out;
}

std::string tokenizer(const std::vector<std::string>& tokens,
                      const std::vector<std::string>& merges, const std::string& extra = "",
                      int extras = 0) {
  return gguf(kv("tokenizer.ggml.model", 8, str("gpt2")) +
                  kv("tokenizer.ggml.tokens", 9, strings(tokens)) +
                  kv("tokenizer.ggml.merges", 9, strings(merges)) + extra,
              0, static_cast<std::uint64_t>(3 + extras));
}

}  // namespace

std::vector<CorpusFile> gguf_corpus() {
  std::vector<CorpusFile> out = values();
  for (auto& f : tensors()) out.push_back(std::move(f));
  return out;
}

std::vector<CorpusFile> gguf_tokenizer_corpus() {
  const auto types = [](std::initializer_list<int> list) {
    std::string out = le(5, 4) + le(list.size(), 8);
    for (const int type : list) out += le(static_cast<std::uint64_t>(type), 4);
    return kv("tokenizer.ggml.token_type", 9, out);
  };
  const auto scores = [](std::initializer_list<std::uint32_t> bits) {
    std::string out = le(6, 4) + le(bits.size(), 8);
    for (const std::uint32_t b : bits) out += le(b, 4);
    return kv("tokenizer.ggml.scores", 9, out);
  };
  return {
      {"good", tokenizer({"a", "b", "ab"}, {"a b"})},
      {"no model", gguf(), 0, "tokenizer.ggml.model", "missing"},
      {"model a number", gguf(kv("tokenizer.ggml.model", 4, le(1, 4)), 0, 1), 56,
       "tokenizer.ggml.model", "want a string"},
      {"merge of an absent token", tokenizer({"a", "b"}, {"a b"}), -1, "merges[0]",
       "token \"ab\" is not in the vocabulary"},
      {"merge without a space", tokenizer({"a", "b"}, {"ab"}), -1, "tokenizer.ggml.merges[0]",
       "want two tokens and a space"},
      {"empty merge", tokenizer({"a", "b"}, {""}), -1, "tokenizer.ggml.merges[0]", "want two"},
      {"duplicate token", tokenizer({"a", "b", "a"}, {}), -1, "tokenizer.ggml.tokens[2]",
       "repeats token 0"},
      {"type count", tokenizer({"a", "b"}, {}, types({1}), 1), -1, "tokenizer.ggml.token_type",
       "1 entries for 2 tokens"},
      {"type 9", tokenizer({"a", "b"}, {}, types({1, 9}), 1), -1, "tokenizer.ggml.token_type[1]",
       "token type 9"},
      {"byte token <0x-1>", tokenizer({"<0x-1>"}, {}, types({6}), 1), -1,
       "tokenizer.ggml.tokens[0]", "want <0x00> to <0xFF>"},
      {"byte token <0xZZ>", tokenizer({"<0xZZ>"}, {}, types({6}), 1), -1,
       "tokenizer.ggml.tokens[0]", "want <0x00> to <0xFF>"},
      {"score NaN", tokenizer({"a"}, {}, scores({0x7FC00000}), 1), -1, "tokenizer.ggml.scores[0]",
       "score is NaN"},
      {"score count", tokenizer({"a"}, {}, scores({0, 0}), 1), -1, "tokenizer.ggml.scores",
       "2 entries for 1 tokens"},
      {"special id beyond the vocabulary",
       tokenizer({"a"}, {}, kv("tokenizer.ggml.eos_token_id", 4, le(7, 4)), 1), -1,
       "tokenizer.ggml.eos_token_id", "id 7; the vocabulary has 1 tokens"},
      {"uint8 array as strings",
       gguf(kv("tokenizer.ggml.model", 8, str("gpt2")) +
                kv("tokenizer.ggml.tokens", 9, le(0, 4) + le(2, 8) + "ab"),
            0, 2),
       -1, "tokenizer.ggml.tokens", "want an array of strings"},
  };
}

}  // namespace sylvester::test
