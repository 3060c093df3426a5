// The lines of one split of a file.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "tidewheel/connectors/file/file_bytes.h"
#include "tidewheel/connectors/file/splits.h"
#include "tidewheel/operators/byte_chunks.h"

namespace tidewheel::file {

// Blocks. One thread at a time.
class LineReader {
 public:
  enum class Next : uint8_t { kLine, kEnd, kWait, kFailed };

  // Goes on from split.next.
  static Result<std::unique_ptr<LineReader>> open(FileSystem& files, const FileSplit& split,
                                                  const ReadOptions& options);
  // The next line, without "\n" or "\r\n"; it lies in chunk().
  Next next(std::string_view& line);
  const ArenaRef& chunk() const { return cutter_.chunks().chunk(); }
  // Where the line after the last one begins.
  int64_t offset() const { return cutter_.chunks().offset(); }
  // After kFailed. Errors: of the file; kRecordMalformed for a line that is too long.
  const Status& status() const { return status_; }

 private:
  LineReader(FileBytes bytes, const FileSplit& split, const ReadOptions& options);
  Next after_end(std::string_view& line);
  Next fail(Status status);

  FileBytes bytes_;
  const FileSplit split_;
  LineCutter cutter_;
  const int64_t bytes_max_;
  bool in_line_of_before_ = false;  // the line at hand began in the split before
  bool replaced_ = false;           // finish what is there, then reopen
  Status status_;
};

}  // namespace tidewheel::file
