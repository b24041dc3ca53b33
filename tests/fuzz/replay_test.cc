// Runs every fuzz target over the corpus, the golden files and random changes of both, so that the
// targets keep building and the known finds stay fixed. With SYLVESTER_WRITE_CORPUS=DIR in the
// environment the seeds are written there for libFuzzer.
#include <cstdlib>
#include <random>

#include "corrupt/corpus.h"
#include "fuzz/targets.h"
#include "io/io_test_util.h"
#include "test_util.h"

namespace sylvester::test {
namespace {

using Target = void (*)(std::string_view);

void replay(const std::string& name, Target target, const std::vector<std::string>& seeds) {
  if (const char* folder = std::getenv("SYLVESTER_WRITE_CORPUS")) {
    const auto path = std::filesystem::path(folder) / name;
    std::filesystem::create_directories(path);
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      std::ofstream(path / std::to_string(i), std::ios::binary) << seeds[i];
    }
  }
  std::mt19937 rng(17);
  for (const std::string& seed : seeds) {
    target(seed);
    for (int i = 0; i < 20 && seed.size() < 100'000; ++i) {
      std::string changed = seed;
      for (unsigned k = rng() % 4; k-- > 0 && !changed.empty();) {
        const std::size_t at = rng() % changed.size();
        switch (rng() % 3) {
          case 0:
            changed[at] = static_cast<char>(rng());
            break;
          case 1:
            changed.erase(at, 1 + rng() % 8);
            break;
          default:
            changed.insert(at, changed.substr(rng() % changed.size(), rng() % 8));
        }
      }
      target(changed);
    }
  }
}

std::vector<std::string> seeds_of(const std::vector<CorpusFile>& corpus) {
  std::vector<std::string> out;
  for (const CorpusFile& c : corpus) out.push_back(c.bytes);
  return out;
}

std::vector<std::string> golden_files(const std::string& folder, const std::string& ending) {
  std::vector<std::filesystem::path> paths;
  for (const auto& e : std::filesystem::directory_iterator(golden(folder))) {
    if (e.path().extension() == ending) paths.push_back(e.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> out;
  for (const auto& path : paths) out.push_back(read_text(path));
  return out;
}

TEST(FuzzReplay, Json) {
  replay("json", fuzz_json,
         {"{}", "[1,2.5,-3,1e5,true,null,\"\\u00e9\"]", "{\"a\":{\"b\":[[]]},\"a\":1}", "[NaN]",
          "{\"a\":18446744073709551616}", std::string(200, '['), "\"\\ud83d\\ude00\"", "-0.0"});
}

TEST(FuzzReplay, Jsonl) {
  replay("jsonl", fuzz_jsonl,
         {"{\"text\":\"x\"}\n", "{\"prompt\":\"p\",\"completion\":\"c\"}\r\n\r\n{\"text\":1}",
          "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}\nx\ny\nz\nw\n", ""});
}

TEST(FuzzReplay, Safetensors) {
  replay("safetensors", fuzz_safetensors, seeds_of(safetensors_corpus()));
}

TEST(FuzzReplay, Gguf) {
  replay("gguf", fuzz_gguf, seeds_of(gguf_corpus()));
  replay("gguf_tokenizer", fuzz_gguf, seeds_of(gguf_tokenizer_corpus()));
}

TEST(FuzzReplay, Npy) {
  replay("npy", fuzz_npy, golden_files("files", ".npy"));
  replay("npz", fuzz_npy, golden_files("files", ".npz"));
}

TEST(FuzzReplay, Tokenizer) {
  std::vector<std::string> seeds = golden_files("tokenizer", ".json");
  std::erase_if(seeds, [](const std::string& s) { return s.size() > 10'000; });
  for (const char* text :
       {"Hello <|im_start|>user\n", "a1 b22  c333\t\n \xC2\xA0x", "\xFF", "note: x"}) {
    seeds.emplace_back(text);
  }
  replay("tokenizer", fuzz_tokenizer, seeds);
}

}  // namespace
}  // namespace sylvester::test
