#include "tidewheel/state/entry_cache.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/file_memory.h"
#include "tidewheel/base/large_memory.h"
#include "tidewheel/base/prefetch.h"
#include "tidewheel/types/hash.h"

namespace tidewheel {

namespace {

// Flags of a record.
constexpr int kLive = 1;    // the index has it
constexpr int kDirty = 2;   // the backend below has something else
constexpr int kErased = 4;  // there is no entry; the value is void
constexpr int kUsual = 8;   // sizes are those of the state's first entry
constexpr int kEpoch = 16;  // of a dirty one: when it was changed
constexpr int kUse = 32;    // twice this: how often it was asked for, up to 3
constexpr int kUses = 3 * kUse;
constexpr int kBelow = 128;  // the backend below may have an entry of the key

constexpr uint32_t kCutMax = 15;
constexpr size_t kStatesMax = 255;
constexpr uint32_t kScansMax = 8;  // of a state that is kept here
constexpr size_t kOldRecordsAtOnce = 4096;
constexpr int64_t kChunksMin = 8;
constexpr int64_t kChunksSpare = 1024;  // of the numbers there are: for what is on its way
constexpr size_t kRecordsAhead = 12;    // fetched into the processor's cache before they are used
constexpr size_t kBytesLookedAtOnce = 1 << 20;
constexpr uint32_t kDepthMax = 26;

uint8_t* put_varint(uint8_t* to, uint32_t value) {
  for (; value >= 0x80; value >>= 7) { *to++ = static_cast<uint8_t>(value | 0x80); }
  *to++ = static_cast<uint8_t>(value);
  return to;
}
size_t varint_size(uint32_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) { ++size; }
  return size;
}
const uint8_t* take_varint(const uint8_t* from, uint32_t& value) {
  value = 0;
  for (uint32_t shift = 0;; shift += 7) {
    value |= static_cast<uint32_t>(*from & 0x7F) << shift;
    if ((*from++ & 0x80) == 0) { return from; }
  }
}

// Keys are short mostly, and a call of memcmp costs more than to compare them.
bool same_bytes(const char* a, const char* b, size_t size) {
  if (size > 16) { return std::memcmp(a, b, size) == 0; }
  const auto differs = [&]<class T>(size_t at, T x, T y) {
    std::memcpy(&x, a + at, sizeof(T));
    std::memcpy(&y, b + at, sizeof(T));
    return x != y;
  };
  if (size >= 8) {
    return !differs(0, uint64_t{}, uint64_t{}) && !differs(size - 8, uint64_t{}, uint64_t{});
  }
  if (size >= 4) {
    return !differs(0, uint32_t{}, uint32_t{}) && !differs(size - 4, uint32_t{}, uint32_t{});
  }
  for (size_t i = 0; i < size; ++i) {
    if (a[i] != b[i]) { return false; }
  }
  return true;
}

// Entries in the order of their keys: those above hide those below.
class OverlayCursor final : public StoreCursor {
 public:
  // Nothing: it was erased.
  using Above = std::map<std::string, std::optional<std::string>, std::less<>>;
  OverlayCursor(std::unique_ptr<StoreCursor> below, std::shared_ptr<const Above> above)
      : below_(std::move(below)), above_(std::move(above)), at_(above_->begin()) {}
  void seek(std::string_view key) override {
    below_->seek(key);
    at_ = above_->lower_bound(key);
    settle();
  }
  void next() override {
    if (is_above_) {
      ++at_;
    } else {
      below_->next();
    }
    settle();
  }
  bool valid() const override { return is_above_ || below_->valid(); }
  std::string_view key() const override { return is_above_ ? at_->first : below_->key(); }
  std::string_view value() const override { return is_above_ ? *at_->second : below_->value(); }
  Status status() const override { return below_->status(); }

 private:
  void settle() {
    is_above_ = false;
    while (at_ != above_->end()) {
      if (below_->valid() && below_->key() < at_->first) { return; }
      if (below_->valid() && below_->key() == at_->first) { below_->next(); }
      if (at_->second.has_value()) {
        is_above_ = true;
        return;
      }
      ++at_;
    }
  }

  const std::unique_ptr<StoreCursor> below_;
  const std::shared_ptr<const Above> above_;
  Above::const_iterator at_;
  bool is_above_ = false;
};

class OverlayView final : public StoreView {
 public:
  using Above = OverlayCursor::Above;
  OverlayView(std::unique_ptr<StoreView> below, std::vector<std::shared_ptr<const Above>> above)
      : below_(std::move(below)), above_(std::move(above)) {}
  std::unique_ptr<StoreCursor> scan(StoreId state) const override {
    auto cursor = std::make_unique<OverlayCursor>(below_->scan(state), above_.at(state));
    cursor->seek("");
    return cursor;
  }

 private:
  const std::unique_ptr<StoreView> below_;
  const std::vector<std::shared_ptr<const Above>> above_;
};

}  // namespace

struct EntryCache::Found {
  size_t begin = 0;  // in found_bytes_
  size_t size = 0;
  bool is_there = false;
  bool is_below = false;  // only the backend below knows
};

// What a record is made of.
struct EntryCache::New {
  int flags = 0;
  uint8_t state = 0;
  std::string_view key;  // whole
  std::string_view value;
  uint32_t key_cut = 0;
  uint32_t value_cut = 0;
};

size_t EntryCache::Record::bytes() const {
  const auto end = static_cast<size_t>(value() + stored_value() - reinterpret_cast<char*>(at));
  return (end + kUnit - 1) / kUnit * kUnit;
}

EntryCache::EntryCache(std::unique_ptr<StateBackend> below, EntryCacheOptions options)
    : below_(std::move(below)),
      options_(std::move(options)),
      memory_(options_.memory, "entries in front of the state backend") {
  TIDEWHEEL_CHECK(options_.chunk_bytes >= 1024 && options_.chunk_bytes % 64 == 0, "a chunk's size");
  set_directory({make_segment()});
  set_budget();
}

EntryCache::~EntryCache() {
  for (uint32_t chunk = 0; chunk < chunks_.size(); ++chunk) { give_back(chunk); }
  for (const auto& [segment, is_in_file] : segments_) {
    if (!is_in_file) { free_zeroed(segment, sizeof(Segment)); }
  }
}

// ---- Records

uint64_t EntryCache::hash_of(uint32_t state, std::string_view key) {
  return hash_bytes(key.data(), key.size()) ^ (state * 0x9e3779b97f4a7c15ULL);
}

std::byte* EntryCache::at(Place place) const {
  const size_t bytes = size_t{place} * kUnit;
  return chunks_[bytes / options_.chunk_bytes].bytes + bytes % options_.chunk_bytes;
}

EntryCache::Record EntryCache::read(std::byte* at) const {
  Record record;
  record.at = at;
  const auto* from = reinterpret_cast<const uint8_t*>(at);
  record.flags = from[0];
  record.state = from[1];
  record.cut = from[2];
  from += 3;
  if ((record.flags & kUsual) != 0) [[likely]] {
    const Store& store = stores_[record.state];
    record.key_size = store.usual_key_size;
    record.value_size = store.usual_value_size;
  } else {
    from = take_varint(from, record.key_size);
    from = take_varint(from, record.value_size);
  }
  record.key = reinterpret_cast<const char*>(from);
  return record;
}

// Zero bytes at the end that need not be stored.
uint32_t EntryCache::zeros_at_end(std::string_view bytes) {
  uint32_t zeros = 0;
  while (zeros < kCutMax && zeros < bytes.size() && bytes[bytes.size() - 1 - zeros] == 0) {
    ++zeros;
  }
  return zeros;
}

// ---- The index

// The low half of the hash, bent by a curve whose slope goes from 4/3 to 2/3.
uint64_t EntryCache::directory_number(uint64_t hash) {
  const uint64_t low = hash & 0xFFFFFFFF;
  return low + (low * (0xFFFFFFFF - low) >> 32) / 3;
}

// Within its segment.
size_t EntryCache::bucket_number(uint64_t hash) {
  return static_cast<size_t>((hash >> 32 & 0xFFFF) * kSegmentBuckets >> 16);
}

// A bit in the highest place of each byte that is that of `tag`; there may be more above the first.
uint64_t EntryCache::same_tags(uint64_t tags, uint8_t tag) {
  constexpr uint64_t kOnes = 0x0101010101010101ULL;
  const uint64_t differs = tags ^ (kOnes * tag);
  return (differs - kOnes) & ~differs & (kOnes << 7);
}

// Which of the bucket's records may have this tag, a bit each.
template <class F>
EntryCache::Place* EntryCache::find_tagged(Bucket& bucket, uint8_t tag, F is_it) {
  static_assert(kBucketRecords == 12);
  uint64_t low = 0;
  uint32_t high = 0;
  std::memcpy(&low, bucket.tags, sizeof(low));
  std::memcpy(&high, bucket.tags + sizeof(low), sizeof(high));
  const auto look = [&](uint64_t same, size_t first) -> Place* {
    for (; same != 0; same &= same - 1) {
      Place* const place = &bucket.places[first + static_cast<size_t>(__builtin_ctzll(same)) / 8];
      if (*place != 0 && is_it(*place)) { return place; }
    }
    return nullptr;
  };
  if (Place* const found = look(same_tags(low, tag), 0); found != nullptr) { return found; }
  return look(same_tags(high, tag) & 0xFFFFFFFF, sizeof(low));
}

EntryCache::Place* EntryCache::find(uint64_t hash, uint32_t state, std::string_view key,
                                    uint32_t key_cut) const {
  const auto tag = static_cast<uint8_t>(hash >> 56);
  const size_t stored = key.size() - key_cut;
  Bucket* const buckets = segment_of(hash).buckets;
  size_t number = bucket_number(hash);
  for (Bucket* bucket = &buckets[number];; bucket = &buckets[number]) {
    Place* const found = find_tagged(*bucket, tag, [&](Place place) {
      const Record record = read(at(place));
      return record.state == state && record.key_size == key.size() &&
             (record.cut & 15U) == key_cut && same_bytes(record.key, key.data(), stored);
    });
    if (found != nullptr) { return found; }
    if (bucket->passed == 0) { return nullptr; }
    number = number + 1 == kSegmentBuckets ? 0 : number + 1;
  }
}

// Where the index has this place.
EntryCache::Place* EntryCache::slot_of(uint64_t hash, Place place) const {
  Bucket* const buckets = segment_of(hash).buckets;
  size_t number = bucket_number(hash);
  for (Bucket* bucket = &buckets[number];; bucket = &buckets[number]) {
    for (Place& other : bucket->places) {
      if (other == place) { return &other; }
    }
    TIDEWHEEL_CHECK(bucket->passed != 0, "a record is not in the index");
    number = number + 1 == kSegmentBuckets ? 0 : number + 1;
  }
}

void EntryCache::prefetch_bucket(uint64_t hash) const {
  prefetch_for_write(&segment_of(hash).buckets[bucket_number(hash)]);
}

// The record that a key with this hash has, most likely. Its bucket was fetched before.
void EntryCache::prefetch_record(uint64_t hash) const {
  Bucket& bucket = segment_of(hash).buckets[bucket_number(hash)];
  const Place* const found =
      find_tagged(bucket, static_cast<uint8_t>(hash >> 56), [](Place) { return true; });
  if (found != nullptr) { prefetch_for_write(at(*found)); }
}

void EntryCache::index_put(uint64_t hash, Place place) {
  while (segment_of(hash).size >= kSegmentRecordsMax) [[unlikely]] {
      split(hash);
    }
  Segment& segment = segment_of(hash);
  ++segment.size;
  ++size_;
  size_t number = bucket_number(hash);
  for (;;) {
    Bucket& bucket = segment.buckets[number];
    for (size_t i = 0; i < kBucketRecords; ++i) {
      if (bucket.places[i] != 0) { continue; }
      bucket.places[i] = place;
      bucket.tags[i] = static_cast<uint8_t>(hash >> 56);
      return;
    }
    ++bucket.passed;
    number = number + 1 == kSegmentBuckets ? 0 : number + 1;
  }
}

void EntryCache::index_erase(uint64_t hash, Place* slot) {
  Segment& segment = segment_of(hash);
  size_t number = bucket_number(hash);
  for (;;) {
    Bucket& bucket = segment.buckets[number];
    if (slot >= bucket.places && slot < bucket.places + kBucketRecords) { break; }
    --bucket.passed;
    number = number + 1 == kSegmentBuckets ? 0 : number + 1;
  }
  *slot = 0;
  --segment.size;
  --size_;
}

EntryCache::Segment* EntryCache::make_segment() {
  if (block_left_ == 0) {
    const size_t count = std::max<size_t>(options_.chunk_bytes / sizeof(Segment), 1);
    block_ = reinterpret_cast<Segment*>(take_from_file(count * sizeof(Segment)));
    block_left_ = block_ == nullptr ? 0 : count;
  }
  index_bytes_ += static_cast<int64_t>(sizeof(Segment));
  if (block_left_ > 0) {
    --block_left_;
    segments_.emplace_back(block_, true);
    return block_++;
  }
  memory_.reserve(static_cast<int64_t>(sizeof(Segment)));
  segments_.emplace_back(static_cast<Segment*>(allocate_zeroed(sizeof(Segment))), false);
  return segments_.back().first;
}

void EntryCache::set_directory(std::vector<Segment*> directory) {
  memory_.reserve(static_cast<int64_t>(directory.capacity() * sizeof(Segment*)));
  memory_.release(static_cast<int64_t>(directory_.capacity() * sizeof(Segment*)));
  directory_ = std::move(directory);
}

// Half of the hashes of a segment get one of their own.
void EntryCache::split(uint64_t hash) {
  Segment& full = segment_of(hash);
  TIDEWHEEL_CHECK(full.depth < kDepthMax, "too many keys have the same hash");
  if (full.depth == depth_) {
    std::vector<Segment*> doubled;
    doubled.reserve(directory_.size() * 2);
    for (Segment* const segment : directory_) { doubled.insert(doubled.end(), 2, segment); }
    set_directory(std::move(doubled));
    ++depth_;
  }
  Segment* const made = make_segment();
  set_budget();
  give_back_spare();
  std::memcpy(made->ghosts, full.ghosts, sizeof(full.ghosts));
  made->depth = ++full.depth;
  // Directory entries of the segment are side by side.
  const size_t count = size_t{1} << (depth_ - full.depth);
  const size_t first =
      (directory_number(hash) >> (32 - depth_)) / (2 * count) * (2 * count) + count;
  std::fill_n(directory_.begin() + static_cast<ptrdiff_t>(first), count, made);

  std::array<Place, kSegmentBuckets * kBucketRecords> places;
  size_t found = 0;
  for (const Bucket& bucket : full.buckets) {
    for (const Place place : bucket.places) {
      if (place != 0) {
        prefetch_for_write(at(place));
        places[found++] = place;
      }
    }
  }
  std::memset(full.buckets, 0, sizeof(full.buckets));
  size_ -= full.size;
  full.size = 0;
  for (size_t i = 0; i < found; ++i) {
    const Record record = read(at(places[i]));
    index_put(hash_of(record.state, key_of(record)), places[i]);
  }
}

// ---- Chunks and queues

void EntryCache::set_budget() {
  const int64_t chunk = static_cast<int64_t>(options_.chunk_bytes);
  const int64_t bytes = std::min(options_.bytes(), file_bytes_max_);
  const auto directory = static_cast<int64_t>(directory_.capacity() * sizeof(Segment*));
  // One is begun before room is made, and clearing one takes up to two before it is free.
  const int64_t left = (bytes - index_bytes_ - 2 * directory) / chunk - 5;
  // And places have 32 bits.
  const int64_t numbers = static_cast<int64_t>(uint64_t{UINT32_MAX} * kUnit / options_.chunk_bytes);
  bytes_max_ = std::clamp<int64_t>(left, kChunksMin, numbers - kChunksSpare) * chunk;
}

// Null when there is no file, or the disk is full: then what there is has to do.
std::byte* EntryCache::take_from_file(size_t bytes) {
  if (options_.file == nullptr) { return nullptr; }
  std::byte* const taken = options_.file->allocate(bytes);
  if (taken == nullptr) { file_bytes_max_ = in_use_bytes_ + index_bytes_; }
  return taken;
}

uint32_t EntryCache::take_chunk(QueueName queue, size_t bytes) {
  set_budget();
  uint32_t number = 0;
  if (bytes <= options_.chunk_bytes && !free_chunks_.empty()) {
    number = free_chunks_.back();
    free_chunks_.pop_back();
  } else {
    if (unused_numbers_.empty()) {
      unused_numbers_.push_back(static_cast<uint32_t>(chunks_.size()));
      chunks_.emplace_back();
    }
    number = unused_numbers_.back();
    unused_numbers_.pop_back();
    TIDEWHEEL_CHECK(number < uint64_t{UINT32_MAX} * kUnit / options_.chunk_bytes,
                    "a cache of entries has more chunks than places can name");
    Chunk& made = chunks_[number];
    made.capacity = std::max(bytes, options_.chunk_bytes);
    made.bytes = take_from_file(made.capacity);
    made.is_in_file = made.bytes != nullptr;
    if (!made.is_in_file) {
      memory_.reserve(static_cast<int64_t>(made.capacity));
      made.bytes = static_cast<std::byte*>(allocate_zeroed(made.capacity));
    }
  }
  chunks_[number].used = 0;
  chunks_[number].queue = queue;
  chunks_[number].has_dirty = false;
  in_use_bytes_ += static_cast<int64_t>(chunks_[number].capacity);
  return number;
}

void EntryCache::free_chunk(uint32_t number) {
  Chunk& chunk = chunks_[number];
  in_use_bytes_ -= static_cast<int64_t>(chunk.capacity);
  dead_bytes_ -= chunk.dead_bytes;
  chunk.used = chunk.dead_bytes = 0;
  free_chunks_.push_back(number);
  if (chunk.capacity > options_.chunk_bytes) { give_back_last_free(); }
  give_back_spare();
}

// Free chunks beyond the budget.
void EntryCache::give_back_spare() {
  while (!free_chunks_.empty() &&
         in_use_bytes_ + static_cast<int64_t>(free_chunks_.size() * options_.chunk_bytes) >
             bytes_max_) {
    give_back_last_free();
  }
}

void EntryCache::give_back_last_free() {
  give_back(free_chunks_.back());
  unused_numbers_.push_back(free_chunks_.back());
  free_chunks_.pop_back();
}

void EntryCache::give_back(uint32_t number) {
  Chunk& chunk = chunks_[number];
  if (chunk.bytes == nullptr) { return; }
  if (chunk.is_in_file) {
    options_.file->free(chunk.bytes, chunk.capacity);
  } else {
    free_zeroed(chunk.bytes, chunk.capacity);
    memory_.release(static_cast<int64_t>(chunk.capacity));
  }
  chunk = {};
}

std::byte* EntryCache::room_for(QueueName name, size_t bytes, Place& place) {
  std::deque<uint32_t>& chunks = queue(name);
  if (chunks.empty() || chunks_[chunks.back()].used + bytes > chunks_[chunks.back()].capacity) {
    chunks.push_back(take_chunk(name, bytes + kUnit));
    // A place is never 0.
    if (chunks.back() == 0) { chunks_[0].used = kUnit; }
  }
  Chunk& chunk = chunks_[chunks.back()];
  place = static_cast<Place>((chunks.back() * options_.chunk_bytes + chunk.used) / kUnit);
  std::byte* const room = chunk.bytes + chunk.used;
  chunk.used += bytes;
  chunk.has_dirty = true;
  return room;
}

template <class F>
void EntryCache::for_each_in(uint32_t number, F f) {
  // What f appends goes to other chunks, or behind `used`, so that it is not met here.
  const size_t used = chunks_[number].used;
  size_t offset = number == 0 ? kUnit : 0;
  while (offset < used) {
    const Record record = read(chunks_[number].bytes + offset);
    const size_t bytes = record.bytes();
    if ((record.flags & kLive) != 0) {
      f(record, static_cast<Place>((number * options_.chunk_bytes + offset) / kUnit));
    }
    offset += bytes;
  }
}

EntryCache::Place EntryCache::append(QueueName queue, const New& made) {
  const Store& store = stores_[made.state];
  const auto key_size = static_cast<uint32_t>(made.key.size());
  const auto value_size = static_cast<uint32_t>(made.value.size());
  const bool is_usual = key_size == store.usual_key_size && value_size == store.usual_value_size;
  const size_t stored_key = key_size - made.key_cut;
  const size_t stored_value = value_size - made.value_cut;
  size_t bytes = 3 + stored_key + stored_value;
  if (!is_usual) { bytes += varint_size(key_size) + varint_size(value_size); }
  Place place = 0;
  auto* to =
      reinterpret_cast<uint8_t*>(room_for(queue, (bytes + kUnit - 1) / kUnit * kUnit, place));
  *to++ = static_cast<uint8_t>(made.flags | kLive | (is_usual ? kUsual : 0));
  *to++ = made.state;
  *to++ = static_cast<uint8_t>(made.key_cut | made.value_cut << 4);
  if (!is_usual) { to = put_varint(put_varint(to, key_size), value_size); }
  std::memcpy(to, made.key.data(), stored_key);
  if (stored_value > 0) { std::memcpy(to + stored_key, made.value.data(), stored_value); }
  return place;
}

void EntryCache::note_dead(const Record& record, Place place) {
  set_flags(record, record.flags & ~kLive);
  const auto bytes = static_cast<uint32_t>(record.bytes());
  chunks_[size_t{place} * kUnit / options_.chunk_bytes].dead_bytes += bytes;
  dead_bytes_ += bytes;
}

// Has a record go on in another chunk.
void EntryCache::move(const Record& record, int flags, Place* slot, QueueName to) {
  const size_t bytes = record.bytes();
  Place place = 0;
  std::byte* const room = room_for(to, bytes, place);
  std::memcpy(room, record.at, bytes);
  room[0] = static_cast<std::byte>(flags);
  note_dead(record, *slot);
  *slot = place;
}

// `flags`: those that it has now.
void EntryCache::forget(const Record& record, int flags, uint64_t hash, Place* slot) {
  if ((flags & kBelow) != 0) { stores_[record.state].is_complete = false; }
  note_dead(record, *slot);
  index_erase(hash, slot);
}

// ---- Which records stay

bool EntryCache::was_turned_away(uint64_t hash) {
  uint16_t& ghost = segment_of(hash).ghosts[(hash >> 32 & 0xFFFF) * kGhosts >> 16];
  if (ghost != static_cast<uint16_t>(hash | 1)) { return false; }
  ghost = 0;
  return true;
}

void EntryCache::turn_away(uint64_t hash) {
  segment_of(hash).ghosts[(hash >> 32 & 0xFFFF) * kGhosts >> 16] = static_cast<uint16_t>(hash | 1);
}

// The record's chunk is being cleared.
void EntryCache::go_on(const Record& record, Place place, uint64_t hash, QueueName from) {
  Place* const slot = slot_of(hash, place);
  const int uses = record.flags & kUses;
  int flags = record.flags & ~kUses;
  if (uses != 0) {
    if (from == QueueName::kMain) { flags |= uses - kUse; }
    return move(record, flags, slot, QueueName::kMain);
  }
  if (from == QueueName::kSmall) { turn_away(hash); }
  if (is_old(flags)) { flags = write_below(record) & ~kUses; }
  // While a cut is on its way, what is clean may be so by a write that is not yet committed.
  if ((flags & kDirty) != 0 || cutting_ != Cutting::kNo || is_gathering()) {
    return move(record, flags, slot, QueueName::kLeaving);
  }
  forget(record, flags, hash, slot);
}

// Of its records, whose buckets are fetched ahead.
void EntryCache::hash_chunk(uint32_t number) {
  chunk_hashes_.clear();
  for_each_in(number, [this](const Record& record, Place) {
    chunk_hashes_.push_back(hash_of(record.state, key_of(record)));
    prefetch_bucket(chunk_hashes_.back());
  });
}

void EntryCache::clear_oldest(QueueName name) {
  std::deque<uint32_t>& chunks = queue(name);
  const uint32_t oldest = chunks.front();
  chunks.pop_front();
  hash_chunk(oldest);
  const uint64_t* hash = chunk_hashes_.data();
  for_each_in(oldest,
              [&](const Record& record, Place place) { go_on(record, place, *hash++, name); });
  free_chunk(oldest);
}

// Where more than half is void: the live records of the oldest chunk become the newest.
void EntryCache::compact_oldest() {
  const QueueName name = queue(QueueName::kMain).size() > queue(QueueName::kSmall).size()
                             ? QueueName::kMain
                             : QueueName::kSmall;
  const uint32_t oldest = queue(name).front();
  queue(name).pop_front();
  hash_chunk(oldest);
  const uint64_t* hash = chunk_hashes_.data();
  for_each_in(oldest, [&](const Record& record, Place place) {
    Place* const slot = slot_of(*hash++, place);
    // It may come where the cut has been already.
    const int flags = is_old(record.flags) ? write_below(record) : record.flags;
    move(record, flags, slot, name);
  });
  free_chunk(oldest);
}

// Has the records that leave written below. They stay until the next time, because until then it is
// not sure that they are seen there.
void EntryCache::submit_leaving() {
  std::deque<uint32_t>& leaving = queue(QueueName::kLeaving);
  for (const uint32_t chunk : leaving) {
    for_each_in(chunk, [this](const Record& record, Place) {
      if ((record.flags & kDirty) != 0) { set_flags(record, write_below(record)); }
    });
  }
  note(below_->commit_behind());
  std::vector<uint32_t> done = std::move(submitted_);
  submitted_.assign(leaving.begin(), leaving.end());
  leaving.clear();
  for (const uint32_t chunk : done) {
    hash_chunk(chunk);
    const uint64_t* hash = chunk_hashes_.data();
    for_each_in(chunk,
                [&](const Record& record, Place place) { settle_left(record, place, *hash++); });
    free_chunk(chunk);
  }
}

// The backend below has it; but it may have been asked for or changed meanwhile.
void EntryCache::settle_left(const Record& record, Place place, uint64_t hash) {
  Place* const slot = slot_of(hash, place);
  const int flags = record.flags & ~kUses;
  if ((record.flags & kUses) != 0) { return move(record, flags, slot, QueueName::kMain); }
  if ((flags & kDirty) != 0) { return move(record, flags, slot, QueueName::kSmall); }
  // What was erased is not there any more, now.
  forget(record, (flags & kErased) != 0 ? flags & ~kBelow : flags, hash, slot);
}

bool EntryCache::may_submit() {
  if (cutting_ == Cutting::kBelow && cut_has_begun_ && below_->is_cut()) {
    cutting_ = Cutting::kNo;
  }
  return cutting_ == Cutting::kNo && !is_gathering();
}

// What was gathered below is written, and seen.
void EntryCache::close_groups() {
  for (bool done = false; !done && failure_.ok();) {
    const Result<bool> ended = below_->end_groups();
    note(ended.status());
    done = ended.ok() && *ended;
    note(below_->commit());
  }
  groups_are_open_ = has_groups_ = false;
}

// So that what is clean is there.
void EntryCache::settle_below() {
  if (is_gathering()) { return close_groups(); }
  note(below_->commit());
}

int64_t EntryCache::queue_bytes(QueueName name) {
  return static_cast<int64_t>(queue(name).size() * options_.chunk_bytes);
}

void EntryCache::make_room() {
  constexpr int64_t kChunksCompacted = 32;
  if (dead_bytes_ > in_use_bytes_ / 2 &&
      in_use_bytes_ > kChunksCompacted * static_cast<int64_t>(options_.chunk_bytes)) [[unlikely]] {
    compact_oldest();
  }
  if (in_use_bytes_ <= bytes_max_) [[likely]] { return; }
  const int64_t leave_at =
      std::min<int64_t>(static_cast<int64_t>(below_->write_batch_bytes()), bytes_max_ / 8);
  while (in_use_bytes_ > bytes_max_) {
    const size_t small = queue(QueueName::kSmall).size();
    const size_t main = queue(QueueName::kMain).size();
    const bool can_clear = small > 1 || main > 1;
    const int64_t leaving = queue_bytes(QueueName::kLeaving);
    if (leaving >= leave_at && may_submit()) {
      submit_leaving();
    } else if (!can_clear || leaving > bytes_max_ / 2) {
      if (leaving == 0 && submitted_.empty()) { return; }  // large records in new chunks
      if (!may_submit()) {
        finish_old();
        if (is_gathering()) { close_groups(); }
        if (cut_has_begun_) { below_->wait_for_cut(); }
        if (!may_submit()) { return; }  // the cut is about to begin
      }
      submit_leaving();
    } else if (small > 1 && (main <= 1 || queue_bytes(QueueName::kSmall) > bytes_max_ / 10)) {
      clear_oldest(QueueName::kSmall);
    } else {
      clear_oldest(QueueName::kMain);
    }
  }
}

// ---- Reading and writing

Result<StoreId> EntryCache::open_state(const StoreState& state) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const StoreId below, below_->open_state(state));
  // Ids are those of the backend below, so that views and cursors fit.
  TIDEWHEEL_CHECK(below <= stores_.size(), "ids of states come one after another");
  if (below < stores_.size()) { return below; }
  Store& store = stores_.emplace_back();
  // Timers are read in order, and hold back what is newer than a cut by themselves.
  const bool is_timers = state.meta.kind == StateKind::kTimers;
  store.is_direct = state.has_namespace || is_timers || below >= kStatesMax;
  has_direct_ = has_direct_ || (store.is_direct && !is_timers);
  has_kept_ = has_kept_ || !store.is_direct;
  store.is_complete = !below_->is_restored(below);
  return below;
}

int64_t EntryCache::cache_bytes() const {
  const bool has_spare = !has_kept_ && options_.file == nullptr;
  return below_->cache_bytes() + (has_spare ? options_.bytes() : 0);
}

bool EntryCache::note(Status status) {
  if (!status.ok() && failure_.ok()) { failure_ = std::move(status); }
  return failure_.ok();
}

std::string_view EntryCache::restored(std::string& scratch, const char* bytes, uint32_t stored,
                                      uint32_t size) {
  if (stored == size) { return {bytes, size}; }
  scratch.assign(bytes, stored);
  scratch.resize(size, '\0');
  return scratch;
}

Status EntryCache::find_many(StoreId state, std::span<const std::string_view> keys,
                             Values& values) {
  if (stores_[state].is_direct) { return below_->find_many(state, keys, values); }
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  write_pending();
  if (size_ == 0 && stores_[state].is_complete) {
    figures_.found += keys.size();
    values.assign(keys.size(), std::nullopt);
    return {};
  }
  hashes_.clear();
  for (const std::string_view key : keys) {
    hashes_.push_back(hash_of(state, key));
    prefetch_bucket(hashes_.back());
  }
  found_bytes_.clear();
  found_.clear();
  missing_.clear();
  const size_t first = std::min(kRecordsAhead, keys.size());
  for (size_t i = 0; i < first; ++i) { prefetch_record(hashes_[i]); }
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i + kRecordsAhead < keys.size()) { prefetch_record(hashes_[i + kRecordsAhead]); }
    find_one(state, keys[i], hashes_[i]);
  }
  if (!missing_.empty()) {
    TIDEWHEEL_RETURN_IF_ERROR(below_->find_many(state, missing_, below_values_));
  }
  figures_.missed += missing_.size();
  figures_.found += keys.size() - missing_.size();
  values.clear();
  size_t below = 0;
  for (const Found& found : found_) {
    if (found.is_below) {
      values.push_back(below_values_[below++]);
    } else if (found.is_there) {
      values.emplace_back(std::string_view(found_bytes_).substr(found.begin, found.size));
    } else {
      values.emplace_back();
    }
  }
  return {};
}

void EntryCache::find_one(StoreId state, std::string_view key, uint64_t hash) {
  Found found;
  const Place* const slot = find(hash, state, key, zeros_at_end(key));
  if (slot == nullptr) {
    found.is_below = !stores_[state].is_complete;
    if (found.is_below) { missing_.push_back(key); }
  } else {
    const Record record = read(at(*slot));
    if ((record.flags & kUses) != kUses) { set_flags(record, record.flags + kUse); }
    found.is_there = (record.flags & kErased) == 0;
    if (found.is_there) {
      found.begin = found_bytes_.size();
      found.size = record.value_size;
      found_bytes_.append(record.value(), record.stored_value());
      found_bytes_.resize(found.begin + found.size, '\0');
    }
  }
  found_.push_back(found);
}

void EntryCache::put(StoreId state, std::string_view key, std::string_view value) {
  if (stores_[state].is_direct) {
    has_direct_writes_ = true;
    return below_->put(state, key, value);
  }
  add_pending(state, WriteKind::kPut, key, value);
}

void EntryCache::erase(StoreId state, std::string_view key) {
  if (stores_[state].is_direct) {
    has_direct_writes_ = true;
    return below_->erase(state, key);
  }
  add_pending(state, WriteKind::kErase, key, {});
}

void EntryCache::put_in_group(StoreId state, std::string_view key, std::string_view value) {
  if (!groups_are_open_) { return put(state, key, value); }
  pass(state, WriteKind::kPutInGroup, key, value);
}

void EntryCache::erase_in_group(StoreId state, std::string_view key) {
  if (!groups_are_open_) { return erase(state, key); }
  pass(state, WriteKind::kEraseInGroup, key, {});
}

void EntryCache::put_back(StoreId state, std::string_view key, std::string_view value) {
  if (!stores_[state].is_direct) { add_pending(state, WriteKind::kPutBack, key, value); }
}

// At once when nothing is kept here, else when it is known that this key is not.
void EntryCache::pass(StoreId state, WriteKind kind, std::string_view key, std::string_view value) {
  if (!stores_[state].is_direct && (size_ > 0 || !pending_.empty())) {
    return add_pending(state, kind, key, value);
  }
  pass_below(state, kind, key, value);
}

void EntryCache::pass_below(StoreId state, WriteKind kind, std::string_view key,
                            std::string_view value) {
  stores_[state].was_passed = true;
  ++figures_.written;
  if (kind == WriteKind::kPutInGroup) {
    below_->put_in_group(state, key, value);
  } else {
    below_->erase_in_group(state, key);
  }
  commit_much();
}

bool EntryCache::begin_groups() {
  write_pending();
  if (groups_are_open_) { close_groups(); }  // of a barrier that was given up
  if (failure_.ok() && may_submit()) { open_groups(); }
  return groups_are_open_;
}

void EntryCache::open_groups() {
  // What was put before comes before what groups have of the same keys.
  if (gathers() && below_->uncommitted_bytes() > 0) { note(below_->commit_behind()); }
  groups_are_open_ = below_->begin_groups();
}

Result<bool> EntryCache::end_group(int32_t group) {
  write_pending();
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  if (gathers() || !groups_are_open_) { return true; }
  has_groups_ = true;
  Result<bool> ended = below_->end_group(group);
  note(ended.status());
  return ended;
}

Result<bool> EntryCache::end_groups() {
  write_pending();
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  if (gathers() || !groups_are_open_) { return true; }  // old records come, before the cut
  has_groups_ = true;
  Result<bool> ended = below_->end_groups();
  note(ended.status());
  groups_are_open_ = ended.ok() && !*ended;
  return ended;
}

void EntryCache::add_pending(StoreId state, WriteKind kind, std::string_view key,
                             std::string_view value) {
  Pending& made = pending_.emplace_back();
  made.hash = hash_of(state, key);
  made.state = state;
  made.kind = kind;
  made.key_begin = static_cast<uint32_t>(pending_bytes_.size());
  made.key_size = static_cast<uint32_t>(key.size());
  made.value_size = static_cast<uint32_t>(value.size());
  pending_bytes_.append(key);
  pending_bytes_.append(value);
  prefetch_bucket(made.hash);
  if (pending_.size() == kPendingMax || value.size() > options_.chunk_bytes / 4) {
    write_pending();
  }
}

void EntryCache::write_pending() {
  const size_t first = std::min(kRecordsAhead, pending_.size());
  for (size_t i = 0; i < first; ++i) { prefetch_record(pending_[i].hash); }
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (i + kRecordsAhead < pending_.size()) { prefetch_record(pending_[i + kRecordsAhead].hash); }
    const Pending& each = pending_[i];
    New made;
    const std::string_view key(pending_bytes_.data() + each.key_begin, each.key_size);
    if (each.kind == WriteKind::kErase || each.kind == WriteKind::kEraseInGroup) {
      made.flags = kErased;
    } else {
      made.value = {key.data() + key.size(), each.value_size};
      made.value_cut = zeros_at_end(made.value);
    }
    write(each, key, made);
  }
  pending_.clear();
  pending_bytes_.clear();
}

void EntryCache::write(const Pending& pending, std::string_view key, New& made) {
  const StoreId state = pending.state;
  const uint64_t hash = pending.hash;
  make_room();
  Store& store = stores_[state];
  if (!store.has_usual && (made.flags & kErased) == 0) {
    store.has_usual = true;
    store.usual_key_size = static_cast<uint32_t>(key.size());
    store.usual_value_size = static_cast<uint32_t>(made.value.size());
  }
  made.state = static_cast<uint8_t>(state);
  made.key = key;
  made.key_cut = zeros_at_end(key);
  const bool goes_back = pending.kind == WriteKind::kPutBack;
  made.flags |= goes_back ? kBelow : kDirty | epoch_;
  Place* const slot = find(hash, state, key, made.key_cut);
  if (slot == nullptr) {
    const bool is_of_group =
        pending.kind == WriteKind::kPutInGroup || pending.kind == WriteKind::kEraseInGroup;
    if (is_of_group && groups_are_open_) {  // making room may have closed them
      return pass_below(state, pending.kind, key, made.value);
    }
    if (!store.is_complete || store.was_passed) { made.flags |= kBelow; }
    if ((made.flags & (kErased | kBelow)) == kErased) { return; }  // there was none
    index_put(hash, append(was_turned_away(hash) ? QueueName::kMain : QueueName::kSmall, made));
    return;
  }
  if (goes_back) { return; }  // it was written here as well
  Record record = read(at(*slot));
  if (is_old(record.flags)) { record.flags = static_cast<uint8_t>(write_below(record)); }
  made.flags |= record.flags & (kUses | kBelow);
  if ((made.flags & (kErased | kBelow)) == kErased) {
    return forget(record, made.flags, hash, slot);  // nobody else knows of it
  }
  Chunk& chunk = chunks_[size_t{*slot} * kUnit / options_.chunk_bytes];
  chunk.has_dirty = true;
  if (overwrite(record, made)) { return; }
  note_dead(record, *slot);
  *slot = append(chunk.queue == QueueName::kSmall ? QueueName::kSmall : QueueName::kMain, made);
}

// In its place, when the value takes the same room there.
bool EntryCache::overwrite(const Record& record, const New& made) {
  const int kept = record.flags & (kLive | kUsual);
  if ((made.flags & kErased) == 0) {
    const uint32_t room = record.stored_value();
    if (record.value_size != made.value.size() || room < made.value.size() - made.value_cut) {
      return false;
    }
    if (room > 0) { std::memcpy(const_cast<char*>(record.value()), made.value.data(), room); }
  }
  set_flags(record, kept | made.flags);
  return true;
}

int EntryCache::write_below(const Record& record) {
  const std::string_view key = key_of(record);
  ++figures_.written;
  const bool in_group = is_gathering();
  if ((record.flags & kErased) != 0) {
    in_group ? below_->erase_in_group(record.state, key) : below_->erase(record.state, key);
  } else if (in_group) {
    below_->put_in_group(record.state, key, value_of(record));
  } else {
    below_->put(record.state, key, value_of(record));
  }
  commit_much();
  return (record.flags & ~kDirty) | kBelow;
}

// What is written below is memory until it is committed. A batch that is full goes, and where the
// one before is still on its way, there may be some more; then it is waited for.
void EntryCache::commit_much() {
  constexpr uint64_t kBatchesMax = 4;
  const uint64_t batches = below_->uncommitted_bytes() / below_->write_batch_bytes();
  if (batches == 0 || (batches < kBatchesMax && !below_->can_commit_behind())) { return; }
  note(below_->commit_behind());
}

Status EntryCache::commit() {
  write_pending();
  if (has_direct_writes_ || has_groups_) {
    has_direct_writes_ = has_groups_ = false;
    note(below_->commit());
  }
  return failure_;
}

uint64_t EntryCache::uncommitted_bytes() const {
  return has_direct_writes_ ? std::max<uint64_t>(below_->uncommitted_bytes(), 1) : 0;
}

// ---- Cuts

bool EntryCache::is_old(int flags) const {
  return cutting_ == Cutting::kOld && (flags & kDirty) != 0 && (flags & kEpoch) != epoch_;
}

void EntryCache::begin_cut() {
  write_pending();
  if (cutting_ != Cutting::kNo) { abort_own_snapshot(); }
  if (!groups_are_open_ && gathers()) { open_groups(); }
  make_old();
}

// What is changed now.
void EntryCache::make_old() {
  epoch_ ^= kEpoch;
  cutting_ = Cutting::kOld;
  cut_has_begun_ = false;
  cut_chunk_ = 0;
}

Result<bool> EntryCache::prepare_cut() {
  waits_for_commit_ = false;
  if (cutting_ != Cutting::kOld) { return true; }
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  if (below_->uncommitted_bytes() >= below_->write_batch_bytes()) {
    if (!below_->can_commit_behind()) {
      waits_for_commit_ = true;
      return false;
    }
    TIDEWHEEL_RETURN_IF_ERROR(below_->commit_behind());
  }
  size_t written = 0;
  size_t looked_at = 0;
  for (;
       cut_chunk_ < chunks_.size() && written < kOldRecordsAtOnce && looked_at < kBytesLookedAtOnce;
       ++cut_chunk_) {
    Chunk& chunk = chunks_[cut_chunk_];
    if (!chunk.has_dirty) { continue; }
    chunk.has_dirty = false;
    looked_at += chunk.used;
    for_each_in(static_cast<uint32_t>(cut_chunk_), [&](const Record& record, Place) {
      if (is_old(record.flags)) {
        set_flags(record, write_below(record));
        ++written;
      } else if ((record.flags & kDirty) != 0) {
        chunk.has_dirty = true;
      }
    });
  }
  if (cut_chunk_ < chunks_.size()) { return false; }
  if (!below_->can_commit_behind()) {
    waits_for_commit_ = true;
    return false;
  }
  if (is_gathering()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool ended, below_->end_groups());
    groups_are_open_ = !ended;
    if (!ended || !below_->can_commit_behind()) {
      waits_for_commit_ = true;
      return false;
    }
  }
  TIDEWHEEL_RETURN_IF_ERROR(below_->commit());
  has_direct_writes_ = has_groups_ = false;
  cutting_ = Cutting::kBelow;
  return true;
}

void EntryCache::finish_old() {
  while (cutting_ == Cutting::kOld && failure_.ok()) {
    if (!below_->can_commit_behind()) { note(below_->commit_behind()); }
    const Result<bool> done = prepare_cut();
    note(done.status());
  }
}

std::unique_ptr<StoreView> EntryCache::cut_view() {
  write_pending();
  if (cutting_ == Cutting::kNo) { make_old(); }
  finish_old();
  auto view = below_->view();
  cutting_ = Cutting::kNo;
  return view;
}

std::unique_ptr<StoreView> EntryCache::view() {
  write_pending();
  if (is_gathering() && cutting_ == Cutting::kNo) { close_groups(); }
  if (may_submit()) { return cut_view(); }
  // In the middle of a cut nothing newer may be written.
  std::vector<std::shared_ptr<const OverlayCursor::Above>> above;
  for (StoreId state = 0; state < stores_.size(); ++state) { above.push_back(kept(state)); }
  return std::make_unique<OverlayView>(below_->view(), std::move(above));
}

// What the backend below does not have, in the middle of a cut.
std::shared_ptr<const EntryCache::Changed> EntryCache::kept(StoreId state) {
  if (cutting_ == Cutting::kOld || is_gathering()) { settle_below(); }  // it has all that is clean
  auto above = std::make_shared<Changed>();
  for (uint32_t chunk = 0; chunk < chunks_.size(); ++chunk) {
    if (!chunks_[chunk].has_dirty) { continue; }
    for_each_in(chunk, [&](const Record& record, Place) {
      if (record.state != state || (record.flags & kDirty) == 0) { return; }
      const std::string_view key = key_of(record);
      std::optional<std::string>& value = (*above)[std::string(key)];
      if ((record.flags & kErased) == 0) { value = value_of(record); }
    });
  }
  return above;
}

std::unique_ptr<StoreCursor> EntryCache::scan(StoreId state) {
  write_pending();
  Store& store = stores_[state];
  if (!store.is_direct && may_submit()) {
    write_all(state);
    if (++store.scans > kScansMax) { make_direct(state); }
    return below_->scan(state);
  }
  if (store.is_direct) { return below_->scan(state); }
  auto above = kept(state);
  return std::make_unique<OverlayCursor>(below_->scan(state), std::move(above));
}

// So that the backend below has all of a state.
void EntryCache::write_all(StoreId state) {
  for (uint32_t chunk = 0; chunk < chunks_.size(); ++chunk) {
    if (!chunks_[chunk].has_dirty) { continue; }
    for_each_in(chunk, [&](const Record& record, Place) {
      if (record.state != state || (record.flags & kDirty) == 0) { return; }
      set_flags(record, write_below(record));
    });
  }
  note(below_->commit());
}

// It is read in order again and again: all of it is below, and it is not kept here any more.
void EntryCache::make_direct(StoreId state) {
  for (uint32_t chunk = 0; chunk < chunks_.size(); ++chunk) {
    for_each_in(chunk, [&](const Record& record, Place place) {
      if (record.state != state) { return; }
      const uint64_t hash = hash_of(state, key_of(record));
      forget(record, record.flags, hash, slot_of(hash, place));
    });
  }
  stores_[state].is_direct = has_direct_ = true;
}

Status EntryCache::erase_range(StoreId state, std::string_view from, std::string_view to) {
  if (stores_[state].is_direct) { return below_->erase_range(state, from, to); }
  std::vector<std::string> keys;
  const auto cursor = scan(state);
  for (cursor->seek(from); cursor->valid() && cursor->key() < to; cursor->next()) {
    keys.emplace_back(cursor->key());
  }
  TIDEWHEEL_RETURN_IF_ERROR(cursor->status());
  for (const std::string& key : keys) { erase(state, key); }
  return failure_;
}

void EntryCache::begin_own_snapshot(const SnapshotStart& start, std::function<void()> wake) {
  write_pending();
  if (cutting_ == Cutting::kNo) { make_old(); }
  finish_old();
  // What could not be written must not look like a snapshot: write_own_snapshot says so.
  if (!failure_.ok()) { return wake(); }
  below_->begin_own_snapshot(start, std::move(wake));
  cutting_ = Cutting::kBelow;
  cut_has_begun_ = true;
  snapshot_has_begun_ = true;
}

bool EntryCache::is_cut() {
  switch (cutting_) {
    case Cutting::kNo: return true;
    case Cutting::kOld: return false;
    case Cutting::kBelow: return cut_has_begun_ && below_->is_cut();
  }
  return true;
}

void EntryCache::wait_for_cut() {
  finish_old();
  if (cut_has_begun_) { below_->wait_for_cut(); }
}

Result<bool> EntryCache::write_own_snapshot(SnapshotWriter& writer) {
  if (!failure_.ok()) {
    abort_own_snapshot();
    return failure_;
  }
  Result<bool> done = below_->write_own_snapshot(writer);
  if (!done.ok() || *done) { end_cut(); }
  return done;
}

void EntryCache::end_cut() {
  cutting_ = Cutting::kNo;
  snapshot_has_begun_ = false;
}

void EntryCache::abort_own_snapshot() {
  write_pending();
  if (snapshot_has_begun_) { below_->abort_own_snapshot(); }
  if (cutting_ == Cutting::kOld) {
    settle_below();  // what is clean has to be seen
    // What was old is not any more.
    for (uint32_t chunk = 0; chunk < chunks_.size(); ++chunk) {
      if (!chunks_[chunk].has_dirty) { continue; }
      for_each_in(chunk, [this](const Record& record, Place) {
        set_flags(record, (record.flags & ~kEpoch) | epoch_);
      });
    }
  }
  end_cut();
}

EntryCache::Figures EntryCache::figures() const {
  Figures figures = figures_;
  figures.entries = size_;
  figures.bytes = in_use_bytes_ + index_bytes_;
  return figures;
}

}  // namespace tidewheel
