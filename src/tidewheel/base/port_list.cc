#include "tidewheel/base/port_list.h"

#include <algorithm>

#include "tidewheel/base/config.h"

namespace tidewheel {

Result<std::vector<uint16_t>> parse_port_list(std::string_view text, std::string_view key) {
  std::vector<uint16_t> ports;
  const auto refuse = [&] {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} has to be a port, a range such as 50100-50200, or several of them "
                            "separated by commas, not '{}'",
                            key, text);
  };
  std::string_view rest = text;
  do {
    const size_t end = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t dash = std::min(part.find('-'), part.size());
    const Result<int64_t> first = parse_int(part.substr(0, dash));
    const Result<int64_t> last = dash == part.size() ? first : parse_int(part.substr(dash + 1));
    if (!first.ok() || !last.ok() || *first < 0 || *last < *first || *last > 65535) {
      return refuse();
    }
    for (int64_t port = *first; port <= *last; ++port) {
      ports.push_back(static_cast<uint16_t>(port));
    }
  } while (!rest.empty());
  return ports;
}

}  // namespace tidewheel
