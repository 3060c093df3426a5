// Encodes entries into blocks, and makes segments in memory of them.
#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/state/byte_cursor.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/types/hash.h"

namespace tidewheel {
namespace {

bool is_by_group(StateKind kind) { return kind == StateKind::kKeyed || kind == StateKind::kTimers; }

// Blocks that are kept as they were made.
class MemoryBytes final : public SegmentBytes {
 public:
  MemoryBytes(std::vector<SegmentGroup> groups, std::vector<SegmentBuffer> blocks)
      : blocks_(std::make_shared<std::vector<SegmentBuffer>>(std::move(blocks))) {
    auto index = std::make_shared<SegmentIndex>();
    index->groups = std::move(groups);
    uint64_t offset = 0;
    for (const SegmentBuffer& bytes : *blocks_) {
      index->blocks.push_back({offset, bytes.size(), bytes.size(),
                               hash_bytes(bytes.data(), bytes.size()), BlockCodec::kNone});
      offset += bytes.size();
    }
    index_ = std::move(index);
  }
  Result<std::shared_ptr<const SegmentIndex>> index() const override { return index_; }
  Result<std::unique_ptr<SegmentBlocks>> open(
      std::shared_ptr<const SegmentIndex> index) const override {
    return std::unique_ptr<SegmentBlocks>(std::make_unique<Blocks>(blocks_, std::move(index)));
  }
  std::string place() const override { return "memory"; }

 private:
  using Buffers = std::shared_ptr<const std::vector<SegmentBuffer>>;
  class Blocks final : public SegmentBlocks {
   public:
    Blocks(Buffers buffers, std::shared_ptr<const SegmentIndex> index)
        : buffers_(std::move(buffers)), index_(std::move(index)) {}
    Result<std::string_view> read(size_t number) override {
      return load_block(index_->blocks[number], (*buffers_)[number].view(), unused_);
    }

   private:
    const Buffers buffers_;
    const std::shared_ptr<const SegmentIndex> index_;
    SegmentBuffer unused_;
  };

  Buffers blocks_;
  std::shared_ptr<const SegmentIndex> index_;
};

}  // namespace

std::string SnapshotWriter::new_file(std::string_view) {
  TIDEWHEEL_CHECK(false, "this writer takes no files");
  return {};
}
void SnapshotWriter::add_file(SnapshotFile) {
  TIDEWHEEL_CHECK(false, "this writer takes no files");
}

SegmentEncoder::SegmentEncoder(SnapshotPlace place, Grant* grant)
    : place_(std::move(place)), grant_(grant) {}
SegmentEncoder::~SegmentEncoder() = default;

void SegmentEncoder::begin_state(const StateMeta& meta) { begin(meta, StateContent::kAll); }
void SegmentEncoder::begin_changes(const StateMeta& meta) {
  TIDEWHEEL_CHECK(is_by_group(meta.kind), "changes of state {}, which has no key groups",
                  meta.name);
  begin(meta, StateContent::kChanges);
}

void SegmentEncoder::begin(const StateMeta& meta, StateContent content) {
  if (current_ != nullptr && current_->segment.meta.name == meta.name) { return; }
  // Several states that are written key by key come round and round.
  const size_t next = current_number_ + 1 < segments_.size() ? current_number_ + 1 : 0;
  if (next < segments_.size() && segments_[next]->segment.meta.name == meta.name &&
      segments_[next]->segment.content == content) {
    current_number_ = next;
    current_ = segments_[next].get();
    return;
  }
  const auto [found, is_new] = by_name_.try_emplace(meta.name, segments_.size());
  current_number_ = found->second;
  if (is_new) {
    auto open = std::make_unique<Open>();
    open->segment.operator_uid = place_.operator_uid;
    open->segment.meta = meta;
    open->segment.content = content;
    open->segment.subtask = place_.subtask;
    open->segment.parallelism = place_.parallelism;
    open->segment.max_parallelism = place_.max_parallelism;
    open->by_group = is_by_group(meta.kind);
    segments_.push_back(std::move(open));
  }
  current_ = segments_[current_number_].get();
  TIDEWHEEL_CHECK(current_->segment.content == content,
                  "state {} was begun as a whole and as changes", meta.name);
}

SegmentGroup& SegmentEncoder::new_group(int32_t group) {
  Open& open = *current_;
  TIDEWHEEL_CHECK(open.groups.empty() || open.groups.back().group < group,
                  "entries of key group {} came after those of a higher one, state {}", group,
                  open.segment.meta.name);
  SegmentGroup added;
  added.group = group;
  added.block = open.full_blocks;
  added.offset = static_cast<uint32_t>(open.open.size());
  added.whole = open.segment.content == StateContent::kAll;
  if (open.groups.empty()) { open.segment.groups.first = group; }
  open.segment.groups.last = group;
  return open.groups.emplace_back(added);
}

SegmentGroup& SegmentEncoder::group_of(int32_t group) {
  TIDEWHEEL_DCHECK(current_ != nullptr, "an entry of no state");
  if (current_->groups.empty() || current_->groups.back().group != group) [[unlikely]] {
    return new_group(group);
  }
  return current_->groups.back();
}

void SegmentEncoder::whole_group(int32_t group) {
  TIDEWHEEL_CHECK(current_->segment.content == StateContent::kChanges, "no changes were begun");
  SegmentGroup& entry = group_of(group);
  TIDEWHEEL_CHECK(entry.entries == 0 && entry.erased == 0,
                  "key group {} of state {} became whole in its middle", group,
                  current_->segment.meta.name);
  entry.whole = true;
}

void SegmentEncoder::erase(int32_t group, std::string_view key, std::string_view name_space) {
  TIDEWHEEL_CHECK(current_->segment.content == StateContent::kChanges, "no changes were begun");
  SegmentGroup& entry = group_of(group);
  TIDEWHEEL_CHECK(entry.entries == 0, "a unit of state {} was erased behind the group's entries",
                  current_->segment.meta.name);
  char* const begin = current_->open.room(2 * kNumberBytesMax + key.size() + name_space.size());
  char* at = put_number(begin, key.size());
  at = put_number(at, name_space.size());
  at = put_bytes(put_bytes(at, key), name_space);
  current_->open.set_end(at);
  ++entry.erased;
  ++current_->segment.erased;
  grown(*current_, static_cast<size_t>(at - begin));
}

void SegmentEncoder::add(const StateEntry& entry) {
  ++group_of(entry.group).entries;
  Open& open = *current_;
  char* const begin = open.open.room(3 * kNumberBytesMax + entry.key.size() +
                                     entry.name_space.size() + entry.value.size());
  char* at = put_number(begin, entry.key.size());
  at = put_number(at, entry.name_space.size());
  at = put_number(at, entry.value.size());
  at = put_bytes(put_bytes(put_bytes(at, entry.key), entry.name_space), entry.value);
  open.open.set_end(at);
  ++open.segment.entries;
  grown(open, static_cast<size_t>(at - begin));
}

void SegmentEncoder::add_file(SnapshotFile file) {
  TIDEWHEEL_CHECK(current_ != nullptr && takes_files(), "this writer takes no files");
  current_->segment.files.push_back(std::move(file));
}

inline void SegmentEncoder::grown(Open& open, size_t bytes) {
  grant_->written_bytes += bytes;
  open.segment.size_bytes += bytes;
  if (open.open.size() >= kBlockBytes) [[unlikely]] {
    ++open.full_blocks;
    take_block(open, current_number_, std::exchange(open.open, {}));
  }
}

void SegmentEncoder::forget_segments() {
  segments_.clear();
  by_name_.clear();
  current_ = nullptr;
}

SegmentWriter::SegmentWriter(SnapshotPlace place) : SegmentEncoder(std::move(place), &grant_) {}
SegmentWriter::~SegmentWriter() = default;

void SegmentWriter::take_block(Open&, size_t number, SegmentBuffer block) {
  if (blocks_.size() <= number) { blocks_.resize(number + 1); }
  blocks_[number].push_back(std::move(block));
}

std::vector<SnapshotSegmentRef> SegmentWriter::finish() {
  std::vector<SnapshotSegmentRef> finished;
  blocks_.resize(segments().size());
  for (size_t i = 0; i < segments().size(); ++i) {
    Open& open = *segments()[i];
    if (open.open.size() > 0) { blocks_[i].push_back(std::move(open.open)); }
    auto segment = std::make_shared<SnapshotSegment>(std::move(open.segment));
    segment->bytes =
        std::make_shared<const MemoryBytes>(std::move(open.groups), std::move(blocks_[i]));
    finished.push_back(std::move(segment));
  }
  blocks_.clear();
  forget_segments();
  return finished;
}

}  // namespace tidewheel
