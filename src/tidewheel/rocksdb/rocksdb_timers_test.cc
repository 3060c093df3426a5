// Timers in front of RocksDB, with snapshots of its own, do as those in memory do.
#include <gtest/gtest.h>

#include <string>

#include "tidewheel/base/config.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/rocksdb/rocksdb_backends.h"
#include "tidewheel/state/timer_testing.h"

namespace tidewheel {
namespace {

class RocksdbTimers : public ::testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override {
    directory_ =
        ::testing::TempDir() + "rocksdb_timers_" + std::to_string(world_->fork_random().next());
    ASSERT_TRUE(world_->files().make_directories(directory_).ok());
    config_.set(options::kRocksdbLocalDirectory, directory_);
    config_.set(options::kRocksdbTimerCacheSize, 1 + static_cast<int64_t>(GetParam() % 5));
    backends_ = make_rocksdb_backends(*world_, config_, memory_, 1).value();
    event_ = world_->executor().make_event();
  }
  void TearDown() override {
    backends_.reset();
    ignore(world_->files().remove_all(directory_), "a temporary folder");
  }
  TimerDuelWorld duel_world() {
    TimerDuelWorld world;
    world.make_backend = [this](KeyGroupRange groups) {
      return backends_->make({"uid", "timers", 0, groups, 16}, &metrics_).value();
    };
    world.make_folder = [this] {
      std::string folder = directory_ + "/snapshot-" + std::to_string(++made_);
      EXPECT_TRUE(world_->files().make_directories(folder).ok());
      return folder;
    };
    world.wait_a_little = [this] { event_->wait(world_->clock().now_ns() + 1'000'000); };
    return world;
  }

  std::unique_ptr<World> world_ = make_real_world();
  std::string directory_;
  int made_ = 0;
  Config config_;
  MemoryPool memory_{"job", 64 << 20};
  MetricGroup metrics_{"metrics"};
  std::unique_ptr<StateBackends> backends_;
  std::unique_ptr<Event> event_;
};

TEST_P(RocksdbTimers, do_as_memory_does) {
  const TimerDuelWorld world = duel_world();
  run_timer_duel<int64_t, NoNamespace>(world, GetParam(), 300);
  run_timer_duel<Text, int32_t>(world, GetParam(), 200);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RocksdbTimers, ::testing::Range<uint64_t>(1, 5));

TEST(RocksdbTimerOptions, say_where_timers_are) {
  Config config;
  EXPECT_TRUE(timer_storage_of(config).value().in_backend);
  config.set(options::kRocksdbTimerFactory, "HEAP");
  EXPECT_FALSE(timer_storage_of(config).value().in_backend);
  config.set(options::kRocksdbTimerFactory, "DISK");
  EXPECT_EQ(timer_storage_of(config).status().id(), ErrorId::kBadOptionValue);
}

}  // namespace
}  // namespace tidewheel
