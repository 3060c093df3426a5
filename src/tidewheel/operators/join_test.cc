// Interval joins, window joins and co_group, against plain loops over all rows.
#include "tidewheel/operators/join.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tidewheel/operators/co_group.h"
#include "tidewheel/operators/window_testing.h"

namespace tidewheel {
namespace {

using window_testing::Harness;
using window_testing::Timed;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

struct Left {
  int64_t key = 0;
  Text name;
};
struct Right {
  int64_t key = 0;
  int64_t id = 0;
};
struct Pair {
  Text name;
  int64_t id = 0;
  friend bool operator==(const Pair& a, const Pair& b) { return a.name == b.name && a.id == b.id; }
};
using Pairs = std::vector<std::tuple<int64_t, std::string, int64_t>>;  // time, name, id

const auto kPair = [](const Left& left, const Right& right) { return Pair{left.name, right.id}; };
using PairUp = std::remove_const_t<decltype(kPair)>;
using LeftKey = int64_t Left::*;
using RightKey = int64_t Right::*;

Pairs sorted(Pairs pairs) {
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}
Pairs take(Harness& harness) {
  Pairs out;
  for (const auto& one : harness.take<Pair>()) {
    out.emplace_back(one.time, one.row.name.str(), one.row.id);
  }
  return sorted(out);
}
std::string name_of(int64_t number) { return "the left row of number " + std::to_string(number); }

// With rows in memory, and in a backend behind small caches and large ones.
class interval_join : public window_testing::OnEachBackend {};
class window_join : public window_testing::OnEachBackend {};
class co_group : public window_testing::OnEachBackend {};
INSTANTIATE_TEST_SUITE_P(backends, interval_join, ::testing::Values(0, 1, 3000, 1 << 20));
INSTANTIATE_TEST_SUITE_P(backends, window_join, ::testing::Values(0, 1, 3000, 1 << 20));
INSTANTIATE_TEST_SUITE_P(backends, co_group, ::testing::Values(0, 1, 3000, 1 << 20));

std::unique_ptr<Operator> interval(int64_t lower, int64_t upper,
                                   IntervalJoinOptions<Left, Right> options = {},
                                   std::shared_ptr<const NodeLinks> links = nullptr) {
  const auto bounds = make_interval(lower, upper, options.lower_exclusive, options.upper_exclusive);
  return std::make_unique<IntervalJoinOperator<int64_t, Left, Right, LeftKey, RightKey, PairUp>>(
      bounds.value(), &Left::key, &Right::key, kPair, options, std::move(links));
}

TEST_P(interval_join, bounds_are_inclusive_unless_said_otherwise) {
  Harness inclusive(interval(-2, 3));
  Harness exclusive(interval(-2, 3, {.lower_exclusive = true, .upper_exclusive = true}));
  for (Harness* harness : {&inclusive, &exclusive}) {
    harness->push(Left{1, "L"}, 10, 0);
    for (int64_t time = 6; time <= 15; ++time) { harness->push(Right{1, time}, time, 1); }
    harness->push(Right{2, 10}, 10, 1);
  }
  EXPECT_EQ(
      take(inclusive),
      (Pairs{
          {10, "L", 8}, {10, "L", 9}, {10, "L", 10}, {11, "L", 11}, {12, "L", 12}, {13, "L", 13}}));
  EXPECT_EQ(take(exclusive), (Pairs{{10, "L", 9}, {10, "L", 10}, {11, "L", 11}, {12, "L", 12}}));
}

TEST_P(interval_join, late_rows_are_dropped_or_go_to_the_side_of_their_input) {
  const OutputTag<Left> late_left("left");
  auto links = std::make_shared<NodeLinks>();
  ASSERT_TRUE(links->listen_to(late_left).ok());
  Harness harness(interval(0, 10, {.late_left = late_left}, links));
  harness.watermark(20);
  harness.push(Left{1, "late"}, 19, 0);
  harness.push(Left{1, "in time"}, 20, 0);
  harness.push(Right{1, 1}, 19, 1);
  harness.push(Right{1, 2}, 20, 1);
  EXPECT_EQ(take(harness), (Pairs{{20, "in time", 2}}));
  const auto late = harness.take<Left>(1);
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(late[0].row.name, "late");
  EXPECT_EQ(harness.late_dropped(), 1);
}

TEST_P(interval_join, nothing_wraps_at_the_borders_of_time) {
  Harness harness(interval(-5, kMax));
  harness.push(Left{1, "L"}, kMax - 1, 0);
  harness.push(Left{1, "first"}, -kMax, 0);
  harness.push(Right{1, 1}, kMax, 1);
  harness.push(Right{1, 2}, -kMax, 1);
  EXPECT_EQ(take(harness), (Pairs{{-kMax, "first", 2}, {kMax, "L", 1}}));
}

TEST_P(interval_join, no_interval_without_a_time) {
  EXPECT_EQ(make_interval(5, 4, false, false).status().id(), ErrorId::kWindowOption);
  EXPECT_EQ(make_interval(5, 5, true, false).status().id(), ErrorId::kWindowOption);
  EXPECT_TRUE(make_interval(5, 5, false, false).ok());
}

struct Row {
  bool left;
  int64_t key;
  int64_t time;
  int64_t id;
};
// Random rows of both inputs, none late, with watermarks between them.
struct Script {
  struct Step {
    Row row;
    int64_t watermark_after;  // 0: none
  };
  std::vector<Step> steps;
};
Script make_script(uint64_t seed, int64_t disorder) {
  Script script;
  Random random(seed);
  int64_t newest = -200;
  int64_t watermark = kMinWatermark;
  for (int64_t i = 0; i < 300; ++i) {
    newest += static_cast<int64_t>(random.below(6));
    int64_t time = newest - static_cast<int64_t>(random.below(static_cast<uint64_t>(disorder + 1)));
    if (watermark != kMinWatermark) { time = std::max(time, watermark + 1); }
    Script::Step step{{random.below(2) == 0, static_cast<int64_t>(random.below(4)), time, i}, 0};
    if (random.below(5) == 0 && newest - disorder > watermark && newest - disorder != 0) {
      watermark = newest - disorder;
      step.watermark_after = watermark;
    }
    script.steps.push_back(step);
  }
  return script;
}
// Plays the script into operators of `make`, with a snapshot and a restore to two subtasks in the
// middle.
template <class Make>
Pairs play(const Script& script, double refusal, Make make) {
  std::vector<std::unique_ptr<Harness>> subtasks;
  subtasks.push_back(std::make_unique<Harness>(make(), window_testing::Options{0, 1, 4, refusal}));
  Pairs out;
  const auto take_all = [&] {
    for (auto& subtask : subtasks) {
      for (auto& pair : take(*subtask)) { out.push_back(pair); }
    }
  };
  for (size_t i = 0; i < script.steps.size(); ++i) {
    if (i == script.steps.size() / 2) {
      take_all();
      MemorySnapshot snapshot;
      // What follows comes here too, after the barrier, to no effect.
      size_t next = i;
      subtasks[0]->snapshot_into(snapshot, [&] {
        if (next == script.steps.size()) { return; }
        const Script::Step& step = script.steps[next++];
        const std::string name = name_of(step.row.id);
        if (step.row.left) {
          subtasks[0]->push(Left{step.row.key, Text(name)}, step.row.time, 0);
        } else {
          subtasks[0]->push(Right{step.row.key, step.row.id}, step.row.time, 1);
        }
        if (step.watermark_after != 0) { subtasks[0]->watermark(step.watermark_after); }
      });
      subtasks.clear();
      for (int32_t j = 0; j < 2; ++j) {
        subtasks.push_back(std::make_unique<Harness>(
            make(), window_testing::Options{j, 2, 4, refusal}, &snapshot));
        EXPECT_TRUE(subtasks.back()->opened.ok()) << subtasks.back()->opened.to_string();
      }
    }
    const Row& row = script.steps[i].row;
    const auto index = static_cast<size_t>(
        subtask_of(key_hash(row.key, 128).group, static_cast<int32_t>(subtasks.size()), 128));
    if (row.left) {
      const std::string name = name_of(row.id);
      subtasks[index]->push(Left{row.key, Text(name)}, row.time, 0);
    } else {
      subtasks[index]->push(Right{row.key, row.id}, row.time, 1);
    }
    if (script.steps[i].watermark_after != 0) {
      for (auto& subtask : subtasks) { subtask->watermark(script.steps[i].watermark_after); }
    }
  }
  for (auto& subtask : subtasks) { subtask->end_of_input(2); }
  take_all();
  return sorted(out);
}
template <class Meets>
Pairs expected(const Script& script, Meets meets) {
  Pairs out;
  for (const auto& left : script.steps) {
    for (const auto& right : script.steps) {
      if (!left.row.left || right.row.left || left.row.key != right.row.key) { continue; }
      for (const int64_t time : meets(left.row.time, right.row.time)) {
        out.emplace_back(time, name_of(left.row.id), right.row.id);
      }
    }
  }
  return sorted(out);
}

// What a store has of an operator: what is written whole replaces what was there of the same state
// and subtask, changes go on top.
class Layers {
 public:
  void add(const std::vector<SnapshotSegmentRef>& segments) {
    for (const SnapshotSegmentRef& segment : segments) {
      if (segment->content == StateContent::kAll) {
        std::erase_if(layers_, [&](const SnapshotSegmentRef& old) {
          return old->meta.name == segment->meta.name && old->subtask == segment->subtask;
        });
      }
      layers_.push_back(segment);
    }
  }
  MemorySnapshot snapshot() const {
    MemorySnapshot snapshot;
    snapshot.add(layers_);
    return snapshot;
  }

 private:
  std::vector<SnapshotSegmentRef> layers_;
};

// Plays a script with a checkpoint now and then, most of them of changes, some of them aborted; and
// goes back to the last one that was completed, at another parallelism. What was given before its
// barrier stays given.
template <class Make>
class Checkpoints {
 public:
  Checkpoints(const Script& script, uint64_t seed, Make make)
      : script_(script), random_(seed), make_(std::move(make)) {}

  Pairs play() {
    go_back();
    for (int goes_back = 0; at_ < script_.steps.size();) {
      feed(script_.steps[at_++]);
      if (begun_ != 0) {
        write();
      } else if (random_.below(6) == 0) {
        begin();
      }
      if (goes_back < 6 && random_.below(60) == 0) {
        ++goes_back;
        go_back();
      }
    }
    for (auto& subtask : subtasks_) { subtask->end_of_input(2); }
    take_all();
    return sorted(given_);
  }
  uint64_t layers() const { return layers_; }

 private:
  void feed(const Script::Step& step) {
    const auto parallelism = static_cast<int32_t>(subtasks_.size());
    const auto index =
        static_cast<size_t>(subtask_of(key_hash(step.row.key, 128).group, parallelism, 128));
    if (step.row.left) {
      const std::string name = name_of(step.row.id);
      subtasks_[index]->push(Left{step.row.key, Text(name)}, step.row.time, 0);
    } else {
      subtasks_[index]->push(Right{step.row.key, step.row.id}, step.row.time, 1);
    }
    if (step.watermark_after != 0) {
      for (auto& subtask : subtasks_) { subtask->watermark(step.watermark_after); }
    }
  }
  void take_all() {
    for (auto& subtask : subtasks_) {
      for (auto& pair : take(*subtask)) { given_.push_back(pair); }
    }
  }
  void begin() {
    take_all();
    given_at_barrier_ = given_;
    at_barrier_ = at_;
    begun_ = ++number_;
    written_.assign(subtasks_.size(), false);
    for (auto& subtask : subtasks_) { subtask->begin_snapshot({begun_, completed_}); }
  }
  void write() {
    if (random_.below(40) == 0) {
      for (auto& subtask : subtasks_) { subtask->abort_snapshot(); }
      begun_ = completed_ = 0;  // the next one is of everything
      return;
    }
    for (size_t i = 0; i < subtasks_.size(); ++i) {
      if (!written_[i]) { written_[i] = subtasks_[i]->write_snapshot(); }
    }
    if (std::count(written_.begin(), written_.end(), false) > 0) { return; }
    if (completed_ == 0) { stored_ = {}; }
    for (auto& subtask : subtasks_) {
      const std::vector<SnapshotSegmentRef> segments = subtask->take_snapshot();
      for (const auto& segment : segments) {
        layers_ += segment->content == StateContent::kChanges ? 1 : 0;
      }
      stored_.add(segments);
    }
    completed_ = std::exchange(begun_, 0);
    given_to_go_back_to_ = given_at_barrier_;
    at_to_go_back_to_ = at_barrier_;
  }
  void go_back() {
    subtasks_.clear();
    const MemorySnapshot snapshot = stored_.snapshot();
    const auto parallelism = 1 + static_cast<int32_t>(random_.below(3));
    const double refusal = random_.below(2) == 0 ? 0 : 0.3;
    // A snapshot is read by each backend.
    const int64_t cache = changes_backend_ && random_.below(3) == 0
                              ? static_cast<int64_t>(random_.below(2) * 2000)
                              : window_testing::default_backend_cache_bytes();
    for (int32_t i = 0; i < parallelism; ++i) {
      subtasks_.push_back(std::make_unique<Harness>(
          make_(),
          window_testing::Options{i, parallelism, 4, refusal, MemoryPool::kUnlimited, true, cache},
          at_to_go_back_to_ == 0 ? nullptr : &snapshot));
      EXPECT_TRUE(subtasks_.back()->opened.ok()) << subtasks_.back()->opened.to_string();
    }
    at_ = at_to_go_back_to_;
    given_ = given_to_go_back_to_;
    begun_ = completed_ = 0;
  }

  const Script& script_;
  Random random_;
  Make make_;
  static constexpr bool changes_backend_ = true;
  std::vector<std::unique_ptr<Harness>> subtasks_;
  size_t at_ = 0;
  Pairs given_;
  int64_t number_ = 0;
  int64_t begun_ = 0;      // the checkpoint that is being written
  int64_t completed_ = 0;  // the last one, since the last start
  std::vector<bool> written_;
  Layers stored_;
  uint64_t layers_ = 0;  // of changes
  size_t at_barrier_ = 0;
  Pairs given_at_barrier_;
  size_t at_to_go_back_to_ = 0;
  Pairs given_to_go_back_to_;
};

Pairs expected_in_interval(const Script& script, int64_t lower, int64_t upper) {
  return expected(script, [&](int64_t left, int64_t right) {
    return right - left >= lower && right - left <= upper
               ? std::vector<int64_t>{std::max(left, right)}
               : std::vector<int64_t>{};
  });
}

TEST_P(interval_join, goes_on_from_any_checkpoint_of_changes) {
  uint64_t layers = 0;
  for (const auto& [lower, upper] :
       {std::pair<int64_t, int64_t>{-10, 10}, {0, 300}, {-300, -20}, {1000, 1500}}) {
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      const Script script = make_script(seed, seed % 2 == 0 ? 40 : 0);
      Checkpoints checkpoints(script, seed,
                              [&, lower = lower, upper = upper] { return interval(lower, upper); });
      EXPECT_EQ(checkpoints.play(), expected_in_interval(script, lower, upper))
          << "bounds " << lower << " " << upper << ", seed " << seed;
      layers += checkpoints.layers();
    }
  }
  if (GetParam() == 0) { EXPECT_GT(layers, 200U); }
}

// What a snapshot has of one state.
uint64_t entries_of(const std::vector<SnapshotSegmentRef>& segments, std::string_view state) {
  uint64_t count = 0;
  for (const auto& segment : segments) {
    if (segment->meta.name == state) { count += segment->entries; }
  }
  return count;
}
std::vector<SnapshotSegmentRef> checkpoint(Harness& harness, const SnapshotStart& start) {
  harness.begin_snapshot(start);
  while (!harness.write_snapshot()) {}
  return harness.take_snapshot();
}
// Four checkpoints: of 2,000 left rows of 100 keys, of 100 more of the same keys, of none; and of
// 100 after those of the first were dropped.
template <class Make>
void check_what_checkpoints_have(Make make, int64_t late_time) {
  Harness harness(make(), {.incremental = true});
  const auto push = [&](int64_t count, int64_t time) {
    std::vector<Timed<Left>> rows;
    for (int64_t i = 0; i < count; ++i) { rows.push_back({Left{i % 100, "name"}, time}); }
    harness.push(rows, 0);
  };
  push(2000, 1);
  Layers layers;
  const auto first = checkpoint(harness, {1, 0});
  EXPECT_EQ(entries_of(first, "left"), 2000U);
  layers.add(first);
  push(100, 1);
  const auto second = checkpoint(harness, {2, 1});
  EXPECT_GE(entries_of(second, "left"), 100U);
  EXPECT_LT(entries_of(second, "left"), 500U) << "a sixteenth of the groups is written whole";
  layers.add(second);
  const auto third = checkpoint(harness, {3, 2});
  EXPECT_LT(entries_of(third, "left"), 400U);
  layers.add(third);
  harness.watermark(late_time - 1);
  push(100, late_time);
  const auto fourth = checkpoint(harness, {4, 3});
  EXPECT_EQ(entries_of(fourth, "left"), 100U);
  layers.add(fourth);
  const MemorySnapshot snapshot = layers.snapshot();
  Harness restored(make(), {.incremental = true}, &snapshot);
  EXPECT_EQ(entries_of(checkpoint(restored, {5, 0}), "left"), 100U) << "dropped rows are back";
}

TEST(interval_join_in_memory, checkpoints_of_changes_have_what_was_added) {
  check_what_checkpoints_have([] { return interval(-10, 10); }, 1000);
}

void push_many(Harness& harness, int64_t count, int64_t time) {
  const std::string name(100, 'n');
  std::vector<Timed<Left>> rows;
  for (int64_t i = 0; i < count; ++i) { rows.push_back({Left{i % 1000, Text(name)}, time}); }
  harness.push(rows, 0);
}

TEST(stored_join, what_is_dropped_leaves_the_backend) {
  window_testing::Options options;
  options.backend_cache_bytes = 1;
  Harness harness(interval(-10, 10), options);
  push_many(harness, 100, 1);
  push_many(harness, 100, 1000);
  EXPECT_EQ(harness.context.backend_->size(0), 200U);
  harness.watermark(500);
  EXPECT_EQ(harness.context.backend_->size(0), 100U);
  // Nothing is erased that a snapshot under way is still to have.
  harness.begin_snapshot({1, 0});
  harness.watermark(2000);
  EXPECT_EQ(harness.context.backend_->size(0), 100U);
  while (!harness.write_snapshot()) {}
  EXPECT_EQ(entries_of(harness.take_snapshot(), "left"), 100U);
  EXPECT_EQ(harness.context.backend_->size(0), 0U);
}

TEST(stored_join, rows_of_many_times_the_cache_take_no_more_memory) {
  window_testing::Options options;
  options.backend_cache_bytes = 200'000;
  Harness harness(interval(-10, 10), options);
  for (int64_t i = 0; i < 20; ++i) { push_many(harness, 1000, i); }  // 20,000 rows of 140 bytes
  EXPECT_LT(harness.context.memory().used_bytes(), 400'000);
  harness.push(Right{7, 1}, 19, 1);
  EXPECT_EQ(take(harness).size(), 11U) << "of the times 9 to 19";
}

TEST_P(interval_join, agrees_with_plain_loops) {
  for (const auto& [lower, upper] :
       {std::pair<int64_t, int64_t>{-10, 10}, {0, 30}, {-300, -20}, {5, 5}, {1000, 1500}}) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      const Script script = make_script(seed, seed % 2 == 0 ? 40 : 0);
      const Pairs actual = play(script, seed > 2 ? 0.3 : 0, [&, lower = lower, upper = upper] {
        return interval(lower, upper);
      });
      EXPECT_EQ(actual, expected_in_interval(script, lower, upper))
          << "bounds " << lower << " " << upper << ", seed " << seed;
    }
  }
}

using Join = JoinFunction<int64_t, Left, Right, PairUp>;
std::unique_ptr<Operator> join_in_windows(WindowGrid grid, int64_t lateness = 0) {
  WindowSettings<Left> settings;
  settings.allowed_lateness_ms = lateness;
  return std::make_unique<SlicingCoGroupOperator<int64_t, Left, Right, LeftKey, RightKey, Join>>(
      grid, &Left::key, &Right::key, Join{kPair}, settings, nullptr);
}
template <class Assigner>
std::unique_ptr<Operator> generic_join(Assigner assigner) {
  return std::make_unique<GenericCoGroupOperator<int64_t, Left, Right, LeftKey, RightKey, Assigner,
                                                 EventTimeTrigger, NoEvictor, Join>>(
      assigner, EventTimeTrigger(), NoEvictor(), &Left::key, &Right::key, Join{kPair},
      WindowSettings<std::variant<Left, Right>>(), nullptr);
}
template <class Assigner>
Pairs expected_in_windows(const Script& script, const Assigner& assigner) {
  return expected(script, [&](int64_t left, int64_t right) {
    std::vector<int64_t> times;
    assigner.assign(0, left, [&](const TimeWindow& window) {
      if (right >= window.start.ms() && right < window.end.ms()) {
        times.push_back(window.max_timestamp());
      }
    });
    return times;
  });
}

TEST_P(window_join, agrees_with_plain_loops) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const Script script = make_script(seed, seed % 2 == 0 ? 40 : 0);
    const double refusal = seed > 2 ? 0.3 : 0;
    for (const auto& assigner :
         {sliding(Duration(50), Duration(50)), sliding(Duration(50), Duration(20)),
          sliding(Duration(10), Duration(30))}) {
      EXPECT_EQ(play(script, refusal, [&] { return join_in_windows(assigner.grid()); }),
                expected_in_windows(script, assigner));
    }
    EXPECT_EQ(play(script, refusal,
                   [] { return join_in_windows(cumulative(Duration(60), Duration(20)).grid()); }),
              expected_in_windows(script, cumulative(Duration(60), Duration(20))));
    EXPECT_EQ(
        play(script, refusal, [] { return generic_join(sliding(Duration(50), Duration(20))); }),
        expected_in_windows(script, sliding(Duration(50), Duration(20))));
  }
}

TEST_P(window_join, goes_on_from_any_checkpoint_of_changes) {
  uint64_t layers = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const Script script = make_script(seed, seed % 2 == 0 ? 40 : 0);
    for (const auto& assigner :
         {sliding(Duration(50), Duration(50)), sliding(Duration(50), Duration(20))}) {
      Checkpoints checkpoints(script, seed, [&] { return join_in_windows(assigner.grid()); });
      EXPECT_EQ(checkpoints.play(), expected_in_windows(script, assigner)) << "seed " << seed;
      layers += checkpoints.layers();
    }
  }
  if (GetParam() == 0) { EXPECT_GT(layers, 100U); }
}

TEST(window_join_in_memory, checkpoints_of_changes_have_what_was_added) {
  check_what_checkpoints_have([] { return join_in_windows(tumbling(Duration(10)).grid()); }, 1000);
}

TEST_P(window_join, a_late_row_within_the_lateness_gives_its_window_again) {
  Harness harness(join_in_windows(tumbling(Duration(10)).grid(), 5));
  harness.push(Left{1, "L"}, 1, 0);
  harness.push(Right{1, 1}, 2, 1);
  harness.watermark(9);
  EXPECT_EQ(take(harness), (Pairs{{9, "L", 1}}));
  harness.push(Right{1, 2}, 3, 1);
  EXPECT_EQ(take(harness), (Pairs{{9, "L", 1}, {9, "L", 2}}));
  harness.watermark(14);
  harness.push(Right{1, 3}, 4, 1);
  EXPECT_EQ(take(harness), Pairs{});
  EXPECT_EQ(harness.late_dropped(), 1);
}

// Subtasks may be at different watermarks at an unaligned barrier.
TEST_P(window_join, a_slice_that_one_subtask_has_dropped_does_not_come_back) {
  Layers layers;
  const auto options = [](int32_t subtask, int32_t parallelism) {
    window_testing::Options made;
    made.subtask = subtask;
    made.parallelism = parallelism;
    made.incremental = true;
    return made;
  };
  std::vector<int64_t> keys;  // one of each subtask
  {
    std::vector<std::unique_ptr<Harness>> subtasks;
    for (int32_t i = 0; i < 2; ++i) {
      window_testing::Options in_memory = options(i, 2);  // only that writes layers
      in_memory.backend_cache_bytes = 0;
      subtasks.push_back(
          std::make_unique<Harness>(join_in_windows(tumbling(Duration(10)).grid()), in_memory));
      int64_t key = 0;
      while (subtask_of(key_hash(key, 128).group, 2, 128) != i) { ++key; }
      keys.push_back(key);
      subtasks.back()->push(Left{key, "L"}, 1, 0);
      subtasks.back()->push(Right{key, i}, 2, 1);
      layers.add(checkpoint(*subtasks.back(), {1, 0}));
    }
    subtasks[1]->watermark(9);
    EXPECT_EQ(take(*subtasks[1]), (Pairs{{9, "L", 1}}));
    for (auto& subtask : subtasks) { layers.add(checkpoint(*subtask, {2, 1})); }
  }
  const MemorySnapshot snapshot = layers.snapshot();
  Harness restored(join_in_windows(tumbling(Duration(10)).grid()), options(0, 1), &snapshot);
  restored.end_of_input(2);
  EXPECT_EQ(take(restored), (Pairs{{9, "L", 0}}));
}

TEST_P(window_join, sessions_span_both_inputs) {
  Harness harness(generic_join(session(Duration(10))));
  harness.push(Left{1, "a"}, 0, 0);
  harness.push(Right{1, 1}, 8, 1);
  harness.push(Left{1, "b"}, 16, 0);
  harness.push(Right{1, 2}, 40, 1);
  harness.end_of_input(2);
  EXPECT_EQ(take(harness), (Pairs{{25, "a", 1}, {25, "b", 1}}));
}

TEST_P(co_group, both_sides_rows_come_together_once_a_key_and_window) {
  const auto sizes = [](const int64_t& key, std::span<const Left> left,
                        std::span<const Right> right, WindowContext<Right>& out) {
    out(Right{key, static_cast<int64_t>(left.size() * 100 + right.size())});
  };
  using Sizes = CoGroupFunction<int64_t, Left, Right, Right, decltype(sizes)>;
  Harness harness(
      std::make_unique<SlicingCoGroupOperator<int64_t, Left, Right, LeftKey, RightKey, Sizes>>(
          sliding(Duration(20), Duration(10)).grid(), &Left::key, &Right::key, Sizes{sizes},
          WindowSettings<Left>(), nullptr),
      {.refusal = 0.5});
  harness.push(Left{1, "a"}, 1, 0);
  harness.push(Left{1, "b"}, 11, 0);
  harness.push(Right{1, 0}, 12, 1);
  harness.push(Right{2, 0}, 3, 1);
  harness.push(Right{2, 0}, 13, 1);
  harness.end_of_input(2);
  std::vector<std::tuple<int64_t, int64_t, int64_t>> out;
  for (const auto& one : harness.take<Right>()) {
    out.emplace_back(one.time, one.row.key, one.row.id);
  }
  std::sort(out.begin(), out.end());
  EXPECT_EQ(out, (std::vector<std::tuple<int64_t, int64_t, int64_t>>{
                     {9, 1, 100}, {9, 2, 1}, {19, 1, 201}, {19, 2, 2}, {29, 1, 101}, {29, 2, 1}}));
}

TEST_P(co_group, rows_are_in_the_order_of_arrival_after_a_restore_from_layers) {
  const auto names = [](const int64_t&, std::span<const Left> left, std::span<const Right>,
                        WindowContext<Pair>& out) {
    std::string all;
    for (const Left& row : left) { all += row.name.str(); }
    out(Pair{Text(all), 0});
  };
  using Names = CoGroupFunction<int64_t, Left, Right, Pair, decltype(names)>;
  const auto make = [&] {
    return std::make_unique<SlicingCoGroupOperator<int64_t, Left, Right, LeftKey, RightKey, Names>>(
        tumbling(Duration(10)).grid(), &Left::key, &Right::key, Names{names},
        WindowSettings<Left>(), nullptr);
  };
  Layers layers;
  {
    window_testing::Options in_memory;  // only that writes layers
    in_memory.incremental = true;
    in_memory.backend_cache_bytes = 0;
    Harness harness(make(), in_memory);
    for (int64_t i = 0; i < 4; ++i) {
      const std::string name = std::to_string(i);
      harness.push(Left{1, Text(name)}, i, 0);
      layers.add(checkpoint(harness, {i + 1, i}));
    }
  }
  const MemorySnapshot snapshot = layers.snapshot();
  Harness harness(make(), {.incremental = true}, &snapshot);
  harness.push(Left{1, "4"}, 4, 0);
  harness.end_of_input(2);
  EXPECT_EQ(take(harness), (Pairs{{9, "01234", 0}}));
}

}  // namespace
}  // namespace tidewheel
