#include "sylvester/train/data.h"

#include <gtest/gtest.h>

#include "sylvester/core/error.h"

namespace sylvester {
namespace {

// One token a byte; byte 255 and "<|im_start|>", "<|im_end|>" are special.
class ByteTokenizer : public io::Tokenizer {
 public:
  explicit ByteTokenizer(bool chat = false, bool has_eos = true) : chat_(chat), eos_(has_eos) {}
  std::vector<std::int32_t> encode(std::string_view text) const override {
    if (text.find('\xff') != std::string_view::npos) throw ValueError("not UTF-8");
    std::vector<std::int32_t> ids;
    while (!text.empty()) {
      if (chat_ && text.starts_with("<|im_start|>")) {
        ids.push_back(257);
        text.remove_prefix(12);
      } else if (chat_ && text.starts_with("<|im_end|>")) {
        ids.push_back(258);
        text.remove_prefix(10);
      } else {
        ids.push_back(static_cast<unsigned char>(text.front()));
        text.remove_prefix(1);
      }
    }
    return ids;
  }
  std::string decode(std::span<const std::int32_t> ids) const override {
    return std::string(ids.begin(), ids.end());
  }
  std::int64_t vocab_size() const override { return 300; }
  std::optional<std::int32_t> bos() const override { return std::nullopt; }
  std::optional<std::int32_t> eos() const override {
    if (!eos_) return std::nullopt;
    return 256;
  }
  std::optional<std::int32_t> id_of(std::string_view token) const override {
    if (chat_ && token == "<|im_start|>") return 257;
    if (chat_ && token == "<|im_end|>") return 258;
    return std::nullopt;
  }
  void save(const std::filesystem::path&) const override {}
  const std::string& chat_template() const override { return template_; }

 private:
  bool chat_, eos_;
  std::string template_;
};

using Ids = std::vector<std::int32_t>;
constexpr std::int32_t kNo = kIgnoredLabel;

io::Example pair(std::string prompt, std::string completion) {
  io::Example e;
  e.line = 5;
  e.prompt = std::move(prompt);
  e.completion = std::move(completion);
  return e;
}

TEST(EncodeExample, LossOnCompletionAndEos) {
  const ByteTokenizer tokenizer;
  const TokenSequence s = encode_example(pair("ab", "c"), tokenizer, {"f", 16});
  EXPECT_EQ(s.ids, (Ids{'a', 'b', 'c', 256}));
  EXPECT_EQ(s.labels, (Ids{kNo, kNo, 'c', 256}));
  EXPECT_EQ(counted_tokens(s), 2);
  EncodeTextOptions all{"f", 16};
  all.all_tokens = true;
  const TokenSequence p = encode_example(pair("ab", "c"), tokenizer, all);
  EXPECT_EQ(p.labels, (Ids{'a', 'b', 'c', 256}));
  EXPECT_EQ(counted_tokens(p), 3) << "the first token has nothing to be predicted from";
}

TEST(EncodeExample, TextAndNoEos) {
  io::Example e;
  e.text = "xy";
  const TokenSequence s = encode_example(e, ByteTokenizer(false, false), {"f", 16});
  EXPECT_EQ(s.ids, (Ids{'x', 'y'}));
  EXPECT_EQ(s.labels, s.ids);
}

TEST(EncodeExample, MessagesCountTheAssistant) {
  io::Example e;
  e.line = 2;
  e.messages = {{"user", "q"}, {"assistant", "a"}};
  const TokenSequence s = encode_example(e, ByteTokenizer(true), {"f", 64});
  Ids counted;
  for (const std::int32_t label : s.labels) {
    if (label != kNo) counted.push_back(label);
  }
  EXPECT_EQ(counted, (Ids{'a', 258}));
  EXPECT_EQ(s.ids.front(), 257);
  EXPECT_EQ(s.ids.back(), '\n');
  EXPECT_THROW(encode_example(e, ByteTokenizer(false), {"f", 64}), FormatError);
}

TEST(EncodeExample, LengthRules) {
  const ByteTokenizer tokenizer;
  EXPECT_EQ(encode_example(pair("abc", "d"), tokenizer, {"f", 5}).ids.size(), 5u);
  try {
    encode_example(pair("abcd", "e"), tokenizer, {"data.jsonl", 5});
    FAIL() << "6 tokens in a context of 5";
  } catch (const FormatError& error) {
    EXPECT_EQ(error.file(), "data.jsonl");
    EXPECT_EQ(error.offset(), 5);
    EXPECT_NE(std::string(error.what()).find("--max-length"), std::string::npos) << error.what();
  }
  const TokenSequence cut = encode_example(pair("abcd", "e"), tokenizer, {"f", 5, 4});
  EXPECT_EQ(cut.ids, (Ids{'a', 'b', 'c', 'd'}));
  EXPECT_EQ(counted_tokens(cut), 0);
  EXPECT_THROW(encode_example(pair("a", "b"), tokenizer, {"f", 5, 6}), ValueError);
  EXPECT_THROW(encode_example(pair("", ""), tokenizer, {"f", 5}), FormatError);
  EXPECT_THROW(encode_example(pair("\xff", "b"), tokenizer, {"f", 5}), FormatError);
}

TEST(Collate, PadsToTheLongest) {
  const TokenSequence a{1, {1, 2, 3}, {kNo, 2, 3}};
  const TokenSequence b{2, {4}, {4}};
  const TokenSequence* rows[] = {&a, &b};
  const Batch batch = collate(rows, 9);
  EXPECT_EQ(batch.B, 2);
  EXPECT_EQ(batch.T, 3);
  EXPECT_EQ(batch.ids, (Ids{1, 2, 3, 4, 9, 9}));
  EXPECT_EQ(batch.labels, (Ids{kNo, 2, 3, 4, kNo, kNo}));
  EXPECT_EQ(collate({}).T, 0);
}

}  // namespace
}  // namespace sylvester
