#include "tidewheel/operators/sink_operator.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/metrics.h"
#include "tidewheel/dataflow/operator_failure.h"
#include "tidewheel/testing/operator_harness.h"

namespace tidewheel {
namespace {

using testing::HarnessOptions;
using testing::HarnessSnapshot;
using testing::OperatorHarness;
using Numbers = std::vector<int64_t>;

// What the sinks have done, in order.
struct Log {
  std::vector<std::string> lines;
  Numbers committed;
  bool fails = false;

  std::vector<std::string> take() { return std::exchange(lines, {}); }
};

struct Batch {
  Numbers rows;
};

std::string text_of(const Numbers& rows) {
  std::string text;
  for (const int64_t row : rows) { text += ' ' + std::to_string(row); }
  return text;
}

struct TwoPhase {
  using input = int64_t;
  using Pending = Batch;
  std::shared_ptr<Log> log;
  Numbers rows = {};

  void write(const int64_t& row) { rows.push_back(row); }
  Status flush() {
    log->lines.push_back("flush");
    return {};
  }
  Status end_of_input() {
    log->lines.push_back("end");
    return {};
  }
  Result<std::vector<Batch>> prepare(int64_t checkpoint) {
    log->lines.push_back("prepare " + std::to_string(checkpoint));
    return std::vector<Batch>{{std::exchange(rows, {})}};
  }
  Status commit(const Batch& pending) {
    if (log->fails) { return unavailable(ErrorId::kFileIo, "the shelf is full"); }
    log->lines.push_back("commit" + text_of(pending.rows));
    log->committed.insert(log->committed.end(), pending.rows.begin(), pending.rows.end());
    return {};
  }
};
static_assert(TwoPhaseSink<TwoPhase> && !sink_detail::PreparesOnPool<TwoPhase>);

struct TakingBack : TwoPhase {
  Status abort(const Batch& pending) {
    log->lines.push_back("abort" + text_of(pending.rows));
    rows.insert(rows.begin(), pending.rows.begin(), pending.rows.end());
    return {};
  }
};

struct OnPool {
  using input = int64_t;
  using Pending = Batch;
  struct State {
    int64_t rows = 0;
  };
  static constexpr bool blocking_commits = true;
  std::shared_ptr<Log> log;
  Numbers rows = {};

  void write(const int64_t& row) { rows.push_back(row); }
  Result<PrepareJob<Batch>> prepare(int64_t checkpoint) {
    log->lines.push_back("cut " + std::to_string(checkpoint));
    return PrepareJob<Batch>([the_log = log, cut = std::exchange(rows, {})] {
      the_log->lines.push_back("prepare" + text_of(cut));
      if (the_log->fails) {
        return Result<std::vector<Batch>>(unavailable(ErrorId::kFileIo, "fsync"));
      }
      return Result<std::vector<Batch>>(std::vector<Batch>{{cut}});
    });
  }
  Result<std::vector<State>> snapshot_state(int64_t checkpoint) {
    return std::vector<State>{{checkpoint * 10}};
  }
  Status recover(const SinkRecovery<Batch, State>& recovery) {
    std::string line = recovery.restored ? "restored" : "fresh";
    if (recovery.is_restart) { line += " again"; }
    for (const auto& saved : recovery.pending) { line += ';' + text_of(saved.record.rows); }
    for (const auto& saved : recovery.states) {
      line += " s" + std::to_string(saved.subtask) + ':' + std::to_string(saved.record.rows);
    }
    log->lines.push_back(line);
    return {};
  }
  Status commit(const Batch& pending) const {
    if (log->fails) { return unavailable(ErrorId::kFileIo, "rename"); }
    log->lines.push_back("commit" + text_of(pending.rows));
    log->committed.insert(log->committed.end(), pending.rows.begin(), pending.rows.end());
    return {};
  }
};
static_assert(TwoPhaseSink<OnPool> && sink_detail::PreparesOnPool<OnPool>);

class SinkTest : public ::testing::Test {
 protected:
  template <class S>
  std::unique_ptr<OperatorHarness> make(HarnessOptions options = {.takes_final_checkpoint = true}) {
    return std::make_unique<OperatorHarness>(std::make_unique<SinkWriter<S>>(S{log_}), options);
  }
  static void write(OperatorHarness& sink, const Numbers& rows) {
    for (const int64_t row : rows) { sink.push<int64_t>(row, 0); }
  }
  const std::shared_ptr<Log> log_ = std::make_shared<Log>();
};
using Lines = std::vector<std::string>;

// Told of epochs, and of nothing else.
struct ByEpoch {
  using input = int64_t;
  std::shared_ptr<Log> log;
  Numbers rows = {};
  void write(const int64_t& row) { rows.push_back(row); }
  Status flush_epoch(int64_t epoch) {
    if (log->fails) { return unavailable(ErrorId::kFileIo, "the shelf is full"); }
    log->lines.push_back("epoch " + std::to_string(epoch) + ":" + text_of(std::exchange(rows, {})));
    return {};
  }
};

TEST(SinkEpochs, a_sink_is_told_which_rows_belong_to_an_epoch) {
  const auto log = std::make_shared<Log>();
  OperatorHarness harness(std::make_unique<SinkWriter<ByEpoch>>(ByEpoch{log}));
  harness.push(int64_t{1}, 0);
  harness.push(int64_t{2}, 0);
  harness.epoch(7);
  harness.push(int64_t{3}, 0);
  harness.epoch(9);
  EXPECT_EQ(log->take(), (std::vector<std::string>{"epoch 7: 1 2", "epoch 9: 3"}));
  log->fails = true;
  EXPECT_THROW(harness.epoch(10), OperatorFailure);
}

TEST_F(SinkTest, commits_what_was_prepared_when_the_checkpoint_is_complete) {
  auto sink = make<TwoPhase>();
  write(*sink, {1, 2});
  sink->snapshot({.checkpoint = 7});
  write(*sink, {3});
  EXPECT_EQ(log_->take(), Lines({"flush", "prepare 7"}));
  sink->checkpoint_complete(6);
  EXPECT_EQ(log_->take(), Lines());
  const Gauge& pending = sink->context().metrics().gauge("pendingCommittables");
  EXPECT_EQ(pending.value(), 1);
  sink->snapshot({.checkpoint = 9});
  EXPECT_EQ(pending.value(), 2);
  sink->checkpoint_complete(10);  // covers all before
  EXPECT_EQ(pending.value(), 0);
  EXPECT_EQ(log_->take(), Lines({"flush", "prepare 9", "commit 1 2", "commit 3"}));
  sink->checkpoint_complete(10);
  EXPECT_EQ(log_->take(), Lines());
}

TEST_F(SinkTest, leaves_the_end_to_the_last_checkpoint) {
  auto sink = make<TwoPhase>();
  write(*sink, {1});
  sink->end_of_input();
  EXPECT_EQ(log_->take(), Lines({"end", "flush"}));
  sink->snapshot({.checkpoint = 1});
  EXPECT_EQ(log_->committed, Numbers());
  sink->checkpoint_complete(1);
  EXPECT_TRUE(sink->op().may_end());
  sink->close(true);
  EXPECT_EQ(log_->committed, Numbers({1}));
}

TEST_F(SinkTest, commits_at_the_end_when_no_checkpoints_are_taken) {
  auto sink = make<TwoPhase>({});
  write(*sink, {1, 2});
  sink->end_of_input();
  EXPECT_EQ(log_->take(), Lines({"end", "flush", "prepare 1", "commit 1 2"}));
  auto on_pool = make<OnPool>({});
  write(*on_pool, {3});
  on_pool->end_of_input();
  EXPECT_EQ(log_->take(), Lines({"fresh", "cut 1", "prepare 3", "commit 3"}));
}

TEST_F(SinkTest, commits_the_rows_of_a_failed_checkpoint_with_the_next) {
  auto sink = make<TwoPhase>();
  write(*sink, {1});
  sink->snapshot({.checkpoint = 1});
  sink->checkpoint_aborted(1);
  write(*sink, {2});
  const HarnessSnapshot second = sink->snapshot({.checkpoint = 2});
  sink->checkpoint_complete(2);
  EXPECT_EQ(log_->committed, Numbers({1, 2}));
  // The snapshot holds both.
  log_->committed.clear();
  auto restored = make<TwoPhase>();
  ASSERT_TRUE(restored->open_restored(second).ok());
  EXPECT_EQ(log_->committed, Numbers({1, 2}));
  EXPECT_EQ(restored->context().metrics().counter("retriedCommittables").value(), 2);
}

TEST_F(SinkTest, takes_rows_back_only_when_no_later_checkpoint_has_them) {
  auto sink = make<TakingBack>();
  write(*sink, {1});
  sink->snapshot({.checkpoint = 1});
  write(*sink, {2});
  log_->lines.clear();
  sink->checkpoint_aborted(1);
  EXPECT_EQ(log_->take(), Lines({"abort 1"}));
  sink->snapshot({.checkpoint = 2});
  sink->snapshot({.checkpoint = 3});
  log_->lines.clear();
  sink->checkpoint_aborted(2);  // 3 has its rows too
  EXPECT_EQ(log_->take(), Lines());
  sink->checkpoint_complete(3);
  EXPECT_EQ(log_->committed, Numbers({1, 2}));
}

TEST_F(SinkTest, commits_again_after_a_restore_and_before_anything_else) {
  auto sink = make<TwoPhase>();
  write(*sink, {1, 2});
  const HarnessSnapshot snapshot = sink->snapshot({.checkpoint = 5});
  sink->crash();
  log_->lines.clear();
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto again = make<TwoPhase>();
    ASSERT_TRUE(again->open_restored(snapshot).ok());
    EXPECT_EQ(log_->take(), Lines({"commit 1 2"}));
    again->crash();
  }
}

TEST_F(SinkTest, at_another_parallelism_every_commit_is_done_once) {
  std::vector<HarnessSnapshot> all;
  for (int32_t i = 0; i < 3; ++i) {
    auto sink =
        make<OnPool>({.subtask_index = i, .parallelism = 3, .takes_final_checkpoint = true});
    write(*sink, {i});
    all.push_back(sink->snapshot({.checkpoint = 4}));
    sink->crash();
  }
  const HarnessSnapshot snapshot = OperatorHarness::join_snapshots(all);
  for (const int32_t parallelism : {1, 2, 3, 4}) {
    log_->committed.clear();
    log_->lines.clear();
    for (int32_t i = 0; i < parallelism; ++i) {
      auto sink = make<OnPool>({.subtask_index = i,
                                .parallelism = parallelism,
                                .takes_final_checkpoint = true,
                                .is_restart = true});
      ASSERT_TRUE(sink->open_restored(snapshot).ok());
      EXPECT_EQ(log_->lines.back(), "restored again; 0; 1; 2 s0:40 s1:40 s2:40");
      sink->run_pending();
      sink->crash();
    }
    std::sort(log_->committed.begin(), log_->committed.end());
    EXPECT_EQ(log_->committed, Numbers({0, 1, 2}));
  }
}

TEST_F(SinkTest, prepares_on_the_pool_while_rows_go_on) {
  auto sink = make<OnPool>();
  write(*sink, {1});
  EXPECT_TRUE(sink->op().snapshots_in_background());
  sink->begin_snapshot({.checkpoint = 1});
  write(*sink, {2});
  HarnessSnapshot snapshot;
  EXPECT_FALSE(sink->try_snapshot(snapshot));
  EXPECT_EQ(log_->take(), Lines({"fresh", "cut 1"}));
  sink->run_pending();
  ASSERT_TRUE(sink->try_snapshot(snapshot));
  EXPECT_EQ(log_->take(), Lines({"prepare 1"}));
  sink->checkpoint_complete(1);
  EXPECT_EQ(log_->take(), Lines());
  EXPECT_FALSE(sink->op().may_end());
  // The next one is cut and prepared behind the commit, and holds it until it is known to be done.
  sink->begin_snapshot({.checkpoint = 2});
  EXPECT_FALSE(sink->try_snapshot(snapshot));
  sink->run_pending();
  EXPECT_TRUE(sink->op().may_end());
  EXPECT_EQ(log_->take(), Lines({"cut 2", "commit 1", "prepare 2"}));
}

TEST_F(SinkTest, keeps_what_was_prepared_for_a_snapshot_that_was_dropped) {
  auto sink = make<OnPool>();
  write(*sink, {1});
  sink->begin_snapshot({.checkpoint = 1});
  sink->op().abort_snapshot();
  sink->checkpoint_aborted(1);
  write(*sink, {2});
  const HarnessSnapshot snapshot = sink->snapshot({.checkpoint = 2});
  sink->checkpoint_complete(2);
  sink->run_pending();
  EXPECT_EQ(log_->committed, Numbers({1, 2}));
}

TEST_F(SinkTest, a_failure_on_the_pool_fails_the_job) {
  auto sink = make<OnPool>();
  write(*sink, {1});
  log_->fails = true;
  sink->begin_snapshot({.checkpoint = 1});
  EXPECT_THROW(sink->run_pending(), OperatorFailure);
  log_->fails = false;
  auto other = make<OnPool>();
  write(*other, {2});
  const HarnessSnapshot snapshot = other->snapshot({.checkpoint = 1});
  other->checkpoint_complete(1);
  log_->fails = true;
  EXPECT_THROW(other->run_pending(), OperatorFailure);
}

// Takes no rows before what was restored is committed.
struct PatientOnPool : OnPool {
  bool ready() const { return !log->committed.empty(); }
};

TEST_F(SinkTest, learns_that_a_commit_has_failed_while_rows_are_refused) {
  auto writer = make<OnPool>();
  write(*writer, {1});
  const HarnessSnapshot snapshot = writer->snapshot({.checkpoint = 1});
  auto pool = BatchPool::create_for<int64_t>(1, nullptr);
  auto* batch = static_cast<RowBatch<int64_t>*>(pool->acquire());
  batch->append(2, 0);
  const Element element = Element::rows(BatchRef(batch));
  batch->release();
  for (const bool fails : {true, false}) {
    log_->fails = fails;
    auto restored = make<PatientOnPool>();
    ASSERT_TRUE(restored->open_restored(snapshot).ok());
    uint32_t cursor = 0;
    EXPECT_EQ(restored->op().on_rows(0, element, cursor), Progress::kBlocked);
    restored->run_blocking_jobs();
    if (fails) {
      EXPECT_THROW(restored->op().on_rows(0, element, cursor), OperatorFailure);
    } else {
      EXPECT_EQ(restored->op().on_rows(0, element, cursor), Progress::kDone);
    }
  }
}

TEST_F(SinkTest, nothing_is_begun_after_it_was_closed) {
  auto sink = make<OnPool>();
  write(*sink, {1});
  sink->begin_snapshot({.checkpoint = 1});
  sink->close(false);
  log_->lines.clear();
  sink->run_pending();
  EXPECT_EQ(log_->take(), Lines());
}

// ---- The records of older programs ----

struct WiderBatch {
  std::string table;
  Numbers rows;
};
struct NewTwoPhase {
  using input = int64_t;
  using Pending = WiderBatch;
  std::shared_ptr<Log> log;
  void write(const int64_t&) {}
  Result<std::vector<WiderBatch>> prepare(int64_t) { return std::vector<WiderBatch>(); }
  Status commit(const WiderBatch& pending) {
    log->lines.push_back("commit" + pending.table + text_of(pending.rows));
    return {};
  }
};
struct OtherTwoPhase {
  using input = int64_t;
  struct Pending {
    std::string rows;
  };
  std::shared_ptr<Log> log;
  void write(const int64_t&) {}
  Result<std::vector<Pending>> prepare(int64_t) { return std::vector<Pending>(); }
  Status commit(const Pending&) { return {}; }
};

TEST_F(SinkTest, reads_what_an_older_program_has_prepared) {
  auto sink = make<TwoPhase>();
  write(*sink, {1, 2});
  const HarnessSnapshot snapshot = sink->snapshot();
  log_->lines.clear();
  ASSERT_TRUE(make<NewTwoPhase>()->open_restored(snapshot).ok());
  EXPECT_EQ(log_->take(), Lines({"commit 1 2"}));
  const Status refused = make<OtherTwoPhase>()->open_restored(snapshot);
  EXPECT_EQ(refused.id(), ErrorId::kSchemaMismatch) << refused.to_string();
}

// ---- Sinks that do not commit ----

struct Flushing {
  using input = int64_t;
  std::shared_ptr<Log> log;
  int64_t rows = 0;
  void write(const int64_t&) { ++rows; }
  Status flush() {
    log->lines.push_back("flush " + std::to_string(rows));
    return {};
  }
  Result<int64_t> on_time(int64_t wall_ms) {
    log->lines.push_back("time " + std::to_string(wall_ms));
    return wall_ms < 300 ? wall_ms + 100 : Clock::kNever;
  }
};

TEST_F(SinkTest, other_sinks_flush_before_a_snapshot) {
  auto sink = make<Flushing>();
  write(*sink, {1, 2});
  log_->lines.clear();
  EXPECT_TRUE(sink->snapshot().empty());
  EXPECT_EQ(log_->take(), Lines({"flush 2"}));
}

// Has room for a row at every third time that it is asked.
struct Narrow {
  using input = int64_t;
  std::shared_ptr<Log> log;
  int64_t asked = 0;
  bool ready() { return ++asked % 3 == 0; }
  void write(const int64_t& row) { log->committed.push_back(row); }
};
struct NarrowForRows : Narrow {
  Status write_rows(std::span<const int64_t> rows, std::span<const int64_t>) {
    log->committed.insert(log->committed.end(), rows.begin(), rows.end());
    return {};
  }
};

TEST_F(SinkTest, gets_rows_only_while_it_is_ready) {
  const std::vector<testing::TimedRow<int64_t>> rows = {{1, 0}, {2, 0}, {3, 0}};
  auto narrow = make<Narrow>();
  narrow->push_rows(rows);
  EXPECT_EQ(log_->committed, Numbers({1, 2, 3}));
  make<NarrowForRows>()->push_rows(rows);
  EXPECT_EQ(log_->committed, Numbers({1, 2, 3, 1, 2, 3}));
  // What is refused is asked again after a wake, not in a loop.
  SinkWriter<Narrow> writer(Narrow{log_});
  EXPECT_EQ(writer.waits_until_ns(), std::nullopt);
  auto pool = BatchPool::create_for<int64_t>(1, nullptr);
  auto* batch = static_cast<RowBatch<int64_t>*>(pool->acquire());
  batch->append(4, 0);
  const Element element = Element::rows(BatchRef(batch));
  batch->release();
  uint32_t cursor = 0;
  EXPECT_EQ(writer.on_rows(0, element, cursor), Progress::kBlocked);
  EXPECT_EQ(cursor, 0U);
  EXPECT_EQ(writer.waits_until_ns(), Clock::kNever);
  EXPECT_EQ(writer.on_rows(0, element, cursor), Progress::kBlocked);
  EXPECT_EQ(writer.on_rows(0, element, cursor), Progress::kDone);
  EXPECT_EQ(writer.waits_until_ns(), std::nullopt);
}

TEST_F(SinkTest, are_told_the_time_they_have_asked_for) {
  auto sink = make<Flushing>();
  sink->advance_to_wall_ms(1000);
  EXPECT_EQ(log_->take(), Lines({"time 0", "time 101", "time 202", "time 303"}));
}

}  // namespace
}  // namespace tidewheel
