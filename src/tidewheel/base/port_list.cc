#include "tidewheel/base/port_list.h"

#include <algorithm>

#include "tidewheel/base/number_ranges.h"

namespace tidewheel {

Result<std::vector<uint16_t>> parse_port_list(std::string_view text, std::string_view key) {
  const auto ranges = parse_number_ranges(text);
  const bool is_list = ranges.has_value() && !ranges->empty() &&
                       std::all_of(ranges->begin(), ranges->end(),
                                   [](const auto& range) { return range.second <= 65535; });
  if (!is_list) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} has to be a port, a range such as 50100-50200, or several of them "
                            "separated by commas, not '{}'",
                            key, text);
  }
  std::vector<uint16_t> ports;
  for (const auto& [first, last] : *ranges) {
    for (int64_t port = first; port <= last; ++port) {
      ports.push_back(static_cast<uint16_t>(port));
    }
  }
  return ports;
}

Status no_free_port(const Status& failure, std::string_view key, std::string_view value,
                    std::string_view advice) {
  Status status = failure.with_context("{} is {}", key, value);
  if (failure.code() != StatusCode::kAlreadyExists) { return status; }
  return Status(status.code(), status.id(),
                fmt::format("{}; stop what listens there, or {}", status.message(), advice));
}

std::string range_advice(std::string_view key) {
  return fmt::format(
      "give {} a range, such as 50100-50200, of which the first free port is taken, or 0 for any "
      "free one",
      key);
}

}  // namespace tidewheel
