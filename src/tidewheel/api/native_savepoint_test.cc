// Savepoints in the form of the state backend, of whole jobs on real files: in another folder, at
// another parallelism, with another backend.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel {
namespace {

using Count = std::pair<int64_t, int64_t>;
constexpr int64_t kKeys = 5'000;
constexpr int64_t kRows = 60'000;

// The greatest count of each key, of what was committed: once or more often.
struct Counted {
  std::mutex mutex;
  std::map<int64_t, int64_t> counts;
};
struct CountedSink {
  using input = Count;
  struct Pending {
    std::vector<int64_t> keys;
    std::vector<int64_t> counts;
  };
  std::shared_ptr<Counted> counted;
  Pending open = {};

  void write(const Count& row) {
    open.keys.push_back(row.first);
    open.counts.push_back(row.second);
  }
  Result<std::vector<Pending>> prepare(int64_t) {
    if (open.keys.empty()) { return std::vector<Pending>(); }
    return std::vector<Pending>{std::exchange(open, {})};
  }
  Status commit(const Pending& pending) {
    const std::lock_guard lock(counted->mutex);
    for (size_t i = 0; i < pending.keys.size(); ++i) {
      int64_t& count = counted->counts[pending.keys[i]];
      count = std::max(count, pending.counts[i]);
    }
    return ok_status();
  }
};

struct Way {
  std::string backend;
  bool is_incremental = false;
};

class NativeSavepoint : public ::testing::TestWithParam<Way> {
 protected:
  NativeSavepoint()
      : world_(make_real_world({.log_level = LogLevel::kError})),
        directory_(fmt::format("{}native_savepoint_{:x}", ::testing::TempDir(),
                               world_->fork_random().next())) {
    EXPECT_TRUE(world_->files().make_directories(directory_).ok());
  }
  ~NativeSavepoint() override {
    ignore(world_->files().remove_all(directory_), "a temporary folder");
  }

  Config config(const std::string& backend) {
    Config config;
    config.set(options::kStateBackend, backend);
    config.set(options::kRocksdbLocalDirectory, directory_);
    config.set(options::kJobMemory, int64_t{64} << 20);
    config.set(options::kCheckpointDirectory, directory_ + "/checkpoints");
    config.set(options::kCheckpointInterval, 50);
    config.set(options::kIncrementalCheckpoints, GetParam().is_incremental);
    config.set(options::kParallelism, 2);
    return config;
  }
  Result<std::unique_ptr<JobHandle>> start(Env& env, double rate) {
    const GeneratorOptions generator{.count = kRows, .rate = rate};
    env.generate([](int64_t i) { return i; }, generator)
        .uid("numbers")
        .key_by([](int64_t n) { return n % kKeys; })
        .running(int64_t{0}, [](int64_t& count, int64_t) { ++count; })
        .uid("counts")
        .to(CountedSink{counted_})
        .uid("counted");
    return env.execute_async("counts");
  }
  // Runs the job for a while, and stops it with a native savepoint, which is then moved.
  std::string make_savepoint() {
    Env env(*world_, config(GetParam().backend));
    auto job = start(env, 100'000);
    EXPECT_TRUE(job.ok()) << job.status().to_string();
    const int64_t now_ns = world_->clock().now_ns();
    EXPECT_FALSE((*job)->wait(now_ns + 200'000'000));
    const Result<std::string> path = (*job)->savepoint({.directory = directory_ + "/savepoints",
                                                        .after = AfterSavepoint::kSuspend,
                                                        .form = SavepointForm::kNative});
    EXPECT_TRUE(path.ok()) << path.status().to_string();
    if (!path.ok()) { return {}; }
    EXPECT_TRUE((*job)->result().ok());
    const CheckpointStatistics statistics = (*job)->checkpoints();
    EXPECT_EQ(statistics.latest_savepoint->form, SavepointForm::kNative);
    const std::string moved = directory_ + "/moved";
    EXPECT_TRUE(world_->files().rename(*path, moved).ok());
    // It stands alone.
    ignore(world_->files().remove_all(directory_ + "/checkpoints"), "there may be none");
    return moved;
  }
  size_t sorted_tables_in(const std::string& path) {
    size_t count = 0;
    const std::vector<DirectoryEntry> entries = world_->files().list(path).value();
    for (const DirectoryEntry& entry : entries) { count += entry.name.ends_with(".sst"); }
    return count;
  }

  // As the counts say.
  int64_t counted_rows() const {
    int64_t rows = 0;
    for (const auto& [key, count] : counted_->counts) { rows += count; }
    return rows;
  }

  const std::unique_ptr<World> world_;
  const std::string directory_;
  const std::shared_ptr<Counted> counted_ = std::make_shared<Counted>();
};
INSTANTIATE_TEST_SUITE_P(Backends, NativeSavepoint,
                         ::testing::Values(Way{"rocksdb", true}, Way{"rocksdb", false},
                                           Way{"hashmap", true}, Way{"hashmap", false}),
                         [](const auto& of) {
                           return of.param.backend + (of.param.is_incremental ? "Changes" : "");
                         });

TEST_P(NativeSavepoint, a_job_goes_on_from_a_moved_one_at_any_parallelism) {
  const std::string path = make_savepoint();
  ASSERT_FALSE(path.empty());
  EXPECT_EQ(sorted_tables_in(path) > 0, GetParam().backend == "rocksdb");
  const std::map<int64_t, int64_t> counts_before = counted_->counts;
  ASSERT_LT(counted_rows(), kRows);
  for (const int64_t parallelism : {2, 1, 3}) {
    counted_->counts = counts_before;
    Config again = config(GetParam().backend);
    again.set(options::kRecoveryPath, path);
    again.set(options::kParallelism, parallelism);
    Env env(*world_, std::move(again));
    auto job = start(env, 1e9);
    ASSERT_TRUE(job.ok()) << job.status().to_string();
    ASSERT_TRUE((*job)->result().ok()) << (*job)->result().to_string();
    ASSERT_EQ(counted_->counts.size(), static_cast<size_t>(kKeys));
    for (const auto& [key, count] : counted_->counts) { ASSERT_EQ(count, kRows / kKeys) << key; }
  }
}

TEST_P(NativeSavepoint, another_backend_reads_it_or_the_job_does_not_start) {
  const std::string path = make_savepoint();
  ASSERT_FALSE(path.empty());
  const bool has_files = GetParam().backend == "rocksdb";
  Config other = config(has_files ? "hashmap" : "rocksdb");
  other.set(options::kRecoveryPath, path);
  Env env(*world_, std::move(other));
  auto job = start(env, 1e9);
  if (has_files) {
    ASSERT_FALSE(job.ok());
    EXPECT_EQ(job.status().id(), ErrorId::kStateBackend);
    EXPECT_NE(job.status().message().find("'hashmap'"), std::string::npos);
    return;
  }
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  ASSERT_TRUE((*job)->result().ok()) << (*job)->result().to_string();
  EXPECT_EQ(counted_rows(), kRows);
}

}  // namespace
}  // namespace tidewheel
