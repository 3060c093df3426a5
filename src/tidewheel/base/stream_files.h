// The files that this process's output and error streams go to, kept at a size: one that has become
// too large is renamed to NAME.1, what was NAME.1 to NAME.2, and another NAME is begun.
#pragma once
#include <cstdint>

namespace tidewheel {

struct StreamFileLimits {
  int64_t bytes_max = 0;   // 0: no limit
  int32_t files_max = 10;  // older ones that are kept; at least 1
};

// From now on, for the files that the streams go to now. Streams that go to no file are left alone.
void limit_stream_files(const StreamFileLimits& limits);

// Puts files away that are too large, and goes over to the new file where another process has put
// this one away. Several processes may share a file, and several threads call this at a time. Some
// system calls, no more. Failures leave things as they are: they have nowhere to go.
void look_after_stream_files();

}  // namespace tidewheel
