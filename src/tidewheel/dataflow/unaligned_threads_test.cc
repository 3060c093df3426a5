// Barriers that overtake between real slots, for the thread sanitizer: what a receiver looks at in
// its rings while the sender goes on.
#include <gtest/gtest.h>

#include "tidewheel/base/config.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/dataflow/test_ledger.h"
#include "tidewheel/dataflow/test_operators.h"

namespace tidewheel {
namespace {

using dataflow_test::GraphBuilder;
using dataflow_test::MapOperator;
using dataflow_test::numbers_below;
using dataflow_test::Seen;

class UnalignedThreads : public ::testing::TestWithParam<int64_t> {};

TEST_P(UnalignedThreads, rows_come_once_while_checkpoints_are_taken) {
  const std::unique_ptr<World> world = make_real_world({LogLevel::kError, 1, 4, true});
  auto seen = std::make_shared<Seen>();
  GraphBuilder b;
  const auto pass = [](int64_t row, MapOperator::Emit& emit) { emit(row); };
  const int32_t source = b.numbers(60'000, 2, 50);
  const int32_t map = b.map(source, pass, 3, EdgeKind::kHash);
  b.sink(map, seen, 2, EdgeKind::kRebalance);
  for (GraphEdge& edge : b.graph.edges) {
    edge.row_codec = std::make_shared<dataflow_test::NumberCodec>();
  }
  for (GraphNode& node : b.graph.nodes) {
    node.uid = node.name;
    node.slot_sharing_group = node.name;
  }
  Config config;
  config.set(options::kBatchRows, int64_t{3});
  config.set(options::kCredits, int64_t{4});
  config.set(options::kCheckpointInterval, int64_t{1});
  config.set(options::kUnalignedCheckpoints, true);
  config.set(options::kAlignedCheckpointTimeout, GetParam());
  const std::string directory =
      ::testing::TempDir() + fmt::format("tidewheel_unaligned_threads_{}", GetParam());
  ASSERT_TRUE(world->files().remove_all(directory).ok());
  config.set(options::kCheckpointDirectory, directory);
  auto job = LocalJobRunner(*world).start(std::move(b.graph), config);
  ASSERT_TRUE(job.ok()) << job.status().to_string();
  const Status result = (*job)->result();
  ASSERT_TRUE(result.ok()) << result.to_string();
  EXPECT_EQ(seen->sorted_rows(), numbers_below(60'000));
  EXPECT_GT((*job)->checkpoints().completed, 0);
}
INSTANTIATE_TEST_SUITE_P(AfterMs, UnalignedThreads, ::testing::Values(0, 1));

}  // namespace
}  // namespace tidewheel
