#include "tidewheel/types/fine_time.h"

#include <cstddef>

namespace tidewheel {

bool refine_timestamp(std::string_view text, int64_t ms, int64_t units_per_second, int64_t& units) {
  int64_t unit = units_per_second / 1000;
  if (__builtin_mul_overflow(ms, unit, &units)) { return false; }
  const size_t point = text.find('.');
  if (point == std::string_view::npos) { return true; }
  for (size_t at = point + 4; unit > 1 && at < text.size(); ++at) {
    const auto digit = static_cast<unsigned>(text[at] - '0');
    if (digit > 9) { break; }
    unit /= 10;
    if (__builtin_add_overflow(units, static_cast<int64_t>(digit) * unit, &units)) { return false; }
  }
  return true;
}

}  // namespace tidewheel
