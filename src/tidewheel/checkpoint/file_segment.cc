#include "tidewheel/checkpoint/file_segment.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/fault.h"
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

// Where a segment's bytes come from: a file, or its copy while that is of use.
struct Source {
  FileSystem& files;
  std::string path;
  uint64_t file_bytes = 0;
  std::shared_ptr<const LocalCopy> copy;  // null: there is none

  struct Opened {
    std::unique_ptr<ReadableFile> file;
    bool is_copy = false;
  };
  Result<Opened> open() const {
    if (copy != nullptr && copy->usable()) {
      auto opened = open_copy();
      if (opened.ok()) { return Opened{std::move(opened).value(), true}; }
      give_up_copy(opened.status());
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(auto file, files.open_read(path));
    return Opened{std::move(file), false};
  }
  void give_up_copy(const Status& why) const {
    TIDEWHEEL_MARK("checkpoint.local_copy_unusable");
    copy->give_up(why, path);
  }

 private:
  Result<std::unique_ptr<ReadableFile>> open_copy() const {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto file, files.open_read(copy->path()));
    TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo info, file->info());
    if (static_cast<uint64_t>(info.size_bytes) == file_bytes) { return file; }
    return data_loss(ErrorId::kSnapshotChecksum, "it has {} bytes and should have {}",
                     info.size_bytes, file_bytes);
  }
};

class FileBlocks final : public SegmentBlocks {
 public:
  FileBlocks(const Source& source, Source::Opened opened, std::shared_ptr<const SegmentIndex> index)
      : source_(source), opened_(std::move(opened)), index_(std::move(index)) {}

  Result<std::string_view> read(size_t number) override {
    while (true) {
      Result<std::string_view> raw = read_opened(number);
      if (raw.ok() || !opened_.is_copy) { return raw; }
      source_.give_up_copy(raw.status());
      TIDEWHEEL_ASSIGN_OR_RETURN(opened_, source_.open());
      first_ = 0;
      bytes_.clear();
    }
  }

 private:
  Result<std::string_view> read_opened(size_t number) {
    const SegmentBlock& block = index_->blocks[number];
    if (block.offset < first_ || block.offset + block.stored_bytes > first_ + bytes_.size()) {
      TIDEWHEEL_RETURN_IF_ERROR(fetch(number));
    }
    return load_block(block, bytes_.view().substr(block.offset - first_, block.stored_bytes), raw_);
  }
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
    TIDEWHEEL_RETURN_IF_ERROR(read_fully(*opened_.file, block.offset, std::span(into, size)));
    bytes_.set_end(into + size);
    first_ = block.offset;
    return ok_status();
  }

  const Source source_;
  Source::Opened opened_;
  const std::shared_ptr<const SegmentIndex> index_;
  uint64_t first_ = 0;   // offset of bytes_ in the file
  SegmentBuffer bytes_;  // as stored
  SegmentBuffer raw_;
};

class FileBytes final : public SegmentBytes {
 public:
  FileBytes(Source source, const SegmentPlace& place)
      : source_(std::move(source)),
        index_offset_(place.index_offset),
        index_bytes_(place.index_bytes),
        checksum_(place.checksum) {}

  Result<std::shared_ptr<const SegmentIndex>> index() const override {
    while (true) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const Source::Opened opened, source_.open());
      auto index = read_index(*opened.file);
      if (index.ok() && opened.is_copy) { source_.copy->note_use(); }
      if (index.ok() || !opened.is_copy) { return index; }
      source_.give_up_copy(index.status());
    }
  }
  Result<std::unique_ptr<SegmentBlocks>> open(
      std::shared_ptr<const SegmentIndex> index) const override {
    TIDEWHEEL_ASSIGN_OR_RETURN(Source::Opened opened, source_.open());
    return std::unique_ptr<SegmentBlocks>(
        std::make_unique<FileBlocks>(source_, std::move(opened), std::move(index)));
  }
  std::string place() const override { return "file " + source_.path; }

 private:
  Result<std::shared_ptr<const SegmentIndex>> read_index(ReadableFile& file) const {
    std::string bytes(index_bytes_, '\0');
    TIDEWHEEL_RETURN_IF_ERROR(read_fully(file, index_offset_, bytes));
    if (hash_bytes(bytes.data(), bytes.size()) != checksum_) {
      return data_loss(ErrorId::kSnapshotChecksum,
                       "the index of {} bytes at {} is damaged, its checksum does not match",
                       index_bytes_, index_offset_);
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(SegmentIndex index, decode_index(bytes, source_.file_bytes));
    return std::make_shared<const SegmentIndex>(std::move(index));
  }

  const Source source_;
  const uint64_t index_offset_;
  const uint64_t index_bytes_;
  const uint64_t checksum_;
};

}  // namespace

std::shared_ptr<const SegmentBytes> open_file_segment(FileSystem& files, std::string path,
                                                      const SegmentPlace& place,
                                                      std::shared_ptr<const LocalCopy> copy) {
  return std::make_shared<FileBytes>(
      Source{files, std::move(path), place.file_bytes, std::move(copy)}, place);
}

}  // namespace tidewheel
