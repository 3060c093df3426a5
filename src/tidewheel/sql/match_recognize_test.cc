#include "tidewheel/sql/match_recognize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/functions.h"
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

// Rises: a row, one or more that are each above the one before, and one that is not.
//   PATTERN (A B+ C) DEFINE B AS B.v > PREV(B.v), C AS C.v <= PREV(C.v)
// with the key, the first value, the last of B, and how many rows there were.
MatchSpec rises() {
  MatchSpec spec;
  spec.input = columns(
      {{"k", bigint()}, {"t", LogicalType::with(TypeKind::kTimestamp, 3)}, {"v", bigint()}});
  spec.input.types[1].time = TimeAttribute::kEvent;
  spec.output = columns({{"k", bigint()}, {"a", bigint()}, {"b", bigint()}, {"n", bigint()}});
  spec.partition_by = {0};
  spec.order_by = {{1, false, true}};
  spec.pattern = {{"A", 1, 1, false}, {"B", 1, INT64_MAX, false}, {"C", 1, 1, false}};
  using Kind = MatchLookup::Kind;
  const auto lookup = [&](Kind kind, int32_t variable, int64_t offset) {
    MatchLookup made;
    made.kind = kind;
    made.variable = variable;
    made.column = 2;
    made.offset = offset;
    made.type = bigint();
    return made;
  };
  spec.lookups = {lookup(Kind::kLast, -1, 0), lookup(Kind::kPrevious, -1, 1),
                  lookup(Kind::kFirst, 0, 0), lookup(Kind::kLast, 1, 0)};
  MatchLookup count;
  count.kind = Kind::kAggregate;
  count.call.function = AggregateFunction::kCountStar;
  count.call.result = bigint();
  count.type = bigint();
  spec.lookups.push_back(count);
  const auto compare = [&](const char* op) {
    Bound call;
    call.kind = Bound::Kind::kCall;
    call.type = LogicalType::of(TypeKind::kBoolean);
    static const FunctionRegistry kFunctions = builtin_functions();
    call.function = kFunctions.find(op);
    call.arguments = {Bound::of_column(0, bigint()), Bound::of_column(1, bigint())};
    return call;
  };
  spec.conditions = {std::nullopt, compare(">"), compare("<=")};
  spec.measures = {Bound::of_column(2, bigint()), Bound::of_column(3, bigint()),
                   Bound::of_column(4, bigint())};
  return spec;
}

SqlHarness harness_of(const MatchSpec& spec, SqlHarnessOptions options = {}) {
  return SqlHarness([spec] { return must_make(make_match_recognize(spec)); }, {spec.input},
                    spec.output, options);
}

TEST(MatchRecognize, a_match_goes_on_after_a_restore) {
  SqlHarness harness = harness_of(rises());
  harness.push({"+I 1,10,5", "+I 1,30,7", "+I 1,20,6"}).watermark(20);
  EXPECT_EQ(harness.take(), Lines{});
  harness.restart().watermark(30).restart().push({"+I 1,40,7", "+I 1,25,99"}).watermark(40);
  EXPECT_EQ(harness.take(), Lines{"+I 1,5,7,4"});
  EXPECT_EQ(harness.counter("numLateRecordsDropped"), 1);
}

TEST(MatchRecognize, a_match_is_shorter_than_its_limit) {
  MatchSpec spec = rises();
  spec.within_ms = 20;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10,5", "+I 1,20,7", "+I 1,30,1"}).watermark(30);
  EXPECT_EQ(harness.take(), Lines{});
  harness.push({"+I 1,31,2", "+I 1,49,1"}).watermark(60);
  EXPECT_EQ(harness.take(), Lines{"+I 1,1,2,3"});
}

struct Row {
  int64_t key = 0;
  int64_t time = 0;
  int64_t value = 0;
};

// By looking at all rows of a key at once.
Lines model(const std::vector<Row>& all) {
  Lines lines;
  for (int64_t key = 0; key < 3; ++key) {
    std::vector<Row> rows;
    for (const Row& row : all) {
      if (row.key == key) { rows.push_back(row); }
    }
    std::stable_sort(rows.begin(), rows.end(),
                     [](const Row& a, const Row& b) { return a.time < b.time; });
    for (size_t start = 0; start < rows.size();) {
      size_t top = start;
      while (top + 1 < rows.size() && rows[top + 1].value > rows[top].value) { ++top; }
      if (top == start || top + 1 == rows.size()) {
        start = top + 1 == rows.size() ? rows.size() : start + 1;
        continue;
      }
      lines.push_back("+I " + std::to_string(key) + "," + std::to_string(rows[start].value) + "," +
                      std::to_string(rows[top].value) + "," + std::to_string(top + 2 - start));
      start = top + 2;
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST(MatchRecognize, random_rows_give_what_looking_at_all_of_them_gives) {
  for_seeds(100, [](uint64_t seed) {
    Random random(seed);
    const SqlHarnessOptions options = random_options(random, seed);
    SqlHarness harness = harness_of(rises(), options);
    std::vector<Row> rows;
    Lines found;
    int64_t watermark = 0;
    for (int round = 0; round < 10; ++round) {
      Lines lines;
      for (uint64_t i = random.below(12); i > 0; --i) {
        rows.push_back({static_cast<int64_t>(random.below(3)),
                        watermark + 1 + static_cast<int64_t>(random.below(9)),
                        static_cast<int64_t>(random.below(5))});
        const Row& row = rows.back();
        lines.push_back("+I " + std::to_string(row.key) + "," + std::to_string(row.time) + "," +
                        std::to_string(row.value));
      }
      harness.push(lines);
      if (random.chance(0.25)) { harness.restart(); }
      watermark += static_cast<int64_t>(random.below(9));
      harness.watermark(watermark);
      for (std::string& line : harness.take()) { found.push_back(std::move(line)); }
      if (random.chance(0.25)) { harness.restart(); }
    }
    harness.watermark(1000);
    for (std::string& line : harness.take()) { found.push_back(std::move(line)); }
    std::sort(found.begin(), found.end());
    ASSERT_EQ(found, model(rows));
  });
}

}  // namespace
}  // namespace tidewheel::sql
