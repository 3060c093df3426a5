// Joins of more rows than memory has room for, in RocksDB, with failures on the way.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

using namespace std::chrono_literals;

constexpr int64_t kRows = 30'000;
constexpr int64_t kKeys = 3'000;
constexpr int64_t kAroundMs = 10'000;
constexpr int64_t kWindowMs = 5'000;

// Row i comes at millisecond i.
struct Bulky {
  int64_t key = 0;
  int64_t id = 0;
  Timestamp at;
  std::array<int64_t, 80> filler = {};
};
struct Met {
  int64_t left = 0;
  int64_t right = 0;
};
Bulky left_row(int64_t i) { return {i * 7919 % kKeys, i, Timestamp(i), {i}}; }
Bulky right_row(int64_t i) { return {i * 104'729 % kKeys, i, Timestamp(i), {}}; }
Met meet(const Bulky& left, const Bulky& right) { return {left.filler[0], right.id}; }

struct Sum {
  int64_t count = 0;
  uint64_t sum = 0;
  void add(const Met& met) {
    ++count;
    uint64_t mixed = static_cast<uint64_t>(met.left * kRows + met.right) * 0x9e3779b97f4a7c15ULL;
    sum += mixed ^ (mixed >> 29);
  }
  friend bool operator==(const Sum&, const Sum&) = default;
};
template <class Meets>
Sum expected(Meets meets) {
  std::map<int64_t, std::vector<int64_t>> right;
  for (int64_t i = 0; i < kRows; ++i) { right[right_row(i).key].push_back(i); }
  Sum sum;
  for (int64_t i = 0; i < kRows; ++i) {
    for (const int64_t other : right[left_row(i).key]) {
      if (meets(i, other)) { sum.add({i, other}); }
    }
  }
  return sum;
}

// What was committed, each transaction once.
struct Committed {
  std::mutex mutex;
  int64_t next = 1;
  std::set<int64_t> seen;
  Sum sum;
};
struct SummingSink {
  using input = Met;
  struct Pending {
    int64_t transaction = 0;
    int64_t count = 0;
    uint64_t sum = 0;
  };
  std::shared_ptr<Committed> committed;
  Sum open = {};

  void write(const Met& met) { open.add(met); }
  Result<std::vector<Pending>> prepare(int64_t) {
    if (open.count == 0) { return std::vector<Pending>(); }
    const std::lock_guard lock(committed->mutex);
    const Sum sum = std::exchange(open, {});
    return std::vector<Pending>{{committed->next++, sum.count, sum.sum}};
  }
  Status commit(const Pending& pending) {
    const std::lock_guard lock(committed->mutex);
    if (committed->seen.insert(pending.transaction).second) {
      committed->sum.count += pending.count;
      committed->sum.sum += pending.sum;
    }
    return ok_status();
  }
};

// Throws once for each of its rows.
struct Doom {
  std::mutex mutex;
  std::set<int64_t> left = {9'000, 17'000, 26'000};
  Bulky pass(const Bulky& row) {
    const std::lock_guard lock(mutex);
    if (left.erase(row.id) > 0) { throw std::runtime_error("row of doom"); }
    return row;
  }
};

class StoredJoin : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(WholeAndIncremental, StoredJoin, ::testing::Bool());

TEST_P(StoredJoin, gives_each_pair_once_though_the_job_fails) {
  const std::unique_ptr<World> world = make_real_world({.log_level = LogLevel::kError});
  const std::string directory =
      ::testing::TempDir() + "stored_join_" + std::to_string(world->fork_random().next());
  ASSERT_TRUE(world->files().make_directories(directory).ok());
  Config config;
  config.set(options::kStateBackend, "rocksdb");
  config.set(options::kRocksdbLocalDirectory, directory);
  config.set(options::kJobMemory, int64_t{64} << 20);
  config.set(options::kCheckpointDirectory, directory + "/checkpoints");
  config.set(options::kCheckpointInterval, 50);
  config.set(options::kIncrementalCheckpoints, GetParam());
  config.set(options::kBatchRows, 16);
  config.set(options::kCredits, 4);
  config.set(options::kParallelism, 2);
  config.set(options::kExponentialInitial, 10);
  Env env(*world, std::move(config));
  const auto doom = std::make_shared<Doom>();
  const GeneratorOptions generator{.count = kRows, .rate = 30'000};
  auto left = env.generate(left_row, generator)
                  .uid("left")
                  .map([doom](const Bulky& row) { return doom->pass(row); })
                  .uid("doom")
                  .event_time(&Bulky::at, monotonous());
  auto right = env.generate(right_row, generator).uid("right").event_time(&Bulky::at, monotonous());
  const auto around = std::make_shared<Committed>();
  const auto in_windows = std::make_shared<Committed>();
  left.key_by(&Bulky::key)
      .interval_join(right.key_by(&Bulky::key), Duration(-kAroundMs), Duration(kAroundMs), meet)
      .uid("around")
      .to(SummingSink{around})
      .uid("sum around");
  left.key_by(&Bulky::key)
      .join(right.key_by(&Bulky::key))
      .window(tumbling(Duration(kWindowMs)))
      .apply(meet)
      .uid("in windows")
      .to(SummingSink{in_windows})
      .uid("sum in windows");
  auto job = env.execute_async("joins");
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  ASSERT_TRUE((*job)->result().ok()) << (*job)->result().to_string();
  EXPECT_GE((*job)->checkpoints().completed, 3);
  EXPECT_GE((*job)->restarts(), 3);
  for (const auto& failure : (*job)->failures()) {
    EXPECT_EQ(failure.status.id(), ErrorId::kUserCodeThrew) << failure.status.to_string();
  }
  EXPECT_EQ(around->sum,
            expected([](int64_t a, int64_t b) { return std::abs(a - b) <= kAroundMs; }))
      << around->sum.count;
  EXPECT_EQ(in_windows->sum,
            expected([](int64_t a, int64_t b) { return a / kWindowMs == b / kWindowMs; }))
      << in_windows->sum.count;
  ignore(world->files().remove_all(directory), "a temporary folder");
}

}  // namespace
}  // namespace tidewheel
