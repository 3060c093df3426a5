// Reads a split's bytes into chunks, and waits for, or goes over to, what is written later when the
// file is followed.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "tidewheel/base/file_system.h"
#include "tidewheel/connectors/file/input_stream.h"
#include "tidewheel/connectors/file/splits.h"
#include "tidewheel/operators/byte_chunks.h"

namespace tidewheel::file {

// Blocks. One thread at a time.
class FileBytes {
 public:
  enum class More : uint8_t {
    kBytes,     // some were added
    kEnd,       // there are no more, and never will be
    kWait,      // the file may grow
    kReplaced,  // another file has its name, or it was emptied: finish the old one, then `reopen`
  };
  // Reads `path` from `offset` on.
  static Result<FileBytes> open(FileSystem& files, const std::string& path, int64_t offset,
                                const ReadOptions& options);
  Result<More> read_more(ByteChunks& chunks);
  // From the start of what has the name now.
  Status reopen(ByteChunks& chunks);

 private:
  FileBytes(FileSystem& files, std::string path, const ReadOptions& options)
      : files_(&files),
        path_(std::move(path)),
        compression_(options.compression),
        follow_(options.follow) {}
  Status open_at(int64_t offset);
  Result<More> look_at_end(int64_t offset);

  FileSystem* files_;
  std::string path_;
  Compression compression_;
  bool follow_;
  std::unique_ptr<InputStream> stream_;
  uint64_t file_id_ = 0;  // when followed
};

}  // namespace tidewheel::file
