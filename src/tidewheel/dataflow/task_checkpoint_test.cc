#include "tidewheel/dataflow/task_checkpoint.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tidewheel/dataflow/test_checkpoints.h"
#include "tidewheel/dataflow/test_ledger.h"
#include "tidewheel/dataflow/test_operators.h"

namespace tidewheel {
namespace {

using dataflow_test::GraphBuilder;
using dataflow_test::Ledger;
using dataflow_test::LedgerSink;
using dataflow_test::LedgerSource;
using dataflow_test::ManualJob;
using dataflow_test::ManualWorld;
using dataflow_test::MapOperator;
using dataflow_test::MemoryStorage;
using dataflow_test::numbers_below;
using dataflow_test::RefusingPlan;
using dataflow_test::Valve;

class TaskCheckpoints : public ::testing::Test {
 protected:
  TaskCheckpoints() {
    config_.set(options::kBatchRows, int64_t{4});
    config_.set(options::kCredits, int64_t{2});
  }
  // source -(edge)-> pass -(edge)-> sink, each with its parallelism.
  LogicalGraph graph(int64_t end, std::vector<int32_t> parallelism, EdgeKind first,
                     EdgeKind second) {
    GraphBuilder b;
    const int32_t source = b.add<LedgerSource>("source", parallelism[0], end, valve_);
    b.node(source).is_source = true;
    const int32_t pass = b.map(
        source, [](int64_t row, MapOperator::Emit& emit) { emit(row); }, parallelism[1], first);
    const int32_t sink = b.add<LedgerSink>("sink", parallelism[2], ledger_);
    b.node(sink).is_sink = true;
    b.edge(pass, sink, second);
    for (GraphNode& node : b.graph.nodes) {
      node.uid = node.name;
      node.max_parallelism = 16;
      if (own_slots_) { node.slot_sharing_group = node.name; }
      node.chaining = chained_ ? ChainingStrategy::kAlways : ChainingStrategy::kNever;
    }
    for (GraphEdge& edge : b.graph.edges) {
      edge.row_codec = std::make_shared<dataflow_test::NumberCodec>();
      if (edge.kind == EdgeKind::kHash) {
        edge.make_partitioner = [] {
          return std::make_unique<HashPartitioner<int64_t, dataflow_test::FewKeys>>();
        };
      }
    }
    return std::move(b.graph);
  }
  ManualJob& start(int64_t end, std::vector<int32_t> parallelism = {1, 1, 1},
                   EdgeKind first = EdgeKind::kHash, EdgeKind second = EdgeKind::kRebalance) {
    job_.reset();
    valve_->sources.clear();
    ledger_->rows.clear();
    job_.emplace(world_, storage_, graph(end, parallelism, first, second), config_, setup_);
    setup_ = {};
    return *job_;
  }
  void restore(int64_t checkpoint) { setup_.restore = storage_.snapshot(checkpoint); }

  ManualWorld world_;
  MemoryStorage storage_;
  Config config_;
  std::shared_ptr<Valve> valve_ = std::make_shared<Valve>();
  std::shared_ptr<Ledger> ledger_ = std::make_shared<Ledger>();
  dataflow_test::ManualSetup setup_;
  bool chained_ = false;
  bool own_slots_ = false;
  std::optional<ManualJob> job_;
};

TEST_F(TaskCheckpoints, all_tasks_take_part_and_hand_over_their_segments) {
  ManualJob& job = start(1000, {2, 3, 2});
  valve_->open_until = 500;
  job.run();
  EXPECT_TRUE(job.checkpoint(1));
  ASSERT_EQ(job.taken(1), 7U);
  EXPECT_EQ(job.checkpoints[1].taken_barriers, 7);
  uint64_t rows = 0;
  for (const TaskSnapshot& snapshot : job.checkpoints[1].snapshots) {
    EXPECT_FALSE(snapshot.end_of_data);
    ASSERT_EQ(snapshot.operators.size(), 1U);
    if (snapshot.operators[0].uid == "sink") {
      ASSERT_EQ(snapshot.operators[0].segments.size(), 1U);
      EXPECT_EQ(snapshot.operators[0].parallelism, 2);
      EXPECT_EQ(snapshot.operators[0].max_parallelism, 16);
      rows += snapshot.operators[0].segments[0].entries;
      EXPECT_GT(snapshot.figures.bytes_written, 0U);
    }
  }
  EXPECT_EQ(rows, 500U);
  EXPECT_EQ(ledger_->completed, (std::vector<int64_t>{1, 1}));
}

TEST_F(TaskCheckpoints, a_restored_job_goes_on_where_the_barrier_was) {
  for (const std::vector<int32_t>& parallelism :
       {std::vector<int32_t>{2, 3, 2}, {1, 1, 1}, {3, 2, 4}}) {
    storage_.clear();
    ManualJob& job = start(300, {2, 3, 2});
    job.run(3);
    job.trigger(1);
    job.run();  // also takes rows behind the barrier
    ASSERT_EQ(job.taken(1), 7U);
    restore(1);
    start(300, parallelism).run();
    EXPECT_EQ(ledger_->sorted_rows(), numbers_below(300));
  }
}

TEST_F(TaskCheckpoints, accumulators_are_part_of_the_snapshot_and_come_back) {
  ManualJob& job = start(100);
  valve_->open_until = 50;
  ASSERT_TRUE(job.checkpoint(1));
  ASSERT_TRUE(job.checkpoint(2));
  for (const TaskSnapshot& snapshot : job.checkpoints[2].snapshots) {
    if (snapshot.operators[0].uid == "source") {
      const std::map<std::string, int64_t> expected = {{"source snapshots", 1}};
      EXPECT_EQ(snapshot.operators[0].accumulators, expected);
    }
  }
}

TEST_F(TaskCheckpoints, rows_go_on_while_state_is_written_in_the_background) {
  ledger_->background = true;
  storage_.closed_for = "sink";
  storage_.grant_max = 2;
  ManualJob& job = start(1000);
  valve_->open_until = 100;
  job.run();
  job.trigger(1);
  job.run();
  valve_->open(400);
  job.run();
  EXPECT_EQ(ledger_->sorted_rows(), numbers_below(400));
  EXPECT_EQ(job.taken(1), 2U);
  storage_.open();
  job.run();
  ASSERT_EQ(job.taken(1), 3U);
  EXPECT_GT(ledger_->snapshot_calls.size(), 20U);
  restore(1);
  valve_->open_until = 1000;
  start(1000).run();
  EXPECT_EQ(ledger_->sorted_rows(), numbers_below(1000));
}

TEST_F(TaskCheckpoints, a_snapshot_is_written_to_its_end_before_the_next_barrier_is_taken) {
  ledger_->background = true;
  ManualJob& job = start(1000);
  valve_->open_until = 100;
  job.run();
  storage_.closed_for = "sink";
  job.trigger(1);
  job.run();
  ASSERT_EQ(job.taken(1), 2U);
  job.trigger(2);
  job.run();
  EXPECT_EQ(ledger_->begun, 1);
  storage_.open();
  job.run();
  EXPECT_EQ(ledger_->begun, 2);
  EXPECT_EQ(job.taken(1), 3U);
  EXPECT_EQ(job.taken(2), 3U);
}

TEST_F(TaskCheckpoints, an_abort_drops_what_is_being_written) {
  ledger_->background = true;
  ManualJob& job = start(1000);
  valve_->open_until = 100;
  job.run();
  storage_.closed_for = "sink";
  job.trigger(1);
  job.run();
  job.abort(1);
  job.run();
  EXPECT_EQ(ledger_->aborted, 1);
  EXPECT_EQ(storage_.abandoned, 1);
  EXPECT_EQ(ledger_->aborted_checkpoints, std::vector<int64_t>{1});
  storage_.open();
  ASSERT_TRUE(job.checkpoint(2));
  restore(2);
  start(1000).run();
  valve_->open(1000);
  job_->run();
  EXPECT_EQ(ledger_->sorted_rows(), numbers_below(1000));
}

TEST_F(TaskCheckpoints, what_cannot_be_written_is_declined_and_the_task_goes_on) {
  ManualJob& job = start(1000);
  valve_->open_until = 100;
  storage_.failure = unavailable(ErrorId::kCheckpointDeclined, "the disk is full");
  job.trigger(1);
  job.run();
  EXPECT_EQ(job.checkpoints[1].declined.size(), 3U);
  EXPECT_EQ(job.taken(1), 0U);
  job.abort(1);
  storage_.failure = {};
  EXPECT_TRUE(job.checkpoint(2));
  EXPECT_TRUE(job.failures.empty());
}

TEST_F(TaskCheckpoints, a_barrier_whose_plan_is_gone_is_passed_on_without_a_snapshot) {
  ManualJob& job = start(1000, {1, 2, 2});
  valve_->open_until = 100;
  job.run();
  job.gone_after_barriers = 1;
  job.trigger(1);
  job.run();
  EXPECT_EQ(job.checkpoints[1].taken_barriers, 5);
  EXPECT_EQ(job.taken(1), 1U);
  job.gone_after_barriers = -1;
  EXPECT_TRUE(job.checkpoint(2));
}

TEST_F(TaskCheckpoints, figures_tell_how_long_the_barriers_took) {
  ManualJob& job = start(1000, {2, 1, 1}, EdgeKind::kRebalance);
  valve_->open_until = 100;
  job.run();
  const CheckpointPlanRef plan = job.announce(1);
  world_.manual_clock.advance_ns(1000);
  job.deployment().task_of(0, 0).trigger_checkpoint(plan);
  job.run();
  world_.manual_clock.advance_ns(500);
  job.deployment().task_of(0, 1).trigger_checkpoint(plan);
  job.run();
  ASSERT_EQ(job.taken(1), 4U);
  for (const TaskSnapshot& snapshot : job.checkpoints[1].snapshots) {
    if (snapshot.operators[0].uid != "map") { continue; }
    EXPECT_EQ(snapshot.figures.start_delay_ns, 1000);
    EXPECT_EQ(snapshot.figures.alignment_ns, 500);
    EXPECT_FALSE(snapshot.figures.unaligned);
  }
}

// ---- Barriers that overtake

class Overtaking : public TaskCheckpoints {
 protected:
  // A job whose sink stands still with full rings before it.
  ManualJob& start_and_fill(int64_t rows) {
    own_slots_ = true;
    ManualJob& job = start(rows, {1, 1, 1}, EdgeKind::kHash, EdgeKind::kHash);
    fill();
    return job;
  }
  void fill() {
    for (int i = 0; i < 200; ++i) {
      job_->turn(0);
      job_->turn(1);
    }
  }
  static void unaligned(CheckpointPlan& plan) { plan.unaligned_after_ns = 0; }
  static void late(CheckpointPlan& plan) { plan.unaligned_after_ns = 5'000'000; }
  const TaskSnapshot& snapshot_of(int64_t id, const std::string& uid) {
    for (const TaskSnapshot& snapshot : job_->checkpoints[id].snapshots) {
      if (snapshot.operators[0].uid == uid) { return snapshot; }
    }
    TIDEWHEEL_CHECK(false, "no snapshot of {}", uid);
  }
};

TEST_F(Overtaking, full_rings_do_not_hold_up_a_barrier) {
  ManualJob& job = start_and_fill(1000);
  job.trigger(1, unaligned);
  fill();
  EXPECT_EQ(job.taken(1), 2U);
  EXPECT_TRUE(ledger_->sorted_rows().empty());
  job.turn(2);
  job.run(1);
  ASSERT_EQ(job.taken(1), 3U);
  const TaskSnapshot& sink = snapshot_of(1, "sink");
  EXPECT_TRUE(sink.figures.unaligned);
  EXPECT_GT(sink.figures.bytes_in_flight, 0U);
  ASSERT_EQ(sink.operators[0].segments.size(), 1U);  // it had no rows yet
  EXPECT_EQ(sink.operators[0].segments[0].meta.kind, StateKind::kInFlight);
  job.run();
  EXPECT_EQ(ledger_->sorted_rows(), numbers_below(1000));
  restore(1);
  start(1000, {1, 1, 1}, EdgeKind::kHash, EdgeKind::kHash).run();
  EXPECT_EQ(ledger_->sorted_rows(), numbers_below(1000));
}

TEST_F(Overtaking, an_aligned_barrier_overtakes_when_its_time_is_over) {
  ManualJob& job = start_and_fill(1000);
  job.trigger(1, late);
  fill();
  EXPECT_EQ(job.taken(1), 0U);
  world_.manual_clock.advance_ns(5'000'000);
  fill();
  EXPECT_EQ(job.taken(1), 2U);
  EXPECT_TRUE(ledger_->sorted_rows().empty());
  job.turn(2);
  ASSERT_EQ(job.taken(1), 3U);
  EXPECT_TRUE(snapshot_of(1, "sink").figures.unaligned);
  restore(1);
  start(1000, {1, 1, 1}, EdgeKind::kHash, EdgeKind::kHash).run();
  EXPECT_EQ(ledger_->sorted_rows(), numbers_below(1000));
}

TEST_F(Overtaking, a_barrier_in_time_stays_aligned) {
  ManualJob& job = start(1000, {2, 2, 2});
  valve_->open_until = 100;
  job.run();
  ASSERT_TRUE(job.checkpoint(1, late));
  for (const TaskSnapshot& snapshot : job.checkpoints[1].snapshots) {
    EXPECT_FALSE(snapshot.figures.unaligned);
    EXPECT_EQ(snapshot.figures.bytes_in_flight, 0U);
  }
}

TEST_F(Overtaking, savepoints_and_pointwise_edges_stay_aligned) {
  for (const bool savepoint : {true, false}) {
    own_slots_ = true;
    storage_.clear();
    const EdgeKind kind = savepoint ? EdgeKind::kHash : EdgeKind::kForward;
    ManualJob& job = start(1000, {1, 1, 1}, kind, kind);
    fill();
    job.trigger(1, [&](CheckpointPlan& plan) {
      plan.unaligned_after_ns = 0;
      if (savepoint) { plan.kind = SnapshotKind::kSavepoint; }
    });
    job.run();
    ASSERT_EQ(job.taken(1), 3U);
    for (const TaskSnapshot& snapshot : job.checkpoints[1].snapshots) {
      EXPECT_EQ(snapshot.figures.bytes_in_flight, 0U);
    }
  }
}

TEST_F(Overtaking, an_abort_ends_what_is_recorded) {
  ManualJob& job = start_and_fill(1000);
  job.trigger(1, unaligned);
  job.turn(0);
  job.turn(1);
  job.turn(2);
  job.abort(1);
  job.run();
  EXPECT_EQ(ledger_->sorted_rows(), numbers_below(1000));
}

// ---- The end

TEST_F(TaskCheckpoints, a_task_stays_until_a_checkpoint_holds_all_it_did) {
  setup_.waits_for_final_checkpoint = true;
  ManualJob& job = start(50, {2, 2, 2});
  job.run();
  EXPECT_EQ(job.at_end_of_data.size(), 6U);
  EXPECT_EQ(ledger_->ends, 2);
  EXPECT_EQ(job.ended, 0U);
  job.trigger(1);
  job.run();
  ASSERT_EQ(job.taken(1), 6U);
  for (const TaskSnapshot& snapshot : job.checkpoints[1].snapshots) {
    EXPECT_TRUE(snapshot.end_of_data);
  }
  EXPECT_EQ(job.ended, 0U);
  ledger_->may_end = false;
  job.complete(1);
  job.run();
  EXPECT_EQ(job.ended, 4U);
  ledger_->may_end = true;
  for (const auto& task : job.tasks()) { task->ask_for_attention(); }
  job.run();
  EXPECT_EQ(job.finished, 6U);
  EXPECT_EQ(ledger_->finished_closes, 2);
}

TEST_F(TaskCheckpoints, a_checkpoint_from_before_the_end_does_not_let_a_task_end) {
  setup_.waits_for_final_checkpoint = true;
  ManualJob& job = start(50);
  valve_->open_until = 20;
  job.run();
  job.trigger(1);
  job.run();
  ASSERT_EQ(job.taken(1), 3U);
  valve_->open(50);
  job.run();
  job.complete(1);
  job.run();
  EXPECT_EQ(job.ended, 0U);
  EXPECT_TRUE(job.checkpoint(2));
  EXPECT_EQ(job.finished, 3U);
}

TEST_F(TaskCheckpoints, what_was_at_its_end_in_the_snapshot_is_not_run_again) {
  setup_.waits_for_final_checkpoint = true;
  ManualJob& job = start(50, {2, 2, 2});
  job.run();
  job.trigger(1);
  job.run();
  ASSERT_EQ(job.taken(1), 6U);
  restore(1);
  setup_.waits_for_final_checkpoint = true;
  setup_.finished_vertices = {true, true, true};
  ledger_->ends = 0;
  ManualJob& again = start(50, {2, 2, 2});
  again.run();
  EXPECT_EQ(again.at_end_of_data.size(), 6U);
  EXPECT_TRUE(again.checkpoint(2));
  EXPECT_EQ(again.finished, 6U);
  EXPECT_EQ(ledger_->ends, 0);
  EXPECT_EQ(ledger_->sorted_rows(), numbers_below(50));
}

TEST_F(TaskCheckpoints, a_finished_source_lets_the_others_go_on) {
  setup_.waits_for_final_checkpoint = true;
  ManualJob& job = start(50);
  job.run();
  restore(0);
  EXPECT_TRUE(job.checkpoint(1));
  storage_.clear();
  setup_.waits_for_final_checkpoint = true;
  setup_.finished_vertices = {true, false, false};
  ManualJob& again = start(50);
  again.run();
  EXPECT_EQ(ledger_->ends, 2);
  EXPECT_TRUE(again.checkpoint(2));
  EXPECT_EQ(again.finished, 3U);
  EXPECT_TRUE(ledger_->sorted_rows().empty());
}

TEST_F(TaskCheckpoints, suspending_ends_the_job_at_the_barrier) {
  for (const bool chained : {false, true}) {
    chained_ = chained;
    *ledger_ = {};
    storage_.clear();
    ManualJob& job = start(1000, {2, 2, 2}, EdgeKind::kForward, EdgeKind::kRebalance);
    valve_->open_until = 200;
    job.run();
    job.trigger(1, [](CheckpointPlan& plan) {
      plan.kind = SnapshotKind::kSavepoint;
      plan.after = AfterSavepoint::kSuspend;
    });
    valve_->open(1000);
    job.run();
    ASSERT_EQ(job.taken(1), job.tasks().size());
    EXPECT_LE(ledger_->sorted_rows().size(), 1000U);
    const std::vector<int64_t> rows = ledger_->sorted_rows();
    EXPECT_EQ(job.ended, 0U);
    job.complete(1);
    job.run();
    EXPECT_EQ(job.finished, job.tasks().size());
    EXPECT_EQ(ledger_->ends, 0);
    EXPECT_EQ(ledger_->suspended_closes, 2);
    EXPECT_EQ(ledger_->sorted_rows(), rows);
    EXPECT_EQ(ledger_->completed.size(), 2U);
    restore(1);
    start(1000, {2, 2, 2}, EdgeKind::kForward, EdgeKind::kRebalance).run();
    EXPECT_EQ(ledger_->sorted_rows(), numbers_below(1000));
  }
}

// The last rows fill the ring, so that the barrier waits behind them.
TEST_F(TaskCheckpoints, suspending_does_not_wait_for_a_barrier_that_had_no_room) {
  config_.set(options::kCredits, int64_t{1});
  own_slots_ = true;
  ManualJob& job = start(1000, {1, 1, 1}, EdgeKind::kHash, EdgeKind::kHash);
  for (int i = 0; i < 50; ++i) {
    job.turn(0);
    job.turn(1);
  }
  job.trigger(1, [](CheckpointPlan& plan) {
    plan.kind = SnapshotKind::kSavepoint;
    plan.after = AfterSavepoint::kSuspend;
  });
  job.run();
  ASSERT_EQ(job.taken(1), 3U);
  job.complete(1);
  job.run();
  EXPECT_EQ(job.finished, 3U);
}

TEST_F(TaskCheckpoints, a_job_whose_suspension_failed_goes_on) {
  ManualJob& job = start(1000, {2, 2, 2});
  valve_->open_until = 200;
  job.run();
  job.trigger(1, [](CheckpointPlan& plan) { plan.after = AfterSavepoint::kSuspend; });
  job.run();
  valve_->open(1000);
  job.run();
  EXPECT_EQ(ledger_->sorted_rows(), numbers_below(200));
  job.abort(1);
  job.run();
  EXPECT_EQ(ledger_->sorted_rows(), numbers_below(1000));
  EXPECT_EQ(ledger_->ends, 2);
  EXPECT_EQ(job.finished, 6U);
}

TEST_F(TaskCheckpoints, draining_sends_the_end_of_data_before_the_barrier) {
  for (const bool waits : {false, true}) {
    *ledger_ = {};
    setup_.waits_for_final_checkpoint = waits;
    ManualJob& job = start(1000, {2, 2, 2});
    valve_->open_until = 200;
    job.run();
    job.trigger(1, [](CheckpointPlan& plan) {
      plan.kind = SnapshotKind::kSavepoint;
      plan.after = AfterSavepoint::kDrain;
    });
    job.run();
    ASSERT_EQ(job.taken(1), 6U);
    EXPECT_TRUE(job.checkpoints[1].snapshots[5].end_of_data);
    EXPECT_EQ(ledger_->ends, 2);
    EXPECT_EQ(job.ended, 0U);
    job.complete(1);
    job.run();
    EXPECT_EQ(job.finished, 6U);
    EXPECT_EQ(ledger_->finished_closes, 2);
    EXPECT_EQ(ledger_->sorted_rows(), numbers_below(200));
  }
}

TEST_F(TaskCheckpoints, without_checkpoints_both_ends_go_out_at_once) {
  ManualJob& job = start(50, {2, 2, 2});
  job.run();
  EXPECT_EQ(job.finished, 6U);
  EXPECT_TRUE(job.at_end_of_data.empty());
  EXPECT_EQ(ledger_->ends, 2);
}

// ---- Crashes at random moments

struct Way {
  std::string name;
  std::function<void(CheckpointPlan&)> change;
  std::vector<std::string> marks = {};  // what has to happen
};
void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

constexpr uint64_t kSeeds = 100;

class Crashes : public TaskCheckpoints, public ::testing::WithParamInterface<Way> {
 protected:
  std::map<std::string, int> marks_;
  static int32_t some(Random& random) { return 1 + static_cast<int32_t>(random.below(4)); }
  // One life of the job: some checkpoints, some of them aborted, until a crash or the end. Returns
  // whether it has ended.
  bool live(Random& random, int64_t& next_id, int64_t& newest) {
    std::vector<int64_t> pending;
    for (int i = 0; i < 1000; ++i) {
      job_->run(1 + static_cast<int>(random.below(3)));
      world_.manual_clock.advance_ns(static_cast<int64_t>(random.below(3'000'000)));
      if (job_->ended == job_->tasks().size()) { return true; }
      if (pending.empty() && random.below(2) == 0 && job_->ended == 0) {
        pending.push_back(next_id);
        job_->trigger(next_id++, GetParam().change);
      }
      if (!pending.empty() && job_->taken(pending[0]) == job_->tasks().size()) {
        newest = pending[0];
        job_->complete(pending[0]);
        pending.clear();
      } else if (!pending.empty() && random.below(8) == 0) {
        job_->abort(pending[0]);
        pending.clear();
      }
      if (random.below(40) == 0) { return false; }
    }
    return false;
  }
};

TEST_P(Crashes, lose_and_double_nothing) {
  int restores = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    RefusingPlan refusals(seed, 6);
    FaultPlan::Scope scope(&refusals);
    storage_.clear();
    storage_.grant_max = random.below(2) == 0 ? 8 : UINT64_MAX;
    *ledger_ = {};
    ledger_->background = random.below(2) == 0;
    chained_ = random.below(2) == 0;
    config_.set(options::kBatchRows, 1 + static_cast<int64_t>(random.below(5)));
    config_.set(options::kCredits, 1 + static_cast<int64_t>(random.below(3)));
    config_.set(options::kTaskSlots, static_cast<int64_t>(random.below(3)));
    const EdgeKind kinds[] = {EdgeKind::kHash,    EdgeKind::kHash,    EdgeKind::kRebalance,
                              EdgeKind::kShuffle, EdgeKind::kRescale, EdgeKind::kGlobal,
                              EdgeKind::kCustom};
    const EdgeKind first = kinds[random.below(7)];
    const EdgeKind second = kinds[random.below(7)];
    int64_t next_id = 1;
    int64_t newest = 0;
    ledger_->split_count = 0;
    for (int life = 0;; ++life) {
      ASSERT_LT(life, 500);
      if (newest != 0) {
        ++restores;
        restore(newest);
      }
      setup_.waits_for_final_checkpoint = true;
      const int32_t sources = some(random);
      if (newest == 0) {
        const bool by_key = first == EdgeKind::kHash && second == EdgeKind::kHash;
        ledger_->split_count = by_key ? sources : 0;
      }
      start(400, {sources, some(random), some(random)}, first, second);
      const bool ended = live(random, next_id, newest);
      ASSERT_TRUE(job_->failures.empty()) << job_->failures[0].to_string();
      if (ended) { break; }
    }
    ASSERT_EQ(ledger_->sorted_rows(), numbers_below(400));
    ASSERT_EQ(ledger_->out_of_order, 0);
    for (const auto& [name, count] : refusals.marks) { marks_[name] += count; }
  }
  EXPECT_GT(restores, 60);
  for (const std::string& mark : GetParam().marks) { EXPECT_GT(marks_[mark], 0) << mark; }
}

INSTANTIATE_TEST_SUITE_P(
    Barriers, Crashes,
    ::testing::Values(Way{"aligned", [](CheckpointPlan&) {}},
                      Way{"unaligned",
                          [](CheckpointPlan& plan) { plan.unaligned_after_ns = 0; },
                          {"writer.barrier_overtakes", "gate.recording", "task.restored_in_flight",
                           "in_flight.dealt_out"}},
                      Way{"unaligned_late",
                          [](CheckpointPlan& plan) { plan.unaligned_after_ns = 2'000'000; },
                          {"writer.barrier_overtakes_late", "gate.barrier_overtakes_late",
                           "gate.recording", "task.restored_in_flight"}}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tidewheel
