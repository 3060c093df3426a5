#include "tidewheel/operators/join_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "tidewheel/base/check.h"

namespace tidewheel {

void append_bucket_prefix(std::string& out, int32_t group, int64_t bucket) {
  out.push_back(static_cast<char>(static_cast<uint32_t>(group) >> 8));
  out.push_back(static_cast<char>(group));
  out.push_back(static_cast<char>(sizeof(bucket)));
  const uint64_t biased = static_cast<uint64_t>(bucket) ^ (uint64_t{1} << 63);
  for (int shift = 56; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(biased >> static_cast<uint32_t>(shift)));
  }
}

bool split_bucket_key(std::string_view stored, int32_t& group, int64_t& bucket,
                      std::string_view& key) {
  if (stored.size() < kBucketPrefixBytes || stored[2] != sizeof(bucket)) { return false; }
  const auto byte = [stored](size_t i) { return static_cast<unsigned char>(stored[i]); };
  group = (byte(0) << 8) | byte(1);
  uint64_t biased = 0;
  for (size_t i = 3; i < kBucketPrefixBytes; ++i) { biased = (biased << 8) | byte(i); }
  bucket = static_cast<int64_t>(biased ^ (uint64_t{1} << 63));
  key = stored.substr(kBucketPrefixBytes);
  return true;
}

std::string end_of_prefix(std::string prefix) {
  while (!prefix.empty()) {
    if (static_cast<unsigned char>(prefix.back()) != 0xff) {
      prefix.back() = static_cast<char>(prefix.back() + 1);
      return prefix;
    }
    prefix.pop_back();
  }
  return prefix;
}

void append_stored_row(std::string& out, int64_t time, std::string_view row) {
  uint64_t size = row.size();
  for (; size >= 0x80; size >>= 7) { out.push_back(static_cast<char>(size | 0x80)); }
  out.push_back(static_cast<char>(size));
  char bytes[sizeof(time)];
  std::memcpy(bytes, &time, sizeof(time));
  out.append(bytes, sizeof(time));
  out.append(row);
}

bool next_stored_row(std::string_view& rows, int64_t& time, std::string_view& row) {
  Reader reader(rows);
  const uint64_t size = reader.varint();
  time = reader.fixed<int64_t>();
  if (!reader.ok() || size > reader.remaining()) { return false; }
  row = rows.substr(reader.position(), size);
  rows.remove_prefix(reader.position() + size);
  return true;
}

int64_t JoinBuckets::last_time_of(int64_t bucket) const {
  __extension__ using Wide = __int128;
  const Wide last = static_cast<Wide>(bucket) * quantum_ms + quantum_ms - 1;
  return static_cast<int64_t>(std::clamp<Wide>(last, INT64_MIN, INT64_MAX));
}

std::string JoinBuckets::stored_form() const {
  return fmt::format("{} in buckets of {} ms", kStoredFormBegin, quantum_ms);
}

// ---- Restoring

Result<SnapshotReader*> JoinStore::restore(SnapshotReader* reader) {
  if (reader == nullptr) { return nullptr; }
  TIDEWHEEL_ASSIGN_OR_RETURN(restored_, backend_.restore(*reader));
  return restored_.get();
}

Result<StoreId> JoinStore::add_side(StoredSide& side, StoredSideMeta meta) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const StoreId id, backend_.open_state(meta.stored));
  sides_.push_back({&side, std::move(meta), id});
  return id;
}

// ---- Writes

Status JoinStore::note(Status status) {
  if (!status.ok() && failure_.ok()) { failure_ = status; }
  return status;
}

void JoinStore::add_write(StoreId state, bool appends, std::string_view key,
                          std::string_view rows) {
  writes_.push_back({state, appends, bytes_.size(), key.size(), rows.size()});
  bytes_.append(key);
  bytes_.append(rows);
}

void JoinStore::commit_some() {
  if (bytes_.size() >= backend_.write_batch_bytes()) { static_cast<void>(commit()); }
}

// In the order of keys. Those whose old rows are needed are read some at a time.
Status JoinStore::commit() {
  if (writes_.empty()) { return failure_; }
  std::stable_sort(writes_.begin(), writes_.end(), [this](const Write& a, const Write& b) {
    return a.state != b.state ? a.state < b.state : key_of(a) < key_of(b);
  });
  Status status;
  for (size_t begin = 0; begin < writes_.size() && status.ok();) {
    size_t end = begin;
    while (end < writes_.size() && writes_[end].state == writes_[begin].state &&
           (end - begin < kReadsMax || key_of(writes_[end]) == key_of(writes_[end - 1]))) {
      ++end;
    }
    status = write_gathered(begin, end);
    begin = end;
  }
  writes_.clear();
  bytes_.clear();
  if (status.ok()) { status = backend_.commit(); }
  return note(std::move(status));
}

// Writes of one state, all that there are of each key.
Status JoinStore::write_gathered(size_t begin, size_t end) {
  const auto is_first = [&](size_t i) {
    return i == begin || key_of(writes_[i]) != key_of(writes_[i - 1]);
  };
  const StoreId state = writes_[begin].state;
  std::vector<std::string_view> keys;
  for (size_t i = begin; i < end; ++i) {
    if (is_first(i) && writes_[i].appends) { keys.push_back(key_of(writes_[i])); }
  }
  if (!keys.empty()) { TIDEWHEEL_RETURN_IF_ERROR(backend_.find_many(state, keys, values_)); }
  std::string rows;
  size_t read = 0;
  for (size_t i = begin; i < end;) {
    const std::string_view key = key_of(writes_[i]);
    rows.clear();
    if (writes_[i].appends) { rows = values_[read++].value_or(std::string_view()); }
    for (bool first = true; i < end && (first || !is_first(i)); ++i, first = false) {
      if (!writes_[i].appends) { rows.clear(); }
      rows.append(rows_of(writes_[i]));
    }
    backend_.put(state, key, rows);
  }
  return {};
}

Status JoinStore::find_many(StoreId state, std::span<const std::string_view> keys,
                            StateBackend::Values& values) {
  TIDEWHEEL_RETURN_IF_ERROR(commit());
  return note(backend_.find_many(state, keys, values));
}

Result<std::unique_ptr<StoreView>> JoinStore::view() {
  TIDEWHEEL_RETURN_IF_ERROR(commit());
  return backend_.view();
}

bool JoinStore::is_gated() const {
  switch (stage_) {
    case Stage::kFlush:
    case Stage::kFlushed: return true;
    case Stage::kOwn: return !backend_.is_cut();
    default: return false;
  }
}

Status JoinStore::settle() {
  int64_t bytes = 0;
  for (const Side& side : sides_) { bytes += side.side->memory_bytes(); }
  // A quarter is kept for what comes after a barrier, until that is cut off.
  const int64_t most = backend_.cache_bytes();
  const int64_t limit = most - most / 4;
  if (bytes <= limit || !failure_.ok()) { return failure_; }
  if (is_gated()) {
    // When that is used up there is no time to do it bit by bit; `write` is called soon.
    if (bytes < most) { return failure_; }
    if (stage_ == Stage::kFlush) { flush(SIZE_MAX); }
    if (stage_ != Stage::kOwn) { return failure_; }
    backend_.wait_for_cut();
  }
  while (bytes > limit - limit / 8 && failure_.ok()) {
    StoredSide* coldest = nullptr;
    StoredSide::Cold least;
    for (const Side& side : sides_) {
      const StoredSide::Cold cold = side.side->find_coldest();
      if (cold.bytes == 0) { continue; }
      if (coldest == nullptr || cold.used_at < least.used_at ||
          (cold.used_at == least.used_at && cold.bytes > least.bytes)) {
        coldest = side.side;
        least = cold;
      }
    }
    if (coldest == nullptr) { break; }
    coldest->evict_coldest();
    static_cast<void>(commit());  // a failure is kept
    bytes -= least.bytes;
  }
  return failure_;
}

void JoinStore::erase_dropped() {
  if (is_gated() || !failure_.ok()) { return; }
  for (const Side& side : sides_) { static_cast<void>(note(side.side->erase_dropped())); }
}

// ---- Snapshots

void JoinStore::begin_snapshot(const SnapshotStart& start) {
  if (stage_ != Stage::kIdle) { abort_snapshot(); }
  start_ = start;
  for (const Side& side : sides_) { side.side->begin_flush(); }
  side_ = 0;
  stage_ = Stage::kFlush;
}

void JoinStore::end_stage() {
  cursor_.reset();
  view_.reset();
  stage_ = Stage::kIdle;
  erase_dropped();
}

void JoinStore::abort_snapshot() {
  if (stage_ == Stage::kFlush) {
    for (const Side& side : sides_) { side.side->end_flush(); }
    static_cast<void>(commit());  // a failure is kept
  }
  if (stage_ == Stage::kOwn) { backend_.abort_own_snapshot(); }
  end_stage();
}

// Brings what is older than the barrier to the backend. False: call it again.
bool JoinStore::flush(size_t budget) {
  for (; side_ < sides_.size(); ++side_) {
    if (!sides_[side_].side->flush(budget)) { return false; }
  }
  static_cast<void>(commit());  // a failure is kept
  for (const Side& side : sides_) { side.side->end_flush(); }
  stage_ = Stage::kFlushed;
  return true;
}

void JoinStore::cut(const SnapshotWriter& writer) {
  if (own_snapshots_ && writer.takes_files()) {
    backend_.begin_own_snapshot(start_, wake_);
    stage_ = Stage::kOwn;
    return;
  }
  view_ = backend_.view();
  side_ = 0;
  stage_ = Stage::kEntries;
}

Result<bool> JoinStore::write(SnapshotWriter& writer) {
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  if (stage_ == Stage::kFlush && !flush(kFlushSlots)) { return false; }
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  if (stage_ == Stage::kFlushed) { cut(writer); }
  if (stage_ == Stage::kIdle) { return true; }
  Result<bool> done =
      stage_ == Stage::kOwn ? backend_.write_own_snapshot(writer) : write_entries(writer);
  if (!done.ok() || *done) { end_stage(); }
  return done;
}

Result<bool> JoinStore::write_entries(SnapshotWriter& writer) {
  for (; side_ < sides_.size(); ++side_, cursor_.reset()) {
    if (cursor_ == nullptr) {
      cursor_ = view_->scan(sides_[side_].id);
      row_offset_ = row_number_ = 0;
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool done, write_side(sides_[side_], writer));
    if (!done) { return false; }
  }
  return true;
}

// Writes entries from where the cursor stands, a row each.
Result<bool> JoinStore::write_side(const Side& side, SnapshotWriter& writer) {
  if (!writer.ready()) { return false; }
  writer.begin_state(side.meta.saved);
  for (; cursor_->valid(); cursor_->next(), row_offset_ = row_number_ = 0) {
    StateEntry entry;
    int64_t bucket = 0;
    bool sound = split_bucket_key(cursor_->key(), entry.group, bucket, entry.key);
    std::string_view rows = cursor_->value().substr(row_offset_);
    while (sound && !rows.empty()) {
      if (!writer.ready()) { return false; }
      int64_t time = 0;
      sound = next_stored_row(rows, time, entry.value);
      row_offset_ = cursor_->value().size() - rows.size();
      const JoinPlace place{side.meta.by_time ? time : bucket, ++row_number_};
      entry.name_space = place_bytes_.encode(place);
      if (sound) { writer.add(entry); }
    }
    if (!sound) {
      return data_loss(ErrorId::kStateBackend, "stored rows of state {} are damaged",
                       side.meta.saved.name);
    }
  }
  TIDEWHEEL_RETURN_IF_ERROR(cursor_->status());
  return true;
}

}  // namespace tidewheel
