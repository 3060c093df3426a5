// Random windows of the typed API, and what they must give.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

#include "tidewheel/api/windowed_stream.h"
#include "tidewheel/sim/typed_job.h"

namespace tidewheel::sim {
namespace {

// What all windows here compute: order does not matter, and every row does.
struct Totals {
  int64_t sum = 0;
  int64_t count = 0;
  int64_t least = INT64_MAX;
  int64_t most = INT64_MIN;

  void add(int64_t value) {
    sum += value;
    ++count;
    least = std::min(least, value);
    most = std::max(most, value);
  }
  void merge(const Totals& other) {
    sum += other.sum;
    count += other.count;
    least = std::min(least, other.least);
    most = std::max(most, other.most);
  }
};

Row row_of(int64_t start, int64_t end, int64_t key, const Totals& totals) {
  Row row;
  row.origin = start;
  row.number = end;
  row.key = key;
  row.value = totals.sum * 1'000'003 + totals.count * 31 + totals.least * 7 + totals.most;
  return row;
}

auto totals_aggregator() {
  return aggregator{.init = [] { return Totals{}; },
                    .add = [](Totals& totals, const Row& row) { totals.add(row.value); },
                    .merge = [](Totals& totals, const Totals& other) { totals.merge(other); },
                    .result =
                        [](const int64_t& key, const TimeWindow& window, const Totals& totals) {
                          return row_of(window.start.ms(), window.end.ms(), key, totals);
                        }};
}

// The same from all rows at once.
struct TotalsOfRows {
  using output = Row;
  void process(const int64_t& key, std::span<const Row> rows, auto& context) {
    Totals totals;
    for (const Row& row : rows) { totals.add(row.value); }
    context.emit(row_of(context.window().start.ms(), context.window().end.ms(), key, totals));
  }
};

// (key, start, end) of each window.
using Panes = std::map<std::tuple<int64_t, int64_t, int64_t>, Totals>;

Rows rows_of_panes(const Panes& panes) {
  Rows rows;
  for (const auto& [where, totals] : panes) {
    const auto& [key, start, end] = where;
    rows.push_back({row_of(start, end, key, totals), end - 1});
  }
  return rows;
}

int64_t floor_to(int64_t time, int64_t step, int64_t offset) {
  const int64_t rest = (time - offset) % step;
  return time - (rest < 0 ? rest + step : rest);
}

// Runs the windows of a drawn grid by one of the ways to run them.
template <class Assigner>
void add_grid(TypedJob& job, TypedFlow flow, const Assigner& assigner, const Panes& panes,
              const std::string& what) {
  const auto windows = flow.stream.key_by(&Row::key).window(assigner);
  const int32_t parallelism = job.draw_parallelism();
  const uint64_t way = job.random().below(3);
  flow.stream = way == 0 ? job.settle(windows.process(TotalsOfRows{}), parallelism)
                : way == 1
                    ? job.settle(windows.allow_late(Duration(1000)).aggregate(totals_aggregator()),
                                 parallelism)
                    : job.settle(windows.aggregate(totals_aggregator()), parallelism);
  flow.rows = rows_of_panes(panes);
  job.add(std::move(flow), what + (way == 0 ? ", all rows" : way == 1 ? ", late ones too" : ""));
}

// Sessions here never touch exactly: whether two that do are one depends on which row comes first.
bool all_times_even(const Rows& rows) {
  return std::all_of(rows.begin(), rows.end(),
                     [](const TimedRow& row) { return row.time_ms % 2 == 0; });
}

// Merges [time, time + gap) of each row, key by key.
template <class GapOf>
Panes sessions(const Rows& rows, GapOf gap_of) {
  std::map<int64_t, std::vector<std::pair<int64_t, const Row*>>> by_key;
  for (const TimedRow& row : rows) { by_key[row.row.key].push_back({row.time_ms, &row.row}); }
  Panes panes;
  for (auto& [key, times] : by_key) {
    std::sort(times.begin(), times.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t i = 0; i < times.size();) {
      const int64_t start = times[i].first;
      int64_t end = start;
      Totals totals;
      do {
        end = std::max(end, times[i].first + gap_of(*times[i].second));
        totals.add(times[i].second->value);
        ++i;
      } while (i < times.size() && times[i].first <= end);
      panes[{key, start, end}] = totals;
    }
  }
  return panes;
}

// Rows with Text, keyed by it.
struct Named {
  Text name;
  int64_t value = 0;
};

}  // namespace

void add_typed_grid_window(TypedJob& job) {
  TypedFlow flow = job.take();
  Random& random = job.random();
  const int64_t slide = one_of<int64_t>(random, {1, 7, 100, 1000, 60'000});
  // Windows end at round times, or one after, when the times of rows are round.
  const auto odd_offset = static_cast<int64_t>(random.below(static_cast<uint64_t>(slide)));
  const int64_t offset = one_of<int64_t>(random, {0, 1 % slide, odd_offset, odd_offset});
  const uint64_t kind = random.below(3);
  if (!flow.timed || (kind != 0 && flow.rows.size() * 4 > TypedJob::kRowsMax)) {
    job.give_back(std::move(flow));
    return;
  }
  Panes panes;
  if (kind == 0) {
    for (const TimedRow& row : flow.rows) {
      const int64_t start = floor_to(row.time_ms, slide, offset);
      panes[{row.row.key, start, start + slide}].add(row.row.value);
    }
    add_grid(job, std::move(flow), tumbling(Duration(slide), Duration(offset)), panes,
             fmt::format("tumbling {} ms", slide));
  } else if (kind == 1) {
    const int64_t size =
        slide + static_cast<int64_t>(random.below(static_cast<uint64_t>(3 * slide)));
    for (const TimedRow& row : flow.rows) {
      for (int64_t start = floor_to(row.time_ms, slide, offset); start > row.time_ms - size;
           start -= slide) {
        panes[{row.row.key, start, start + size}].add(row.row.value);
      }
    }
    add_grid(job, std::move(flow), sliding(Duration(size), Duration(slide), Duration(offset)),
             panes, fmt::format("sliding {} ms by {} ms", size, slide));
  } else {
    const int64_t steps = 1 + static_cast<int64_t>(random.below(4));
    for (const TimedRow& row : flow.rows) {
      const int64_t start = floor_to(row.time_ms, slide * steps, offset);
      for (int64_t end = start + slide; end <= start + slide * steps; end += slide) {
        if (end > row.time_ms) { panes[{row.row.key, start, end}].add(row.row.value); }
      }
    }
    add_grid(job, std::move(flow),
             cumulative(Duration(slide * steps), Duration(slide), Duration(offset)), panes,
             fmt::format("cumulative {} ms by {} ms", slide * steps, slide));
  }
}

void add_typed_session(TypedJob& job) {
  TypedFlow flow = job.take();
  if (!flow.timed || !all_times_even(flow.rows)) {
    job.give_back(std::move(flow));
    return;
  }
  const int64_t gap = one_of<int64_t>(job.random(), {1, 11, 501, 10'001});
  const auto keyed = flow.stream.key_by(&Row::key);
  const int32_t parallelism = job.draw_parallelism();
  switch (job.random().below(3)) {
    case 0:
      flow.stream = job.settle(keyed.window(session(Duration(gap))).aggregate(totals_aggregator()),
                               parallelism);
      flow.rows = rows_of_panes(sessions(flow.rows, [gap](const Row&) { return gap; }));
      break;
    case 1:
      flow.stream =
          job.settle(keyed.window(session(Duration(gap))).process(TotalsOfRows{}), parallelism);
      flow.rows = rows_of_panes(sessions(flow.rows, [gap](const Row&) { return gap; }));
      break;
    default: {
      const auto gap_of = [gap](const Row& row) { return gap + 2 * (row.number % 5 + 5); };
      flow.stream = job.settle(
          keyed.window(session([gap_of](const Row& row) { return Duration(gap_of(row)); }))
              .aggregate(totals_aggregator()),
          parallelism);
      flow.rows = rows_of_panes(sessions(flow.rows, gap_of));
      break;
    }
  }
  job.add(std::move(flow), fmt::format("session {} ms", gap));
}

// How many windows fire is known; what is in them depends on the order of rows.
void add_typed_count_window(TypedJob& job) {
  TypedFlow flow = job.take();
  const int64_t size = 1 + static_cast<int64_t>(job.random().below(5));
  std::map<int64_t, int64_t> counts;
  for (const TimedRow& row : flow.rows) { ++counts[row.row.key]; }
  flow.rows.clear();
  for (const auto& [key, rows] : counts) {
    for (int64_t i = 0; i < rows / size; ++i) {
      Row made;
      made.key = key;
      made.value = size;
      flow.rows.push_back({made, 0});
    }
  }
  auto counted =
      job.settle(flow.stream.key_by(&Row::key).window(count(size)).count(), job.draw_parallelism());
  flow.stream = job.settle(counted.map([](const WindowResult<int64_t, int64_t>& result) {
    Row row;
    row.key = result.key;
    row.value = result.value;
    return row;
  }),
                           job.draw_parallelism());
  flow.timed = false;
  flow.times_known = false;
  job.add(std::move(flow), fmt::format("count window of {}", size));
}

void add_typed_window_all(TypedJob& job) {
  TypedFlow flow = job.take();
  if (!flow.timed) {
    job.give_back(std::move(flow));
    return;
  }
  const int64_t size = one_of<int64_t>(job.random(), {1, 500, 60'000});
  std::map<int64_t, int64_t> sums;
  for (const TimedRow& row : flow.rows) { sums[floor_to(row.time_ms, size, 0)] += row.row.value; }
  flow.rows.clear();
  for (const auto& [start, sum] : sums) {
    Row made;
    made.origin = start;
    made.number = start + size;
    made.value = sum;
    flow.rows.push_back({made, start + size - 1});
  }
  const auto totals =
      job.settle(flow.stream.window_all(tumbling(Duration(size))).sum(&Row::value), 1);
  flow.stream = job.settle(totals.map([](const WindowResult<Unkeyed, int64_t>& result) {
    Row row;
    row.origin = result.window.start.ms();
    row.number = result.window.end.ms();
    row.value = result.value;
    return row;
  }),
                           1);
  job.add(std::move(flow), fmt::format("window over all of {} ms", size));
}

void add_typed_text_window(TypedJob& job) {
  TypedFlow flow = job.take();
  if (!flow.timed) {
    job.give_back(std::move(flow));
    return;
  }
  const int64_t size = one_of<int64_t>(job.random(), {10, 1000, 60'000});
  Panes panes;
  for (const TimedRow& row : flow.rows) {
    const int64_t start = floor_to(row.time_ms, size, 0);
    panes[{row.row.key, start, start + size}].add(row.row.value);
  }
  flow.rows = rows_of_panes(panes);
  // Names are too long to be held inline, so that they live in arenas and in the state's heap.
  const auto named = job.settle(flow.stream.map([](const Row& row, Arena& arena) {
    return Named{
        arena.copy(fmt::format("{}{}", row.key, row.key % 2 == 0 ? "/an even key's name" : "")),
        row.value};
  }),
                                job.draw_parallelism());
  flow.stream = job.settle(
      named.key_by(&Named::name)
          .window(tumbling(Duration(size)))
          .aggregate(aggregator{
              .init = [] { return Totals{}; },
              .add = [](Totals& totals, const Named& row) { totals.add(row.value); },
              .merge = [](Totals& totals, const Totals& other) { totals.merge(other); },
              .result =
                  [](const Text& key, const TimeWindow& window, const Totals& totals) {
                    const std::string digits(key.view().substr(0, key.view().find('/')));
                    return row_of(window.start.ms(), window.end.ms(), std::stoll(digits), totals);
                  }}),
      job.draw_parallelism());
  job.add(std::move(flow), fmt::format("tumbling {} ms by Text", size));
}

// Rows may be late: each is in one window, or in the late output.
void add_typed_late_window(TypedJob& job) {
  TypedFlow flow = job.take();
  const int64_t size = one_of<int64_t>(job.random(), {2, 100, 60'000});
  const OutputTag<Row> late{"late"};
  const auto windows = job.settle(
      flow.stream.key_by(&Row::key).window(tumbling(Duration(size))).late_to(late).count(),
      job.draw_parallelism());
  const auto counts =
      job.keep(job.settle(windows.map([](const WindowResult<int64_t, int64_t>& result) {
        Row row;
        row.value = result.value;
        return row;
      }),
                          job.draw_parallelism()),
               job.draw_parallelism());
  const auto late_rows = job.keep(windows.side(late), job.draw_parallelism());
  if (job.rebuild() != nullptr && job.rebuild()->at_least_once) { return; }
  const bool timed = flow.timed;
  const size_t all = flow.rows.size();
  const int32_t node = windows.node_id();
  job.add_check([counts, late_rows, timed, all, node]() -> std::string {
    int64_t in_windows = 0;
    for (const TimedRow& window : counts.rows()) { in_windows += window.row.value; }
    const size_t late_count = late_rows.rows().size();
    if (timed && late_count > 0) {
      return fmt::format("window {}: {} rows were late, and none may be", node, late_count);
    }
    if (in_windows + static_cast<int64_t>(late_count) != static_cast<int64_t>(all)) {
      return fmt::format("window {}: {} rows in windows and {} late, of {}", node, in_windows,
                         late_count, all);
    }
    return {};
  });
}

}  // namespace tidewheel::sim
