// Windows in front of RocksDB: what its own snapshots hold comes back, at the same parallelism by
// its files, at another one entry by entry; and what savepoints hold, in memory too.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/rocksdb_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/operators/generic_window.h"
#include "tidewheel/operators/session_window.h"
#include "tidewheel/operators/slicing_window.h"
#include "tidewheel/operators/window_model.h"
#include "tidewheel/rocksdb/rocksdb_backends.h"

namespace tidewheel {
namespace {

using window_testing::Harness;
using window_testing::Options;
using window_testing::Reading;
using window_testing::Result;
using window_testing::Results;
using window_testing::sorted;
using window_testing::Timed;

using Key = int64_t Reading::*;
using Sum = SumFold<int64_t, Reading, Key>;
using Make = std::function<std::unique_ptr<Operator>()>;

constexpr int64_t kKeys = 1500;

class StoredWindow : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        ::testing::TempDir() + "stored_window_" + std::to_string(world_->fork_random().next());
    ASSERT_TRUE(world_->files().make_directories(directory_ + "/snapshots").ok());
    config_.set(options::kRocksdbLocalDirectory, directory_);
    config_.set(options::kRocksdbHotFraction, 0.006);  // not all keys stay in memory
    config_.set(options::kRocksdbEntryFileSize, 0);
    backends_ = make_rocksdb_backends(*world_, config_, memory_, 1).value();
  }
  void TearDown() override {
    backends_.reset();
    ignore(world_->files().remove_all(directory_), "a temporary folder");
  }
  Options in_rocksdb(int32_t subtask = 0, int32_t parallelism = 1) {
    return {.subtask = subtask,
            .parallelism = parallelism,
            .incremental = true,
            .backends = backends_.get(),
            .files_folder = directory_ + "/snapshots"};
  }
  static Options in_memory() { return {.incremental = true}; }

  // Rows [from, to), each of a key of its own, in the order of time but for some.
  static void push(std::vector<std::unique_ptr<Harness>>& subtasks, int64_t from, int64_t to) {
    const auto parallelism = static_cast<int32_t>(subtasks.size());
    std::vector<std::vector<Timed<Reading>>> batches(subtasks.size());
    for (int64_t i = from; i < to; ++i) {
      const Reading row{i * 7 % kKeys, i % 10};
      const int32_t group = key_hash(row.key, 128).group;
      batches[static_cast<size_t>(subtask_of(group, parallelism, 128))].push_back(
          {row, i / 10 - i % 13});
    }
    for (size_t i = 0; i < subtasks.size(); ++i) { subtasks[i]->push(batches[i]); }
  }
  static void go(std::vector<std::unique_ptr<Harness>>& subtasks, int64_t from, int64_t to,
                 Results& results) {
    for (int64_t at = from; at < to; at += 1000) {
      push(subtasks, at, at + 1000);
      for (auto& subtask : subtasks) {
        subtask->watermark(at / 10 + 70);
        for (auto& row : subtask->take<Result>()) { results.push_back(row); }
      }
    }
  }
  static void end(std::vector<std::unique_ptr<Harness>>& subtasks, Results& results) {
    for (auto& subtask : subtasks) {
      subtask->end_of_input();
      for (auto& row : subtask->take<Result>()) { results.push_back(row); }
    }
  }
  static std::vector<std::unique_ptr<Harness>> one(std::unique_ptr<Harness> harness) {
    std::vector<std::unique_ptr<Harness>> all;
    all.push_back(std::move(harness));
    return all;
  }
  // All in memory, without a failure.
  static Results undisturbed(const Make& make) {
    auto subtasks = one(std::make_unique<Harness>(make(), in_memory()));
    Results results;
    go(subtasks, 0, 20'000, results);
    end(subtasks, results);
    return sorted(results);
  }
  void check(const Make& make) {
    const Results expected = undisturbed(make);
    ASSERT_GT(expected.size(), 1000U);
    auto subtasks = one(std::make_unique<Harness>(make(), in_rocksdb()));
    Results before;
    go(subtasks, 0, 5'000, before);
    std::vector<SnapshotSegmentRef> layers;
    subtasks[0]->begin_snapshot({1, 0});
    while (!subtasks[0]->write_snapshot()) {}
    EXPECT_GT(subtasks[0]->snapshot_files(), 0U);
    add_layers(layers, subtasks[0]->take_snapshot());
    go(subtasks, 5'000, 10'000, before);
    // Rows that come while the second is written are none of its business.
    subtasks[0]->begin_snapshot({2, 1});
    push(subtasks, 10'000, 11'000);
    subtasks[0]->watermark(1'070);
    while (!subtasks[0]->write_snapshot()) {}
    add_layers(layers, subtasks[0]->take_snapshot());
    MemorySnapshot second;
    second.add(layers);
    Options savepoint = in_rocksdb();
    savepoint.files_folder = "";
    {
      SCOPED_TRACE("the same parallelism");
      go_on(make, second, {in_rocksdb()}, before, expected);
    }
    {
      SCOPED_TRACE("two subtasks");
      go_on(make, second, {in_rocksdb(0, 2), in_rocksdb(1, 2)}, before, expected);
    }
    MemorySnapshot entries;
    {
      Harness from(make(), savepoint, &second);
      from.snapshot_into(entries);
    }
    SCOPED_TRACE("a savepoint, in memory");
    go_on(make, entries, {in_memory()}, before, expected);
  }
  static void add_layers(std::vector<SnapshotSegmentRef>& layers,
                         const std::vector<SnapshotSegmentRef>& segments) {
    for (const SnapshotSegmentRef& segment : segments) {
      if (segment->content == StateContent::kAll) {
        std::erase_if(layers, [&](const SnapshotSegmentRef& old) {
          return old->meta.name == segment->meta.name;
        });
      }
      layers.push_back(segment);
    }
  }
  static void go_on(const Make& make, const MemorySnapshot& snapshot,
                    const std::vector<Options>& options, Results results, const Results& expected) {
    std::vector<std::unique_ptr<Harness>> subtasks;
    for (const Options& one : options) {
      subtasks.push_back(std::make_unique<Harness>(make(), one, &snapshot));
      ASSERT_TRUE(subtasks.back()->opened.ok()) << subtasks.back()->opened.to_string();
    }
    go(subtasks, 10'000, 20'000, results);
    end(subtasks, results);
    EXPECT_EQ(results.size(), expected.size());
    EXPECT_TRUE(sorted(results) == expected);
  }

  std::unique_ptr<World> world_ = make_real_world();
  std::string directory_;
  Config config_;
  MemoryPool memory_{"job", 64 << 20};
  std::unique_ptr<StateBackends> backends_;
};

TEST_F(StoredWindow, sliced_windows_come_back) {
  const auto make_with = [](WindowGrid grid, int64_t lateness) {
    return [grid, lateness]() -> std::unique_ptr<Operator> {
      WindowSettings<Reading> settings;
      settings.allowed_lateness_ms = lateness;
      return std::make_unique<SlicingWindowOperator<int64_t, Reading, Key, Sum>>(
          grid, &Reading::key, Sum(&Reading::value), settings, nullptr);
    };
  };
  check(make_with(tumbling(Duration(120)).grid(), 0));
  check(make_with(sliding(Duration(120), Duration(50)).grid(), 60));
}

TEST_F(StoredWindow, sessions_come_back) {
  check([]() -> std::unique_ptr<Operator> {
    return std::make_unique<SessionWindowOperator<int64_t, Reading, Key, SessionWindows, Sum>>(
        session(Duration(48)), &Reading::key, Sum(&Reading::value), WindowSettings<Reading>(),
        nullptr);
  });
}

TEST_F(StoredWindow, windows_with_a_trigger_come_back) {
  check([]() -> std::unique_ptr<Operator> {
    return std::make_unique<GenericWindowOperator<int64_t, Reading, Key, TumblingWindows,
                                                  EventTimeTrigger, NoEvictor, Sum>>(
        tumbling(Duration(120)), EventTimeTrigger(), NoEvictor(), &Reading::key,
        Sum(&Reading::value), WindowSettings<Reading>(), nullptr);
  });
}

}  // namespace
}  // namespace tidewheel
