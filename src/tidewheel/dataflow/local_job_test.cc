#include "tidewheel/dataflow/local_job.h"

#include <gtest/gtest.h>

#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/test_operators.h"

namespace tidewheel {
namespace {

using dataflow_test::GraphBuilder;
using dataflow_test::MapOperator;
using dataflow_test::numbers_below;
using dataflow_test::Seen;

class LocalJob : public ::testing::Test {
 protected:
  std::unique_ptr<JobHandle> start(GraphBuilder& builder) {
    auto job = LocalJobRunner(*world_).start(std::move(builder.graph), config_);
    EXPECT_TRUE(job.ok()) << job.status().to_string();
    return std::move(job).value();
  }
  Status run(GraphBuilder& builder) { return start(builder)->result(); }
  void small_batches(int64_t rows, int64_t credits) {
    config_.set(options::kBatchRows, rows);
    config_.set(options::kCredits, credits);
  }
  int64_t soon() { return world_->clock().now_ns() + 20'000'000'000; }

  std::unique_ptr<World> world_ = make_real_world({LogLevel::kError, 1, 4, true});
  Config config_;
  std::shared_ptr<Seen> seen_ = std::make_shared<Seen>();
};

void plus_one(int64_t row, MapOperator::Emit& emit) { emit(row + 1); }

TEST_F(LocalJob, a_chain_brings_every_row_in_order) {
  GraphBuilder b;
  b.sink(b.map(b.numbers(10'000), plus_one), seen_);
  auto job = start(b);
  ASSERT_TRUE(job->result().ok());
  EXPECT_EQ(job->state(), JobState::kFinished);
  ASSERT_EQ(seen_->rows.size(), 10'000U);
  for (int64_t i = 0; i < 10'000; ++i) { ASSERT_EQ(seen_->rows[static_cast<size_t>(i)], i + 1); }
  EXPECT_EQ(seen_->ends, 1);
  EXPECT_EQ(seen_->finished_closes, 1);
  ASSERT_EQ(job->tasks().size(), 1U);
  EXPECT_EQ(job->tasks()[0].vertex, "numbers -> map -> sink");
  EXPECT_EQ(job->tasks()[0].state, TaskState::kFinished);
  EXPECT_EQ(seen_->watermarks[0].back(), kMaxWatermark);
}

TEST_F(LocalJob, a_hash_edge_brings_every_row_to_the_owner_of_its_key) {
  GraphBuilder b;
  b.sink(b.map(b.numbers(10'000, 2), plus_one, 2), seen_, 2, EdgeKind::kHash);
  ASSERT_TRUE(run(b).ok());
  std::vector<int64_t> expected = numbers_below(10'001);
  expected.erase(expected.begin());
  EXPECT_EQ(seen_->sorted_rows(), expected);
  for (size_t i = 0; i < seen_->rows.size(); ++i) {
    const int32_t group = key_group_of(static_cast<uint32_t>(seen_->rows[i]), 128);
    ASSERT_EQ(seen_->subtasks[i], subtask_of(group, 2, 128));
  }
}

}  // namespace
}  // namespace tidewheel
