// The manifest of a snapshot: everything that is needed to go on from it. On disk it is the file
// `_metadata`, a Protobuf message in an envelope with version and checksum
// (docs/design/0002-snapshot-format.md).
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/plan.h"
#include "tidewheel/checkpoint/task_snapshot.h"

namespace tidewheel {

// One operator over all its subtasks.
struct ManifestOperator {
  std::string uid;
  std::string name;
  int32_t parallelism = 1;
  int32_t max_parallelism = 1;
  bool finished = false;          // every subtask had taken all its input
  std::string coordinator_state;  // of its OperatorCoordinator; empty: it has none
  // By subtask. A state's segments are in the order in which they were written: one that is whole,
  // then those that hold changes to it.
  std::vector<OperatorSnapshot> subtasks;
};

struct Manifest {
  int64_t checkpoint = 0;
  SnapshotKind kind = SnapshotKind::kCheckpoint;
  std::string job_id;  // 32 hex digits
  std::string job_name;
  int64_t trigger_wall_ms = 0;
  int64_t complete_wall_ms = 0;
  std::string written_by;  // version of the engine
  std::vector<ManifestOperator> operators;

  const ManifestOperator* find(std::string_view uid) const;
  uint64_t size_bytes() const;  // of all segments
};

std::string encode_manifest(const Manifest& manifest);
// Errors: kSnapshotFormat (also for a newer version, which is named), kSnapshotChecksum.
Result<Manifest> decode_manifest(std::string_view bytes);

}  // namespace tidewheel
