// Segments in files, read as they are needed.
#pragma once
#include <memory>
#include <string>

#include "tidewheel/base/file_system.h"
#include "tidewheel/checkpoint/task_snapshot.h"
#include "tidewheel/state/segment.h"

namespace tidewheel {

// The bytes of a segment at `place`, whose file is `path`. Nothing is read yet.
std::shared_ptr<const SegmentBytes> open_file_segment(FileSystem& files, std::string path,
                                                      const SegmentPlace& place);

}  // namespace tidewheel
