// Lists of ports, as configurations have them.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel {

// "8081", "50100-50200", or several of these separated by commas. `key`: whose value it is. Errors:
// kBadOptionValue.
Result<std::vector<uint16_t>> parse_port_list(std::string_view text, std::string_view key);

}  // namespace tidewheel
