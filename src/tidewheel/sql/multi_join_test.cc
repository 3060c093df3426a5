#include "tidewheel/sql/multi_join.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/operator_testing.h"
#include "tidewheel/state/segment.h"

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

// The values of an input and of the one before it are in order. Columns are k, v of each input.
class InOrderFilter final : public PairFilter {
 public:
  explicit InOrderFilter(size_t input) : own_(2 * input + 1) {}
  void evaluate(std::span<const ColumnView> columns, uint32_t count, uint8_t* keeps) override {
    const ColumnView& before = columns[own_ - 2];
    const ColumnView& own = columns[own_];
    for (uint32_t i = 0; i < count; ++i) {
      keeps[i] =
          !before.is_null(i) && !own.is_null(i) && before.at<int64_t>(i) <= own.at<int64_t>(i) ? 1
                                                                                               : 0;
    }
  }
  bool uses(size_t column) const override { return column == own_ - 2 || column == own_; }

 private:
  const size_t own_;
};

MultiJoinSpec spec_of(const std::vector<bool>& pads) {
  MultiJoinSpec spec;
  for (size_t i = 0; i <= pads.size(); ++i) {
    MultiJoinInput& input = spec.inputs.emplace_back();
    input.type = columns({{"k", bigint()}, {"v", bigint()}});
    input.keys = {0};
    if (i == 0) { continue; }
    input.pads = pads[i - 1];
    input.anchors = {0};
  }
  return spec;
}

SqlHarness harness_of(const MultiJoinSpec& spec, const std::set<size_t>& filtered = {},
                      SqlHarnessOptions options = {}) {
  return SqlHarness(
      [spec, filtered] {
        std::vector<std::unique_ptr<PairFilter>> filters(spec.inputs.size());
        for (const size_t i : filtered) { filters[i] = std::make_unique<InOrderFilter>(i); }
        return must_make(make_multi_join(spec, std::move(filters)));
      },
      spec.ports(), multi_join_output(spec), options);
}

TEST(MultiJoin, rows_meet_what_all_other_inputs_have_by_then) {
  SqlHarness harness = harness_of(spec_of({false, false}));
  harness.push({"+I 1,10", "+I NULL,5"}, 0).push({"+I 1,20", "+I 2,2"}, 1);
  EXPECT_EQ(harness.take(), Lines{});
  harness.push({"+I 1,30", "+I NULL,3"}, 2);
  EXPECT_EQ(harness.take(), Lines{"+I 1,10,1,20,1,30"});
  harness.push({"+I 1,11", "+I 2,12"}, 0);
  EXPECT_EQ(harness.take(), Lines{"+I 1,11,1,20,1,30"});
}

TEST(MultiJoin, a_table_that_is_joined_with_itself_meets_each_of_its_rows_and_itself) {
  MultiJoinSpec spec = spec_of({false, false});
  spec.inputs[2].same_as = 0;
  SqlHarness harness = harness_of(spec, {2});
  harness.push({"+I 1,10", "+I NULL,5"}, 0).push({"+I 1,7", "+I 2,2"}, 1);
  EXPECT_EQ(harness.take(), Lines{"+I 1,10,1,7,1,10"});
  harness.push({"+I 1,30", "+I 2,1", "+I 2,1", "+I 1,6"}, 0);
  Lines found = harness.take();
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, (Lines{"+I 1,10,1,7,1,30", "+I 1,30,1,7,1,10", "+I 1,30,1,7,1,30",
                          "+I 1,6,1,7,1,10", "+I 1,6,1,7,1,30"}));
  harness.push({"+I 2,1"}, 1);
  EXPECT_EQ(harness.take(), Lines(4, "+I 2,1,2,1,2,1"));
}

TEST(MultiJoin, a_row_without_a_match_comes_with_nulls_until_there_is_one) {
  MultiJoinSpec spec = spec_of({true, true});
  spec.inputs[1].retracts = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10"}, 0);
  EXPECT_EQ(harness.take(), Lines{"+I 1,10,NULL,NULL,NULL,NULL"});
  harness.push({"+I 1,20"}, 1);
  EXPECT_EQ(harness.take(), (Lines{"-D 1,10,NULL,NULL,NULL,NULL", "+I 1,10,1,20,NULL,NULL"}));
  harness.push({"+I 1,30"}, 2);
  EXPECT_EQ(harness.take(), (Lines{"-D 1,10,1,20,NULL,NULL", "+I 1,10,1,20,1,30"}));
  harness.restart().push({"-D 1,20"}, 1);
  EXPECT_EQ(harness.take(), (Lines{"-D 1,10,1,20,1,30", "+I 1,10,NULL,NULL,1,30"}));
}

TEST(MultiJoin, a_row_of_nulls_fits_nothing) {
  MultiJoinSpec spec = spec_of({true, true});
  spec.inputs[2].anchors = {1};
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,30"}, 2).push({"+I 1,10"}, 0);
  EXPECT_EQ(harness.take(), Lines{"+I 1,10,NULL,NULL,NULL,NULL"});
  harness.push({"+I 1,20"}, 1);
  EXPECT_EQ(harness.take(), (Lines{"-D 1,10,NULL,NULL,NULL,NULL", "+I 1,10,1,20,1,30"}));
}

TEST(MultiJoin, updates_stay_updates_where_all_are_inner) {
  MultiJoinSpec spec = spec_of({false, false});
  spec.inputs[1].retracts = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10"}, 0).push({"+I 1,30"}, 2).push({"+I 1,1", "-U 1,1", "+U 1,2"}, 1);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,10,1,1,1,30", "-U 1,10,1,1,1,30", "+U 1,10,1,2,1,30"}));
}

TEST(MultiJoin, each_input_has_its_own_ttl) {
  MultiJoinSpec spec = spec_of({false, false});
  spec.inputs[1].ttl_ms = 1000;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,1"}, 0).push({"+I 1,2"}, 1).push({"+I 1,3"}, 2);
  EXPECT_EQ(harness.take(), Lines{"+I 1,1,1,2,1,3"});
  harness.advance_to_wall_ms(1000).push({"+I 1,4"}, 2);
  EXPECT_EQ(harness.take(), Lines{});
  harness.push({"+I 1,5"}, 1);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,1,5,1,3", "+I 1,1,1,5,1,4"}));
}

TEST(MultiJoin, keys_of_other_types_are_refused) {
  MultiJoinSpec spec = spec_of({false, false});
  spec.inputs[2].type = columns({{"k", LogicalType::string()}, {"v", bigint()}});
  EXPECT_EQ(make_multi_join(spec, {}).status().id(), ErrorId::kSqlType);
}

TEST(MultiJoin, state_of_other_rows_is_refused) {
  MultiJoinSpec spec = spec_of({false, false});
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,1"}, 0);
  const testing::Snapshot state = harness.snapshot();
  spec.inputs[2].type = columns({{"k", bigint()}, {"v", LogicalType::string()}});
  EXPECT_EQ(harness_of(spec).open(state).id(), ErrorId::kSchemaMismatch);
}

// ---- What is kept.

uint64_t bytes_of(const testing::Snapshot& snapshot) {
  uint64_t bytes = 0;
  for (const SnapshotSegmentRef& segment : snapshot) { bytes += segment->size_bytes; }
  return bytes;
}

// Columns k, v of so many inputs.
RowType side_by_side(size_t inputs) {
  RowType type;
  for (size_t i = 0; i < inputs; ++i) {
    type.add("k", bigint());
    type.add("v", bigint());
  }
  return type;
}

TEST(MultiJoin, no_results_of_joins_in_between_are_kept) {
  constexpr size_t kInputs = 4;
  Lines lines;  // of each input: 64 keys with 4 rows
  for (int row = 0; row < 256; ++row) {
    lines.push_back("+I " + std::to_string(row % 64) + "," + std::to_string(row));
  }
  SqlHarness all = harness_of(spec_of({false, false, false}));
  for (size_t i = 0; i < kInputs; ++i) { all.push(lines, static_cast<int32_t>(i)); }
  Lines given = lines;  // by joins one above the other
  uint64_t chain_bytes = 0;
  for (size_t i = 1; i < kInputs; ++i) {
    StreamJoinSpec spec;
    spec.left = side_by_side(i);
    spec.right = side_by_side(1);
    spec.left_keys = {0};
    spec.right_keys = {0};
    SqlHarness one([spec] { return std::move(make_stream_join(spec, nullptr)).value(); },
                   {spec.left, spec.right}, stream_join_output(spec));
    one.push(given, 0).push(lines, 1);
    given = one.take();
    chain_bytes += bytes_of(one.snapshot());
  }
  Lines made = all.take();
  EXPECT_EQ(made.size(), 64u * 4 * 4 * 4 * 4);
  std::sort(made.begin(), made.end());
  std::sort(given.begin(), given.end());
  EXPECT_EQ(made, given);
  const uint64_t bytes = bytes_of(all.snapshot());
  RecordProperty("bytes", std::to_string(bytes));
  RecordProperty("bytes_of_joins_one_above_the_other", std::to_string(chain_bytes));
  EXPECT_GT(bytes, 0u);
  EXPECT_LT(bytes * 5, chain_bytes) << bytes << " and " << chain_bytes;
}

// ---- Against joins of one input after the other, computed anew.

using Pair = std::pair<int64_t, int64_t>;  // key (negative: NULL) and value
using Rows = std::vector<std::optional<Pair>>;

std::string text(const std::optional<Pair>& row) {
  if (!row.has_value()) { return "NULL,NULL"; }
  return (row->first < 0 ? std::string("NULL") : std::to_string(row->first)) + "," +
         std::to_string(row->second);
}

Lines model(const MultiJoinSpec& spec, const std::set<size_t>& filtered,
            const std::vector<std::multiset<Pair>>& tables) {
  std::vector<Rows> parts;
  for (const Pair& row : tables[0]) { parts.push_back({row}); }
  for (size_t i = 1; i < tables.size(); ++i) {
    std::vector<Rows> next;
    for (const Rows& part : parts) {
      const auto with = [&](std::optional<Pair> row) {
        next.push_back(part);
        next.back().push_back(row);
      };
      bool any = false;
      for (const Pair& row : tables[i]) {
        bool fits =
            row.first >= 0 && (!filtered.contains(i) ||
                               (part.back().has_value() && part.back()->second <= row.second));
        for (const int32_t anchor : spec.inputs[i].anchors) {
          const std::optional<Pair>& other = part[static_cast<size_t>(anchor)];
          fits = fits && other.has_value() && other->first == row.first;
        }
        if (fits) { with(row); }
        any = any || fits;
      }
      if (!any && spec.inputs[i].pads) { with(std::nullopt); }
    }
    parts = std::move(next);
  }
  Lines lines;
  for (const Rows& part : parts) {
    std::string line;
    for (const auto& row : part) { line += (line.empty() ? "" : ",") + text(row); }
    lines.push_back(line);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

// Some changes of an input's rows, which are made in `rows` as well.
Lines random_changes(Random& random, const MultiJoinInput& input, std::multiset<Pair>& rows) {
  Lines lines;
  for (uint64_t i = random.below(10); i > 0; --i) {
    if (input.retracts && !rows.empty() && random.chance(0.45)) {
      auto chosen = rows.begin();
      std::advance(chosen, static_cast<std::ptrdiff_t>(random.below(rows.size())));
      lines.push_back("-D " + text(*chosen));
      rows.erase(chosen);
      continue;
    }
    const Pair row{static_cast<int64_t>(random.below(4)) - 1,
                   static_cast<int64_t>(random.below(4))};
    if (input.is_unique && row.first >= 0) {
      const auto same = std::find_if(rows.begin(), rows.end(),
                                     [&](const Pair& one) { return one.first == row.first; });
      if (same != rows.end()) { rows.erase(same); }
    }
    lines.push_back("+I " + text(row));
    rows.insert(row);
  }
  return lines;
}

void run_random(uint64_t seed) {
  Random random(seed);
  const size_t count = 2 + random.below(3);
  std::vector<bool> pads;
  for (size_t i = 1; i < count; ++i) { pads.push_back(random.chance(0.5)); }
  MultiJoinSpec spec = spec_of(pads);
  std::set<size_t> filtered;
  for (size_t i = 0; i < count; ++i) {
    MultiJoinInput& input = spec.inputs[i];
    input.retracts = random.chance(0.6);
    input.is_unique = random.chance(0.25);
    if (i == 0) { continue; }
    input.anchors = {static_cast<int32_t>(random.below(i))};
    if (i > 1 && random.chance(0.2)) { input.anchors = {0, static_cast<int32_t>(i) - 1}; }
    if (random.chance(0.4)) { filtered.insert(i); }
  }
  size_t first = 0;  // whose rows are those of `second` too, when that is not 0
  size_t second = 0;
  if (random.chance(0.4)) {
    second = 1 + random.below(count - 1);
    first = random.below(second);
    for (const size_t i : {first, second}) {
      spec.inputs[i].retracts = spec.inputs[i].is_unique = spec.inputs[i].pads = false;
    }
    spec.inputs[second].same_as = static_cast<int32_t>(first);
  }
  const SqlHarnessOptions options = random_options(random, seed);
  SqlHarness harness = harness_of(spec, filtered, options);
  Changelog log;
  std::vector<std::multiset<Pair>> tables(count);
  for (int round = 0; round < 16; ++round) {
    size_t input = random.below(count);
    if (second > 0 && input == second) { input = first; }
    const size_t port = second > 0 && input > second ? input - 1 : input;
    harness.push(random_changes(random, spec.inputs[input], tables[input]),
                 static_cast<int32_t>(port));
    if (second > 0 && input == first) { tables[second] = tables[first]; }
    log.take(harness.take());
    ASSERT_EQ(log.rows(), model(spec, filtered, tables)) << "round " << round;
    if (random.chance(0.25)) { harness.restart(); }
  }
}

TEST(MultiJoin, random_changelogs_give_what_joins_one_by_one_give) { for_seeds(300, run_random); }

}  // namespace
}  // namespace tidewheel::sql
