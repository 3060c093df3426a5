#include "tidewheel/base/number_ranges.h"

#include <algorithm>

#include "tidewheel/base/config.h"

namespace tidewheel {

std::optional<std::vector<std::pair<int64_t, int64_t>>> parse_number_ranges(std::string_view text) {
  std::vector<std::pair<int64_t, int64_t>> ranges;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t dash = std::min(part.find('-'), part.size());
    const Result<int64_t> first = parse_int(part.substr(0, dash));
    const Result<int64_t> last = dash == part.size() ? first : parse_int(part.substr(dash + 1));
    if (!first.ok() || !last.ok() || *first < 0 || *last < *first) { return std::nullopt; }
    ranges.emplace_back(*first, *last);
  }
  return ranges;
}

}  // namespace tidewheel
