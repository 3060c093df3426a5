#include "tidewheel/sql/stream_join.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/operator_testing.h"
#include "tidewheel/state/key_group.h"
#include "tidewheel/state/key_hash.h"

namespace tidewheel::sql {
namespace {

using testing::bigint;
using testing::Changelog;
using testing::columns;
using testing::for_seeds;
using testing::less_filter;
using testing::Lines;
using testing::must_make;
using testing::random_options;
using testing::SqlHarness;
using testing::SqlHarnessOptions;
using Kind = StreamJoinKind;

// left.v < right.v; it is asked of rows with the same key, and looks at those of one side or both.
class LessFilter final : public PairFilter {
 public:
  explicit LessFilter(int keys) : keys_(keys) {}
  bool uses(size_t column) const override {
    return column % 2 == 1 || (keys_ & (column == 0 ? 1 : 2)) != 0;
  }
  void evaluate(std::span<const ColumnView> columns, uint32_t count, uint8_t* keeps) override {
    for (uint32_t i = 0; i < count; ++i) {
      if (keys_ == 3) { EXPECT_EQ(columns[0].at<int64_t>(i), columns[2].at<int64_t>(i)); }
      keeps[i] = !columns[1].is_null(i) && !columns[3].is_null(i) &&
                         columns[1].at<int64_t>(i) < columns[3].at<int64_t>(i)
                     ? 1
                     : 0;
    }
  }

 private:
  const int keys_;  // by bits: of the left side, of the right side
};

StreamJoinSpec spec_of(Kind kind) {
  StreamJoinSpec spec;
  spec.kind = kind;
  spec.left = columns({{"k", bigint()}, {"v", bigint()}});
  spec.right = columns({{"k", bigint()}, {"v", bigint()}});
  spec.left_keys = {0};
  spec.right_keys = {0};
  return spec;
}

SqlHarness harness_of(const StreamJoinSpec& spec, bool filter = false,
                      SqlHarnessOptions options = {}, int filter_keys = 3) {
  return SqlHarness(
      [spec, filter, filter_keys] {
        return must_make(
            make_stream_join(spec, filter ? std::make_unique<LessFilter>(filter_keys) : nullptr));
      },
      {spec.left, spec.right}, stream_join_output(spec), options);
}

TEST(StreamJoin, rows_meet_what_the_other_side_has_by_then) {
  SqlHarness harness = harness_of(spec_of(Kind::kInner));
  harness.push({"+I 1,10", "+I 2,20", "+I NULL,5"}, 0).push({"+I 1,7", "+I NULL,1", "+I 3,1"}, 1);
  EXPECT_EQ(harness.take(), Lines{"+I 1,10,1,7"});
  harness.push({"+I 1,11", "+I 3,30"}, 0);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,11,1,7", "+I 3,30,3,1"}));
}

TEST(StreamJoin, a_row_without_a_match_comes_with_nulls_until_there_is_one) {
  StreamJoinSpec spec = spec_of(Kind::kLeft);
  spec.right_retracts = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10", "+I NULL,3"}, 0);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,10,NULL,NULL", "+I NULL,3,NULL,NULL"}));
  harness.push({"+I 1,5"}, 1);
  EXPECT_EQ(harness.take(), (Lines{"-D 1,10,NULL,NULL", "+I 1,10,1,5"}));
  harness.push({"+I 1,6", "-D 1,5", "-D 1,6"}, 1);
  EXPECT_EQ(harness.take(),
            (Lines{"+I 1,10,1,6", "-D 1,10,1,5", "-D 1,10,1,6", "+I 1,10,NULL,NULL"}));
}

TEST(StreamJoin, updates_stay_updates_in_an_inner_join) {
  StreamJoinSpec spec = spec_of(Kind::kInner);
  spec.left_retracts = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,5"}, 1).push({"+I 1,1", "-U 1,1", "+U 1,2"}, 0);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,1,1,5", "-U 1,1,1,5", "+U 1,2,1,5"}));
}

TEST(StreamJoin, a_row_of_a_unique_side_takes_the_place_of_the_one_before) {
  StreamJoinSpec spec = spec_of(Kind::kInner);
  spec.right_is_unique = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,1", "+I 1,2"}, 0).push({"+I 1,5"}, 1).take();
  harness.restart().push({"+U 1,6"}, 1);
  Lines lines = harness.take();
  EXPECT_EQ(lines, (Lines{"-U 1,1,1,5", "-U 1,2,1,5", "+U 1,1,1,6", "+U 1,2,1,6"}));
}

TEST(StreamJoin, a_mark_says_whether_there_is_a_match) {
  StreamJoinSpec spec = spec_of(Kind::kMark);
  spec.right_retracts = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,10", "+I NULL,3"}, 0).push({"+I 1,5", "+I 1,6"}, 1).push({"-D 1,5"}, 1);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,10,0", "+I NULL,3,0", "-D 1,10,0", "+I 1,10,1"}));
  harness.restart().push({"-D 1,6"}, 1);
  EXPECT_EQ(harness.take(), (Lines{"-D 1,10,1", "+I 1,10,0"}));
}

TEST(StreamJoin, nulls_match_when_they_are_asked_to) {
  StreamJoinSpec spec = spec_of(Kind::kSemi);
  spec.nulls_match = true;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I NULL,1"}, 0).push({"+I NULL,2"}, 1);
  EXPECT_EQ(harness.take(), Lines{"+I NULL,1"});
}

TEST(StreamJoin, columns_that_nobody_reads_are_zeros_and_the_others_are_as_ever) {
  StreamJoinSpec spec = spec_of(Kind::kInner);
  spec.left.add("s", LogicalType::string());
  for (const bool reads_key : {false, true}) {
    // Of the left side, then of the right one.
    spec.is_read = {false, true, false, reads_key, true};
    for (const bool filters : {false, true}) {
      SqlHarness harness(
          [&] { return must_make(make_stream_join(spec, filters ? less_filter(1, 4) : nullptr)); },
          {spec.left, spec.right}, stream_join_output(spec));
      // The key of a row that is met comes from the one that meets it.
      harness.push({"+I 1,6,ab", "+I 2,6,cd"}, 0).push({"+I 1,7", "+I 1,8"}, 1);
      EXPECT_EQ(harness.take(), reads_key ? (Lines{"+I 1,6,,1,7", "+I 1,6,,1,8"})
                                          : (Lines{"+I 0,6,,0,7", "+I 0,6,,0,8"}));
      harness.push({"+I 1,5,ef"}, 0);
      EXPECT_EQ(harness.take(), reads_key ? (Lines{"+I 1,5,,1,7", "+I 1,5,,1,8"})
                                          : (Lines{"+I 0,5,,0,7", "+I 0,5,,0,8"}));
    }
  }
}

TEST(StreamJoin, rows_of_keys_that_take_turns_are_kept_whether_keys_come_again_or_not) {
  for (const bool strings : {false, true}) {
    StreamJoinSpec spec = spec_of(Kind::kInner);
    spec.right.add("s", strings ? LogicalType::string() : bigint());
    SqlHarness harness = harness_of(spec);
    Lines expected;
    const auto push = [&](int key, int value) {
      const std::string row = std::to_string(key) + "," + std::to_string(value) + ",7";
      if (key == 1) { expected.push_back("+I 1,0," + row); }
      return "+I " + row;
    };
    // Equal keys are looked for again after some batches in which there were none.
    for (int batch = 0; batch < 80; ++batch) {
      if (batch == 0) {
        harness.push({push(9, 0)}, 1);
      } else {
        harness.push({push(1, batch), push(2, 0), push(1, batch), push(2, 0), push(1, -1)}, 1);
      }
    }
    harness.push({"+I 1,0"}, 0);
    EXPECT_EQ(harness.take(), expected);
  }
}

TEST(StreamJoin, each_side_has_its_own_ttl) {
  StreamJoinSpec spec = spec_of(Kind::kInner);
  spec.left_ttl_ms = 1000;
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,1"}, 0).push({"+I 2,2"}, 1);
  harness.advance_to_wall_ms(1000).push({"+I 1,3"}, 1).push({"+I 2,4"}, 0);
  EXPECT_EQ(harness.take(), Lines{"+I 2,4,2,2"});
}

TEST(StreamJoin, state_of_other_rows_is_refused) {
  StreamJoinSpec spec = spec_of(Kind::kInner);
  SqlHarness harness = harness_of(spec);
  harness.push({"+I 1,1"}, 0);
  const testing::Snapshot state = harness.snapshot();
  spec.right = columns({{"k", bigint()}, {"v", LogicalType::string()}});
  EXPECT_EQ(harness_of(spec).open(state).id(), ErrorId::kSchemaMismatch);
}

// ---- Rows that wait: left ones, for right ones that come until the watermark is 10 past their v.

StreamJoinSpec waiting_spec() {
  StreamJoinSpec spec = spec_of(Kind::kInner);
  spec.waits = WaitingSpec{.side = 0, .key = 0, .time = 1, .after_ms = 10};
  return spec;
}

TEST(StreamJoin, rows_wait_until_nothing_to_come_can_match_them) {
  SqlHarness harness = harness_of(waiting_spec());
  harness.push({"+I 1,10", "+I 2,10", "+I NULL,10", "+I 1,NULL"}, 0).push({"+I 1,12"}, 0);
  harness.push({"+I 1,7", "+I 1,8", "+I 3,7", "+I NULL,7"}, 1);
  EXPECT_EQ(harness.take(), (Lines{"+I 1,10,1,7", "+I 1,10,1,8", "+I 1,12,1,7", "+I 1,12,1,8"}));
  // That of the side that waits says nothing of what the other has to come.
  harness.input_watermark(0, 100).input_watermark(1, 19).push({"+I 2,9"}, 1);
  EXPECT_EQ(harness.take(), Lines{"+I 2,10,2,9"});
  harness.input_watermark(1, 21).push({"+I 2,9", "+I 1,9"}, 1);
  EXPECT_EQ(harness.take(), Lines{"+I 1,12,1,9"});
  // A late row meets what is there, and waits no more.
  harness.push({"+I 2,5"}, 0);
  EXPECT_EQ(harness.take(), (Lines{"+I 2,5,2,9", "+I 2,5,2,9"}));
  harness.push({"+I 2,99"}, 1);
  EXPECT_EQ(harness.take(), Lines{});
}

TEST(StreamJoin, rows_that_wait_outlive_a_restart) {
  for (const bool incremental : {false, true}) {
    SqlHarnessOptions options;
    options.incremental = incremental;
    SqlHarness harness = harness_of(waiting_spec(), false, options);
    harness.push({"+I 1,10", "+I 2,10"}, 0).restart();
    harness.push({"+I 1,11"}, 0).restart().push({"+I 1,7"}, 1);
    EXPECT_EQ(harness.take(), (Lines{"+I 1,10,1,7", "+I 1,11,1,7"}));
    harness.input_watermark(1, 20).restart().push({"+I 1,8", "+I 2,8"}, 1);
    EXPECT_EQ(harness.take(), Lines{"+I 1,11,1,8"});
  }
}

// A backend keeps all rows by their keys, and so does a query of which nobody knows that they wait.
TEST(StreamJoin, rows_that_waited_are_kept_by_their_keys_elsewhere) {
  SqlHarness harness = harness_of(waiting_spec());
  harness.push({"+I 1,10", "+I 2,10"}, 0);
  const testing::Snapshot state = harness.snapshot();
  for (const bool on_backend : {false, true}) {
    SqlHarnessOptions options;
    options.backend = on_backend;
    SqlHarness other =
        harness_of(on_backend ? waiting_spec() : spec_of(Kind::kInner), false, options);
    ASSERT_TRUE(other.open(state).ok());
    other.restart().input_watermark(1, 1000).push({"+I 1,7"}, 1);
    EXPECT_EQ(other.take(), Lines{"+I 1,10,1,7"});
  }
  StreamJoinSpec retracts = spec_of(Kind::kInner);
  retracts.left_retracts = true;
  EXPECT_FALSE(harness_of(retracts).open(state).ok());
}

TEST(StreamJoin, rows_that_wait_go_to_the_subtasks_of_their_keys) {
  SqlHarness harness = harness_of(waiting_spec());
  constexpr int32_t kMaxParallelism = 128;  // of the harness
  Lines left;
  Lines expected;
  for (int64_t key = 0; key < 40; ++key) {
    left.push_back("+I " + std::to_string(key) + ",1");
    expected.push_back("+I " + std::to_string(key) + ",1," + std::to_string(key) + ",2");
  }
  harness.push(left, 0);
  const testing::Snapshot state = harness.snapshot();
  Lines all;
  for (const int32_t subtask : {0, 1}) {
    SqlHarnessOptions options;
    options.subtask = subtask;
    options.parallelism = 2;
    const KeyGroupRange own = key_groups_of(subtask, options.parallelism, kMaxParallelism);
    Lines right;
    for (int64_t key = 0; key < 40; ++key) {
      if (!own.contains(key_hash(IntKey(key), kMaxParallelism).group)) { continue; }
      right.push_back("+I " + std::to_string(key) + ",2");
    }
    SqlHarness part = harness_of(waiting_spec(), false, options);
    ASSERT_TRUE(part.open(state).ok());
    part.push(right, 1);
    const Lines lines = part.take();
    EXPECT_EQ(lines.size(), right.size());
    all.insert(all.end(), lines.begin(), lines.end());
  }
  std::sort(all.begin(), all.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(all, expected);
}

// ---- Against all pairs, computed anew.

using Pair = std::pair<int64_t, int64_t>;  // key (negative: NULL) and value

std::string text(const Pair& row) {
  return (row.first < 0 ? std::string("NULL") : std::to_string(row.first)) + "," +
         std::to_string(row.second);
}

Lines model(Kind kind, bool filter, const std::multiset<Pair>& left,
            const std::multiset<Pair>& right) {
  Lines rows;
  std::multiset<Pair> unmatched_right = right;
  const auto fits = [&](const Pair& a, const Pair& b) {
    return a.first >= 0 && a.first == b.first && (!filter || a.second < b.second);
  };
  for (const Pair& a : left) {
    bool found = false;
    for (const Pair& b : right) {
      if (!fits(a, b)) { continue; }
      found = true;
      if (kind != Kind::kSemi && kind != Kind::kAnti && kind != Kind::kMark) {
        rows.push_back(text(a) + "," + text(b));
      }
    }
    if (kind == Kind::kMark) { rows.push_back(text(a) + (found ? ",1" : ",0")); }
    if ((kind == Kind::kSemi && found) || (kind == Kind::kAnti && !found)) {
      rows.push_back(text(a));
    }
    if ((kind == Kind::kLeft || kind == Kind::kFull) && !found) {
      rows.push_back(text(a) + ",NULL,NULL");
    }
  }
  if (kind == Kind::kRight || kind == Kind::kFull) {
    for (const Pair& b : right) {
      if (std::none_of(left.begin(), left.end(), [&](const Pair& a) { return fits(a, b); })) {
        rows.push_back("NULL,NULL," + text(b));
      }
    }
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

void run_random(uint64_t seed, bool waits) {
  Random random(seed);
  StreamJoinSpec spec = spec_of(waits ? Kind::kInner : static_cast<Kind>(random.below(7)));
  const bool filter = random.chance(0.5);
  const bool retracts[2] = {!waits && random.chance(0.6), !waits && random.chance(0.6)};
  const bool unique[2] = {!waits && random.chance(0.3), !waits && random.chance(0.3)};
  spec.left_is_unique = unique[0];
  spec.right_is_unique = unique[1];
  spec.left_retracts = retracts[0];
  spec.right_retracts = retracts[1];
  const SqlHarnessOptions options = random_options(random, seed);
  if (waits) {
    spec.waits = WaitingSpec{.side = random.below(2), .key = 0, .time = 1, .after_ms = 9};
  }
  SqlHarness harness = harness_of(spec, filter, options, static_cast<int>(random.below(4)));
  Changelog log;
  std::multiset<Pair> rows[2];
  for (int round = 0; round < 16; ++round) {
    const auto input = static_cast<int32_t>(random.below(2));
    std::multiset<Pair>& side = rows[input];
    Lines lines;
    for (uint64_t i = random.below(12); i > 0; --i) {
      if (retracts[input] && !side.empty() && random.chance(0.4)) {
        auto chosen = side.begin();
        std::advance(chosen, static_cast<std::ptrdiff_t>(random.below(side.size())));
        // Rows without a key are not kept, so that nobody knows whether they were there.
        if (unique[input] && chosen->first < 0) { continue; }
        lines.push_back("-D " + text(*chosen));
        side.erase(chosen);
        continue;
      }
      Pair row{static_cast<int64_t>(random.below(5)) - 1, static_cast<int64_t>(random.below(4))};
      if (random.chance(0.1)) { row.second = random.chance(0.5) ? -row.second : INT64_MAX; }
      if (unique[input] && row.first >= 0) {
        const auto same = std::find_if(side.begin(), side.end(),
                                       [&](const Pair& one) { return one.first == row.first; });
        if (same != side.end()) { side.erase(same); }
      }
      lines.push_back("+I " + text(row));
      side.insert(row);
    }
    harness.push(lines, input);
    log.take(harness.take());
    ASSERT_EQ(log.rows(), model(spec.kind, filter, rows[0], rows[1])) << "round " << round;
    if (random.chance(0.25)) { harness.restart(); }
  }
}

TEST(StreamJoin, random_changelogs_give_what_all_pairs_give) {
  for_seeds(300, [](uint64_t seed) { run_random(seed, false); });
}
TEST(StreamJoin, rows_that_wait_give_what_all_pairs_give) {
  for_seeds(200, [](uint64_t seed) { run_random(seed, true); });
}

}  // namespace
}  // namespace tidewheel::sql
