#include "tidewheel/sql/over.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/operator_testing.h"

namespace tidewheel::sql {
namespace {

using testing::bigint;
using testing::Changelog;
using testing::columns;
using testing::for_seeds;
using testing::Lines;
using testing::must_make;
using testing::random_options;
using testing::SqlHarness;
using testing::SqlHarnessOptions;
using F = AggregateFunction;
using Kind = OverCall::Kind;

constexpr int64_t kAll = OverFrame::kUnbounded;

// The columns k, o (what rows are ordered by) and x.
OverSpec over() {
  OverSpec spec;
  spec.input = columns({{"k", bigint()}, {"o", bigint()}, {"x", bigint()}});
  spec.partition_by = {0};
  spec.order_by = {{1, false, true}};
  return spec;
}
OverSpec over_time() {
  OverSpec spec = over();
  spec.input.types[1].time = TimeAttribute::kEvent;
  return spec;
}

OverCall aggregate(F function, OverFrame frame, bool distinct = false) {
  OverCall call;
  call.call.function = function;
  if (function != F::kCountStar) { call.call.arguments = {2}; }
  call.call.distinct = distinct;
  call.call.result = bigint();
  call.frame = frame;
  return call;
}
OverCall other(Kind kind, int64_t offset = 0) {
  OverCall call;
  call.kind = kind;
  call.offset = offset;
  if (kind == Kind::kShift) { call.call.arguments = {2}; }
  const bool is_real = kind == Kind::kPercentRank || kind == Kind::kCumeDist;
  call.call.result = is_real ? LogicalType::of(TypeKind::kDouble, false) : bigint();
  return call;
}

SqlHarness harness_of(const OverSpec& spec, bool by_time, SqlHarnessOptions options = {}) {
  return SqlHarness(
      [spec, by_time] {
        return must_make(by_time ? make_over_by_time(spec) : make_over_by_order(spec));
      },
      {spec.input}, over_output(spec), options);
}

TEST(Over, rows_are_given_when_the_watermark_has_passed_their_time) {
  OverSpec spec = over_time();
  spec.calls = {aggregate(F::kSum, {true, 1, 0})};
  SqlHarness harness = harness_of(spec, true);
  harness.push({"+I 1,20,5", "+I 1,10,3"});
  EXPECT_EQ(harness.take(), Lines{});
  harness.watermark(10);
  EXPECT_EQ(harness.take(), Lines{"+I 1,10,3,3"});
  harness.restart().push({"+I 1,30,7", "+I 1,10,9"}).watermark(30);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,20,5,8", "+I 1,30,7,12"}));
  EXPECT_EQ(harness.counter("numLateRecordsDropped"), 1);
}

TEST(Over, by_range_rows_of_one_time_see_each_other) {
  OverSpec spec = over_time();
  spec.calls = {aggregate(F::kCountStar, {false, kAll, 0}),
                aggregate(F::kCountStar, {false, 9, 0})};
  SqlHarness harness = harness_of(spec, true);
  harness.push({"+I 1,10,1", "+I 1,20,2", "+I 1,20,3"}).watermark(20);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,10,1,1,1", "+I 1,20,2,3,2", "+I 1,20,3,3,2"}));
}

TEST(Over, by_time_rows_behind_the_current_one_are_refused) {
  OverSpec spec = over_time();
  spec.calls = {other(Kind::kShift, -1)};
  EXPECT_EQ(make_over_by_time(spec).status().id(), ErrorId::kSqlUnsupported);
}

TEST(Over, a_change_sends_the_rows_whose_results_change_and_no_others) {
  OverSpec spec = over();
  spec.input_retracts = true;
  spec.calls = {aggregate(F::kSum, {true, 1, 0})};
  SqlHarness harness = harness_of(spec, false);
  harness.push({"+I 1,1,1", "+I 1,2,2", "+I 1,4,4", "+I 1,5,5"}).take();
  harness.push({"+I 1,3,3"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,3,3,5", "-U 1,4,4,6", "+U 1,4,4,7"}));
  harness.restart().push({"-D 1,1,1"});
  EXPECT_EQ(harness.take(), (Lines{"-D 1,1,1,1", "-U 1,2,2,3", "+U 1,2,2,2"}));
}

TEST(Over, at_the_end_of_input_each_row_is_given_once) {
  OverSpec spec = over();
  spec.input_retracts = true;
  spec.at_end = true;
  spec.calls = {aggregate(F::kSum, {true, kAll, 0}), other(Kind::kShift, -1)};
  SqlHarness harness = harness_of(spec, false);
  harness.push({"+I 1,2,2", "+I 1,1,1", "+I 1,3,3"}).restart().push({"-D 1,2,2"});
  EXPECT_EQ(harness.take(), Lines{});
  harness.end_of_input();
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,1,1,3", "+I 1,3,3,4,NULL"}));
}

// ---- Against partitions that are looked at anew, row by row.

struct Row {
  int64_t key = 0;
  int64_t order = 0;  // below 0: NULL
  int64_t x = 0;      // likewise
  uint64_t number = 0;
  static std::string text(int64_t value) { return value < 0 ? "NULL" : std::to_string(value); }
  std::string line() const { return std::to_string(key) + "," + text(order) + "," + text(x); }
};

// The rows of a frame: numbers in the sorted partition.
std::vector<size_t> frame_rows(const OverFrame& frame, const std::vector<Row>& rows, size_t at) {
  std::vector<size_t> inside;
  for (size_t i = 0; i < rows.size(); ++i) {
    // How far row i is behind row `at`.
    int64_t distance = static_cast<int64_t>(i) - static_cast<int64_t>(at);
    if (!frame.by_rows) {
      const bool nulls = rows[i].order < 0 || rows[at].order < 0;
      distance = rows[i].order - rows[at].order;
      if (nulls) {
        // Between NULL and a value is no distance: it is farther than any. NULLs are together.
        const bool is_in = distance == 0  ? true
                           : distance < 0 ? frame.preceding == kAll
                                          : frame.following == kAll;
        if (is_in) { inside.push_back(i); }
        continue;
      }
    }
    const bool after_start = frame.preceding == kAll || distance >= -frame.preceding;
    const bool before_end = frame.following == kAll || distance <= frame.following;
    if (after_start && before_end) { inside.push_back(i); }
  }
  return inside;
}

std::string aggregate_of(const OverCall& call, const std::vector<Row>& rows, size_t at) {
  std::vector<int64_t> values;
  const std::vector<size_t> inside = frame_rows(call.frame, rows, at);
  for (const size_t i : inside) {
    if (rows[i].x >= 0) { values.push_back(rows[i].x); }
  }
  if (call.call.function == F::kCountStar) { return std::to_string(inside.size()); }
  if (call.call.function == F::kCount) {
    const std::set<int64_t> unique(values.begin(), values.end());
    return std::to_string(call.call.distinct ? unique.size() : values.size());
  }
  if (values.empty()) { return "NULL"; }
  switch (call.call.function) {
    case F::kMin: return std::to_string(*std::min_element(values.begin(), values.end()));
    case F::kMax: return std::to_string(*std::max_element(values.begin(), values.end()));
    case F::kFirstValue: return std::to_string(values.front());
    case F::kLastValue: return std::to_string(values.back());
    default: break;
  }
  int64_t sum = 0;
  for (const int64_t value : values) { sum += value; }
  return std::to_string(sum);
}

std::string result_of(const OverCall& call, const std::vector<Row>& rows, size_t at) {
  if (call.kind == Kind::kAggregate) { return aggregate_of(call, rows, at); }
  const auto index = static_cast<int64_t>(at);
  const auto size = static_cast<int64_t>(rows.size());
  if (call.kind == Kind::kShift) {
    const int64_t source = index - call.offset;
    return source < 0 || source >= size ? "NULL" : Row::text(rows[static_cast<size_t>(source)].x);
  }
  int64_t before = 0;
  std::set<int64_t> orders;
  for (const Row& row : rows) {
    before += row.order < rows[at].order ? 1 : 0;
    if (row.order <= rows[at].order) { orders.insert(row.order); }
  }
  switch (call.kind) {
    case Kind::kRowNumber: return std::to_string(index + 1);
    case Kind::kRank: return std::to_string(before + 1);
    case Kind::kDenseRank: return std::to_string(orders.size());
    default: break;
  }
  // NTILE, by dealing rows out.
  std::vector<int64_t> sizes(static_cast<size_t>(call.offset), size / call.offset);
  for (int64_t i = 0; i < size % call.offset; ++i) { ++sizes[static_cast<size_t>(i)]; }
  int64_t left = index;
  int64_t part = 1;
  for (const int64_t in_part : sizes) {
    if (left < in_part) { break; }
    left -= in_part;
    ++part;
  }
  return std::to_string(part);
}

Lines model(const OverSpec& spec, const std::vector<Row>& all) {
  Lines lines;
  for (int64_t key = 0; key < 3; ++key) {
    std::vector<Row> rows;
    for (const Row& row : all) {
      if (row.key == key) { rows.push_back(row); }
    }
    std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
      return std::pair(a.order, a.number) < std::pair(b.order, b.number);
    });
    for (size_t i = 0; i < rows.size(); ++i) {
      std::string line = rows[i].line();
      for (const OverCall& call : spec.calls) { line += "," + result_of(call, rows, i); }
      lines.push_back(std::move(line));
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

int64_t some_bound(Random& random) {
  return random.chance(0.3) ? kAll : static_cast<int64_t>(random.below(4));
}
F some_function(Random& random) {
  static constexpr F kFunctions[] = {F::kCountStar, F::kCount, F::kSum,       F::kMin,
                                     F::kMax,       F::kSum,   F::kLastValue, F::kFirstValue};
  return kFunctions[random.below(std::size(kFunctions))];
}

OverCall some_call(Random& random, bool by_time) {
  if (random.chance(0.25)) {
    if (by_time) { return other(Kind::kShift, static_cast<int64_t>(random.below(3))); }
    return other(Kind::kShift, static_cast<int64_t>(random.below(5)) - 2);
  }
  if (random.chance(0.25)) {
    static constexpr Kind kRanks[] = {Kind::kRowNumber, Kind::kRank, Kind::kDenseRank,
                                      Kind::kNtile};
    const Kind kind = kRanks[random.below(by_time ? 3 : 4)];
    return other(kind, kind == Kind::kNtile ? 1 + static_cast<int64_t>(random.below(4)) : 0);
  }
  OverFrame frame;
  frame.by_rows = random.chance(0.6);
  frame.preceding = some_bound(random);
  if (!by_time) {
    frame.following = some_bound(random);
    if (random.chance(0.2) && frame.preceding != kAll) {
      frame.following =
          -static_cast<int64_t>(random.below(static_cast<uint64_t>(frame.preceding) + 1));
    }
  }
  const F function = some_function(random);
  return aggregate(function, frame, function == F::kCount && random.chance(0.5));
}

void run_by_order(uint64_t seed) {
  Random random(seed);
  OverSpec spec = over();
  for (uint64_t i = 0; i <= random.below(3); ++i) {
    spec.calls.push_back(some_call(random, false));
  }
  spec.input_retracts = random.chance(0.7);
  spec.mini_batch = random.chance(0.4);
  SqlHarness harness = harness_of(spec, false, random_options(random, seed));
  Changelog log;
  std::vector<Row> rows;
  uint64_t number = 0;
  for (int round = 0; round < 12; ++round) {
    Lines lines;
    for (uint64_t i = random.below(12); i > 0; --i) {
      if (spec.input_retracts && !rows.empty() && random.chance(0.4)) {
        // Of equal rows the first goes.
        const std::string gone = rows[random.below(rows.size())].line();
        const auto first = std::find_if(rows.begin(), rows.end(),
                                        [&](const Row& row) { return row.line() == gone; });
        lines.push_back("-D " + gone);
        rows.erase(first);
        continue;
      }
      const Row row{static_cast<int64_t>(random.below(3)),
                    static_cast<int64_t>(random.below(7)) - 1,
                    static_cast<int64_t>(random.below(6)) - 1, number++};
      lines.push_back("+I " + row.line());
      rows.push_back(row);
    }
    harness.push(lines);
    log.take(harness.take());
    ASSERT_EQ(log.rows(), model(spec, rows)) << describe_over(spec) << ", round " << round;
    if (random.chance(0.25)) { harness.restart(); }
  }
}

TEST(Over, random_changelogs_give_what_looking_anew_gives) { for_seeds(200, run_by_order); }

void run_by_time(uint64_t seed) {
  Random random(seed);
  OverSpec spec = over_time();
  for (uint64_t i = 0; i <= random.below(3); ++i) { spec.calls.push_back(some_call(random, true)); }
  SqlHarness harness = harness_of(spec, true, random_options(random, seed));
  Changelog log;
  std::vector<Row> rows;
  uint64_t number = 0;
  int64_t watermark = -1;
  for (int round = 0; round < 12; ++round) {
    Lines lines;
    for (uint64_t i = random.below(12); i > 0; --i) {
      const Row row{static_cast<int64_t>(random.below(3)),
                    std::max<int64_t>(0, watermark - 1) + static_cast<int64_t>(random.below(7)),
                    static_cast<int64_t>(random.below(6)) - 1, number++};
      lines.push_back("+I " + row.line());
      if (row.order > watermark) { rows.push_back(row); }
    }
    harness.push(lines);
    if (random.chance(0.25)) { harness.restart(); }
    watermark += static_cast<int64_t>(random.below(5));
    harness.watermark(watermark);
    log.take(harness.take());
    std::vector<Row> due;
    for (const Row& row : rows) {
      if (row.order <= watermark) { due.push_back(row); }
    }
    ASSERT_EQ(log.rows(), model(spec, due)) << describe_over(spec) << ", round " << round;
    if (random.chance(0.25)) { harness.restart(); }
  }
}

TEST(Over, random_rows_by_time_give_what_looking_anew_gives) { for_seeds(200, run_by_time); }

}  // namespace
}  // namespace tidewheel::sql
