// What operators need of their surroundings in a micro benchmark.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/random.h"
#include "tidewheel/dataflow/operator.h"

namespace tidewheel::bench {

class StillClock final : public Clock {
 public:
  int64_t now_ns() const override { return 0; }
  int64_t wall_ms() const override { return 0; }
};

// A world with one subtask and no outside.
class BenchContext final : public OperatorContext {
 public:
  const std::string& name() const override { return name_; }
  const std::string& uid() const override { return name_; }
  int32_t subtask_index() const override { return 0; }
  int32_t parallelism() const override { return 1; }
  int32_t max_parallelism() const override { return 128; }
  KeyGroupRange key_groups() const override { return {0, 127}; }
  uint32_t batch_rows() const override { return 1024; }
  Clock& clock() override { return clock_; }
  Random& random() override { return random_; }
  Executor& executor() override { std::abort(); }
  FileSystem& files() override { std::abort(); }
  Network& network() override { std::abort(); }
  MemoryPool& memory() override { return memory_; }
  MetricGroup& metrics() override { return metrics_; }
  const Config& config() const override { return config_; }
  void wake_at_wall_ms(int64_t) override {}
  void wake() override {}
  void send_to_coordinator(std::string) override {}
  void post(std::function<void()>) override {}

 private:
  std::string name_ = "bench";
  StillClock clock_;
  Random random_{1};
  MemoryPool memory_{"bench", MemoryPool::kUnlimited};
  MetricGroup metrics_{"bench"};
  Config config_;
};

// Takes everything, and keeps nothing.
class Drop final : public ElementSink {
 public:
  bool offer(Element& element) override {
    element.batch.reset();
    return true;
  }
};

}  // namespace tidewheel::bench
