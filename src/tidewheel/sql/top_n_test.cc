#include "tidewheel/sql/top_n.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
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

TopNSpec top(int64_t last, bool has_rank) {
  TopNSpec spec;
  spec.input = columns({{"k", bigint()}, {"v", bigint()}, {"s", LogicalType::string()}});
  spec.partition_by = {0};
  spec.order_by = {{1, true, false}};
  spec.last = last;
  spec.has_rank = has_rank;
  return spec;
}

SqlHarness harness_of(const TopNSpec& spec, SqlHarnessOptions options = {}) {
  return SqlHarness([spec] { return must_make(make_top_n(spec)); }, {spec.input},
                    top_n_output(spec), options);
}

TEST(TopN, without_ranks_rows_only_come_and_go) {
  SqlHarness harness = harness_of(top(2, false));
  harness.push({"+I 1,1,a", "+I 1,5,b", "+I 1,3,c", "+I 1,2,d", "+I 2,0,e"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,a", "+I 1,5,b", "-D 1,1,a", "+I 1,3,c", "+I 2,0,e"}));
}

TEST(TopN, with_ranks_each_rank_is_a_row_that_changes) {
  SqlHarness harness = harness_of(top(2, true));
  harness.push({"+I 1,1,a", "+I 1,5,b", "+I 1,3,c"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,a,1", "-U 1,1,a,1", "+U 1,5,b,1", "+I 1,1,a,2",
                                   "-U 1,1,a,2", "+U 1,3,c,2"}));
}

TEST(TopN, one_row_is_updated_in_its_place) {
  SqlHarness harness = harness_of(top(1, false));
  harness.push({"+I 1,1,a", "+I 1,5,b", "+I 1,5,c"}).restart().push({"+I 1,6,d"});
  EXPECT_EQ(harness.take(), (Lines{"-U 1,5,b", "+U 1,6,d"}));
}

TEST(TopN, the_last_row_by_event_time_is_the_latest_of_equal_ones) {
  TopNSpec spec = top(1, false);
  spec.input.types[1].time = TimeAttribute::kEvent;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,7,a", "+I 1,7,b", "+I 1,6,c"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,7,a", "-U 1,7,a", "+U 1,7,b"}));
  spec.order_by = {{1, false, true}};
  SqlHarness first = harness_of(spec);
  first.push({"+I 1,7,a", "+I 1,7,b", "+I 1,6,c"});
  EXPECT_EQ(first.take(), (Lines{"+I 1,7,a", "-U 1,7,a", "+U 1,6,c"}));
}

TEST(TopN, by_processing_time_the_order_is_that_in_which_rows_come) {
  TopNSpec spec = top(1, false);
  spec.input.types[1].time = TimeAttribute::kProcessing;
  spec.emits_before = false;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,7,a", "+I 1,3,b"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,7,a", "+U 1,3,b"}));
  spec.order_by = {{1, false, true}};
  SqlHarness first = harness_of(spec);
  first.push({"+I 1,7,a", "+I 1,3,b"});
  EXPECT_EQ(first.take(), Lines{"+I 1,7,a"});
}

TEST(TopN, what_nobody_asks_for_is_not_kept) {
  for (const char* const order : {"a short key", "a key of more than two dozen bytes"}) {
    TopNSpec spec = top(1, false);
    const int32_t column = std::string_view(order) == "a short key" ? 1 : 2;
    spec.order_by = {{column, true, false}};
    const std::string row(5000, 'x');
    SqlHarness with = harness_of(spec);
    spec.emits_before = false;
    SqlHarness without = harness_of(spec);
    const auto push = [&](SqlHarness& harness) {
      harness.push({"+I 1,1,a" + row, "+I 1,5,b" + row, "+I 1,3,a" + row, "+I 2,1,c" + row});
      return harness.take();
    };
    EXPECT_EQ(push(with),
              (Lines{"+I 1,1,a" + row, "-U 1,1,a" + row, "+U 1,5,b" + row, "+I 2,1,c" + row}));
    EXPECT_EQ(push(without), (Lines{"+I 1,1,a" + row, "+U 1,5,b" + row, "+I 2,1,c" + row}));
    without.restart().push({"+I 1,2,aa", "+I 2,9,d"});
    EXPECT_EQ(without.take(), Lines{"+U 2,9,d"});
  }
}

TEST(TopN, state_with_rows_is_read_where_the_order_is_enough_and_not_the_other_way) {
  TopNSpec spec = top(1, false);
  for (const bool backend : {false, true}) {
    spec.emits_before = true;
    SqlHarness with = harness_of(spec, {.backend = backend});
    const testing::Snapshot rows = with.push({"+I 1,5,a", "+I 2,1,b"}).snapshot();
    spec.emits_before = false;
    SqlHarness without = harness_of(spec, {.backend = backend});
    ASSERT_TRUE(without.open(rows).ok());
    without.push({"+I 1,4,c", "+I 2,4,d"});
    EXPECT_EQ(without.take(), Lines{"+U 2,4,d"});
    const testing::Snapshot orders = without.snapshot();
    spec.emits_before = true;
    EXPECT_EQ(harness_of(spec).open(orders).id(), ErrorId::kSchemaMismatch);
  }
}

TEST(TopN, an_order_expires_as_its_row_would) {
  TopNSpec spec = top(1, false);
  spec.emits_before = false;
  spec.ttl_ms = 1000;
  SqlHarness harness = harness_of(spec);
  harness.advance_to_wall_ms(1'000).push({"+I 1,5,a", "+I 1,4,b"});
  EXPECT_EQ(harness.take(), Lines{"+I 1,5,a"});
  harness.advance_to_wall_ms(1'900).restart().push({"+I 1,4,c"});
  EXPECT_EQ(harness.take(), Lines{});
  harness.advance_to_wall_ms(2'100).push({"+I 1,3,d", "+I 1,4,e"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,3,d", "+U 1,4,e"}));
}

// What stands before a table with a primary key, when the query has another one.
TEST(TopN, the_newest_row_of_those_that_are_left_is_given) {
  TopNSpec spec = top(1, true);
  spec.order_by.clear();
  spec.newest = true;
  spec.input_retracts = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,9,a", "+I 1,5,b", "-D 1,9,a"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,9,a,1", "-U 1,9,a,1", "+U 1,5,b,1"}));
  harness.push({"+I 1,7,c"}).restart().push({"-D 1,7,c"});
  EXPECT_EQ(harness.take(), (Lines{"-U 1,7,c,1", "+U 1,5,b,1"}));
  harness.push({"-D 1,5,b", "-D 1,5,b"});
  EXPECT_EQ(harness.take(), Lines{"-D 1,5,b,1"});
}

TEST(TopN, what_leaves_makes_room_for_what_was_behind) {
  TopNSpec spec = top(2, false);
  spec.input_retracts = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,3,a", "+I 1,2,b", "+I 1,1,c"}).take();
  harness.push({"-D 1,3,a", "-D 1,99,x"});
  EXPECT_EQ(harness.take(), (Lines{"-D 1,3,a", "+I 1,1,c"}));
}

// By a short key and by one that does not fit beside the others.
TEST(TopN, a_few_rows_expire_one_by_one) {
  for (const int32_t column : {1, 2}) {
    TopNSpec spec = top(3, false);
    spec.order_by = {{column, true, false}};
    spec.ttl_ms = 1000;
    SqlHarness harness = harness_of(spec);
    const std::string prefix = "twenty characters or ";
    const auto line = [&](int value) {
      return "1," + std::to_string(value) + "," + prefix + std::to_string(value);
    };
    harness.advance_to_wall_ms(1'000).push({"+I " + line(5), "+I " + line(7)});
    harness.advance_to_wall_ms(1'600).push({"+I " + line(6)}).take();
    harness.restart().advance_to_wall_ms(2'100).push({"+I " + line(3)});
    EXPECT_EQ(harness.take(), Lines{"+I " + line(3)});
    // Those of 1,000 are gone: there is room for two.
    harness.push({"+I " + line(2), "+I " + line(4)});
    EXPECT_EQ(harness.take(), (Lines{"+I " + line(2), "-D " + line(2), "+I " + line(4)}));
    harness.advance_to_wall_ms(3'200).push({"+I " + line(1)});
    EXPECT_EQ(harness.take(), Lines{"+I " + line(1)});
  }
}

TEST(TopN, ranks_that_make_no_sense_are_refused) {
  TopNSpec spec = top(2, false);
  spec.first = 3;
  EXPECT_EQ(make_top_n(spec).status().id(), ErrorId::kSqlQuery);
}

TEST(TopN, by_rank_equal_rows_have_one_rank) {
  TopNSpec spec = top(2, true);
  spec.function = TopNFunction::kRank;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,5,a", "+I 1,5,b", "+I 1,4,c"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,5,a,1", "+I 1,5,b,1"}));
  harness.restart().push({"+I 1,6,d"});
  EXPECT_EQ(harness.take(),
            (Lines{"+I 1,6,d,1", "-U 1,5,a,1", "+U 1,5,a,2", "-U 1,5,b,1", "+U 1,5,b,2"}));
}

TEST(TopN, of_windows_rows_are_given_once_when_the_window_is_over) {
  TopNSpec spec = top(2, true);
  spec.window_end = 0;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 10,1,a", "+I 10,5,b", "+I 20,7,c", "+I 10,3,d"}).restart().watermark(8);
  EXPECT_EQ(harness.take(), Lines{});
  harness.watermark(9);
  EXPECT_EQ(harness.take(), (Lines{"+I 10,5,b,1", "+I 10,3,d,2"}));
  harness.restart().push({"+I 10,9,e", "+I 20,8,f"}).watermark(30);
  EXPECT_EQ(harness.take(), (Lines{"+I 20,8,f,1", "+I 20,7,c,2"}));
  EXPECT_EQ(harness.counter("numLateRecordsDropped"), 1);
}

TEST(TopN, of_windows_the_latest_of_equal_times_is_the_newest) {
  TopNSpec spec = top(1, false);
  spec.input.types[1] = LogicalType::with(TypeKind::kTimestamp, 3);
  spec.window_end = 0;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 10,7,a", "+I 10,7,b", "+I 10,6,c"}).watermark(9);
  EXPECT_EQ(harness.take(), Lines{"+I 10,1970-01-01 00:00:00.007,b"});
}

// ---- Against partitions that are sorted anew.

struct Row {
  int64_t key = 0;
  int64_t value = 0;
  std::string text;
  uint64_t number = 0;
  std::string line() const {
    return std::to_string(key) + "," + (value < 0 ? std::string("NULL") : std::to_string(value)) +
           "," + text;
  }
};

Lines model(const TopNSpec& spec, std::vector<Row> rows) {
  const SortColumn& sort = spec.order_by[0];
  std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
    if (a.key != b.key) { return a.key < b.key; }
    if (sort.column == 2 && a.text != b.text) {
      return sort.descending ? a.text > b.text : a.text < b.text;
    }
    if (sort.column == 1 && a.value != b.value) {
      if (a.value < 0 || b.value < 0) { return (a.value < 0) == sort.nulls_first; }
      return sort.descending ? a.value > b.value : a.value < b.value;
    }
    return a.number < b.number;
  });
  Lines lines;
  int64_t number = 0;
  int64_t rank = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool is_first = i == 0 || rows[i - 1].key != rows[i].key;
    const bool is_peer = !is_first && (sort.column == 2 ? rows[i - 1].text == rows[i].text
                                                        : rows[i - 1].value == rows[i].value);
    number = is_first ? 1 : number + 1;
    switch (spec.function) {
      case TopNFunction::kRowNumber: rank = number; break;
      case TopNFunction::kRank: rank = is_peer ? rank : number; break;
      case TopNFunction::kDenseRank: rank = is_first ? 1 : is_peer ? rank : rank + 1; break;
    }
    if (rank < spec.first || rank > spec.last) { continue; }
    lines.push_back(rows[i].line() + (spec.has_rank ? "," + std::to_string(rank) : ""));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

void run_random(uint64_t seed) {
  Random random(seed);
  TopNSpec spec = top(1 + static_cast<int64_t>(random.below(4)), random.chance(0.5));
  spec.first = 1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(spec.last)));
  spec.order_by = {{1, random.chance(0.5), random.chance(0.5)}};
  // Strings that differ far behind their beginning.
  const bool by_text = random.chance(0.3);
  const std::string prefix = by_text ? "twenty characters or" : "";
  if (by_text) { spec.order_by[0].column = 2; }
  // More than are kept in an array.
  if (random.chance(0.1)) { spec.last += 70; }
  spec.input_retracts = random.chance(0.5);
  spec.function = static_cast<TopNFunction>(random.below(3));
  // A partition's one row is found by its key, which is enough to replace it.
  spec.emits_before =
      spec.last > 1 || spec.function != TopNFunction::kRowNumber || random.chance(0.3);
  const SqlHarnessOptions options = random_options(random, seed);
  SqlHarness harness = harness_of(spec, options);
  Changelog log(spec.emits_before ? 0 : 1);
  std::vector<Row> rows;
  uint64_t number = 0;
  for (int round = 0; round < 14; ++round) {
    Lines lines;
    for (uint64_t i = random.below(15); i > 0; --i) {
      if (spec.input_retracts && !rows.empty() && random.chance(0.4)) {
        // Of equal rows the first goes.
        const std::string gone = rows[random.below(rows.size())].line();
        const auto first = std::find_if(rows.begin(), rows.end(),
                                        [&](const Row& row) { return row.line() == gone; });
        lines.push_back("-D " + gone);
        rows.erase(first);
        continue;
      }
      Row row{static_cast<int64_t>(random.below(3)), static_cast<int64_t>(random.below(6)) - 1,
              prefix + static_cast<char>('a' + random.below(3)), number++};
      lines.push_back("+I " + row.line());
      rows.push_back(row);
    }
    harness.push(lines);
    log.take(harness.take());
    ASSERT_EQ(log.rows(), model(spec, rows)) << "round " << round;
    if (random.chance(0.25)) { harness.restart(); }
  }
}

TEST(TopN, random_changelogs_give_what_sorting_anew_gives) { for_seeds(300, run_random); }

}  // namespace
}  // namespace tidewheel::sql
