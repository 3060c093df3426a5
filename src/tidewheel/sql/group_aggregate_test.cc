#include "tidewheel/sql/group_aggregate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
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
using testing::Snapshot;
using testing::SqlHarness;
using testing::SqlHarnessOptions;
using F = AggregateFunction;

RowType input_type() {
  return columns({{"k", bigint()},
                  {"v", bigint()},
                  {"s", LogicalType::string()},
                  {"d", LogicalType::of(TypeKind::kDouble)},
                  {"f", LogicalType::of(TypeKind::kBoolean)}});
}

AggregateCall call(F function, std::vector<int32_t> arguments, const RowType& input) {
  AggregateCall made;
  made.function = function;
  made.arguments = std::move(arguments);
  std::vector<LogicalType> types;
  for (const int32_t column : made.arguments) {
    types.push_back(input.types[static_cast<size_t>(column)]);
  }
  auto result = aggregate_result_type(function, types);
  EXPECT_TRUE(result.ok());
  made.result = std::move(result).value();
  return made;
}

SqlHarness harness_of(const GroupAggregateSpec& spec, SqlHarnessOptions options = {}) {
  return SqlHarness([spec] { return must_make(make_group_aggregate(spec)); }, {spec.input},
                    group_aggregate_output(spec), std::move(options));
}

GroupAggregateSpec count_and_sum() {
  GroupAggregateSpec spec;
  spec.input = input_type();
  spec.keys = {0};
  spec.calls = {call(F::kCountStar, {}, spec.input), call(F::kSum, {1}, spec.input)};
  return spec;
}

TEST(GroupAggregate, each_row_updates_the_row_of_its_key) {
  SqlHarness harness = harness_of(count_and_sum());
  harness.push({"+I 1,10,a,1,TRUE", "+I 2,5,a,1,TRUE", "+I 1,NULL,a,1,TRUE", "+I NULL,7,a,1,TRUE",
                "+I NULL,8,a,1,TRUE"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,10", "+I 2,1,5", "-U 1,1,10", "+U 1,2,10", "+I NULL,1,7",
                                   "-U NULL,1,7", "+U NULL,2,15"}));
}

TEST(GroupAggregate, updates_come_without_what_was_before_where_it_is_not_wanted) {
  GroupAggregateSpec spec = count_and_sum();
  spec.emits_before = false;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10,a,1,TRUE", "+I 1,1,a,1,TRUE"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,10", "+U 1,2,11"}));
}

TEST(GroupAggregate, by_epoch_a_key_gives_what_it_has_changed_to) {
  GroupAggregateSpec spec = count_and_sum();
  spec.by_epoch = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10,a,1,TRUE", "+I 2,5,a,1,TRUE", "+I 1,NULL,a,1,TRUE"});
  EXPECT_EQ(harness.take(), Lines{});
  harness.epoch(1);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,2,10", "+I 2,1,5"}));
  harness.push({"+I 2,1,a,1,TRUE", "+I NULL,7,a,1,TRUE"}).push({"+I 2,2,a,1,TRUE"}).epoch(2);
  EXPECT_EQ(harness.take(), (Lines{"-U 2,1,5", "+U 2,3,8", "+I NULL,1,7"}));
  harness.epoch(3);
  EXPECT_EQ(harness.take(), Lines{});
  harness.restart().push({"+I 1,1,a,1,TRUE"}).end_of_input();
  EXPECT_EQ(harness.take(), (Lines{"-U 1,2,10", "+U 1,3,11"}));
}

TEST(GroupAggregate, by_epoch_the_table_is_the_same_at_the_end_of_each) {
  for (const bool has_texts : {false, true}) {
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      GroupAggregateSpec spec = count_and_sum();
      if (has_texts) {
        spec.keys = {2, 0};
        spec.calls = {call(F::kMax, {2}, spec.input), call(F::kMin, {1}, spec.input)};
      }
      SqlHarness each_row = harness_of(spec);
      spec.by_epoch = true;
      SqlHarness by_epoch = harness_of(spec, {.refusal = 0.3, .seed = seed});
      Changelog wanted;
      Changelog found;
      Random random(seed);
      for (int epoch = 1; epoch <= 8; ++epoch) {
        std::set<std::string> keys;
        for (uint64_t i = random.below(700); i > 0; --i) {
          const std::string key = std::to_string(random.below(40));
          const std::string name = std::to_string(random.below(5));
          keys.insert(key + "," + (has_texts ? name : ""));
          const Lines row = {"+I " + key + "," + std::to_string(random.below(9)) + "," + name +
                             ",1,TRUE"};
          each_row.push(row);
          by_epoch.push(row);
        }
        wanted.take(each_row.take());
        ASSERT_EQ(by_epoch.take(), Lines{});
        by_epoch.epoch(epoch);
        const Lines given = by_epoch.take();
        ASSERT_LE(given.size(), keys.size() * 2);
        found.take(given);
        ASSERT_EQ(found.rows(), wanted.rows()) << "seed " << seed << ", epoch " << epoch;
      }
    }
  }
}

// A key may be gone before the epoch ends, and its state with it.
TEST(GroupAggregate, rows_that_are_taken_back_are_given_as_they_come) {
  GroupAggregateSpec spec = count_and_sum();
  spec.by_epoch = true;
  spec.input_retracts = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10,a,1,TRUE", "-D 1,10,a,1,TRUE"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,10", "-D 1,1,10"}));
  harness.epoch(1);
  EXPECT_EQ(harness.take(), Lines{});
}

TEST(GroupAggregate, a_result_that_does_not_change_is_not_sent) {
  GroupAggregateSpec spec = count_and_sum();
  spec.calls = {call(F::kMax, {1}, spec.input)};
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10,a,1,TRUE", "+I 1,9,a,1,TRUE", "+I 1,11,a,1,TRUE", "+I 1,NULL,a,1,TRUE"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,10", "-U 1,10", "+U 1,11"}));
  spec.ttl_ms = 1000;
  SqlHarness with_ttl = harness_of(spec);
  with_ttl.push({"+I 1,10,a,1,TRUE", "+I 1,9,a,1,TRUE"});
  EXPECT_EQ(with_ttl.take(), (Lines{"+I 1,10", "-U 1,10", "+U 1,10"}));
}

TEST(GroupAggregate, a_key_is_deleted_with_its_last_row_and_may_come_back) {
  GroupAggregateSpec spec = count_and_sum();
  spec.input_retracts = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10,a,1,TRUE", "-U 1,10,a,1,TRUE", "+U 1,12,a,1,TRUE", "-D 1,12,a,1,TRUE",
                "-D 1,99,a,1,TRUE"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,10", "-D 1,1,10", "+I 1,1,12", "-D 1,1,12"}));
  harness.push({"-D 1,99,a,1,TRUE", "+I 1,3,a,1,TRUE"});
  EXPECT_EQ(harness.take(), Lines{"+I 1,1,3"});
}

TEST(GroupAggregate, distinct_rows_are_an_aggregate_without_calls) {
  GroupAggregateSpec spec = count_and_sum();
  spec.keys = {0, 2};
  spec.calls = {};
  spec.input_retracts = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,1,a,1,TRUE", "+I 1,2,a,1,TRUE", "+I 1,1,b,1,TRUE", "+I 1,1,NULL,1,TRUE",
                "-D 1,1,a,1,TRUE", "-D 1,2,a,1,TRUE"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,a", "+I 1,b", "+I 1,NULL", "-D 1,a"}));
}

TEST(GroupAggregate, without_keys_there_is_one_row_once_there_is_any) {
  GroupAggregateSpec spec = count_and_sum();
  spec.keys = {};
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10,a,1,TRUE", "+I 2,1,a,1,TRUE"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,10", "-U 1,10", "+U 2,11"}));
  SqlHarness empty = harness_of(spec);
  empty.end_of_input();
  EXPECT_EQ(empty.take(), Lines{});
}

TEST(GroupAggregate, a_filter_and_distinct_choose_the_rows_of_a_call) {
  GroupAggregateSpec spec = count_and_sum();
  AggregateCall filtered = call(F::kCount, {1}, spec.input);
  filtered.filter = 4;
  AggregateCall distinct = call(F::kCount, {1}, spec.input);
  distinct.distinct = true;
  AggregateCall distinct_sum = call(F::kSum, {1}, spec.input);
  distinct_sum.distinct = true;
  AggregateCall strings = call(F::kCount, {2}, spec.input);
  strings.distinct = true;
  strings.filter = 4;
  spec.calls = {filtered, distinct, distinct_sum, strings};
  spec.emits_before = false;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,5,a,1,TRUE", "+I 1,5,b,1,FALSE", "+I 1,6,a,1,TRUE", "+I 1,NULL,c,1,TRUE"});
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,1,5,1", "+U 1,2,2,11,1", "+U 1,2,2,11,2"}));
}

// Four side by side are counted together, but for those that look at what is NULL.
TEST(GroupAggregate, counts_side_by_side_count_what_each_is_asked_for) {
  GroupAggregateSpec spec;
  spec.input = input_type();
  spec.keys = {0};
  const AggregateCall all = call(F::kCountStar, {}, spec.input);
  AggregateCall chosen = all;
  chosen.filter = 4;
  AggregateCall distinct = call(F::kCount, {1}, spec.input);
  distinct.distinct = true;
  for (const bool has_null : {false, true}) {
    const AggregateCall values = call(F::kCount, {1}, spec.input);
    spec.calls = {
        call(F::kSum, {1}, spec.input), all, chosen, values, chosen, all, distinct, chosen, all};
    for (size_t i = 0; i < spec.calls.size(); ++i) { spec.calls[i].name = std::to_string(i); }
    spec.emits_before = false;
    SqlHarness harness = harness_of(spec);
    harness.push({"+I 1,5,a,1,TRUE", "+I 2,5,a,1,FALSE", "+I 1,5,a,1,FALSE",
                  has_null ? "+I 1,NULL,a,1,TRUE" : "+I 1,6,a,1,TRUE", "+I 2,7,a,1,TRUE"});
    EXPECT_EQ(harness.take(),
              (Lines{"+I 1,5,1,1,1,1,1,1,1,1", "+I 2,5,1,0,1,0,1,1,0,1", "+U 1,10,2,1,2,1,2,1,1,2",
                     has_null ? "+U 1,10,3,2,2,2,3,1,2,3" : "+U 1,16,3,2,3,2,3,2,2,3",
                     "+U 2,12,2,1,2,1,2,2,1,2"}));
  }
}

TEST(GroupAggregate, integers_wrap_around_and_averages_are_cut) {
  const RowType input =
      columns({{"t", LogicalType::of(TypeKind::kTinyint)}, {"i", LogicalType::of(TypeKind::kInt)}});
  GroupAggregateSpec spec;
  spec.input = input;
  spec.calls = {call(F::kSum, {0}, input), call(F::kAvg, {1}, input), call(F::kSum, {1}, input)};
  spec.mini_batch = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 100,2147483647", "+I 100,-2", "+I 1,NULL"});
  EXPECT_EQ(harness.take(), Lines{"+I -55,1073741822,2147483645"});
}

TEST(GroupAggregate, decimals_have_all_their_digits) {
  const RowType input = columns({{"d", LogicalType::decimal(10, 2)}});
  GroupAggregateSpec spec;
  spec.input = input;
  spec.calls = {call(F::kSum, {0}, input), call(F::kAvg, {0}, input), call(F::kMin, {0}, input)};
  EXPECT_EQ(spec.calls[0].result, LogicalType::decimal(38, 2));
  EXPECT_EQ(spec.calls[1].result, LogicalType::decimal(38, 6));
  spec.mini_batch = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 99999999.99", "+I 0.01", "+I -0.02"});
  EXPECT_EQ(harness.take(), Lines{"+I 99999999.98,33333333.326667,-0.02"});
}

TEST(GroupAggregate, a_decimal_sum_of_too_many_digits_is_null) {
  const RowType input = columns({{"d", LogicalType::decimal(38, 0)}});
  GroupAggregateSpec spec;
  spec.input = input;
  spec.calls = {call(F::kSum, {0}, input)};
  spec.input_retracts = true;
  const std::string nines(38, '9');
  SqlHarness harness = harness_of(spec);
  harness.push({"+I " + nines, "+I " + nines, "-D " + nines});
  EXPECT_EQ(harness.take(),
            (Lines{"+I " + nines, "-U " + nines, "+U NULL", "-U NULL", "+U " + nines}));
  // 128 bits wrap around, more than once.
  SqlHarness wide = harness_of(spec);
  wide.push({"+I " + nines, "+I " + nines, "+I " + nines, "+I " + nines});
  EXPECT_EQ(wide.take().back(), "+U NULL");
  wide.push({"-D " + nines, "-D " + nines, "-D " + nines});
  EXPECT_EQ(wide.take().back(), "+U " + nines);
}

TEST(GroupAggregate, nan_is_the_greatest_number) {
  const RowType input = columns({{"d", LogicalType::of(TypeKind::kDouble)}});
  for (const bool retracts : {false, true}) {
    GroupAggregateSpec spec;
    spec.input = input;
    spec.calls = {call(F::kMax, {0}, input), call(F::kMin, {0}, input)};
    spec.mini_batch = true;
    spec.input_retracts = retracts;
    SqlHarness harness = harness_of(spec);
    harness.push({"+I 1.5", "+I NaN", "+I -5.0"});
    EXPECT_EQ(harness.take(), Lines{"+I NaN,-5.0"});
  }
}

TEST(GroupAggregate, variances_are_those_of_the_values) {
  const RowType input = columns({{"d", LogicalType::of(TypeKind::kDouble)}});
  GroupAggregateSpec spec;
  spec.input = input;
  spec.calls = {call(F::kVarPop, {0}, input), call(F::kVarSamp, {0}, input),
                call(F::kStddevPop, {0}, input), call(F::kStddevSamp, {0}, input)};
  spec.emits_before = false;
  spec.input_retracts = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 2"});
  EXPECT_EQ(harness.take(), Lines{"+I 0.0,NULL,0.0,NULL"});
  harness.push({"+I 4", "+I 6", "-D 6"});
  EXPECT_EQ(harness.take().back(), "+U 1.0,2.0,1.0,1.4142135623730951");
}

TEST(GroupAggregate, values_that_are_taken_back_leave_what_was_there_before) {
  GroupAggregateSpec spec = count_and_sum();
  spec.calls = {call(F::kMin, {1}, spec.input),        call(F::kMax, {2}, spec.input),
                call(F::kFirstValue, {1}, spec.input), call(F::kLastValue, {2}, spec.input),
                call(F::kListagg, {2}, spec.input),    call(F::kArrayAgg, {1}, spec.input)};
  spec.input_retracts = true;
  spec.emits_before = false;
  for (const bool backend : {false, true}) {
    SqlHarness harness = harness_of(spec, {.backend = backend});
    harness.push({"+I 1,5,b,1,TRUE", "+I 1,3,c,1,TRUE"});
    EXPECT_EQ(harness.take().back(), "+U 1,3,c,5,c,b,c,[5, 3]");
    harness.push({"+I 1,3,a,1,TRUE"});
    EXPECT_EQ(harness.take().back(), "+U 1,3,c,5,a,b,c,a,[5, 3, 3]");
    harness.restart();
    harness.push({"-D 1,5,b,1,TRUE"});
    EXPECT_EQ(harness.take().back(), "+U 1,3,c,3,a,c,a,[3, 3]");
    harness.push({"-D 1,3,a,1,TRUE"});
    EXPECT_EQ(harness.take().back(), "+U 1,3,c,3,c,c,[3]");
  }
}

TEST(GroupAggregate, collected_values_are_counted) {
  GroupAggregateSpec spec = count_and_sum();
  spec.calls = {call(F::kCollect, {2}, spec.input)};
  spec.input_retracts = true;
  spec.emits_before = false;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,5,b,1,TRUE", "+I 1,3,a,1,TRUE", "+I 1,3,b,1,TRUE"});
  EXPECT_EQ(harness.take().back(), "+U 1,{a=1, b=2}");
  harness.push({"-D 1,3,a,1,TRUE"});
  EXPECT_EQ(harness.take().back(), "+U 1,{b=2}");
}

TEST(GroupAggregate, idle_keys_are_forgotten_and_count_again_from_nothing) {
  GroupAggregateSpec spec = count_and_sum();
  spec.ttl_ms = 1000;
  spec.input_retracts = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10,a,1,TRUE"});
  harness.advance_to_wall_ms(999);
  harness.push({"+I 1,10,a,1,TRUE"});
  harness.restart();
  harness.advance_to_wall_ms(1998);
  harness.push({"+I 2,10,a,1,TRUE"});
  harness.advance_to_wall_ms(2500);
  harness.take();
  harness.push({"-D 1,10,a,1,TRUE", "+I 1,7,a,1,TRUE"});
  EXPECT_EQ(harness.take(), Lines{"+I 1,1,7"});
}

TEST(GroupAggregate, state_is_refused_when_a_call_is_new_and_read_when_one_is_gone) {
  GroupAggregateSpec spec = count_and_sum();
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10,a,1,TRUE"});
  const Snapshot state = harness.snapshot();

  GroupAggregateSpec fewer = spec;
  fewer.calls = {spec.calls[1]};
  SqlHarness same = harness_of(fewer);
  ASSERT_TRUE(same.open(state).ok());
  same.push({"+I 1,1,a,1,TRUE"});
  EXPECT_EQ(same.take(), (Lines{"-U 1,10", "+U 1,11"}));

  GroupAggregateSpec more = spec;
  more.calls.push_back(call(F::kMax, {1}, spec.input));
  const Status refused = harness_of(more).open(state);
  EXPECT_EQ(refused.id(), ErrorId::kSchemaMismatch) << refused.to_string();

  GroupAggregateSpec other = spec;
  other.keys = {2};
  const Status other_key = harness_of(other).open(state);
  EXPECT_FALSE(other_key.ok());
}

// SUM, MIN, AVG and MAX, by numbers as names: of v, so that they have one state, or of k and v with
// filters that all rows pass, so that each has its own.
std::vector<AggregateCall> four_calls(bool share) {
  std::vector<AggregateCall> calls;
  for (const F function : {F::kSum, F::kMin, F::kAvg, F::kMax}) {
    const size_t number = calls.size();
    AggregateCall& one = calls.emplace_back(call(function,
                                                 {share             ? 1
                                                  : number / 2 == 0 ? 1
                                                                    : 0},
                                                 input_type()));
    one.name = "call " + std::to_string(number);
    one.filter = share || number % 2 == 0 ? 4 : -1;
  }
  return calls;
}

TEST(GroupAggregate, state_that_calls_share_is_in_snapshots_that_of_each) {
  GroupAggregateSpec shared;
  shared.input = input_type();
  shared.keys = {0};
  shared.calls = four_calls(true);
  SqlHarness before = harness_of(shared);
  before.push({"+I 1,10,a,1,TRUE", "+I 1,-3,a,1,TRUE", "+I 2,NULL,a,1,TRUE"});
  const Snapshot state = before.snapshot();
  const std::vector<Lines> expected = {{"-U 1,7", "+U 1,12", "-U 2,NULL", "+U 2,4"},
                                       {"-U 2,NULL", "+U 2,4"},
                                       {"-U 1,3", "+U 1,4", "-U 2,NULL", "+U 2,4"},
                                       {"-U 2,NULL", "+U 2,4"}};
  for (size_t i = 0; i < shared.calls.size(); ++i) {
    GroupAggregateSpec alone = shared;
    alone.calls = {shared.calls[i]};
    SqlHarness after = harness_of(alone);
    ASSERT_TRUE(after.open(state).ok());
    after.push({"+I 1,5,a,1,TRUE", "+I 2,4,a,1,TRUE"});
    EXPECT_EQ(after.take(), expected[i]);
  }

  GroupAggregateSpec each = shared;
  each.calls = four_calls(false);
  SqlHarness own = harness_of(each);
  own.push({"+I 7,7,a,1,TRUE", "+I 7,7,a,1,TRUE", "+I 8,NULL,a,1,FALSE"});
  SqlHarness after = harness_of(shared);
  ASSERT_TRUE(after.open(own.snapshot()).ok());
  after.push({"+I 7,1,a,1,TRUE", "+I 8,NULL,a,1,TRUE"});
  EXPECT_EQ(after.take(), (Lines{"-U 7,14,7,7,7", "+U 7,15,1,5,7"}));
}

TEST(GroupAggregate, distinct_calls_of_the_same_arguments_share_their_values) {
  GroupAggregateSpec spec;
  spec.input = input_type();
  spec.keys = {0};
  AggregateCall all = call(F::kCount, {1}, spec.input);
  all.distinct = true;
  AggregateCall some = all;
  some.filter = 4;
  AggregateCall sum = call(F::kSum, {1}, spec.input);
  sum.distinct = true;
  spec.calls = {call(F::kCountStar, {}, spec.input), all, some, sum};
  spec.emits_before = false;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10,a,1,FALSE", "+I 1,10,a,1,TRUE", "+I 1,NULL,a,1,TRUE", "+I 1,20,a,1,NULL"});
  EXPECT_EQ(harness.take(),
            (Lines{"+I 1,1,1,0,10", "+U 1,2,1,1,10", "+U 1,3,1,1,10", "+U 1,4,2,1,30"}));
  const Snapshot state = harness.snapshot();

  // Other calls in another order find their own values.
  for (const bool backend : {false, true}) {
    GroupAggregateSpec fewer = spec;
    fewer.calls = {some, spec.calls[0], sum};
    SqlHarnessOptions options;
    options.backend = backend;
    SqlHarness after = harness_of(fewer, options);
    ASSERT_TRUE(after.open(state).ok());
    after.push({"+I 1,20,a,1,TRUE", "+I 1,10,a,1,TRUE"});
    EXPECT_EQ(after.take(), (Lines{"+U 1,2,5,30", "+U 1,2,6,30"})) << backend;
  }
  GroupAggregateSpec more = spec;
  more.calls.push_back(call(F::kAvg, {1}, spec.input));
  more.calls.back().distinct = true;
  EXPECT_EQ(harness_of(more).open(state).id(), ErrorId::kSchemaMismatch);
}

TEST(GroupAggregate, a_distinct_value_that_has_expired_counts_again) {
  GroupAggregateSpec spec;
  spec.input = input_type();
  spec.keys = {0};
  spec.ttl_ms = 1'000;
  spec.emits_before = false;
  AggregateCall distinct = call(F::kCount, {1}, spec.input);
  distinct.distinct = true;
  spec.calls = {call(F::kCountStar, {}, spec.input), distinct};
  for (const bool backend : {false, true}) {
    SqlHarnessOptions options;
    options.backend = backend;
    SqlHarness harness = harness_of(spec, options);
    harness.push({"+I 1,10,a,1,TRUE", "+I 1,20,a,1,TRUE"});
    harness.advance_to_wall_ms(600).push({"+I 1,10,a,1,TRUE"});
    harness.advance_to_wall_ms(1'500).push({"+I 1,10,a,1,TRUE", "+I 1,20,a,1,TRUE"});
    EXPECT_EQ(harness.take(), (Lines{"+I 1,1,1", "+U 1,2,2", "+U 1,3,2", "+U 1,4,2", "+U 1,5,3"}))
        << backend;
  }
}

// ---- Random changelogs against a model that computes everything anew.

struct Row {
  std::optional<int64_t> key;
  std::optional<int64_t> value;
  std::string text;
  bool flag = false;
  friend auto operator<=>(const Row&, const Row&) = default;

  std::string line(const char* kind) const {
    const auto number = [](const std::optional<int64_t>& n) {
      return n.has_value() ? std::to_string(*n) : std::string("NULL");
    };
    return std::string(kind) + " " + number(key) + "," + number(value) + "," + text + ",1," +
           (flag ? "TRUE" : "FALSE");
  }
};

Row random_row(Random& random, uint64_t values, bool has_one_key) {
  Row row;
  if (has_one_key) {
    row.key = 3;
  } else if (!random.chance(0.1)) {
    row.key = static_cast<int64_t>(random.below(6));
  }
  if (!random.chance(0.2)) { row.value = static_cast<int64_t>(random.below(values)) - 2; }
  row.text = std::string(1, static_cast<char>('a' + random.below(4)));
  row.flag = random.chance(0.5);
  return row;
}

// Keys, COUNT(*), SUM(v), COUNT(DISTINCT v), MIN(v), MAX(s) FILTER (f), SUM(DISTINCT v) FILTER (f),
// COUNT(DISTINCT s) FILTER (f), AVG(v), MAX(v).
Lines model(const std::multiset<Row>& rows) {
  std::map<std::optional<int64_t>, std::vector<Row>> by_key;
  for (const Row& row : rows) { by_key[row.key].push_back(row); }
  const auto text = [](bool is_there, int64_t n) {
    return is_there ? std::to_string(n) : std::string("NULL");
  };
  Lines lines;
  for (const auto& [key, group] : by_key) {
    int64_t sum = 0;
    int64_t count = 0;
    std::set<int64_t> values;
    std::set<int64_t> chosen;
    std::set<std::string> texts;
    std::string greatest;
    for (const Row& row : group) {
      if (row.value) {
        sum += *row.value;
        ++count;
        values.insert(*row.value);
        if (row.flag) { chosen.insert(*row.value); }
      }
      if (row.flag) {
        greatest = std::max(greatest, row.text);
        texts.insert(row.text);
      }
    }
    int64_t chosen_sum = 0;
    for (const int64_t value : chosen) { chosen_sum += value; }
    lines.push_back(text(key.has_value(), key.value_or(0)) + "," + std::to_string(group.size()) +
                    "," + text(!values.empty(), sum) + "," + std::to_string(values.size()) + "," +
                    text(!values.empty(), values.empty() ? 0 : *values.begin()) + "," +
                    (greatest.empty() ? "NULL" : greatest) + "," +
                    text(!chosen.empty(), chosen_sum) + "," + std::to_string(texts.size()) + "," +
                    text(count > 0, count > 0 ? sum / count : 0) + "," +
                    text(count > 0, values.empty() ? 0 : *values.rbegin()));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

GroupAggregateSpec random_spec(Random& random) {
  GroupAggregateSpec spec;
  spec.input = input_type();
  spec.keys = {0};
  AggregateCall distinct = call(F::kCount, {1}, spec.input);
  distinct.distinct = true;
  AggregateCall greatest = call(F::kMax, {2}, spec.input);
  greatest.filter = 4;
  AggregateCall chosen = call(F::kSum, {1}, spec.input);
  chosen.filter = 4;
  chosen.distinct = true;
  AggregateCall texts = call(F::kCount, {2}, spec.input);
  texts.filter = 4;
  texts.distinct = true;
  spec.calls = {call(F::kCountStar, {}, spec.input),
                call(F::kSum, {1}, spec.input),
                distinct,
                call(F::kMin, {1}, spec.input),
                greatest,
                chosen,
                texts,
                call(F::kAvg, {1}, spec.input),
                call(F::kMax, {1}, spec.input)};
  spec.input_retracts = random.chance(0.6);
  if (!spec.input_retracts && random.chance(0.3)) { spec.ttl_ms = 1'000'000'000; }
  spec.emits_before = random.chance(0.5);
  spec.mini_batch = random.chance(0.5);
  return spec;
}

void run_random(uint64_t seed) {
  Random random(seed);
  const GroupAggregateSpec spec = random_spec(random);
  const SqlHarnessOptions options = random_options(random, seed);
  SqlHarness harness = harness_of(spec, options);
  Changelog log(spec.emits_before ? 0 : 1);
  std::multiset<Row> rows;
  const uint64_t values = random.chance(0.5) ? 5 : 300;
  const bool has_one_key = random.chance(0.3);
  for (int round = 0; round < 12; ++round) {
    Lines lines;
    for (uint64_t i = random.below(30); i > 0; --i) {
      if (spec.input_retracts && !rows.empty() && random.chance(0.45)) {
        auto chosen = rows.begin();
        std::advance(chosen, static_cast<std::ptrdiff_t>(random.below(rows.size())));
        lines.push_back(chosen->line("-D"));
        rows.erase(chosen);
      } else {
        const Row row = random_row(random, values, has_one_key);
        lines.push_back(row.line("+I"));
        rows.insert(row);
      }
    }
    harness.push(lines);
    log.take(harness.take());
    ASSERT_EQ(log.rows(), model(rows)) << "round " << round;
    if (random.chance(0.3)) { harness.restart(); }
  }
}

TEST(GroupAggregate, random_changelogs_give_what_is_computed_anew) { for_seeds(160, run_random); }

TEST(GroupAggregate, state_moves_to_another_parallelism) {
  const GroupAggregateSpec spec = count_and_sum();
  SqlHarness before = harness_of(spec);
  Lines lines;
  for (int64_t key = 0; key < 50; ++key) {
    lines.push_back("+I " + std::to_string(key) + ",1,a,1,TRUE");
  }
  before.push(lines);
  const Snapshot state = before.snapshot();
  Lines all;
  for (int32_t subtask = 0; subtask < 3; ++subtask) {
    SqlHarnessOptions options;
    options.subtask = subtask;
    options.parallelism = 3;
    options.backend = subtask == 1;
    SqlHarness after = harness_of(spec, options);
    ASSERT_TRUE(after.open(state).ok());
    for (int64_t key = 0; key < 50; ++key) {
      const int32_t group = key_group_of(hash32(IntKey(key)), 128);
      if (subtask_of(group, 3, 128) != subtask) { continue; }
      after.push({"+I " + std::to_string(key) + ",1,a,1,TRUE"});
      EXPECT_EQ(after.take().back(), "+U " + std::to_string(key) + ",2,2");
      all.push_back(std::to_string(key));
    }
  }
  EXPECT_EQ(all.size(), 50U);
}

}  // namespace
}  // namespace tidewheel::sql
