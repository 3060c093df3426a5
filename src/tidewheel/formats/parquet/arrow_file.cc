#include "tidewheel/formats/parquet/arrow_file.h"

#include <arrow/buffer.h>

#include <algorithm>
#include <span>
#include <utility>

namespace tidewheel::parquet_format {
namespace {

class EngineFile final : public arrow::io::RandomAccessFile {
 public:
  EngineFile(std::unique_ptr<ReadableFile> file, int64_t size_bytes)
      : file_(std::move(file)), size_bytes_(size_bytes) {}

  arrow::Status Close() override {
    file_.reset();
    return arrow::Status::OK();
  }
  bool closed() const override { return file_ == nullptr; }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Status Seek(int64_t position) override {
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> GetSize() override { return size_bytes_; }

  arrow::Result<int64_t> ReadAt(int64_t position, int64_t bytes, void* out) override {
    if (position < 0 || bytes < 0 || position > size_bytes_) {
      return arrow::Status::Invalid("it wants bytes that the file does not have");
    }
    const int64_t count = std::min(bytes, size_bytes_ - position);
    const auto got =
        file_->read_at(position, std::span(static_cast<char*>(out), static_cast<size_t>(count)));
    if (!got.ok()) { return arrow::Status::IOError(got.status().message()); }
    return *got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t bytes) override {
    // Before memory is taken: the number may be anything.
    if (position < 0 || bytes < 0 || position > size_bytes_) {
      return arrow::Status::Invalid("it wants bytes that the file does not have");
    }
    ARROW_ASSIGN_OR_RAISE(auto buffer,
                          arrow::AllocateResizableBuffer(std::min(bytes, size_bytes_ - position)));
    ARROW_ASSIGN_OR_RAISE(const int64_t got,
                          ReadAt(position, buffer->size(), buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(got, /*shrink_to_fit=*/false));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }
  arrow::Result<int64_t> Read(int64_t bytes, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(position_, bytes, out));
    position_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t bytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, bytes));
    position_ += buffer->size();
    return buffer;
  }

 private:
  std::unique_ptr<ReadableFile> file_;
  const int64_t size_bytes_;
  int64_t position_ = 0;
};

}  // namespace

Status status_of(const arrow::Status& status) {
  return invalid_argument(ErrorId::kRecordMalformed, "Parquet: {}", status.message());
}

std::shared_ptr<arrow::io::RandomAccessFile> readable(std::unique_ptr<ReadableFile> file,
                                                      int64_t size_bytes) {
  return std::make_shared<EngineFile>(std::move(file), size_bytes);
}

arrow::Status Collected::Write(const void* data, int64_t bytes) {
  bytes_.append(static_cast<const char*>(data), static_cast<size_t>(bytes));
  position_ += bytes;
  return arrow::Status::OK();
}
arrow::Status Collected::Close() {
  closed_ = true;
  return arrow::Status::OK();
}
void Collected::move_to(std::string& out) {
  out += bytes_;
  bytes_.clear();
}

}  // namespace tidewheel::parquet_format
