// Snapshots of keyed state in the background: what is written while records go on has to be what
// another store, changed alike, writes in one go at the barrier.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/state/handles.h"
#include "tidewheel/state/keyed_store.h"

namespace tidewheel {
namespace {

using namespace std::chrono_literals;

constexpr int32_t kMaxParallelism = 32;
constexpr KeyGroupRange kAllGroups{0, kMaxParallelism - 1};
const SnapshotPlace kPlace{"op", 0, 1, kMaxParallelism};

class TestClock final : public Clock {
 public:
  int64_t now_ns() const override { return wall * 1'000'000; }
  int64_t wall_ms() const override { return wall; }
  int64_t wall = 1'000'000;
};

struct States {
  Value<int64_t> count{"count"};
  Value<Text> name{"name"};
  List<Text> texts{"texts"};
  Map<int32_t, Text> words{"words"};
  Value<int64_t> brief{"brief", {.ttl = 300ms}};
  Map<int32_t, int64_t> brief_map{"brief map", {.ttl = 500ms, .ttl_on = TtlOn::read_write}};
  List<int32_t> brief_list{"brief list", {.ttl = 400ms}};
  EventTimer idle{"idle"};
};

struct Store {
  explicit Store(TestClock& clock) : keyed(kAllGroups, kMaxParallelism, nullptr, clock) {
    BindingScope scope(&keyed, nullptr);
    const States prototype;
    states.emplace(prototype);
    EXPECT_TRUE(scope.status().ok());
  }
  void with(int64_t key) {
    held = key;
    keyed.begin_work();
    keyed.set_current(held);
  }
  void end() {
    keyed.clear_current();
    keyed.end_work(1);
  }
  KeyedStore<int64_t> keyed;
  std::optional<States> states;
  int64_t held = 0;
};

// One change of one key, the same to whatever store it is given.
struct Change {
  int64_t key = 0;
  uint64_t what = 0;
  int32_t place = 0;
  int64_t number = 0;
};

void apply(Store& store, const Change& change) {
  const std::string text = "text number " + std::to_string(change.number);
  store.with(change.key);
  States& states = *store.states;
  switch (change.what) {
    case 0: states.count.update([](int64_t& n) { ++n; }); break;
    case 1: states.name = Text(text); break;
    case 2: states.name.clear(); break;
    case 3: states.texts.add(Text(text)); break;
    case 4: states.texts.clear(); break;
    case 5: states.words.put(change.place, Text(text)); break;
    case 6: states.words.erase(change.place); break;
    case 7: states.brief = change.number; break;
    case 8: states.brief_map.put(change.place, change.number); break;
    case 9: static_cast<void>(states.brief_map.find(change.place)); break;
    case 10: states.brief_map.erase(change.place); break;
    case 11: states.brief_list.add(change.place); break;
    case 12: states.idle.at(Timestamp(change.number + change.place)); break;
    case 13: states.idle.cancel(); break;
    case 14: store.keyed.add_timer(TimeDomain::kEvent, change.number + change.place); break;
    case 15: store.keyed.add_timer(TimeDomain::kProcessing, change.place); break;
    case 16: store.keyed.remove_timer(TimeDomain::kProcessing, change.place); break;
    default:
      states.count.clear();
      states.name.clear();
      states.texts.clear();
      states.words.clear();
  }
  store.end();
}

// Takes the timers that are due, which may set another.
void fire(Store& store, int64_t time) {
  store.keyed.begin_work();
  FiredTimer fired;
  while (store.keyed.next_due(TimeDomain::kEvent, time, fired)) {
    store.states->count.update([](int64_t& n) { n += 100; });
    if (fired.time % 3 == 0) { store.keyed.add_timer(TimeDomain::kEvent, fired.time + 40); }
  }
  store.keyed.end_work(0);
}

// What a snapshot means, as text: the state by key, then the timers.
std::map<int64_t, std::string> meaning_of(const std::vector<SnapshotSegmentRef>& layers,
                                          TestClock& clock) {
  std::map<int64_t, std::string> found;
  auto reader = SegmentReader::open(kPlace, layers);
  EXPECT_TRUE(reader.ok()) << reader.status().to_string();
  Store store(clock);
  const Status read = store.keyed.read(**reader);
  EXPECT_TRUE(read.ok()) << read.to_string();
  store.keyed.for_each_key([&](int64_t key) {
    States& states = *store.states;
    std::string text;
    if (states.count) { text += "count " + std::to_string(*states.count); }
    if (states.name) { text += " name " + states.name->str(); }
    for (const Text& item : states.texts.items()) { text += " text " + item.str(); }
    for (auto [place, word] : states.words.entries()) {
      text += " word " + std::to_string(place) + word.str();
    }
    if (states.brief) { text += " brief " + std::to_string(*states.brief); }
    for (auto [place, number] : states.brief_map.entries()) {
      text += " entry " + std::to_string(place) + ":" + std::to_string(number);
    }
    for (const int32_t item : states.brief_list.items()) {
      text += " item " + std::to_string(item);
    }
    if (const auto when = states.idle.when()) { text += " idle " + std::to_string(when->ms()); }
    if (!text.empty()) { found[key] = text; }
  });
  FiredTimer timer;
  for (const TimeDomain domain : {TimeDomain::kEvent, TimeDomain::kProcessing}) {
    while (store.keyed.next_due(domain, INT64_MAX, timer)) {
      found[store.keyed.current_key()] += " timer " + std::to_string(timer.time) +
                                          (timer.handle == nullptr ? "" : " named") +
                                          (domain == TimeDomain::kEvent ? "" : " by the clock");
    }
  }
  return found;
}

class StoreRun {
 public:
  StoreRun(uint64_t seed, bool keeps_changes) : random_(seed), subject_(clock_), twin_(clock_) {
    if (keeps_changes) { subject_.keyed.keep_changes(); }
  }
  void go(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      const uint64_t what = random_.below(1000);
      if (what < 8) {
        barrier();
      } else if (what < 9 && writer_ != nullptr && random_.below(8) == 0) {
        subject_.keyed.abort_snapshot();
        writer_.reset();
      } else if (what < 120) {
        write_some();
      } else if (what < 150) {
        clock_.wall += static_cast<int64_t>(random_.below(60));
      } else if (what < 160) {
        watermark_ += static_cast<int64_t>(random_.below(200));
        fire(subject_, watermark_);
        fire(twin_, watermark_);
      } else {
        change();
      }
    }
  }
  int snapshots() const { return snapshots_; }
  int of_changes() const { return of_changes_; }

 private:
  void change() {
    const uint64_t keys = random_.below(2) == 0 ? 300 : 20;
    const Change change{static_cast<int64_t>(random_.below(keys)), random_.below(18),
                        static_cast<int32_t>(random_.below(6)),
                        watermark_ + static_cast<int64_t>(random_.below(1000))};
    apply(subject_, change);
    apply(twin_, change);
  }
  void barrier() {
    if (writer_ != nullptr) { return; }
    subject_.keyed.begin_snapshot({++checkpoint_, random_.below(10) == 0 ? 0 : completed_});
    SegmentWriter all(kPlace);
    twin_.keyed.begin_snapshot({checkpoint_, 0});
    while (!twin_.keyed.write(all)) {}
    expected_ = all.finish();
    writer_ = std::make_unique<SegmentWriter>(kPlace);
  }
  void write_some() {
    if (writer_ == nullptr) { return; }
    writer_->grant(1 + random_.below(random_.below(2) == 0 ? 40 : 2000));
    if (!subject_.keyed.write(*writer_)) { return; }
    completed_ = checkpoint_;
    const auto segments = writer_->finish();
    writer_.reset();
    bool any_changes = false;
    for (const SnapshotSegmentRef& segment : segments) {
      any_changes = any_changes || segment->content == StateContent::kChanges;
      if (segment->content == StateContent::kAll) {
        std::erase_if(layers_,
                      [&](const auto& layer) { return layer->meta.name == segment->meta.name; });
      }
      layers_.push_back(segment);
    }
    of_changes_ += any_changes ? 1 : 0;
    ++snapshots_;
    ASSERT_EQ(meaning_of(layers_, clock_), meaning_of(expected_, clock_))
        << "snapshot " << checkpoint_ << (any_changes ? " of changes" : " of all");
  }

  Random random_;
  TestClock clock_;
  Store subject_;
  Store twin_;  // changed alike, and written in one go
  int64_t watermark_ = 0;
  std::unique_ptr<SegmentWriter> writer_;
  int64_t checkpoint_ = 0;
  int64_t completed_ = 0;
  std::vector<SnapshotSegmentRef> layers_;
  std::vector<SnapshotSegmentRef> expected_;
  int snapshots_ = 0;
  int of_changes_ = 0;
};

TEST(StoreSnapshot, is_the_state_as_it_was_at_the_barrier) {
  for (const bool keeps_changes : {false, true}) {
    int snapshots = 0;
    int of_changes = 0;
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      StoreRun run(seed, keeps_changes);
      run.go(12'000);
      if (HasFailure()) { return; }
      snapshots += run.snapshots();
      of_changes += run.of_changes();
    }
    EXPECT_GT(snapshots, 100);
    EXPECT_EQ(of_changes > 50, keeps_changes);
  }
}

// A store of one state, whose entries are written during the walk, changed by batches of keys.
class BatchRun {
 public:
  struct Counts {
    Value<int64_t> count{"count"};
  };
  using Model = std::map<int64_t, int64_t>;

  explicit BatchRun(uint64_t seed)
      : random_(seed), keyed_(kAllGroups, kMaxParallelism, nullptr, clock_) {
    bind(keyed_, counts_);
    keyed_.keep_changes();
  }
  // Adds to the counts of some keys, several times of a few; clears some.
  void batch(uint64_t keys) {
    std::vector<int64_t> batch(1 + random_.below(60));
    for (int64_t& key : batch) { key = static_cast<int64_t>(random_.below(keys)); }
    KeyedBatch chosen(keyed_, 0, static_cast<uint32_t>(batch.size()),
                      [&](uint32_t i) -> const int64_t& { return batch[i]; });
    for (uint32_t i = 0; i < batch.size(); ++i) {
      chosen.select(i);
      if (random_.below(12) == 0) {
        counts_->count.clear();
        model_.erase(batch[i]);
      } else {
        counts_->count.update([](int64_t& n) { ++n; });
        ++model_[batch[i]];
      }
    }
  }
  // One batch of keys from 0 on, each once.
  void batch_of_each(int64_t keys) {
    std::vector<int64_t> batch;
    for (int64_t key = 0; key < keys; ++key) { batch.push_back(key); }
    KeyedBatch chosen(keyed_, 0, static_cast<uint32_t>(batch.size()),
                      [&](uint32_t i) -> const int64_t& { return batch[i]; });
    for (uint32_t i = 0; i < batch.size(); ++i) {
      chosen.select(i);
      counts_->count.update([](int64_t& n) { ++n; });
      ++model_[batch[i]];
    }
  }
  // With batches between the pieces that are written; the first, of `each` keys, clears none, which
  // would have the index told of all of them.
  void snapshot(uint64_t keys, int64_t each = 0) {
    const Model expected = model_;
    ++checkpoint_;
    keyed_.begin_snapshot({checkpoint_, checkpoint_ - 1});
    if (each > 0) { batch_of_each(each); }
    SegmentWriter writer(kPlace);
    for (int piece = 0;; ++piece) {
      if (each == 0 || piece > 6) { batch(keys); }
      writer.grant(1 + random_.below(each == 0 ? 400 : 4000));
      if (keyed_.write(writer)) { break; }
    }
    for (const SnapshotSegmentRef& segment : writer.finish()) {
      if (segment->content == StateContent::kAll) { layers_.clear(); }
      layers_.push_back(segment);
    }
    EXPECT_EQ(read(), expected) << "snapshot " << checkpoint_;
  }
  // Nothing is changed between them: after the first, there is nothing new in any.
  void empty_snapshots(int count) {
    for (int i = 0; i < count; ++i) {
      ++checkpoint_;
      keyed_.begin_snapshot({checkpoint_, checkpoint_ - 1});
      SegmentWriter writer(kPlace);
      while (!keyed_.write(writer)) {}
      if (i == 0) { layers_.push_back(writer.finish().front()); }
    }
  }

 private:
  static void bind(KeyedStore<int64_t>& keyed, std::optional<Counts>& counts) {
    BindingScope scope(&keyed, nullptr);
    const Counts prototype;
    counts.emplace(prototype);
    EXPECT_TRUE(scope.status().ok());
  }
  Model read() {
    KeyedStore<int64_t> restored(kAllGroups, kMaxParallelism, nullptr, clock_);
    std::optional<Counts> counts;
    bind(restored, counts);
    const auto reader = SegmentReader::open(kPlace, layers_);
    EXPECT_TRUE(reader.ok() && restored.read(**reader).ok());
    Model found;
    restored.for_each_key([&](int64_t key) { found[key] = *counts->count; });
    return found;
  }

  Random random_;
  TestClock clock_;
  KeyedStore<int64_t> keyed_;
  std::optional<Counts> counts_;
  Model model_;
  int64_t checkpoint_ = 0;
  std::vector<SnapshotSegmentRef> layers_;
};

TEST(StoreSnapshot, of_one_state_is_that_of_the_barrier_while_batches_come) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    BatchRun run(seed);
    for (int i = 0; i < 60 && !HasFailure(); ++i) {
      run.batch(2000);
      run.snapshot(i % 2 == 0 ? 2000 : 50);
    }
  }
}

TEST(StoreSnapshot, waits_for_the_index_to_hear_of_all_rows_that_were_touched_at_once) {
  BatchRun run(5);
  run.batch_of_each(20'000);
  for (int i = 0; i < 4 && !HasFailure(); ++i) {
    run.batch(20'000);
    run.snapshot(50, i % 2 == 0 ? 19'000 : 0);
    run.batch_of_each(i * 5'000);  // and so does the barrier
  }
}

// The mark of a row has 16 bits: a key that was touched so many barriers ago is not touched now.
TEST(StoreSnapshot, old_marks_are_gone_when_their_number_comes_again) {
  BatchRun run(3);
  for (int i = 0; i < 40; ++i) { run.batch(300); }
  run.snapshot(300);
  for (int i = 0; i < 20; ++i) { run.batch(300); }
  run.empty_snapshots(65535 - 1);
  run.snapshot(300);
}

// A store of plain values, of which rows are copied when they are touched first: keys come alone
// and in batches, some longer than what is gathered before the index is asked; the table grows on
// the way, keys go and come again, snapshots are given up or overtaken by the next.
template <class States>
class PlainRun {
 public:
  using Model = std::map<int64_t, std::string>;

  explicit PlainRun(uint64_t seed)
      : random_(seed), keyed_(kAllGroups, kMaxParallelism, nullptr, clock_) {
    bind(keyed_, states_);
    keyed_.keep_changes();
  }
  void step() {
    const uint64_t what = random_.below(100);
    if (what < 50) { return batch(); }
    if (what < 60) { return single(); }
    if (what < 62) { return touch_all(); }
    if (what < 66 && (writer_ == nullptr || random_.below(6) == 0)) { return barrier(); }
    if (what == 66 && writer_ != nullptr && random_.below(3) == 0) {
      keyed_.abort_snapshot();
      writer_.reset();
    }
    write_some();
  }
  int snapshots() const { return snapshots_; }
  int of_changes() const { return of_changes_; }
  size_t keys() const { return model_.size(); }

 private:
  static void bind(KeyedStore<int64_t>& keyed, std::optional<States>& states) {
    BindingScope scope(&keyed, nullptr);
    const States prototype;
    states.emplace(prototype);
    EXPECT_TRUE(scope.status().ok());
  }
  int64_t draw() {
    // Most of those that are in use, seldom one of those that are to come.
    return static_cast<int64_t>(random_.below(random_.below(4) == 0 ? range_ : range_ / 8 + 1));
  }
  void batch() {
    range_ = std::min<uint64_t>(range_ + random_.below(200), 60'000);
    std::vector<int64_t> batch(1 + random_.below(random_.below(3) == 0 ? 400 : 20));
    for (int64_t& key : batch) { key = draw(); }
    KeyedBatch chosen(keyed_, 0, static_cast<uint32_t>(batch.size()),
                      [&](uint32_t i) -> const int64_t& { return batch[i]; });
    for (uint32_t i = 0; i < batch.size(); ++i) {
      chosen.select(i);
      change(batch[i]);
      // Another key in between, and back to none: what was gathered is settled before.
      if (random_.below(200) == 0) {
        const int64_t other = draw();
        keyed_.set_current(other);
        change(other);
      }
    }
  }
  void single() {
    const int64_t key = draw();
    keyed_.begin_work();
    keyed_.set_current(key);
    change(key);
    keyed_.clear_current();
    keyed_.end_work(1);
  }
  void touch_all() {
    if (model_.size() > 3000) { return; }
    keyed_.for_each_key([&](int64_t key) {
      if (random_.below(3) == 0) { change(key); }
    });
  }
  void change(int64_t key) {
    if (random_.below(15) == 0) {
      states_->clear();
      model_.erase(key);
    } else {
      states_->change(random_.below(8));
      model_[key] = states_->text();
    }
  }
  void barrier() {
    expected_ = model_;
    keyed_.begin_snapshot({++checkpoint_, completed_});
    writer_ = std::make_unique<SegmentWriter>(kPlace);
  }
  void write_some() {
    if (writer_ == nullptr) { return; }
    writer_->grant(1 + random_.below(random_.below(2) == 0 ? 100 : 20'000));
    if (!keyed_.write(*writer_)) { return; }
    completed_ = checkpoint_;
    bool any_changes = false;
    for (const SnapshotSegmentRef& segment : writer_->finish()) {
      any_changes = any_changes || segment->content == StateContent::kChanges;
      if (segment->content == StateContent::kAll) {
        std::erase_if(layers_,
                      [&](const auto& layer) { return layer->meta.name == segment->meta.name; });
      }
      layers_.push_back(segment);
    }
    writer_.reset();
    ++snapshots_;
    of_changes_ += any_changes ? 1 : 0;
    EXPECT_EQ(read(), expected_) << "snapshot " << checkpoint_;
  }
  Model read() {
    KeyedStore<int64_t> restored(kAllGroups, kMaxParallelism, nullptr, clock_);
    std::optional<States> states;
    bind(restored, states);
    const auto reader = SegmentReader::open(kPlace, layers_);
    EXPECT_TRUE(reader.ok() && restored.read(**reader).ok());
    Model found;
    restored.for_each_key([&](int64_t key) { found[key] = states->text(); });
    return found;
  }

  Random random_;
  TestClock clock_;
  KeyedStore<int64_t> keyed_;
  std::optional<States> states_;
  uint64_t range_ = 40;
  Model model_;
  Model expected_;  // of the snapshot under way
  int64_t checkpoint_ = 0;
  int64_t completed_ = 0;
  std::unique_ptr<SegmentWriter> writer_;
  std::vector<SnapshotSegmentRef> layers_;
  int snapshots_ = 0;
  int of_changes_ = 0;
};

struct OnePlainState {
  Value<int64_t> count{"count"};
  void change(uint64_t) {
    count.update([](int64_t& n) { ++n; });
  }
  void clear() { count.clear(); }
  std::string text() { return std::to_string(*count); }
};
// A key may have either alone, so that a snapshot of changes says which are gone.
struct TwoPlainStates {
  Value<int64_t> count{"count"};
  Value<int32_t> last{"last"};
  void change(uint64_t what) {
    if (what != 0) {
      count.update([](int64_t& n) { ++n; });
    } else {
      count.clear();
    }
    if (what > 4) { last.clear(); }
    if (what <= 2 || !count) { last = last ? *last + 1 : 7; }
  }
  void clear() {
    count.clear();
    last.clear();
  }
  std::string text() {
    return (count ? std::to_string(*count) : "none") + " " +
           (last ? std::to_string(*last) : "none");
  }
};

template <class States>
void check_plain_runs(int steps) {
  int snapshots = 0;
  int of_changes = 0;
  size_t keys = 0;
  for (uint64_t seed = 1; seed <= 4 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    PlainRun<States> run(seed);
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) { run.step(); }
    snapshots += run.snapshots();
    of_changes += run.of_changes();
    keys = std::max(keys, run.keys());
  }
  EXPECT_GT(snapshots, 60);
  EXPECT_GT(of_changes, 30);
  EXPECT_GT(keys, 20'480U) << "the index did not grow in steps";
}

TEST(StoreSnapshot, of_a_plain_state_is_that_of_the_barrier_whatever_comes) {
  check_plain_runs<OnePlainState>(3200);
}
TEST(StoreSnapshot, of_two_plain_states_is_that_of_the_barrier_whatever_comes) {
  check_plain_runs<TwoPlainStates>(3200);
}

TEST(StoreSnapshot, operator_state_is_that_of_the_barrier) {
  struct Rules {
    OperatorList<int64_t> seen{"seen"};
    Broadcast<std::string, int64_t> limits{"limits"};
  };
  struct Access : BroadcastAccess {};
  OperatorState state(nullptr);
  std::optional<Rules> rules;
  {
    BindingScope scope(nullptr, &state);
    const Rules prototype;
    rules.emplace(prototype);
    ASSERT_TRUE(scope.status().ok());
  }
  for (int64_t i = 0; i < 100; ++i) {
    rules->seen.add(i);
    rules->limits.edit(Access()).put("rule " + std::to_string(i), i);
  }
  state.begin_snapshot();
  SegmentWriter writer(kPlace);
  for (int64_t i = 0;; ++i) {
    rules->seen.add(1000 + i);
    rules->limits.edit(Access()).put("rule " + std::to_string(i), -1);
    writer.grant(20);
    if (state.write(writer)) { break; }
  }
  const auto reader = SegmentReader::open(kPlace, writer.finish());
  ASSERT_TRUE(reader.ok());
  OperatorState restored(nullptr);
  BindingScope scope(nullptr, &restored);
  const Rules prototype;
  const Rules again(prototype);
  ASSERT_TRUE(restored.read(**reader).ok());
  ASSERT_EQ(again.seen.size(), 100U);
  EXPECT_EQ(again.limits.size(), 100U);
  EXPECT_EQ(again.seen.items()[99], 99);
  EXPECT_EQ(again.limits.get("rule 7"), 7);
}

}  // namespace
}  // namespace tidewheel
