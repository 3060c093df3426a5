// The data of a random source: rows in order of arrival, out of order in time, with pauses.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/sim/model.h"

namespace tidewheel::sim {

struct ScriptStep {
  TimedRow row;
  int64_t pause_ms = 0;  // on the wall clock, before this row
};

struct Script {
  std::vector<std::vector<ScriptStep>> splits;
  int64_t disorder_ms = 0;    // a row is at most so far behind the newest before it in its split
  int64_t tail_pause_ms = 0;  // how long the end keeps silent after the last row
  int64_t row_count() const;
  Rows all_rows() const;
};

struct ScriptOptions {
  int64_t first_origin = 0;  // number of the first split
  int64_t rows_max = 400;
  bool paced = false;  // with many short pauses, so that things can happen between the rows
  // Often at round times, so that windows and timers are due just at a watermark.
  bool round_times = false;
  bool few_pauses = false;  // of those, when something else slows the job down
};
std::shared_ptr<const Script> draw_script(Random& random, const ScriptOptions& options);

}  // namespace tidewheel::sim
