// The formats in words and tables: what the program prints and docs/formats.md is made of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sylvester/formats/convert.h"
#include "sylvester/formats/dtype.h"

namespace sylvester {

// All texts are Markdown that also reads well on a terminal.

// One row a format: bits, layout, bias, largest, smallest normal and smallest value, Inf, NaN.
std::string format_table();
// One format: its bits drawn, limits with their codes, special codes, and what each named
// convention does where they differ (computed by encode, not typed in).
std::string describe_format(DType dtype);
// Every code of a format of at most 8 bits: code, bits, class, value. 16-bit formats: the codes at
// the ends of each class.
std::string code_table(DType dtype);
// "0 0001 000": sign, exponent, mantissa of a code.
std::string code_bits_text(std::uint32_t code, DType dtype);
// "zero", "subnormal", "normal", "infinity", "NaN" or "integer".
std::string code_class(std::uint32_t code, DType dtype);
// How one number is rounded, step by step: its exponent, the last place of the target, the two
// neighbours with their codes, the decision, overflow, the result and its error.
// Errors: ValueError when `to` is no format of formats().
std::string explain_rounding(double value, DType to, const EncodeOptions& options = {},
                             std::uint32_t random = 0);
// docs/formats.md, whole.
std::string formats_page();

// Encodes and decodes built-in numbers with every format on the current target and compares the
// codes with a built-in table. Returns one line for each disagreement, so empty means sound.
// Determinism: the table is fixed; random numbers come from Philox with fixed seeds.
std::vector<std::string> self_check();

}  // namespace sylvester
