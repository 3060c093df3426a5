// Jobs whose exchanges are blocking, in one process.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>

#include "tidewheel/base/batch_options.h"
#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/dataflow/test_ledger.h"
#include "tidewheel/dataflow/test_operators.h"

namespace tidewheel {
namespace {

using dataflow_test::GraphBuilder;
using dataflow_test::MapOperator;
using dataflow_test::NumberCodec;
using dataflow_test::numbers_below;
using dataflow_test::Seen;

void same(int64_t row, MapOperator::Emit& emit) { emit(row); }

class BlockingExchange : public ::testing::Test {
 protected:
  BlockingExchange() {
    config_.set(options::kRuntimeMode, "batch");
    config_.set(options::kTemporaryDirectories, folder_);
    config_.set(options::kBatchRows, 16);
    config_.set(options::kCredits, 2);
    config_.set(options::kRestartStrategy, "fixed-delay");
    config_.set(options::kFixedDelayAttempts, 3);
    config_.set(options::kFixedDelay, 1);
  }
  ~BlockingExchange() override { ignore(world_->files().remove_all(folder_), "it is the test's"); }

  Result<std::unique_ptr<JobHandle>> start(GraphBuilder& builder) {
    for (GraphEdge& edge : builder.graph.edges) { edge.row_codec = codec_; }
    return LocalJobRunner(*world_).start(std::move(builder.graph), config_);
  }
  Status run(GraphBuilder& builder) {
    auto job = start(builder);
    if (!job.ok()) { return job.status(); }
    Status result = (*job)->result();
    restarts_ = (*job)->restarts();
    return result;
  }
  // Files of kept rows, of all jobs.
  std::vector<std::string> kept_files() {
    std::vector<std::string> files;
    const auto jobs = world_->files().list(folder_);
    if (!jobs.ok()) { return files; }
    for (const DirectoryEntry& job : *jobs) {
      const std::string path = join_path(folder_, job.name);
      const auto attempts = world_->files().list(path);
      if (!attempts.ok()) { continue; }
      for (const DirectoryEntry& attempt : *attempts) {
        const std::string inner = join_path(path, attempt.name);
        const auto channels = world_->files().list(inner);
        if (!channels.ok()) { continue; }
        for (const DirectoryEntry& file : *channels) {
          files.push_back(join_path(inner, file.name));
        }
      }
    }
    return files;
  }
  bool is_soon_empty() {
    const int64_t until_ns = world_->clock().now_ns() + int64_t{10} * 1'000'000'000;
    while (world_->clock().now_ns() < until_ns) {
      const auto left = world_->files().list(folder_);
      if (left.ok() && left->empty()) { return true; }
    }
    return false;
  }

  const std::unique_ptr<World> world_ = make_real_world({LogLevel::kError, 1, 4, true});
  // A folder of each test's own: what a job leaves is removed in the background.
  const std::string folder_ =
      fmt::format("/tmp/tidewheel_blocking_test_{}_{}", ::getpid(),
                  ::testing::UnitTest::GetInstance()->current_test_info()->name());
  const std::shared_ptr<NumberCodec> codec_ = std::make_shared<NumberCodec>();
  Config config_;
  std::shared_ptr<Seen> seen_ = std::make_shared<Seen>();
  int64_t restarts_ = 0;
};

// Passes rows on, and counts them.
auto counting(std::shared_ptr<std::atomic<int64_t>> rows) {
  return [rows = std::move(rows)](int64_t row, MapOperator::Emit& emit) {
    rows->fetch_add(1);
    emit(row);
  };
}

TEST_F(BlockingExchange, every_kind_of_edge_brings_every_row) {
  for (const EdgeKind kind :
       {EdgeKind::kForward, EdgeKind::kHash, EdgeKind::kRebalance, EdgeKind::kRescale,
        EdgeKind::kShuffle, EdgeKind::kGlobal, EdgeKind::kCustom}) {
    GraphBuilder b;
    seen_ = std::make_shared<Seen>();
    config_.set(options::kOperatorChaining, kind != EdgeKind::kForward);
    b.sink(b.map(b.numbers(2'000, 3, 10), same, 3, kind), seen_, 3, kind);
    const Status end = run(b);
    ASSERT_TRUE(end.ok()) << end.to_string();
    ASSERT_EQ(seen_->sorted_rows(), numbers_below(2'000)) << static_cast<int>(kind);
    for (const std::vector<int64_t>& watermarks : seen_->watermarks) {
      ASSERT_FALSE(watermarks.empty());
      EXPECT_TRUE(std::is_sorted(watermarks.begin(), watermarks.end()));
      EXPECT_EQ(watermarks.back(), kMaxWatermark);
    }
    EXPECT_EQ(seen_->finished_closes, 3);
  }
  EXPECT_TRUE(is_soon_empty());
}

TEST_F(BlockingExchange, a_stage_begins_when_those_before_it_have_ended) {
  const auto made = std::make_shared<std::atomic<int64_t>>(0);
  const auto early = std::make_shared<std::atomic<int64_t>>(0);
  const auto check = [made, early](int64_t row, MapOperator::Emit& emit) {
    if (made->load() != 3'000) { early->fetch_add(1); }
    emit(row);
  };
  GraphBuilder b;
  // Two before one, and one before two.
  const int32_t left = b.map(b.numbers(1'000, 2), counting(made), 2);
  const int32_t right = b.map(b.numbers(2'000, 1), counting(made), 1);
  const int32_t both = b.map(left, check, 2, EdgeKind::kHash);
  b.edge(right, both, EdgeKind::kHash);
  b.sink(both, seen_, 2, EdgeKind::kHash);
  auto other = std::make_shared<Seen>();
  b.sink(both, other, 1, EdgeKind::kRebalance);
  const Status end = run(b);
  ASSERT_TRUE(end.ok()) << end.to_string();
  EXPECT_EQ(early->load(), 0);
  EXPECT_EQ(seen_->rows.size(), 3'000U);
  EXPECT_EQ(other->sorted_rows(), seen_->sorted_rows());
  EXPECT_TRUE(is_soon_empty());
}

// Of one in the middle of three stages, on its first rows: those behind it have not begun.
TEST_F(BlockingExchange, a_stage_that_fails_is_started_again_alone) {
  const auto made = std::make_shared<std::atomic<int64_t>>(0);
  const auto calls = std::make_shared<std::atomic<int64_t>>(0);
  GraphBuilder b;
  const int32_t first = b.map(b.numbers(1'000, 2), counting(made), 2);
  const int32_t second = b.map(
      first,
      [calls](int64_t row, MapOperator::Emit& emit) {
        if (calls->fetch_add(1) == 300) { throw std::runtime_error("once"); }
        emit(row);
      },
      2, EdgeKind::kHash);
  b.sink(second, seen_, 2, EdgeKind::kHash);
  const Status end = run(b);
  ASSERT_TRUE(end.ok()) << end.to_string();
  EXPECT_EQ(restarts_, 1);
  EXPECT_EQ(made->load(), 1'000);
  EXPECT_EQ(seen_->sorted_rows(), numbers_below(1'000));
  EXPECT_TRUE(is_soon_empty());
}

TEST_F(BlockingExchange, what_can_not_be_read_is_made_again) {
  const auto made = std::make_shared<std::atomic<int64_t>>(0);
  const auto calls = std::make_shared<std::atomic<int64_t>>(0);
  GraphBuilder b;
  const int32_t first = b.map(b.numbers(1'000, 2), counting(made), 2);
  const int32_t second = b.map(
      first,
      [this, calls](int64_t row, MapOperator::Emit& emit) {
        if (calls->fetch_add(1) == 300) {
          // Some may be on their way to the disk still: nothing whole is to be left of them either.
          const std::vector<std::string> files = kept_files();
          EXPECT_FALSE(files.empty());
          for (const std::string& path : files) {
            auto file = world_->files().open_write(path, WriteMode::kTruncate);
            EXPECT_TRUE(file.ok() && (*file)->append("no rows at all").ok());
          }
          throw std::runtime_error("once");
        }
        emit(row);
      },
      2, EdgeKind::kHash);
  b.sink(second, seen_, 2, EdgeKind::kHash);
  const Status end = run(b);
  ASSERT_TRUE(end.ok()) << end.to_string();
  EXPECT_GE(restarts_, 1);
  EXPECT_EQ(made->load(), 2'000);
  EXPECT_EQ(seen_->sorted_rows(), numbers_below(1'000));
  EXPECT_TRUE(is_soon_empty());
}

TEST_F(BlockingExchange, rows_that_can_not_be_written_fail_the_job_with_the_reason) {
  config_.set(options::kRestartStrategy, "none");
  GraphBuilder b;
  // Where its folder would be is a file.
  const auto block = [this](int64_t row, MapOperator::Emit& emit) {
    if (row == 0) {
      const auto entries = world_->files().list(folder_);
      for (const DirectoryEntry& entry : *entries) {
        if (!entry.name.ends_with(".lock")) { continue; }
        const std::string path = join_path(folder_, entry.name.substr(0, entry.name.size() - 5));
        EXPECT_TRUE(write_all_durably(world_->files(), path, "a file").ok());
      }
    }
    emit(row);
  };
  b.sink(b.map(b.numbers(1'000), block), seen_, 2, EdgeKind::kHash);
  const Status end = run(b);
  EXPECT_FALSE(end.ok());
  EXPECT_NE(end.to_string().find("keeping the rows of"), std::string::npos) << end.to_string();
  EXPECT_TRUE(seen_->rows.empty());
  EXPECT_TRUE(is_soon_empty());
}

TEST_F(BlockingExchange, what_a_process_that_died_has_left_is_removed) {
  const std::string left = join_path(folder_, "tidewheel-results-00000000000000000000000000000000");
  ASSERT_TRUE(world_->files().make_directories(join_path(left, "1")).ok());
  GraphBuilder b;
  b.sink(b.numbers(100), seen_, 2, EdgeKind::kHash);
  ASSERT_TRUE(run(b).ok());
  EXPECT_TRUE(is_soon_empty());
}

TEST_F(BlockingExchange, a_job_that_is_cancelled_leaves_nothing) {
  GraphBuilder b;
  b.sink(b.map(b.silence(), same, 2, EdgeKind::kHash), seen_, 2, EdgeKind::kHash);
  auto job = start(b);
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  (*job)->cancel();
  EXPECT_EQ((*job)->result().id(), ErrorId::kJobCancelled);
  job->reset();
  EXPECT_TRUE(is_soon_empty());
}

TEST_F(BlockingExchange, there_are_no_savepoints_and_why_is_said) {
  GraphBuilder b;
  b.sink(b.silence(), seen_, 2, EdgeKind::kHash);
  auto job = start(b);
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  while ((*job)->tasks().empty() || (*job)->tasks()[0].state != TaskState::kRunning) {}
  const auto savepoint = (*job)->savepoint({.directory = folder_});
  EXPECT_EQ(savepoint.status().id(), ErrorId::kCheckpointDeclined);
  (*job)->cancel();
}

TEST_F(BlockingExchange, edges_whose_rows_have_no_bytes_are_refused) {
  GraphBuilder b;
  b.sink(b.numbers(100), seen_, 2, EdgeKind::kHash);
  auto job = LocalJobRunner(*world_).start(std::move(b.graph), config_);
  EXPECT_EQ(job.status().id(), ErrorId::kGraphEdge);
  EXPECT_NE(job.status().message().find("ALL_EXCHANGES_PIPELINED"), std::string::npos);
}

TEST_F(BlockingExchange, pipelined_in_batch_mode_keeps_nothing) {
  config_.set(options::kBatchShuffleMode, "ALL_EXCHANGES_PIPELINED");
  GraphBuilder b;
  b.sink(b.numbers(1'000, 2), seen_, 2, EdgeKind::kHash);
  ASSERT_TRUE(run(b).ok());
  EXPECT_EQ(seen_->sorted_rows(), numbers_below(1'000));
  EXPECT_FALSE(world_->files().exists(folder_).value_or(true));
}

TEST_F(BlockingExchange, settings_that_do_not_go_with_it_are_refused) {
  const auto refusal = [&](const char* key, const char* value) {
    Config before = config_;
    EXPECT_TRUE(config_.set(key, value).ok());
    GraphBuilder b;
    b.sink(b.numbers(10), seen_, 2, EdgeKind::kHash);
    const Status status = start(b).status();
    config_ = before;
    return status;
  };
  for (const auto& [key, value] : {std::pair("execution.runtime-mode", "AUTOMATIC"),
                                   std::pair("execution.runtime-mode", "BACKWARDS"),
                                   std::pair("execution.batch-shuffle-mode", "SOME"),
                                   std::pair("execution.epoch.interval", "5 ms"),
                                   std::pair("execution.state-recovery.path", "/nowhere")}) {
    const Status status = refusal(key, value);
    EXPECT_EQ(status.id(), ErrorId::kBadOptionValue) << key << " " << status.to_string();
    EXPECT_NE(status.message().find(key), std::string::npos) << status.to_string();
  }
}

}  // namespace
}  // namespace tidewheel
