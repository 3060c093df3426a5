#include "tidewheel/connectors/print/print.h"

namespace tidewheel {
namespace {

// POSIX: a write of at most so many bytes to a pipe is not mixed with others (PIPE_BUF on Linux).
constexpr size_t kAtomicBytes = 4096;

}  // namespace

Result<std::unique_ptr<LinePrinter>> LinePrinter::open(SinkContext& context,
                                                       const PrintOptions& options) {
  const std::string_view path = options.to_standard_error ? kStandardError : kStandardOutput;
  TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> stream,
                             context.files().open_write(std::string(path), WriteMode::kAppend));
  std::string prefix = options.prefix;
  if (context.parallelism() > 1) {
    if (!prefix.empty()) { prefix += ':'; }
    prefix += std::to_string(context.subtask_index() + 1);
  }
  if (!prefix.empty()) { prefix += "> "; }
  return std::unique_ptr<LinePrinter>(new LinePrinter(std::move(stream), std::move(prefix)));
}

Status LinePrinter::end_line() {
  buffer_ += '\n';
  if (buffer_.size() > kAtomicBytes && whole_bytes_ > 0) {  // the lines before this one
    TIDEWHEEL_RETURN_IF_ERROR(stream_->append(std::string_view(buffer_).substr(0, whole_bytes_)));
    buffer_.erase(0, whole_bytes_);
  }
  whole_bytes_ = buffer_.size();
  return ok_status();
}

Status LinePrinter::flush() {
  const Status status = buffer_.empty() ? ok_status() : stream_->append(buffer_);
  buffer_.clear();
  whole_bytes_ = 0;
  return status;
}

}  // namespace tidewheel
