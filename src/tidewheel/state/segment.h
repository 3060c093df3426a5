// Segments: one state of one subtask, as immutable blocks of entries and an index that says where
// each key group begins. The format is drawn in docs/design/0002-snapshot-format.md. Where the
// bytes are (memory, a manifest, a file) is behind SegmentBytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/state/key_group.h"

namespace tidewheel {

class LocalCopy;  // state/local_copy.h

// What a state is, which says who gets what of it after a restore.
enum class StateKind : uint8_t {
  kKeyed = 1,      // entries by key group, to the subtask that owns the group
  kTimers = 2,     // the same, for timers
  kSplitList = 3,  // items of all subtasks in order, cut into equal shares
  kUnionList = 4,  // every subtask gets all items
  kBroadcast = 5,  // all subtasks have written the same: each gets one copy
  kInFlight = 6,   // elements that an unaligned barrier has overtaken: every subtask gets all
};

// The description of one state of an operator.
struct StateMeta {
  std::string name;  // unique in its operator
  StateKind kind = StateKind::kKeyed;
  std::string form;        // "value", "list", "map", "table", ...: how entries are made
  std::string key_schema;  // as encoded by types/schema.h; empty when there is no key
  std::string namespace_schema;
  std::string value_schema;
  // What is replaced, or erased, as a whole when only changes are written: all entries of a key, or
  // those of a key and namespace.
  bool unit_has_namespace = false;
  friend bool operator==(const StateMeta&, const StateMeta&) = default;
};

// Whether a state (or one of its key groups) is written whole, or as what has changed since the
// snapshot before. Of changes, a unit (see StateMeta) that is written replaces the older one; units
// and groups that are not mentioned are as they were.
enum class StateContent : uint8_t { kAll = 1, kChanges = 2 };

// A file that a state backend has written in its own format.
struct SnapshotFile {
  std::string name;  // what the backend calls it
  std::string path;  // while it is written or read: one that can be opened
  uint64_t bytes = 0;
  uint64_t checksum = 0;  // XXH3-64 of all its bytes; 0: the backend checks it by itself
  // Of a file that is to be read; null: it has none.
  std::shared_ptr<const LocalCopy> copy = nullptr;
  friend bool operator==(const SnapshotFile&, const SnapshotFile&) = default;
};

// What one subtask has written of a state as files.
struct NativeState {
  int32_t subtask = 0;
  KeyGroupRange groups;
  std::vector<SnapshotFile> files;
};

// How the bytes of a block are stored. Numbers of the format.
enum class BlockCodec : uint8_t { kNone = 0, kSnappy = 1, kLz4 = 2, kZstd = 3 };
std::string_view codec_name(BlockCodec codec);

// Where a block is.
struct SegmentBlock {
  uint64_t offset = 0;  // of its stored bytes, in the file or in the manifest's bytes
  uint64_t stored_bytes = 0;
  uint64_t raw_bytes = 0;
  uint64_t checksum = 0;  // XXH3-64 of the stored bytes
  BlockCodec codec = BlockCodec::kNone;
  friend bool operator==(const SegmentBlock&, const SegmentBlock&) = default;
};

// Where a key group begins: first the units that are erased, then the entries. They go on until the
// next group's, over blocks.
struct SegmentGroup {
  int32_t group = 0;
  uint32_t block = 0;
  uint32_t offset = 0;  // in the raw bytes of the block
  bool whole = false;   // older layers are void (always so in a segment that is not of changes)
  uint64_t erased = 0;
  uint64_t entries = 0;
  friend bool operator==(const SegmentGroup&, const SegmentGroup&) = default;
};

struct SegmentIndex {
  std::vector<SegmentGroup> groups;  // ascending
  std::vector<SegmentBlock> blocks;
  friend bool operator==(const SegmentIndex&, const SegmentIndex&) = default;
};
std::string encode_index(const SegmentIndex& index);
// `room` is the size of what holds the blocks: none may lie beyond. Errors: kSnapshotFormat.
Result<SegmentIndex> decode_index(std::string_view bytes, uint64_t room);

// Reads blocks. One thread.
class SegmentBlocks {
 public:
  virtual ~SegmentBlocks() = default;
  // The raw bytes, checked, valid until the next call. Errors: kSnapshotChecksum, those of files.
  virtual Result<std::string_view> read(size_t number) = 0;
};

// The bytes of a segment. Any thread.
class SegmentBytes {
 public:
  virtual ~SegmentBytes() = default;
  virtual Result<std::shared_ptr<const SegmentIndex>> index() const = 0;
  virtual Result<std::unique_ptr<SegmentBlocks>> open(
      std::shared_ptr<const SegmentIndex> index) const = 0;
  // For messages: "file chk-7/ab12", "the manifest", "memory".
  virtual std::string place() const = 0;
};

// One state of one subtask. Immutable once it is made.
struct SnapshotSegment {
  std::string operator_uid;
  StateMeta meta;
  StateContent content = StateContent::kAll;
  int32_t subtask = 0;  // who wrote it, and of how many
  int32_t parallelism = 1;
  int32_t max_parallelism = 1;
  KeyGroupRange groups;  // those that it speaks of
  uint64_t entries = 0;
  uint64_t erased = 0;
  uint64_t size_bytes = 0;  // raw
  std::vector<SnapshotFile> files;
  std::shared_ptr<const SegmentBytes> bytes;
};
using SnapshotSegmentRef = std::shared_ptr<const SnapshotSegment>;

// Bytes that grow. What is added is not cleared first.
class SegmentBuffer {
 public:
  SegmentBuffer() = default;
  SegmentBuffer(SegmentBuffer&& other) noexcept
      : bytes_(std::move(other.bytes_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  SegmentBuffer& operator=(SegmentBuffer&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }
  const char* data() const { return bytes_.get(); }
  size_t size() const { return size_; }
  std::string_view view() const { return {bytes_.get(), size_}; }
  // Room for `count` more; the pointer is to the first.
  char* room(size_t count) {
    if (capacity_ - size_ < count) [[unlikely]] { grow(count); }
    return bytes_.get() + size_;
  }
  void set_end(const char* end) { size_ = static_cast<size_t>(end - bytes_.get()); }
  void clear() { size_ = 0; }

 private:
  void grow(size_t count);
  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// Appends the block to `out`, compressed when that makes it smaller, and describes it, with
// `offset` as that of out's first byte.
SegmentBlock store_block(std::string_view raw, BlockCodec codec, uint64_t offset, std::string& out);
// The raw bytes of a block: `stored` itself or, decompressed, in `buffer`. Errors:
// kSnapshotChecksum, kSnapshotFormat for an unknown codec.
Result<std::string_view> load_block(const SegmentBlock& block, std::string_view stored,
                                    SegmentBuffer& buffer);

// A segment's blocks and index in one string, as manifests hold small ones.
struct SegmentImage {
  std::string bytes;          // the blocks, then the index
  uint64_t index_offset = 0;  // in `bytes`
  uint64_t index_checksum = 0;
};
SegmentImage make_image(std::vector<SegmentGroup> groups,
                        std::span<const std::string_view> raw_blocks, BlockCodec codec);
// Errors: those of reading the segment.
Result<SegmentImage> make_image(const SnapshotSegment& segment, BlockCodec codec);
// Errors: kSnapshotChecksum, kSnapshotFormat.
Result<std::shared_ptr<const SegmentBytes>> open_image(SegmentImage image, std::string place);

}  // namespace tidewheel
