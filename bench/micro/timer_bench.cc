// Timers in front of RocksDB, far more than memory has room for.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "tidewheel/base/config.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/random.h"
#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/rocksdb/rocksdb_backends.h"
#include "tidewheel/state/timers.h"

namespace tidewheel {
namespace {

constexpr int32_t kMaxParallelism = 128;
constexpr KeyGroupRange kAllGroups{0, kMaxParallelism - 1};
constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kJobMemory = int64_t{256} << 20;

struct Disk {
  Disk() {
    const std::string folder = fmt::format("/tmp/timer_bench_{:x}", world->fork_random().next());
    config.set(options::kRocksdbLocalDirectory, folder);
    backends = make_rocksdb_backends(*world, config, memory, 1).value();
    backend = backends->make({"uid", "timers", 0, kAllGroups, kMaxParallelism}, nullptr).value();
    timers.emplace(kAllGroups, kMaxParallelism, &memory);
    timers->open_backend(*backend, "timers");
  }
  ~Disk() {
    timers.reset();
    backend.reset();
    backends.reset();
    ignore(world->files().remove_all(config.get(options::kRocksdbLocalDirectory)), "temporary");
  }
  void add(int64_t key, int64_t time) {
    timers->add(key, key_hash(key, kMaxParallelism), {}, time);
    if ((++work & 1023) == 0) { most_bytes = std::max(most_bytes, timers->memory_bytes()); }
  }

  std::unique_ptr<World> world = make_real_world();
  Config config;
  MemoryPool memory{"job", kJobMemory};
  std::unique_ptr<StateBackends> backends;
  std::unique_ptr<StateBackend> backend;
  std::optional<TimerService<int64_t>> timers;
  int64_t work = 0;
  int64_t most_bytes = 0;
};

// Adds a timer for each of `range(0)` keys within an hour. Then the clock goes on, and each timer
// that fires is set again, up to `range(1)` ms later; per timer that fires and is set.
void BM_timers_on_disk(benchmark::State& state) {
  Disk disk;
  Random random(1);
  for (int64_t key = 0; key < state.range(0); ++key) {
    disk.add(key, static_cast<int64_t>(random.below(kHourMs)));
  }
  constexpr int64_t kTimers = 2'000'000;
  int64_t watermark = 0;
  for (auto _ : state) {
    for (int64_t fired = 0; fired < kTimers; watermark += 100) {
      while (const auto* timer = disk.timers->next_due(watermark)) {
        const auto later =
            static_cast<int64_t>(random.below(static_cast<uint64_t>(state.range(1))));
        disk.add(timer->key, timer->time + 1 + later);
        ++fired;
      }
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * kTimers);
  state.counters["memory MB"] = static_cast<double>(disk.most_bytes) / (1 << 20);
  state.counters["budget MB"] = static_cast<double>(disk.backend->cache_bytes()) / 4 / (1 << 20);
}
BENCHMARK(BM_timers_on_disk)
    ->Args({1'000'000, 10'000})
    ->Args({1'000'000, kHourMs})
    ->Args({10'000'000, 10'000})
    ->Args({10'000'000, kHourMs})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime();

// The first part alone; per timer.
void BM_timers_to_disk(benchmark::State& state) {
  for (auto _ : state) {
    Disk disk;
    Random random(1);
    for (int64_t key = 0; key < state.range(0); ++key) {
      disk.add(key, static_cast<int64_t>(random.below(kHourMs)));
    }
    state.counters["memory MB"] = static_cast<double>(disk.most_bytes) / (1 << 20);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BM_timers_to_disk)
    ->Arg(10'000'000)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime();

}  // namespace
}  // namespace tidewheel
