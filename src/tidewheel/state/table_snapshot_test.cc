#include "tidewheel/state/table_snapshot.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/random.h"
#include "tidewheel/state/key_hash.h"

namespace tidewheel {
namespace {

// Which keys a run draws, so that the table takes each of its shapes.
struct Shape {
  int32_t max_parallelism = 128;
  KeyGroupRange groups{0, 127};
  int64_t keys = 400;
  bool few_groups = false;  // the keys crowd into few groups: no order of groups
  bool keeps_changes = true;
  const char* name = "";
};

// A table and a std::map that are changed alike, and snapshots at random moments, which have to be
// what the map was at the barrier.
class Run {
 public:
  Run(Shape shape, uint64_t seed)
      : shape_(shape),
        random_(seed),
        table_(shape.groups, shape.max_parallelism, &pool_),
        saver_("table", table_, shape.keeps_changes) {
    table_.grow_in_steps_from(shape.few_groups ? 1024 : 32);
    while (static_cast<int64_t>(keys_.size()) < shape.keys) {
      const auto key = static_cast<int64_t>(random_.below(1'000'000));
      const int32_t group = key_hash(key, shape.max_parallelism).group;
      if (!shape.groups.contains(group)) { continue; }
      if (shape.few_groups && group > shape.groups.first + 1) { continue; }
      keys_.push_back(key);
    }
  }

  void go(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) { step(); }
  }
  int snapshots() const { return snapshots_; }
  int of_changes() const { return of_changes_; }
  size_t layers_max() const { return layers_max_; }

 private:
  using Table = KeyedTable<int64_t, int64_t>;

  void step() {
    const uint64_t what = random_.below(1000);
    if (what < 4) {
      barrier();
    } else if (what < 5 && writer_ != nullptr && random_.below(10) == 0) {
      saver_.abort();
      writer_.reset();
    } else if (what < 60) {
      write_some();
    } else if (what < 62) {
      change_many();
    } else {
      change_one();
    }
  }
  void change_one() {
    const int64_t key = keys_[random_.below(random_.below(2) == 0 ? keys_.size() : hot_)];
    const KeyHash hash = table_.hash_of(key);
    switch (random_.below(4)) {
      case 0: {
        int64_t* const found = table_.find(key, hash);
        ASSERT_EQ(found != nullptr, model_.contains(key));
        if (found != nullptr) { *found = model_[key] = ++value_; }
        break;
      }
      case 1: {
        ASSERT_EQ(table_.erase(key, hash), model_.erase(key) == 1);
        break;
      }
      default: {
        bool inserted = false;
        int64_t& value = table_.upsert(key, hash, inserted);
        ASSERT_EQ(inserted, !model_.contains(key));
        value = model_[key] = ++value_;
      }
    }
    ASSERT_EQ(table_.size(), model_.size());
  }
  void change_many() {
    switch (random_.below(40)) {
      case 0:
        table_.clear();
        model_.clear();
        break;
      case 1:
        table_.release();
        model_.clear();
        break;
      case 2: merge(); break;
      case 3: table_.reserve(table_.size() * 3); break;
      case 4:
      case 5: {
        const auto matches = [](int64_t key) { return key % 7 == 3; };
        table_.erase_if([&](int64_t key, int64_t) { return matches(key); });
        std::erase_if(model_, [&](const auto& entry) { return matches(entry.first); });
        break;
      }
      default: {
        Table::Cursor cursor;
        const int64_t* key = nullptr;
        int64_t* value = nullptr;
        while (table_.next(cursor, key, value)) {
          if (random_.below(20) != 0) { continue; }
          if (random_.below(3) == 0) {
            model_.erase(*key);
            table_.erase_last(cursor);
          } else {
            table_.touch_last(cursor);
            *value = model_[*key] = ++value_;
          }
        }
      }
    }
  }
  void merge() {
    Table other(shape_.groups, shape_.max_parallelism, nullptr);
    for (int i = 0; i < 50; ++i) { other.upsert(keys_[random_.below(keys_.size())]) = ++value_; }
    table_.merge_from(other, [](int64_t& mine, int64_t theirs, bool) { mine = theirs; });
    other.for_each([&](int64_t key, int64_t value) { model_[key] = value; });
  }

  void barrier() {
    if (writer_ != nullptr) { return; }
    const SnapshotStart start{++checkpoint_, random_.below(10) == 0 ? 0 : completed_};
    saver_.begin(start);
    frozen_ = model_;
    writer_ = std::make_unique<SegmentWriter>(SnapshotPlace{"op", 0, 1, shape_.max_parallelism});
    hot_ = random_.below(keys_.size()) + 1;
  }
  void write_some() {
    if (writer_ == nullptr) { return; }
    writer_->grant(1 + random_.below(random_.below(2) == 0 ? 40 : 2000));
    if (!saver_.write(*writer_)) { return; }
    completed_ = checkpoint_;
    const auto segments = writer_->finish();
    writer_.reset();
    ASSERT_EQ(segments.size(), 1U);
    if (segments[0]->content == StateContent::kAll) {
      layers_.clear();
    } else {
      ++of_changes_;
    }
    layers_.push_back(segments[0]);
    layers_max_ = std::max(layers_max_, layers_.size());
    ++snapshots_;
    check_layers();
  }
  void check_layers() {
    auto reader = SegmentReader::open({"op", 0, 1, shape_.max_parallelism}, layers_);
    ASSERT_TRUE(reader.ok()) << reader.status().to_string();
    TableLoader<int64_t, int64_t> loader("table");
    ASSERT_TRUE(loader.read(**reader).ok());
    Table table(shape_.groups, shape_.max_parallelism, nullptr);
    const Status loaded = loader.load(table);
    ASSERT_TRUE(loaded.ok()) << loaded.to_string();
    std::map<int64_t, int64_t> restored;
    table.for_each([&](int64_t key, int64_t value) { restored[key] = value; });
    ASSERT_EQ(restored, frozen_) << shape_.name << ", snapshot " << checkpoint_;
    // Nothing of the tracker is left over: each entry came once.
    auto again = (*reader)->read("table");
    ASSERT_TRUE(again.ok());
    StateEntry entry;
    size_t count = 0;
    for (;;) {
      const Result<bool> more = (*again)->next(entry);
      ASSERT_TRUE(more.ok()) << more.status().to_string();
      if (!*more) { break; }
      ++count;
    }
    ASSERT_EQ(count, frozen_.size());
  }

  const Shape shape_;
  Random random_;
  MemoryPool pool_{"job", MemoryPool::kUnlimited};
  Table table_;
  TableSnapshot<int64_t, int64_t> saver_;
  std::vector<int64_t> keys_;
  size_t hot_ = 1;
  int64_t value_ = 0;
  std::map<int64_t, int64_t> model_;
  std::map<int64_t, int64_t> frozen_;
  std::unique_ptr<SegmentWriter> writer_;
  int64_t checkpoint_ = 0;
  int64_t completed_ = 0;
  std::vector<SnapshotSegmentRef> layers_;
  size_t layers_max_ = 0;
  int snapshots_ = 0;
  int of_changes_ = 0;
};

void run_all(const Shape& shape, uint64_t seeds, int steps) {
  int snapshots = 0;
  int of_changes = 0;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(std::string(shape.name) + ", seed " + std::to_string(seed));
    Run run(shape, seed);
    run.go(steps);
    if (::testing::Test::HasFailure()) { return; }
    snapshots += run.snapshots();
    of_changes += run.of_changes();
  }
  EXPECT_GT(snapshots, 10);
  EXPECT_EQ(of_changes > 0, shape.keeps_changes);
}

TEST(TableSnapshot, is_the_table_as_it_was_at_the_barrier) {
  run_all({.keys = 2000, .name = "many groups"}, 12, 15'000);
  run_all({.keys = 2000, .keeps_changes = false, .name = "without changes"}, 8, 15'000);
  run_all({.max_parallelism = 4, .groups = {0, 3}, .keys = 3000, .name = "large groups"}, 12,
          15'000);
  run_all({.max_parallelism = 1, .groups = {0, 0}, .keys = 3000, .name = "one group"}, 6, 15'000);
  run_all({.max_parallelism = 128, .groups = {40, 60}, .keys = 100, .name = "few keys"}, 6, 15'000);
}

TEST(TableSnapshot, does_not_need_the_order_of_groups) {
  run_all({.keys = 3000, .few_groups = true, .name = "crowded"}, 10, 25'000);
  run_all({.keys = 3000, .few_groups = true, .keeps_changes = false, .name = "crowded, all"}, 5,
          25'000);
}

TEST(TableSnapshot, a_text_that_is_changed_or_erased_is_written_as_it_was) {
  KeyedTable<Text, Text> table({0, 127}, 128, nullptr);
  TableSnapshot<Text, Text> saver("table", table, true);
  std::map<std::string, std::string> frozen;
  for (int i = 0; i < 500; ++i) {
    const std::string key = "a key that is not short " + std::to_string(i);
    const std::string value = "the value of the key " + std::to_string(i);
    table.assign(table.upsert(Text(key)), Text(value));
    frozen[key] = value;
  }
  saver.begin({1, 0});
  for (int i = 0; i < 500; ++i) {
    const std::string key = "a key that is not short " + std::to_string(i);
    if (i % 3 == 0) { table.erase(key, table.hash_of(Text(key))); }
    if (i % 3 == 1) { table.assign(table.upsert(Text(key)), Text("something else altogether")); }
  }
  SegmentWriter writer({"op", 0, 1, 128});
  ASSERT_TRUE(saver.write(writer));
  const auto reader = SegmentReader::open({"op", 0, 1, 128}, writer.finish());
  ASSERT_TRUE(reader.ok());
  TableLoader<std::string, std::string> loader("table");
  ASSERT_TRUE(loader.read(**reader).ok());
  KeyedTable<std::string, std::string> restored({0, 127}, 128, nullptr);
  ASSERT_TRUE(loader.load(restored).ok());
  std::map<std::string, std::string> found;
  restored.for_each([&](const std::string& key, const std::string& value) { found[key] = value; });
  EXPECT_EQ(found, frozen);
}

TEST(ChangePlan, no_group_has_more_layers_than_a_restore_may_meet) {
  ChangePlan plan({10, 109}, true);
  std::vector<int> since(100, 0);
  int64_t whole = 0;
  for (int64_t checkpoint = 1; checkpoint < 500; ++checkpoint) {
    plan.begin({checkpoint, checkpoint - 1});
    EXPECT_EQ(plan.content(), checkpoint == 1 ? StateContent::kAll : StateContent::kChanges);
    for (int32_t group = 10; group < 110; ++group) {
      int& layers = since[static_cast<size_t>(group - 10)];
      layers = plan.is_whole(group) ? 1 : layers + 1;
      EXPECT_LE(layers, ChangePlan::kLayersMax);
      whole += plan.is_whole(group) && checkpoint > 1 ? 1 : 0;
      // One group has changes that outweigh it long before its turn.
      const int changes = group == 50 ? 400 : 3;
      for (int i = 0; i < (plan.is_whole(group) ? 1000 : changes); ++i) { plan.note_unit(group); }
    }
  }
  EXPECT_LE(whole, 500 * 100 / 45 + 500 / 4);
}

TEST(ChangePlan, a_group_is_written_whole_when_changes_outweigh_it) {
  ChangePlan plan({0, 99}, true);
  plan.begin({1, 0});
  for (int i = 0; i < 100; ++i) { plan.note_unit(50); }
  int64_t checkpoint = 1;
  for (; checkpoint < 20; ++checkpoint) {
    plan.begin({checkpoint + 1, checkpoint});
    if (plan.is_whole(50)) { break; }
    for (int i = 0; i < 40; ++i) { plan.note_unit(50); }
  }
  EXPECT_GE(checkpoint, 5);
  EXPECT_LE(checkpoint, 7);
}

// All change at the same rate, so they are all outweighed by the same snapshot.
TEST(ChangePlan, groups_that_are_outweighed_together_are_written_whole_one_after_another) {
  constexpr int kGroups = 128;
  constexpr int kUnits = 100;
  for (const int changes : {1, 5, 10, 40}) {
    ChangePlan plan({0, kGroups - 1}, true);
    int64_t written = 0;
    int64_t changed = 0;
    std::vector<int> since(kGroups, 0);
    for (int64_t checkpoint = 1; checkpoint < 400; ++checkpoint) {
      plan.begin({checkpoint, checkpoint - 1}, kGroups * kUnits);
      int whole = 0;
      for (int32_t group = 0; group < kGroups; ++group) {
        int& layered = since[static_cast<size_t>(group)];
        const bool is_whole = plan.is_whole(group);
        whole += is_whole ? 1 : 0;
        layered = is_whole ? kUnits : layered + changes;
        EXPECT_LE(layered, kUnits * (1 + ChangePlan::kFarOutweighed) + changes) << checkpoint;
        for (int i = 0; i < (is_whole ? kUnits : changes); ++i) { plan.note_unit(group); }
      }
      if (checkpoint == 1) { continue; }
      EXPECT_LE(whole, kGroups * changes * 5 / (8 * kUnits) + 1 + kGroups / 48 + 1) << checkpoint;
      written += whole * kUnits + (kGroups - whole) * changes;
      changed += kGroups * changes;
    }
    // Of what has not changed a fiftieth in each snapshot, or half as much as what has.
    EXPECT_LE(written, changed * 7 / 4 + 400 * kGroups * kUnits / 50) << changes;
  }
}

TEST(ChangePlan, groups_that_change_as_a_whole_are_written_whole) {
  ChangePlan plan({0, 31}, true);
  for (int64_t checkpoint = 1; checkpoint < 10; ++checkpoint) {
    plan.begin({checkpoint, checkpoint - 1}, 32 * 100);
    for (int32_t group = 0; group < 32; ++group) {
      if (checkpoint > 2) { EXPECT_TRUE(plan.is_whole(group)) << checkpoint; }
      for (int i = 0; i < 100; ++i) { plan.note_unit(group); }
      for (int i = 0; i < 100; ++i) { plan.note_erased(group); }
    }
  }
}

// What has come since a group was written whole counts: in the time in which state is filled, all
// would be outweighed.
TEST(ChangePlan, groups_that_grow_are_not_outweighed_by_what_is_new) {
  ChangePlan plan({0, 31}, true);
  plan.begin({1, 0}, 32 * 10);
  for (int i = 0; i < 10; ++i) { plan.note_unit(0); }
  plan.begin({2, 1}, 32 * 100);
  for (int i = 0; i < 90; ++i) { plan.note_unit(0); }
  EXPECT_FALSE(plan.is_whole(0));
  plan.begin({3, 2}, 32 * 100);
  EXPECT_FALSE(plan.is_whole(0));
}

TEST(ChangePlan, changes_are_based_on_the_barrier_before_only) {
  ChangePlan plan({0, 9}, true);
  plan.begin({7, 0});
  plan.begin({8, 7});
  EXPECT_EQ(plan.content(), StateContent::kChanges);
  plan.begin({9, 7});  // 8 was never complete
  EXPECT_EQ(plan.content(), StateContent::kAll);
  plan.begin({10, 0});  // a savepoint
  EXPECT_EQ(plan.content(), StateContent::kAll);
  plan.begin({11, 9});
  EXPECT_EQ(plan.content(), StateContent::kAll);
  plan.write_all_next();
  plan.begin({12, 11});
  EXPECT_EQ(plan.content(), StateContent::kAll);
}

}  // namespace
}  // namespace tidewheel
