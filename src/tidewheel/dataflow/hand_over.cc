#include "tidewheel/dataflow/hand_over.h"

#include <utility>

#include "tidewheel/dataflow/task.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {
namespace {

Result<SegmentRef> describe(const SnapshotSegment& segment) {
  TIDEWHEEL_ASSIGN_OR_RETURN(SegmentImage image, make_image(segment, BlockCodec::kNone));
  SegmentRef ref;
  ref.meta = segment.meta;
  ref.groups = segment.groups;
  ref.entries = segment.entries;
  ref.raw_bytes = segment.size_bytes;
  ref.place = SegmentPlace::of(std::move(image));
  return ref;
}

}  // namespace

struct HandOver::Sink {
  explicit Sink(ChainedOperator& the_op) : op(the_op), writer(the_op.place()) {}
  ChainedOperator& op;
  SegmentWriter writer;
  bool is_written = false;
};

HandOver::HandOver(Task& task) : task_(task) {
  for (const auto& op : task.operators()) {
    if (!op->op()->outputs().empty()) { continue; }
    sinks_.push_back(std::make_unique<Sink>(*op));
    op->call_begin_snapshot({kCheckpoint, 0});
  }
}

HandOver::~HandOver() = default;

Result<std::optional<TaskSnapshot>> HandOver::advance() {
  for (const auto& sink : sinks_) {
    if (sink->is_written) { continue; }
    if (sink->op.call_snapshot(sink->writer) == Progress::kBlocked) {
      return std::optional<TaskSnapshot>();
    }
    sink->is_written = true;
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(TaskSnapshot snapshot, finish());
  return std::optional(std::move(snapshot));
}

Result<TaskSnapshot> HandOver::finish() {
  TaskSnapshot snapshot;
  snapshot.checkpoint = kCheckpoint;
  snapshot.vertex = task_.spec().vertex;
  snapshot.subtask = task_.spec().subtask;
  snapshot.end_of_data = true;
  for (const auto& op : task_.operators()) { snapshot.operators.push_back(op->describe()); }
  uint64_t bytes = 0;
  for (const auto& sink : sinks_) {
    for (const SnapshotSegmentRef& segment : sink->writer.finish()) {
      if (segment->entries == 0) { continue; }
      TIDEWHEEL_ASSIGN_OR_RETURN(SegmentRef ref, describe(*segment));
      bytes += ref.place.length;
      for (OperatorSnapshot& op : snapshot.operators) {
        if (op.uid == sink->op.spec().uid) { op.segments.push_back(std::move(ref)); }
      }
    }
  }
  if (bytes > task_.spec().hand_over_bytes_max) {
    return resource_exhausted(
        ErrorId::kRpcMessage,
        "the sinks of '{}' hand over {} bytes for their commit, and a task can't hand over more "
        "than {}: give the job a larger parallelism",
        task_.spec().vertex_name, bytes, task_.spec().hand_over_bytes_max);
  }
  return snapshot;
}

}  // namespace tidewheel
