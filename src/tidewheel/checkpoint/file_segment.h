// Segments in files, read as they are needed.
#pragma once
#include <memory>
#include <string>

#include "tidewheel/base/file_system.h"
#include "tidewheel/checkpoint/task_snapshot.h"
#include "tidewheel/state/local_copy.h"
#include "tidewheel/state/segment.h"

namespace tidewheel {

// The bytes of a segment at `place`, whose file is `path`; they are read from `copy` for as long as
// that is as it should be (null: there is none). Nothing is read yet.
std::shared_ptr<const SegmentBytes> open_file_segment(FileSystem& files, std::string path,
                                                      const SegmentPlace& place,
                                                      std::shared_ptr<const LocalCopy> copy);

}  // namespace tidewheel
