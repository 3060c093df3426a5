#include "tidewheel/sim/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace tidewheel::sim {

std::string describe_row(const TimedRow& row) {
  return fmt::format("[{}/{} key {} value {} '{}' at {}]", row.row.origin, row.row.number,
                     row.row.key, row.row.value, row.row.note, row.time_ms);
}

std::string missing_rows(Rows expected, Rows seen) {
  std::sort(expected.begin(), expected.end());
  std::sort(seen.begin(), seen.end());
  Rows missing;
  std::set_difference(expected.begin(), expected.end(), seen.begin(), seen.end(),
                      std::back_inserter(missing));
  return missing.empty() ? std::string()
                         : fmt::format("{} rows are missing, the first is {}", missing.size(),
                                       describe_row(missing[0]));
}

std::string compare_rows(Rows expected, Rows seen, bool with_times) {
  if (!with_times) {
    for (TimedRow& row : expected) { row.time_ms = 0; }
    for (TimedRow& row : seen) { row.time_ms = 0; }
  }
  std::sort(expected.begin(), expected.end());
  std::sort(seen.begin(), seen.end());
  if (expected == seen) { return {}; }
  Rows missing;
  Rows surplus;
  std::set_difference(expected.begin(), expected.end(), seen.begin(), seen.end(),
                      std::back_inserter(missing));
  std::set_difference(seen.begin(), seen.end(), expected.begin(), expected.end(),
                      std::back_inserter(surplus));
  std::string text = fmt::format("{} rows expected, {} seen; {} missing, {} too many",
                                 expected.size(), seen.size(), missing.size(), surplus.size());
  for (size_t i = 0; i < missing.size() && i < 3; ++i) {
    text += "\n    missing " + describe_row(missing[i]);
  }
  for (size_t i = 0; i < surplus.size() && i < 3; ++i) {
    text += "\n    too many " + describe_row(surplus[i]);
  }
  return text;
}

}  // namespace tidewheel::sim
