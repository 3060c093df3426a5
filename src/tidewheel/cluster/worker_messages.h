// What the job's master and its workers say to each other (worker.proto), to and from the engine's
// own types.
#pragma once
#include <cstdint>

#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/coordinator.h"
#include "tidewheel/checkpoint/plan.h"
#include "tidewheel/checkpoint/task_snapshot.h"

namespace tidewheel {

class Clock;          // base/clock.h
struct ChainedGraph;  // dataflow/chaining.h

namespace pb {
class PlanMessage;    // cluster/worker.proto
class SnapshotTaken;  // the same
class StatusMessage;  // the same
class TaskName;       // the same
}  // namespace pb

// What a task's sinks hand over for their commit, and what workers are told of it: in one message
// each, whose limit (rpc/endpoint.h) is above that.
inline constexpr uint64_t kHandOverBytesMax = uint64_t{192} << 20;

void to_message(const Status& status, pb::StatusMessage& message);
// Of an id that this version does not know: kInternal, with the text.
Status from_message(const pb::StatusMessage& message);

void to_message(TaskId task, pb::TaskName& message);
TaskId from_message(const pb::TaskName& message);

// Times of one machine's monotonic clock mean nothing on another: the plan's age travels.
void to_message(const CheckpointPlan& plan, const Clock& clock, pb::PlanMessage& message);
// Errors: kRpcMessage.
Result<CheckpointPlanRef> from_message(const pb::PlanMessage& message, const Clock& clock);

void to_message(const TaskSnapshot& snapshot, pb::SnapshotTaken& message);
// Errors: kRpcMessage, kSnapshotFormat.
Result<TaskSnapshot> from_message(TaskId task, const pb::SnapshotTaken& message);

// Of what must be the same in all processes of a job: vertices with their operators, parallelism
// and slots, and edges.
uint64_t graph_fingerprint(const ChainedGraph& chained);

}  // namespace tidewheel
