// Timers in front of a backend, beside timers in memory that are given the same work: for the tests
// of this module and of backends.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/state/state_backend.h"
#include "tidewheel/state/timers.h"

namespace tidewheel {

// A snapshot of one subtask, in memory but for the files of a backend: changes go on top of the one
// that it was made of.
class TestSnapshot final : public SnapshotWriter {
 public:
  // `folder`: for files; empty: it takes none.
  TestSnapshot(KeyGroupRange groups, std::string folder) : folder_(std::move(folder)) {
    native_.groups = groups;
  }
  void base_on(const TestSnapshot& other) { states_ = other.states_; }
  void grant(int64_t entries) { left_ = entries; }

  bool ready() const override { return left_ > 0; }
  void begin_state(const StateMeta& meta) override {
    if (begun_.insert(meta.name).second) { states_[meta.name] = {}; }
    states_[meta.name].meta = meta;
    at_ = &states_[meta.name];
  }
  void begin_changes(const StateMeta& meta) override {
    begun_.insert(meta.name);
    ASSERT_TRUE(states_.count(meta.name) == 1) << meta.name << " has changes to nothing";
    at_ = &states_[meta.name];
  }
  void whole_group(int32_t group) override {
    std::erase_if(at_->entries, [&](const auto& entry) { return std::get<0>(entry) == group; });
  }
  void erase(int32_t group, std::string_view key, std::string_view name_space) override {
    at_->entries.erase({group, std::string(key), std::string(name_space)});
  }
  void add(const StateEntry& entry) override {
    --left_;
    // In changes a timer may have been written before; in one snapshot it comes once.
    EXPECT_TRUE(written_
                    .insert({at_->meta.name, entry.group, std::string(entry.key),
                             std::string(entry.name_space)})
                    .second)
        << "a timer is written twice";
    EXPECT_TRUE(entry.value.empty());
    at_->entries.insert({entry.group, std::string(entry.key), std::string(entry.name_space)});
  }
  bool takes_files() const override { return !folder_.empty(); }
  std::string new_file(std::string_view suffix) override {
    return folder_ + "/" + std::to_string(++made_) + std::string(suffix);
  }
  void add_file(SnapshotFile file) override { native_.files.push_back(std::move(file)); }

  // By group, key and place.
  using Entries = std::set<std::tuple<int32_t, std::string, std::string>>;
  struct State {
    StateMeta meta;
    Entries entries;
  };
  // Without those that this snapshot has not begun.
  std::map<std::string, State> states() const {
    std::map<std::string, State> all;
    for (const auto& [name, state] : states_) {
      if (begun_.count(name) == 1) { all[name] = state; }
    }
    return all;
  }
  const NativeState& native() const { return native_; }

 private:
  const std::string folder_;
  NativeState native_;
  int made_ = 0;
  int64_t left_ = 0;
  std::map<std::string, State> states_;
  std::set<std::string> begun_;
  std::set<std::tuple<std::string, int32_t, std::string, std::string>> written_;
  State* at_ = nullptr;
};

// Reads snapshots of several subtasks, for one.
class TestSnapshotReader final : public SnapshotReader {
 public:
  TestSnapshotReader(const std::vector<const TestSnapshot*>& snapshots, KeyGroupRange groups) {
    for (const TestSnapshot* snapshot : snapshots) {
      for (const auto& [name, state] : snapshot->states()) {
        TestSnapshot::State& to = all_[name];
        to.meta = state.meta;
        for (const auto& entry : state.entries) {
          if (groups.contains(std::get<0>(entry))) { to.entries.insert(entry); }
        }
      }
      const NativeState& native = snapshot->native();
      const bool overlaps =
          native.groups.first <= groups.last && native.groups.last >= groups.first;
      if (!native.files.empty() && overlaps) { natives_.push_back(native); }
    }
    for (const auto& [name, state] : all_) { states_.push_back(state.meta); }
  }
  const std::vector<StateMeta>& states() const override { return states_; }
  Result<std::unique_ptr<SnapshotEntries>> read(std::string_view state) override {
    return std::unique_ptr<SnapshotEntries>(
        std::make_unique<Entries>(all_[std::string(state)].entries));
  }
  std::vector<NativeState> native(std::string_view) const override { return natives_; }

 private:
  class Entries final : public SnapshotEntries {
   public:
    explicit Entries(const TestSnapshot::Entries& entries)
        : entries_(entries), at_(entries.begin()) {}
    uint64_t count() const override { return entries_.size(); }
    Result<bool> next(StateEntry& entry) override {
      if (at_ == entries_.end()) { return false; }
      entry = {std::get<0>(*at_), std::get<1>(*at_), std::get<2>(*at_), {}};
      ++at_;
      return true;
    }

   private:
    const TestSnapshot::Entries& entries_;
    TestSnapshot::Entries::const_iterator at_;
  };

  std::map<std::string, TestSnapshot::State> all_;
  std::vector<StateMeta> states_;
  std::vector<NativeState> natives_;
};

// What the tests of a backend have to say of it.
struct TimerDuelWorld {
  std::function<std::unique_ptr<StateBackend>(KeyGroupRange)> make_backend;
  // A fresh folder for a snapshot of the backend's own; none: it has no such snapshots.
  std::function<std::string()> make_folder;
  std::function<void()> wait_a_little = [] {};
};

template <class K, class N>
class TimerDuel {
 public:
  static constexpr int32_t kMaxParallelism = 16;
  static constexpr std::string_view kName = "timers";
  using Service = TimerService<K, N>;

  TimerDuel(const TimerDuelWorld& world, uint64_t seed, KeyGroupRange groups)
      : world_(world), random_(seed), groups_(groups) {
    for (int64_t i = 0; i < kKeys; ++i) {
      names_.push_back("key " + std::string(static_cast<size_t>(i % 30), 'x') + std::to_string(i));
    }
    // From timers far apart to all at one time.
    const std::array<uint64_t, 4> spans{1, 20, 1'000, 1'000'000};
    span_ = spans[random_.below(spans.size())];
    start(nullptr);
  }
  KeyGroupRange groups() const { return groups_; }
  Service& stored() { return *stored_; }
  StateBackend& backend() { return *backend_; }
  int64_t watermark() const { return watermark_; }

  void work(int operations) {
    for (int i = 0; i < operations; ++i) {
      const K key = key_at(random_.below(kKeys));
      const KeyHash hash = key_hash(key, kMaxParallelism);
      if (!groups_.contains(hash.group)) { continue; }
      const N space = space_at(random_.below(3));
      const int64_t time = watermark_ + static_cast<int64_t>(random_.below(span_)) -
                           (random_.chance(0.05) ? static_cast<int64_t>(span_) : 0);
      const uint64_t dice = random_.below(100);
      if (dice < 70) {
        heap_->add(key, hash, space, time);
        stored_->add(key, hash, space, time);
      } else if (dice < 90) {
        heap_->remove(key, hash, space, time);
        stored_->remove(key, hash, space, time);
      } else if (dice < 99) {
        ASSERT_EQ(heap_->contains(key, hash, space, time),
                  stored_->contains(key, hash, space, time));
      } else {
        ASSERT_NO_FATAL_FAILURE(advance(static_cast<int64_t>(random_.below(span_ / 4 + 2))));
      }
    }
  }
  void advance(int64_t by) {
    watermark_ += by;
    const auto from_heap = fire(*heap_);
    const auto from_stored = fire(*stored_);
    ASSERT_EQ(from_heap, from_stored);
    ASSERT_TRUE(stored_->empty() || stored_->next_time() > watermark_);
  }
  void compare() { ASSERT_EQ(all_of(*heap_), all_of(*stored_)); }

  // Snapshots of both, with work going on. What was written: of the heap, and of the backend.
  using Pair = std::pair<TestSnapshot, TestSnapshot>;
  Pair snapshot(bool with_files, int64_t checkpoint, const Pair* base) {
    const bool own = with_files && backend_->has_own_snapshots();
    Pair to{TestSnapshot(groups_, ""), TestSnapshot(groups_, own ? world_.make_folder() : "")};
    const SnapshotStart start{checkpoint, base == nullptr ? 0 : checkpoint - 1};
    if (base != nullptr) {
      to.first.base_on(base->first);
      to.second.base_on(base->second);
    }
    heap_->begin_snapshot(start, kName, true);
    stored_->begin_snapshot(start, kName, backend_->has_own_snapshots());
    bool heap_done = false;
    const auto go_on = [&] {
      work(static_cast<int>(random_.below(40)));
      to.first.grant(static_cast<int64_t>(random_.below(50)));
      to.second.grant(static_cast<int64_t>(random_.below(50)));
      heap_done = heap_done || heap_->write(to.first);
    };
    flush(go_on);
    std::unique_ptr<StoreView> view;
    if (own) {
      backend_->begin_own_snapshot(start, [] {});
      stored_->cut(nullptr);
      write_files(to.second, go_on);
    } else {
      view = backend_->view();
      stored_->cut(view.get());
    }
    for (bool stored_done = false; !heap_done || !stored_done;) {
      go_on();
      stored_done = stored_done || stored_->write(to.second);
    }
    return to;
  }
  // Begins one, and gives it up somewhere.
  void abort_snapshot(bool with_files, int64_t checkpoint) {
    heap_->begin_snapshot({checkpoint, 0}, kName, true);
    stored_->begin_snapshot({checkpoint, 0}, kName, backend_->has_own_snapshots());
    const uint64_t until = random_.below(3);
    work(100);
    std::unique_ptr<StoreView> view;
    const bool own = until > 0 && with_files && backend_->has_own_snapshots();
    if (until > 0) {
      flush([&] { work(20); });
      if (own) {
        backend_->begin_own_snapshot({checkpoint, 0}, [] {});
        stored_->cut(nullptr);
      } else {
        view = backend_->view();
        stored_->cut(view.get());
      }
      work(100);
    }
    if (own) { backend_->abort_own_snapshot(); }
    heap_->abort_snapshot();
    stored_->abort_snapshot();
  }
  // Both go on from snapshots, each from its own or from the other's.
  void restore(const std::vector<const Pair*>& from, bool swapped, KeyGroupRange groups,
               int64_t watermark) {
    groups_ = groups;
    watermark_ = watermark;
    std::vector<const TestSnapshot*> of_heap;
    std::vector<const TestSnapshot*> of_stored;
    for (const Pair* pair : from) {
      of_heap.push_back(&pair->first);
      of_stored.push_back(&pair->second);
    }
    if (swapped) { std::swap(of_heap, of_stored); }
    TestSnapshotReader heap_reader(of_heap, groups);
    TestSnapshotReader stored_reader(of_stored, groups);
    start(&stored_reader);
    ASSERT_TRUE(heap_->read(heap_reader, kName).ok());
  }
  // Fires all there are.
  void finish() {
    is_last_ = true;
    advance(int64_t{1} << 40);
    ASSERT_TRUE(stored_->empty() && stored_->next_time() == TimerQueue::kNoTime);
  }

 private:
  static constexpr int64_t kKeys = 300;
  using Fired = std::vector<std::tuple<int64_t, std::string, int64_t>>;

  K key_at(uint64_t index) const {
    if constexpr (std::is_integral_v<K>) {
      return static_cast<K>(index) - 100;
    } else {
      return K(names_[index]);
    }
  }
  static N space_at(uint64_t index) {
    if constexpr (std::is_integral_v<N>) {
      return static_cast<N>(index);
    } else {
      return N{};
    }
  }
  static std::tuple<int64_t, std::string, int64_t> describe(const K& key, const N& space,
                                                            int64_t time) {
    StateBytes bytes;
    int64_t number = 0;
    if constexpr (std::is_integral_v<N>) { number = static_cast<int64_t>(space); }
    return {time, std::string(bytes.encode(key)), number};
  }
  void start(SnapshotReader* reader) {
    stored_.reset();
    backend_ = world_.make_backend(groups_);
    heap_ = std::make_unique<Service>(groups_, kMaxParallelism, nullptr);
    stored_ = std::make_unique<Service>(groups_, kMaxParallelism, nullptr);
    stored_->open_backend(*backend_, kName);
    if (reader == nullptr) { return; }
    const auto restored = backend_->restore(*reader);
    ASSERT_TRUE(restored.ok()) << restored.status().to_string();
    const Status read = stored_->read(**restored, kName);
    ASSERT_TRUE(read.ok()) << read.to_string();
  }
  // In the order of time; what is set meanwhile does not depend on the order of equal times.
  Fired fire(Service& service) {
    Fired fired;
    int64_t last = INT64_MIN;
    while (const auto* timer = service.next_due(watermark_)) {
      EXPECT_GE(timer->time, last);
      last = timer->time;
      fired.push_back(describe(timer->key, timer->name_space, timer->time));
      const KeyHash hash = key_hash(timer->key, kMaxParallelism);
      EXPECT_EQ(service.due_hash().group, hash.group);
      const int64_t time = timer->time;
      const auto key = copy_of(timer->key);
      const N space = timer->name_space;
      if (is_last_) { continue; }
      const auto span = static_cast<int64_t>(span_);
      switch (hash.hash % 7) {
        case 0: service.add(K(key), hash, space, time + 1 + span / 9); break;
        case 1: service.add(K(key), hash, space, time + span); break;
        case 2: service.remove(K(key), hash, space, time + 1); break;
        default: break;
      }
    }
    std::sort(fired.begin(), fired.end());
    return fired;
  }
  static auto copy_of(const K& key) {
    if constexpr (std::is_same_v<K, Text>) {
      return key.str();
    } else {
      return key;
    }
  }
  static Fired all_of(Service& service) {
    Fired all;
    service.for_each([&](const K& key, const N& space, int64_t time) {
      all.push_back(describe(key, space, time));
    });
    std::sort(all.begin(), all.end());
    return all;
  }
  template <class F>
  void flush(F go_on) {
    for (size_t budget = random_.below(200); !stored_->flush(budget); budget = 64) { go_on(); }
    ASSERT_TRUE(backend_->commit().ok());
  }
  template <class F>
  void write_files(TestSnapshot& to, F go_on) {
    for (;;) {
      go_on();
      to.grant(1);
      const Result<bool> done = backend_->write_own_snapshot(to);
      ASSERT_TRUE(done.ok()) << done.status().to_string();
      if (*done) { return; }
      world_.wait_a_little();
    }
  }

  const TimerDuelWorld& world_;
  Random random_;
  KeyGroupRange groups_;
  std::vector<std::string> names_;
  uint64_t span_ = 1;
  bool is_last_ = false;
  int64_t watermark_ = 0;
  std::unique_ptr<StateBackend> backend_;
  std::unique_ptr<Service> heap_;
  std::unique_ptr<Service> stored_;
};

// The whole of it: work, snapshots of all kinds, aborted ones, and restores at other key groups.
template <class K, class N>
void run_timer_duel(const TimerDuelWorld& world, uint64_t seed, int operations) {
  using Duel = TimerDuel<K, N>;
  using Pair = typename Duel::Pair;
  constexpr KeyGroupRange kAll{0, Duel::kMaxParallelism - 1};
  Random random(seed * 31 + 7);
  Duel duel(world, seed, kAll);
  int64_t checkpoint = 0;
  for (int round = 0; round < 3; ++round) {
    std::unique_ptr<Pair> last;
    bool last_has_files = false;
    int64_t watermark = 0;
    for (int i = 0; i < 3; ++i) {
      ASSERT_NO_FATAL_FAILURE(duel.work(operations));
      ASSERT_NO_FATAL_FAILURE(duel.compare());
      const bool with_files = random.chance(0.7);
      if (random.chance(0.3)) {
        ASSERT_NO_FATAL_FAILURE(duel.abort_snapshot(with_files, ++checkpoint));
        last.reset();
        continue;
      }
      watermark = duel.watermark();
      // A checkpoint is never based on a savepoint.
      const bool on_top = last != nullptr && with_files && last_has_files;
      last_has_files = with_files;
      last = std::make_unique<Pair>(
          duel.snapshot(with_files, ++checkpoint, on_top ? last.get() : nullptr));
      ASSERT_FALSE(::testing::Test::HasFailure());
      if (!with_files) {
        ASSERT_EQ(last->first.states().at("timers").entries,
                  last->second.states().at("timers").entries);
      }
    }
    ASSERT_NO_FATAL_FAILURE(duel.compare());
    if (last == nullptr) {
      watermark = duel.watermark();
      last = std::make_unique<Pair>(duel.snapshot(true, ++checkpoint, nullptr));
      ASSERT_FALSE(::testing::Test::HasFailure());
    }
    // Memory reads files only with the backend's help.
    const bool swapped = last->second.native().files.empty() && random.chance(0.5);
    if (random.chance(0.5)) {
      ASSERT_NO_FATAL_FAILURE(duel.restore({last.get()}, swapped, duel.groups(), watermark));
      ASSERT_NO_FATAL_FAILURE(duel.compare());
    } else {
      const int32_t middle = static_cast<int32_t>(random.below(Duel::kMaxParallelism - 1));
      Duel upper(world, seed, kAll);
      const auto from = std::vector<const Pair*>{last.get()};
      ASSERT_NO_FATAL_FAILURE(
          upper.restore(from, swapped, {middle + 1, Duel::kMaxParallelism - 1}, watermark));
      ASSERT_NO_FATAL_FAILURE(upper.compare());
      ASSERT_NO_FATAL_FAILURE(duel.restore(from, swapped, {0, middle}, watermark));
      ASSERT_NO_FATAL_FAILURE(duel.compare());
      ASSERT_NO_FATAL_FAILURE(upper.work(operations / 2));
      ASSERT_NO_FATAL_FAILURE(duel.work(operations / 2));
      // And together again.
      const bool with_files = random.chance(0.5);
      const Pair low = duel.snapshot(with_files, ++checkpoint, nullptr);
      const Pair high = upper.snapshot(with_files, checkpoint, nullptr);
      ASSERT_FALSE(::testing::Test::HasFailure());
      const int64_t together = std::max(duel.watermark(), upper.watermark());
      ASSERT_NO_FATAL_FAILURE(duel.restore({&low, &high}, false, kAll, together));
      ASSERT_NO_FATAL_FAILURE(duel.compare());
    }
    ASSERT_NO_FATAL_FAILURE(duel.advance(1));
  }
  duel.finish();
}

}  // namespace tidewheel
