#include "tidewheel/sql/session_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
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
using testing::SqlHarness;
using testing::SqlHarnessOptions;

constexpr int64_t kGapMs = 5;

SessionTableSpec spec_of(std::vector<int32_t> partition_by = {0}) {
  SessionTableSpec spec;
  spec.input = columns(
      {{"k", bigint()}, {"t", LogicalType::with(TypeKind::kTimestamp, 3)}, {"v", bigint()}});
  spec.input.types[1].time = TimeAttribute::kEvent;
  spec.partition_by = std::move(partition_by);
  spec.time = 1;
  spec.gap_ms = kGapMs;
  return spec;
}
SqlHarness harness_of(const SessionTableSpec& spec, SqlHarnessOptions options = {}) {
  // Times are read as their numbers.
  RowType output;
  for (const char* name : {"k", "t", "v", "window_start", "window_end", "window_time"}) {
    output.add(name, bigint());
  }
  return SqlHarness([spec] { return must_make(make_session_table(spec)); }, {spec.input}, output,
                    options);
}

TEST(SessionTable, rows_come_in_the_order_of_time_once_their_session_is_over) {
  SqlHarness harness = harness_of(spec_of());
  harness.push({"+I 1,14,7", "+I 1,10,8", "+I 2,12,9", "+I 1,30,1"}).watermark(17);
  EXPECT_EQ(harness.take(), Lines{"+I 2,12,9,12,17,16"});
  harness.watermark(18);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,10,8,10,19,18", "+I 1,14,7,10,19,18"}));
  harness.end_of_input();
  EXPECT_EQ(harness.take(), Lines{"+I 1,30,1,30,35,34"});
}

TEST(SessionTable, a_row_makes_one_of_two_sessions) {
  SqlHarness harness = harness_of(spec_of());
  harness.push({"+I 1,10,1", "+I 1,20,2"}).restart().push({"+I 1,15,3"}).watermark(23);
  EXPECT_EQ(harness.take(), Lines{});
  harness.watermark(24);
  EXPECT_EQ(harness.take(),
            (Lines{"+I 1,10,1,10,25,24", "+I 1,15,3,10,25,24", "+I 1,20,2,10,25,24"}));
}

TEST(SessionTable, late_are_rows_whose_session_is_over) {
  SqlHarness harness = harness_of(spec_of());
  harness.push({"+I 1,10,1"}).watermark(13);
  harness.push({"+I 1,6,2", "+I 1,0,3", "+I 2,9,4"}).watermark(100);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,6,2,6,15,14", "+I 1,10,1,6,15,14"}));
  EXPECT_EQ(harness.counter("numLateRecordsDropped"), 2);
}

TEST(SessionTable, a_row_without_a_time_is_counted) {
  SqlHarness harness = harness_of(spec_of());
  harness.push({"+I 1,NULL,1", "+I 1,10,2"}).watermark(100);
  EXPECT_EQ(harness.take(), Lines{"+I 1,10,2,10,15,14"});
  EXPECT_EQ(harness.counter("numNullRowTimeRecordsDropped"), 1);
}

TEST(SessionTable, rows_between_many_without_a_time_go_to_the_sessions_of_their_keys) {
  SqlHarness harness = harness_of(spec_of(), {.batch_rows = 256});
  Lines rows;
  Lines given;
  for (int64_t i = 0; i < 200; ++i) {
    const std::string key = std::to_string(i);
    const bool has_time = i % 8 == 7;
    rows.push_back("+I " + key + (has_time ? ",10," : ",NULL,") + key);
    if (has_time) { given.push_back("+I " + key + ",10," + key + ",10,15,14"); }
  }
  harness.push(rows).watermark(100);
  Lines taken = harness.take();
  std::sort(taken.begin(), taken.end());
  std::sort(given.begin(), given.end());
  EXPECT_EQ(taken, given);
  EXPECT_EQ(harness.counter("numNullRowTimeRecordsDropped"), 175);
}

TEST(SessionTable, a_session_of_many_rows_is_given_whole) {
  SqlHarness harness = harness_of(spec_of({}), {.refusal = 0.3, .backend = true});
  Lines rows;
  Lines given;
  for (int i = 0; i < 1000; ++i) {
    const std::string row = "+I " + std::to_string(i % 7) + ",10," + std::to_string(i);
    rows.push_back(row);
    given.push_back(row + ",10,15,14");
  }
  harness.push(rows).watermark(14);
  EXPECT_EQ(harness.take(), given);
}

struct Row {
  int64_t key = 0;
  int64_t time = 0;
  int64_t value = 0;
};

// By looking at all rows of a key at once.
Lines model(std::vector<Row> rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::pair(a.key, a.time) < std::pair(b.key, b.time);
  });
  Lines lines;
  for (size_t begin = 0; begin < rows.size();) {
    size_t end = begin + 1;
    while (end < rows.size() && rows[end].key == rows[begin].key &&
           rows[end].time <= rows[end - 1].time + kGapMs) {
      ++end;
    }
    const int64_t last = rows[end - 1].time + kGapMs;
    const std::string times = "," + std::to_string(rows[begin].time) + "," + std::to_string(last) +
                              "," + std::to_string(last - 1);
    for (; begin < end; ++begin) {
      const Row& row = rows[begin];
      lines.push_back("+I " + std::to_string(row.key) + "," + std::to_string(row.time) + "," +
                      std::to_string(row.value) + times);
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST(SessionTable, random_rows_give_what_looking_at_all_of_them_gives) {
  for_seeds(100, [](uint64_t seed) {
    Random random(seed);
    const SqlHarnessOptions options = random_options(random, seed);
    SqlHarness harness = harness_of(spec_of(), options);
    std::vector<Row> rows;
    Lines found;
    int64_t watermark = 0;
    const auto take = [&] {
      for (std::string& line : harness.take()) { found.push_back(std::move(line)); }
    };
    for (int round = 0; round < 10; ++round) {
      Lines lines;
      for (uint64_t i = random.below(12); i > 0; --i) {
        // Behind the end of what is over already.
        rows.push_back({static_cast<int64_t>(random.below(3)),
                        watermark + 2 + static_cast<int64_t>(random.below(20)),
                        static_cast<int64_t>(rows.size())});
        const Row& row = rows.back();
        lines.push_back("+I " + std::to_string(row.key) + "," + std::to_string(row.time) + "," +
                        std::to_string(row.value));
      }
      harness.push(lines);
      if (random.chance(0.25)) { harness.restart(); }
      watermark += static_cast<int64_t>(random.below(12));
      harness.watermark(watermark);
      take();
      if (random.chance(0.25)) { harness.restart(); }
    }
    harness.watermark(1000);
    take();
    std::sort(found.begin(), found.end());
    ASSERT_EQ(found, model(rows));
  });
}

}  // namespace
}  // namespace tidewheel::sql
