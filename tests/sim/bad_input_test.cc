// Every bad input gives one line on stderr that names the culprit, its own exit code, and leaves
// nothing behind.
#include <algorithm>
#include <fstream>

#include "spawn.h"

namespace sylvester::test {
namespace {
namespace fs = std::filesystem;

struct Row {
  const char* name;
  std::vector<std::string> arguments;
  int code;
  std::vector<std::string> says;  // each must be in the line
};

class BadInput : public Program {
 protected:
  void SetUp() override {
    const std::string good = "{\"prompt\":\"Question: How many?\\nSQL:\",\"completion\":\" x\"}\n";
    put("good.jsonl", good);
    put("empty.jsonl", "");
    put("field.jsonl", good + "{\"prompt\":\"a\",\"completion\":7}\n");
    put("missing.jsonl", good + good + "{\"prompt\":\"a\"}\n");
    put("broken.jsonl", good + "{\"prompt\":\n");
    put("utf8.jsonl", "{\"prompt\":\"\xff\",\"completion\":\"b\"}\n");
    std::string words = "{\"text\":\"";
    for (int i = 0; i < 300; ++i) words += "SELECT ";
    put("long.jsonl", good + words + "\"}\n");
    put("short.gguf", std::string("GGUF\x03\0\0\0\x05\0\0", 11));
    put("unknown.json", "{\"learning_rat\": 1}");
    put("damaged.json", R"({"seed": 1, "seed": 2})");
    put("mistyped.json", "{\"learning_rate\": [1]}");
    put("bad.npy", "not numpy");
    put("plain_file", "x");
    fs::create_directories(folder_ / "used");
    put("used/something", "x");
    model_ = source("examples/models/tiny-sql");
    fs::create_directories(folder_ / "truncated");
    for (const char* file : {"config.json", "tokenizer.json"}) {
      fs::copy_file(fs::path(model_) / file, folder_ / "truncated" / file);
    }
    fs::create_directories(folder_ / "odd");
    fs::copy_file(fs::path(model_) / "tokenizer.json", folder_ / "odd" / "tokenizer.json");
    put("odd/config.json",
        "{\"model_type\": \"llama\", \"vocab_size\": 1024, \"hidden_size\": 126, "
        "\"intermediate_size\": 128, \"num_hidden_layers\": 1, \"num_attention_heads\": 3, "
        "\"num_key_value_heads\": 1, \"head_dim\": 42, \"max_position_embeddings\": 256}");
    std::ifstream weights(fs::path(model_) / "model.safetensors", std::ios::binary);
    std::string head(100000, '\0');
    weights.read(head.data(), 100000);
    put("truncated/model.safetensors", head);
    before_ = listing();
  }

  std::vector<std::string> train(const std::vector<std::string>& more,
                                 const std::string& data = "good.jsonl") const {
    std::vector<std::string> out = {"train", "--model",     model_, "--data",    data, "--out",
                                    "run",   "--max-steps", "1",    "--threads", "1"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }

  void expect(const Row& row) {
    SCOPED_TRACE(row.name);
    const Finished f = run(row.arguments);
    EXPECT_EQ(f.code, row.code) << f.err;
    EXPECT_EQ(std::count(f.err.begin(), f.err.end(), '\n'), 1) << f.err;
    EXPECT_TRUE(f.err.starts_with("sylvester: ")) << f.err;
    EXPECT_EQ(f.out, "");
    for (const std::string& word : row.says) {
      EXPECT_NE(f.err.find(word), std::string::npos) << "no '" << word << "' in: " << f.err;
    }
    EXPECT_EQ(listing(), before_) << "something was left behind";
  }

  std::string model_;
  std::vector<std::string> before_;
};

TEST_F(BadInput, CommandLine) {
  for (const Row& row : {
           Row{"no command", {}, 2, {"--help"}},
           Row{"unknown command", {"trian"}, 2, {"'trian'", "'train'"}},
           Row{"unknown option", train({"--learning-rat", "1"}), 2, {"'learning-rate'"}},
           Row{"underscores", train({"--lerning_rate", "1"}), 2, {"'learning-rate'"}},
           Row{"not a number", train({"--learning_rate", "abc"}), 2, {"learning-rate", "'abc'"}},
           Row{"half a number", train({"--save-steps", "12abc"}), 2, {"save-steps", "'12abc'"}},
           Row{"overflowing number", train({"--learning-rate", "1e9999"}), 2, {"learning-rate"}},
           Row{"NaN", train({"--learning-rate", "nan"}), 2, {"learning-rate", "finite"}},
           Row{"zero rate", train({"--learning-rate", "0"}), 2, {"> 0"}},
           Row{"zero batch", train({"--per-device-train-batch-size", "0"}), 2, {">= 1"}},
           Row{"2^63", train({"--max-length", "9223372036854775808"}), 2, {"64 bits"}},
           Row{"empty value", train({"--seed="}), 2, {"seed"}},
           Row{"missing value", {"train", "--model"}, 2, {"model", "value is missing"}},
           Row{"option twice", train({"--seed", "1", "--seed", "2"}), 2, {"--seed"}},
           Row{"stray word", train({"word"}), 2, {"word"}},
           Row{"unknown recipe", train({"--recipe", "halo3-int8"}), 2, {"halo3"}},
           Row{"unknown policy", train({"--accumulate", "blast"}), 2, {"blas"}},
           Row{"unknown schedule", train({"--lr-scheduler-type", "cosin"}), 2, {"cosine"}},
           Row{"unknown target", train({"--target", "avx1024"}), 2, {"avx1024"}},
           Row{"unknown task",
               {"eval", "--model", model_, "--data", "good.jsonl", "--tasks", "bleu"},
               2,
               {"'bleu'", "ppl"}},
           Row{"other backend", train({"--backend", "cuda"}), 2, {"cuda", "--backend cpu"}},
           Row{"--set without =", train({"--set", "seed"}), 2, {"KEY=VALUE"}},
           Row{"--set unknown", train({"--set", "sed=1"}), 2, {"--set", "'seed'"}},
           Row{"config key", train({"--config", "unknown.json"}), 2, {"'learning-rate'"}},
           Row{"no model", {"train", "--data", "good.jsonl"}, 2, {"model"}},
           Row{"format", {"formats", "float8_e4m4"}, 2, {"float8_e4m4"}},
           Row{"tolerance", {"compare", "a.npy", "b.npy", "--tolerance", "ulp:x"}, 2, {"ulp:N"}},
           Row{"golden op", {"golden", "decod", "--out", "g"}, 2, {"decode"}},
           Row{"number to check", {"formats", "e4m3", "--check", "0x10"}, 2, {"check '0x10'"}},
           Row{"negative signs",
               {"hadamard", "a.npy", "b.npy", "--signs", "-3"},
               2,
               {"signs '-3'", ">= 0"}},
           Row{"preset and mode",
               {"golden", "encode", "--preset", "cuda", "--nan", "negative", "--out", "g"},
               2,
               {"preset", "'cuda'"}},
           Row{"left and axis",
               {"hadamard", "a.npy", "b.npy", "--left", "--axis", "1"},
               2,
               {"axis 1", "--left"}},
           Row{"policy option twice",
               {"matmul", "a.npy", "b.npy", "c.npy", "--format", "e4m3", "--accumulate",
                "sm90-wgmma:splitk=2:splitk=2"},
               2,
               {"splitk", "twice"}},
           Row{"no Hadamard matrix", {"hadamard", "--check", "6"}, 2, {"6"}},
       }) {
    expect(row);
  }
}

TEST_F(BadInput, Files) {
  for (const Row& row : {
           Row{"no data file", train({}, "none.jsonl"), 4, {"none.jsonl", "No such file"}},
           Row{"no model",
               {"train", "--model", "tiny-sqk", "--data", "good.jsonl"},
               4,
               {"tiny-sqk", "tiny-sql"}},
           Row{"empty data", train({}, "empty.jsonl"), 3, {"empty.jsonl"}},
           Row{"wrong field", train({}, "field.jsonl"), 3, {"field.jsonl", "2", "completion"}},
           Row{"missing field", train({}, "missing.jsonl"), 3, {"missing.jsonl", "3"}},
           Row{"broken JSON", train({}, "broken.jsonl"), 3, {"broken.jsonl", "2"}},
           Row{"not UTF-8", train({}, "utf8.jsonl"), 3, {"utf8.jsonl", "1"}},
           Row{"longer than the context",
               train({}, "long.jsonl"),
               3,
               {"long.jsonl", "2", "256", "--max-length"}},
           Row{"max-length above it", train({"--max-length", "257"}), 2, {"257", "256"}},
           Row{"truncated GGUF",
               {"train", "--model", "short.gguf", "--data", "good.jsonl"},
               3,
               {"short.gguf"}},
           Row{"truncated weights",
               {"eval", "--model", "truncated", "--data", "good.jsonl"},
               3,
               {"truncated/model.safetensors"}},
           Row{"config type",
               train({"--config", "mistyped.json"}),
               2,
               {"mistyped.json", "learning_rate"}},
           Row{"config damaged",
               train({"--config", "damaged.json"}),
               2,
               {"damaged.json", "duplicate"}},
           Row{"config missing", train({"--config", "none.json"}), 4, {"none.json"}},
           Row{"folder as data", train({}, "used"), 4, {"used"}},
           Row{"not numpy", {"hadamard", "bad.npy", "out.npy"}, 3, {"bad.npy"}},
           Row{"kind by ending",
               {"quantize", "good.jsonl", "o.npy", "--format", "int8"},
               2,
               {".safetensors"}},
           Row{"names of one array",
               {"quantize", "bad.npy", "o.npz", "--format", "int8", "--include", "w"},
               2,
               {"include 'w'", ".npz"}},
           Row{"output is input",
               {"hadamard", "bad.npy", "bad.npy", "--force"},
               2,
               {"is the input"}},
           Row{"size without a Hadamard matrix",
               {"train", "--pretrain", "--model", "odd", "--data", "good.jsonl", "--recipe",
                "halo2-int8", "--out", "run"},
               2,
               {"126", "block"}},
           Row{"resume of nothing", train({"--resume", "none"}), 4, {"none"}},
       }) {
    expect(row);
  }
}

TEST_F(BadInput, OutputFolders) {
  std::vector<std::string> arguments = train({});
  std::replace(arguments.begin(), arguments.end(), std::string("run"), std::string("used"));
  expect({"not empty", arguments, 2, {"used", "--force"}});
  std::replace(arguments.begin(), arguments.end(), std::string("used"), std::string("plain_file"));
  expect({"a file", arguments, 4, {"plain_file"}});
  std::replace(arguments.begin(), arguments.end(), std::string("plain_file"),
               std::string("/proc/none"));
  expect({"unwritable", arguments, 4, {"/proc/none"}});
  EXPECT_EQ(read("used/something"), "x");
  expect({"golden spares a stranger's folder",
          {"golden", "decode", "--out", "used", "--force"},
          2,
          {"golden.json"}});
}

TEST_F(BadInput, ClosedAndFullStdout) {
  const Finished full = Process({"formats"}, folder_, "/dev/full").wait();
  EXPECT_EQ(full.code, 4) << full.err;
  EXPECT_NE(full.err.find("stdout"), std::string::npos) << full.err;
}

}  // namespace
}  // namespace sylvester::test
