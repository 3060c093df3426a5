#include "tidewheel/sql/set_operation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
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

SetOperationSpec spec_of(bool is_intersect, bool all, bool one_column = false) {
  SetOperationSpec spec;
  spec.is_intersect = is_intersect;
  spec.all = all;
  spec.left = one_column ? columns({{"a", bigint()}})
                         : columns({{"a", bigint()}, {"s", LogicalType::string()}});
  spec.right = spec.output = spec.left;
  return spec;
}

SqlHarness harness_of(const SetOperationSpec& spec, SqlHarnessOptions options = {}) {
  return SqlHarness([spec] { return must_make(make_set_operation(spec)); }, {spec.left, spec.right},
                    spec.output, options);
}

TEST(SetOperation, intersect_gives_what_both_sides_have_once) {
  SqlHarness harness = harness_of(spec_of(true, false));
  harness.push({"+I 1,a", "+I 1,a", "+I NULL,b"}, 0).push({"+I 1,a", "+I NULL,b", "+I 1,a"}, 1);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,a", "+I NULL,b"}));
}

TEST(SetOperation, except_takes_a_row_back_when_it_comes_on_the_right) {
  SqlHarness harness = harness_of(spec_of(false, false));
  harness.push({"+I 1,a", "+I 1,a", "+I 2,b"}, 0);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,a", "+I 2,b"}));
  harness.restart().push({"+I 1,a"}, 1);
  EXPECT_EQ(harness.take(), Lines{"-D 1,a"});
  harness.push({"-D 1,a"}, 1).push({"-D 2,b"}, 0);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,a", "-D 2,b"}));
}

TEST(SetOperation, a_row_that_is_used_no_more_is_forgotten) {
  SetOperationSpec spec = spec_of(true, false);
  spec.ttl_ms = 1000;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,a"}, 0).advance_to_wall_ms(2000).push({"+I 1,a"}, 1);
  EXPECT_EQ(harness.take(), Lines{});
}

TEST(SetOperation, state_of_other_rows_is_refused) {
  SqlHarness harness = harness_of(spec_of(true, false));
  harness.push({"+I 1,a"}, 0);
  const testing::Snapshot state = harness.snapshot();
  EXPECT_EQ(harness_of(spec_of(true, false, true)).open(state).id(), ErrorId::kSchemaMismatch);
}

// ---- Against counts of whole tables.

Lines model(const SetOperationSpec& spec, const std::map<std::string, int>& left,
            const std::map<std::string, int>& right) {
  Lines rows;
  for (const auto& [row, count] : left) {
    const auto it = right.find(row);
    const int other = it == right.end() ? 0 : it->second;
    int copies = spec.is_intersect ? std::min(count, other) : std::max(count - other, 0);
    if (!spec.all) { copies = count > 0 && (other > 0) == spec.is_intersect ? 1 : 0; }
    rows.insert(rows.end(), static_cast<size_t>(copies), row);
  }
  return rows;
}

void run_random(uint64_t seed) {
  Random random(seed);
  const bool one_column = random.chance(0.5);
  const SetOperationSpec spec = spec_of(random.chance(0.5), random.chance(0.5), one_column);
  const SqlHarnessOptions options = random_options(random, seed);
  SqlHarness harness = harness_of(spec, options);
  Changelog log;
  std::map<std::string, int> sides[2];
  for (int round = 0; round < 16; ++round) {
    const auto input = static_cast<int32_t>(random.below(2));
    Lines lines;
    for (uint64_t i = random.below(12); i > 0; --i) {
      const uint64_t number = random.below(5);
      std::string row = number == 0 ? "NULL" : std::to_string(number);
      if (!one_column) { row += random.chance(0.5) ? ",x" : ",y"; }
      int& count = sides[input][row];
      const bool retracts = count > 0 && random.chance(0.5);
      count += retracts ? -1 : 1;
      lines.push_back((retracts ? "-D " : "+I ") + row);
    }
    harness.push(lines, input);
    log.take(harness.take());
    ASSERT_EQ(log.rows(), model(spec, sides[0], sides[1])) << "round " << round;
    if (random.chance(0.25)) { harness.restart(); }
  }
}

TEST(SetOperation, random_changelogs_give_what_counts_give) { for_seeds(200, run_random); }

}  // namespace
}  // namespace tidewheel::sql
