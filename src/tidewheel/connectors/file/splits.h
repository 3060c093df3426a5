// Which files a source reads, and in which pieces.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/connectors/file/input_stream.h"
#include "tidewheel/types/time.h"

namespace tidewheel {
class FileSystem;  // base/file_system.h
}

namespace tidewheel::file {

struct ReadOptions {
  bool recursive = true;       // folders within a folder are read too
  Duration watch_every{0};     // > 0: unbounded; new files are looked for so often
  bool follow = false;         // unbounded; waits for a file to grow, as `tail -F` does
  Duration follow_every{200};  // how often a followed file is looked at, when all of it was read
  Compression compression = Compression::kByName;
  int64_t split_bytes = int64_t{64} << 20;  // larger files are read in pieces of so many; 0: whole
  int64_t record_bytes_max = int64_t{16} << 20;  // a longer line or record fails the job

  bool is_bounded() const { return to_ms(watch_every) <= 0 && !follow; }
  // Errors: kConnectorOption.
  [[nodiscard]] Status validate() const;
};

inline constexpr int64_t kToTheEnd = INT64_MAX;

// A piece of a file: the records that begin in [begin, end), counted in decompressed bytes.
struct FileSplit {
  std::string path;
  int64_t begin = 0;
  int64_t end = kToTheEnd;
  int64_t next = 0;  // where the next record begins
  int64_t line = 1;  // at which line that is, where lines are counted

  // What tells this split from others of the source.
  std::string id() const { return path + '@' + std::to_string(begin); }
};

// The splits of the files, and of those in the folders, that `paths` name; sorted by path. Names
// that begin with '.' or '_' within a folder are hidden: left out. `may_split`: whether a record
// can be found from the middle of a file. `first`: a path that does not exist is an error; later it
// may have gone.
Result<std::vector<FileSplit>> find_splits(FileSystem& files, const std::vector<std::string>& paths,
                                           const ReadOptions& options, bool may_split, bool first);

}  // namespace tidewheel::file
