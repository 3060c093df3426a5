#include "tidewheel/sql/window_aggregate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/operator_testing.h"

namespace tidewheel::sql {
namespace {

using testing::bigint;
using testing::columns;
using testing::for_seeds;
using testing::Lines;
using testing::must_make;
using testing::random_options;
using testing::Snapshot;
using testing::SqlHarness;
using testing::SqlHarnessOptions;
using F = AggregateFunction;
using Kind = GridWindow::Kind;

RowType input_type() {
  return columns({{"k", bigint()},
                  {"v", bigint()},
                  {"t", LogicalType::with(TypeKind::kTimestamp, 3)},
                  {"s", LogicalType::string()}});
}

AggregateCall call(F function, std::vector<int32_t> arguments, bool distinct = false) {
  const RowType input = input_type();
  AggregateCall made;
  made.function = function;
  made.arguments = std::move(arguments);
  made.distinct = distinct;
  std::vector<LogicalType> types;
  for (const int32_t column : made.arguments) {
    types.push_back(input.types[static_cast<size_t>(column)]);
  }
  made.result = aggregate_result_type(function, types).value();
  return made;
}

WindowAggregateSpec count_of(GridWindow window) {
  WindowAggregateSpec spec;
  spec.input = input_type();
  spec.keys = {0};
  spec.calls = {call(F::kCountStar, {}), call(F::kSum, {1})};
  spec.window = window;
  spec.time = 2;
  spec.properties = {WindowProperty::kStart, WindowProperty::kEnd};
  return spec;
}

SqlHarness harness_of(const WindowAggregateSpec& spec, SqlHarnessOptions options = {}) {
  // Timestamps as their numbers.
  RowType output = window_aggregate_output(spec);
  for (LogicalType& type : output.types) {
    if (type.is_timestamp()) { type = bigint(); }
  }
  return SqlHarness([spec] { return must_make(make_window_aggregate(spec)); }, {spec.input}, output,
                    options);
}

Lines sorted(Lines lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST(WindowAggregate, a_tumbling_window_fires_once_when_its_end_has_passed) {
  SqlHarness harness = harness_of(count_of({Kind::kTumble, 10, 0, 0}));
  harness.push({"+I 1,5,0,a", "+I 1,6,9,a", "+I 2,1,9,a", "+I 1,7,10,a"}).watermark(8);
  EXPECT_EQ(harness.take(), Lines{});
  harness.watermark(9);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,2,11,0,10", "+I 2,1,1,0,10"}));
  harness.watermark(100);
  EXPECT_EQ(harness.take(), Lines{"+I 1,1,7,10,20"});
}

TEST(WindowAggregate, late_rows_are_dropped_and_counted) {
  SqlHarness harness = harness_of(count_of({Kind::kTumble, 10, 0, 0}));
  harness.push({"+I 1,5,0,a"}).watermark(9).push({"+I 1,5,9,a", "+I 1,3,10,a"}).watermark(50);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,5,0,10", "+I 1,1,3,10,20"}));
  EXPECT_EQ(harness.counter("numLateRecordsDropped"), 1);
}

TEST(WindowAggregate, a_row_is_in_each_window_that_holds_it) {
  SqlHarness hop = harness_of(count_of({Kind::kHop, 10, 5, 0}));
  hop.push({"+I 1,1,4,a", "+I 1,2,7,a"}).watermark(100);
  EXPECT_EQ(hop.take(), (Lines{"+I 1,1,1,-5,5", "+I 1,2,3,0,10", "+I 1,1,2,5,15"}));
  SqlHarness cumulate = harness_of(count_of({Kind::kCumulate, 15, 5, 0}));
  cumulate.push({"+I 1,1,4,a", "+I 1,2,7,a", "+I 1,3,14,a"}).watermark(9);
  EXPECT_EQ(cumulate.take(), (Lines{"+I 1,1,1,0,5", "+I 1,2,3,0,10"}));
  cumulate.restart().watermark(100);
  EXPECT_EQ(cumulate.take(), Lines{"+I 1,3,6,0,15"});
}

TEST(WindowAggregate, an_offset_moves_all_windows) {
  WindowAggregateSpec spec = count_of({Kind::kTumble, 10, 0, 3});
  spec.properties = {WindowProperty::kTime, WindowProperty::kStart};
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,1,2,a", "+I 1,1,3,a"}).watermark(100);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,1,2,-7", "+I 1,1,1,12,3"}));
}

TEST(WindowAggregate, nothing_fires_twice_after_a_restart) {
  for (const bool backend : {false, true}) {
    SqlHarness harness = harness_of(count_of({Kind::kHop, 10, 5, 0}), {.backend = backend});
    harness.push({"+I 1,1,4,a", "+I 1,2,7,a"}).watermark(9);
    EXPECT_EQ(harness.take(), (Lines{"+I 1,1,1,-5,5", "+I 1,2,3,0,10"}));
    harness.restart().push({"+I 1,9,3,a"}).watermark(100);
    EXPECT_EQ(harness.take(), Lines{"+I 1,1,2,5,15"});
    EXPECT_EQ(harness.counter("numLateRecordsDropped"), 1);
  }
}

TEST(WindowAggregate, windows_by_the_clock_fire_with_it_and_at_the_end) {
  WindowAggregateSpec spec = count_of({Kind::kTumble, 1000, 0, 0});
  spec.time = -1;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,1,0,a", "+I 1,2,0,a"}).advance_to_wall_ms(1500);
  EXPECT_EQ(harness.take(), Lines{"+I 1,2,3,0,1000"});
  harness.push({"+I 1,1,0,a"}).end_of_input();
  EXPECT_EQ(harness.take(), Lines{"+I 1,1,1,1000,2000"});
}

TEST(WindowAggregate, rows_that_are_taken_back_are_not_in_the_result) {
  WindowAggregateSpec spec = count_of({Kind::kTumble, 10, 0, 0});
  spec.input_retracts = true;
  spec.calls.push_back(call(F::kMax, {1}));
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,5,0,a", "+I 1,6,1,a", "-D 1,6,1,a", "+I 2,1,1,a", "-U 2,1,1,a"}).watermark(9);
  EXPECT_EQ(harness.take(), Lines{"+I 1,1,5,5,0,10"});
}

TEST(WindowAggregate, a_row_without_a_time_fails_the_job) {
  SqlHarness harness = harness_of(count_of({Kind::kTumble, 10, 0, 0}));
  EXPECT_ANY_THROW(harness.push({"+I 1,5,NULL,a"}));
}

// ---- Sessions.

TEST(SessionAggregate, a_session_lasts_until_no_row_has_come_for_the_gap) {
  for (const bool backend : {false, true}) {
    SqlHarness harness = harness_of(count_of({Kind::kSession, 10, 0, 0}), {.backend = backend});
    harness.push({"+I 1,1,0,a", "+I 2,1,3,a", "+I 1,2,9,a", "+I 1,3,30,a"}).watermark(17);
    EXPECT_EQ(harness.take(), Lines{"+I 2,1,1,3,13"});
    harness.restart().watermark(18);
    EXPECT_EQ(harness.take(), Lines{"+I 1,2,3,0,19"});
    harness.restart().watermark(100);
    EXPECT_EQ(harness.take(), Lines{"+I 1,1,3,30,40"});
  }
}

TEST(SessionAggregate, a_row_between_two_sessions_makes_them_one) {
  SqlHarness harness = harness_of(count_of({Kind::kSession, 10, 0, 0}));
  harness.push({"+I 1,1,0,a", "+I 1,2,20,a", "+I 1,4,10,a", "+I 1,8,25,a"}).watermark(100);
  EXPECT_EQ(harness.take(), Lines{"+I 1,4,15,0,35"});
}

TEST(SessionAggregate, a_late_row_is_taken_when_it_touches_a_session_that_is_open) {
  SqlHarness harness = harness_of(count_of({Kind::kSession, 10, 0, 0}));
  harness.push({"+I 1,1,12,a"}).watermark(15);
  harness.push({"+I 1,2,4,a", "+I 2,2,4,a", "+I 1,2,1,a"}).watermark(100);
  EXPECT_EQ(harness.take(), Lines{"+I 1,3,5,1,22"});
  EXPECT_EQ(harness.counter("numLateRecordsDropped"), 1);
}

TEST(SessionAggregate, random_rows_give_the_sessions_of_each_key) {
  for_seeds(60, [](uint64_t seed) {
    Random random(seed);
    const SqlHarnessOptions options = random_options(random, seed);
    WindowAggregateSpec spec = count_of({Kind::kSession, 7, 0, 0});
    if (random.chance(0.3)) { spec.keys = {0, 3}; }
    const bool by_text = spec.keys.size() == 2;
    SqlHarness harness = harness_of(spec, options);
    std::map<int64_t, std::vector<int64_t>> times;  // nothing is late
    Lines found;
    for (int64_t round = 0; round < 10; ++round) {
      Lines lines;
      for (uint64_t i = random.below(12); i > 0; --i) {
        const auto key = static_cast<int64_t>(random.below(4));
        const int64_t time = round * 20 + static_cast<int64_t>(random.below(30));
        lines.push_back("+I " + std::to_string(key) + ",1," + std::to_string(time) + ",a");
        times[key].push_back(time);
      }
      harness.push(lines).watermark(round * 20 + 10);
      for (const std::string& line : harness.take()) { found.push_back(line); }
      if (random.chance(0.4)) { harness.restart(); }
    }
    harness.watermark(10'000);
    for (const std::string& line : harness.take()) { found.push_back(line); }
    Lines expected;
    for (auto& [key, all] : times) {
      std::sort(all.begin(), all.end());
      for (size_t begin = 0; begin < all.size();) {
        size_t end = begin + 1;
        while (end < all.size() && all[end] <= all[end - 1] + 7) { ++end; }
        const std::string count = std::to_string(end - begin);
        expected.push_back("+I " + std::to_string(key) + (by_text ? ",a," : ",") + count + "," +
                           count + "," + std::to_string(all[begin]) + "," +
                           std::to_string(all[end - 1] + 7));
        begin = end;
      }
    }
    ASSERT_EQ(sorted(found), sorted(expected));
  });
}

// Rows of a session that are there, of which some have been taken back.
struct SessionRow {
  int64_t value = 0;
  std::string text;
  bool counts = false;
};
struct SessionModel {
  std::map<int64_t, std::multimap<int64_t, SessionRow>> rows;  // by key and time
  std::map<int64_t, std::set<int64_t>> times;                  // of all rows that ever came

  Lines results(int64_t gap) const {
    Lines all;
    for (const auto& [key, of_key] : times) {
      for (auto at = of_key.begin(); at != of_key.end();) {
        const int64_t start = *at;
        int64_t end = start + gap;
        for (++at; at != of_key.end() && *at <= end; ++at) { end = *at + gap; }
        add_session(key, start, end, all);
      }
    }
    return all;
  }
  void add_session(int64_t key, int64_t start, int64_t end, Lines& all) const {
    const auto of_key = rows.find(key);
    if (of_key == rows.end()) { return; }
    std::set<int64_t> values;
    std::set<int64_t> chosen;
    std::set<std::string> texts;
    int64_t count = 0;
    int64_t sum = 0;
    const auto last = of_key->second.lower_bound(end);
    for (auto row = of_key->second.lower_bound(start); row != last; ++row) {
      ++count;
      sum += values.insert(row->second.value).second ? row->second.value : 0;
      texts.insert(row->second.text);
      if (row->second.counts) { chosen.insert(row->second.value); }
    }
    if (count == 0) { return; }
    all.push_back("+I " + std::to_string(key) + "," + std::to_string(count) + "," +
                  std::to_string(values.size()) + "," + std::to_string(sum) + "," +
                  std::to_string(texts.size()) + "," + std::to_string(chosen.size()) + "," +
                  std::to_string(start) + "," + std::to_string(end));
  }
};

WindowAggregateSpec distinct_sessions(bool retracts) {
  WindowAggregateSpec spec = count_of({Kind::kSession, 7, 0, 0});
  spec.input.add("f", LogicalType::of(TypeKind::kBoolean));
  spec.input_retracts = retracts;
  spec.calls = {call(F::kCountStar, {}), call(F::kCount, {1}, true), call(F::kSum, {1}, true),
                call(F::kCount, {3}, true), call(F::kCount, {1}, true)};
  spec.calls.back().filter = 4;
  return spec;
}

TEST(SessionAggregate, sessions_that_become_one_count_their_values_once) {
  for_seeds(80, [](uint64_t seed) {
    Random random(seed);
    const SqlHarnessOptions options = random_options(random, seed);
    const bool retracts = random.chance(0.5);
    SqlHarness harness = harness_of(distinct_sessions(retracts), options);
    SessionModel model;
    Lines found;
    for (int64_t round = 0; round < 10; ++round) {
      Lines lines;
      for (uint64_t i = random.below(16); i > 0; --i) {
        const auto key = static_cast<int64_t>(random.below(3));
        const int64_t time = round * 20 + static_cast<int64_t>(random.below(30));
        const SessionRow row{static_cast<int64_t>(random.below(4)),
                             std::string(1, static_cast<char>('a' + random.below(3))),
                             random.chance(0.5)};
        const std::string text = std::to_string(key) + "," + std::to_string(row.value) + "," +
                                 std::to_string(time) + "," + row.text +
                                 (row.counts ? ",TRUE" : ",FALSE");
        lines.push_back("+I " + text);
        model.times[key].insert(time);
        if (retracts && random.chance(0.3)) {
          lines.push_back("-D " + text);
        } else {
          model.rows[key].emplace(time, row);
        }
      }
      harness.push(lines).watermark(round * 20 + 10);
      for (const std::string& line : harness.take()) { found.push_back(line); }
      if (random.chance(0.4)) { harness.restart(); }
    }
    harness.watermark(10'000);
    for (const std::string& line : harness.take()) { found.push_back(line); }
    ASSERT_EQ(sorted(found), sorted(model.results(7)));
  });
}

TEST(SessionAggregate, the_last_of_different_values_is_refused) {
  WindowAggregateSpec spec = count_of({Kind::kSession, 7, 0, 0});
  spec.calls = {call(F::kLastValue, {1}, true)};
  EXPECT_EQ(make_window_aggregate(spec).status().id(), ErrorId::kSqlUnsupported);
}

// ---- Against a model.

struct Row {
  int64_t key = 0;
  int64_t value = 0;
  int64_t time = 0;
  std::string text;
  std::string line() const {
    return "+I " + (key < 0 ? std::string("NULL") : std::to_string(key)) + "," +
           std::to_string(value) + "," + std::to_string(time) + "," + text;
  }
};

struct Times {
  int64_t start;
  int64_t end;
};
std::vector<Times> windows_of(const GridWindow& window, int64_t time) {
  std::vector<Times> all;
  const int64_t step = window.kind == Kind::kTumble ? window.size_ms : window.slide_ms;
  for (int64_t start = -40; start <= 400; ++start) {
    if (window.kind == Kind::kCumulate) {
      if ((start - window.offset_ms) % window.size_ms != 0) { continue; }
      for (int64_t size = step; size <= window.size_ms; size += step) {
        if (time >= start && time < start + size) { all.push_back({start, start + size}); }
      }
    } else if ((start - window.offset_ms) % step == 0 && time >= start &&
               time < start + window.size_ms) {
      all.push_back({start, start + window.size_ms});
    }
  }
  return all;
}

// Keys, COUNT(*), SUM(v), MIN(s), COUNT(DISTINCT v), start, end.
class Model {
 public:
  explicit Model(GridWindow window, bool with_distinct)
      : window_(window), with_distinct_(with_distinct) {}
  void push(const Row& row) {
    for (const Times& times : windows_of(window_, row.time)) {
      if (times.end - 1 > watermark_) { open_[{times.end, times.start}][row.key].push_back(row); }
    }
  }
  void watermark(int64_t time) {
    watermark_ = std::max(watermark_, time);
    while (!open_.empty() && open_.begin()->first.first - 1 <= time) {
      const auto& [window, keys] = *open_.begin();
      for (const auto& [key, rows] : keys) { fired_.push_back(result(key, rows, window)); }
      open_.erase(open_.begin());
    }
  }
  Lines take() { return sorted(std::exchange(fired_, {})); }

 private:
  std::string result(int64_t key, const std::vector<Row>& rows,
                     std::pair<int64_t, int64_t> window) const {
    int64_t sum = 0;
    std::string least = rows[0].text;
    std::set<int64_t> values;
    for (const Row& row : rows) {
      sum += row.value;
      least = std::min(least, row.text);
      values.insert(row.value);
    }
    return "+I " + (key < 0 ? std::string("NULL") : std::to_string(key)) + "," +
           std::to_string(rows.size()) + "," + std::to_string(sum) + "," + least +
           (with_distinct_ ? "," + std::to_string(values.size()) : "") + "," +
           std::to_string(window.second) + "," + std::to_string(window.first);
  }
  const GridWindow window_;
  const bool with_distinct_;
  int64_t watermark_ = -1000;
  std::map<std::pair<int64_t, int64_t>, std::map<int64_t, std::vector<Row>>> open_;
  Lines fired_;
};

GridWindow random_window(Random& random) {
  const int64_t step = 2 + static_cast<int64_t>(random.below(6));
  const int64_t times = 1 + static_cast<int64_t>(random.below(4));
  const int64_t offset = static_cast<int64_t>(random.below(static_cast<uint64_t>(step)));
  switch (random.below(3)) {
    case 0: return {Kind::kTumble, step, 0, offset};
    case 1: return {Kind::kHop, step * times, step, offset};
    default: return {Kind::kCumulate, step * times, step, offset};
  }
}

void run_random(uint64_t seed) {
  Random random(seed);
  WindowAggregateSpec spec = count_of(random_window(random));
  const bool with_distinct = random.chance(0.4);
  spec.calls.push_back(call(F::kMin, {3}));
  if (with_distinct) { spec.calls.push_back(call(F::kCount, {1}, true)); }
  const SqlHarnessOptions options = random_options(random, seed);
  SqlHarness harness = harness_of(spec, options);
  Model model(spec.window, with_distinct);
  int64_t now = 0;
  for (int round = 0; round < 15; ++round) {
    Lines lines;
    for (uint64_t i = random.below(20); i > 0; --i) {
      Row row;
      row.key = static_cast<int64_t>(random.below(5)) - 1;
      row.value = static_cast<int64_t>(random.below(4));
      row.time = std::max<int64_t>(0, now + static_cast<int64_t>(random.below(20)) - 8);
      row.text = std::string(1, static_cast<char>('a' + random.below(5)));
      model.push(row);
      lines.push_back(row.line());
    }
    harness.push(lines);
    now += static_cast<int64_t>(random.below(10));
    harness.watermark(now);
    model.watermark(now);
    ASSERT_EQ(sorted(harness.take()), model.take()) << "round " << round;
    if (random.chance(0.3)) { harness.restart(); }
  }
  harness.watermark(10'000);
  model.watermark(10'000);
  ASSERT_EQ(sorted(harness.take()), model.take());
}

TEST(WindowAggregate, random_rows_give_what_is_computed_anew) { for_seeds(100, run_random); }

TEST(WindowAggregate, state_moves_to_another_parallelism) {
  WindowAggregateSpec spec = count_of({Kind::kHop, 10, 5, 0});
  spec.keys = {0, 3};
  SqlHarness before = harness_of(spec);
  for (int64_t key = 0; key < 40; ++key) { before.push({"+I " + std::to_string(key) + ",1,7,x"}); }
  before.watermark(9).take();
  const Snapshot state = before.snapshot();
  Lines all;
  for (int32_t subtask = 0; subtask < 3; ++subtask) {
    SqlHarness after =
        harness_of(spec, {.subtask = subtask, .parallelism = 3, .backend = subtask == 1});
    ASSERT_TRUE(after.open(state).ok());
    after.watermark(100);
    for (const std::string& line : after.take()) { all.push_back(line); }
  }
  EXPECT_EQ(all.size(), 40U);
  EXPECT_EQ(std::count(all.begin(), all.end(), "+I 7,x,1,1,5,15"), 1);
}

}  // namespace
}  // namespace tidewheel::sql
