// The line scanner behind read_jsonl and validate.
#pragma once

#include <filesystem>
#include <functional>

#include "sylvester/core/error.h"
#include "sylvester/io/jsonl.h"

namespace sylvester::io::detail {

// Calls good(example) or bad(error) for each line that is not blank, until one returns false.
void scan_jsonl(const std::filesystem::path& path, const std::function<bool(Example&&)>& good,
                const std::function<bool(const FormatError&)>& bad, JsonlReport& report);

}  // namespace sylvester::io::detail
