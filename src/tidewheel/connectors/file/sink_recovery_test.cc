// Part files through failures: a job of one sink, driven by hand, loses its process at any call of
// the file system, or its machine, and goes on from its newest checkpoint at another parallelism.
// At the end every row must be visible exactly once, and nothing be left over.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/connectors/file/sink.h"
#include "tidewheel/dataflow/operator_failure.h"
#include "tidewheel/operators/sink_operator.h"
#include "tidewheel/sim/sim_process.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/testing/operator_harness.h"

namespace tidewheel::file {
namespace {

using testing::HarnessOptions;
using testing::HarnessSnapshot;
using testing::OperatorHarness;

constexpr char kFolder[] = "/out";
constexpr int64_t kRows = 200;

struct BucketOfTen {
  std::string operator()(const int64_t& row) const { return "b" + std::to_string(row / 10 % 3); }
};

// Lines under a head, which each part must have, once.
struct HeadedLines {
  struct Writer {
    void append_header(std::string& out) const { out += "head\n"; }
    void append_row(std::string& out, const int64_t& row) const {
      out += std::to_string(row) + '\n';
    }
  };
  Result<Writer> open() const { return Writer(); }
};

// Starts the sink again and again until all rows were taken and committed.
class FailingJob {
 public:
  FailingJob(uint64_t seed, WriteOptions options, bool buckets)
      : machine_(options_of(seed)), random_(seed * 7919), options_(options), buckets_(buckets) {}

  void run() {
    while (!finished_ && attempts_ < 500) {
      ++attempts_;
      SimProcess process(machine_.simulation, machine_.world, "job");
      if (random_.chance(0.9) && attempts_ < 40) {
        process.kill_at_file_call(static_cast<int64_t>(random_.below(120)));
      }
      process_ = &process;
      set_faults(random_.chance(0.3));
      attempt();
      subtasks_.clear();
      set_faults(false);
      if (!process.alive()) { ++kills_; }
      if (!finished_ && random_.chance(0.5)) { machine_.world.sim_files().crash(); }
      check_visible();
      if (::testing::Test::HasFailure()) { return; }
    }
    EXPECT_TRUE(finished_) << "after " << attempts_ << " attempts: " << failure_;
    hidden_.clear();
    std::map<int64_t, int> rows;
    collect(kFolder, rows);
    EXPECT_EQ(rows.size(), static_cast<size_t>(kRows));
    EXPECT_EQ(hidden_, std::vector<std::string>());
  }
  int kills() const { return kills_; }
  size_t parts() const { return parts_; }

 private:
  struct Checkpoint {
    int64_t id = 0;
    int64_t position = 0;
    HarnessSnapshot snapshot;
    bool at_end = false;
  };
  static SimulationOptions options_of(uint64_t seed) {
    SimulationOptions options;
    options.seed = seed;
    return options;
  }

  void set_faults(bool on) {
    SimDiskFaults faults;
    if (on) {
      faults.write_error = 0.02;
      faults.sync_error = 0.05;
    }
    machine_.world.sim_files().set_faults(faults);
  }
  std::unique_ptr<Operator> make_sink() {
    auto files = write(kFolder, HeadedLines{}, options_);
    if (!buckets_) { return wrap(files.bind<int64_t>()); }
    return wrap(std::move(files).by_bucket(BucketOfTen{}).bind<int64_t>());
  }
  template <class S>
  std::unique_ptr<Operator> wrap(S sink) {
    return std::make_unique<SinkWriter<S>>(std::move(sink));
  }

  void attempt() {
    parallelism_ = 1 + static_cast<int32_t>(random_.below(3));
    try {
      if (!start()) { return crash(); }
      if (complete_.has_value() && complete_->at_end) {
        finish();
        return;
      }
      position_ = complete_.has_value() ? complete_->position : 0;
      while (position_ < kRows) {
        write_some();
        if (random_.chance(0.4)) { checkpoint(false); }
        if (random_.chance(0.2)) { run_pending(); }
        if (random_.chance(0.02)) { return random_.chance(0.5) ? crash() : fail(); }
      }
      for (auto& subtask : subtasks_) { subtask->end_of_input(); }
      for (int tries = 0; tries < 20 && !finished_; ++tries) {
        if (checkpoint(true)) { finish(); }
      }
    } catch (const OperatorFailure& failure) {
      failure_ = failure.status().to_string();
      return random_.chance(0.5) ? crash() : fail();
    }
  }
  bool start() {
    for (int32_t i = 0; i < parallelism_; ++i) {
      HarnessOptions options;
      options.subtask_index = i;
      options.parallelism = parallelism_;
      options.takes_final_checkpoint = true;
      options.is_restart = attempts_ > 1;
      options.seed = random_.next();
      options.files = &process_->files();
      subtasks_.push_back(std::make_unique<OperatorHarness>(make_sink(), options));
      const Status status = complete_.has_value()
                                ? subtasks_.back()->open_restored(complete_->snapshot)
                                : subtasks_.back()->open();
      if (!status.ok()) {
        failure_ = status.to_string();
        EXPECT_NE(status.code(), StatusCode::kDataLoss) << failure_;
        return false;
      }
    }
    return true;
  }
  void write_some() {
    for (uint64_t left = random_.below(20); left > 0 && position_ < kRows; --left, ++position_) {
      subtasks_[static_cast<size_t>(position_ % parallelism_)]->push<int64_t>(position_, 0);
    }
    if (random_.chance(0.1)) {
      wall_ms_ += 61'000;
      for (auto& subtask : subtasks_) { subtask->advance_to_wall_ms(wall_ms_); }
    }
  }
  bool run_pending() {
    bool did_something = false;
    for (auto& subtask : subtasks_) { did_something = subtask->run_pending() || did_something; }
    return did_something;
  }

  // Returns whether it is complete.
  bool checkpoint(bool at_end) {
    Checkpoint next{next_id_++, position_, {}, at_end};
    for (auto& subtask : subtasks_) { subtask->begin_snapshot({.checkpoint = next.id}); }
    if (!at_end && random_.chance(0.5)) { write_some(); }
    std::vector<HarnessSnapshot> all(subtasks_.size());
    const bool gives_up = random_.chance(0.2);
    for (size_t i = 0; i < subtasks_.size(); ++i) {
      if (gives_up && random_.chance(0.5)) {
        subtasks_[i]->op().abort_snapshot();
        continue;
      }
      while (!subtasks_[i]->try_snapshot(all[i])) { subtasks_[i]->run_pending(); }
    }
    if (gives_up) {
      if (random_.chance(0.5)) {
        for (auto& subtask : subtasks_) { subtask->checkpoint_aborted(next.id); }
      }
      return false;
    }
    next.snapshot = OperatorHarness::join_snapshots(all);
    complete_ = std::move(next);
    for (auto& subtask : subtasks_) {
      if (at_end || random_.chance(0.8)) { subtask->checkpoint_complete(complete_->id); }
    }
    if (!at_end && random_.chance(0.02)) { throw_away(); }
    return true;
  }
  void throw_away() {
    throw OperatorFailure(unavailable(ErrorId::kFileIo, "the test has had enough"));
  }
  void finish() {
    for (auto& subtask : subtasks_) {
      while (!subtask->op().may_end()) { subtask->run_pending(); }
    }
    for (auto& subtask : subtasks_) { subtask->close(true); }
    finished_ = true;
  }
  void crash() {
    for (auto& subtask : subtasks_) { subtask->crash(); }
  }
  void fail() {
    for (auto& subtask : subtasks_) { subtask->close(false); }
  }

  void collect(const std::string& folder, std::map<int64_t, int>& rows) {
    SimFileSystem& files = machine_.world.sim_files();
    const auto entries = files.list(folder);
    if (!entries.ok()) { return; }
    for (const DirectoryEntry& entry : *entries) {
      const std::string path = join_path(folder, entry.name);
      if (entry.is_directory) {
        collect(path, rows);
      } else if (entry.name.starts_with('.')) {
        // A process that is killed when all is done may leave its lock, which is free.
        if (!path.ends_with("-lock")) { hidden_.push_back(path); }
      } else {
        ++parts_;
        const std::string content = read_all(files, path).value_or("unreadable");
        ASSERT_TRUE(content.starts_with("head\n")) << path;
        size_t at = 5;
        while (at < content.size()) {
          const size_t end = content.find('\n', at);
          ASSERT_NE(end, std::string::npos) << path;
          const int64_t row = std::stoll(content.substr(at, end - at));
          EXPECT_EQ(++rows[row], 1) << "row " << row << " is doubled in " << path;
          at = end + 1;
        }
      }
    }
  }
  // Only rows of complete checkpoints are visible, and none twice.
  void check_visible() {
    hidden_.clear();
    parts_ = 0;
    std::map<int64_t, int> rows;
    collect(kFolder, rows);
    const int64_t position = complete_.has_value() ? complete_->position : 0;
    for (const auto& [row, count] : rows) { EXPECT_LT(row, position); }
  }

  SimMachine machine_;
  Random random_;
  const WriteOptions options_;
  const bool buckets_;
  SimProcess* process_ = nullptr;
  int32_t parallelism_ = 1;
  std::vector<std::unique_ptr<OperatorHarness>> subtasks_;
  std::optional<Checkpoint> complete_;
  int64_t position_ = 0;
  int64_t next_id_ = 1;
  int64_t wall_ms_ = 0;
  bool finished_ = false;
  int attempts_ = 0;
  int kills_ = 0;
  size_t parts_ = 0;
  std::vector<std::string> hidden_;
  std::string failure_;
};

void attack(const WriteOptions& options, bool buckets) {
  int kills = 0;
  size_t parts = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE(seed);
    FailingJob job(seed, options, buckets);
    job.run();
    kills += job.kills();
    parts += job.parts();
    if (::testing::Test::HasFailure()) { return; }
  }
  EXPECT_GT(kills, 150);
  EXPECT_GT(parts, 150U);
}

TEST(PartFileRecovery, every_row_is_there_once_when_parts_go_on_over_checkpoints) {
  attack({.part_bytes_max = 100}, false);
}
TEST(PartFileRecovery, every_row_is_there_once_when_checkpoints_close_parts) {
  attack({.roll_on_checkpoint = true}, false);
}
TEST(PartFileRecovery, every_row_is_there_once_in_buckets) { attack({.part_bytes_max = 60}, true); }
TEST(PartFileRecovery, every_row_is_there_once_when_parts_are_merged) {
  attack({.part_bytes_max = 40, .merge_parts = 3, .merge_bytes = 200}, true);
}
TEST(PartFileRecovery, every_row_is_there_once_when_parts_of_checkpoints_are_merged) {
  attack({.roll_on_checkpoint = true,
          .merge_parts = 6,
          .merge_bytes = 150,
          .merge_time_max = Duration(100'000)},
         false);
}

}  // namespace
}  // namespace tidewheel::file
