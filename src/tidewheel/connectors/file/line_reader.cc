#include "tidewheel/connectors/file/line_reader.h"

#include <utility>

namespace tidewheel::file {
namespace {

constexpr size_t kLineChunkBytes = 256 * 1024;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// Where to begin to read. In the middle of a file the byte before the split is looked at too: when
// it ends a line, the split begins with a line of its own.
bool begins_within_a_line(const FileSplit& split) {
  return split.begin > 0 && split.next <= split.begin;
}
int64_t first_offset(const FileSplit& split) {
  return begins_within_a_line(split) ? split.begin - 1 : split.next;
}

}  // namespace

Result<std::unique_ptr<LineReader>> LineReader::open(FileSystem& files, const FileSplit& split,
                                                     const ReadOptions& options) {
  TIDEWHEEL_ASSIGN_OR_RETURN(FileBytes bytes,
                             FileBytes::open(files, split.path, first_offset(split), options));
  return std::unique_ptr<LineReader>(new LineReader(std::move(bytes), split, options));
}

LineReader::LineReader(FileBytes bytes, const FileSplit& split, const ReadOptions& options)
    : bytes_(std::move(bytes)),
      split_(split),
      cutter_({.bytes_max = options.record_bytes_max}, kLineChunkBytes),
      bytes_max_(options.record_bytes_max),
      in_line_of_before_(begins_within_a_line(split)) {
  cutter_.restart(first_offset(split));
}

LineReader::Next LineReader::next(std::string_view& line) {
  while (true) {
    const int64_t begin = offset();
    if (!in_line_of_before_ && begin >= split_.end) { return Next::kEnd; }
    switch (cutter_.next(line)) {
      case LineCutter::Next::kLine:
        if (in_line_of_before_) {
          in_line_of_before_ = false;
          continue;
        }
        if (begin == 0 && line.starts_with(kByteOrderMark)) {
          line.remove_prefix(kByteOrderMark.size());
        }
        return Next::kLine;
      case LineCutter::Next::kTooLong:
        return fail(invalid_argument(
            ErrorId::kRecordMalformed,
            "a line is longer than record_bytes_max, {} bytes: {} at byte {}; raise the option if "
            "such lines are meant",
            bytes_max_, split_.path, begin));
      case LineCutter::Next::kNeedsBytes: break;
    }
    if (!replaced_) {
      const Result<FileBytes::More> more = bytes_.read_more(cutter_.chunks());
      if (!more.ok()) { return fail(more.status()); }
      if (*more == FileBytes::More::kBytes) { continue; }
      if (*more == FileBytes::More::kWait) { return Next::kWait; }
      replaced_ = *more == FileBytes::More::kReplaced;
    }
    const Next end = after_end(line);
    if (end != Next::kWait) { return end; }
  }
}

// There are no more bytes: gives what is behind the last line feed, then goes over to the file that
// has replaced this one. kWait: it did, read on.
LineReader::Next LineReader::after_end(std::string_view& line) {
  if (in_line_of_before_) { return Next::kEnd; }
  if (cutter_.take_rest(line)) { return Next::kLine; }
  if (!replaced_) { return Next::kEnd; }
  replaced_ = false;
  Status status = bytes_.reopen(cutter_.chunks());
  if (!status.ok()) { return fail(std::move(status)); }
  cutter_.restart(0);
  return Next::kWait;
}

LineReader::Next LineReader::fail(Status status) {
  status_ = std::move(status);
  return Next::kFailed;
}

}  // namespace tidewheel::file
