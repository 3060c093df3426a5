#include "tidewheel/sql/changelog_normalize.h"

#include <gtest/gtest.h>

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
using testing::Lines;
using testing::must_make;
using testing::SqlHarness;
using testing::SqlHarnessOptions;

ChangelogNormalizeSpec spec_of(std::vector<int32_t> keys) {
  ChangelogNormalizeSpec spec;
  spec.input = columns({{"id", bigint(false)}, {"name", LogicalType::string()}, {"n", bigint()}});
  spec.keys = std::move(keys);
  return spec;
}

SqlHarness harness_of(const ChangelogNormalizeSpec& spec, SqlHarnessOptions options = {}) {
  return SqlHarness([spec] { return must_make(make_changelog_normalize(spec)); }, {spec.input},
                    spec.input, options);
}

TEST(ChangelogNormalize, an_upsert_says_what_was_before) {
  SqlHarness harness = harness_of(spec_of({0}));
  harness.push({"+U 1,a,10", "+U 2,b,20", "+U 1,c,NULL"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,a,10", "+I 2,b,20", "-U 1,a,10", "+U 1,c,NULL"}));
  harness.restart().push({"+U 2,d,20"});
  EXPECT_EQ(harness.take(), (Lines{"-U 2,b,20", "+U 2,d,20"}));
}

TEST(ChangelogNormalize, a_deletion_gives_the_whole_row_and_needs_only_the_key) {
  SqlHarness harness = harness_of(spec_of({0}));
  harness.push({"+U 1,a,10", "-D 1,NULL,NULL", "-D 1,NULL,NULL", "-D 7,NULL,NULL", "+U 1,b,1"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,a,10", "-D 1,a,10", "+I 1,b,1"}));
}

TEST(ChangelogNormalize, what_changes_nothing_gives_nothing) {
  SqlHarness harness = harness_of(spec_of({0, 1}));
  harness.push({"+U 1,a,10", "+U 1,a,10", "+U 1,b,10"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,a,10", "+I 1,b,10"}));
}

TEST(ChangelogNormalize, random_upserts_make_the_table_of_last_rows) {
  for (const bool backend : {false, true}) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      Random random(seed);
      SqlHarness harness =
          harness_of(spec_of({0}), {.refusal = 0.3, .seed = seed, .backend = backend});
      std::map<std::string, std::string> expected;
      Changelog changelog;
      for (int round = 0; round < 30; ++round) {
        Lines lines;
        for (int i = 0; i < 10; ++i) {
          const std::string id = std::to_string(random.next() % 8);
          if (random.chance(0.3)) {
            lines.push_back("-D " + id + ",NULL,NULL");
            expected.erase(id);
          } else {
            const std::string row = id + ",x," + std::to_string(random.next() % 3);
            lines.push_back("+U " + row);
            expected[id] = row;
          }
        }
        harness.push(lines);
        changelog.take(harness.take());
        if (random.chance(0.2)) { harness.restart(); }
      }
      Lines rows;
      for (const auto& [id, row] : expected) { rows.push_back(row); }
      std::sort(rows.begin(), rows.end());
      ASSERT_EQ(changelog.rows(), rows) << seed;
    }
  }
}

}  // namespace
}  // namespace tidewheel::sql
