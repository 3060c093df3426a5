// Timers in front of RocksDB, with snapshots of its own, do as those in memory do.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/rocksdb/rocksdb_backends.h"
#include "tidewheel/state/handles.h"
#include "tidewheel/state/keyed_store.h"
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
  MemoryPool memory_{"job", 72 << 20};
  MetricGroup metrics_{"metrics"};
  std::unique_ptr<StateBackends> backends_;
  std::unique_ptr<Event> event_;
};

TEST_P(RocksdbTimers, do_as_memory_does) {
  const TimerDuelWorld world = duel_world();
  run_timer_duel<int64_t, NoNamespace>(world, GetParam(), 300);
  run_timer_duel<Text, int32_t>(world, GetParam(), 200);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RocksdbTimers, ::testing::Range<uint64_t>(1, 4));

constexpr int32_t kMaxParallelism = 16;
constexpr KeyGroupRange kAllGroups{0, kMaxParallelism - 1};

class StoppedClock final : public Clock {
 public:
  int64_t now_ns() const override { return 0; }
  int64_t wall_ms() const override { return 0; }
};

struct Session {
  Value<int64_t> count{"count"};
  EventTimer idle{"idle"};
};

// A store with a named timer for each key, and what is expected of it.
struct Sessions {
  Sessions(std::unique_ptr<StateBackend> of_backend, SnapshotReader* reader)
      : backend(std::move(of_backend)),
        store(backend->key_groups(), kMaxParallelism, nullptr, clock),
        operator_state(nullptr) {
    BindingScope scope(&store, &operator_state);
    const Session prototype;
    session.emplace(prototype);
    store.keep_changes();
    const Status opened = store.open_backend(*backend, reader, [] {});
    EXPECT_TRUE(opened.ok()) << opened.to_string();
  }
  // Sets, moves and cancels timers; some fire.
  void work(Random& random, int rows) {
    for (int i = 0; i < rows; ++i) {
      const auto key = static_cast<int64_t>(random.below(10'000));
      if (!backend->key_groups().contains(key_hash(key, kMaxParallelism).group)) { continue; }
      store.begin_work();
      store.set_current(key);
      session->count.update([](int64_t& n) { ++n; });
      if (random.chance(0.1)) {
        session->idle.cancel();
        due.erase(key);
      } else {
        const auto ahead = static_cast<int64_t>(random.below(random.chance(0.1) ? 10 : 5'000));
        due[key] = now + 1 + ahead;
        session->idle.at(Timestamp(due[key]));
      }
      store.clear_current();
      store.end_work(1);
    }
    fire(now + static_cast<int64_t>(random.below(20)));
  }
  void fire(int64_t watermark) {
    now = watermark;
    FiredTimer timer;
    store.begin_work();
    while (store.next_due(TimeDomain::kEvent, now, timer)) {
      const auto found = due.find(store.current_key());
      ASSERT_NE(found, due.end()) << store.current_key() << " at " << timer.time;
      ASSERT_EQ(found->second, timer.time) << store.current_key();
      due.erase(found);
    }
    store.end_work(0);
    for (const auto& [key, time] : due) { ASSERT_GT(time, now) << key; }
  }

  StoppedClock clock;
  std::unique_ptr<StateBackend> backend;
  KeyedStore<int64_t> store;
  OperatorState operator_state;
  std::optional<Session> session;
  std::map<int64_t, int64_t> due;  // by key
  int64_t now = 0;
};

// Named timers, whose index is in the backend, in snapshots of its own and after them.
TEST_P(RocksdbTimers, named_timers_fire_once_after_a_restore) {
  config_.set(options::kRocksdbHotFraction, 0.0041);  // rows come and go
  config_.set(options::kRocksdbEntryFileSize, 0);
  backends_ = make_rocksdb_backends(*world_, config_, memory_, 1).value();
  const TimerDuelWorld world = duel_world();
  Random random(GetParam());
  auto sessions = std::make_unique<Sessions>(world.make_backend(kAllGroups), nullptr);
  std::optional<TestSnapshot> last;
  for (int64_t checkpoint = 1; checkpoint <= 4; ++checkpoint) {
    for (int i = 0; i < 40; ++i) {
      ASSERT_NO_FATAL_FAILURE(sessions->work(random, 100));
      ASSERT_TRUE(sessions->store.status().ok()) << sessions->store.status().to_string();
    }
    const auto due = sessions->due;
    const int64_t now = sessions->now;
    TestSnapshot made(kAllGroups, world.make_folder());
    const bool on_top = last.has_value();
    if (on_top) { made.base_on(*last); }
    sessions->store.begin_snapshot({checkpoint, on_top ? checkpoint - 1 : 0});
    do {
      ASSERT_NO_FATAL_FAILURE(sessions->work(random, 50));
      made.grant(100);
      world.wait_a_little();
    } while (!sessions->store.write(made));
    ASSERT_FALSE(HasFailure());
    EXPECT_LT(sessions->store.key_count(), 4'000U);
    last.emplace(std::move(made));
    if (checkpoint % 2 == 1) { continue; }
    // Both halves of the keys, then all of them again.
    sessions.reset();
    for (const KeyGroupRange groups : {KeyGroupRange{0, 6}, KeyGroupRange{7, 15}, kAllGroups}) {
      TestSnapshotReader part({&*last}, groups);
      sessions = std::make_unique<Sessions>(world.make_backend(groups), &part);
      sessions->now = now;
      for (const auto& [key, time] : due) {
        if (groups.contains(key_hash(key, kMaxParallelism).group)) { sessions->due[key] = time; }
      }
      if (groups == kAllGroups) { break; }
      ASSERT_NO_FATAL_FAILURE(sessions->work(random, 500));
      ASSERT_NO_FATAL_FAILURE(sessions->fire(1'000'000));
      ASSERT_TRUE(sessions->due.empty());
    }
    last.reset();
  }
  ASSERT_NO_FATAL_FAILURE(sessions->fire(1'000'000));
  EXPECT_TRUE(sessions->due.empty());
}

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
