// The sentences of docs/formats.md that no table can give. Private to the room.
#pragma once

#include <string_view>

#include "sylvester/formats/dtype.h"

namespace sylvester {

// Where the format comes from and who differs; one paragraph.
std::string_view notes(DType dtype) noexcept;
std::string_view page_introduction() noexcept;
std::string_view page_options() noexcept;

}  // namespace sylvester
