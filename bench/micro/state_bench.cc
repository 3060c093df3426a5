// State, piece by piece: key hashing, tables, rows behind handles, timers.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/random.h"
#include "tidewheel/state/handles.h"
#include "tidewheel/state/keyed_store.h"
#include "tidewheel/state/keyed_table.h"
#include "tidewheel/state/timers.h"

namespace tidewheel {
namespace {

constexpr int32_t kMaxParallelism = 128;
constexpr KeyGroupRange kAllGroups{0, kMaxParallelism - 1};
constexpr uint32_t kBatchRows = 1024;

class StoppedClock final : public Clock {
 public:
  int64_t now_ns() const override { return 0; }
  int64_t wall_ms() const override { return 0; }
};

// Keys drawn evenly from [0, range), the same in every run.
std::vector<int64_t> random_keys(size_t count, int64_t range) {
  Random random(42);
  std::vector<int64_t> keys(count);
  for (int64_t& key : keys) {
    key = static_cast<int64_t>(random.below(static_cast<uint64_t>(range)));
  }
  return keys;
}
std::vector<std::string> random_strings(size_t count, int64_t range) {
  std::vector<std::string> keys;
  for (const int64_t key : random_keys(count, range)) {
    keys.push_back("customer-" + std::to_string(1'000'000'000 + key));
  }
  return keys;
}
constexpr size_t kDraws = size_t{1} << 21;

template <class K>
void hash_keys_of(benchmark::State& state, const std::vector<K>& keys) {
  size_t at = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(key_hash(keys[at], kMaxParallelism));
    at = (at + 1) % keys.size();
  }
}
void BM_hash_int64(benchmark::State& state) { hash_keys_of(state, random_keys(4096, 1'000'000)); }
void BM_hash_string(benchmark::State& state) {
  hash_keys_of(state, random_strings(4096, 1'000'000));
}
BENCHMARK(BM_hash_int64);
BENCHMARK(BM_hash_string);

// Read-modify-write of one value a key; `range(0)` keys.
template <class K>
void update_table(benchmark::State& state, const std::vector<K>& keys, bool prefetch) {
  KeyedTable<K, int64_t> table(kAllGroups, kMaxParallelism, nullptr);
  for (const K& key : keys) { ++table.upsert(key); }
  size_t at = 0;
  for (auto _ : state) {
    if (prefetch) {
      visit_prefetched(
          table, 0, kBatchRows, [&](uint32_t i) -> const K& { return keys[at + i]; },
          [&](uint32_t i, KeyHash hash) {
            ++table.upsert(keys[at + i], hash);
            return true;
          });
    } else {
      for (uint32_t i = 0; i < kBatchRows; ++i) { ++table.upsert(keys[at + i]); }
    }
    at = (at + kBatchRows) % (keys.size() - kBatchRows);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kBatchRows);
  state.counters["keys"] = static_cast<double>(table.size());
  state.counters["bytes/key"] =
      static_cast<double>(table.memory_bytes()) / static_cast<double>(table.size());
}
void BM_table_int64(benchmark::State& state) {
  update_table(state, random_keys(kDraws, state.range(0)), true);
}
void BM_table_int64_no_prefetch(benchmark::State& state) {
  update_table(state, random_keys(kDraws, state.range(0)), false);
}
void BM_table_string(benchmark::State& state) {
  update_table(state, random_strings(kDraws, state.range(0)), true);
}
BENCHMARK(BM_table_int64)->Arg(100)->Arg(10'000)->Arg(1'000'000);
BENCHMARK(BM_table_int64_no_prefetch)->Arg(100)->Arg(10'000)->Arg(1'000'000);
BENCHMARK(BM_table_string)->Arg(100)->Arg(10'000)->Arg(1'000'000);

// A table that is filled, scanned and emptied, as one slice of a window is; per entry.
void BM_table_fill_and_scan(benchmark::State& state) {
  const std::vector<int64_t> keys = random_keys(static_cast<size_t>(state.range(0)), INT32_MAX);
  KeyedTable<int64_t, int64_t> table(kAllGroups, kMaxParallelism, nullptr);
  for (auto _ : state) {
    for (const int64_t key : keys) { table.upsert(key) = key; }
    int64_t sum = 0;
    table.for_each([&](int64_t, int64_t value) { sum += value; });
    benchmark::DoNotOptimize(sum);
    table.clear();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BM_table_fill_and_scan)->Arg(10)->Arg(1'000)->Arg(100'000);

void BM_table_merge(benchmark::State& state) {
  const std::vector<int64_t> keys = random_keys(static_cast<size_t>(state.range(0)), INT32_MAX);
  KeyedTable<int64_t, int64_t> slice(kAllGroups, kMaxParallelism, nullptr);
  for (const int64_t key : keys) { slice.upsert(key) = key; }
  KeyedTable<int64_t, int64_t> window(kAllGroups, kMaxParallelism, nullptr);
  for (auto _ : state) {
    window.merge_from(slice, [](int64_t& mine, int64_t theirs, bool) { mine += theirs; });
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BM_table_merge)->Arg(1'000)->Arg(100'000);

// A table from nothing to `range(0)` keys, growing on the way; per key.
void BM_table_grow(benchmark::State& state) {
  for (auto _ : state) {
    KeyedTable<int64_t, int64_t> table(kAllGroups, kMaxParallelism, nullptr);
    for (int64_t key = 0; key < state.range(0); ++key) { table.upsert(key) = key; }
    benchmark::DoNotOptimize(table.size());
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BM_table_grow)->Arg(1'000'000);

struct Counter {
  Value<int64_t> count{"count"};
  Value<int64_t> last{"last"};
};

// Two values a key through handles, as a process function does it.
template <class K>
void update_store(benchmark::State& state, const std::vector<K>& keys) {
  StoppedClock clock;
  KeyedStore<K> store(kAllGroups, kMaxParallelism, nullptr, clock);
  OperatorState operator_state(nullptr);
  std::optional<Counter> counter;
  {
    BindingScope scope(&store, &operator_state);
    const Counter prototype;
    counter.emplace(prototype);
  }
  const auto run = [&](size_t at) {
    KeyedBatch batch(store, 0, kBatchRows, [&](uint32_t i) -> const K& { return keys[at + i]; });
    for (uint32_t i = 0; i < kBatchRows; ++i) {
      batch.select(i);
      counter->count.update([](int64_t& n) { ++n; });
      counter->last = i;
    }
  };
  for (size_t at = 0; at + kBatchRows <= keys.size(); at += kBatchRows) { run(at); }
  size_t at = 0;
  for (auto _ : state) {
    run(at);
    at = (at + kBatchRows) % (keys.size() - kBatchRows);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kBatchRows);
  state.counters["keys"] = static_cast<double>(store.key_count());
}
void BM_handles_int64(benchmark::State& state) {
  update_store(state, random_keys(kDraws, state.range(0)));
}
void BM_handles_string(benchmark::State& state) {
  update_store(state, random_strings(kDraws, state.range(0)));
}
BENCHMARK(BM_handles_int64)->Arg(100)->Arg(10'000)->Arg(1'000'000);
BENCHMARK(BM_handles_string)->Arg(100)->Arg(1'000'000);

// Registers one timer a key within an hour, then fires all, second by second; per timer.
void BM_timers(benchmark::State& state) {
  const std::vector<int64_t> times = random_keys(static_cast<size_t>(state.range(0)), 3'600'000);
  for (auto _ : state) {
    TimerService<int64_t> timers(kAllGroups, kMaxParallelism, nullptr);
    for (size_t key = 0; key < times.size(); ++key) {
      const auto k = static_cast<int64_t>(key);
      timers.add(k, key_hash(k, kMaxParallelism), {}, times[key]);
    }
    int64_t fired = 0;
    for (int64_t watermark = 0; watermark <= 3'600'000; watermark += 1'000) {
      while (timers.next_due(watermark) != nullptr) { ++fired; }
    }
    benchmark::DoNotOptimize(fired);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BM_timers)->Arg(1'000)->Arg(1'000'000);

// The usual pattern: each record of a key moves its timer a little later; per record.
void BM_timer_moved_by_each_record(benchmark::State& state) {
  struct Session {
    EventTimer idle{"idle"};
  };
  const std::vector<int64_t> keys = random_keys(kDraws, state.range(0));
  StoppedClock clock;
  KeyedStore<int64_t> store(kAllGroups, kMaxParallelism, nullptr, clock);
  OperatorState operator_state(nullptr);
  std::optional<Session> session;
  {
    BindingScope scope(&store, &operator_state);
    const Session prototype;
    session.emplace(prototype);
  }
  size_t at = 0;
  int64_t now = 0;
  for (auto _ : state) {
    {
      KeyedBatch batch(store, 0, kBatchRows,
                       [&](uint32_t i) -> const int64_t& { return keys[at + i]; });
      for (uint32_t i = 0; i < kBatchRows; ++i) {
        batch.select(i);
        session->idle.at(Timestamp(++now + 100'000));
      }
    }
    FiredTimer fired;
    while (store.next_due(TimeDomain::kEvent, now, fired)) {}
    at = (at + kBatchRows) % (keys.size() - kBatchRows);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kBatchRows);
}
BENCHMARK(BM_timer_moved_by_each_record)->Arg(1'000)->Arg(1'000'000);

}  // namespace
}  // namespace tidewheel
