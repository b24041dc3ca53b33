// Bad files as a few literal bytes each, with the error each must give, and good ones that look
// odd.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sylvester::test {

struct CorpusFile {
  std::string name;
  std::string bytes;
  // What opening it says; an empty `says` means that it loads.
  std::int64_t offset = 0;
  std::string field = {};
  std::string says = {};
};

std::vector<CorpusFile> safetensors_corpus();
std::vector<CorpusFile> gguf_corpus();
// GGUF files whose header is sound and whose tokenizer is not.
std::vector<CorpusFile> gguf_tokenizer_corpus();

}  // namespace sylvester::test
