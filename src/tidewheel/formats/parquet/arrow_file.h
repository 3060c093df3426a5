// The engine's files as Arrow sees them, and Arrow's errors as the engine's.
#pragma once
#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <memory>
#include <string>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/status.h"

namespace tidewheel::parquet_format {

// An error of Arrow about a file that is read.
Status status_of(const arrow::Status& status);

// Calls `f`, which may throw what Parquet's library throws; then that is the answer.
template <class F>
auto caught(F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (const std::exception& error) {
    return invalid_argument(ErrorId::kRecordMalformed, "Parquet: {}", error.what());
  }
}

// One thread at a time.
std::shared_ptr<arrow::io::RandomAccessFile> readable(std::unique_ptr<ReadableFile> file,
                                                      int64_t size_bytes);

// Collects what is written until somebody takes it.
class Collected final : public arrow::io::OutputStream {
 public:
  using arrow::io::OutputStream::Write;
  arrow::Status Write(const void* data, int64_t bytes) override;
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Close() override;
  bool closed() const override { return closed_; }
  void move_to(std::string& out);

 private:
  std::string bytes_;
  int64_t position_ = 0;
  bool closed_ = false;
};

}  // namespace tidewheel::parquet_format
