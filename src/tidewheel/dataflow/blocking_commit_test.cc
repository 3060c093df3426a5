// When the sinks of jobs with blocking exchanges commit, and what is committed after failures.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>

#include "tidewheel/base/batch_options.h"
#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/dataflow/test_ledger.h"
#include "tidewheel/dataflow/test_operators.h"

namespace tidewheel {
namespace {

using dataflow_test::GraphBuilder;
using dataflow_test::list_state;
using dataflow_test::MapOperator;
using dataflow_test::NumberCodec;
using dataflow_test::numbers_below;
using dataflow_test::numbers_of;

// Where sinks put their rows, and what a test has them do.
struct Table {
  std::mutex mutex;
  std::vector<int64_t> taken;                // as it was given to sinks
  std::set<std::vector<int64_t>> committed;  // as it was prepared; doing it again adds nothing
  int commits = 0;
  std::multiset<int32_t> recoveries;  // subtasks that were opened after a failure, without rows
  std::atomic<int> closed{0};         // sinks that have taken all of their input
  std::function<void(int32_t subtask)> at_end = [](int32_t) {};
  std::function<void(int32_t subtask)> before_commit = [](int32_t) {};

  std::vector<int64_t> committed_rows() {
    const std::lock_guard lock(mutex);
    std::vector<int64_t> rows;
    for (const auto& all : committed) { rows.insert(rows.end(), all.begin(), all.end()); }
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  size_t taken_count() {
    const std::lock_guard lock(mutex);
    return taken.size();
  }
};

class TableSink final : public Operator {
 public:
  explicit TableSink(std::shared_ptr<Table> table) : table_(std::move(table)) {}
  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read("prepared"));
    StateEntry entry;
    for (;;) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
      if (!more) { return ok_status(); }
      restored_.push_back(numbers_of(entry.value));
    }
  }
  Status open(OperatorContext& context) override {
    context_ = &context;
    if (context.is_restart() && restored_.empty()) {
      const std::lock_guard lock(table_->mutex);
      table_->recoveries.insert(context.subtask_index());
    }
    for (const std::vector<int64_t>& rows : restored_) {
      table_->before_commit(context.subtask_index());
      const std::lock_guard lock(table_->mutex);
      table_->committed.insert(rows);
      ++table_->commits;
    }
    return ok_status();
  }
  Progress on_rows(int32_t, const Element& batch, uint32_t& cursor) override {
    const std::lock_guard lock(table_->mutex);
    for (; cursor < batch.end; ++cursor) {
      rows_.push_back(RowBatch<int64_t>::of(*batch.batch).row(cursor));
      table_->taken.push_back(rows_.back());
    }
    return Progress::kDone;
  }
  Progress on_watermark(int64_t) override { return Progress::kDone; }
  Progress on_idle(bool) override { return Progress::kDone; }
  Progress on_end_of_input(int32_t) override {
    EXPECT_TRUE(context_->takes_final_checkpoint());
    table_->at_end(context_->subtask_index());
    return Progress::kDone;
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if (rows_.empty()) { return Progress::kDone; }
    writer.begin_state(list_state("prepared"));
    std::string text;
    for (const int64_t row : rows_) { text += (text.empty() ? "" : " ") + std::to_string(row); }
    writer.add({0, {}, {}, text});
    return Progress::kDone;
  }
  void close(bool finished) override {
    if (finished && !rows_.empty()) { table_->closed.fetch_add(1); }
  }
  std::span<OutputPort* const> outputs() override { return {}; }

 private:
  const std::shared_ptr<Table> table_;
  OperatorContext* context_ = nullptr;
  std::vector<std::vector<int64_t>> restored_;
  std::vector<int64_t> rows_;
};

class BlockingCommit : public ::testing::Test {
 protected:
  BlockingCommit() {
    config_.set(options::kRuntimeMode, "batch");
    config_.set(options::kTemporaryDirectories, folder_);
    config_.set(options::kBatchRows, 16);
    config_.set(options::kPipelineName, "commits");
    config_.set(options::kRestartStrategy, "fixed-delay");
    config_.set(options::kFixedDelayAttempts, 3);
    config_.set(options::kFixedDelay, 1);
  }
  ~BlockingCommit() override { ignore(world_->files().remove_all(folder_), "it is the test's"); }

  int32_t sink(GraphBuilder& builder, int32_t from, const std::shared_ptr<Table>& table,
               EdgeKind kind = EdgeKind::kHash) {
    const int32_t node = builder.add<TableSink>("table", 2, table);
    builder.graph.nodes.back().is_sink = true;
    builder.edge(from, node, kind);
    return node;
  }
  Status run(GraphBuilder& builder, JobStartOptions options = {}) {
    for (GraphEdge& edge : builder.graph.edges) { edge.row_codec = codec_; }
    auto job = LocalJobRunner(*world_).start(std::move(builder.graph), config_, options);
    if (!job.ok()) { return job.status(); }
    Status result = (*job)->result();
    restarts_ = (*job)->restarts();
    for (const TaskInfo& task : (*job)->tasks()) { rows_in_ += task.rows_in; }
    return result;
  }
  // Truncates all files of kept rows.
  void damage_results() {
    for (const std::string& path : files_below(folder_)) {
      if (path.ends_with(".lock") || path.find("tidewheel-results") == std::string::npos) {
        continue;
      }
      auto file = world_->files().open_write(path, WriteMode::kTruncate);
      EXPECT_TRUE(file.ok() && (*file)->append("no rows at all").ok());
    }
  }
  std::vector<std::string> files_below(const std::string& folder) {
    std::vector<std::string> files;
    const auto entries = world_->files().list(folder);
    if (!entries.ok()) { return files; }
    for (const DirectoryEntry& entry : *entries) {
      const std::string path = join_path(folder, entry.name);
      if (!entry.is_directory) {
        files.push_back(path);
        continue;
      }
      for (std::string& inner : files_below(path)) { files.push_back(std::move(inner)); }
    }
    return files;
  }

  const std::unique_ptr<World> world_ = make_real_world({LogLevel::kError, 1, 4, true});
  const std::string folder_ =
      fmt::format("/tmp/tidewheel_commit_test_{}_{}", ::getpid(),
                  ::testing::UnitTest::GetInstance()->current_test_info()->name());
  const std::shared_ptr<NumberCodec> codec_ = std::make_shared<NumberCodec>();
  const std::shared_ptr<Table> table_ = std::make_shared<Table>();
  Config config_;
  int64_t restarts_ = 0;
  int64_t rows_in_ = 0;  // of all tasks, as shown at the end
};

// Throws once, in the second of two sinks at its end, when the first has ended.
auto fails_behind_the_first(const std::shared_ptr<Table>& table) {
  return [table = table.get(), once = std::make_shared<std::atomic<bool>>(false)](int32_t subtask) {
    if (subtask == 0 || once->exchange(true)) { return; }
    while (table->closed.load() == 0) {}
    throw std::runtime_error("once");
  };
}

TEST_F(BlockingCommit, rows_are_there_once_when_a_task_fails_after_another_has_ended) {
  table_->at_end = fails_behind_the_first(table_);
  GraphBuilder b;
  sink(b, b.numbers(1'000, 2), table_);
  const Status end = run(b);
  ASSERT_TRUE(end.ok()) << end.to_string();
  EXPECT_EQ(restarts_, 1);
  EXPECT_EQ(table_->taken_count(), 2'000U);
  EXPECT_EQ(table_->committed_rows(), numbers_below(1'000));
  EXPECT_EQ(table_->commits, 2);
}

TEST_F(BlockingCommit, a_commit_that_fails_comes_again_and_rows_are_not_written_again) {
  const auto failures = std::make_shared<std::atomic<int>>(0);
  table_->before_commit = [failures, table = table_.get()](int32_t subtask) {
    if (subtask == 0 || failures->fetch_add(1) > 1) { return; }
    // The other one has committed.
    while (table->committed_rows().empty()) {}
    throw std::runtime_error("twice");
  };
  GraphBuilder b;
  sink(b, b.numbers(1'000, 2), table_);
  const Status end = run(b);
  ASSERT_TRUE(end.ok()) << end.to_string();
  EXPECT_EQ(restarts_, 2);
  EXPECT_EQ(table_->taken_count(), 1'000U);
  EXPECT_EQ(table_->committed_rows(), numbers_below(1'000));
  EXPECT_GE(table_->commits, 3);
  // Of the tasks that have written them.
  EXPECT_EQ(rows_in_, 1'000);
}

// The vertex in the middle has a sink in its chain, and others read what it keeps.
TEST_F(BlockingCommit, a_stage_that_has_to_run_again_for_others_has_not_committed) {
  const auto behind = std::make_shared<Table>();
  const auto made = std::make_shared<std::atomic<int64_t>>(0);
  const auto calls = std::make_shared<std::atomic<int64_t>>(0);
  GraphBuilder b;
  const int32_t middle = b.map(
      b.numbers(1'000, 2),
      [made](int64_t row, MapOperator::Emit& emit) {
        made->fetch_add(1);
        emit(row);
      },
      2, EdgeKind::kHash);
  sink(b, middle, table_, EdgeKind::kForward);
  const int32_t last = b.map(
      middle,
      [this, calls](int64_t row, MapOperator::Emit& emit) {
        if (calls->fetch_add(1) == 300) {
          EXPECT_EQ(table_->closed.load(), 2);
          EXPECT_TRUE(table_->committed_rows().empty());
          damage_results();
          throw std::runtime_error("once");
        }
        emit(row);
      },
      2, EdgeKind::kHash);
  sink(b, last, behind);
  const Status end = run(b);
  ASSERT_TRUE(end.ok()) << end.to_string();
  EXPECT_GE(restarts_, 1);
  EXPECT_EQ(made->load(), 2'000);
  EXPECT_EQ(table_->committed_rows(), numbers_below(1'000));
  EXPECT_EQ(behind->committed_rows(), numbers_below(1'000));
}

TEST_F(BlockingCommit, what_is_not_connected_does_not_wait) {
  const auto other = std::make_shared<Table>();
  GraphBuilder b;
  sink(b, b.numbers(100), table_);
  // Ends when the first has committed.
  const int32_t waits = b.map(b.numbers(100), [this](int64_t row, MapOperator::Emit& emit) {
    while (table_->committed_rows().size() < 100) {}
    emit(row);
  });
  sink(b, waits, other);
  config_.set(options::kTaskSlots, 0);
  b.node(2).slot_sharing_group = "other";
  b.node(3).slot_sharing_group = "other";
  b.node(4).slot_sharing_group = "other";
  other->at_end = fails_behind_the_first(other);
  const Status end = run(b);
  ASSERT_TRUE(end.ok()) << end.to_string();
  EXPECT_EQ(restarts_, 1);
  EXPECT_EQ(table_->taken_count(), 100U);
  EXPECT_EQ(table_->commits, 2);
  EXPECT_EQ(other->committed_rows(), numbers_below(100));
}

TEST_F(BlockingCommit, all_is_run_again_after_a_failure_but_what_has_committed) {
  config_.set(options::kFailoverStrategy, "full");
  const auto failures = std::make_shared<std::atomic<int>>(0);
  table_->before_commit = [failures](int32_t subtask) {
    if (subtask == 1 && failures->fetch_add(1) == 0) { throw std::runtime_error("once"); }
  };
  GraphBuilder b;
  sink(b, b.numbers(1'000, 2), table_);
  const Status end = run(b);
  ASSERT_TRUE(end.ok()) << end.to_string();
  EXPECT_EQ(table_->taken_count(), 1'000U);
  EXPECT_EQ(table_->committed_rows(), numbers_below(1'000));
}

// With a folder for it, what is to be committed outlives the process.
TEST_F(BlockingCommit, the_next_run_of_a_job_finishes_what_was_begun) {
  config_.set(options::kCheckpointDirectory, folder_ + "/checkpoints");
  config_.set(options::kCheckpointRetention, "RETAIN_ON_CANCELLATION");
  config_.set(options::kRestartStrategy, "none");
  const auto works = std::make_shared<std::atomic<bool>>(false);
  table_->before_commit = [works](int32_t subtask) {
    if (subtask == 1 && !works->load()) { throw std::runtime_error("no"); }
  };
  GraphBuilder first;
  sink(first, first.numbers(1'000, 2), table_);
  EXPECT_EQ(run(first).id(), ErrorId::kUserCodeThrew);
  EXPECT_LT(table_->committed_rows().size(), 1'000U);
  works->store(true);
  JobStartOptions resume;
  resume.resume = true;
  GraphBuilder next;
  sink(next, next.numbers(1'000, 2), table_);
  const Status end = run(next, resume);
  ASSERT_TRUE(end.ok()) << end.to_string();
  EXPECT_EQ(table_->taken_count(), 1'000U);
  EXPECT_EQ(table_->committed_rows(), numbers_below(1'000));
  GraphBuilder last;
  sink(last, last.numbers(1'000, 2), table_);
  EXPECT_EQ(run(last, resume).id(), ErrorId::kJobFinished);
}

TEST_F(BlockingCommit, sinks_wait_for_a_commit_point_that_could_not_be_written) {
  config_.set(options::kCheckpointDirectory, folder_ + "/checkpoints");
  std::string taken;
  table_->at_end = [this, &taken](int32_t subtask) {
    if (subtask != 0) { return; }
    const auto jobs = world_->files().list(folder_ + "/checkpoints");
    ASSERT_EQ(jobs->size(), 1U);
    taken = folder_ + "/checkpoints/" + jobs->front().name + "/chk-1";
    ASSERT_TRUE(world_->files().make_directories(taken).ok());
    ASSERT_TRUE(write_all_durably(world_->files(), taken + "/_metadata", "another run's").ok());
  };
  table_->before_commit = [this](int32_t) { EXPECT_EQ(table_->taken_count(), 1'000U); };
  GraphBuilder b;
  sink(b, b.numbers(1'000, 2), table_);
  const Status end = run(b);
  // The number behind that is free.
  ASSERT_TRUE(end.ok()) << end.to_string();
  EXPECT_EQ(restarts_, 1);
  EXPECT_EQ(read_all(world_->files(), taken + "/_metadata").value(), "another run's");
  EXPECT_EQ(table_->taken_count(), 1'000U);
  EXPECT_EQ(table_->commits, 2);
  EXPECT_EQ(table_->committed_rows(), numbers_below(1'000));
}

TEST_F(BlockingCommit, what_was_prepared_goes_with_a_job_that_fails) {
  config_.set(options::kRestartStrategy, "none");
  table_->at_end = fails_behind_the_first(table_);
  GraphBuilder b;
  sink(b, b.numbers(1'000, 2), table_);
  EXPECT_EQ(run(b).id(), ErrorId::kUserCodeThrew);
  EXPECT_TRUE(table_->committed_rows().empty());
  // Opened once more, after a failure, with nothing to commit.
  EXPECT_EQ(table_->recoveries, (std::multiset<int32_t>{0, 1}));
}

TEST_F(BlockingCommit, what_was_prepared_goes_with_a_job_that_is_cancelled) {
  GraphBuilder b;
  const int32_t middle = b.map(
      b.numbers(1'000, 2), [](int64_t row, MapOperator::Emit& emit) { emit(row); }, 2,
      EdgeKind::kHash);
  sink(b, middle, table_, EdgeKind::kForward);
  // It waits for an input that does not end.
  const int32_t last = b.map(
      middle, [](int64_t row, MapOperator::Emit& emit) { emit(row); }, 2, EdgeKind::kHash);
  b.edge(b.silence(), last, EdgeKind::kRebalance);
  sink(b, last, std::make_shared<Table>());
  for (GraphEdge& edge : b.graph.edges) { edge.row_codec = codec_; }
  auto job = LocalJobRunner(*world_).start(std::move(b.graph), config_);
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  while (table_->closed.load() < 2) {}
  (*job)->cancel();
  EXPECT_EQ((*job)->result().id(), ErrorId::kJobCancelled);
  EXPECT_TRUE(table_->committed_rows().empty());
  EXPECT_EQ(table_->recoveries, (std::multiset<int32_t>{0, 1}));
}

}  // namespace
}  // namespace tidewheel
