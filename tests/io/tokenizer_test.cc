// Byte-level BPE against ids from Hugging Face's tokenizers library (tests/golden/tokenizer).
#include "sylvester/io/tokenizer.h"

#include <chrono>
#include <fstream>
#include <random>

#include "io/io_test_util.h"
#include "io/pretokenizer.h"
#include "sylvester/io/json.h"
#include "test_util.h"

namespace sylvester::io {
namespace {

using test::golden;
using test::TemporaryFolder;

std::vector<std::int32_t> ids_of(const JsonValue& list) {
  std::vector<std::int32_t> out;
  for (const JsonValue& id : list.items()) out.push_back(static_cast<std::int32_t>(id.as_int()));
  return out;
}

void expect_ids(const Tokenizer& tokenizer, const std::vector<JsonValue>& texts,
                const std::vector<JsonValue>& expected) {
  ASSERT_EQ(texts.size(), expected.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(tokenizer.encode(texts[i].as_string()), ids_of(expected[i]))
        << "text " << i << ": " << texts[i].dump();
  }
}

TEST(Tokenizer, EncodesRandomUnicodeAsHuggingFaceDoes) {
  const JsonValue vectors = read_json(golden("tokenizer/vectors.json"));
  for (const std::string name : {"gpt2", "smollm", "llama3"}) {
    SCOPED_TRACE(name);
    const auto tokenizer = load_tokenizer(golden("tokenizer/" + name + ".json"));
    expect_ids(*tokenizer, vectors.at("texts").items(), vectors.at(name).items());
  }
}

TEST(Tokenizer, DecodeInvertsEncode) {
  const JsonValue vectors = read_json(golden("tokenizer/vectors.json"));
  const auto tokenizer = load_tokenizer(golden("tokenizer/smollm.json"));
  for (const JsonValue& text : vectors.at("texts").items()) {
    // "note:" takes the white space after it along and "[PAD]" the white space before it.
    const std::string& t = text.as_string();
    if (t.find("note:") != std::string::npos || t.find("[PAD]") != std::string::npos) continue;
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(t)), t) << text.dump();
  }
}

TEST(Tokenizer, AnyBytesGiveIdsOrAValueError) {
  const auto tokenizer = load_tokenizer(golden("tokenizer/smollm.json"));
  EXPECT_THROW(tokenizer->encode("\xFF"), ValueError);
  EXPECT_THROW(tokenizer->encode("ok \xED\xA0\x80"), ValueError);  // a surrogate
  EXPECT_THROW(tokenizer->encode("\xC0\x80"), ValueError);         // overlong
  EXPECT_TRUE(tokenizer->encode("").empty());
  const std::string nul("a\0b", 3);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(nul)), nul);
  std::mt19937 rng(5);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(rng() % 12, '\0');
    for (char& c : bytes) c = static_cast<char>(rng());
    try {
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(bytes)), bytes) << "seed 5, case " << i;
    } catch (const ValueError&) {  // not UTF-8
    }
  }
  // Ids outside the vocabulary.
  const auto size = static_cast<std::int32_t>(tokenizer->vocab_size());
  for (const std::int32_t id : {-1, size, std::numeric_limits<std::int32_t>::max()}) {
    EXPECT_THROW(tokenizer->decode(std::vector<std::int32_t>{id}), ValueError) << id;
  }
}

TEST(Tokenizer, SaveAndLoadKeepEverything) {
  const JsonValue vectors = read_json(golden("tokenizer/vectors.json"));
  for (const std::string name : {"gpt2", "smollm", "llama3"}) {
    SCOPED_TRACE(name);
    const TemporaryFolder folder;
    load_tokenizer(golden("tokenizer/" + name + ".json"))->save(folder.path());
    const auto again = load_tokenizer(folder.path());
    expect_ids(*again, vectors.at("texts").items(), vectors.at(name).items());
  }
}

TEST(Tokenizer, SpecialTokensComeFromTheConfig) {
  const TemporaryFolder folder;
  std::filesystem::copy(golden("tokenizer/smollm.json"), folder.path() / "tokenizer.json");
  folder.write("tokenizer_config.json",
               R"({"bos_token":{"content":"<|im_start|>"},"eos_token":"<|im_end|>",)"
               R"("chat_template":"x"})");
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->bos(), tokenizer->id_of("<|im_start|>"));
  EXPECT_EQ(tokenizer->eos(), tokenizer->id_of("<|im_end|>"));
  EXPECT_NE(tokenizer->bos(), std::nullopt);
  EXPECT_EQ(tokenizer->chat_template(), "x");
  EXPECT_EQ(tokenizer->id_of("no such token"), std::nullopt);
}

TEST(Tokenizer, ChatMl) {
  const TemporaryFolder folder;
  std::filesystem::copy(golden("tokenizer/smollm.json"), folder.path() / "tokenizer.json");
  const std::vector<Message> chat = {{"user", "Hi"}, {"assistant", "Yes?"}};
  const std::string turns =
      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYes?<|im_end|>\n";
  EXPECT_EQ(apply_chat_template(*load_tokenizer(folder.path()), chat, false), turns);
  EXPECT_EQ(apply_chat_template(*load_tokenizer(folder.path()), chat, true),
            turns + "<|im_start|>assistant\n");
  // The template's own system message goes first, unless the conversation has one.
  folder.write(
      "tokenizer_config.json",
      R"x({"chat_template":"{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\)x"
      R"x(nBe brief.<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' + message['role']}}"})x");
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_EQ(apply_chat_template(*tokenizer, chat, false),
            "<|im_start|>system\nBe brief.<|im_end|>\n" + turns);
  EXPECT_EQ(apply_chat_template(*tokenizer, std::vector<Message>{{"system", "S"}}, false),
            "<|im_start|>system\nS<|im_end|>\n");
}

// One word of a million bytes: merging must not be quadratic.
TEST(Tokenizer, LongWordsTakeLinearithmicTime) {
  const auto tokenizer = load_tokenizer(golden("tokenizer/gpt2.json"));
  const std::string text(1'000'000, 'e');
  const auto begin = std::chrono::steady_clock::now();
  const auto ids = tokenizer->encode(text);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(tokenizer->decode(ids), text);
  EXPECT_LT(seconds.count(), 10.0);  // a quadratic merge needs minutes
}

TEST(Tokenizer, PatternsUseUnicodeWhiteSpace) {
  // U+180E is no White_Space; PCRE2's \s would match it.
  EXPECT_EQ(detail::translate_pattern(R"(\s)").find("180e"), std::string::npos);
  EXPECT_EQ(detail::translate_pattern(R"(\s)")[0], '[');
  EXPECT_EQ(detail::translate_pattern(R"([\sx])").find("[", 1), std::string::npos);
  EXPECT_EQ(detail::translate_pattern(R"(\\s)"), R"(\\s)");
  EXPECT_EQ(detail::translate_pattern("[]a]"), "[\\]a]");
}

// NFC is not computed; text that it might change is refused, all other text is encoded as it is.
TEST(Tokenizer, NfcIsExactOrRefused) {
  const TemporaryFolder folder;
  std::string text = test::read_text(golden("tokenizer/smollm.json"));
  const std::string none = "\"normalizer\":null";
  ASSERT_NE(text.find(none), std::string::npos);
  text.replace(text.find(none), none.size(), "\"normalizer\":{\"type\":\"NFC\"}");
  folder.write("tokenizer.json", text);
  const auto nfc = load_tokenizer(folder.path());
  const auto plain = load_tokenizer(golden("tokenizer/smollm.json"));
  const std::string same = "na\xC3\xAFve \xE6\x9D\xB1\xE4\xBA\xAC \xF0\x9F\x99\x82 \xED\x95\x9C";
  EXPECT_EQ(nfc->encode(same), plain->encode(same));
  for (const std::string changed :
       {"e\xCC\x81", "\xE2\x84\xAB", "\xEF\xA4\x80", "\xE1\x84\x92\xE1\x85\xA1"}) {
    EXPECT_THROW(nfc->encode("ok " + changed), UnsupportedError) << changed;
    EXPECT_NO_THROW(plain->encode("ok " + changed));
  }
}

struct BadTokenizer {
  const char* name;
  std::string text;
  std::string field;
  std::string says;
};

std::string tokenizer_text(const std::string& vocab, const std::string& merges,
                           const std::string& added = "[]",
                           const std::string& pre = R"({"type":"ByteLevel"})") {
  return R"({"added_tokens":)" + added + R"(,"normalizer":null,"pre_tokenizer":)" + pre +
         R"(,"model":{"type":"BPE","vocab":)" + vocab + R"(,"merges":)" + merges + "}}";
}

TEST(Tokenizer, BadFilesNameTheRule) {
  const TemporaryFolder folder;
  const BadTokenizer cases[] = {
      {"merge of an absent token", tokenizer_text(R"({"a":0,"b":1})", R"(["a b"])"), "merges[0]",
       "token \"ab\" is not in the vocabulary"},
      {"merge without a space", tokenizer_text(R"({"a":0})", R"(["a"])"), "model.merges[0]",
       "want two tokens"},
      {"two tokens, one id", tokenizer_text(R"({"a":0,"b":0})", "[]"), "model.vocab.b",
       "id 0 belongs to \"a\" already"},
      {"duplicate token", tokenizer_text(R"({"a":0,"a":1})", "[]"), "a", "duplicate key"},
      {"huge id", tokenizer_text(R"({"a":2000000000})", "[]"), "model.vocab.a", "want 0 to"},
      {"negative id", tokenizer_text(R"({"a":-1})", "[]"), "model.vocab.a", "want 0 to"},
      {"id is text", tokenizer_text(R"({"a":"0"})", "[]"), "model.vocab.a", "want an integer"},
      {"added token on a taken id",
       tokenizer_text(R"({"a":0})", "[]", R"([{"id":0,"content":"b"}])"), "added_tokens[0]",
       "belongs to \"a\" already"},
      {"pattern does not compile",
       tokenizer_text(R"({"a":0})", "[]", "[]", R"({"type":"Split","pattern":{"Regex":"("}})"),
       "pre_tokenizer", "does not compile"},
      {"no model", R"({"added_tokens":[]})", "model", "missing"},
  };
  for (const BadTokenizer& c : cases) {
    SCOPED_TRACE(c.name);
    const auto path = folder.write("tokenizer.json", c.text);
    try {
      load_tokenizer(path);
      ADD_FAILURE() << "no error";
    } catch (const FormatError& e) {
      EXPECT_TRUE(e.field() == c.field || e.field() == "") << e.what();
      EXPECT_NE(std::string(e.what()).find(c.says), std::string::npos) << e.what();
    }
  }
  const std::string unsupported[] = {
      tokenizer_text(R"({"a":0})", "[]", "[]", R"({"type":"Metaspace"})"),
      tokenizer_text(R"({"a":0})", "[]", "[]", "null"),
      R"({"model":{"type":"Unigram","vocab":[]}})",
  };
  for (const std::string& text : unsupported) {
    folder.write("tokenizer.json", text);
    EXPECT_THROW(load_tokenizer(folder.path()), UnsupportedError) << text;
  }
}

// A pattern that backtracks without end gives an error, not a hang.
TEST(Tokenizer, CatastrophicPatternIsStopped) {
  const TemporaryFolder folder;
  std::string vocab = "{";
  for (char c = 'a'; c <= 'b'; ++c)
    vocab += std::string(c > 'a' ? "," : "") + "\"" + c + "\":" + std::to_string(c - 'a');
  folder.write("tokenizer.json",
               tokenizer_text(vocab + "}", "[]", "[]",
                              R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":)"
                              R"({"Regex":"(a|aa|a+)+$"}},{"type":"ByteLevel"}]})"));
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_THROW(tokenizer->encode(std::string(64, 'a') + "b"), ValueError);
}

// The real vocabulary, where its GGUF is at hand (-DSYLVESTER_SMOLLM2=PATH).
TEST(Tokenizer, SmolLm2) {
  const std::filesystem::path path = SYLVESTER_SMOLLM2;
  if (path.empty() || !std::filesystem::exists(path)) {
    GTEST_SKIP() << "no SmolLM2 GGUF: set the CMake variable SYLVESTER_SMOLLM2 to its path";
  }
  const auto tokenizer = load_tokenizer(path);
  EXPECT_EQ(tokenizer->vocab_size(), 49152);
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  const JsonValue logits = read_json(golden("smollm2_logits.json"));
  for (const char* part : {"tokenizer", "prompts"}) {
    for (const JsonValue& item : logits.at(part).items()) {
      EXPECT_EQ(tokenizer->encode(item.at("text").as_string()), ids_of(item.at("ids")))
          << item.at("text").dump();
    }
  }
  const JsonValue vectors = read_json(golden("tokenizer/smollm2.json"));
  expect_ids(*tokenizer, vectors.at("texts").items(), vectors.at("ids").items());
  const TemporaryFolder folder;
  tokenizer->save(folder.path());
  expect_ids(*load_tokenizer(folder.path()), vectors.at("texts").items(),
             vectors.at("ids").items());
  EXPECT_EQ(apply_chat_template(*tokenizer, std::vector<Message>{{"user", "Hi"}}, true),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
            "Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

}  // namespace
}  // namespace sylvester::io
