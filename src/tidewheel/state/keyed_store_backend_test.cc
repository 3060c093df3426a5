// A store in front of a backend behaves as one in memory, whatever leaves the cache and when.
#include <gtest/gtest.h>

#include <climits>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/state/entry_cache.h"
#include "tidewheel/state/handles.h"
#include "tidewheel/state/keyed_store.h"
#include "tidewheel/state/map_backend.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {
namespace {

using namespace std::chrono_literals;

constexpr int32_t kMaxParallelism = 16;
constexpr KeyGroupRange kAllGroups{0, kMaxParallelism - 1};

class FakeClock final : public Clock {
 public:
  int64_t now_ns() const override { return wall * 1'000'000; }
  int64_t wall_ms() const override { return wall; }
  int64_t wall = 1'000'000;
};

struct Function {
  Value<int64_t> count{"count"};
  Value<Text> text{"text"};
  List<std::string> names{"names"};
  Map<int32_t, Text> words{"words"};
  Value<int64_t> fleeting{"fleeting", {.ttl = 100ms}};
  Map<int32_t, int64_t> fleeting_words{"fleeting words", {.ttl = 100ms}};
  EventTimer idle{"idle"};
};

enum class Behind : uint8_t { kNothing, kMap, kEntryCache };

// A function, its store, and maybe a backend.
struct Side {
  explicit Side(Behind behind, TimerStorage timers = {}, KeyGroupRange groups = kAllGroups)
      : store(groups, kMaxParallelism, nullptr, clock), operator_state(nullptr) {
    BindingScope scope(&store, &operator_state);
    Function prototype;
    function.emplace(prototype);
    EXPECT_TRUE(scope.status().ok());
    if (behind == Behind::kNothing) { return; }
    auto made = std::make_unique<MapBackend>(
        groups, MapBackendOptions{.cache_bytes = 16 << 10,
                                  .timers = timers,
                                  .delays_groups = true,
                                  .gathers_groups = behind == Behind::kEntryCache});
    map = made.get();
    backend = std::move(made);
    if (behind == Behind::kEntryCache) {
      backend = std::make_unique<EntryCache>(
          std::move(backend),
          EntryCacheOptions{.bytes = [] { return 12 << 10; }, .chunk_bytes = 1024});
    }
  }
  void open(SnapshotReader* reader) {
    Status status;
    if (backend != nullptr) {
      status = store.open_backend(*backend, reader, [] {});
    } else if (reader != nullptr) {
      status = store.read(*reader);
    }
    EXPECT_TRUE(status.ok()) << status.to_string();
  }
  // All that a key has, as text.
  std::string describe() {
    Function& f = *function;
    std::string text = fmt::format("{} {} [", f.count.get_or(-1), f.text.get().view());
    for (const auto& name : f.names.items()) { text += name + ","; }
    text += "] {";
    for (const auto [key, value] : f.words.entries()) {
      text += fmt::format("{}={},", key, value.view());
    }
    text += fmt::format("}} {} {{", f.fleeting.get_or(-1));
    for (const auto [key, value] : f.fleeting_words.entries()) {
      text += fmt::format("{}={},", key, value);
    }
    return text + "}" + (f.idle.when().has_value() ? fmt::format("@{}", f.idle.when()->ms()) : "");
  }

  FakeClock clock;
  std::unique_ptr<StateBackend> backend;
  MapBackend* map = nullptr;
  KeyedStore<int64_t> store;
  OperatorState operator_state;
  std::optional<Function> function;
};

constexpr int64_t kKeys = 400;

// The same random work on both sides.
class KeyedStoreBackend : public ::testing::TestWithParam<int> {
 protected:
  void make(SnapshotReader* heap_reader, SnapshotReader* backed_reader) {
    heap_ = std::make_unique<Side>(Behind::kNothing);
    // Timers in memory, and in the backend but for a few.
    backed_ = std::make_unique<Side>(GetParam() % 2 == 0 ? Behind::kMap : Behind::kEntryCache,
                                     TimerStorage{GetParam() % 3 != 0, GetParam() % 4});
    heap_->clock.wall = backed_->clock.wall = wall_;
    heap_->open(heap_reader);
    backed_->open(backed_reader);
  }

  void change(Side& side, uint64_t dice, int64_t value) {
    Function& f = *side.function;
    const auto small = static_cast<int32_t>(value % 7);
    const std::string word = "word " + std::to_string(value);
    switch (dice) {
      case 0: f.count.update([&](int64_t& n) { n += value; }); break;
      case 1: f.count.clear(); break;
      case 2: f.text = Text(word); break;
      case 3: f.text.clear(); break;
      case 4: f.names.add(word); break;
      case 5: f.names.clear(); break;
      case 6:
      case 7: f.words.put(small, Text(word)); break;
      case 8: f.words.erase(small); break;
      case 9: f.words.clear(); break;
      case 10: f.words.erase_if([&](int32_t key, const Text&) { return key < small; }); break;
      case 11: f.fleeting = value; break;
      case 12: f.fleeting_words.put(small, value); break;
      case 13: f.idle.at(Timestamp(event_time_ + 1 + small * 10)); break;
      case 14: f.idle.cancel(); break;
      case 15:
      case 16: side.store.add_timer(TimeDomain::kEvent, event_time_ + value % 40); break;
      case 17: side.store.remove_timer(TimeDomain::kEvent, event_time_ + value % 40); break;
      default: break;
    }
  }
  void batch() {
    const uint32_t size = 1 + static_cast<uint32_t>(random_.below(60));
    struct Row {
      int64_t key;
      uint64_t dice;
      int64_t value;
    };
    std::vector<Row> rows;
    for (uint32_t i = 0; i < size; ++i) {
      const auto key =
          static_cast<int64_t>(random_.chance(0.5) ? random_.below(20) : random_.below(kKeys));
      rows.push_back({key, random_.below(20), static_cast<int64_t>(random_.below(1000))});
    }
    std::vector<std::string> seen[2];
    for (Side* side : {heap_.get(), backed_.get()}) {
      KeyedBatch keyed(side->store, 0, size,
                       [&](uint32_t i) -> const int64_t& { return rows[i].key; });
      for (uint32_t i = 0; i < size; ++i) {
        keyed.select(i);
        if (rows[i].dice % 2 == 0) {
          seen[side == heap_.get() ? 0 : 1].push_back(side->describe());
        }
        change(*side, rows[i].dice, rows[i].value);
      }
    }
    ASSERT_EQ(seen[0], seen[1]);
  }
  void fire() {
    event_time_ += static_cast<int64_t>(random_.below(20));
    std::multimap<int64_t, std::string> fired[2];
    for (Side* side : {heap_.get(), backed_.get()}) {
      side->store.begin_work();
      FiredTimer timer;
      while (side->store.next_due(TimeDomain::kEvent, event_time_, timer)) {
        fired[side == heap_.get() ? 0 : 1].emplace(
            timer.time, std::to_string(side->store.current_key()) +
                            (timer.handle == nullptr ? "" : " idle ") + side->describe());
        if (timer.time % 5 == 0) { side->store.add_timer(TimeDomain::kEvent, timer.time + 3); }
      }
      side->store.end_work(0);
    }
    const auto sorted = [](const auto& from) {
      std::vector<std::string> all;
      for (const auto& [time, text] : from) { all.push_back(std::to_string(time) + " " + text); }
      std::sort(all.begin(), all.end());
      return all;
    };
    ASSERT_EQ(sorted(fired[0]), sorted(fired[1]));
  }
  struct Written {
    std::vector<SnapshotSegmentRef> heap;
    std::vector<SnapshotSegmentRef> backed;
  };
  // Snapshots of both, which are written in pieces while work goes on. None when there are more
  // than `pieces_max`: then they are still to be aborted.
  std::optional<Written> write_both(int64_t checkpoint, int pieces_max) {
    heap_->store.begin_snapshot({checkpoint, 0});
    backed_->store.begin_snapshot({checkpoint, 0});
    SegmentWriter heap_writer({"uid", 0, 1, kMaxParallelism});
    SegmentWriter backed_writer({"uid", 0, 1, kMaxParallelism});
    heap_writer.grant(1);
    backed_writer.grant(1);
    bool heap_done = false;
    bool backed_done = false;
    for (int i = 0; (!heap_done || !backed_done) && i < pieces_max; ++i) {
      batch();
      if (::testing::Test::HasFatalFailure()) { return std::nullopt; }
      heap_writer.grant(2000);
      backed_writer.grant(2000);
      if (!heap_done) { heap_done = heap_->store.write(heap_writer); }
      if (!backed_done) { backed_done = backed_->store.write(backed_writer); }
    }
    if (!heap_done || !backed_done) { return std::nullopt; }
    return Written{heap_writer.finish(), backed_writer.finish()};
  }
  void compare_all() {
    for (int64_t key = 0; key < kKeys; ++key) {
      std::string texts[2];
      for (Side* side : {heap_.get(), backed_.get()}) {
        side->store.begin_work();
        side->store.set_current(key);
        texts[side == heap_.get() ? 0 : 1] = side->describe();
        side->store.clear_current();
        side->store.end_work(0);
      }
      ASSERT_EQ(texts[0], texts[1]) << "key " << key;
    }
  }

  // Two snapshots say the same.
  template <class Segment>
  void compare_restored(Segment from_heap, Segment from_backed) {
    std::vector<std::string> texts[2];
    for (size_t i = 0; i < 2; ++i) {
      MemorySnapshot snapshot;
      snapshot.add(std::move(i == 0 ? from_heap : from_backed));
      const auto reader = snapshot.reader({"uid", 0, 1, kMaxParallelism}).value();
      Side side(Behind::kNothing);
      side.clock.wall = wall_;
      side.open(reader.get());
      side.store.begin_work();
      for (int64_t key = 0; key < kKeys; ++key) {
        side.store.set_current(key);
        texts[i].push_back(side.describe());
      }
      side.store.clear_current();
    }
    ASSERT_EQ(texts[0], texts[1]);
  }

  Random random_{static_cast<uint64_t>(GetParam()) * 7919 + 1};
  int64_t wall_ = 1'000'000;
  int64_t event_time_ = 0;
  std::unique_ptr<Side> heap_;
  std::unique_ptr<Side> backed_;
};

TEST_P(KeyedStoreBackend, does_as_memory_does) {
  make(nullptr, nullptr);
  for (int i = 0; i < 150; ++i) {
    ASSERT_NO_FATAL_FAILURE(batch());
    if (i % 5 == 0) { ASSERT_NO_FATAL_FAILURE(fire()); }
    if (random_.chance(0.1)) {
      wall_ += 30;
      heap_->clock.wall = backed_->clock.wall = wall_;
    }
  }
  EXPECT_LT(backed_->store.key_count(), static_cast<size_t>(kKeys));  // something has left
  compare_all();
}

TEST_P(KeyedStoreBackend, snapshots_are_of_the_barrier_and_fit_both) {
  make(nullptr, nullptr);
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 20; ++i) { ASSERT_NO_FATAL_FAILURE(batch()); }
    auto written = write_both(round + 1, INT_MAX);
    ASSERT_TRUE(written.has_value());
    MemorySnapshot from_heap;
    from_heap.add(std::move(written->heap));
    MemorySnapshot from_backed;
    from_backed.add(std::move(written->backed));
    // Each goes on from the other's.
    const SnapshotPlace place{"uid", 0, 1, kMaxParallelism};
    const auto heap_reader = from_backed.reader(place).value();
    const auto backed_reader = from_heap.reader(place).value();
    make(heap_reader.get(), backed_reader.get());
    compare_all();
    ASSERT_NO_FATAL_FAILURE(fire());
  }
}

// One barrier after another, some of which are given up.
TEST_P(KeyedStoreBackend, later_snapshots_are_of_their_barriers_too) {
  make(nullptr, nullptr);
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 8; ++i) { ASSERT_NO_FATAL_FAILURE(batch()); }
    const bool aborts = random_.chance(0.3);
    auto written = write_both(round + 1, aborts ? 3 : INT_MAX);
    ASSERT_FALSE(HasFatalFailure());
    if (!written.has_value()) {
      heap_->store.abort_snapshot();
      backed_->store.abort_snapshot();
      ASSERT_NO_FATAL_FAILURE(compare_all());
      continue;
    }
    ASSERT_NO_FATAL_FAILURE(compare_restored(std::move(written->heap), std::move(written->backed)));
    ASSERT_NO_FATAL_FAILURE(compare_all());
  }
}

TEST_P(KeyedStoreBackend, every_key_is_visited_once) {
  make(nullptr, nullptr);
  for (int i = 0; i < 40; ++i) { ASSERT_NO_FATAL_FAILURE(batch()); }
  std::map<int64_t, std::string> visited[2];
  for (Side* side : {heap_.get(), backed_.get()}) {
    side->store.for_each_key([&](int64_t key) {
      // A timer that was cancelled is a state in memory.
      if (side->describe() == "-1  [] {} -1 {}") { return; }
      const bool fresh = visited[side == heap_.get() ? 0 : 1].emplace(key, side->describe()).second;
      EXPECT_TRUE(fresh) << key;
      if (key % 3 == 0) { side->function->count = 77; }
    });
  }
  EXPECT_EQ(visited[0], visited[1]);
  compare_all();
}

INSTANTIATE_TEST_SUITE_P(Seeds, KeyedStoreBackend, ::testing::Range(0, 16));

// With values only, rows go on to leave while the backend gets ready for a cut.
struct Counts {
  Value<int64_t> count{"count"};
  Value<Text> text{"text"};
};

class KeyedStoreCache : public ::testing::TestWithParam<int> {};

TEST_P(KeyedStoreCache, snapshots_are_of_the_barrier_while_rows_leave) {
  Random random(static_cast<uint64_t>(GetParam()) * 31337 + 11);
  FakeClock clock;
  EntryCache backend(std::make_unique<MapBackend>(
                         kAllGroups, MapBackendOptions{.cache_bytes = 6 << 10,
                                                       .gathers_groups = GetParam() % 2 == 1}),
                     {.bytes = [] { return 16 << 10; }, .chunk_bytes = 1024});
  KeyedStore<int64_t> store(kAllGroups, kMaxParallelism, nullptr, clock);
  OperatorState operator_state(nullptr);
  std::optional<Counts> function;
  {
    BindingScope scope(&store, &operator_state);
    Counts prototype;
    function.emplace(prototype);
  }
  ASSERT_TRUE(store.open_backend(backend, nullptr, [] {}).ok());
  std::map<int64_t, int64_t> model;
  const auto batch = [&] {
    std::vector<int64_t> keys;
    for (uint64_t i = 1 + random.below(100); i > 0; --i) {
      keys.push_back(static_cast<int64_t>(random.below(random.chance(0.5) ? 50 : 3000)));
    }
    const auto size = static_cast<uint32_t>(keys.size());
    KeyedBatch keyed(store, 0, size, [&](uint32_t i) -> const int64_t& { return keys[i]; });
    for (uint32_t i = 0; i < size; ++i) {
      keyed.select(i);
      const int64_t now = function->count.get_or(0) + 1;
      ASSERT_EQ(now, ++model[keys[i]]);
      function->count = now;
      const std::string text = std::to_string(now);
      function->text = Text(text);
    }
  };
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 30; ++i) { ASSERT_NO_FATAL_FAILURE(batch()); }
    store.begin_snapshot({round + 1, 0});
    const std::map<int64_t, int64_t> cut = model;
    SegmentWriter writer({"uid", 0, 1, kMaxParallelism});
    writer.grant(1);
    const bool aborts = random.chance(0.3);
    bool done = false;
    for (int i = 0; !done && !(aborts && i == 4); ++i) {
      ASSERT_NO_FATAL_FAILURE(batch());
      writer.grant(2000);
      done = store.write(writer);
    }
    if (!done) {
      store.abort_snapshot();
      continue;
    }
    MemorySnapshot snapshot;
    snapshot.add(writer.finish());
    const auto reader = snapshot.reader({"uid", 0, 1, kMaxParallelism}).value();
    const auto entries = reader->read("count").value();
    std::map<int64_t, int64_t> found;
    for (StateEntry entry; entries->next(entry).value();) {
      int64_t key = 0;
      int64_t value = 0;
      std::memcpy(&key, entry.key.data(), sizeof(key));
      std::memcpy(&value, entry.value.data(), sizeof(value));
      found[key] = value;
    }
    ASSERT_EQ(found, cut);
  }
  EXPECT_LT(store.key_count(), model.size());
}

INSTANTIATE_TEST_SUITE_P(Seeds, KeyedStoreCache, ::testing::Range(0, 10));

// There is room for 900 rows. Between two uses of a key in use, 600 others come that never come
// again.
TEST(KeyedStoreRows, keys_that_come_once_do_not_drive_out_those_in_use) {
  constexpr int64_t kInUse = 600;
  constexpr int64_t kBatch = 60;  // of each
  FakeClock clock;
  EntryCache backend(
      std::make_unique<MapBackend>(kAllGroups, MapBackendOptions{.cache_bytes = 64 << 10}),
      {.bytes = [] { return 1 << 20; }, .chunk_bytes = 1024});
  KeyedStore<int64_t> store(kAllGroups, kMaxParallelism, nullptr, clock);
  OperatorState operator_state(nullptr);
  Value<int64_t> prototype{"count"};
  std::optional<Value<int64_t>> count;
  {
    BindingScope scope(&store, &operator_state);
    count.emplace(prototype);
  }
  ASSERT_TRUE(store.open_backend(backend, nullptr, [] {}).ok());
  int64_t in_use = 0;
  int64_t once = kInUse;
  const auto read = [&] { return backend.figures().found + backend.figures().missed; };
  uint64_t read_before = 0;
  for (int i = 0; i < 400; ++i) {
    if (i == 200) { read_before = read(); }
    std::vector<int64_t> keys;
    for (int64_t k = 0; k < kBatch; ++k) {
      keys.push_back(in_use++ % kInUse);
      keys.push_back(once++);
    }
    const auto size = static_cast<uint32_t>(keys.size());
    KeyedBatch keyed(store, 0, size, [&](uint32_t k) -> const int64_t& { return keys[k]; });
    for (uint32_t k = 0; k < size; ++k) {
      keyed.select(k);
      count->update([](int64_t& value) { ++value; });
    }
  }
  const auto read_each = static_cast<double>(read() - read_before) / (200 * kBatch);
  EXPECT_GE(read_each, 1.0);  // of those that come once
  EXPECT_LT(read_each, 1.3);  // and few of the others
  EXPECT_LE(store.key_count(), 960U);
}

TEST(KeyedStoreBackendFailure, is_kept_and_thrown) {
  Side side(Behind::kMap);
  side.open(nullptr);
  side.map->fail_with(unavailable(ErrorId::kStateBackend, "the disk is gone"));
  side.store.begin_work();
  EXPECT_THROW(side.store.set_current(1), StateError);
  const Status status = side.store.status();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.id(), ErrorId::kStateBackend);
}

}  // namespace
}  // namespace tidewheel
