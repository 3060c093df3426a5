#include "tidewheel/checkpoint/coordinator.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tidewheel {
namespace {

constexpr int64_t kMs = 1'000'000;

class FakeClock final : public Clock {
 public:
  int64_t now_ns() const override { return now_ns_; }
  int64_t wall_ms() const override { return 1'000'000 + now_ns_ / kMs; }
  int64_t now_ns_ = 1000 * kMs;
};

class NoLog final : public LogSink {
 public:
  void write(LogLevel, int64_t, std::string_view, std::string_view) override {}
};

// Notes what is asked of it, and fails when told to.
class FakeStore final : public CheckpointStore {
 public:
  std::unique_ptr<TaskSnapshotWriter> write(const CheckpointPlan&, int32_t, int32_t) override {
    return nullptr;
  }
  std::string directory_of(int64_t checkpoint) const override {
    return fmt::format("chk-{}", checkpoint);
  }
  Result<std::string> prepare(int64_t checkpoint) override {
    if (!fail_prepare.ok()) { return fail_prepare; }
    return directory_of(checkpoint);
  }
  Result<std::string> prepare_savepoint(const std::string& target) override {
    return target + "/savepoint";
  }
  Result<CompletedSnapshot> complete(const CheckpointPlan& plan, Manifest manifest) override {
    if (!fail_complete.ok()) { return fail_complete; }
    if (plan.kind == SnapshotKind::kCheckpoint) { kept_.push_back(plan.id); }
    manifests.push_back(manifest);
    return CompletedSnapshot{plan.directory, std::move(manifest)};
  }
  Status withdraw(const CheckpointPlan& plan) override {
    if (!fail_withdraw.ok()) { return fail_withdraw; }
    withdrawn.push_back(plan.id);
    return ok_status();
  }
  void adopt(const CompletedSnapshot& snapshot) override {
    kept_.push_back(snapshot.manifest.checkpoint);
  }
  Status drop(int64_t checkpoint) override {
    EXPECT_EQ(std::erase(kept_, checkpoint), 1U);
    return ok_status();
  }
  void release(int64_t checkpoint) override {
    std::erase(kept_, checkpoint);
    released.push_back(checkpoint);
  }
  Status discard(const CheckpointPlan& plan) override {
    discarded.push_back(plan.id);
    return ok_status();
  }
  std::vector<int64_t> kept() const override { return kept_; }
  Result<int64_t> sweep(int64_t) override { return int64_t{0}; }
  Result<std::vector<std::string>> set_aside_newer(int64_t from) override {
    set_aside_from.push_back(from);
    return std::vector<std::string>();
  }
  Status note_stopping(const EndedJob&) override { return ok_status(); }
  Status note_end(const EndedJob& ended) override {
    ends.push_back(ended);
    return ok_status();
  }
  void close() override { EXPECT_FALSE(std::exchange(closed, true)); }

  Status fail_prepare;
  Status fail_complete;
  Status fail_withdraw;
  std::vector<int64_t> withdrawn;
  std::vector<int64_t> kept_;
  std::vector<int64_t> released;
  std::vector<int64_t> discarded;
  std::vector<int64_t> set_aside_from;
  std::vector<EndedJob> ends;
  bool closed = false;
  std::vector<Manifest> manifests;
};

// A job of one source with two subtasks (vertex 0) and a sink (vertex 1), whose calls that block
// wait until the test runs them.
class CheckpointCoordinatorTest : public ::testing::Test,
                                  public CheckpointGateway,
                                  public BlockingCalls {
 protected:
  CheckpointCoordinatorTest() {
    settings_.interval_ns = 100 * kMs;
    settings_.min_pause_ns = 100 * kMs;
    settings_.timeout_ns = 1000 * kMs;
    settings_.tolerable_failures = 2;
    who_.to_trigger = {{0, 0}, {0, 1}};
    who_.to_acknowledge = {{0, 0}, {0, 1}, {1, 0}};
  }

  // ---- CheckpointGateway
  CheckpointParticipants participants() override { return who_; }
  void snapshot_coordinators(int64_t checkpoint,
                             std::function<void(Result<CoordinatorStates>)> done) override {
    told_.push_back(fmt::format("coordinators {}", checkpoint));
    if (!fail_coordinators_.ok()) {
      done(fail_coordinators_);
    } else {
      done(CoordinatorStates{{"source", "splits"}});
    }
  }
  void trigger(const CheckpointPlanRef& plan, const std::vector<TaskId>& tasks) override {
    EXPECT_EQ(coordinator_->plans().find(plan->id), plan->is_mark ? nullptr : plan);
    told_.push_back(
        fmt::format("{} {} at {}", plan->is_mark ? "mark" : "trigger", plan->id, tasks.size()));
    plan_ = plan;
  }
  void completed(const CheckpointPlan& plan, bool notify) override {
    told_.push_back(fmt::format("{} {}", notify ? "complete" : "silently complete", plan.id));
  }
  void aborted(const CheckpointPlan& plan) override {
    EXPECT_EQ(coordinator_->plans().find(plan.id), nullptr);
    told_.push_back(fmt::format("aborted {}", plan.id));
  }
  void fail_job(Status why) override { job_failures_.push_back(std::move(why)); }

  // ---- BlockingCalls
  void run(std::function<void()> work, std::function<void()> then) override {
    ASSERT_FALSE(call_) << "the store takes one call at a time";
    call_ = [work = std::move(work), then = std::move(then)] {
      work();
      then();
    };
  }

  // ---- For tests
  void make() {
    CheckpointedJob job{"0123456789abcdef0123456789abcdef",
                        "job",
                        {{"source", "source", 0, 2, 128}, {"sink", "sink", 1, 1, 128}}};
    coordinator_ = std::make_unique<CheckpointCoordinator>(
        settings_, std::move(job),
        CheckpointCoordinator::Parts{clock_, Logger(log_, clock_, LogLevel::kOff), Random(1), *this,
                                     *this, store_});
  }
  void start() {
    make();
    coordinator_->on_all_running();
  }
  void run_calls() {
    while (call_) { std::exchange(call_, nullptr)(); }
  }
  void pass(int64_t ms) {
    clock_.now_ns_ += ms * kMs;
    coordinator_->on_timer();
  }
  // To the next periodic checkpoint's barriers.
  void pass_to_trigger() {
    pass(200);
    run_calls();
  }
  void acknowledge(int64_t checkpoint, TaskId task, bool end_of_data = false) {
    TaskSnapshot snapshot;
    snapshot.checkpoint = checkpoint;
    snapshot.vertex = task.vertex;
    snapshot.subtask = task.subtask;
    snapshot.end_of_data = end_of_data;
    OperatorSnapshot op;
    op.uid = task.vertex == 0 ? "source" : "sink";
    op.segments.resize(1);
    op.segments[0].place.length = 10;
    snapshot.operators.push_back(op);
    snapshot.figures.bytes_written = 10;
    coordinator_->on_acknowledged(std::move(snapshot));
  }
  void acknowledge_all(int64_t checkpoint, bool end_of_data = false) {
    for (const TaskId task : who_.to_acknowledge) { acknowledge(checkpoint, task, end_of_data); }
    run_calls();
  }
  std::vector<std::string> told() { return std::exchange(told_, {}); }
  const CheckpointStatistics& statistics() { return coordinator_->statistics(); }
  static CompletedSnapshot snapshot_of(int64_t checkpoint) {
    CompletedSnapshot snapshot;
    snapshot.path = fmt::format("old/chk-{}", checkpoint);
    snapshot.manifest.checkpoint = checkpoint;
    return snapshot;
  }
  using Told = std::vector<std::string>;
  using Ids = std::vector<int64_t>;

  FakeClock clock_;
  NoLog log_;
  FakeStore store_;
  CheckpointRules settings_;
  CheckpointParticipants who_;
  Status fail_coordinators_;
  CheckpointPlanRef plan_;
  Told told_;
  std::vector<Status> job_failures_;
  std::function<void()> call_;
  std::unique_ptr<CheckpointCoordinator> coordinator_;
};

TEST_F(CheckpointCoordinatorTest, a_checkpoint_goes_from_the_timer_to_the_commit) {
  start();
  EXPECT_GE(coordinator_->next_ns(), clock_.now_ns());
  EXPECT_LE(coordinator_->next_ns(), clock_.now_ns() + 100 * kMs);
  pass(100);
  EXPECT_TRUE(told().empty());  // first comes its folder
  run_calls();
  EXPECT_EQ(told(), (Told{"coordinators 1", "trigger 1 at 2"}));
  EXPECT_EQ(plan_->directory, "chk-1");
  acknowledge(1, {0, 0});
  acknowledge(1, {1, 0});
  EXPECT_TRUE(told().empty());
  acknowledge(1, {0, 1});
  EXPECT_TRUE(told().empty());  // until the manifest is durable
  EXPECT_FALSE(coordinator_->is_settled());
  run_calls();
  EXPECT_TRUE(coordinator_->is_settled());
  EXPECT_EQ(told(), (Told{"complete 1"}));
  EXPECT_EQ(coordinator_->plans().find(1), nullptr);
  ASSERT_TRUE(coordinator_->restore_point().has_value());
  EXPECT_EQ(coordinator_->restore_point()->path, "chk-1");
  const Manifest& manifest = store_.manifests[0];
  ASSERT_EQ(manifest.operators.size(), 2U);
  EXPECT_EQ(manifest.operators[0].coordinator_state, "splits");
  EXPECT_EQ(manifest.operators[0].subtasks.size(), 2U);
  EXPECT_EQ(manifest.operators[0].subtasks[1].subtask, 1);
  EXPECT_FALSE(manifest.operators[0].finished);
  const CheckpointFigures& figures = *statistics().latest_completed;
  EXPECT_EQ(figures.bytes_written, 30U);
  EXPECT_EQ(figures.acknowledged.size(), 3U);
  EXPECT_EQ(figures.status, CheckpointStatus::kCompleted);
}

TEST_F(CheckpointCoordinatorTest, the_first_delay_is_drawn_between_pause_and_interval) {
  settings_.min_pause_ns = 20 * kMs;
  start();
  const int64_t delay = coordinator_->next_ns() - clock_.now_ns();
  EXPECT_GE(delay, 20 * kMs);
  EXPECT_LE(delay, 100 * kMs);
}

// ---- Epochs

TEST_F(CheckpointCoordinatorTest, marks_and_barriers_are_sent_in_the_order_of_their_numbers) {
  settings_.epoch_interval_ns = 10 * kMs;
  settings_.concurrent_max = 2;
  start();
  pass(10);
  pass(10);
  EXPECT_EQ(told(), (Told{"mark 1 at 2", "mark 2 at 2"}));
  pass(80);
  pass(10);
  EXPECT_EQ(told(), Told{});  // the folder of checkpoint 3 is being made
  run_calls();
  EXPECT_EQ(told(), (Told{"coordinators 3", "trigger 3 at 2"}));
  pass(9);
  EXPECT_EQ(told(), Told{});  // its barrier has ended an epoch
  pass(1);
  acknowledge_all(3);
  pass(10);
  EXPECT_EQ(told(), (Told{"mark 4 at 2", "complete 3", "mark 5 at 2"}));
}

TEST_F(CheckpointCoordinatorTest, epochs_go_on_behind_the_numbers_of_a_restored_checkpoint) {
  settings_.interval_ns = 0;
  settings_.epoch_interval_ns = 10 * kMs;
  make();
  coordinator_->start_from(snapshot_of(7), true);
  run_calls();
  coordinator_->on_all_running();
  EXPECT_EQ(coordinator_->next_ns(), clock_.now_ns() + 10 * kMs);
  pass(10);
  EXPECT_EQ(told(), (Told{"mark 8 at 2"}));
  coordinator_->on_failover("a task has failed");
  pass(10);
  EXPECT_EQ(told(), Told{});
  coordinator_->on_all_running();
  pass(10);
  EXPECT_EQ(told(), (Told{"mark 9 at 2"}));
}

TEST_F(CheckpointCoordinatorTest, behind_a_savepoint_that_stops_the_job_comes_no_mark) {
  settings_.interval_ns = 0;
  settings_.epoch_interval_ns = 10 * kMs;
  start();
  coordinator_->savepoint("here", AfterSavepoint::kSuspend, [](Result<std::string>) {});
  run_calls();
  EXPECT_EQ(told(), (Told{"coordinators 1", "trigger 1 at 2"}));
  pass(20);
  acknowledge_all(1);
  pass(20);
  EXPECT_EQ(told(), (Told{"complete 1"}));
}

TEST_F(CheckpointCoordinatorTest, without_an_interval_only_the_user_asks) {
  settings_.interval_ns = 0;
  start();
  EXPECT_EQ(coordinator_->next_ns(), Clock::kNever);
  std::optional<Result<int64_t>> done;
  coordinator_->trigger([&](Result<int64_t> result) { done = std::move(result); });
  run_calls();
  acknowledge_all(1);
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->value(), 1);
}

TEST_F(CheckpointCoordinatorTest, the_next_one_waits_for_the_pause_and_for_the_one_before) {
  settings_.min_pause_ns = 250 * kMs;
  start();
  pass(100);
  run_calls();
  pass(500);  // two intervals later the first one is still under way
  EXPECT_EQ(statistics().triggered, 1);
  acknowledge_all(1);
  EXPECT_EQ(statistics().triggered, 1);
  EXPECT_EQ(coordinator_->next_ns(), clock_.now_ns() + 250 * kMs);
  pass(249);
  EXPECT_EQ(statistics().triggered, 1);
  pass(1);
  EXPECT_EQ(statistics().triggered, 2);
}

TEST_F(CheckpointCoordinatorTest, several_may_be_under_way_and_the_older_are_subsumed) {
  settings_.concurrent_max = 2;
  settings_.min_pause_ns = 0;
  start();
  pass_to_trigger();
  pass_to_trigger();
  EXPECT_EQ(told(), (Told{"coordinators 1", "trigger 1 at 2", "coordinators 2", "trigger 2 at 2"}));
  pass_to_trigger();
  EXPECT_EQ(statistics().triggered, 2);
  acknowledge_all(2);
  const Told events = told();
  ASSERT_GE(events.size(), 2U);
  EXPECT_EQ(events[0], "aborted 1");
  EXPECT_EQ(events[1], "complete 2");
  EXPECT_TRUE(job_failures_.empty());
  EXPECT_EQ(store_.discarded, (Ids{1}));
}

TEST_F(CheckpointCoordinatorTest, an_older_one_does_not_become_complete_after_a_newer_one) {
  settings_.concurrent_max = 2;
  settings_.min_pause_ns = 0;
  start();
  pass_to_trigger();
  pass_to_trigger();
  for (const TaskId task : who_.to_acknowledge) { acknowledge(2, task); }
  for (const TaskId task : who_.to_acknowledge) { acknowledge(1, task); }
  run_calls();
  EXPECT_EQ(coordinator_->restore_point()->manifest.checkpoint, 2);
  EXPECT_EQ(store_.kept_, (Ids{2}));
  EXPECT_EQ(statistics().completed, 1);
}

TEST_F(CheckpointCoordinatorTest, an_older_one_takes_the_place_of_a_newer_one_that_fails) {
  settings_.concurrent_max = 2;
  settings_.min_pause_ns = 0;
  start();
  pass_to_trigger();
  pass_to_trigger();
  store_.fail_complete = unavailable(ErrorId::kFileIo, "fsync failed");
  for (const TaskId task : who_.to_acknowledge) { acknowledge(2, task); }
  for (const TaskId task : who_.to_acknowledge) { acknowledge(1, task); }
  std::exchange(call_, nullptr)();
  store_.fail_complete = ok_status();
  run_calls();
  EXPECT_EQ(coordinator_->restore_point()->manifest.checkpoint, 1);
}

TEST_F(CheckpointCoordinatorTest, a_damaged_restore_point_gives_way_to_the_one_before) {
  settings_.retained = 2;
  start();
  for (int64_t id = 1; id <= 2; ++id) {
    pass_to_trigger();
    acknowledge_all(id);
  }
  const Status damage = data_loss(ErrorId::kSnapshotChecksum, "a byte is another");
  EXPECT_TRUE(coordinator_->fall_back(damage));
  EXPECT_EQ(coordinator_->restore_point()->manifest.checkpoint, 1);
  run_calls();
  EXPECT_EQ(store_.released, (Ids{2}));
  EXPECT_EQ(store_.set_aside_from, (Ids{1}));
  EXPECT_FALSE(coordinator_->fall_back(damage));
}

TEST_F(CheckpointCoordinatorTest, only_the_newest_are_kept) {
  settings_.retained = 2;
  start();
  for (int64_t id = 1; id <= 4; ++id) {
    pass_to_trigger();
    acknowledge_all(id);
  }
  EXPECT_EQ(store_.kept_, (Ids{3, 4}));
}

TEST_F(CheckpointCoordinatorTest, one_that_is_built_upon_stays_until_that_is_over) {
  settings_.incremental = true;
  settings_.concurrent_max = 2;
  settings_.min_pause_ns = 0;
  start();
  pass_to_trigger();
  EXPECT_EQ(plan_->base_checkpoint, 0);
  acknowledge_all(1);
  pass_to_trigger();
  EXPECT_EQ(plan_->base_checkpoint, 1);
  pass_to_trigger();
  EXPECT_EQ(plan_->id, 3);
  EXPECT_EQ(plan_->base_checkpoint, 1);
  acknowledge_all(2);
  EXPECT_EQ(store_.kept_, (Ids{1, 2}));  // 3 builds on 1
  acknowledge_all(3);
  EXPECT_EQ(store_.kept_, (Ids{3}));
}

TEST_F(CheckpointCoordinatorTest, one_that_takes_too_long_is_given_up) {
  start();
  pass_to_trigger();
  acknowledge(1, {0, 0});
  told();
  pass(1000);
  run_calls();
  EXPECT_EQ(told()[0], "aborted 1");
  EXPECT_EQ(store_.discarded, (Ids{1}));
  EXPECT_EQ(statistics().latest_failed->id, 1);
  EXPECT_NE(statistics().latest_failed->failure.find("2 of 3 subtasks"), std::string::npos);
  acknowledge(1, {0, 1});  // late: what it wrote goes too
  run_calls();
  EXPECT_EQ(store_.discarded, (Ids{1, 1}));
}

TEST_F(CheckpointCoordinatorTest, failures_in_a_row_are_tolerated_up_to_a_number) {
  start();
  const auto decline = [&](int64_t id) {
    pass_to_trigger();
    coordinator_->on_declined({1, 0}, id, unavailable(ErrorId::kFileNoSpace, "the disk is full"));
    run_calls();
  };
  decline(1);
  decline(2);
  pass_to_trigger();
  acknowledge_all(3);  // counting begins anew
  decline(4);
  decline(5);
  EXPECT_TRUE(job_failures_.empty());
  decline(6);
  ASSERT_EQ(job_failures_.size(), 1U);
  EXPECT_EQ(job_failures_[0].id(), ErrorId::kCheckpointFailures);
  EXPECT_NE(job_failures_[0].message().find("the disk is full"), std::string::npos);
}

TEST_F(CheckpointCoordinatorTest, every_way_to_fail_counts) {
  settings_.tolerable_failures = 3;
  start();
  store_.fail_prepare = unavailable(ErrorId::kFileIo, "no folder");
  pass_to_trigger();
  store_.fail_prepare = ok_status();
  EXPECT_EQ(statistics().failed, 1);
  fail_coordinators_ = user_error(ErrorId::kUserCodeThrew, "no");
  pass_to_trigger();
  fail_coordinators_ = ok_status();
  EXPECT_EQ(statistics().failed, 2);
  store_.fail_complete = unavailable(ErrorId::kFileIo, "fsync failed");
  pass_to_trigger();
  acknowledge_all(3);
  EXPECT_EQ(statistics().failed, 3);
  EXPECT_EQ(store_.discarded.back(), 3);
  store_.fail_complete = ok_status();
  EXPECT_TRUE(job_failures_.empty());
  pass_to_trigger();
  pass(1001);
  EXPECT_EQ(job_failures_.size(), 1U);
  EXPECT_FALSE(coordinator_->restore_point().has_value());
}

// Its _metadata may be there: who is told to take back what was prepared for it, while another
// process goes on from it, loses that.
TEST_F(CheckpointCoordinatorTest, a_completion_that_fails_is_told_when_it_is_withdrawn) {
  start();
  store_.fail_complete = store_.fail_withdraw = unavailable(ErrorId::kFileIo, "fsync failed");
  pass_to_trigger();
  told();
  acknowledge_all(1);
  EXPECT_EQ(told(), Told{});
  EXPECT_FALSE(coordinator_->is_settled());
  EXPECT_LE(coordinator_->next_ns(), clock_.now_ns_ + 10 * kMs);
  coordinator_->on_failover("task 'sink' failed");
  pass(10);
  run_calls();
  EXPECT_EQ(told(), Told{});
  store_.fail_withdraw = ok_status();
  pass(20);
  EXPECT_EQ(told(), Told{});
  run_calls();
  EXPECT_EQ(told(), Told{"aborted 1"});
  EXPECT_TRUE(coordinator_->is_settled());
  EXPECT_EQ(store_.withdrawn, Ids{1});
  EXPECT_EQ(store_.discarded, Ids{1});
}

TEST_F(CheckpointCoordinatorTest, what_is_nobodys_fault_does_not_count) {
  settings_.tolerable_failures = 0;
  start();
  who_.obstacle = "task 'sink' is not running";
  pass_to_trigger();
  EXPECT_EQ(statistics().triggered, 0);
  who_.obstacle.clear();
  pass_to_trigger();
  coordinator_->on_declined({1, 0}, 1, cancelled(ErrorId::kCheckpointDeclined, "subsumed"));
  pass_to_trigger();
  coordinator_->on_failover("task 'sink' failed");
  run_calls();
  EXPECT_EQ(statistics().failed, 2);
  EXPECT_TRUE(job_failures_.empty());
  EXPECT_EQ(coordinator_->next_ns(), Clock::kNever);
  coordinator_->on_all_running();
  pass_to_trigger();
  EXPECT_EQ(plan_->id, 3);  // ids go on
}

TEST_F(CheckpointCoordinatorTest, a_failure_while_the_manifest_is_written_waits_for_it) {
  start();
  pass_to_trigger();
  for (const TaskId task : who_.to_acknowledge) { acknowledge(1, task); }
  coordinator_->on_failover("task 'sink' failed");
  EXPECT_FALSE(coordinator_->is_settled());
  run_calls();
  EXPECT_TRUE(coordinator_->is_settled());
  ASSERT_TRUE(coordinator_->restore_point().has_value());
  EXPECT_EQ(coordinator_->restore_point()->manifest.checkpoint, 1);
  EXPECT_EQ(statistics().completed, 1);
}

TEST_F(CheckpointCoordinatorTest, one_that_is_given_up_before_it_has_a_folder_leaves_none) {
  start();
  pass(200);
  coordinator_->on_failover("task 'sink' failed");
  EXPECT_TRUE(store_.discarded.empty());
  run_calls();
  EXPECT_EQ(store_.discarded, (Ids{1}));
}

TEST_F(CheckpointCoordinatorTest, savepoints_come_first_and_subsume_nothing) {
  start();
  pass_to_trigger();
  std::vector<std::string> order;
  coordinator_->trigger([&](Result<int64_t> id) { order.push_back(fmt::format("{}", *id)); });
  coordinator_->savepoint("dir", AfterSavepoint::kGoOn,
                          [&](Result<std::string> path) { order.push_back(*path); });
  acknowledge_all(1);
  told();
  EXPECT_EQ(plan_->kind, SnapshotKind::kSavepoint);
  EXPECT_EQ(plan_->form, SavepointForm::kCanonical);
  EXPECT_EQ(plan_->unaligned_after_ns, Clock::kNever);
  acknowledge_all(2);
  EXPECT_EQ(told()[0], "silently complete 2");
  EXPECT_EQ(coordinator_->restore_point()->manifest.checkpoint, 1);
  EXPECT_EQ(store_.kept_, (Ids{1}));
  acknowledge_all(3);
  EXPECT_EQ(order, (std::vector<std::string>{"dir/savepoint", "3"}));
}

TEST_F(CheckpointCoordinatorTest, everybody_is_told_the_form_of_a_savepoint) {
  start();
  std::string path;
  coordinator_->savepoint(
      "dir", AfterSavepoint::kGoOn, [&](Result<std::string> made) { path = *made; },
      SavepointForm::kNative);
  run_calls();
  told();
  EXPECT_EQ(plan_->form, SavepointForm::kNative);
  EXPECT_EQ(plan_->base_checkpoint, 0);
  acknowledge_all(1);
  EXPECT_EQ(path, "dir/savepoint");
  EXPECT_EQ(statistics().latest_savepoint->form, SavepointForm::kNative);
}

TEST_F(CheckpointCoordinatorTest, a_savepoint_that_fails_is_the_users_concern) {
  settings_.tolerable_failures = 0;
  start();
  std::optional<Result<std::string>> done;
  coordinator_->savepoint("dir", AfterSavepoint::kGoOn,
                          [&](Result<std::string> path) { done = std::move(path); });
  run_calls();
  coordinator_->on_declined({1, 0}, 1, unavailable(ErrorId::kFileIo, "no"));
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->status().id(), ErrorId::kFileIo);
  EXPECT_TRUE(job_failures_.empty());
  done.reset();
  coordinator_->savepoint("", AfterSavepoint::kGoOn,
                          [&](Result<std::string> path) { done = std::move(path); });
  EXPECT_EQ(done->status().id(), ErrorId::kBadOptionValue);
}

TEST_F(CheckpointCoordinatorTest, a_job_that_stops_with_a_savepoint_takes_no_more_checkpoints) {
  start();
  std::optional<Result<std::string>> done;
  coordinator_->savepoint("dir", AfterSavepoint::kSuspend,
                          [&](Result<std::string> path) { done = std::move(path); });
  run_calls();
  acknowledge_all(1);
  EXPECT_EQ(done->value(), "dir/savepoint");
  EXPECT_EQ(told().back(), "complete 1");
  EXPECT_EQ(coordinator_->stopped_with(), "dir/savepoint");
  EXPECT_EQ(coordinator_->restore_point()->path, "dir/savepoint");
  pass_to_trigger();
  EXPECT_EQ(statistics().triggered, 1);
  std::optional<Result<int64_t>> late;
  coordinator_->trigger([&](Result<int64_t> result) { late = std::move(result); });
  EXPECT_EQ(late->status().id(), ErrorId::kCheckpointDeclined);
  // A task fails before it has ended: the job goes on, from the savepoint.
  coordinator_->on_failover("task 'sink' failed");
  coordinator_->on_all_running();
  pass_to_trigger();
  EXPECT_EQ(statistics().triggered, 2);
}

TEST_F(CheckpointCoordinatorTest, a_drain_that_fails_sends_the_job_back) {
  start();
  coordinator_->savepoint("dir", AfterSavepoint::kDrain, [](Result<std::string>) {});
  run_calls();
  pass(1001);
  ASSERT_EQ(job_failures_.size(), 1U);
  EXPECT_EQ(job_failures_[0].id(), ErrorId::kCheckpointExpired);
}

TEST_F(CheckpointCoordinatorTest, the_end_of_data_is_followed_by_a_checkpoint_at_once) {
  settings_.interval_ns = 1000'000 * kMs;
  start();
  coordinator_->on_end_of_data({0, 0});
  run_calls();
  EXPECT_EQ(statistics().triggered, 1);
  // The other one ends while it is under way, and is not in it.
  coordinator_->on_end_of_data({0, 1});
  acknowledge(1, {0, 0}, true);
  acknowledge(1, {0, 1});
  acknowledge(1, {1, 0});
  run_calls();
  EXPECT_EQ(statistics().triggered, 2);
  who_.to_acknowledge = {{0, 1}, {1, 0}};
  who_.finished = {{0, 0}};
  coordinator_->on_task_finished({0, 0});  // it was triggered for 2 already
  run_calls();
  EXPECT_EQ(statistics().failed, 1);
  EXPECT_EQ(statistics().triggered, 3);
  coordinator_->on_declined({1, 0}, 3, cancelled(ErrorId::kCheckpointDeclined, "x"));
  pass(100);
  run_calls();
  acknowledge_all(4, true);
  const Manifest& manifest = store_.manifests.back();
  EXPECT_TRUE(manifest.operators[0].finished);
  EXPECT_TRUE(manifest.operators[0].subtasks[0].end_of_data);
  EXPECT_TRUE(manifest.operators[0].subtasks[0].segments.empty());
  EXPECT_TRUE(manifest.operators[1].finished);
  EXPECT_TRUE(job_failures_.empty());
}

TEST_F(CheckpointCoordinatorTest, a_users_request_outlives_a_task_that_ends) {
  start();
  std::optional<Result<std::string>> done;
  coordinator_->savepoint("dir", AfterSavepoint::kGoOn,
                          [&](Result<std::string> path) { done = std::move(path); });
  run_calls();
  who_.to_acknowledge = {{0, 1}, {1, 0}};
  who_.finished = {{0, 0}};
  coordinator_->on_task_finished({0, 0});
  run_calls();
  EXPECT_FALSE(done.has_value());
  acknowledge_all(2);
  EXPECT_TRUE(done->ok());
}

TEST_F(CheckpointCoordinatorTest, a_task_that_ends_costs_no_interval) {
  settings_.interval_ns = 3'600'000 * kMs;
  start();
  pass(3'600'000);
  run_calls();
  EXPECT_EQ(statistics().triggered, 1);
  who_.to_acknowledge = {{0, 1}, {1, 0}};
  who_.finished = {{0, 0}};
  coordinator_->on_task_finished({0, 0});
  run_calls();
  EXPECT_EQ(statistics().triggered, 2);  // at once, without it
  acknowledge_all(2);
  EXPECT_EQ(statistics().completed, 1);
  EXPECT_TRUE(job_failures_.empty());
}

TEST_F(CheckpointCoordinatorTest, finished_tasks_may_forbid_checkpoints) {
  settings_.after_tasks_finish = false;
  who_.finished = {{0, 0}};
  start();
  pass_to_trigger();
  EXPECT_EQ(statistics().triggered, 0);
}

TEST_F(CheckpointCoordinatorTest, a_job_goes_on_behind_the_snapshot_it_started_from) {
  settings_.incremental = true;
  make();
  coordinator_->start_from(snapshot_of(7), /*owned=*/false);
  coordinator_->on_all_running();
  pass_to_trigger();
  EXPECT_EQ(plan_->id, 8);
  EXPECT_EQ(plan_->base_checkpoint, 0);  // the snapshot is not the job's
  acknowledge_all(8);
  EXPECT_EQ(store_.kept_, (Ids{8}));
}

TEST_F(CheckpointCoordinatorTest, a_snapshot_that_is_claimed_is_deleted_when_it_is_subsumed) {
  make();
  coordinator_->start_from(snapshot_of(7), /*owned=*/true);
  run_calls();
  EXPECT_EQ(store_.kept_, (Ids{7}));
  coordinator_->on_all_running();
  pass_to_trigger();
  acknowledge_all(8);
  EXPECT_EQ(store_.kept_, (Ids{8}));
}

TEST_F(CheckpointCoordinatorTest, what_stays_at_the_end_is_the_users_choice) {
  struct Case {
    CheckpointRetention retention;
    JobEnd end;
    bool stays;
  };
  for (const Case& c :
       {Case{CheckpointRetention::kNone, JobEnd::kFailed, false},
        Case{CheckpointRetention::kNone, JobEnd::kCancelled, false},
        Case{CheckpointRetention::kDeleteOnCancellation, JobEnd::kCancelled, false},
        Case{CheckpointRetention::kDeleteOnCancellation, JobEnd::kFailed, true},
        Case{CheckpointRetention::kRetainOnCancellation, JobEnd::kCancelled, true},
        Case{CheckpointRetention::kRetainOnCancellation, JobEnd::kFailed, true},
        Case{CheckpointRetention::kRetainOnCancellation, JobEnd::kFinished, false}}) {
    settings_.retention = c.retention;
    store_.kept_.clear();
    store_.released.clear();
    store_.closed = false;
    start();
    pass_to_trigger();
    acknowledge_all(1);
    pass_to_trigger();  // one is under way
    std::optional<Result<std::string>> savepoint;
    coordinator_->savepoint("dir", AfterSavepoint::kGoOn,
                            [&](Result<std::string> result) { savepoint = std::move(result); });
    bool ended = false;
    coordinator_->shut_down(c.end, [&] { ended = true; });
    EXPECT_FALSE(ended);
    run_calls();
    EXPECT_TRUE(ended);
    EXPECT_EQ(savepoint->status().id(), ErrorId::kCheckpointDeclined);
    EXPECT_TRUE(store_.kept_.empty());
    EXPECT_EQ(store_.released, c.stays ? (Ids{1}) : Ids{});
    coordinator_->on_timer();
    EXPECT_EQ(coordinator_->next_ns(), Clock::kNever);
  }
}

TEST_F(CheckpointCoordinatorTest, the_history_has_its_length) {
  settings_.history = 2;
  start();
  for (int64_t id = 1; id <= 4; ++id) {
    pass_to_trigger();
    acknowledge_all(id);
  }
  ASSERT_EQ(statistics().history.size(), 2U);
  EXPECT_EQ(statistics().history[0].id, 3);
  EXPECT_EQ(statistics().completed, 4);
}

}  // namespace
}  // namespace tidewheel
