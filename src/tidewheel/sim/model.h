// What a random job is compared with: the rows that each stream must hold, computed beside the job
// by plain loops over the same data.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace tidewheel::sim {

// The row of all random jobs. The note owns bytes, so that rows are not trivially copyable.
struct Row {
  int64_t origin = 0;  // the source's split
  int64_t number = 0;  // the row's place in it
  int64_t key = 0;
  int64_t value = 0;
  std::string note;
  friend auto operator<=>(const Row&, const Row&) = default;
};

struct TimedRow {
  Row row;
  int64_t time_ms = 0;
  friend auto operator<=>(const TimedRow&, const TimedRow&) = default;
};
using Rows = std::vector<TimedRow>;

// Says how `seen` differs from `expected` as multisets; empty when it does not. Times are compared
// only when `with_times`.
std::string compare_rows(Rows expected, Rows seen, bool with_times);
// The same, when rows may come more often than they should.
std::string missing_rows(Rows expected, Rows seen);
std::string describe_row(const TimedRow& row);

}  // namespace tidewheel::sim
