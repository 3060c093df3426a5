#include "tidewheel/operators/sink_operator.h"

#include "tidewheel/state/snapshot.h"

namespace tidewheel {

namespace {
constexpr char kPendingState[] = "pending commits";
}

Status SinkOperatorBase::open_base(OperatorContext& context) {
  context_ = &context;
  // What was restored belongs to a checkpoint that completed: it is committed before anything else.
  for (const auto& [checkpoint, bytes] : pending_) {
    TIDEWHEEL_RETURN_IF_ERROR(commit(bytes).with_context(
        "sink '{}' (uid {}), committing what the checkpoint had prepared", context.name(),
        context.uid()));
  }
  pending_.clear();
  return {};
}

void SinkOperatorBase::fail_unless_ok(const Status& status, std::string_view call) {
  if (!status.ok()) { throw_user_failure(*context_, call, status, ""); }
}

void SinkOperatorBase::commit_up_to(int64_t checkpoint) {
  const auto end = pending_.upper_bound(checkpoint);
  for (auto it = pending_.begin(); it != end; it = pending_.erase(it)) {
    fail_unless_ok(commit(it->second), "commit");
  }
}

// No checkpoint follows a bounded run without checkpoints: what was written becomes visible here.
Progress SinkOperatorBase::on_end_of_input(int32_t) {
  fail_unless_ok(flush_writer(), "flush");
  if (commits()) {
    Result<std::vector<std::string>> prepared = prepare(next_checkpoint_);
    fail_unless_ok(prepared.status(), "prepare");
    for (std::string& bytes : *prepared) { pending_.emplace(next_checkpoint_, std::move(bytes)); }
    commit_up_to(next_checkpoint_++);
  }
  return Progress::kDone;
}

Progress SinkOperatorBase::snapshot(SnapshotWriter& writer) {
  if (!writer.ready()) { return Progress::kBlocked; }
  fail_unless_ok(flush_writer(), "flush");
  if (!commits()) { return Progress::kDone; }
  Result<std::vector<std::string>> prepared = prepare(next_checkpoint_);
  fail_unless_ok(prepared.status(), "prepare");
  for (std::string& bytes : *prepared) { pending_.emplace(next_checkpoint_, std::move(bytes)); }
  ++next_checkpoint_;
  writer.begin_state({kPendingState, StateKind::kSplitList, "list", {}, {}, {}});
  for (const auto& [checkpoint, bytes] : pending_) { writer.add({0, {}, {}, bytes}); }
  return Progress::kDone;
}

Status SinkOperatorBase::restore(SnapshotReader& reader) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(kPendingState));
  StateEntry entry;
  while (true) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool found, entries->next(entry));
    if (!found) { return {}; }
    pending_.emplace(0, std::string(entry.value));
  }
}

void SinkOperatorBase::on_checkpoint_complete(int64_t checkpoint) { commit_up_to(checkpoint); }

}  // namespace tidewheel
