#include "tidewheel/sim/script.h"

#include <algorithm>

namespace tidewheel::sim {
namespace {

template <class T, size_t kCount>
T one_of(Random& random, const T (&values)[kCount]) {
  return values[random.below(kCount)];
}

// To a multiple of `grid`. What was in order stays so, and a distance of at most d becomes one of
// at most round_up(d).
int64_t round_up(int64_t time, int64_t grid) {
  const int64_t rest = time % grid;
  return rest == 0 ? time : time - rest + (rest < 0 ? 0 : grid);
}

}  // namespace

int64_t Script::row_count() const {
  int64_t count = 0;
  for (const auto& split : splits) { count += static_cast<int64_t>(split.size()); }
  return count;
}

Rows Script::all_rows() const {
  Rows rows;
  for (const auto& split : splits) {
    for (const ScriptStep& step : split) { rows.push_back(step.row); }
  }
  return rows;
}

std::shared_ptr<const Script> draw_script(Random& random, const ScriptOptions& options) {
  auto script = std::make_shared<Script>();
  const int64_t disorder_ms = one_of<int64_t>(random, {0, 1, 50, 1000});
  script->tail_pause_ms = random.chance(0.2) ? static_cast<int64_t>(random.below(2000)) : 0;
  const int64_t keys = one_of<int64_t>(random, {1, 2, 7, 50, 1000});
  const int64_t step_ms = one_of<int64_t>(random, {0, 1, 10, 300, 5000});
  double pause_chance =
      options.paced ? one_of(random, {0.02, 0.1, 0.3}) : one_of(random, {0.0, 0.0, 0.01, 0.2});
  if (options.few_pauses) { pause_chance /= 20; }
  const int64_t pause_ms_max = options.paced ? one_of<int64_t>(random, {1, 5, 20, 20, 100})
                                             : one_of<int64_t>(random, {1, 20, 1000});
  // Times before 1970 and around the borders of windows matter as much as today's.
  const int64_t start_ms = one_of<int64_t>(random, {-100'000, -1, 0, 1'600'000'000'000});
  const int64_t grid_ms = options.round_times ? one_of<int64_t>(random, {1, 5, 50, 500}) : 1;
  script->disorder_ms = 2 * round_up(disorder_ms, grid_ms);
  const uint64_t splits = random.below(5) + (random.chance(0.05) ? 0 : 1);
  for (uint64_t s = 0; s < splits; ++s) {
    std::vector<ScriptStep>& split = script->splits.emplace_back();
    const uint64_t rows =
        random.chance(0.15) ? 0 : random.below(static_cast<uint64_t>(options.rows_max));
    int64_t newest_ms = start_ms;
    for (uint64_t i = 0; i < rows; ++i) {
      newest_ms += static_cast<int64_t>(random.below(static_cast<uint64_t>(step_ms) + 1));
      ScriptStep& step = split.emplace_back();
      Row& row = step.row.row;
      row.origin = options.first_origin + static_cast<int64_t>(s);
      row.number = static_cast<int64_t>(i);
      row.key = static_cast<int64_t>(random.below(static_cast<uint64_t>(keys)));
      row.value = static_cast<int64_t>(random.below(1000)) - 200;
      // Short ones live inside the string, long ones on the heap.
      if (random.chance(0.3)) {
        row.note.assign(random.below(40), static_cast<char>('a' + i % 26));
      }
      // Times are even, so that sessions with odd gaps never touch exactly.
      const int64_t time_ms =
          newest_ms - static_cast<int64_t>(random.below(static_cast<uint64_t>(disorder_ms) + 1));
      step.row.time_ms = 2 * round_up(time_ms, grid_ms);
      if (random.chance(pause_chance)) {
        step.pause_ms = 1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(pause_ms_max)));
      }
    }
  }
  return script;
}

}  // namespace tidewheel::sim
