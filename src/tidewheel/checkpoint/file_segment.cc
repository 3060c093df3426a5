#include "tidewheel/checkpoint/file_segment.h"

#include <algorithm>
#include <utility>

#include "tidewheel/types/hash.h"

namespace tidewheel {
namespace {

// Neighbouring blocks are read together, up to this size.
constexpr uint64_t kReadBytes = 512 * 1024;

Status read_fully(ReadableFile& file, uint64_t offset, std::span<char> into) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t got, file.read_at(static_cast<int64_t>(offset), into));
  if (static_cast<size_t>(got) != into.size()) {
    return data_loss(ErrorId::kSnapshotChecksum, "the file ends within the {} bytes at {}",
                     into.size(), offset);
  }
  return ok_status();
}

class FileBlocks final : public SegmentBlocks {
 public:
  FileBlocks(std::unique_ptr<ReadableFile> file, std::shared_ptr<const SegmentIndex> index)
      : file_(std::move(file)), index_(std::move(index)) {}

  Result<std::string_view> read(size_t number) override {
    const SegmentBlock& block = index_->blocks[number];
    if (block.offset < first_ || block.offset + block.stored_bytes > first_ + bytes_.size()) {
      TIDEWHEEL_RETURN_IF_ERROR(fetch(number));
    }
    return load_block(block, bytes_.view().substr(block.offset - first_, block.stored_bytes), raw_);
  }

 private:
  // The block, and those that stand right behind it.
  Status fetch(size_t number) {
    const SegmentBlock& block = index_->blocks[number];
    uint64_t end = block.offset + block.stored_bytes;
    for (size_t next = number + 1; next < index_->blocks.size(); ++next) {
      const SegmentBlock& behind = index_->blocks[next];
      if (behind.offset != end || end + behind.stored_bytes - block.offset > kReadBytes) { break; }
      end += behind.stored_bytes;
    }
    const size_t size = end - block.offset;
    bytes_.clear();
    char* const into = bytes_.room(size);
    TIDEWHEEL_RETURN_IF_ERROR(read_fully(*file_, block.offset, std::span(into, size)));
    bytes_.set_end(into + size);
    first_ = block.offset;
    return ok_status();
  }

  const std::unique_ptr<ReadableFile> file_;
  const std::shared_ptr<const SegmentIndex> index_;
  uint64_t first_ = 0;   // offset of bytes_ in the file
  SegmentBuffer bytes_;  // as stored
  SegmentBuffer raw_;
};

class FileBytes final : public SegmentBytes {
 public:
  FileBytes(FileSystem& files, std::string path, const SegmentPlace& place)
      : files_(files),
        path_(std::move(path)),
        file_bytes_(place.file_bytes),
        index_offset_(place.index_offset),
        index_bytes_(place.index_bytes),
        checksum_(place.checksum) {}

  Result<std::shared_ptr<const SegmentIndex>> index() const override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto file, files_.open_read(path_));
    std::string bytes(index_bytes_, '\0');
    TIDEWHEEL_RETURN_IF_ERROR(read_fully(*file, index_offset_, bytes));
    if (hash_bytes(bytes.data(), bytes.size()) != checksum_) {
      return data_loss(ErrorId::kSnapshotChecksum,
                       "the index of {} bytes at {} is damaged, its checksum does not match",
                       index_bytes_, index_offset_);
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(SegmentIndex index, decode_index(bytes, file_bytes_));
    return std::make_shared<const SegmentIndex>(std::move(index));
  }
  Result<std::unique_ptr<SegmentBlocks>> open(
      std::shared_ptr<const SegmentIndex> index) const override {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto file, files_.open_read(path_));
    return std::unique_ptr<SegmentBlocks>(
        std::make_unique<FileBlocks>(std::move(file), std::move(index)));
  }
  std::string place() const override { return "file " + path_; }

 private:
  FileSystem& files_;
  const std::string path_;
  const uint64_t file_bytes_;
  const uint64_t index_offset_;
  const uint64_t index_bytes_;
  const uint64_t checksum_;
};

}  // namespace

std::shared_ptr<const SegmentBytes> open_file_segment(FileSystem& files, std::string path,
                                                      const SegmentPlace& place) {
  return std::make_shared<FileBytes>(files, std::move(path), place);
}

}  // namespace tidewheel
