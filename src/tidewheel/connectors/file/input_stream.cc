#include "tidewheel/connectors/file/input_stream.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <vector>

namespace tidewheel::file {
namespace {

constexpr size_t kCompressedBytes = 64 * 1024;

class PlainStream final : public InputStream {
 public:
  PlainStream(std::unique_ptr<ReadableFile> file, int64_t offset)
      : file_(std::move(file)), offset_(offset), by_position_(offset > 0) {}

  Result<int64_t> read(std::span<char> into) override {
    // From the start on in sequence, which pipes can do too.
    if (!by_position_) { return file_->read(into); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t count, file_->read_at(offset_, into));
    offset_ += count;
    return count;
  }
  Result<FileInfo> info() override { return file_->info(); }

 private:
  const std::unique_ptr<ReadableFile> file_;
  int64_t offset_;
  const bool by_position_;
};

// The compressed bytes, a buffer at a time.
class CompressedInput {
 public:
  CompressedInput(std::unique_ptr<ReadableFile> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)), buffer_(kCompressedBytes) {}

  // Fills the buffer when it is empty. False at the end of the file.
  Result<bool> fill() {
    if (begin_ < end_) { return true; }
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t count, file_->read(buffer_));
    begin_ = 0;
    end_ = static_cast<size_t>(count);
    return count > 0;
  }
  const char* data() const { return buffer_.data() + begin_; }
  size_t size() const { return end_ - begin_; }
  void take(size_t count) {
    begin_ += count;
    offset_ += static_cast<int64_t>(count);
  }
  int64_t offset() const { return offset_; }
  Result<FileInfo> info() { return file_->info(); }

  Status ends_early(std::string_view format) const {
    return data_loss(
        ErrorId::kCompressedData,
        "{} data ends too early, the file was cut short or is still being written: {} at "
        "byte {}",
        format, path_, offset_);
  }
  Status damaged(std::string_view format, std::string_view reason) const {
    return data_loss(ErrorId::kCompressedData, "{} data is damaged ({}): {} near byte {}", format,
                     reason, path_, offset_);
  }

 private:
  std::unique_ptr<ReadableFile> file_;
  std::string path_;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  int64_t offset_ = 0;
};

// RFC 1952; a file may be several gzip members, one behind the other, and end with zeros.
class GzipStream final : public InputStream {
 public:
  explicit GzipStream(CompressedInput input) : input_(std::move(input)) {
    usable_ = inflateInit2(&zlib_, 15 + 16) == Z_OK;
  }
  ~GzipStream() override { inflateEnd(&zlib_); }

  Result<int64_t> read(std::span<char> into) override {
    if (!usable_) { return input_.damaged("gzip", "zlib can't be used"); }
    while (true) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool has_bytes, input_.fill());
      if (!has_bytes && !may_hold_output_) {
        if (in_member_ || members_ == 0) { return input_.ends_early("gzip"); }
        return 0;
      }
      if (has_bytes && !in_member_ && members_ > 0 && input_.data()[0] == '\0') {
        input_.take(1);
        continue;
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t made, inflate_some(into));
      if (made > 0) { return made; }
    }
  }
  Result<FileInfo> info() override { return input_.info(); }

 private:
  Result<int64_t> inflate_some(std::span<char> into) {
    in_member_ = true;
    zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input_.data()));
    zlib_.avail_in = static_cast<uInt>(input_.size());
    zlib_.next_out = reinterpret_cast<Bytef*>(into.data());
    const auto room = static_cast<uInt>(std::min<size_t>(into.size(), 1 << 30));
    zlib_.avail_out = room;
    const int answer = inflate(&zlib_, Z_NO_FLUSH);
    input_.take(input_.size() - zlib_.avail_in);
    if (answer == Z_STREAM_END) {
      in_member_ = false;
      ++members_;
      inflateReset(&zlib_);
    } else if (answer != Z_OK && answer != Z_BUF_ERROR) {
      return input_.damaged("gzip", zlib_.msg != nullptr ? zlib_.msg : "unknown");
    }
    may_hold_output_ = in_member_ && zlib_.avail_out == 0;
    return static_cast<int64_t>(room - zlib_.avail_out);
  }

  CompressedInput input_;
  z_stream zlib_{};
  bool usable_ = false;
  bool in_member_ = false;
  bool may_hold_output_ = false;  // the last output filled its buffer
  int64_t members_ = 0;           // those that are complete
};

// RFC 8878; a file may be several frames.
class ZstdStream final : public InputStream {
 public:
  explicit ZstdStream(CompressedInput input)
      : input_(std::move(input)), zstd_(ZSTD_createDStream(), &ZSTD_freeDStream) {}

  Result<int64_t> read(std::span<char> into) override {
    while (true) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool has_bytes, input_.fill());
      if (!has_bytes && !may_hold_output_) {
        if (in_frame_ || input_.offset() == 0) { return input_.ends_early("zstd"); }
        return 0;
      }
      ZSTD_inBuffer in{input_.data(), input_.size(), 0};
      ZSTD_outBuffer out{into.data(), into.size(), 0};
      const size_t answer = ZSTD_decompressStream(zstd_.get(), &out, &in);
      if (ZSTD_isError(answer) != 0) { return input_.damaged("zstd", ZSTD_getErrorName(answer)); }
      input_.take(in.pos);
      in_frame_ = answer != 0;
      may_hold_output_ = out.pos == out.size && in_frame_;
      if (out.pos > 0) { return static_cast<int64_t>(out.pos); }
    }
  }
  Result<FileInfo> info() override { return input_.info(); }

 private:
  CompressedInput input_;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> zstd_;
  bool in_frame_ = false;
  bool may_hold_output_ = false;  // the last output filled its buffer
};

}  // namespace

Compression compression_of(std::string_view path, Compression asked) {
  if (asked != Compression::kByName) { return asked; }
  if (path.ends_with(".gz")) { return Compression::kGzip; }
  if (path.ends_with(".zst")) { return Compression::kZstd; }
  return Compression::kNone;
}

Result<std::unique_ptr<InputStream>> InputStream::open(FileSystem& files, const std::string& path,
                                                       Compression compression, int64_t offset) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file, files.open_read(path));
  std::unique_ptr<InputStream> stream;
  switch (compression_of(path, compression)) {
    case Compression::kGzip:
      stream = std::make_unique<GzipStream>(CompressedInput(std::move(file), path));
      break;
    case Compression::kZstd:
      stream = std::make_unique<ZstdStream>(CompressedInput(std::move(file), path));
      break;
    default:
      return std::unique_ptr<InputStream>(std::make_unique<PlainStream>(std::move(file), offset));
  }
  std::vector<char> skipped(static_cast<size_t>(std::min<int64_t>(offset, 256 * 1024)));
  while (offset > 0) {
    const auto part = static_cast<size_t>(std::min<int64_t>(offset, std::ssize(skipped)));
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t count, stream->read(std::span(skipped).first(part)));
    if (count == 0) { break; }
    offset -= count;
  }
  return stream;
}

}  // namespace tidewheel::file
