#include "tidewheel/state/handles.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/random.h"
#include "tidewheel/state/keyed_store.h"

namespace tidewheel {
namespace {

using namespace std::chrono_literals;

constexpr int32_t kMaxParallelism = 128;
constexpr KeyGroupRange kAllGroups{0, kMaxParallelism - 1};

class FakeClock final : public Clock {
 public:
  int64_t now_ns() const override { return wall * 1'000'000; }
  int64_t wall_ms() const override { return wall; }
  int64_t wall = 1'000'000;
};

struct Person {
  Text name;
  int32_t age = 0;
};

struct Function {
  int64_t threshold = 5;  // configuration is an ordinary member
  Value<int64_t> count{"count"};
  Value<Person> person{"person"};
  List<std::string> names{"names"};
  List<Text> texts{"texts"};
  Map<int32_t, Text> words{"words"};
  EventTimer idle{"idle"};
  ProcTimer alarm{"alarm"};
};

// A function bound to a store, as an operator has it.
template <class F, class K>
struct Bound {
  explicit Bound(KeyGroupRange groups = kAllGroups, MemoryPool* pool = nullptr)
      : store(groups, kMaxParallelism, pool, clock), operator_state(pool) {
    BindingScope scope(&store, &operator_state);
    function.emplace(F{});
    F prototype;
    function.emplace(prototype);
    status = scope.status();
  }
  F* operator->() { return &*function; }
  void with(const K& key) {
    held = key;
    store.set_current(held);
  }
  FakeClock clock;
  KeyedStore<K> store;
  OperatorState operator_state;
  std::optional<F> function;
  Status status;
  K held{};
};

TEST(Handles, values_are_kept_by_key) {
  Bound<Function, int64_t> bound;
  ASSERT_TRUE(bound.status.ok()) << bound.status.to_string();
  for (int64_t key = 0; key < 100; ++key) {
    bound.with(key);
    EXPECT_FALSE(bound->count);
    EXPECT_EQ(bound->count.get(), 0);
    EXPECT_EQ(bound->count.get_or(7), 7);
    EXPECT_THROW(static_cast<void>(*bound->count), StateError);
    bound->count = key * 10;
    bound->count.update([](auto& n) { ++n; });
    bound->count.update([](int64_t n) { return n + 1; });
  }
  for (int64_t key = 0; key < 100; ++key) {
    bound.with(key);
    EXPECT_TRUE(bound->count);
    EXPECT_EQ(*bound->count, key * 10 + 2);
    bound->count.clear();
    EXPECT_FALSE(bound->count);
  }
  bound.store.clear_current();
  bound.store.end_work(0);
  EXPECT_EQ(bound.store.key_count(), 0U);
}

TEST(Handles, text_in_state_is_the_states_own) {
  Bound<Function, std::string> bound;
  {
    std::string name = "a name that is somewhere else";
    bound.with("k");
    bound->person = Person{Text(name), 3};
    bound->texts.add(Text(name));
    bound->words.put(5, Text(name));
    name.assign(name.size(), '?');
  }
  EXPECT_EQ(bound->person->name, "a name that is somewhere else");
  EXPECT_EQ(bound->texts.items()[0], "a name that is somewhere else");
  EXPECT_EQ(bound->words.get(5), "a name that is somewhere else");
  // From itself, and by update.
  bound->person = *bound->person;
  std::string other = "another";
  bound->person.update([&](Person& p) { p.name = Text(other); });
  other = "???????";
  EXPECT_EQ(bound->person->name, "another");
  bound->texts.add(bound->texts.items()[0]);
  bound->texts.replace(bound->texts.items());
  EXPECT_EQ(bound->texts.size(), 2U);
  EXPECT_EQ(bound->texts.items()[1], "a name that is somewhere else");
}

TEST(Handles, lists_keep_the_order) {
  Bound<Function, int64_t> bound;
  bound.with(1);
  EXPECT_TRUE(bound->names.empty());
  for (int32_t i = 0; i < 50; ++i) { bound->names.add("name " + std::to_string(i)); }
  EXPECT_EQ(bound->names.size(), 50U);
  EXPECT_EQ(bound->names.items()[49], "name 49");
  bound->names.replace(std::vector<std::string>{"a", "b"});
  EXPECT_EQ(bound->names.size(), 2U);
  bound->names.add_all(std::vector<std::string>{"c"});
  EXPECT_EQ(bound->names.items().back(), "c");
  bound->names.replace(std::vector<std::string>{});
  EXPECT_TRUE(bound->names.empty());
  bound.store.end_work(0);
  EXPECT_EQ(bound.store.key_count(), 0U);
}

TEST(Handles, maps_are_ordered_and_scanned) {
  Bound<Function, int64_t> bound;
  bound.with(1);
  EXPECT_TRUE(bound->words.empty());
  for (int32_t i = 0; i < 500; ++i) {
    const std::string word = "word " + std::to_string(i * 7 % 500);
    bound->words.put(i * 7 % 500, Text(word));
  }
  EXPECT_EQ(bound->words.size(), 500U);
  int32_t next = 0;
  for (auto [key, value] : bound->words.entries()) {
    EXPECT_EQ(key, next++);
    EXPECT_EQ(value, "word " + std::to_string(key));
  }
  std::vector<int32_t> scanned;
  for (auto [key, value] : bound->words.scan(100, 103)) { scanned.push_back(key); }
  EXPECT_EQ(scanned, (std::vector<int32_t>{100, 101, 102}));
  EXPECT_TRUE(bound->words.scan(103, 100).empty());
  EXPECT_TRUE(bound->words.erase(100));
  EXPECT_FALSE(bound->words.erase(100));
  EXPECT_FALSE(bound->words.contains(100));
  bound->words.erase_if([](int32_t key, const Text&) { return key >= 10; });
  EXPECT_EQ(bound->words.size(), 10U);
  bound->words.erase_if([](int32_t, const Text&) { return true; });
  EXPECT_TRUE(bound->words.empty());
  bound.store.end_work(0);
  EXPECT_EQ(bound.store.key_count(), 0U);
}

TEST(Handles, use_without_a_key_or_a_job_says_which_state) {
  Function unbound;
  Function copy = unbound;
  for (Function* function : {&unbound, &copy}) {
    try {
      function->count = 5;
      FAIL();
    } catch (const StateError& error) {
      EXPECT_EQ(error.status().id(), ErrorId::kStateName);
      EXPECT_NE(error.status().message().find("count"), std::string::npos);
    }
    EXPECT_THROW(function->idle.at(Timestamp(3)), StateError);
    EXPECT_THROW(static_cast<void>(function->words.get(3)), StateError);
  }
  Bound<Function, int64_t> bound;
  EXPECT_THROW(static_cast<void>(bound->count.get()), StateError);
  EXPECT_THROW(bound->names.add("x"), StateError);
}

struct Twice {
  Value<int64_t> a{"same"};
  Value<int32_t> b{"same"};
};
struct Shared {
  Value<int64_t> a{"same"};
  Value<int64_t> b{"same"};
};

TEST(Handles, two_states_of_one_name_must_be_the_same) {
  Bound<Twice, int64_t> twice;
  EXPECT_EQ(twice.status.id(), ErrorId::kStateName);
  Bound<Shared, int64_t> shared;
  ASSERT_TRUE(shared.status.ok());
  shared.with(1);
  shared->a = 5;
  EXPECT_EQ(*shared->b, 5);
}

TEST(Handles, keyed_state_without_keys_is_refused) {
  OperatorState operator_state(nullptr);
  BindingScope scope(nullptr, &operator_state);
  const Function prototype;
  const Function bound(prototype);
  EXPECT_EQ(scope.status().id(), ErrorId::kStateName);
  EXPECT_NE(scope.status().message().find("key_by"), std::string::npos);
}

struct Folds {
  struct Max {
    int64_t operator()(int64_t a, int64_t b) const { return a > b ? a : b; }
  };
  struct Mean {
    struct Sum {
      int64_t total = 0;
      int64_t count = 0;
    };
    Sum init() const { return {}; }
    void add(Sum& sum, int64_t n) const {
      sum.total += n;
      ++sum.count;
    }
    double result(const Sum& sum) const {
      return sum.count == 0 ? 0 : static_cast<double>(sum.total) / static_cast<double>(sum.count);
    }
  };
  Reducing<int64_t, Max> largest{"largest", Max{}};
  Aggregating<Mean> mean{"mean", Mean{}};
};

TEST(Handles, reducing_and_aggregating_fold) {
  Bound<Folds, int64_t> bound;
  ASSERT_TRUE(bound.status.ok());
  bound.with(1);
  EXPECT_FALSE(bound->largest);
  EXPECT_EQ(bound->mean.get(), 0.0);
  for (const int64_t n : {3, 9, 6}) {
    bound->largest.add(n);
    bound->mean.add(n);
  }
  EXPECT_EQ(bound->largest.get(), 9);
  EXPECT_EQ(bound->mean.get(), 6.0);
  bound.with(2);
  EXPECT_EQ(bound->largest.find(), nullptr);
}

// ---- batches ----

TEST(KeyedStore, a_batch_behaves_as_single_lookups) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Random random(seed);
    Bound<Function, std::string> bound;
    std::map<std::string, int64_t> model;
    for (int32_t round = 0; round < 60; ++round) {
      std::vector<std::string> keys(random.below(200));
      for (std::string& key : keys) { key = "key " + std::to_string(random.below(40)); }
      const auto count = static_cast<uint32_t>(keys.size());
      KeyedBatch batch(bound.store, 0, count,
                       [&](uint32_t i) -> const std::string& { return keys[i]; });
      for (uint32_t i = 0; i < count; ++i) {
        batch.select(i);
        EXPECT_EQ(bound.store.current_key(), keys[i]);
        // Clearing and making again within a batch: rows must not be taken for another key's.
        if (random.below(3) == 0) {
          bound->count.clear();
          model.erase(keys[i]);
        } else {
          bound->count.update([&](auto& n) { n += i; });
          model[keys[i]] += i;
        }
        ASSERT_EQ(static_cast<bool>(bound->count), model.contains(keys[i]));
        if (model.contains(keys[i])) { ASSERT_EQ(*bound->count, model[keys[i]]); }
      }
    }
    ASSERT_EQ(bound.store.key_count(), model.size());
    std::map<std::string, int64_t> seen;
    bound.store.for_each_key([&](const std::string& key) { seen[key] = *bound->count; });
    EXPECT_EQ(seen, model);
  }
}

TEST(KeyedStore, keys_may_be_made_for_each_row) {
  Bound<Function, std::string> bound;
  KeyedBatch batch(bound.store, 10, 110, [](uint32_t i) { return "key " + std::to_string(i % 7); });
  for (uint32_t i = 10; i < 110; ++i) {
    batch.select(i);
    bound->count.update([](auto& n) { ++n; });
  }
  EXPECT_EQ(bound.store.key_count(), 7U);
}

TEST(KeyedStore, memory_is_given_back_and_limits_are_told) {
  MemoryPool pool("job", 1'000'000);
  {
    Bound<Function, int64_t> bound(kAllGroups, &pool);
    int64_t key = 0;
    while (bound.store.status().ok() && key < 1'000'000) {
      bound.with(key++);
      bound->names.add("a name that takes some memory");
      bound->words.put(1, "text"_text);
    }
    EXPECT_EQ(bound.store.status().id(), ErrorId::kMemoryLimit);
    EXPECT_LT(key, 100'000);
  }
  EXPECT_EQ(pool.used_bytes(), 0);
}

// ---- timers ----

using Fired = std::vector<std::tuple<int64_t, int64_t, bool>>;  // time, key, named

Fired fire_all(Bound<Function, int64_t>& bound, TimeDomain domain, int64_t time) {
  Fired fired;
  FiredTimer timer;
  while (bound.store.next_due(domain, time, timer)) {
    if (timer.handle != nullptr) {
      const void* const expected = domain == TimeDomain::kEvent
                                       ? static_cast<const void*>(&bound->idle)
                                       : static_cast<const void*>(&bound->alarm);
      EXPECT_EQ(timer.handle, expected);
    }
    fired.emplace_back(timer.time, bound.store.current_key(), timer.handle != nullptr);
  }
  return fired;
}

TEST(KeyedStore, a_named_timer_is_one_a_key_and_moves) {
  Bound<Function, int64_t> bound;
  bound.with(1);
  bound->idle.at(Timestamp(100));
  EXPECT_EQ(bound->idle.when(), Timestamp(100));
  bound->idle.at(Timestamp(200));  // later: no queue is touched
  EXPECT_EQ(bound.store.timer_count(TimeDomain::kEvent), 1U);
  bound.with(2);
  bound->idle.at(Timestamp(150));
  bound->idle.at(Timestamp(120));  // earlier
  EXPECT_EQ(bound.store.timer_count(TimeDomain::kEvent), 2U);
  bound.with(3);
  bound->idle.at(Timestamp(110));
  bound->idle.cancel();
  EXPECT_FALSE(bound->idle);
  EXPECT_EQ(fire_all(bound, TimeDomain::kEvent, 119), Fired{});
  EXPECT_EQ(fire_all(bound, TimeDomain::kEvent, 199), (Fired{{120, 2, true}}));
  EXPECT_EQ(fire_all(bound, TimeDomain::kEvent, 200), (Fired{{200, 1, true}}));
  EXPECT_EQ(fire_all(bound, TimeDomain::kEvent, INT64_MAX), Fired{});
  EXPECT_EQ(bound.store.key_count(), 0U);
}

TEST(KeyedStore, a_cancelled_timer_can_be_set_again_for_nothing) {
  Bound<Function, int64_t> bound;
  bound.with(1);
  for (int64_t i = 0; i < 10'000; ++i) {
    bound->idle.at(Timestamp(1'000'000 + i));
    bound->idle.cancel();
  }
  bound->idle.at(Timestamp(2'000'000));
  EXPECT_EQ(bound.store.timer_count(TimeDomain::kEvent), 1U);
  EXPECT_EQ(fire_all(bound, TimeDomain::kEvent, INT64_MAX), (Fired{{2'000'000, 1, true}}));
}

TEST(KeyedStore, timers_of_both_kinds_fire_in_the_order_of_time) {
  Bound<Function, int64_t> bound;
  for (int64_t key = 0; key < 5; ++key) {
    bound.with(key);
    bound->idle.at(Timestamp(10 * key));
    bound.store.add_timer(TimeDomain::kEvent, 10 * key + 5);
  }
  bound.with(3);
  EXPECT_TRUE(bound.store.remove_timer(TimeDomain::kEvent, 35));
  EXPECT_EQ(bound.store.next_time(TimeDomain::kEvent), 0);
  const Fired fired = fire_all(bound, TimeDomain::kEvent, 40);
  const Fired expected = {{0, 0, true},  {5, 0, false},  {10, 1, true}, {15, 1, false},
                          {20, 2, true}, {25, 2, false}, {30, 3, true}, {40, 4, true}};
  EXPECT_EQ(fired, expected);
  EXPECT_EQ(bound.store.next_time(TimeDomain::kEvent), 45);
  EXPECT_EQ(bound.store.next_time(TimeDomain::kProcessing), TimerQueue::kNoTime);
}

TEST(KeyedStore, timers_are_relative_to_their_own_clock) {
  Bound<Function, int64_t> bound;
  bound.with(1);
  bound.store.set_event_time_ms(500);
  bound->idle.in(100ms);
  bound->alarm.in(100ms);
  EXPECT_EQ(bound->idle.when(), Timestamp(600));
  EXPECT_EQ(bound->alarm.when(), Timestamp(bound.clock.wall + 100));
  // Fires again and again when it sets itself.
  FiredTimer timer;
  int32_t count = 0;
  while (bound.store.next_due(TimeDomain::kEvent, 1'000, timer)) {
    ++count;
    bound->idle.at(Timestamp(timer.time + 100));
  }
  EXPECT_EQ(count, 5);
}

// ---- TTL ----

struct Aging {
  Value<int64_t> written{"written", {.ttl = 1000ms}};
  Value<int64_t> read{"read", {.ttl = 1000ms, .ttl_on = TtlOn::read_write}};
  List<int32_t> list{"list", {.ttl = 1000ms}};
  Map<int32_t, std::string> map{"map", {.ttl = 1000ms}};
  Value<int64_t> forever{"forever"};
};

TEST(Ttl, values_expire_after_the_last_write_or_use) {
  Bound<Aging, int64_t> bound;
  bound.with(1);
  bound->written = 1;
  bound->read = 2;
  bound.clock.wall += 600;
  bound.store.begin_work();
  bound.with(1);
  EXPECT_EQ(bound->written.get(), 1);
  EXPECT_EQ(bound->read.get(), 2);
  bound.clock.wall += 400;  // 1000 after the write: expired, exactly then
  bound.store.begin_work();
  bound.with(1);
  EXPECT_FALSE(bound->written);
  EXPECT_EQ(bound->read.get(), 2);
  bound.clock.wall += 1'000;
  bound.store.begin_work();
  bound.with(1);
  EXPECT_FALSE(bound->read);
  bound->written.update([](auto& n) { n += 5; });  // from nothing
  EXPECT_EQ(*bound->written, 5);
}

TEST(Ttl, items_and_entries_expire_one_by_one) {
  Bound<Aging, int64_t> bound;
  for (int32_t i = 0; i < 10; ++i) {
    bound.store.begin_work();
    bound.with(1);
    bound->list.add(i);
    bound->map.put(i, "value " + std::to_string(i));
    bound.clock.wall += 200;
  }
  bound.store.begin_work();
  bound.with(1);
  const auto items = bound->list.items();
  EXPECT_EQ(std::vector<int32_t>(items.begin(), items.end()), (std::vector<int32_t>{6, 7, 8, 9}));
  std::vector<int32_t> keys;
  for (auto [key, value] : bound->map.entries()) { keys.push_back(key); }
  EXPECT_EQ(keys, (std::vector<int32_t>{6, 7, 8, 9}));
  EXPECT_FALSE(bound->map.contains(5));
  bound.clock.wall += 5'000;
  bound.store.begin_work();
  bound.with(1);
  EXPECT_TRUE(bound->list.empty());
  EXPECT_TRUE(bound->map.empty());
}

TEST(Ttl, keys_that_nobody_touches_are_cleaned_up_by_the_work_on_others) {
  Bound<Aging, int64_t> bound;
  for (int64_t key = 0; key < 3'000; ++key) {
    bound.with(key);
    bound->written = key;
    bound->list.add(1);
    bound->map.put(1, "x");
    if (key % 100 == 0) { bound->forever = 1; }
  }
  EXPECT_EQ(bound.store.key_count(), 3'000U);
  bound.clock.wall += 2'000;
  for (int32_t round = 0; round < 3'000; ++round) {
    KeyedBatch batch(bound.store, 0, 1, [](uint32_t) { return int64_t{7}; });
    batch.select(0);
    bound->written = 1;
  }
  EXPECT_EQ(bound.store.key_count(), 31U);
}

// ---- snapshots ----

template <class F, class K>
MemorySnapshot snapshot_of(std::vector<std::unique_ptr<Bound<F, K>>>& subtasks) {
  MemorySnapshot snapshot;
  for (size_t i = 0; i < subtasks.size(); ++i) {
    SegmentWriter writer({"process", static_cast<int32_t>(i), static_cast<int32_t>(subtasks.size()),
                          kMaxParallelism});
    subtasks[i]->store.begin_snapshot({});
    subtasks[i]->operator_state.begin_snapshot();
    do {
      writer.grant(200);  // refuses again and again
    } while (!subtasks[i]->store.write(writer));
    do { writer.grant(20); } while (!subtasks[i]->operator_state.write(writer));
    snapshot.add(writer.finish());
  }
  return snapshot;
}

template <class F, class K>
std::vector<std::unique_ptr<Bound<F, K>>> make_subtasks(int32_t parallelism) {
  std::vector<std::unique_ptr<Bound<F, K>>> subtasks;
  for (int32_t i = 0; i < parallelism; ++i) {
    subtasks.push_back(
        std::make_unique<Bound<F, K>>(key_groups_of(i, parallelism, kMaxParallelism)));
  }
  return subtasks;
}

template <class F, class K>
void restore(std::vector<std::unique_ptr<Bound<F, K>>>& subtasks, const MemorySnapshot& snapshot) {
  for (size_t i = 0; i < subtasks.size(); ++i) {
    auto reader = snapshot.reader({"process", static_cast<int32_t>(i),
                                   static_cast<int32_t>(subtasks.size()), kMaxParallelism});
    ASSERT_TRUE(reader.ok());
    const Status keyed = subtasks[i]->store.read(**reader);
    ASSERT_TRUE(keyed.ok()) << keyed.to_string();
    const Status rest = subtasks[i]->operator_state.read(**reader);
    ASSERT_TRUE(rest.ok()) << rest.to_string();
  }
}

template <class F, class K>
Bound<F, K>& owner(std::vector<std::unique_ptr<Bound<F, K>>>& subtasks, const K& key) {
  const int32_t group = key_hash(key, kMaxParallelism).group;
  return *subtasks[static_cast<size_t>(
      subtask_of(group, static_cast<int32_t>(subtasks.size()), kMaxParallelism))];
}

TEST(StateSnapshot, all_keyed_state_survives_a_rescale) {
  auto before = make_subtasks<Function, std::string>(2);
  for (int32_t i = 0; i < 700; ++i) {
    const std::string key = "key " + std::to_string(i);
    auto& bound = owner(before, key);
    bound.with(key);
    if (i % 2 == 0) { bound->count = i; }
    const std::string name = "name " + std::to_string(i);
    bound->person = Person{Text(name), i};
    for (int32_t n = 0; n < i % 4; ++n) {
      bound->names.add(std::to_string(n));
      bound->texts.add(Text(name));
      bound->words.put(n, Text(name));
    }
    if (i % 5 == 0) { bound->idle.at(Timestamp(i)); }
    if (i % 5 == 1) {
      bound->idle.at(Timestamp(i));
      bound->idle.cancel();
    }
    if (i % 7 == 0) { bound.store.add_timer(TimeDomain::kProcessing, i); }
  }
  const MemorySnapshot snapshot = snapshot_of(before);
  for (const int32_t parallelism : {1, 2, 3, 7}) {
    auto after = make_subtasks<Function, std::string>(parallelism);
    restore(after, snapshot);
    size_t keys = 0;
    for (auto& bound : after) { keys += bound->store.key_count(); }
    EXPECT_EQ(keys, 700U);
    for (int32_t i = 0; i < 700; ++i) {
      const std::string key = "key " + std::to_string(i);
      const std::string name = "name " + std::to_string(i);
      auto& bound = owner(after, key);
      bound.with(key);
      ASSERT_EQ(static_cast<bool>(bound->count), i % 2 == 0);
      if (i % 2 == 0) { ASSERT_EQ(*bound->count, i); }
      ASSERT_EQ(bound->person->name, name);
      ASSERT_EQ(bound->person->age, i);
      ASSERT_EQ(bound->names.size(), static_cast<size_t>(i % 4));
      ASSERT_EQ(bound->texts.size(), static_cast<size_t>(i % 4));
      ASSERT_EQ(bound->words.size(), static_cast<size_t>(i % 4));
      for (auto [n, word] : bound->words.entries()) { ASSERT_EQ(word, name); }
      ASSERT_EQ(static_cast<bool>(bound->idle), i % 5 == 0);
    }
    std::multiset<int64_t> fired;
    for (auto& bound : after) {
      FiredTimer timer;
      while (bound->store.next_due(TimeDomain::kEvent, INT64_MAX, timer)) {
        EXPECT_EQ(timer.handle, &(*bound)->idle);
        EXPECT_EQ(bound->store.current_key(), "key " + std::to_string(timer.time));
        fired.insert(timer.time);
      }
      while (bound->store.next_due(TimeDomain::kProcessing, INT64_MAX, timer)) {
        fired.insert(-timer.time - 1);
      }
    }
    EXPECT_EQ(fired.size(), 240U);
  }
}

TEST(StateSnapshot, expired_state_is_left_out_and_ttl_may_change) {
  auto before = make_subtasks<Aging, int64_t>(1);
  auto& bound = *before[0];
  for (int64_t key = 0; key < 10; ++key) {
    bound.with(key);
    if (key == 5) { bound.clock.wall += 900; }
    bound.store.begin_work();
    bound.with(key);
    bound->written = key;
    bound->list.add(1);
    bound->map.put(1, "x");
  }
  bound.clock.wall += 100;
  const MemorySnapshot snapshot = snapshot_of(before);
  auto after = make_subtasks<Aging, int64_t>(1);
  after[0]->clock.wall = bound.clock.wall;
  restore(after, snapshot);
  EXPECT_EQ(after[0]->store.key_count(), 5U);

  struct Plain {
    Value<int64_t> written{"written"};
    List<int32_t> list{"list"};
    Map<int32_t, std::string> map{"map", {.ttl = 10ms}};
  };
  auto plain = make_subtasks<Plain, int64_t>(1);
  restore(plain, snapshot);
  plain[0]->with(7);
  EXPECT_EQ(*(*plain[0])->written, 7);
  EXPECT_EQ((*plain[0])->list.size(), 1U);
}

struct Older {
  struct Visit {
    std::string page;
    int32_t count = 0;
  };
  Value<Visit> visit{"visit"};
};
struct Newer {
  struct Visit {
    int64_t count = 0;  // wider, and in another place
    std::string page;
    std::string referrer = "none";  // new
  };
  Value<Visit> visit{"visit"};
};
struct Wrong {
  struct Visit {
    std::string page;
    std::string count;
  };
  Value<Visit> visit{"visit"};
};
struct WrongKind {
  List<int32_t> visit{"visit"};
};

TEST(StateSnapshot, state_follows_an_edit_of_its_struct) {
  auto before = make_subtasks<Older, int64_t>(1);
  before[0]->with(1);
  (*before[0])->visit = Older::Visit{"/home", 12};
  const MemorySnapshot snapshot = snapshot_of(before);
  auto after = make_subtasks<Newer, int64_t>(1);
  restore(after, snapshot);
  after[0]->with(1);
  EXPECT_EQ((*after[0])->visit->count, 12);
  EXPECT_EQ((*after[0])->visit->page, "/home");
  EXPECT_EQ((*after[0])->visit->referrer, "none");

  auto reader = snapshot.reader({"process", 0, 1, kMaxParallelism});
  Bound<Wrong, int64_t> wrong;
  EXPECT_EQ(wrong.store.read(**reader).id(), ErrorId::kSchemaMismatch);
  Bound<WrongKind, int64_t> wrong_kind;
  EXPECT_EQ(wrong_kind.store.read(**reader).id(), ErrorId::kStateName);
  Bound<Older, std::string> wrong_key;
  EXPECT_EQ(wrong_key.store.read(**reader).id(), ErrorId::kSchemaMismatch);
}

// ---- operator and broadcast state ----

struct Access : BroadcastAccess {};

struct Rules {
  Broadcast<std::string, Person> rules{"rules"};
  OperatorList<int32_t> split{"split"};
  OperatorList<std::string> united{"united", Redistribution::union_all};
};

TEST(OperatorStates, broadcast_state_is_copied_and_lists_are_dealt_out) {
  auto before = make_subtasks<Rules, int64_t>(2);
  const Access access;
  for (size_t i = 0; i < 2; ++i) {
    auto& bound = *before[i];
    ASSERT_TRUE(bound.status.ok()) << bound.status.to_string();
    for (int32_t n = 0; n < 100; ++n) {
      const std::string name = "rule " + std::to_string(n);
      bound->rules.edit(access).put(name, Person{Text(name), n});
    }
    EXPECT_TRUE(bound->rules.edit(access).erase("rule 5"));
    bound->rules.edit(access).update("rule 6", [](Person& p) { p.age = 66; });
    for (int32_t n = 0; n < 5; ++n) { bound->split.add(static_cast<int32_t>(i) * 5 + n); }
    bound->united.add("from " + std::to_string(i));
  }
  const MemorySnapshot snapshot = snapshot_of(before);
  auto after = make_subtasks<Rules, int64_t>(3);
  restore(after, snapshot);
  std::vector<int32_t> dealt;
  for (auto& bound : after) {
    EXPECT_EQ((*bound)->rules.size(), 99U);
    EXPECT_FALSE((*bound)->rules.contains("rule 5"));
    EXPECT_EQ((*bound)->rules.get("rule 6").age, 66);
    EXPECT_EQ((*bound)->rules.get("rule 42").name, "rule 42");
    std::string last;
    for (auto [key, person] : (*bound)->rules.entries()) {
      EXPECT_LT(last, key);
      last = key;
    }
    EXPECT_EQ((*bound)->united.size(), 2U);
    EXPECT_EQ((*bound)->united.items()[1], "from 1");
    for (const int32_t n : (*bound)->split.items()) { dealt.push_back(n); }
    EXPECT_LE((*bound)->split.size(), 4U);
  }
  std::sort(dealt.begin(), dealt.end());
  EXPECT_EQ(dealt, (std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  Rules unbound;
  EXPECT_THROW(static_cast<void>(unbound.rules.size()), StateError);
  EXPECT_THROW(unbound.split.add(1), StateError);
}

}  // namespace
}  // namespace tidewheel
