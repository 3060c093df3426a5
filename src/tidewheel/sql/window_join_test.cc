#include "tidewheel/sql/window_join.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <utility>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/operator_testing.h"

namespace tidewheel::sql {
namespace {

using testing::bigint;
using testing::columns;
using testing::for_seeds;
using testing::less_filter;
using testing::Lines;
using testing::must_make;
using testing::random_options;
using testing::SqlHarness;
using testing::SqlHarnessOptions;
using Kind = StreamJoinKind;

WindowJoinSpec spec_of(Kind kind) {
  WindowJoinSpec spec;
  spec.kind = kind;
  const LogicalType time = LogicalType::with(TypeKind::kTimestamp, 3, 0, false);
  spec.left = columns({{"k", bigint()}, {"e", time}, {"v", bigint()}});
  spec.right = spec.left;
  spec.left_keys = {0, 1};
  spec.right_keys = {0, 1};
  spec.left_window_end = 1;
  spec.right_window_end = 1;
  return spec;
}

SqlHarness harness_of(const WindowJoinSpec& spec, bool filter = false,
                      SqlHarnessOptions options = {}) {
  RowType output = window_join_output(spec);
  for (LogicalType& type : output.types) { type = bigint(); }
  return SqlHarness(
      [spec, filter] {
        return must_make(make_window_join(spec, filter ? less_filter(2, 5) : nullptr));
      },
      {spec.left, spec.right}, output, options);
}

TEST(WindowJoin, rows_of_a_window_are_joined_when_it_has_ended) {
  SqlHarness harness = harness_of(spec_of(Kind::kInner));
  harness.push({"+I 1,10,5", "+I 1,20,6", "+I 2,10,7"}, 0).push({"+I 1,10,8"}, 1).watermark(8);
  EXPECT_EQ(harness.take(), Lines{});
  harness.restart().watermark(9);
  EXPECT_EQ(harness.take(), Lines{"+I 1,10,5,1,10,8"});
  harness.push({"+I 2,10,9"}, 1).watermark(100);
  EXPECT_EQ(harness.take(), Lines{});
  EXPECT_EQ(harness.counter("numLateRecordsDropped"), 1);
}

TEST(WindowJoin, many_rows_of_one_window_are_added_together) {
  for (const bool backend : {false, true}) {
    SqlHarness harness = harness_of(spec_of(Kind::kInner), true, {.backend = backend});
    for (int64_t first = 0; first < 1000; first += 500) {
      Lines lines;
      for (int64_t value = first; value < first + 500; ++value) {
        lines.push_back("+I 1,10," + std::to_string(value));
      }
      harness.push(lines, 0);
      harness.restart();
    }
    harness.push({"+I 1,10,990"}, 1).watermark(9);
    const Lines found = harness.take();
    ASSERT_EQ(found.size(), 990U);
    EXPECT_EQ(found.front(), "+I 1,10,0,1,10,990");
    EXPECT_EQ(found.back(), "+I 1,10,989,1,10,990");
    harness.push({"+I 1,10,5", "+I 1,10,6"}, 0);
    EXPECT_EQ(harness.counter("numLateRecordsDropped"), 2);
  }
}

struct Row {
  int64_t key;
  int64_t end;
  int64_t value;
  std::string text() const {
    return (key < 0 ? std::string("NULL") : std::to_string(key)) + "," + std::to_string(end) + "," +
           std::to_string(value);
  }
};

Lines model(Kind kind, bool filter, const std::vector<Row>& left, const std::vector<Row>& right) {
  Lines lines;
  const auto fits = [&](const Row& a, const Row& b) {
    return a.key >= 0 && a.key == b.key && a.end == b.end && (!filter || a.value < b.value);
  };
  for (const Row& a : left) {
    bool found = false;
    for (const Row& b : right) {
      if (!fits(a, b)) { continue; }
      found = true;
      if (kind != Kind::kSemi && kind != Kind::kAnti) {
        lines.push_back("+I " + a.text() + "," + b.text());
      }
    }
    if (kind == (found ? Kind::kSemi : Kind::kAnti)) { lines.push_back("+I " + a.text()); }
    if (!found && (kind == Kind::kLeft || kind == Kind::kFull)) {
      lines.push_back("+I " + a.text() + ",NULL,NULL,NULL");
    }
  }
  for (const Row& b : right) {
    if ((kind == Kind::kRight || kind == Kind::kFull) &&
        std::none_of(left.begin(), left.end(), [&](const Row& a) { return fits(a, b); })) {
      lines.push_back("+I NULL,NULL,NULL," + b.text());
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST(WindowJoin, random_rows_give_what_all_pairs_give) {
  for_seeds(120, [](uint64_t seed) {
    Random random(seed);
    const WindowJoinSpec spec = spec_of(static_cast<Kind>(random.below(6)));
    const bool filter = random.chance(0.5);
    const SqlHarnessOptions options = random_options(random, seed);
    SqlHarness harness = harness_of(spec, filter, options);
    std::vector<Row> rows[2];
    Lines found;
    for (int64_t round = 0; round < 8; ++round) {
      const auto input = static_cast<int32_t>(random.below(2));
      Lines lines;
      for (uint64_t i = random.below(12); i > 0; --i) {
        Row row{static_cast<int64_t>(random.below(4)) - 1,
                (round + 1 + static_cast<int64_t>(random.below(2))) * 10,
                static_cast<int64_t>(random.below(5))};
        lines.push_back("+I " + row.text());
        rows[input].push_back(row);
      }
      harness.push(lines, input).watermark(round * 10 + 9);
      for (const std::string& line : harness.take()) { found.push_back(line); }
      if (random.chance(0.3)) { harness.restart(); }
    }
    harness.watermark(1000);
    for (const std::string& line : harness.take()) { found.push_back(line); }
    std::sort(found.begin(), found.end());
    ASSERT_EQ(found, model(spec.kind, filter, rows[0], rows[1]));
  });
}

}  // namespace
}  // namespace tidewheel::sql
