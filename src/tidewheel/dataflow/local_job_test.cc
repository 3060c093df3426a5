#include "tidewheel/dataflow/local_job.h"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

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

// ---- The same jobs at all sizes

struct Shape {
  int32_t parallelism;
  int64_t batch_rows;
  int64_t credits;
  int64_t slots;  // 0: one for each subtask
};

class JobOfShape : public LocalJob, public ::testing::WithParamInterface<Shape> {
 protected:
  JobOfShape() {
    small_batches(GetParam().batch_rows, GetParam().credits);
    config_.set(options::kTaskSlots, GetParam().slots);
  }
  int32_t parallelism() const { return GetParam().parallelism; }
};
INSTANTIATE_TEST_SUITE_P(Shapes, JobOfShape,
                         ::testing::Values(Shape{1, 1, 1, 0}, Shape{1, 1024, 16, 0},
                                           Shape{2, 1, 1, 0}, Shape{2, 1, 1, 1}, Shape{2, 7, 2, 0},
                                           Shape{3, 16, 1, 2}, Shape{4, 1, 2, 0},
                                           Shape{4, 1024, 16, 0}),
                         [](const auto& test) {
                           return fmt::format("parallelism_{}_rows_{}_credits_{}_slots_{}",
                                              test.param.parallelism, test.param.batch_rows,
                                              test.param.credits, test.param.slots);
                         });

TEST_P(JobOfShape, every_kind_of_edge_brings_every_row) {
  for (const EdgeKind kind :
       {EdgeKind::kForward, EdgeKind::kHash, EdgeKind::kRebalance, EdgeKind::kRescale,
        EdgeKind::kShuffle, EdgeKind::kGlobal, EdgeKind::kCustom}) {
    GraphBuilder b;
    seen_ = std::make_shared<Seen>();
    const auto same = [](int64_t row, MapOperator::Emit& emit) { emit(row); };
    const int32_t source = b.numbers(2'000, parallelism(), 10);
    b.sink(b.map(source, same, parallelism(), kind), seen_, parallelism(), kind);
    ASSERT_TRUE(run(b).ok());
    ASSERT_EQ(seen_->sorted_rows(), numbers_below(2'000)) << static_cast<int>(kind);
    for (const std::vector<int64_t>& watermarks : seen_->watermarks) {
      ASSERT_FALSE(watermarks.empty());
      EXPECT_TRUE(std::is_sorted(watermarks.begin(), watermarks.end()));
      EXPECT_EQ(watermarks.back(), kMaxWatermark);
    }
    EXPECT_EQ(seen_->ends, parallelism());
    EXPECT_EQ(seen_->finished_closes, parallelism());
  }
}

TEST_P(JobOfShape, broadcast_brings_every_row_to_everyone) {
  GraphBuilder b;
  b.sink(b.numbers(500), seen_, parallelism(), EdgeKind::kBroadcast);
  ASSERT_TRUE(run(b).ok());
  std::vector<int64_t> expected;
  for (int64_t i = 0; i < 500; ++i) {
    expected.insert(expected.end(), static_cast<size_t>(parallelism()), i);
  }
  EXPECT_EQ(seen_->sorted_rows(), expected);
}

TEST_P(JobOfShape, a_flat_map_that_explodes_loses_nothing) {
  GraphBuilder b;
  const auto explode = [](int64_t row, MapOperator::Emit& emit) {
    for (int64_t i = 0; i < 50; ++i) { emit(row * 50 + i); }
  };
  const auto odd = [](int64_t row, MapOperator::Emit& emit) {
    if (row % 2 == 1) { emit(row / 2); }
  };
  const int32_t exploded = b.map(b.numbers(100), explode);
  b.sink(b.map(exploded, odd, parallelism(), EdgeKind::kRebalance), seen_, parallelism(),
         EdgeKind::kHash);
  ASSERT_TRUE(run(b).ok());
  EXPECT_EQ(seen_->sorted_rows(), numbers_below(2'500));
}

TEST_P(JobOfShape, side_outputs_and_unions_keep_every_row) {
  GraphBuilder b;
  const auto split = [](int64_t row, MapOperator::Emit& emit) {
    if (row % 3 == 0) {
      emit.side.emit(row, emit.timestamp);
    } else {
      emit(row);
    }
  };
  const int32_t m = b.map(b.numbers(3'000, parallelism(), 7), split, parallelism());
  const int32_t sink = b.sink(m, seen_, parallelism(), EdgeKind::kHash, 1);
  b.edge(m, sink, EdgeKind::kRebalance, 0, 0);
  ASSERT_TRUE(run(b).ok());
  EXPECT_EQ(seen_->sorted_rows(), numbers_below(3'000));
}

TEST_P(JobOfShape, two_inputs_are_told_apart_and_time_is_their_minimum) {
  GraphBuilder b;
  const int32_t left = b.numbers(1'000, 1, 5);
  const int32_t right = b.numbers(200, parallelism(), 5);
  const int32_t sink = b.sink(left, seen_, parallelism(), EdgeKind::kHash);
  b.edge(right, sink, EdgeKind::kHash, 1);
  ASSERT_TRUE(run(b).ok());
  int64_t counts[2] = {0, 0};
  for (const int32_t input : seen_->inputs) { ++counts[input]; }
  EXPECT_EQ(counts[0], 1'000);
  EXPECT_EQ(counts[1], 200);
  EXPECT_EQ(seen_->ends, 2 * parallelism());
  for (const std::vector<int64_t>& watermarks : seen_->watermarks) {
    EXPECT_TRUE(std::is_sorted(watermarks.begin(), watermarks.end()));
    EXPECT_EQ(watermarks.back(), kMaxWatermark);
  }
}

TEST_P(JobOfShape, a_tiny_memory_limit_slows_down_and_ends) {
  GraphBuilder b;
  config_.set(options::kJobMemory, 1);
  const auto twice = [](int64_t row, MapOperator::Emit& emit) {
    emit(2 * row);
    emit(2 * row + 1);
  };
  const int32_t m =
      b.map(b.numbers(500, parallelism(), 50), twice, parallelism(), EdgeKind::kRebalance);
  b.sink(m, seen_, parallelism(), EdgeKind::kHash);
  ASSERT_TRUE(run(b).ok());
  EXPECT_EQ(seen_->sorted_rows(), numbers_below(1'000));
}

TEST_P(JobOfShape, cancel_ends_a_job_that_has_no_end) {
  GraphBuilder b;
  b.sink(
      b.map(b.numbers(INT64_MAX / 2, parallelism()), plus_one, parallelism(), EdgeKind::kRebalance),
      seen_, parallelism(), EdgeKind::kHash);
  auto job = start(b);
  while (job->metrics().empty() || seen_->sorted_rows().empty()) {}
  job->cancel();
  job->cancel();
  ASSERT_TRUE(job->wait(soon()));
  EXPECT_EQ(job->state(), JobState::kCancelled);
  EXPECT_EQ(job->result().id(), ErrorId::kJobCancelled);
  EXPECT_GE(seen_->closes, 1);  // of those that were opened
  EXPECT_EQ(seen_->finished_closes, 0);
}

TEST_P(JobOfShape, stop_ends_the_sources_and_lets_the_rest_finish) {
  GraphBuilder b;
  b.sink(b.numbers(INT64_MAX / 2, parallelism()), seen_, parallelism(), EdgeKind::kRebalance);
  auto job = start(b);
  while (seen_->sorted_rows().empty()) {}
  job->stop();
  ASSERT_TRUE(job->wait(soon()));
  EXPECT_EQ(job->state(), JobState::kFinished);
  EXPECT_EQ(seen_->finished_closes, parallelism());
  for (const auto& watermarks : seen_->watermarks) { EXPECT_EQ(watermarks.back(), kMaxWatermark); }
  int64_t sent = 0;
  int64_t taken = 0;
  for (const TaskInfo& task : job->tasks()) {
    sent += task.vertex == "numbers" ? task.rows_out : 0;
    taken += task.rows_in;
  }
  if (parallelism() > 1) { EXPECT_EQ(sent, taken); }
}

TEST_P(JobOfShape, what_user_code_throws_names_the_operator_and_the_row) {
  GraphBuilder b;
  const auto thrower = [](int64_t row, MapOperator::Emit& emit) {
    if (row == 77) { throw std::runtime_error("no such thing as 77"); }
    emit(row);
  };
  const int32_t m =
      b.map(b.numbers(10'000, parallelism()), thrower, parallelism(), EdgeKind::kHash);
  b.node(m).name = "thrower";
  b.node(m).uid = "uid-of-thrower";
  b.sink(m, seen_, parallelism(), EdgeKind::kRebalance);
  auto job = start(b);
  ASSERT_TRUE(job->wait(soon()));
  EXPECT_EQ(job->state(), JobState::kFailed);
  const Status failure = job->result();
  EXPECT_EQ(failure.id(), ErrorId::kUserCodeThrew);
  for (const char* part :
       {"'thrower'", "uid-of-thrower", "no such thing as 77", "subtask", "event time 77 ms"}) {
    EXPECT_NE(failure.message().find(part), std::string::npos) << failure.message();
  }
  EXPECT_GE(seen_->closes, 1);
}

// ---- Single facts

TEST_F(LocalJob, an_operator_that_fails_to_open_fails_the_job) {
  struct Unopened final : Operator {
    Status open(OperatorContext&) override {
      return unavailable(ErrorId::kFileNotFound, "no table");
    }
    Progress on_rows(int32_t, const Element&, uint32_t&) override { return Progress::kDone; }
    std::span<OutputPort* const> outputs() override { return {}; }
  };
  GraphBuilder b;
  const int32_t sink = b.add<Unopened>("unopened", 1);
  b.node(sink).is_sink = true;
  b.edge(b.numbers(10), sink);
  const Status status = run(b);
  EXPECT_EQ(status.id(), ErrorId::kFileNotFound);
  EXPECT_NE(status.message().find("'unopened'"), std::string::npos) << status.message();
}

TEST_F(LocalJob, a_factory_that_fails_or_throws_is_an_error_of_start) {
  GraphBuilder b;
  const int32_t sink = b.sink(b.numbers(10), seen_);
  b.node(sink).make = []() -> Result<std::unique_ptr<Operator>> {
    throw std::runtime_error("bad recipe");
  };
  const auto job = LocalJobRunner(*world_).start(std::move(b.graph), config_);
  EXPECT_EQ(job.status().id(), ErrorId::kUserCodeThrew);
}

TEST_F(LocalJob, an_edge_from_an_output_that_does_not_exist_is_an_error) {
  GraphBuilder b;
  b.sink(b.numbers(10), seen_, 1, EdgeKind::kForward, 3);
  const auto job = LocalJobRunner(*world_).start(std::move(b.graph), config_);
  EXPECT_EQ(job.status().id(), ErrorId::kGraphEdge);
}

TEST_F(LocalJob, destroying_the_handle_cancels) {
  GraphBuilder b;
  b.sink(b.silence(2), seen_, 2);
  auto job = start(b);
  job.reset();
  EXPECT_EQ(seen_->finished_closes, 0);
}

TEST_F(LocalJob, accumulators_are_summed_over_subtasks) {
  GraphBuilder b;
  const auto count = [](int64_t row, MapOperator::Emit& emit) {
    emit.context.metrics().group("accumulators").counter("seen").add(1);
    emit(row);
  };
  b.sink(b.map(b.numbers(1'000), count, 3, EdgeKind::kRebalance), seen_, 3);
  auto job = start(b);
  ASSERT_TRUE(job->result().ok());
  EXPECT_EQ(job->accumulators().at("seen"), 1'000);
}

TEST_F(LocalJob, memory_of_batches_is_given_back_at_the_end) {
  GraphBuilder b;
  b.sink(b.map(b.numbers(50'000, 2), plus_one, 2, EdgeKind::kHash), seen_, 2, EdgeKind::kHash);
  auto job = start(b);
  ASSERT_TRUE(job->result().ok());
  EXPECT_GT(job->memory().peak_bytes(), 0);
  job.reset();
}

TEST_F(LocalJob, latency_markers_arrive_at_the_sink) {
  config_.set(options::kLatencyInterval, 1);
  GraphBuilder b;
  b.sink(b.silence(), seen_, 2, EdgeKind::kRebalance);
  auto job = start(b);
  const auto markers = [&] {
    int64_t count = 0;
    for (const MetricValue& metric : job->metrics()) {
      if (metric.name == "latencyNs") { count += metric.value; }
    }
    return count;
  };
  while (markers() < 3 && world_->clock().now_ns() < soon()) {}
  EXPECT_GE(markers(), 3);
}

TEST_F(LocalJob, a_chain_of_a_thousand_operators_runs) {
  GraphBuilder b;
  int32_t last = b.numbers(100);
  for (int i = 0; i < 1'000; ++i) { last = b.map(last, plus_one); }
  b.sink(last, seen_);
  ASSERT_TRUE(run(b).ok());
  EXPECT_EQ(seen_->rows.size(), 100U);
  EXPECT_EQ(seen_->rows[0], 1'000);
}

TEST_F(LocalJob, a_thousand_tasks_in_one_slot_run) {
  small_batches(16, 2);
  config_.set(options::kOperatorChaining, false);
  GraphBuilder b;
  int32_t last = b.numbers(200, 1, 50);
  for (int i = 0; i < 1'000; ++i) { last = b.map(last, plus_one); }
  b.sink(last, seen_);
  auto job = start(b);
  ASSERT_TRUE(job->result().ok());
  EXPECT_EQ(job->tasks().size(), 1'002U);
  EXPECT_EQ(seen_->rows.size(), 200U);
}

TEST_F(LocalJob, slots_are_as_many_as_the_groups_need) {
  GraphBuilder b;
  const int32_t m = b.map(b.numbers(100, 2), plus_one, 3, EdgeKind::kRebalance);
  b.node(m).slot_sharing_group = "other";
  b.sink(m, seen_, 3);
  auto job = start(b);
  ASSERT_TRUE(job->result().ok());
  std::set<int32_t> slots;
  for (const TaskInfo& task : job->tasks()) { slots.insert(task.slot); }
  EXPECT_EQ(slots.size(), 5U);
}

// Emits 200 rows, each with a watermark behind it, and then waits for ever.
class Lingering final : public SourceOperator {
 public:
  Status open(OperatorContext& context) override {
    out_.open(dataflow_test::pool_for<int64_t>(context), context.batch_rows());
    return ok_status();
  }
  Poll poll() override {
    while (next_ < 200) {
      if (!out_.ready()) { return Poll::kBlocked; }
      out_.emit(next_, next_);
      static_cast<void>(out_.send(Element::watermark(next_++)));
    }
    return Poll::kNothingYet;
  }
  std::span<OutputPort* const> outputs() override { return ports_; }

 private:
  int64_t next_ = 0;
  Output<int64_t> out_;
  OutputPort* ports_[1] = {&out_};
};

TEST_F(LocalJob, what_was_sent_is_delivered_even_when_only_full_batches_are_flushed) {
  small_batches(8, 1);
  config_.set(options::kBufferTimeout, -1);
  for (int run = 0; run < 20; ++run) {
    GraphBuilder b;
    seen_ = std::make_shared<Seen>();
    const int32_t source = b.add<Lingering>("lingering", 1);
    b.node(source).is_source = true;
    b.sink(b.map(source, plus_one), seen_, 2, EdgeKind::kBroadcast);
    auto job = start(b);
    const auto watermarks = [&] {
      const std::lock_guard lock(seen_->mutex);
      size_t count = 0;
      for (const auto& times : seen_->watermarks) { count += times.size(); }
      return count;
    };
    const int64_t deadline_ns = soon();
    while (watermarks() < 400 && world_->clock().now_ns() < deadline_ns) {}
    ASSERT_EQ(watermarks(), 400U);
    ASSERT_EQ(seen_->sorted_rows().size(), 400U);
  }
}

// ---- Timers, wakes, mail and coordinators

// Emits the wall times at which it was called, each asked for by the one before.
class Ticker final : public SourceOperator {
 public:
  Status open(OperatorContext& context) override {
    context_ = &context;
    out_.open(dataflow_test::pool_for<int64_t>(context), context.batch_rows());
    next_ms_ = context.clock().wall_ms() + 2;
    context.wake_at_wall_ms(next_ms_);
    return ok_status();
  }
  Progress on_processing_time(int64_t now_ms) override {
    if (!out_.ready()) { return Progress::kBlocked; }
    out_.emit(now_ms - next_ms_, now_ms);
    next_ms_ = now_ms + 2;
    if (++ticks_ < 5) { context_->wake_at_wall_ms(next_ms_); }
    return Progress::kDone;
  }
  Poll poll() override { return ticks_ < 5 ? Poll::kNothingYet : Poll::kEnd; }
  std::span<OutputPort* const> outputs() override { return ports_; }

 private:
  OperatorContext* context_ = nullptr;
  int64_t next_ms_ = 0;
  int ticks_ = 0;
  Output<int64_t> out_;
  OutputPort* ports_[1] = {&out_};
};

TEST_F(LocalJob, wall_clock_timers_come_when_their_time_is_over) {
  GraphBuilder b;
  const int32_t source = b.add<Ticker>("ticker", 1);
  b.node(source).is_source = true;
  b.sink(source, seen_, 2, EdgeKind::kRebalance);
  ASSERT_TRUE(run(b).ok());
  ASSERT_EQ(seen_->rows.size(), 5U);
  for (const int64_t late_ms : seen_->rows) { EXPECT_GE(late_ms, 0); }
}

// Emits what its coordinator sends, and says so; ends at an empty event.
class EventSource final : public SourceOperator {
 public:
  Status open(OperatorContext& context) override {
    context_ = &context;
    out_.open(dataflow_test::pool_for<int64_t>(context), context.batch_rows());
    return ok_status();
  }
  void on_coordinator_event(std::string_view event) override {
    if (event.empty()) {
      ended_ = true;
    } else {
      events_.push_back(std::stoll(std::string(event)));
    }
  }
  Poll poll() override {
    while (!events_.empty()) {
      if (!out_.ready()) { return Poll::kBlocked; }
      out_.emit(events_.back(), 0);
      events_.pop_back();
      context_->send_to_coordinator("taken");
    }
    return ended_ ? Poll::kEnd : Poll::kNothingYet;
  }
  std::span<OutputPort* const> outputs() override { return ports_; }

 private:
  OperatorContext* context_ = nullptr;
  std::vector<int64_t> events_;
  bool ended_ = false;
  Output<int64_t> out_;
  OutputPort* ports_[1] = {&out_};
};

// Sends numbers to its subtasks, the next when one was taken; a timer starts it.
class Dealer final : public OperatorCoordinator {
 public:
  Status start(CoordinatorContext& context) override {
    context_ = &context;
    return ok_status();
  }
  void on_subtask_ready(int32_t) override {
    if (++ready_ == context_->parallelism()) {
      context_->wake_at_ns(context_->clock().now_ns() + 1'000'000);
    }
  }
  void on_timer() override { deal(0); }
  void on_event(int32_t subtask, std::string_view event) override {
    EXPECT_EQ(event, "taken");
    deal((subtask + 1) % context_->parallelism());
  }
  Result<std::string> snapshot(int64_t) override { return std::string(); }
  Status restore(std::string_view) override { return ok_status(); }

 private:
  void deal(int32_t subtask) {
    if (next_ < 20) {
      context_->send_to_subtask(subtask, std::to_string(next_++));
      return;
    }
    for (int32_t i = 0; i < context_->parallelism(); ++i) { context_->send_to_subtask(i, ""); }
  }
  CoordinatorContext* context_ = nullptr;
  int32_t ready_ = 0;
  int next_ = 0;
};

TEST_F(LocalJob, a_coordinator_talks_with_its_subtasks) {
  GraphBuilder b;
  const int32_t source = b.add<EventSource>("events", 3);
  b.node(source).is_source = true;
  b.node(source).make_coordinator = []() -> Result<std::unique_ptr<OperatorCoordinator>> {
    return std::unique_ptr<OperatorCoordinator>(std::make_unique<Dealer>());
  };
  b.sink(source, seen_, 3);
  ASSERT_TRUE(run(b).ok());
  EXPECT_EQ(seen_->sorted_rows(), numbers_below(20));
}

class FailingCoordinator final : public OperatorCoordinator {
 public:
  Status start(CoordinatorContext&) override {
    return unavailable(ErrorId::kFileNotFound, "no splits");
  }
  void on_subtask_ready(int32_t) override {}
  void on_event(int32_t, std::string_view) override {}
  Result<std::string> snapshot(int64_t) override { return std::string(); }
  Status restore(std::string_view) override { return ok_status(); }
};

TEST_F(LocalJob, a_coordinator_that_fails_fails_the_job) {
  GraphBuilder b;
  const int32_t source = b.silence(2);
  b.node(source).make_coordinator = []() -> Result<std::unique_ptr<OperatorCoordinator>> {
    return std::unique_ptr<OperatorCoordinator>(std::make_unique<FailingCoordinator>());
  };
  b.sink(source, seen_, 2);
  EXPECT_EQ(run(b).id(), ErrorId::kFileNotFound);
}

// Hands every row to the blocking pool, and emits what comes back.
class Asynchronous final : public Operator {
 public:
  Status open(OperatorContext& context) override {
    context_ = &context;
    out_.open(dataflow_test::pool_for<int64_t>(context), context.batch_rows());
    return ok_status();
  }
  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    for (; cursor < rows.end; ++cursor) {
      const int64_t row = RowBatch<int64_t>::of(*rows.batch).row(cursor);
      ++under_way_;
      calls_.fetch_add(1);
      context_->executor().run_blocking([this, row] {
        context_->post([this, row] {
          done_.push_back(row);
          context_->wake();
        });
        calls_.fetch_sub(1);
      });
    }
    return Progress::kDone;
  }
  Progress on_wake() override {
    while (!done_.empty()) {
      if (!out_.ready()) { return Progress::kBlocked; }
      out_.emit(done_.back(), 0);
      done_.pop_back();
      --under_way_;
    }
    return Progress::kDone;
  }
  Progress on_end_of_input(int32_t) override {
    static_cast<void>(on_wake());
    return under_way_ == 0 ? Progress::kDone : Progress::kBlocked;
  }
  void close(bool) override {
    while (calls_.load() > 0) {}  // the context must outlive them
  }
  std::span<OutputPort* const> outputs() override { return ports_; }

 private:
  OperatorContext* context_ = nullptr;
  int64_t under_way_ = 0;
  std::atomic<int64_t> calls_{0};
  std::vector<int64_t> done_;
  Output<int64_t> out_;
  OutputPort* ports_[1] = {&out_};
};

TEST_F(LocalJob, what_completes_elsewhere_comes_back_by_mail_and_wakes) {
  GraphBuilder b;
  const int32_t async = b.add<Asynchronous>("async", 2);
  b.edge(b.numbers(300), async, EdgeKind::kRebalance);
  b.sink(async, seen_, 2, EdgeKind::kHash);
  ASSERT_TRUE(run(b).ok());
  EXPECT_EQ(seen_->sorted_rows(), numbers_below(300));
}

TEST_F(LocalJob, an_idle_job_makes_no_turns_and_counts_as_idle) {
  GraphBuilder b;
  b.sink(b.silence(2), seen_, 2, EdgeKind::kRebalance);
  auto job = start(b);
  const auto all_run = [&] {
    for (const TaskInfo& task : job->tasks()) {
      if (task.state != TaskState::kRunning) { return false; }
    }
    return true;
  };
  while (!all_run()) {}
  for (const TaskInfo& task : job->tasks()) { EXPECT_LT(task.busy_ms, 1'000); }
}

}  // namespace
}  // namespace tidewheel
