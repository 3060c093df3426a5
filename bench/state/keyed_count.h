// The workload of the benchmarks of state: hits are counted by key, over many keys, of which a part
// changes from one checkpoint to the next.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/state/histogram.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/status.h"

namespace tidewheel {
class Env;
}

namespace tidewheel::bench {

enum class KeyChoice : uint8_t {
  kMoving,  // evenly among a part of the keys that moves on all the time
  kZipf,    // with the exponent 1 over all keys: the k-th key comes 1/k as often as the first
};

struct KeyedCount {
  int64_t keys = 10'000'000;
  KeyChoice choice = KeyChoice::kMoving;
  double changing = 0.05;  // kMoving: the part of the keys that is hit within any second
  double rate = 0;         // hits a second once every key was hit; 0: as many as go
};

// What a run shows of itself, while it runs.
struct Progress {
  static constexpr int32_t kSubtasksMax = 64;
  std::atomic<int32_t> filling{0};     // subtasks of the source whose keys were not all hit yet
  std::atomic<uint64_t> counted{0};    // hits that reached the sink
  std::atomic<int64_t> first_ns{0};    // when the first of them did, in this process
  std::atomic<bool> measuring{false};  // latencies count
  std::atomic<bool> stop{false};       // the source ends
  std::vector<uint32_t> zipf;          // keys, in the order in which they are hit
  std::array<Histogram, kSubtasksMax> latencies{};  // by subtask of the sink

  Histogram latency() const;
};

// A job that first hits each key once, and then goes on until it is told to stop.
void build_keyed_count(Env& env, const KeyedCount& options,
                       const std::shared_ptr<Progress>& progress);

// The latency of the same hits at `options.rate`, counted in an array by a loop on one thread, with
// no engine: what generating them and the machine do by themselves.
Histogram bare_latency(const KeyedCount& options, double seconds);

}  // namespace tidewheel::bench
