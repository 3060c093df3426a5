#include "tidewheel/connectors/file/file_bytes.h"

#include <utility>

namespace tidewheel::file {

Result<FileBytes> FileBytes::open(FileSystem& files, const std::string& path, int64_t offset,
                                  const ReadOptions& options) {
  if (options.follow && compression_of(path, options.compression) != Compression::kNone) {
    return invalid_argument(
        ErrorId::kConnectorOption,
        "a compressed file can't be followed, because it ends where it was closed: {}", path);
  }
  FileBytes bytes(files, path, options);
  TIDEWHEEL_RETURN_IF_ERROR(bytes.open_at(offset));
  return bytes;
}

Status FileBytes::open_at(int64_t offset) {
  TIDEWHEEL_ASSIGN_OR_RETURN(stream_, InputStream::open(*files_, path_, compression_, offset));
  if (follow_) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo info, stream_->info());
    file_id_ = info.id;
  }
  return ok_status();
}

Result<FileBytes::More> FileBytes::read_more(ByteChunks& chunks) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t count, stream_->read(chunks.room()));
  chunks.add(static_cast<size_t>(count));
  if (count > 0) { return More::kBytes; }
  if (!follow_) { return More::kEnd; }
  return look_at_end(chunks.offset() + std::ssize(chunks.bytes()));
}

// All of the file was read, up to `offset`: what has its name now?
Result<FileBytes::More> FileBytes::look_at_end(int64_t offset) {
  const Result<FileInfo> now = files_->info(path_);
  if (!now.ok()) {
    // Between the removal of the old file and the coming of the new one there is none.
    if (now.status().code() == StatusCode::kNotFound) { return More::kWait; }
    return now.status();
  }
  return now->id != file_id_ || now->size_bytes < offset ? More::kReplaced : More::kWait;
}

Status FileBytes::reopen(ByteChunks& chunks) {
  TIDEWHEEL_RETURN_IF_ERROR(open_at(0));
  chunks.restart(0);
  return ok_status();
}

}  // namespace tidewheel::file
