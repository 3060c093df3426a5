#include "tidewheel/state/snapshot.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/types/hash.h"

namespace tidewheel {
namespace {

constexpr std::string_view kSegmentMagic = "TWSEGM01";

uint64_t checksum_of(std::string_view bytes) { return hash_bytes(bytes.data(), bytes.size()); }

// Little-endian groups of 7 bits; the top bit says that more follow.
void put_number(std::string& out, uint64_t number) {
  while (number >= 0x80) {
    out.push_back(static_cast<char>(number | 0x80));
    number >>= 7;
  }
  out.push_back(static_cast<char>(number));
}
void put_fixed64(std::string& out, uint64_t number) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) { bytes[i] = static_cast<char>(number >> (8 * i)); }
  out.append(bytes, 8);
}
void put_bytes(std::string& out, std::string_view bytes) {
  put_number(out, bytes.size());
  out.append(bytes);
}

// Reads what the functions above wrote. After a failure all reads fail.
class ByteCursor {
 public:
  explicit ByteCursor(std::string_view bytes) : bytes_(bytes) {}

  bool number(uint64_t& value) {
    value = 0;
    for (uint32_t shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) { return true; }
    }
    return fail();
  }
  template <class T>
  bool number_as(T& value) {
    uint64_t wide = 0;
    if (!number(wide)) { return false; }
    value = static_cast<T>(wide);
    return static_cast<uint64_t>(value) == wide || fail();
  }
  bool fixed64(uint64_t& value) {
    if (bytes_.size() < 8) { return fail(); }
    value = 0;
    for (int i = 0; i < 8; ++i) {
      value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes_[static_cast<size_t>(i)]))
               << (8 * i);
    }
    bytes_.remove_prefix(8);
    return true;
  }
  bool bytes(std::string_view& value) {
    uint64_t size = 0;
    return number(size) && raw(size, value);
  }
  bool raw(uint64_t size, std::string_view& value) {
    if (size > bytes_.size()) { return fail(); }
    value = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return true;
  }
  bool text(std::string& value) {
    std::string_view view;
    if (!bytes(view)) { return false; }
    value = view;
    return true;
  }
  std::string_view rest() const { return bytes_; }
  bool ok() const { return ok_; }

 private:
  bool fail() {
    bytes_ = {};
    ok_ = false;
    return false;
  }
  std::string_view bytes_;
  bool ok_ = true;
};

Status damaged(const SnapshotSegment& segment) {
  return data_loss(ErrorId::kSnapshotChecksum,
                   "a segment of the snapshot is damaged, restore an older snapshot: operator {}, "
                   "state {}, subtask {}",
                   segment.operator_uid, segment.meta.name, segment.subtask);
}

// A run of entries in one segment: `skip` of them are passed over, `take` are given.
struct SegmentRun {
  SnapshotSegmentRef segment;
  size_t first_group = 0;  // index in segment->groups
  uint64_t skip = 0;
  uint64_t take = 0;
};

class SegmentEntries final : public SnapshotEntries {
 public:
  explicit SegmentEntries(std::vector<SegmentRun> runs) : runs_(std::move(runs)) {
    for (const SegmentRun& run : runs_) { count_ += run.take; }
  }

  uint64_t count() const override { return count_; }

  Result<bool> next(StateEntry& entry) override {
    for (;;) {
      if (run_ == runs_.size()) { return false; }
      SegmentRun& run = runs_[run_];
      if (run.skip + run.take == 0) {
        ++run_;
        started_ = false;
        continue;
      }
      TIDEWHEEL_RETURN_IF_ERROR(read_entry(run, entry));
      if (run.skip == 0) {
        --run.take;
        return true;
      }
      --run.skip;
    }
  }

 private:
  Status read_entry(const SegmentRun& run, StateEntry& entry) {
    const SnapshotSegment& segment = *run.segment;
    if (!started_) {
      started_ = true;
      group_ = run.first_group;
      left_in_group_ = segment.groups[group_].entries;
      TIDEWHEEL_RETURN_IF_ERROR(open_block(segment, segment.groups[group_].block));
      std::string_view passed;
      if (!cursor_.raw(segment.groups[group_].offset, passed)) { return damaged(segment); }
    }
    while (left_in_group_ == 0) {
      if (++group_ == segment.groups.size()) { return damaged(segment); }
      left_in_group_ = segment.groups[group_].entries;
    }
    if (cursor_.rest().empty()) { TIDEWHEEL_RETURN_IF_ERROR(open_block(segment, block_ + 1)); }
    --left_in_group_;
    entry.group = segment.groups[group_].group;
    if (!cursor_.bytes(entry.key) || !cursor_.bytes(entry.name_space) ||
        !cursor_.bytes(entry.value)) {
      return damaged(segment);
    }
    return ok_status();
  }
  Status open_block(const SnapshotSegment& segment, uint32_t block) {
    if (block >= segment.blocks.size()) { return damaged(segment); }
    block_ = block;
    const std::string& bytes = segment.blocks[block].bytes;
    if (checksum_of(bytes) != segment.blocks[block].checksum) { return damaged(segment); }
    cursor_ = ByteCursor(bytes);
    return ok_status();
  }

  std::vector<SegmentRun> runs_;
  uint64_t count_ = 0;
  size_t run_ = 0;
  bool started_ = false;
  size_t group_ = 0;  // index in the segment's groups
  uint64_t left_in_group_ = 0;
  uint32_t block_ = 0;
  ByteCursor cursor_{std::string_view()};
};

// The entries of the groups that a subtask owns.
void add_keyed_run(const SnapshotSegmentRef& segment, KeyGroupRange owned,
                   std::vector<SegmentRun>& runs) {
  SegmentRun run{segment, 0, 0, 0};
  bool found = false;
  for (size_t i = 0; i < segment->groups.size(); ++i) {
    if (!owned.contains(segment->groups[i].group)) { continue; }
    if (!found) { run.first_group = i; }
    found = true;
    run.take += segment->groups[i].entries;
  }
  if (run.take > 0) { runs.push_back(std::move(run)); }
}

// Which of `total` items a subtask gets: [first, first + count). The subtasks that get one more
// start at `start`, which moves on from state to state so that the first subtasks are not always
// loaded most.
std::pair<uint64_t, uint64_t> share_of(uint64_t total, uint64_t subtask, uint64_t parallelism,
                                       uint64_t start) {
  const uint64_t base = total / parallelism;
  const uint64_t remainder = total % parallelism;
  const uint64_t turn = (subtask + parallelism - start) % parallelism;  // order of dealing
  const uint64_t first = turn * base + std::min(turn, remainder);
  return {first, base + (turn < remainder ? 1 : 0)};
}

// `segments` in the order of their subtasks.
void add_split_runs(const std::vector<SnapshotSegmentRef>& segments, const SnapshotPlace& place,
                    uint64_t start, std::vector<SegmentRun>& runs) {
  if (!segments.empty() && segments.front()->parallelism == place.parallelism) {
    for (const SnapshotSegmentRef& segment : segments) {
      if (segment->subtask == place.subtask) { runs.push_back({segment, 0, 0, segment->entries}); }
    }
    return;
  }
  uint64_t total = 0;
  for (const SnapshotSegmentRef& segment : segments) { total += segment->entries; }
  auto [first, count] = share_of(total, static_cast<uint64_t>(place.subtask),
                                 static_cast<uint64_t>(place.parallelism), start);
  for (const SnapshotSegmentRef& segment : segments) {
    const uint64_t skip = std::min(first, segment->entries);
    const uint64_t take = std::min(count, segment->entries - skip);
    if (take > 0) { runs.push_back({segment, 0, skip, take}); }
    first -= skip;
    count -= take;
  }
}

}  // namespace

const StateMeta* SnapshotReader::find(std::string_view state) const {
  for (const StateMeta& meta : states()) {
    if (meta.name == state) { return &meta; }
  }
  return nullptr;
}

void SnapshotWriter::begin_changes(const StateMeta&) {
  TIDEWHEEL_CHECK(false, "this writer takes no changes");
}
void SnapshotWriter::whole_group(int32_t) { TIDEWHEEL_CHECK(false, "no changes were begun"); }
void SnapshotWriter::erase(int32_t, std::string_view, std::string_view) {
  TIDEWHEEL_CHECK(false, "no changes were begun");
}

void SegmentWriter::begin_state(const StateMeta& meta) {
  for (const auto& segment : segments_) {
    if (segment->meta.name == meta.name) {
      current_ = segment.get();
      return;
    }
  }
  segments_.push_back(std::make_unique<SnapshotSegment>());
  current_ = segments_.back().get();
  current_->operator_uid = place_.operator_uid;
  current_->meta = meta;
  current_->subtask = place_.subtask;
  current_->parallelism = place_.parallelism;
  current_->max_parallelism = place_.max_parallelism;
}

void SegmentWriter::add(const StateEntry& entry) {
  TIDEWHEEL_CHECK(current_ != nullptr, "an entry of no state");
  SnapshotSegment& segment = *current_;
  if (segment.blocks.empty() || segment.blocks.back().bytes.size() >= kBlockBytes) {
    close_block(segment);
    segment.blocks.emplace_back();
  }
  std::string& bytes = segment.blocks.back().bytes;
  if (segment.groups.empty() || segment.groups.back().group != entry.group) {
    TIDEWHEEL_CHECK(segment.groups.empty() || segment.groups.back().group < entry.group,
                    "entries of key group {} came after those of a higher one", entry.group);
    segment.groups.push_back({entry.group, static_cast<uint32_t>(segment.blocks.size() - 1),
                              static_cast<uint32_t>(bytes.size()), 0});
  }
  const size_t before = bytes.size();
  put_bytes(bytes, entry.key);
  put_bytes(bytes, entry.name_space);
  put_bytes(bytes, entry.value);
  written_bytes_ += bytes.size() - before;
  segment.size_bytes += bytes.size() - before;
  ++segment.groups.back().entries;
  ++segment.entries;
}

void SegmentWriter::close_block(SnapshotSegment& segment) {
  if (segment.blocks.empty()) { return; }
  SnapshotBlock& block = segment.blocks.back();
  block.checksum = checksum_of(block.bytes);
}

std::vector<SnapshotSegmentRef> SegmentWriter::finish() {
  std::vector<SnapshotSegmentRef> finished;
  for (auto& segment : segments_) {
    close_block(*segment);
    finished.push_back(std::move(segment));
  }
  segments_.clear();
  current_ = nullptr;
  return finished;
}

SegmentReader::SegmentReader(SnapshotPlace place, std::vector<SnapshotSegmentRef> segments)
    : place_(std::move(place)), segments_(std::move(segments)) {}

Result<std::unique_ptr<SegmentReader>> SegmentReader::open(
    SnapshotPlace place, std::vector<SnapshotSegmentRef> segments) {
  std::sort(segments.begin(), segments.end(),
            [](const SnapshotSegmentRef& a, const SnapshotSegmentRef& b) {
              return std::pair(std::string_view(a->meta.name), a->subtask) <
                     std::pair(std::string_view(b->meta.name), b->subtask);
            });
  std::unique_ptr<SegmentReader> reader(new SegmentReader(std::move(place), std::move(segments)));
  for (const SnapshotSegmentRef& segment : reader->segments_) {
    const bool by_group =
        segment->meta.kind == StateKind::kKeyed || segment->meta.kind == StateKind::kTimers;
    if (by_group && segment->max_parallelism != reader->place_.max_parallelism) {
      return failed_precondition(
          ErrorId::kSnapshotFormat,
          "max parallelism can't change while state is kept: operator {} has {}, its snapshot {}",
          reader->place_.operator_uid, reader->place_.max_parallelism, segment->max_parallelism);
    }
    if (reader->states_.empty() || reader->states_.back().name != segment->meta.name) {
      reader->states_.push_back(segment->meta);
    } else if (!(reader->states_.back() == segment->meta)) {
      return data_loss(ErrorId::kStateName,
                       "the subtasks of operator {} have written different states by the name {}",
                       reader->place_.operator_uid, segment->meta.name);
    }
  }
  return reader;
}

Result<std::unique_ptr<SnapshotEntries>> SegmentReader::read(std::string_view state) {
  std::vector<SnapshotSegmentRef> own;
  uint64_t split_start = 0;
  for (const SnapshotSegmentRef& segment : segments_) {
    if (segment->meta.name == state) { own.push_back(segment); }
    if (segment->meta.name < state && segment->meta.kind == StateKind::kSplitList) {
      split_start += segment->entries;
    }
  }
  std::vector<SegmentRun> runs;
  const KeyGroupRange owned =
      key_groups_of(place_.subtask, place_.parallelism, place_.max_parallelism);
  const StateKind kind = own.empty() ? StateKind::kKeyed : own.front()->meta.kind;
  if (kind == StateKind::kSplitList) {
    add_split_runs(own, place_, split_start % static_cast<uint64_t>(place_.parallelism), runs);
  } else {
    for (const SnapshotSegmentRef& segment : own) {
      if (kind == StateKind::kKeyed || kind == StateKind::kTimers) {
        add_keyed_run(segment, owned, runs);
      } else if (kind == StateKind::kUnionList ||
                 segment->subtask == place_.subtask % segment->parallelism) {
        runs.push_back({segment, 0, 0, segment->entries});
      }
    }
  }
  return std::unique_ptr<SnapshotEntries>(std::make_unique<SegmentEntries>(std::move(runs)));
}

void MemorySnapshot::add(std::vector<SnapshotSegmentRef> segments) {
  for (SnapshotSegmentRef& segment : segments) {
    by_operator_[segment->operator_uid].push_back(std::move(segment));
  }
}

const std::vector<SnapshotSegmentRef>& MemorySnapshot::segments_of(
    const std::string& operator_uid) const {
  static const std::vector<SnapshotSegmentRef> none;
  const auto found = by_operator_.find(operator_uid);
  return found == by_operator_.end() ? none : found->second;
}

Result<std::unique_ptr<SnapshotReader>> MemorySnapshot::reader(const SnapshotPlace& place) const {
  TIDEWHEEL_ASSIGN_OR_RETURN(auto reader,
                             SegmentReader::open(place, segments_of(place.operator_uid)));
  return std::unique_ptr<SnapshotReader>(std::move(reader));
}

uint64_t MemorySnapshot::size_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [uid, segments] : by_operator_) {
    for (const SnapshotSegmentRef& segment : segments) { bytes += segment->size_bytes; }
  }
  return bytes;
}

std::string encode_segment(const SnapshotSegment& segment) {
  std::string head;
  put_bytes(head, segment.operator_uid);
  put_bytes(head, segment.meta.name);
  put_number(head, static_cast<uint64_t>(segment.meta.kind));
  put_bytes(head, segment.meta.form);
  put_bytes(head, segment.meta.key_schema);
  put_bytes(head, segment.meta.namespace_schema);
  put_bytes(head, segment.meta.value_schema);
  put_number(head, static_cast<uint64_t>(segment.subtask));
  put_number(head, static_cast<uint64_t>(segment.parallelism));
  put_number(head, static_cast<uint64_t>(segment.max_parallelism));
  put_number(head, segment.entries);
  put_number(head, segment.groups.size());
  for (const SnapshotGroup& group : segment.groups) {
    put_number(head, static_cast<uint64_t>(group.group));
    put_number(head, group.block);
    put_number(head, group.offset);
    put_number(head, group.entries);
  }
  put_number(head, segment.blocks.size());
  for (const SnapshotBlock& block : segment.blocks) {
    put_number(head, block.bytes.size());
    put_fixed64(head, block.checksum);
  }
  std::string out(kSegmentMagic);
  out.reserve(out.size() + head.size() + segment.size_bytes + 32);
  put_bytes(out, head);
  put_fixed64(out, checksum_of(head));
  for (const SnapshotBlock& block : segment.blocks) { out += block.bytes; }
  return out;
}

namespace {

// Whether the counts can be true: readers make room for as many entries as a segment says it has.
bool has_possible_counts(const SnapshotSegment& segment) {
  constexpr uint64_t kEntryBytesMin = 3;  // three sizes
  const uint64_t entries_max = segment.size_bytes / kEntryBytesMin;
  uint64_t entries = 0;
  for (const SnapshotGroup& group : segment.groups) {
    if (group.entries > entries_max - entries) { return false; }
    entries += group.entries;
  }
  return entries == segment.entries;
}

bool decode_head(ByteCursor& head, SnapshotSegment& segment, std::vector<uint64_t>& block_sizes) {
  uint8_t kind = 0;
  head.text(segment.operator_uid);
  head.text(segment.meta.name);
  head.number_as(kind);
  segment.meta.kind = static_cast<StateKind>(kind);
  head.text(segment.meta.form);
  head.text(segment.meta.key_schema);
  head.text(segment.meta.namespace_schema);
  head.text(segment.meta.value_schema);
  head.number_as(segment.subtask);
  head.number_as(segment.parallelism);
  head.number_as(segment.max_parallelism);
  head.number(segment.entries);
  uint64_t groups = 0;
  head.number(groups);
  for (uint64_t i = 0; i < groups && head.ok(); ++i) {
    SnapshotGroup group;
    head.number_as(group.group);
    head.number_as(group.block);
    head.number_as(group.offset);
    head.number(group.entries);
    segment.groups.push_back(group);
  }
  uint64_t blocks = 0;
  head.number(blocks);
  for (uint64_t i = 0; i < blocks && head.ok(); ++i) {
    uint64_t size = 0;
    head.number(size);
    block_sizes.push_back(size);
    head.fixed64(segment.blocks.emplace_back().checksum);
  }
  return head.ok() && kind >= 1 && kind <= 5 && segment.parallelism >= 1 && segment.subtask >= 0;
}

}  // namespace

Result<SnapshotSegmentRef> decode_segment(std::string_view bytes) {
  if (!bytes.starts_with(kSegmentMagic)) {
    return data_loss(ErrorId::kSnapshotFormat,
                     "these bytes are no segment of a snapshot that this version can read: they "
                     "should begin with {}",
                     kSegmentMagic);
  }
  const auto segment = std::make_shared<SnapshotSegment>();
  ByteCursor cursor(bytes.substr(kSegmentMagic.size()));
  std::string_view head_bytes;
  uint64_t head_checksum = 0;
  if (!cursor.bytes(head_bytes) || !cursor.fixed64(head_checksum) ||
      head_checksum != checksum_of(head_bytes)) {
    return data_loss(ErrorId::kSnapshotChecksum,
                     "the head of a segment of the snapshot is damaged, restore an older snapshot");
  }
  ByteCursor head(head_bytes);
  std::vector<uint64_t> block_sizes;
  if (!decode_head(head, *segment, block_sizes)) {
    return data_loss(ErrorId::kSnapshotFormat,
                     "the head of a segment of the snapshot is malformed");
  }
  for (size_t i = 0; i < block_sizes.size(); ++i) {
    std::string_view block;
    if (!cursor.raw(block_sizes[i], block) || checksum_of(block) != segment->blocks[i].checksum) {
      return damaged(*segment);
    }
    segment->blocks[i].bytes = block;
    segment->size_bytes += block.size();
  }
  if (!has_possible_counts(*segment)) {
    return data_loss(ErrorId::kSnapshotFormat,
                     "a segment of the snapshot has other entries than it says: operator {}, "
                     "state {}",
                     segment->operator_uid, segment->meta.name);
  }
  return SnapshotSegmentRef(segment);
}

}  // namespace tidewheel
