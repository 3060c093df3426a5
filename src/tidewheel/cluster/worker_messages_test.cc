#include "tidewheel/cluster/worker_messages.h"

#include <gtest/gtest.h>

#include "tidewheel/base/config.h"
#include "tidewheel/checkpoint/manifest.h"
#include "tidewheel/cluster/worker.pb.h"
#include "tidewheel/cluster/worker_plans.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/dataflow/test_checkpoints.h"
#include "tidewheel/dataflow/test_operators.h"

namespace tidewheel {
namespace {

using dataflow_test::GraphBuilder;
using dataflow_test::ManualClock;

TEST(WorkerMessages, a_status_keeps_its_code_id_and_text) {
  pb::StatusMessage message;
  to_message(user_error(ErrorId::kUserCodeThrew, "row {}", 7), message);
  const Status status = from_message(message);
  EXPECT_EQ(status.code(), StatusCode::kUserError);
  EXPECT_EQ(status.id(), ErrorId::kUserCodeThrew);
  EXPECT_EQ(status.message(), "row 7");
  to_message(ok_status(), message);
  EXPECT_TRUE(from_message(message).ok());
}

TEST(WorkerMessages, an_error_that_is_not_known_is_one_of_the_engine) {
  pb::StatusMessage message;
  message.set_code(3);
  message.set_id(64'999);
  message.set_message("from the future");
  EXPECT_EQ(from_message(message).id(), ErrorId::kInternal);
  message.set_id(static_cast<uint32_t>(ErrorId::kFileIo));
  message.set_code(200);
  EXPECT_EQ(from_message(message).code(), StatusCode::kInternal);
}

TEST(WorkerMessages, the_age_of_a_plan_is_the_same_on_another_machines_clock) {
  ManualClock here;
  ManualClock there;
  there.advance_ns(5'000'000'000);
  CheckpointPlan plan;
  plan.id = 9;
  plan.kind = SnapshotKind::kSavepoint;
  plan.after = AfterSavepoint::kDrain;
  plan.form = SavepointForm::kNative;
  plan.exactly_once = false;
  plan.unaligned_after_ns = 123;
  plan.trigger_ns = here.now_ns() - 777;
  plan.trigger_wall_ms = 1'700'000'000'000;
  plan.base_checkpoint = 8;
  plan.directory = "/d/savepoint";
  plan.is_mark = true;
  pb::PlanMessage message;
  to_message(plan, here, message);
  const auto read = from_message(message, there);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ((*read)->trigger_ns, there.now_ns() - 777);
  EXPECT_EQ((*read)->id, 9);
  EXPECT_EQ((*read)->kind, plan.kind);
  EXPECT_EQ((*read)->after, plan.after);
  EXPECT_EQ((*read)->form, plan.form);
  EXPECT_EQ((*read)->exactly_once, false);
  EXPECT_EQ((*read)->unaligned_after_ns, 123);
  EXPECT_TRUE((*read)->is_mark);
  EXPECT_EQ((*read)->base_checkpoint, 8);
  EXPECT_EQ((*read)->directory, plan.directory);
  message.set_after(3);
  EXPECT_EQ(from_message(message, there).status().id(), ErrorId::kRpcMessage);
  message.set_after(0);
  message.set_id(0);
  EXPECT_EQ(from_message(message, there).status().id(), ErrorId::kRpcMessage);
}

TEST(WorkerMessages, a_tasks_snapshot_arrives_whole) {
  TaskSnapshot snapshot;
  snapshot.checkpoint = 4;
  snapshot.end_of_data = true;
  snapshot.figures.sync_ns = 11;
  snapshot.figures.bytes_in_flight = 12;
  snapshot.figures.unaligned = true;
  for (const char* const uid : {"source", "window"}) {
    OperatorSnapshot& op = snapshot.operators.emplace_back();
    op.uid = uid;
    op.name = std::string("the ") + uid;
    op.subtask = 2;
    op.parallelism = 3;
    op.max_parallelism = 128;
    op.accumulators["rows"] = -5;
    SegmentRef& segment = op.segments.emplace_back();
    segment.meta.name = "counts";
    segment.entries = 6;
    segment.place.inline_bytes = std::string("\0bytes", 6);
    segment.place.length = 6;
    segment.place.index_bytes = 6;
  }
  pb::SnapshotTaken message;
  to_message(snapshot, message);
  const auto read = from_message({1, 2}, message);
  ASSERT_TRUE(read.ok()) << read.status().to_string();
  EXPECT_EQ(read->checkpoint, 4);
  EXPECT_EQ(read->vertex, 1);
  EXPECT_EQ(read->subtask, 2);
  EXPECT_TRUE(read->end_of_data);
  EXPECT_EQ(read->figures.sync_ns, 11);
  EXPECT_EQ(read->figures.bytes_in_flight, 12U);
  EXPECT_TRUE(read->figures.unaligned);
  ASSERT_EQ(read->operators.size(), 2U);
  EXPECT_EQ(read->operators[1].uid, "window");
  EXPECT_EQ(read->operators[1].subtask, 2);
  EXPECT_EQ(read->operators[1].parallelism, 3);
  EXPECT_EQ(read->operators[1].accumulators.at("rows"), -5);
  ASSERT_EQ(read->operators[0].segments.size(), 1U);
  EXPECT_EQ(read->operators[0].segments[0].meta.name, "counts");
  EXPECT_EQ(read->operators[0].segments[0].place.inline_bytes, std::string("\0bytes", 6));
  message.set_operators("garbage");
  EXPECT_FALSE(from_message({1, 2}, message).ok());
}

ChainedGraph chained(const std::function<void(GraphBuilder&)>& build) {
  GraphBuilder builder;
  build(builder);
  auto graph = chain_graph(std::move(builder.graph), Config());
  EXPECT_TRUE(graph.ok()) << graph.status().to_string();
  return std::move(graph).value();
}

TEST(WorkerMessages, graphs_that_differ_have_other_fingerprints) {
  const auto seen = std::make_shared<dataflow_test::Seen>();
  const auto plain = [&](GraphBuilder& b) { b.sink(b.numbers(10, 2), seen, 2, EdgeKind::kHash); };
  const uint64_t fingerprint = graph_fingerprint(chained(plain));
  EXPECT_EQ(graph_fingerprint(chained(plain)), fingerprint);
  const std::vector<std::function<void(GraphBuilder&)>> others = {
      [&](GraphBuilder& b) { b.sink(b.numbers(10, 2), seen, 3, EdgeKind::kHash); },
      [&](GraphBuilder& b) { b.sink(b.numbers(10, 2), seen, 2, EdgeKind::kRebalance); },
      [&](GraphBuilder& b) { b.sink(b.numbers(10, 2), seen, 2, EdgeKind::kForward); },
      [&](GraphBuilder& b) {
        b.sink(b.numbers(10, 2), seen, 2, EdgeKind::kHash);
        b.node(0).uid = "numbers";
      },
      [&](GraphBuilder& b) {
        b.sink(b.numbers(10, 2), seen, 2, EdgeKind::kHash);
        b.node(1).slot_sharing_group = "sinks";
      },
  };
  for (const auto& other : others) { EXPECT_NE(graph_fingerprint(chained(other)), fingerprint); }
}

TEST(WorkerPlans, a_plan_that_comes_late_is_not_taken_up_again) {
  WorkerPlans plans;
  const auto plan = std::make_shared<CheckpointPlan>();
  plan->id = 3;
  plans.add(plan);
  EXPECT_EQ(plans.find(3), plan);
  plans.add(std::make_shared<CheckpointPlan>(*plan));
  EXPECT_EQ(plans.find(3), plan);
  plans.end(3);
  EXPECT_EQ(plans.find(3), nullptr);
  plans.add(plan);
  EXPECT_EQ(plans.find(3), nullptr);
}

}  // namespace
}  // namespace tidewheel
