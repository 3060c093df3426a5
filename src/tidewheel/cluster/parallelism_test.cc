#include "tidewheel/cluster/parallelism.h"

#include <gtest/gtest.h>

#include "tidewheel/base/config.h"
#include "tidewheel/dataflow/test_operators.h"

namespace tidewheel {
namespace {

using dataflow_test::GraphBuilder;

// A source of 2, a sink of 4 in a slot sharing group of its own.
LogicalGraph two_groups() {
  GraphBuilder b;
  b.sink(b.numbers(10, 2), std::make_shared<dataflow_test::Seen>(), 4, EdgeKind::kHash);
  b.node(1).slot_sharing_group = "sinks";
  return std::move(b.graph);
}

ChainedGraph chained(const LogicalGraph& graph, const ParallelismByVertex& parallelism = {}) {
  auto result = chain_graph_at(graph, Config(), parallelism);
  EXPECT_TRUE(result.ok()) << result.status().to_string();
  return std::move(result).value();
}

TEST(Parallelism, a_graph_is_chained_at_another_parallelism_with_the_same_ids) {
  const LogicalGraph graph = two_groups();
  const ChainedGraph as_is = chained(graph);
  const std::string source = vertex_id_of(as_is, 0);
  const ChainedGraph changed = chained(graph, {{source, 3}});
  EXPECT_EQ(changed.vertices[0].parallelism, 3);
  EXPECT_EQ(changed.vertices[1].parallelism, 4);
  EXPECT_EQ(changed.vertices[0].max_parallelism, as_is.vertices[0].max_parallelism);
  EXPECT_EQ(vertex_id_of(changed, 0), source);
  EXPECT_EQ(chain_graph_at(graph, Config(), {{"00", 3}}).status().id(), ErrorId::kRescale);
}

TEST(Parallelism, a_job_that_is_not_adaptive_has_what_it_asks_for_or_nothing) {
  const ParallelismRange range(chained(two_groups()), ParallelismRange::Kind::kFixed);
  EXPECT_EQ(range.slots_min(), 6);
  EXPECT_EQ(range.slots_max(), 6);
  EXPECT_TRUE(range.choose(5).empty());
  EXPECT_EQ(range.choose(9).size(), 2U);
}

TEST(Parallelism, an_adaptive_job_takes_what_there_is) {
  const ChainedGraph graph = chained(two_groups());
  const ParallelismRange range(graph, ParallelismRange::Kind::kAdaptive);
  EXPECT_EQ(range.slots_min(), 2);
  EXPECT_TRUE(range.choose(1).empty());
  const auto at = [&](int32_t slots) {
    const ParallelismByVertex chosen = range.choose(slots);
    return std::pair(chosen.at(vertex_id_of(graph, 0)), chosen.at(vertex_id_of(graph, 1)));
  };
  EXPECT_EQ(at(2), std::pair(1, 1));
  EXPECT_EQ(at(3), std::pair(1, 1));
  EXPECT_EQ(at(4), std::pair(2, 2));
  EXPECT_EQ(at(5), std::pair(2, 3));
  EXPECT_EQ(at(6), std::pair(2, 4));
  EXPECT_EQ(at(100), std::pair(2, 4));
}

TEST(Parallelism, a_reactive_job_takes_all_that_it_can) {
  const ChainedGraph graph = chained(two_groups());
  const ParallelismRange range(graph, ParallelismRange::Kind::kReactive);
  EXPECT_EQ(range.slots_max(), 256);
  EXPECT_EQ(range.choose(10).at(vertex_id_of(graph, 0)), 5);
}

TEST(Parallelism, bounds_are_checked) {
  const ChainedGraph graph = chained(two_groups());
  ParallelismRange range(graph, ParallelismRange::Kind::kFixed);
  const std::string source = vertex_id_of(graph, 0);
  const std::string sink = vertex_id_of(graph, 1);
  EXPECT_EQ(range.set_bounds({{source, 1, 4}}).id(), ErrorId::kRescale);
  EXPECT_EQ(range.set_bounds({{source, 1, 4}, {"00", 1, 1}}).id(), ErrorId::kRescale);
  EXPECT_EQ(range.set_bounds({{source, 0, 4}, {sink, 1, 1}}).id(), ErrorId::kRescale);
  EXPECT_EQ(range.set_bounds({{source, 3, 2}, {sink, 1, 1}}).id(), ErrorId::kRescale);
  EXPECT_EQ(range.set_bounds({{source, 1, 129}, {sink, 1, 1}}).id(), ErrorId::kRescale);
  EXPECT_EQ(range.slots_max(), 6);
  ASSERT_TRUE(range.set_bounds({{source, 1, 5}, {sink, 2, 2}}).ok());
  EXPECT_EQ(range.slots_max(), 7);
  EXPECT_EQ(range.slots_min(), 3);
}

}  // namespace
}  // namespace tidewheel
