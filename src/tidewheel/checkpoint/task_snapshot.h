// What a task hands over when it has taken part in a checkpoint: references to the segments that it
// has written, and figures.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tidewheel/state/snapshot.h"

namespace tidewheel {
struct SegmentImage;  // state/segment.h

// Where the bytes of a segment are. Its blocks may stand anywhere before its index, which says
// where.
struct SegmentPlace {
  // A name without '/' is that of a file in the snapshot's own folder; "shared/<name>" is below the
  // folder of the job's checkpoints. Empty: `inline_bytes` has blocks and index.
  std::string file;
  uint64_t file_bytes = 0;  // the size of that file
  std::string inline_bytes;
  uint64_t index_offset = 0;
  uint64_t index_bytes = 0;
  uint64_t checksum = 0;  // XXH3-64 of the index; blocks have their own
  uint64_t length = 0;    // of all that is stored: blocks and index

  // That of a segment which the reference itself has.
  static SegmentPlace of(SegmentImage image);
};

// A segment as a manifest knows it: one state of one subtask, for a range of key groups.
struct SegmentRef {
  StateMeta meta;
  StateContent content = StateContent::kAll;
  int64_t base_checkpoint = 0;  // of kChanges: what they are changes to
  KeyGroupRange groups;         // those that it speaks of; {0, 0} when it is not keyed
  // Of kChanges: the groups that it has whole, so that older layers are not needed for them.
  std::vector<KeyGroupRange> whole_groups;
  uint64_t entries = 0;
  uint64_t erased = 0;     // units
  uint64_t raw_bytes = 0;  // before compression
  SegmentPlace place;
  // Files in a state backend's own format; their paths are as SegmentPlace::file.
  std::vector<SnapshotFile> files;

  uint64_t stored_bytes() const;  // of the segment and its files
};

// Of one operator in one subtask.
struct OperatorSnapshot {
  std::string uid;
  std::string name;
  int32_t subtask = 0;
  int32_t parallelism = 1;
  int32_t max_parallelism = 1;
  bool end_of_data = false;  // as in TaskSnapshot; filled in by the coordinator
  std::vector<SegmentRef> segments;
  std::map<std::string, int64_t> accumulators;
};

// How long it took, and how much it was.
struct TaskSnapshotFigures {
  int64_t start_delay_ns = 0;  // from the trigger to the first barrier
  int64_t alignment_ns = 0;    // from the first barrier to the last
  int64_t sync_ns = 0;         // the task stood still for this long
  int64_t async_ns = 0;        // from then until all was written
  uint64_t bytes_written = 0;
  uint64_t bytes_in_flight = 0;  // of overtaken elements, that were written
  bool unaligned = false;
};

// The task's acknowledgement.
struct TaskSnapshot {
  int64_t checkpoint = 0;
  int32_t vertex = 0;
  int32_t subtask = 0;
  bool end_of_data = false;  // all input was taken before the barrier: nothing is to be run again
  std::vector<OperatorSnapshot> operators;
  TaskSnapshotFigures figures;
};

}  // namespace tidewheel
