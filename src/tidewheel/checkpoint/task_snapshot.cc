#include "tidewheel/checkpoint/task_snapshot.h"

namespace tidewheel {

uint64_t SegmentRef::stored_bytes() const {
  uint64_t bytes = place.length;
  for (const SnapshotFile& file : files) { bytes += file.bytes; }
  return bytes;
}

}  // namespace tidewheel
