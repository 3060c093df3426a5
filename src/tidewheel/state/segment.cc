#include "tidewheel/state/segment.h"

#include <lz4.h>
#include <snappy.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "tidewheel/base/check.h"
#include "tidewheel/state/byte_cursor.h"
#include "tidewheel/types/hash.h"

namespace tidewheel {
namespace {

constexpr uint64_t kIndexVersion = 1;
constexpr uint64_t kWholeFlag = 1;
// Larger blocks (one huge entry) are not compressed, so that their size can't be a lie.
constexpr uint64_t kCompressedRawMax = uint64_t{256} << 20;
constexpr int kZstdLevel = 1;

uint64_t checksum_of(std::string_view bytes) { return hash_bytes(bytes.data(), bytes.size()); }

Status bad_index(std::string_view reason) {
  return data_loss(ErrorId::kSnapshotFormat, "the index of a segment can't be read: {}", reason);
}

// Sizes below the raw one only; 0 when it can't be made smaller.
size_t compress(std::string_view raw, BlockCodec codec, char* into, size_t room) {
  switch (codec) {
    case BlockCodec::kSnappy: {
      size_t size = 0;
      snappy::RawCompress(raw.data(), raw.size(), into, &size);
      return size;
    }
    case BlockCodec::kLz4:
      return static_cast<size_t>(LZ4_compress_default(
          raw.data(), into, static_cast<int>(raw.size()), static_cast<int>(room)));
    case BlockCodec::kZstd: {
      const size_t size = ZSTD_compress(into, room, raw.data(), raw.size(), kZstdLevel);
      return ZSTD_isError(size) != 0U ? 0 : size;
    }
    case BlockCodec::kNone: break;
  }
  return 0;
}

size_t compressed_size_max(size_t raw, BlockCodec codec) {
  switch (codec) {
    case BlockCodec::kSnappy: return snappy::MaxCompressedLength(raw);
    case BlockCodec::kLz4: return static_cast<size_t>(LZ4_compressBound(static_cast<int>(raw)));
    case BlockCodec::kZstd: return ZSTD_compressBound(raw);
    case BlockCodec::kNone: break;
  }
  return raw;
}

bool decompress(std::string_view stored, BlockCodec codec, char* into, size_t raw) {
  switch (codec) {
    case BlockCodec::kSnappy: {
      size_t size = 0;
      return snappy::GetUncompressedLength(stored.data(), stored.size(), &size) && size == raw &&
             snappy::RawUncompress(stored.data(), stored.size(), into);
    }
    case BlockCodec::kLz4:
      return LZ4_decompress_safe(stored.data(), into, static_cast<int>(stored.size()),
                                 static_cast<int>(raw)) == static_cast<int>(raw);
    case BlockCodec::kZstd: return ZSTD_decompress(into, raw, stored.data(), stored.size()) == raw;
    case BlockCodec::kNone: break;
  }
  return false;
}

bool read_groups(ByteCursor& cursor, SegmentIndex& index) {
  uint64_t count = 0;
  cursor.number(count);
  SegmentGroup group;
  for (uint64_t i = 0; i < count && cursor.ok(); ++i) {
    uint32_t group_step = 0;
    uint32_t block_step = 0;
    uint64_t flags = 0;
    cursor.number_as(group_step);
    cursor.number_as(block_step);
    cursor.number_as(group.offset);
    cursor.number(group.erased);
    cursor.number(group.entries);
    cursor.number(flags);
    const int64_t number = int64_t{group.group} + group_step;
    const uint64_t block = uint64_t{group.block} + block_step;
    if (number >= kMaxParallelismLimit || block > UINT32_MAX || flags > kWholeFlag ||
        (i > 0 && group_step == 0)) {
      return false;
    }
    group.group = static_cast<int32_t>(number);
    group.block = static_cast<uint32_t>(block);
    group.whole = flags == kWholeFlag;
    index.groups.push_back(group);
  }
  return cursor.ok();
}

bool read_blocks(ByteCursor& cursor, uint64_t room, SegmentIndex& index) {
  uint64_t count = 0;
  cursor.number(count);
  uint64_t end = 0;
  for (uint64_t i = 0; i < count && cursor.ok(); ++i) {
    SegmentBlock block;
    uint8_t codec = 0;
    uint64_t gap = 0;
    cursor.number(gap);
    cursor.number_as(codec);
    cursor.number(block.stored_bytes);
    block.raw_bytes = block.stored_bytes;
    if (codec != 0) { cursor.number(block.raw_bytes); }
    cursor.fixed64(block.checksum);
    block.codec = static_cast<BlockCodec>(codec);
    if (codec > static_cast<uint8_t>(BlockCodec::kZstd) || gap > room - end) { return false; }
    block.offset = end + gap;
    if (block.stored_bytes > room - block.offset) { return false; }
    if (codec != 0 && (block.raw_bytes > kCompressedRawMax || block.stored_bytes > INT32_MAX)) {
      return false;
    }
    end = block.offset + block.stored_bytes;
    index.blocks.push_back(block);
  }
  return cursor.ok() && cursor.rest().empty();
}

// Whether groups begin within their blocks, one behind the other, and the counts can be true:
// readers make room for as many entries as an index says there are.
bool is_possible(const SegmentIndex& index) {
  uint64_t raw_bytes = 0;
  for (const SegmentBlock& block : index.blocks) {
    if (block.raw_bytes > INT64_MAX - raw_bytes) { return false; }
    raw_bytes += block.raw_bytes;
  }
  uint64_t left = raw_bytes;
  uint32_t block = 0;
  uint32_t offset = 0;
  for (const SegmentGroup& group : index.groups) {
    if (group.erased == 0 && group.entries == 0) { continue; }
    if (group.block >= index.blocks.size() || group.offset >= index.blocks[group.block].raw_bytes ||
        (group.block == block && group.offset < offset)) {
      return false;
    }
    block = group.block;
    offset = group.offset;
    if (group.erased > left / 2) { return false; }
    left -= 2 * group.erased;
    if (group.entries > left / 3) { return false; }
    left -= 3 * group.entries;
  }
  return true;
}

class ImageBlocks final : public SegmentBlocks {
 public:
  ImageBlocks(std::shared_ptr<const std::string> bytes, std::shared_ptr<const SegmentIndex> index)
      : bytes_(std::move(bytes)), index_(std::move(index)) {}
  Result<std::string_view> read(size_t number) override {
    const SegmentBlock& block = index_->blocks[number];
    return load_block(block, std::string_view(*bytes_).substr(block.offset, block.stored_bytes),
                      buffer_);
  }

 private:
  const std::shared_ptr<const std::string> bytes_;
  const std::shared_ptr<const SegmentIndex> index_;
  SegmentBuffer buffer_;
};

class ImageBytes final : public SegmentBytes {
 public:
  ImageBytes(std::string bytes, SegmentIndex index, std::string place)
      : bytes_(std::make_shared<const std::string>(std::move(bytes))),
        index_(std::make_shared<const SegmentIndex>(std::move(index))),
        place_(std::move(place)) {}
  Result<std::shared_ptr<const SegmentIndex>> index() const override { return index_; }
  Result<std::unique_ptr<SegmentBlocks>> open(
      std::shared_ptr<const SegmentIndex> index) const override {
    return std::unique_ptr<SegmentBlocks>(std::make_unique<ImageBlocks>(bytes_, std::move(index)));
  }
  std::string place() const override { return place_; }

 private:
  const std::shared_ptr<const std::string> bytes_;
  const std::shared_ptr<const SegmentIndex> index_;
  const std::string place_;
};

}  // namespace

std::string_view codec_name(BlockCodec codec) {
  switch (codec) {
    case BlockCodec::kNone: return "none";
    case BlockCodec::kSnappy: return "snappy";
    case BlockCodec::kLz4: return "lz4";
    case BlockCodec::kZstd: return "zstd";
  }
  return "unknown";
}

void SegmentBuffer::grow(size_t count) {
  constexpr size_t kFirst = 512;
  const size_t capacity = std::max({size_ + count, capacity_ * 2, kFirst});
  std::unique_ptr<char[]> bytes(new char[capacity]);  // not cleared
  if (size_ > 0) { std::memcpy(bytes.get(), bytes_.get(), size_); }
  bytes_ = std::move(bytes);
  capacity_ = capacity;
}

std::string encode_index(const SegmentIndex& index) {
  std::string out;
  put_number(out, kIndexVersion);
  put_number(out, index.groups.size());
  int32_t group_before = 0;
  uint32_t block_before = 0;
  for (const SegmentGroup& group : index.groups) {
    put_number(out, static_cast<uint64_t>(group.group - group_before));
    put_number(out, group.block - block_before);
    put_number(out, group.offset);
    put_number(out, group.erased);
    put_number(out, group.entries);
    put_number(out, group.whole ? kWholeFlag : 0);
    group_before = group.group;
    block_before = group.block;
  }
  put_number(out, index.blocks.size());
  uint64_t end = 0;
  for (const SegmentBlock& block : index.blocks) {
    put_number(out, block.offset - end);
    put_number(out, static_cast<uint64_t>(block.codec));
    put_number(out, block.stored_bytes);
    if (block.codec != BlockCodec::kNone) { put_number(out, block.raw_bytes); }
    put_fixed64(out, block.checksum);
    end = block.offset + block.stored_bytes;
  }
  return out;
}

Result<SegmentIndex> decode_index(std::string_view bytes, uint64_t room) {
  ByteCursor cursor(bytes);
  uint64_t version = 0;
  if (!cursor.number(version)) { return bad_index("it is empty"); }
  if (version != kIndexVersion) {
    return data_loss(ErrorId::kSnapshotFormat,
                     "a segment of the snapshot has version {} of the format, this engine reads "
                     "version {}: a newer one is needed",
                     version, kIndexVersion);
  }
  SegmentIndex index;
  if (!read_groups(cursor, index)) { return bad_index("its key groups are cut or out of order"); }
  if (!read_blocks(cursor, room, index)) {
    return bad_index("its blocks are cut or lie outside of the file");
  }
  if (!is_possible(index)) { return bad_index("it has more entries than there can be"); }
  return index;
}

SegmentBlock store_block(std::string_view raw, BlockCodec codec, uint64_t offset,
                         std::string& out) {
  SegmentBlock block;
  block.offset = offset + out.size();
  block.raw_bytes = raw.size();
  block.stored_bytes = raw.size();
  const size_t begin = out.size();
  if (codec != BlockCodec::kNone && raw.size() <= kCompressedRawMax) {
    const size_t room = compressed_size_max(raw.size(), codec);
    out.resize(begin + room);
    const size_t size = compress(raw, codec, out.data() + begin, room);
    if (size > 0 && size < raw.size()) {
      block.codec = codec;
      block.stored_bytes = size;
    }
    out.resize(begin + (block.codec == BlockCodec::kNone ? 0 : size));
  }
  if (block.codec == BlockCodec::kNone) { out += raw; }
  block.checksum = checksum_of(std::string_view(out).substr(begin));
  return block;
}

Result<std::string_view> load_block(const SegmentBlock& block, std::string_view stored,
                                    SegmentBuffer& buffer) {
  if (stored.size() != block.stored_bytes || checksum_of(stored) != block.checksum) {
    return data_loss(ErrorId::kSnapshotChecksum,
                     "the block of {} bytes at {} is damaged, its checksum does not match",
                     block.stored_bytes, block.offset);
  }
  if (block.codec == BlockCodec::kNone) { return stored; }
  buffer.clear();
  char* const into = buffer.room(block.raw_bytes);
  if (!decompress(stored, block.codec, into, block.raw_bytes)) {
    return data_loss(ErrorId::kSnapshotChecksum,
                     "the block of {} bytes at {} can't be decompressed ({})", block.stored_bytes,
                     block.offset, codec_name(block.codec));
  }
  buffer.set_end(into + block.raw_bytes);
  return buffer.view();
}

SegmentImage make_image(std::vector<SegmentGroup> groups,
                        std::span<const std::string_view> raw_blocks, BlockCodec codec) {
  SegmentImage image;
  SegmentIndex index;
  index.groups = std::move(groups);
  for (const std::string_view raw : raw_blocks) {
    index.blocks.push_back(store_block(raw, codec, 0, image.bytes));
  }
  const std::string encoded = encode_index(index);
  image.index_offset = image.bytes.size();
  image.index_checksum = checksum_of(encoded);
  image.bytes += encoded;
  return image;
}

Result<SegmentImage> make_image(const SnapshotSegment& segment, BlockCodec codec) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto index, segment.bytes->index());
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto blocks, segment.bytes->open(index));
  std::vector<std::string> raw;
  for (size_t i = 0; i < index->blocks.size(); ++i) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string_view bytes, blocks->read(i));
    raw.emplace_back(bytes);
  }
  const std::vector<std::string_view> views(raw.begin(), raw.end());
  return make_image(index->groups, views, codec);
}

Result<std::shared_ptr<const SegmentBytes>> open_image(SegmentImage image, std::string place) {
  if (image.index_offset > image.bytes.size()) { return bad_index("it is missing"); }
  const std::string_view encoded = std::string_view(image.bytes).substr(image.index_offset);
  if (checksum_of(encoded) != image.index_checksum) {
    return data_loss(ErrorId::kSnapshotChecksum,
                     "the index of a segment is damaged, its checksum does not match: {}", place);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(SegmentIndex index, decode_index(encoded, image.index_offset));
  return std::shared_ptr<const SegmentBytes>(
      std::make_shared<ImageBytes>(std::move(image.bytes), std::move(index), std::move(place)));
}

}  // namespace tidewheel
