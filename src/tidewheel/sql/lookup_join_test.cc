#include "tidewheel/sql/lookup_join.h"

#include <gtest/gtest.h>

#include <utility>

#include "tidewheel/dataflow/operator_failure.h"
#include "tidewheel/sql/lookup_cache.h"
#include "tidewheel/sql/operator_testing.h"

namespace tidewheel::sql {
namespace {

using testing::bigint;
using testing::columns;
using testing::Lines;
using testing::SqlHarness;
using testing::SqlHarnessOptions;

// A table outside of (k, v), and what was asked of it.
struct Outside {
  std::vector<std::pair<int64_t, int64_t>> rows;
  std::vector<std::vector<int64_t>> calls;  // the keys of each
  int failures = 0;                         // of the next calls
};

class OutsideRows final : public RowLookup {
 public:
  explicit OutsideRows(std::shared_ptr<Outside> outside) : outside_(std::move(outside)) {}
  Status find(std::span<const ColumnView> keys, uint32_t count, LookedUpRows& found) override {
    std::vector<int64_t>& call = outside_->calls.emplace_back();
    for (uint32_t i = 0; i < count; ++i) { call.push_back(keys[0].at<int64_t>(i)); }
    if (outside_->failures > 0) {
      --outside_->failures;
      return unavailable(ErrorId::kUsage, "the table is away");
    }
    for (uint32_t i = 0; i < count; ++i) {
      for (const auto& row : outside_->rows) {
        if (row.first != call[i]) { continue; }
        put(*found.rows, row);
        found.keys.push_back(i);
      }
    }
    return {};
  }
  Status load(ColumnBatch& rows) override {
    outside_->calls.emplace_back();
    for (const auto& row : outside_->rows) { put(rows, row); }
    return {};
  }

 private:
  static void put(ColumnBatch& rows, const std::pair<int64_t, int64_t>& row) {
    const uint32_t at = rows.size();
    rows.ensure_room(1);
    rows.column(0).values<int64_t>()[at] = row.first;
    rows.column(1).values<int64_t>()[at] = row.second;
    rows.set_size(at + 1);
  }
  const std::shared_ptr<Outside> outside_;
};

LookupJoinSpec spec_of(const std::shared_ptr<Outside>& outside, LookupCaching::Kind kind) {
  LookupJoinSpec spec;
  spec.pads = true;
  spec.input = columns({{"id", bigint()}, {"k", bigint()}});
  spec.input_keys = {1};
  spec.table = columns({{"k", bigint()}, {"v", bigint()}});
  spec.stored = spec.table;
  spec.stored_keys = {0};
  spec.caching.kind = kind;
  spec.make_reader = [outside](FileSystem&) -> Result<std::unique_ptr<RowLookup>> {
    return std::make_unique<OutsideRows>(outside);
  };
  return spec;
}

SqlHarness harness_of(const LookupJoinSpec& spec, SqlHarnessOptions options = {}) {
  return SqlHarness(
      [spec] {
        auto made = make_lookup_join(spec, nullptr);
        EXPECT_TRUE(made.ok()) << made.status().to_string();
        return std::move(made).value();
      },
      {spec.input}, lookup_join_output(spec), options);
}

using Kind = LookupCaching::Kind;

TEST(LookupJoin, the_distinct_keys_of_a_batch_are_one_call) {
  const auto outside = std::make_shared<Outside>();
  outside->rows = {{1, 10}, {2, 20}, {2, 21}};
  SqlHarness harness = harness_of(spec_of(outside, Kind::kNone), {.refusal = 0.3});
  harness.push({"+I 1,1", "+I 2,2", "-D 3,1", "+I 4,NULL", "+I 5,7"}).advance_to_wall_ms(1);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,1,10", "+I 2,2,2,20", "+I 2,2,2,21", "-D 3,1,1,10",
                                   "+I 4,NULL,NULL,NULL", "+I 5,7,NULL,NULL"}));
  EXPECT_EQ(outside->calls, (std::vector<std::vector<int64_t>>{{1, 2, 7}}));
}

TEST(LookupJoin, what_is_in_the_cache_is_not_asked_for) {
  const auto outside = std::make_shared<Outside>();
  outside->rows = {{1, 10}};
  LookupJoinSpec spec = spec_of(outside, Kind::kPartial);
  spec.caching.expire_after_write = Duration(100);
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,1", "+I 2,7"}).advance_to_wall_ms(10);
  harness.push({"+I 3,1", "+I 4,7"}).advance_to_wall_ms(20);
  EXPECT_EQ(harness.take(),
            (Lines{"+I 1,1,1,10", "+I 2,7,NULL,NULL", "+I 3,1,1,10", "+I 4,7,NULL,NULL"}));
  EXPECT_EQ(outside->calls.size(), 1U);
  outside->rows = {{7, 70}};
  harness.advance_to_wall_ms(200).push({"+I 5,1", "+I 6,7"}).advance_to_wall_ms(210);
  EXPECT_EQ(harness.take(), (Lines{"+I 5,1,NULL,NULL", "+I 6,7,7,70"}));
}

TEST(LookupJoin, a_call_that_fails_is_made_again_and_then_fails_the_job) {
  const auto outside = std::make_shared<Outside>();
  outside->rows = {{1, 10}};
  outside->failures = 1;
  LookupJoinSpec spec = spec_of(outside, Kind::kNone);
  spec.failures_max = 1;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,1"}).advance_to_wall_ms(5000);
  EXPECT_EQ(harness.take(), Lines{"+I 1,1,1,10"});
  outside->failures = 2;
  EXPECT_THROW(harness.push({"+I 2,1"}).advance_to_wall_ms(10'000), OperatorFailure);
}

TEST(LookupJoin, a_whole_table_is_read_again_after_its_interval) {
  const auto outside = std::make_shared<Outside>();
  outside->rows = {{1, 10}, {1, 11}};
  LookupJoinSpec spec = spec_of(outside, Kind::kFull);
  spec.caching.reload_every = Duration(1000);
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,1", "+I 2,2"}).advance_to_wall_ms(1);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,1,10", "+I 1,1,1,11", "+I 2,2,NULL,NULL"}));
  outside->rows = {{2, 20}};
  harness.push({"+I 3,2"}).advance_to_wall_ms(500);
  EXPECT_EQ(harness.take(), Lines{"+I 3,2,NULL,NULL"});
  harness.advance_to_wall_ms(1500).push({"+I 4,1", "+I 5,2"}).advance_to_wall_ms(1600);
  EXPECT_EQ(harness.take(), (Lines{"+I 4,1,NULL,NULL", "+I 5,2,2,20"}));
}

TEST(LookupCache, the_least_used_rows_go_first) {
  LookupCaching caching;
  caching.kind = Kind::kPartial;
  caching.rows_max = 2;
  LookupCache cache(caching);
  cache.put("a", {{}, {0}}, 0);
  cache.put("b", {{}, {}}, 0);  // that there is none counts too
  EXPECT_NE(cache.find("a", 1), nullptr);
  cache.put("c", {{}, {0}}, 2);
  EXPECT_EQ(cache.find("b", 3), nullptr);
  EXPECT_NE(cache.find("a", 3), nullptr);
  cache.put("d", {{}, {0, 1, 2}}, 4);
  EXPECT_EQ(cache.size(), 0U);
}

TEST(LookupCache, entries_expire_since_they_were_written_or_used) {
  LookupCaching caching;
  caching.kind = Kind::kPartial;
  caching.expire_after_write = Duration(100);
  caching.expire_after_access = Duration(30);
  LookupCache cache(caching);
  cache.put("a", {{}, {0}}, 0);
  EXPECT_NE(cache.find("a", 29), nullptr);
  EXPECT_NE(cache.find("a", 58), nullptr);
  EXPECT_EQ(cache.find("a", 88), nullptr);
  cache.put("a", {{}, {0}}, 100);
  for (int64_t now_ms = 110; now_ms < 200; now_ms += 10) {
    EXPECT_NE(cache.find("a", now_ms), nullptr) << now_ms;
  }
  EXPECT_EQ(cache.find("a", 200), nullptr);
}

}  // namespace
}  // namespace tidewheel::sql
