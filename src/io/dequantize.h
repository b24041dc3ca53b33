// Bytes of a file to float32, one function a storage type.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace sylvester::io::detail {

// `bytes` holds out.size() elements, a multiple of the type's block.
using Decoder = void (*)(const std::byte* bytes, std::span<float> out);

// nullptr where the type has no decoder. Sources: the safetensors README; ggml's block layouts
// (ggml-common.h) with the arithmetic of gguf-py's quants.py: every product and sum rounded.
Decoder find_decoder(std::string_view dtype) noexcept;

}  // namespace sylvester::io::detail
