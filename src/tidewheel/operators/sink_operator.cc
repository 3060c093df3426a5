#include "tidewheel/operators/sink_operator.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "tidewheel/base/executor.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/mutant.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {
namespace {

// What is prepared and not yet committed.
template <class Pending, class Committing>
void note_pending(OperatorContext& context, const Pending& pending, const Committing& committing) {
  size_t count = committing.size();
  for (const auto& [checkpoint, all] : pending) { count += all.size(); }
  context.metrics().gauge("pendingCommittables").set(static_cast<int64_t>(count));
}

}  // namespace

Status SinkOperatorBase::open_base(OperatorContext& context, Encoded restored) {
  context_ = &context;
  if (traits_.commits) {
    committed_count_ = &context.metrics().counter("successfulCommittables");
    failed_count_ = &context.metrics().counter("failedCommittables");
    context.metrics().counter("retriedCommittables").add(static_cast<int64_t>(restored.size()));
    note_pending(context, pending_, committing_);
  }
  if (traits_.has_timer) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t next_ms, tell_time(context.clock().wall_ms()));
    ask_for_time(next_ms);
  }
  if (restored.empty()) { return {}; }
  // It belongs to a checkpoint that was complete: it is committed before anything else is.
  TIDEWHEEL_MARK("sink.commits_what_was_restored");
  if (commits_on_pool_) {
    commit(std::move(restored));
    return {};
  }
  const size_t count = restored.size();
  TIDEWHEEL_RETURN_IF_ERROR(committer()(restored).with_context(
      "sink '{}' (uid {}), committing what the checkpoint had prepared", context.name(),
      context.uid()));
  count_committed(count);
  return {};
}

void SinkOperatorBase::close_base() { gate_->close(); }

void SinkOperatorBase::fail_unless_ok(const Status& status, std::string_view call) {
  if (!status.ok()) { throw_user_failure(*context_, call, status, ""); }
}

void SinkOperatorBase::ask_for_time(int64_t wall_ms) {
  if (wall_ms != Clock::kNever) { context_->wake_at_wall_ms(wall_ms); }
}

Progress SinkOperatorBase::on_processing_time(int64_t) {
  if (!traits_.has_timer || input_ended_) { return Progress::kDone; }
  const Result<int64_t> next_ms = tell_time(context_->clock().wall_ms());
  fail_unless_ok(next_ms.status(), "on_time");
  ask_for_time(*next_ms);
  return Progress::kDone;
}

// ---- Preparing ----

void SinkOperatorBase::prepare_for(int64_t checkpoint) {
  newest_begun_ = std::max(newest_begun_, checkpoint);
  Result<std::function<Result<Encoded>()>> job = prepare(checkpoint);
  fail_unless_ok(job.status(), "prepare");
  ++preparing_;
  Call call{false, checkpoint, std::move(*job)};
  if (commits_on_pool_) {
    start_call(std::move(call));
  } else {
    Result<Encoded> prepared = call.run();
    settle_call(call, std::move(prepared));
  }
}

// Without a checkpoint to follow, what was written becomes visible here; else the last checkpoint
// holds it, as every other.
Progress SinkOperatorBase::on_end_of_input(int32_t) {
  waits_ = false;
  if (!input_ended_) {
    input_ended_ = true;
    fail_unless_ok(end_writer(), "end_of_input");
    fail_unless_ok(flush_writer(), "flush");
    if (traits_.commits && !context_->takes_final_checkpoint()) {
      complete_ = newest_begun_ + 1;
      prepare_for(complete_);
      commit_up_to(complete_);
    }
  }
  take_outcome();
  if (context_->takes_final_checkpoint() || calls_are_done()) { return Progress::kDone; }
  waits_ = true;
  return Progress::kBlocked;
}

Progress SinkOperatorBase::on_epoch(int64_t epoch) {
  fail_unless_ok(flush_epoch(epoch), "flush_epoch");
  return Progress::kDone;
}

void SinkOperatorBase::begin_snapshot(const SnapshotStart& start) {
  fail_unless_ok(flush_writer(), "flush");
  if (!traits_.commits) { return; }
  prepare_for(start.checkpoint);
  if (traits_.has_state) {
    Result<Encoded> state = writer_state(start.checkpoint);
    fail_unless_ok(state.status(), "snapshot_state");
    frozen_state_ = std::move(*state);
  }
}

Progress SinkOperatorBase::snapshot(SnapshotWriter& writer) {
  if (!traits_.commits) { return Progress::kDone; }
  take_outcome();
  if (preparing_ > 0 || !writer.ready()) { return Progress::kBlocked; }
  const StateKind kind = traits_.recovers ? StateKind::kUnionList : StateKind::kSplitList;
  SavedRecordWriter pending(writer, kPendingState, kind, *traits_.pending_schema,
                            context_->subtask_index(), context_->parallelism());
  for (const std::string& bytes : committing_) { pending.add(bytes); }
  for (const auto& [checkpoint, all] : pending_) {
    for (const std::string& bytes : all) { pending.add(bytes); }
  }
  if (!traits_.has_state) { return Progress::kDone; }
  SavedRecordWriter states(writer, kWriterState, kind, *traits_.state_schema,
                           context_->subtask_index(), context_->parallelism());
  for (const std::string& bytes : frozen_state_) { states.add(bytes); }
  return Progress::kDone;
}

// ---- Committing ----

void SinkOperatorBase::on_checkpoint_complete(int64_t checkpoint) {
  complete_ = std::max(complete_, checkpoint);
  take_outcome();
  commit_up_to(complete_);
}

void SinkOperatorBase::commit_up_to(int64_t checkpoint) {
  Encoded due;
  const auto end = pending_.upper_bound(checkpoint);
  for (auto it = pending_.begin(); it != end; it = pending_.erase(it)) {
    std::move(it->second.begin(), it->second.end(), std::back_inserter(due));
  }
  if (!due.empty()) { commit(std::move(due)); }
}

void SinkOperatorBase::commit(Encoded pending) {
  committing_.insert(committing_.end(), pending.begin(), pending.end());
  const size_t count = pending.size();
  auto run = [count, commit_all = committer(), all = std::move(pending)]() -> Result<Encoded> {
    if (TIDEWHEEL_FAULT("sink.commit_fails")) {
      return unavailable(ErrorId::kFileIo, "a fault of the test: commit");
    }
    TIDEWHEEL_RETURN_IF_ERROR(commit_all(all));
    if (TIDEWHEEL_FAULT("sink.commit_succeeds_but_says_no")) {
      return unavailable(ErrorId::kFileIo, "a fault of the test: commit, after it was done");
    }
    return Encoded(count);
  };
  Call call{true, 0, std::move(run)};
  if (commits_on_pool_) {
    start_call(std::move(call));
  } else {
    Result<Encoded> done = call.run();
    settle_call(call, std::move(done));
  }
}

void SinkOperatorBase::count_committed(size_t count) {
  committed_count_->add(static_cast<int64_t>(count));
}

// Nobody needs what was prepared for the checkpoint: unless a later snapshot was begun, no snapshot
// that may yet be complete holds it. Sinks that do not take their rows back commit it with the next
// checkpoint.
void SinkOperatorBase::on_checkpoint_aborted(int64_t checkpoint) {
  take_outcome();
  if (failed_ == 0) { failed_ = checkpoint; }
  const auto prepared = pending_.find(checkpoint);
  if (!traits_.aborts || checkpoint != newest_begun_ || prepared == pending_.end()) { return; }
  TIDEWHEEL_MARK("sink.takes_rows_back");
  const Encoded all = std::move(prepared->second);
  pending_.erase(prepared);
  for (const std::string& bytes : all) { fail_unless_ok(abort(bytes), "abort"); }
  note_pending(*context_, pending_, committing_);
}

bool SinkOperatorBase::may_end() {
  take_outcome();
  return calls_are_done();
}

// ---- Calls on the blocking pool, one at a time ----

void SinkOperatorBase::start_call(Call call) {
  calls_.push_back(std::move(call));
  if (calls_.size() == 1) { run_next_call(); }
}

void SinkOperatorBase::run_next_call() {
  outcome_ = std::make_shared<Outcome>();
  context_->executor().run_blocking([gate = gate_, context = context_, outcome = outcome_,
                                     run = calls_.front().run] {
    // What was not begun when the operator was closed is not begun any more: whoever comes
    // after it may be at work in the same place.
    if (!gate->enter()) { return; }
    gate->leave();
    try {
      outcome->result = run();
    } catch (const std::exception& exception) {
      outcome->result = Result<Encoded>(
          user_error(ErrorId::kUserCodeThrew, "the sink threw: {}", exception.what()));
    } catch (...) {
      outcome->result =
          Result<Encoded>(user_error(ErrorId::kUserCodeThrew, "the sink threw something unknown"));
    }
    outcome->done.store(true, std::memory_order_release);
    if (!gate->enter()) { return; }
    context->wake();
    gate->leave();
  });
}

void SinkOperatorBase::take_outcome() {
  while (outcome_ != nullptr && outcome_->done.load(std::memory_order_acquire)) {
    const std::shared_ptr<Outcome> outcome = std::exchange(outcome_, nullptr);
    const Call call = std::move(calls_.front());
    calls_.pop_front();
    if (!calls_.empty()) { run_next_call(); }
    settle_call(call, std::move(*outcome->result));
  }
}

void SinkOperatorBase::settle_call(const Call& call, Result<Encoded> result) {
  if (call.commits) {
    if (!result.ok()) { failed_count_->add(1); }
    fail_unless_ok(result.status(), "commit");
    const auto count = static_cast<std::ptrdiff_t>(result->size());
    committing_.erase(committing_.begin(), committing_.begin() + count);
    count_committed(result->size());
    return note_pending(*context_, pending_, committing_);
  }
  --preparing_;
  fail_unless_ok(result.status(), "prepare");
  if (TIDEWHEEL_FAULT("sink.prepare_fails")) {
    fail_unless_ok(unavailable(ErrorId::kFileIo, "a fault of the test: prepare"), "prepare");
  }
  // The known bug: what comes after a checkpoint that has failed is taken for a part of it.
  const bool mistaken = failed_ != 0 && TIDEWHEEL_MUTANT("rows_attributed_to_failed_checkpoint");
  Encoded& all = pending_[mistaken ? std::min(failed_, call.checkpoint) : call.checkpoint];
  std::move(result->begin(), result->end(), std::back_inserter(all));
  if (call.checkpoint <= complete_) { commit_up_to(complete_); }
  note_pending(*context_, pending_, committing_);
}

Progress SinkOperatorBase::on_wake() {
  take_outcome();
  return Progress::kDone;
}

std::optional<int64_t> SinkOperatorBase::waits_until_ns() const {
  return waits_ ? std::optional(Clock::kNever) : std::nullopt;
}

}  // namespace tidewheel
