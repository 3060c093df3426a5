#include "tidewheel/cluster/worker_messages.h"

#include <string>
#include <utility>

#include "tidewheel/base/clock.h"
#include "tidewheel/checkpoint/manifest.h"
#include "tidewheel/cluster/worker.pb.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/types/hash.h"

namespace tidewheel {
namespace {

// A checkpoint that is older is none.
constexpr int64_t kAgeNsMax = int64_t{1} << 60;

Status bad_message(std::string_view what) {
  return data_loss(ErrorId::kRpcMessage, "a message of a worker or its master: {}", what);
}

}  // namespace

void to_message(const Status& status, pb::StatusMessage& message) {
  message.set_code(static_cast<uint32_t>(status.code()));
  if (status.ok()) { return; }
  message.set_id(static_cast<uint32_t>(status.id()));
  message.set_message(status.message());
}

Status from_message(const pb::StatusMessage& message) {
  if (message.code() == 0) { return ok_status(); }
  const auto id = static_cast<ErrorId>(message.id());
  const bool known = message.code() <= static_cast<uint32_t>(StatusCode::kInternal) &&
                     message.id() <= UINT16_MAX && error_name(id) != "unknown";
  if (known) { return Status(static_cast<StatusCode>(message.code()), id, message.message()); }
  return Status(StatusCode::kInternal, ErrorId::kInternal,
                fmt::format("error {} of another version: {}", message.id(), message.message()));
}

void to_message(TaskId task, pb::TaskName& message) {
  message.set_vertex(task.vertex);
  message.set_subtask(task.subtask);
}

TaskId from_message(const pb::TaskName& message) { return {message.vertex(), message.subtask()}; }

void to_message(const CheckpointPlan& plan, const Clock& clock, pb::PlanMessage& message) {
  message.set_id(plan.id);
  message.set_kind(static_cast<uint32_t>(plan.kind));
  message.set_after(static_cast<uint32_t>(plan.after));
  message.set_exactly_once(plan.exactly_once);
  message.set_unaligned_after_ns(plan.unaligned_after_ns);
  message.set_age_ns(clock.now_ns() - plan.trigger_ns);
  message.set_trigger_wall_ms(plan.trigger_wall_ms);
  message.set_base_checkpoint(plan.base_checkpoint);
  message.set_directory(plan.directory);
  message.set_is_mark(plan.is_mark);
  message.set_form(static_cast<uint32_t>(plan.form));
}

Result<CheckpointPlanRef> from_message(const pb::PlanMessage& message, const Clock& clock) {
  if (message.id() < 1 || message.kind() > static_cast<uint32_t>(SnapshotKind::kSavepoint) ||
      message.after() > static_cast<uint32_t>(AfterSavepoint::kDrain) || message.age_ns() < 0 ||
      message.age_ns() > kAgeNsMax || message.unaligned_after_ns() < 0 ||
      message.form() > static_cast<uint32_t>(SavepointForm::kNative)) {
    return bad_message("the plan of a checkpoint has values that can't be");
  }
  auto plan = std::make_shared<CheckpointPlan>();
  plan->id = message.id();
  plan->kind = static_cast<SnapshotKind>(message.kind());
  plan->after = static_cast<AfterSavepoint>(message.after());
  plan->exactly_once = message.exactly_once();
  plan->unaligned_after_ns = message.unaligned_after_ns();
  plan->trigger_ns = clock.now_ns() - message.age_ns();
  plan->trigger_wall_ms = message.trigger_wall_ms();
  plan->base_checkpoint = message.base_checkpoint();
  plan->directory = message.directory();
  plan->is_mark = message.is_mark();
  plan->form = static_cast<SavepointForm>(message.form());
  return CheckpointPlanRef(std::move(plan));
}

// Operators travel as the manifest that they will be part of.
void to_message(const TaskSnapshot& snapshot, pb::SnapshotTaken& message) {
  Manifest manifest;
  manifest.checkpoint = snapshot.checkpoint;
  for (const OperatorSnapshot& op : snapshot.operators) {
    ManifestOperator& entry = manifest.operators.emplace_back();
    entry.uid = op.uid;
    entry.name = op.name;
    entry.parallelism = op.parallelism;
    entry.max_parallelism = op.max_parallelism;
    entry.subtasks.push_back(op);
  }
  message.set_checkpoint(snapshot.checkpoint);
  message.set_end_of_data(snapshot.end_of_data);
  message.set_operators(encode_manifest(manifest));
  const TaskSnapshotFigures& figures = snapshot.figures;
  message.set_start_delay_ns(figures.start_delay_ns);
  message.set_alignment_ns(figures.alignment_ns);
  message.set_sync_ns(figures.sync_ns);
  message.set_async_ns(figures.async_ns);
  message.set_bytes_written(figures.bytes_written);
  message.set_bytes_in_flight(figures.bytes_in_flight);
  message.set_unaligned(figures.unaligned);
}

Result<TaskSnapshot> from_message(TaskId task, const pb::SnapshotTaken& message) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Manifest manifest, decode_manifest(message.operators()));
  TaskSnapshot snapshot;
  snapshot.checkpoint = message.checkpoint();
  snapshot.vertex = task.vertex;
  snapshot.subtask = task.subtask;
  snapshot.end_of_data = message.end_of_data();
  for (ManifestOperator& op : manifest.operators) {
    if (op.subtasks.size() != 1) { return bad_message("an operator's state is not there once"); }
    snapshot.operators.push_back(std::move(op.subtasks.front()));
  }
  TaskSnapshotFigures& figures = snapshot.figures;
  figures.start_delay_ns = message.start_delay_ns();
  figures.alignment_ns = message.alignment_ns();
  figures.sync_ns = message.sync_ns();
  figures.async_ns = message.async_ns();
  figures.bytes_written = message.bytes_written();
  figures.bytes_in_flight = message.bytes_in_flight();
  figures.unaligned = message.unaligned();
  return snapshot;
}

uint64_t graph_fingerprint(const ChainedGraph& chained) {
  std::string text;
  const auto add = [&text](auto value) { text += fmt::format("{};", value); };
  for (const ChainVertex& vertex : chained.vertices) {
    add(vertex.parallelism);
    add(vertex.slot_sharing_group);
    for (const int32_t node : vertex.nodes) {
      add(node);
      add(to_hex(chained.operator_ids[static_cast<size_t>(node)]));
      add(chained.graph.nodes[static_cast<size_t>(node)].uid);
    }
    text += '\n';
  }
  if (chained.exchanges_block) { text += "blocking\n"; }
  for (size_t i = 0; i < chained.graph.edges.size(); ++i) {
    const GraphEdge& edge = chained.graph.edges[i];
    for (const int32_t number : {edge.from, edge.from_output, edge.to, edge.to_input}) {
      add(number);
    }
    add(static_cast<int>(edge.kind));
    add(chained.edge_is_chained[i] ? 1 : 0);
    text += '\n';
  }
  return hash_bytes(text.data(), text.size());
}

}  // namespace tidewheel
