// Lists of numbers and ranges, such as "1,3,5-9".
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace tidewheel {

// First and last of each part, in the order of the text, which may be empty; numbers are not
// negative, and no range goes backwards. nullopt: the text is no such list.
std::optional<std::vector<std::pair<int64_t, int64_t>>> parse_number_ranges(std::string_view text);

}  // namespace tidewheel
