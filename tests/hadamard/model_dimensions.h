// Sizes that real models transform: hidden, intermediate and head dimensions.
#pragma once

#include <array>
#include <cstdint>

namespace sylvester::test {

struct ModelDimension {
  const char* model;
  const char* dimension;
  std::int64_t size;
  std::int64_t base;  // K; the table of docs/hadamard.md
};

inline constexpr std::array<ModelDimension, 54> kModelDimensions{{
    {"Llama-2-7B", "hidden", 4096, 1},
    {"Llama-2-7B", "intermediate", 11008, 172},
    {"Llama-2-13B", "hidden", 5120, 40},
    {"Llama-2-13B", "intermediate", 13824, 108},
    {"Llama-2-70B", "hidden", 8192, 1},
    {"Llama-2-70B", "intermediate", 28672, 28},
    {"Llama-3-8B", "intermediate", 14336, 28},
    {"Llama-3.2-1B", "hidden", 2048, 1},
    {"Llama-3.2-1B", "intermediate", 8192, 1},
    {"Llama-3.2-3B", "hidden", 3072, 12},
    {"Llama-3.1-405B", "hidden", 16384, 1},
    {"Llama-3.1-405B", "intermediate", 53248, 52},
    {"TinyLlama-1.1B", "intermediate", 5632, 44},
    {"Mistral-7B", "intermediate", 14336, 28},
    {"Mistral-Nemo-12B", "hidden", 5120, 40},
    {"Mistral-Small-24B", "intermediate", 32768, 1},
    {"Mistral-Large-123B", "hidden", 12288, 12},
    {"Qwen2.5-0.5B", "hidden", 896, 28},
    {"Qwen2.5-0.5B", "intermediate", 4864, 76},
    {"Qwen2.5-1.5B", "hidden", 1536, 12},
    {"Qwen2.5-1.5B", "intermediate", 8960, 140},
    {"Qwen2.5-3B", "hidden", 2048, 1},
    {"Qwen2.5-3B", "intermediate", 11008, 172},
    {"Qwen2.5-7B", "hidden", 3584, 28},
    {"Qwen2.5-7B", "intermediate", 18944, 148},
    {"Qwen2.5-14B", "intermediate", 13824, 108},
    {"Qwen2.5-32B", "intermediate", 27648, 108},
    {"Qwen2.5-72B", "intermediate", 29568, 924},
    {"Qwen3-0.6B", "hidden", 1024, 1},
    {"Qwen3-0.6B", "intermediate", 3072, 12},
    {"Qwen3-1.7B", "intermediate", 6144, 12},
    {"Qwen3-4B", "hidden", 2560, 40},
    {"Qwen3-4B", "intermediate", 9728, 76},
    {"Qwen3-8B", "intermediate", 12288, 12},
    {"Qwen3-14B", "intermediate", 17408, 68},
    {"Qwen3-32B", "intermediate", 25600, 100},
    {"Gemma-2-2B", "hidden", 2304, 36},
    {"Gemma-2-2B", "intermediate", 9216, 36},
    {"Gemma-2-9B", "hidden", 3584, 28},
    {"Gemma-2-9B", "intermediate", 14336, 28},
    {"Gemma-2-27B", "hidden", 4608, 36},
    {"Gemma-2-27B", "intermediate", 36864, 36},
    {"Gemma-3-1B", "hidden", 1152, 36},
    {"Gemma-3-1B", "intermediate", 6912, 108},
    {"Pythia-70M", "hidden", 512, 1},
    {"Pythia-160M", "hidden", 768, 12},
    {"Pythia-410M", "intermediate", 4096, 1},
    {"Pythia-2.8B", "intermediate", 10240, 40},
    {"Pythia-12B", "intermediate", 20480, 40},
    {"SmolLM2-135M", "hidden", 576, 36},
    {"SmolLM2-135M", "intermediate", 1536, 12},
    {"SmolLM2-360M", "hidden", 960, 60},
    {"SmolLM2-360M", "intermediate", 2560, 40},
    {"SmolLM2-1.7B", "intermediate", 8192, 1},
}};

}  // namespace sylvester::test
