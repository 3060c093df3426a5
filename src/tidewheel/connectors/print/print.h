// Prints rows to the process's standard output or error stream, a line each:
// `stream.to(tw::print())`.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "tidewheel/base/file_system.h"
#include "tidewheel/operators/sink.h"
#include "tidewheel/types/print.h"

namespace tidewheel {

struct PrintOptions {
  std::string prefix = {};  // "prefix:2> row", "prefix> row" at parallelism 1
  bool to_standard_error = false;
};

// Writes whole lines: none is torn by another writer to the same stream, but for lines longer than
// what a pipe takes at once (4096 bytes). One subtask.
class LinePrinter {
 public:
  static Result<std::unique_ptr<LinePrinter>> open(SinkContext& context,
                                                   const PrintOptions& options);
  // Begins a line, and gives the buffer to append it to.
  std::string& begin_line() {
    buffer_ += prefix_;
    return buffer_;
  }
  Status end_line();
  Status flush();

 private:
  LinePrinter(std::unique_ptr<WritableFile> stream, std::string prefix)
      : stream_(std::move(stream)), prefix_(std::move(prefix)) {}

  const std::unique_ptr<WritableFile> stream_;
  const std::string prefix_;  // of every line: "2> "; empty at parallelism 1 without a name
  std::string buffer_;
  size_t whole_bytes_ = 0;  // of the buffer: the lines that are complete
};

template <class T>
class PrintSink {
 public:
  using input = T;
  explicit PrintSink(PrintOptions options) : options_(std::move(options)) {}

  Status open(SinkContext& context) {
    TIDEWHEEL_ASSIGN_OR_RETURN(printer_, LinePrinter::open(context, options_));
    return ok_status();
  }
  Status write_rows(std::span<const T> rows, std::span<const int64_t>) {
    for (const T& row : rows) {
      print_to(printer_->begin_line(), row);
      TIDEWHEEL_RETURN_IF_ERROR(printer_->end_line());
    }
    return printer_->flush();
  }

 private:
  PrintOptions options_;
  std::shared_ptr<LinePrinter> printer_;  // of this copy, from `open` on
};

// For rows of any type.
struct Print {
  PrintOptions options;
  template <class T>
  PrintSink<T> bind() const {
    return PrintSink<T>(options);
  }
};
inline Print print(PrintOptions options = {}) { return {std::move(options)}; }
inline Print print_to_standard_error(std::string prefix = {}) {
  return {{.prefix = std::move(prefix), .to_standard_error = true}};
}

}  // namespace tidewheel
