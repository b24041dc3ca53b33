// One function a format: any bytes give a result or a typed error. libFuzzer calls them without end
// (-DSYLVESTER_FUZZ=ON); the replay test calls them over the corpus in every developer build.
#pragma once

#include <string_view>

namespace sylvester::test {

// Each swallows the library's own errors (sylvester::Error); anything else is a find.
void fuzz_json(std::string_view bytes);
void fuzz_jsonl(std::string_view bytes);
void fuzz_safetensors(std::string_view bytes);
void fuzz_gguf(std::string_view bytes);  // and the tokenizer in it
void fuzz_npy(std::string_view bytes);   // npy, and npz by its first bytes
void fuzz_tokenizer(
    std::string_view bytes);  // text through a fixed vocabulary, and a tokenizer.json

}  // namespace sylvester::test
