#include "tidewheel/dataflow/chaining.h"

#include <gtest/gtest.h>

#include "tidewheel/base/config.h"
#include "tidewheel/dataflow/test_operators.h"

namespace tidewheel {
namespace {

using dataflow_test::GraphBuilder;
using dataflow_test::MapOperator;

class Chaining : public ::testing::Test {
 protected:
  int32_t source(int32_t parallelism = 0) { return b_.numbers(1, parallelism); }
  int32_t map(int32_t from, int32_t parallelism = 0, EdgeKind kind = EdgeKind::kForward) {
    return b_.map(
        from, [](int64_t, MapOperator::Emit&) {}, parallelism, kind);
  }
  int32_t sink(int32_t from, int32_t parallelism = 0, EdgeKind kind = EdgeKind::kForward) {
    return b_.sink(from, nullptr, parallelism, kind);
  }
  GraphNode& node(int32_t index) { return b_.node(index); }
  Result<ChainedGraph> chain() { return chain_graph(b_.graph, config_); }
  std::string names() {
    const Result<ChainedGraph> chained = chain();
    if (!chained.ok()) { return chained.status().to_string(); }
    std::string out;
    for (const ChainVertex& vertex : chained->vertices) {
      out += (out.empty() ? "" : " | ") + vertex.name;
    }
    return out;
  }
  ErrorId error() {
    const Result<ChainedGraph> chained = chain();
    EXPECT_FALSE(chained.ok());
    return chained.ok() ? ErrorId::kInternal : chained.status().id();
  }
  GraphBuilder b_;
  Config config_;
};

TEST_F(Chaining, forward_edges_are_fused) {
  sink(map(source()));
  EXPECT_EQ(names(), "numbers -> map -> sink");
}

TEST_F(Chaining, a_tree_is_one_chain) {
  const int32_t m = map(source());
  node(sink(m)).name = "a";
  node(sink(m)).name = "b";
  EXPECT_EQ(names(), "numbers -> map -> (a, b)");
}

TEST_F(Chaining, other_edges_are_not_fused) {
  for (const EdgeKind kind : {EdgeKind::kHash, EdgeKind::kRebalance, EdgeKind::kRescale,
                              EdgeKind::kShuffle, EdgeKind::kBroadcast, EdgeKind::kGlobal}) {
    b_ = {};
    sink(map(source(), 1, kind));
    EXPECT_EQ(names(), "numbers | map -> sink");
  }
}

TEST_F(Chaining, an_operator_of_two_edges_starts_a_chain) {
  const int32_t u = map(source());
  b_.edge(source(), u);
  sink(u);
  EXPECT_EQ(names(), "numbers | numbers | map -> sink");
}

TEST_F(Chaining, strategies_are_kept) {
  const int32_t m = map(source());
  sink(m);
  node(m).chaining = ChainingStrategy::kHead;
  EXPECT_EQ(names(), "numbers | map -> sink");
  node(m).chaining = ChainingStrategy::kNever;
  EXPECT_EQ(names(), "numbers | map | sink");
  node(m).chaining = ChainingStrategy::kAlways;
  config_.set(options::kOperatorChaining, false);
  EXPECT_EQ(names(), "numbers | map | sink");
}

TEST_F(Chaining, groups_and_max_parallelism_separate_chains) {
  const int32_t m = map(source());
  const int32_t s = sink(m);
  node(m).slot_sharing_group = "other";
  EXPECT_EQ(names(), "numbers | map -> sink");  // the sink is in the group of its input
  EXPECT_EQ(chain()->graph.nodes[static_cast<size_t>(s)].slot_sharing_group, "other");
  node(m).slot_sharing_group = "";
  node(m).max_parallelism = 64;
  EXPECT_EQ(names(), "numbers | map | sink");
}

TEST_F(Chaining, an_edge_between_parallelisms_is_rebalanced_unless_forward_was_asked_for) {
  sink(map(source(1), 2), 2);
  const Result<ChainedGraph> chained = chain();
  ASSERT_TRUE(chained.ok());
  EXPECT_EQ(chained->graph.edges[0].kind, EdgeKind::kRebalance);
  EXPECT_EQ(names(), "numbers | map -> sink");
  b_.graph.edges[0].kind_chosen = true;
  EXPECT_EQ(error(), ErrorId::kGraphParallelism);
}

TEST_F(Chaining, parallelism_comes_from_node_then_config) {
  config_.set(options::kParallelism, 3);
  sink(map(source(2)), 1);
  const Result<ChainedGraph> chained = chain();
  ASSERT_TRUE(chained.ok());
  EXPECT_EQ(chained->graph.nodes[0].parallelism, 2);
  EXPECT_EQ(chained->graph.nodes[1].parallelism, 3);
  EXPECT_EQ(chained->graph.nodes[2].parallelism, 1);
  EXPECT_EQ(chained->graph.nodes[1].max_parallelism, 128);
}

TEST_F(Chaining, a_cycle_is_an_error_that_names_it) {
  const int32_t a = map(source());
  const int32_t c = map(a);
  sink(c);
  node(a).name = "first";
  node(c).name = "second";
  b_.edge(c, a, EdgeKind::kRebalance);
  const Result<ChainedGraph> chained = chain();
  ASSERT_FALSE(chained.ok());
  EXPECT_EQ(chained.status().id(), ErrorId::kGraphCycle);
  EXPECT_NE(chained.status().message().find("first -> second -> first"), std::string::npos)
      << chained.status().message();
}

TEST_F(Chaining, graphs_without_ends_are_errors) {
  EXPECT_EQ(error(), ErrorId::kGraphEmpty);
  map(source());
  EXPECT_EQ(error(), ErrorId::kGraphEmpty);  // no sink
  b_ = {};
  b_.add<MapOperator>("map", 1, MapOperator::Map());
  EXPECT_EQ(error(), ErrorId::kGraphEmpty);  // no input
}

TEST_F(Chaining, an_operator_may_have_several_inputs_without_a_gap) {
  const int32_t end = sink(source());
  b_.edge(source(), end, EdgeKind::kForward, 1);
  b_.edge(source(), end, EdgeKind::kForward, 2);
  EXPECT_TRUE(chain().ok());
  b_.edge(source(), end, EdgeKind::kForward, 4);
  EXPECT_EQ(error(), ErrorId::kGraphEmpty);  // none at 3
  b_.edge(source(), end, EdgeKind::kForward, 1000);
  EXPECT_EQ(error(), ErrorId::kGraphEdge);
}

TEST_F(Chaining, parallelism_beyond_its_limits_is_an_error) {
  const int32_t s = sink(source());
  node(s).max_parallelism = 4;
  node(s).parallelism = 5;
  EXPECT_EQ(error(), ErrorId::kGraphParallelism);
  node(s).max_parallelism = 40'000;
  EXPECT_EQ(error(), ErrorId::kGraphParallelism);
  node(s).max_parallelism = 0;
  node(s).fixed_parallelism = 1;
  EXPECT_EQ(error(), ErrorId::kGraphParallelism);
}

TEST_F(Chaining, uids_are_unique_and_required_when_asked_for) {
  const int32_t m = map(source());
  const int32_t s = sink(m);
  node(m).uid = "same";
  node(s).uid = "same";
  EXPECT_EQ(error(), ErrorId::kGraphUid);
  node(s).uid = "other";
  config_.set(options::kAutoGenerateUids, false);
  EXPECT_EQ(error(), ErrorId::kGraphUid);
  node(0).uid = "source";
  EXPECT_TRUE(chain().ok());
  node(s).uid_hash = "not hex";
  EXPECT_EQ(error(), ErrorId::kGraphUid);
}

TEST_F(Chaining, stateful_operators_without_uid_give_one_warning) {
  const int32_t m = map(source());
  sink(m);
  node(m).stateful = true;
  EXPECT_EQ(chain()->warnings.size(), 1U);
  node(m).uid = "u";
  EXPECT_TRUE(chain()->warnings.empty());
}

TEST_F(Chaining, a_uid_gives_the_murmur_hash_of_its_bytes) {
  EXPECT_EQ(to_hex(operator_id_of_uid("")), "00000000000000000000000000000000");
  EXPECT_EQ(to_hex(operator_id_of_uid("hello")), "029bbd41b3a7d8cb191dae486a901e5b");
}

TEST_F(Chaining, derived_ids_are_stable_and_shift_with_the_topology) {
  const int32_t m = map(source());
  sink(m);
  const auto before = chain()->operator_ids;
  EXPECT_EQ(chain()->operator_ids, before);
  EXPECT_NE(before[0], before[1]);
  node(m).uid = "u";
  const auto with_uid = chain()->operator_ids;
  EXPECT_EQ(with_uid[0], before[0]);
  EXPECT_EQ(with_uid[1], operator_id_of_uid("u"));
  EXPECT_NE(with_uid[2], before[2]);
  node(m).uid_hash = "0123456789abcdef0123456789abcdef";
  EXPECT_EQ(to_hex(chain()->operator_ids[1]), "0123456789abcdef0123456789abcdef");
}

TEST_F(Chaining, a_chain_of_thousands_is_no_problem) {
  int32_t last = source();
  for (int i = 0; i < 5'000; ++i) { last = map(last); }
  sink(last);
  EXPECT_EQ(chain()->vertices.size(), 1U);
}

}  // namespace
}  // namespace tidewheel
