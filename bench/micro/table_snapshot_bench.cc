// What snapshots cost a table: updates while nothing, changes or a snapshot is tracked; how long
// everything stands still at a barrier and while a table grows; writing and restoring.
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/state/keyed_table.h"
#include "tidewheel/state/table_snapshot.h"

namespace tidewheel {
namespace {

constexpr int32_t kMaxParallelism = 128;
constexpr KeyGroupRange kAllGroups{0, kMaxParallelism - 1};
constexpr uint32_t kBatchRows = 1024;
constexpr size_t kDraws = size_t{1} << 22;

using Table = KeyedTable<int64_t, int64_t>;
using Saver = TableSnapshot<int64_t, int64_t>;

// Of this thread's own time, so that others on the machine don't count.
double now_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}
void fill(Table& table, int64_t keys) {
  for (int64_t key = 0; key < keys; ++key) { table.upsert(key) = key; }
}
std::vector<int64_t> draw(int64_t range) {
  Random random(42);
  std::vector<int64_t> keys(kDraws);
  for (int64_t& key : keys) {
    key = static_cast<int64_t>(random.below(static_cast<uint64_t>(range)));
  }
  return keys;
}
void update_batch(Table& table, const std::vector<int64_t>& keys, size_t at) {
  visit_prefetched(
      table, 0, kBatchRows, [&](uint32_t i) -> const int64_t& { return keys[at + i]; },
      [&](uint32_t i, KeyHash hash) {
        ++table.upsert(keys[at + i], hash);
        return true;
      });
}

// Counts what it is given and keeps nothing.
class NullWriter final : public SnapshotWriter {
 public:
  bool ready() const override { return bytes_ < granted_; }
  void begin_state(const StateMeta&) override {}
  void begin_changes(const StateMeta&) override {}
  void whole_group(int32_t) override {}
  void erase(int32_t, std::string_view, std::string_view) override {}
  void add(const StateEntry& entry) override {
    bytes_ += entry.key.size() + entry.value.size();
    ++entries_;
  }
  void grant(uint64_t bytes) { granted_ = bytes_ + bytes; }
  uint64_t entries() const { return entries_; }

 private:
  uint64_t bytes_ = 0;
  uint64_t granted_ = 0;
  uint64_t entries_ = 0;
};

// range(0) keys; range(1): 0 nothing is tracked, 1 changes are, 2 a snapshot of everything is
// under way all the time (its writing is not counted, what is written early is).
void BM_table_update(benchmark::State& state) {
  Table table(kAllGroups, kMaxParallelism, nullptr);
  fill(table, state.range(0));
  Saver saver("table", table, state.range(1) == 1);
  NullWriter writer;
  writer.grant(UINT64_MAX / 2);
  if (state.range(1) != 0) { saver.begin({1, 0}); }
  if (state.range(1) == 1) {
    while (!saver.write(writer)) {}
  }
  const std::vector<int64_t> keys = draw(state.range(0));
  size_t at = 0;
  size_t updates = 0;
  for (auto _ : state) {
    update_batch(table, keys, at);
    at = (at + kBatchRows) % keys.size();
    updates += kBatchRows;
    if (state.range(1) == 2 && updates >= static_cast<size_t>(state.range(0)) / 2) {
      // By now a good part was written early: the next snapshot.
      state.PauseTiming();
      while (!saver.write(writer)) {}
      saver.begin({2, 0});
      updates = 0;
      state.ResumeTiming();
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kBatchRows);
}
BENCHMARK(BM_table_update)->ArgsProduct({{10'000, 1'000'000, 10'000'000}, {0, 1, 2}});

// The time for which everything stands still at a barrier; range(1): whether changes are kept.
void BM_table_barrier(benchmark::State& state) {
  Table table(kAllGroups, kMaxParallelism, nullptr);
  fill(table, state.range(0));
  Saver saver("table", table, state.range(1) == 1);
  NullWriter writer;
  writer.grant(UINT64_MAX / 2);
  const std::vector<int64_t> keys = draw(state.range(0));
  int64_t checkpoint = 0;
  double longest = 0;
  for (auto _ : state) {
    const double begin = now_ms();
    saver.begin({checkpoint + 1, checkpoint});
    const double took = now_ms() - begin;
    ++checkpoint;
    longest = std::max(longest, took);
    state.SetIterationTime(took / 1000);
    while (!saver.write(writer)) {}
    update_batch(table, keys, static_cast<size_t>(checkpoint) * kBatchRows % keys.size());
  }
  state.counters["longest_ms"] = longest;
}
BENCHMARK(BM_table_barrier)
    ->ArgsProduct({{1'000'000, 10'000'000}, {0, 1}})
    ->UseManualTime()
    ->Iterations(20);

// Writing everything, per entry, and the longest call of `write` with 64 KB at a time.
void BM_table_write(benchmark::State& state) {
  Table table(kAllGroups, kMaxParallelism, nullptr);
  fill(table, state.range(0));
  Saver saver("table", table, false);
  double longest = 0;
  for (auto _ : state) {
    NullWriter writer;
    saver.begin({1, 0});
    for (;;) {
      const double begin = now_ms();
      writer.grant(64 * 1024);
      const bool is_done = saver.write(writer);
      longest = std::max(longest, now_ms() - begin);
      if (is_done) { break; }
    }
  }
  state.counters["longest_ms"] = longest;
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BM_table_write)->Arg(1'000'000)->Arg(10'000'000)->Unit(benchmark::kMillisecond);

// From nothing to range(0) keys, per key, and the longest time for 16 of them.
void BM_table_grow_in_steps(benchmark::State& state) {
  double longest = 0;
  for (auto _ : state) {
    Table table(kAllGroups, kMaxParallelism, nullptr);
    for (int64_t key = 0; key < state.range(0);) {
      const double begin = now_ms();
      for (int i = 0; i < 16; ++i, ++key) { table.upsert(key) = key; }
      longest = std::max(longest, now_ms() - begin);
    }
    benchmark::DoNotOptimize(table.size());
  }
  state.counters["longest_ms"] = longest;
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BM_table_grow_in_steps)->Arg(1'000'000)->Arg(10'000'000)->Unit(benchmark::kMillisecond);

// Reading a snapshot back into a table.
void BM_table_restore(benchmark::State& state) {
  std::vector<SnapshotSegmentRef> segments;
  {
    Table table(kAllGroups, kMaxParallelism, nullptr);
    fill(table, state.range(0));
    Saver saver("table", table, false);
    saver.begin({1, 0});
    SegmentWriter writer({"op", 0, 1, kMaxParallelism});
    while (!saver.write(writer)) {}
    segments = writer.finish();
  }
  for (auto _ : state) {
    auto reader = SegmentReader::open({"op", 0, 1, kMaxParallelism}, segments);
    TableLoader<int64_t, int64_t> loader("table");
    Table table(kAllGroups, kMaxParallelism, nullptr);
    if (!reader.ok() || !loader.read(**reader).ok() || !loader.load(table).ok()) {
      state.SkipWithError("not restored");
    }
    benchmark::DoNotOptimize(table.size());
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BM_table_restore)->Arg(1'000'000)->Arg(10'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tidewheel
