// Every file of the corpus gives its error (or loads), quickly, and validate() agrees.
#include <algorithm>

#include "corrupt/corpus.h"
#include "io/io_test_util.h"
#include "sylvester/io/gguf.h"
#include "sylvester/io/tokenizer.h"
#include "sylvester/io/validate.h"

namespace sylvester::io {
namespace {

using test::CorpusFile;
using test::TemporaryFolder;

template <class Open>
void run_corpus(const std::vector<CorpusFile>& corpus, const std::string& name, Open open) {
  const TemporaryFolder folder;
  for (const CorpusFile& c : corpus) {
    SCOPED_TRACE(c.name);
    const auto path = folder.write(name, c.bytes);
    if (c.says.empty()) {
      EXPECT_NO_THROW(open(path));
    } else {
      test::expect_format_error([&] { open(path); }, name, c.offset, c.field, c.says);
    }
    // validate() lists the same error first among the errors.
    const auto list = validate(path);
    const auto first =
        std::find_if(list.begin(), list.end(), [](const Violation& v) { return !v.warning; });
    ASSERT_EQ(first != list.end(), !c.says.empty())
        << (first != list.end() ? to_string(*first) : "no violation");
    if (first != list.end()) {
      EXPECT_EQ(first->field, c.field);
      EXPECT_NE(to_string(*first).find(c.says), std::string::npos) << to_string(*first);
      if (c.offset >= 0) {
        EXPECT_EQ(first->offset, c.offset);
      }
    }
    // The file is untouched and nothing was written beside it.
    EXPECT_EQ(test::read_text(path), c.bytes);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  }
}

TEST(Corrupt, Safetensors) {
  run_corpus(test::safetensors_corpus(), "a.safetensors",
             [](const std::filesystem::path& path) { open_safetensors(path); });
}

TEST(Corrupt, Gguf) {
  run_corpus(test::gguf_corpus(), "a.gguf",
             [](const std::filesystem::path& path) { open_gguf(path); });
}

TEST(Corrupt, GgufTokenizer) {
  const TemporaryFolder folder;
  for (const CorpusFile& c : test::gguf_tokenizer_corpus()) {
    SCOPED_TRACE(c.name);
    const auto path = folder.write("t.gguf", c.bytes);
    if (c.says.empty()) {
      EXPECT_EQ(load_tokenizer(path)->encode("ab"), (std::vector<std::int32_t>{2}));
      EXPECT_TRUE(validate(path).empty());
    } else {
      test::expect_format_error([&] { load_tokenizer(path); }, "t.gguf", c.offset, c.field, c.says);
    }
  }
}

// Any prefix and any one changed byte of a good file: an error or a file, never a crash.
TEST(Corrupt, CutAndChangedFiles) {
  const TemporaryFolder folder;
  for (const auto& corpus : {test::safetensors_corpus(), test::gguf_corpus()}) {
    const auto good = std::find_if(corpus.begin(), corpus.end(),
                                   [](const CorpusFile& c) { return c.says.empty(); });
    ASSERT_NE(good, corpus.end());
    const bool gguf = good->bytes.starts_with("GGUF");
    const auto open = [&](const std::string& bytes) {
      const auto path = folder.write(gguf ? "a.gguf" : "a.safetensors", bytes);
      const auto file = open_model_tensors(path);
      for (const TensorInfo& t : file->tensors()) {
        std::vector<std::byte> raw(t.bytes);
        file->read_bytes(t, raw);
      }
    };
    for (std::size_t n = 0; n < good->bytes.size(); ++n) {
      EXPECT_THROW(open(good->bytes.substr(0, n)), FormatError) << good->name << " cut at " << n;
      std::string changed = good->bytes;
      changed[n] = static_cast<char>(changed[n] ^ 0x80);
      try {
        open(changed);
      } catch (const FormatError&) {
      }
    }
  }
}

TEST(Corrupt, ValidateListsEveryDefect) {
  const TemporaryFolder folder;
  const std::string header = R"({"a":{"dtype":"F5","shape":[1],"data_offsets":[0,1]},)"
                             R"("b":{"dtype":"U8","shape":[-1],"data_offsets":[1,2]},)"
                             R"("c":{"dtype":"U8","shape":[1],"data_offsets":[5,6],"note":0}})";
  const auto list = validate(folder.write("a.safetensors", test::le(header.size(), 8) + header));
  ASSERT_EQ(list.size(), 5u);
  EXPECT_EQ(list[0].field, "b.shape");
  EXPECT_TRUE(list[1].warning);
  EXPECT_EQ(list[1].field, "c.note");
  EXPECT_EQ(list[2].field, "a.dtype");
  EXPECT_EQ(list[3].field, "c.data_offsets");
  EXPECT_NE(list[4].rule.find("ends beyond"), std::string::npos);
  EXPECT_THROW(validate(folder.path() / "absent"), IoError);
  EXPECT_THROW(validate(folder.write("a.xyz", "hello there")), ValueError);
  EXPECT_THROW(validate(folder.path()), ValueError);
}

struct BadFolder {
  const char* name;
  std::string index;
  const char* field;
  const char* says;
};

TEST(Corrupt, ShardedFolders) {
  const TemporaryFolder folder;
  const auto shard = [&](const std::string& file, const std::string& tensor) {
    const std::string header =
        "{\"" + tensor + "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
    folder.write(file, test::le(header.size(), 8) + header + "x");
  };
  shard("1.safetensors", "a");
  shard("2.safetensors", "b");
  const BadFolder cases[] = {
      {"missing shard", R"({"weight_map":{"a":"1.safetensors","b":"3.safetensors"}})",
       "weight_map.b", "missing shard"},
      {"tensor absent from its shard",
       R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors","c":"2.safetensors"}})",
       "weight_map.c", "absent from shard"},
      {"tensor in another shard", R"({"weight_map":{"a":"2.safetensors","b":"2.safetensors"}})",
       "weight_map.a", "absent from shard"},
      {"tensor that the index lacks",
       R"({"weight_map":{"a":"1.safetensors"},"metadata":{"total_size":2}})", "metadata.total_size",
       "is 2; the shards hold 1 bytes"},
      {"shard above the folder", R"({"weight_map":{"a":"../1.safetensors"}})", "weight_map.a",
       "not a plain file name"},
      {"absolute shard", R"({"weight_map":{"a":"/etc/passwd"}})", "weight_map.a",
       "not a plain file name"},
      {"wrong total",
       R"({"metadata":{"total_size":3},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})",
       "metadata.total_size", "is 3; the shards hold 2 bytes"},
      {"no map", R"({"metadata":{}})", "weight_map", "missing"},
  };
  for (const BadFolder& c : cases) {
    SCOPED_TRACE(c.name);
    folder.write("model.safetensors.index.json", c.index);
    test::expect_format_error([&] { open_model_tensors(folder.path()); },
                              "model.safetensors.index.json", -1, c.field, c.says);
    const auto list = validate(folder.path());
    ASSERT_FALSE(list.empty());
    EXPECT_EQ(list[0].field, c.field);
  }
  // The same tensor in two shards.
  shard("2.safetensors", "a");
  folder.write("model.safetensors.index.json",
               R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  test::expect_format_error([&] { open_model_tensors(folder.path()); }, "2.safetensors", -1, "a",
                            "belongs to shard \"1.safetensors\"");
}

TEST(Inspect, SummarisesAndEscapes) {
  const TemporaryFolder folder;
  const std::string header =
      "{\"__metadata__\":{\"k\":\"v\"},\"x\\u001b[2J\":{\"dtype\":\"F16\",\"shape\":[2,3],"
      "\"data_offsets\":[0,12]}}";
  const std::string text = inspect(
      folder.write("a.safetensors", test::le(header.size(), 8) + header + std::string(12, '\0')));
  EXPECT_NE(text.find("safetensors: 1 tensors, 6 elements, 12 bytes"), std::string::npos) << text;
  EXPECT_NE(text.find("x\\x1b[2J  F16  [2, 3]  12"), std::string::npos) << text;
  EXPECT_NE(text.find("k  v"), std::string::npos) << text;
  EXPECT_NE(inspect(folder.write("c.json", "{\"hidden_size\":64,\"list\":[1,2]}"))
                .find("list         array of 2"),
            std::string::npos);
}

}  // namespace
}  // namespace sylvester::io
