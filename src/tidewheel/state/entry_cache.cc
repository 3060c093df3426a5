#include "tidewheel/state/entry_cache.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "tidewheel/base/check.h"
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

constexpr uint32_t kCutMax = 15;
constexpr size_t kStatesMax = 255;
constexpr uint32_t kScansMax = 8;  // of a state that is kept here
constexpr size_t kOldRecordsAtOnce = 4096;
constexpr int64_t kChunksMin = 8;
constexpr int64_t kChunksSpare = 1024;  // of the numbers there are: for what is on its way
constexpr size_t kBucketsMin = 64;

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
  bucket_count_max_ = kBucketsMin;
  resize_index(kBucketsMin);
  set_budget();
}

EntryCache::~EntryCache() {
  for (uint32_t chunk = 0; chunk < chunks_.size(); ++chunk) { give_back(chunk); }
  free_zeroed(index_, bucket_count_ * sizeof(Bucket));
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

EntryCache::Bucket& EntryCache::bucket_of(uint64_t hash, size_t& number) const {
  number = static_cast<size_t>((hash & 0xFFFFFFFF) * bucket_count_ >> 32);
  return index_[number];
}

EntryCache::Place* EntryCache::find(uint64_t hash, uint32_t state, std::string_view key,
                                    uint32_t key_cut) const {
  const auto tag = static_cast<uint8_t>(hash >> 56);
  size_t number = 0;
  for (Bucket* bucket = &bucket_of(hash, number);; bucket = &index_[number]) {
    for (size_t i = 0; i < kBucketRecords; ++i) {
      if (bucket->tags[i] != tag || bucket->places[i] == 0) { continue; }
      const Record record = read(at(bucket->places[i]));
      const size_t stored = key.size() - key_cut;
      if (record.state == state && record.key_size == key.size() && (record.cut & 15U) == key_cut &&
          std::memcmp(record.key, key.data(), stored) == 0) {
        return &bucket->places[i];
      }
    }
    if (bucket->passed == 0) { return nullptr; }
    number = number + 1 == bucket_count_ ? 0 : number + 1;
  }
}

// Where the index has this place.
EntryCache::Place* EntryCache::slot_of(uint64_t hash, Place place) const {
  size_t number = 0;
  for (Bucket* bucket = &bucket_of(hash, number);; bucket = &index_[number]) {
    for (Place& other : bucket->places) {
      if (other == place) { return &other; }
    }
    TIDEWHEEL_CHECK(bucket->passed != 0, "a record is not in the index");
    number = number + 1 == bucket_count_ ? 0 : number + 1;
  }
}

void EntryCache::prefetch_bucket(uint64_t hash) const {
  size_t number = 0;
  prefetch_for_write(&bucket_of(hash, number));
}

// The record that a key with this hash has, most likely. Its bucket was fetched before.
void EntryCache::prefetch_record(uint64_t hash) const {
  size_t number = 0;
  const Bucket& bucket = bucket_of(hash, number);
  for (size_t i = 0; i < kBucketRecords; ++i) {
    if (bucket.tags[i] == static_cast<uint8_t>(hash >> 56) && bucket.places[i] != 0) {
      return prefetch_for_write(at(bucket.places[i]));
    }
  }
}

void EntryCache::index_put(uint64_t hash, Place place) {
  size_t number = 0;
  for (Bucket* bucket = &bucket_of(hash, number);; bucket = &index_[number]) {
    for (size_t i = 0; i < kBucketRecords; ++i) {
      if (bucket->places[i] != 0) { continue; }
      bucket->places[i] = place;
      bucket->tags[i] = static_cast<uint8_t>(hash >> 56);
      ++size_;
      return;
    }
    ++bucket->passed;
    number = number + 1 == bucket_count_ ? 0 : number + 1;
  }
}

void EntryCache::index_erase(uint64_t hash, Place* slot) {
  size_t number = 0;
  for (Bucket* bucket = &bucket_of(hash, number);; bucket = &index_[number]) {
    if (slot >= bucket->places && slot < bucket->places + kBucketRecords) { break; }
    --bucket->passed;
    number = number + 1 == bucket_count_ ? 0 : number + 1;
  }
  *slot = 0;
  --size_;
}

// The records are put into it from their chunks, so that there are never two of it.
void EntryCache::resize_index(size_t buckets) {
  free_zeroed(index_, bucket_count_ * sizeof(Bucket));
  memory_.release(index_bytes_of(bucket_count_));
  bucket_count_ = buckets;
  memory_.reserve(index_bytes_of(bucket_count_));
  index_ = static_cast<Bucket*>(allocate_zeroed(bucket_count_ * sizeof(Bucket)));
  ghosts_.assign(bucket_count_ * kGhostsPerBucket, 0);
  ghosts_.shrink_to_fit();
  size_ = 0;
  for (uint32_t chunk = 0; chunk < chunks_.size(); ++chunk) {
    for_each_in(chunk, [this](const Record& record, Place place) {
      const std::string_view key = key_of(record);
      index_put(hash_of(record.state, key), place);
    });
  }
}

int64_t EntryCache::index_bytes_of(size_t buckets) {
  return static_cast<int64_t>(buckets * (sizeof(Bucket) + kGhostsPerBucket * sizeof(uint16_t)));
}

bool EntryCache::is_index_full() const { return size_ >= bucket_count_ * kBucketRecords / 4 * 3; }

void EntryCache::grow_index() {
  // Room for it is made first, and that may be enough.
  bucket_count_max_ = bucket_count_ + std::max(bucket_count_ / 4, kBucketsMin);
  set_budget();
  make_room();
  if (is_index_full()) { resize_index(bucket_count_max_); }
  bucket_count_max_ = bucket_count_;
  set_budget();
}

// ---- Chunks and queues

void EntryCache::set_budget() {
  const int64_t chunk = static_cast<int64_t>(options_.chunk_bytes);
  // One is begun before room is made, and clearing one takes up to two before it is free.
  const int64_t left = (options_.bytes() - index_bytes_of(bucket_count_max_)) / chunk - 4;
  // And places have 32 bits.
  const int64_t numbers = static_cast<int64_t>(uint64_t{UINT32_MAX} * kUnit / options_.chunk_bytes);
  bytes_max_ = std::clamp<int64_t>(left, kChunksMin, numbers - kChunksSpare) * chunk;
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
    memory_.reserve(static_cast<int64_t>(made.capacity));
    made.bytes = static_cast<std::byte*>(allocate_zeroed(made.capacity));
  }
  chunks_[number].used = 0;
  chunks_[number].queue = queue;
  in_use_bytes_ += static_cast<int64_t>(chunks_[number].capacity);
  return number;
}

void EntryCache::free_chunk(uint32_t number) {
  Chunk& chunk = chunks_[number];
  in_use_bytes_ -= static_cast<int64_t>(chunk.capacity);
  chunk.used = 0;
  free_chunks_.push_back(number);
  const auto held = [this] {
    return in_use_bytes_ + static_cast<int64_t>(free_chunks_.size() * options_.chunk_bytes);
  };
  while (!free_chunks_.empty() && (chunk.capacity > options_.chunk_bytes || held() > bytes_max_)) {
    give_back(free_chunks_.back());
    unused_numbers_.push_back(free_chunks_.back());
    free_chunks_.pop_back();
  }
}

void EntryCache::give_back(uint32_t number) {
  Chunk& chunk = chunks_[number];
  if (chunk.bytes == nullptr) { return; }
  free_zeroed(chunk.bytes, chunk.capacity);
  memory_.release(static_cast<int64_t>(chunk.capacity));
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

// Has a record go on in another chunk.
void EntryCache::move(const Record& record, int flags, Place* slot, QueueName to) {
  const size_t bytes = record.bytes();
  Place place = 0;
  std::byte* const room = room_for(to, bytes, place);
  std::memcpy(room, record.at, bytes);
  room[0] = static_cast<std::byte>(flags);
  set_flags(record, record.flags & ~kLive);
  *slot = place;
}

void EntryCache::forget(const Record& record, uint64_t hash, Place* slot) {
  set_flags(record, record.flags & ~kLive);
  index_erase(hash, slot);
}

// ---- Which records stay

bool EntryCache::was_turned_away(uint64_t hash) {
  uint16_t& ghost = ghosts_[static_cast<size_t>((hash >> 32) * ghosts_.size() >> 32)];
  if (ghost != static_cast<uint16_t>(hash | 1)) { return false; }
  ghost = 0;
  return true;
}

void EntryCache::turn_away(uint64_t hash) {
  ghosts_[static_cast<size_t>((hash >> 32) * ghosts_.size() >> 32)] =
      static_cast<uint16_t>(hash | 1);
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
  if (is_old(flags)) {
    write_below(record);
    flags &= ~kDirty;
  }
  // While a cut is on its way, what is clean may be so by a write that is not yet committed.
  if ((flags & kDirty) != 0 || cutting_ != Cutting::kNo) {
    return move(record, flags, slot, QueueName::kLeaving);
  }
  forget(record, hash, slot);
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

// Has the records that leave written below. They stay until the next time, because until then it is
// not sure that they are seen there.
void EntryCache::submit_leaving() {
  std::deque<uint32_t>& leaving = queue(QueueName::kLeaving);
  for (const uint32_t chunk : leaving) {
    for_each_in(chunk, [this](const Record& record, Place) {
      if ((record.flags & kDirty) == 0) { return; }
      write_below(record);
      set_flags(record, record.flags & ~kDirty);
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
  forget(record, hash, slot);
}

bool EntryCache::may_submit() {
  if (cutting_ == Cutting::kBelow && cut_has_begun_ && below_->is_cut()) {
    cutting_ = Cutting::kNo;
  }
  return cutting_ == Cutting::kNo;
}

int64_t EntryCache::queue_bytes(QueueName name) {
  return static_cast<int64_t>(queue(name).size() * options_.chunk_bytes);
}

void EntryCache::make_room() {
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
  return below;
}

int64_t EntryCache::cache_bytes() const {
  return below_->cache_bytes() + (has_kept_ ? 0 : options_.bytes());
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
  hashes_.clear();
  for (const std::string_view key : keys) {
    hashes_.push_back(hash_of(state, key));
    prefetch_bucket(hashes_.back());
  }
  found_bytes_.clear();
  found_.clear();
  missing_.clear();
  constexpr size_t kAhead = 16;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i % kAhead == 0) {
      const size_t end = std::min(i + kAhead, keys.size());
      for (size_t k = i; k < end; ++k) { prefetch_record(hashes_[k]); }
    }
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
    found.is_below = true;
    missing_.push_back(key);
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
  add_pending(state, false, key, value);
}

void EntryCache::erase(StoreId state, std::string_view key) {
  if (stores_[state].is_direct) {
    has_direct_writes_ = true;
    return below_->erase(state, key);
  }
  add_pending(state, true, key, {});
}

void EntryCache::add_pending(StoreId state, bool erases, std::string_view key,
                             std::string_view value) {
  Pending& made = pending_.emplace_back();
  made.hash = hash_of(state, key);
  made.state = state;
  made.erases = erases;
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
  for (const Pending& each : pending_) { prefetch_record(each.hash); }
  for (const Pending& each : pending_) {
    New made;
    const std::string_view key(pending_bytes_.data() + each.key_begin, each.key_size);
    if (each.erases) {
      made.flags = kErased;
    } else {
      made.value = {key.data() + key.size(), each.value_size};
      made.value_cut = zeros_at_end(made.value);
    }
    write(each.state, each.hash, key, made);
  }
  pending_.clear();
  pending_bytes_.clear();
}

void EntryCache::write(StoreId state, uint64_t hash, std::string_view key, New& made) {
  make_room();
  if (is_index_full()) [[unlikely]] { grow_index(); }
  Store& store = stores_[state];
  if (!store.has_usual && (made.flags & kErased) == 0) {
    store.has_usual = true;
    store.usual_key_size = static_cast<uint32_t>(key.size());
    store.usual_value_size = static_cast<uint32_t>(made.value.size());
  }
  made.state = static_cast<uint8_t>(state);
  made.key = key;
  made.key_cut = zeros_at_end(key);
  made.flags |= kDirty | epoch_;
  Place* const slot = find(hash, state, key, made.key_cut);
  if (slot == nullptr) {
    index_put(hash, append(was_turned_away(hash) ? QueueName::kMain : QueueName::kSmall, made));
    return;
  }
  const Record record = read(at(*slot));
  if (is_old(record.flags)) { write_below(record); }
  if (overwrite(record, made)) { return; }
  const size_t chunk = size_t{*slot} * kUnit / options_.chunk_bytes;
  made.flags |= record.flags & kUses;
  set_flags(record, record.flags & ~kLive);
  *slot = append(chunks_[chunk].queue == QueueName::kSmall ? QueueName::kSmall : QueueName::kMain,
                 made);
}

// In its place, when the value takes the same room there.
bool EntryCache::overwrite(const Record& record, const New& made) {
  const int kept = record.flags & (kLive | kUsual | kUses);
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

void EntryCache::write_below(const Record& record) {
  const std::string_view key = key_of(record);
  ++figures_.written;
  if ((record.flags & kErased) != 0) { return below_->erase(record.state, key); }
  below_->put(record.state, key, value_of(record));
}

Status EntryCache::commit() {
  write_pending();
  if (has_direct_writes_) {
    has_direct_writes_ = false;
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
  epoch_ ^= kEpoch;
  cutting_ = Cutting::kOld;
  cut_has_begun_ = false;
  cut_chunk_ = 0;
}

Result<bool> EntryCache::prepare_cut() {
  if (cutting_ != Cutting::kOld) { return true; }
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  if (below_->uncommitted_bytes() >= below_->write_batch_bytes()) {
    if (!below_->can_commit_behind()) { return false; }
    TIDEWHEEL_RETURN_IF_ERROR(below_->commit_behind());
  }
  size_t written = 0;
  for (; cut_chunk_ < chunks_.size() && written < kOldRecordsAtOnce; ++cut_chunk_) {
    for_each_in(static_cast<uint32_t>(cut_chunk_), [&](const Record& record, Place) {
      if (!is_old(record.flags)) { return; }
      write_below(record);
      set_flags(record, record.flags & ~kDirty);
      ++written;
    });
  }
  if (cut_chunk_ < chunks_.size()) { return false; }
  if (!below_->can_commit_behind()) { return false; }
  TIDEWHEEL_RETURN_IF_ERROR(below_->commit());
  has_direct_writes_ = false;
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
  if (cutting_ == Cutting::kNo) { begin_cut(); }
  finish_old();
  auto view = below_->view();
  cutting_ = Cutting::kNo;
  return view;
}

std::unique_ptr<StoreView> EntryCache::view() {
  write_pending();
  if (may_submit()) { return cut_view(); }
  // In the middle of a cut nothing newer may be written.
  std::vector<std::shared_ptr<const OverlayCursor::Above>> above;
  for (StoreId state = 0; state < stores_.size(); ++state) { above.push_back(kept(state)); }
  return std::make_unique<OverlayView>(below_->view(), std::move(above));
}

std::shared_ptr<const EntryCache::Changed> EntryCache::kept(StoreId state) {
  auto above = std::make_shared<Changed>();
  for (uint32_t chunk = 0; chunk < chunks_.size(); ++chunk) {
    for_each_in(chunk, [&](const Record& record, Place) {
      // What is clean in a chunk that leaves may be on its way still.
      if (record.state != state) { return; }
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
  if (!store.is_direct && ++store.scans > kScansMax && may_submit()) { make_direct(state); }
  if (store.is_direct) { return below_->scan(state); }
  return std::make_unique<OverlayCursor>(below_->scan(state), kept(state));
}

// It is read in order again and again, for which the backend below has to have all of it.
void EntryCache::make_direct(StoreId state) {
  for (uint32_t chunk = 0; chunk < chunks_.size(); ++chunk) {
    for_each_in(chunk, [&](const Record& record, Place place) {
      if (record.state != state) { return; }
      if ((record.flags & kDirty) != 0) { write_below(record); }
      const uint64_t hash = hash_of(state, key_of(record));
      forget(record, hash, slot_of(hash, place));
    });
  }
  note(below_->commit());
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
  if (cutting_ == Cutting::kNo) { begin_cut(); }
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
    note(below_->commit());  // what is clean has to be seen
    // What was old is not any more.
    for (uint32_t chunk = 0; chunk < chunks_.size(); ++chunk) {
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
  figures.bytes = memory_.bytes();
  return figures;
}

}  // namespace tidewheel
