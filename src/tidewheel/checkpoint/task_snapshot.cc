#include "tidewheel/checkpoint/task_snapshot.h"

#include <utility>

#include "tidewheel/state/segment.h"

namespace tidewheel {

SegmentPlace SegmentPlace::of(SegmentImage image) {
  SegmentPlace place;
  place.index_offset = image.index_offset;
  place.index_bytes = image.bytes.size() - image.index_offset;
  place.checksum = image.index_checksum;
  place.length = image.bytes.size();
  place.inline_bytes = std::move(image.bytes);
  return place;
}

uint64_t SegmentRef::stored_bytes() const {
  uint64_t bytes = place.length;
  for (const SnapshotFile& file : files) { bytes += file.bytes; }
  return bytes;
}

}  // namespace tidewheel
