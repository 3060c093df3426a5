// Lists of ports, as configurations have them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel {

// "8081", "50100-50200", or several of these separated by commas. `key`: whose value it is. Errors:
// kBadOptionValue.
Result<std::vector<uint16_t>> parse_port_list(std::string_view text, std::string_view key);

// What is wrong when a process could listen at none of the ports that a setting names: the setting,
// and, if they were in use, what to do about it. `failure`: of the last port.
Status no_free_port(const Status& failure, std::string_view key, std::string_view value,
                    std::string_view advice);
// The advice for a key whose value is a list.
std::string range_advice(std::string_view key);

}  // namespace tidewheel
