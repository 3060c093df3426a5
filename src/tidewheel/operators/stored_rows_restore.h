// How rows of a join come from a snapshot into a state backend: group by group, in the order of the
// stored keys, past the memory. Included by stored_rows.h.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/operators/stored_rows.h"

namespace tidewheel {

// Gathers the rows of one key group, which come in any order (layers of a snapshot come from the
// newest to the oldest), and writes them.
template <class K, class T>
class StoredRows<K, T>::GroupLoader {
 public:
  explicit GroupLoader(StoredRows& to) : to_(to) {}

  Status add(int32_t group, int64_t bucket, std::string_view key, uint64_t number, int64_t time,
             std::string_view row) {
    if (group != group_) {
      TIDEWHEEL_RETURN_IF_ERROR(write());
      group_ = group;
    }
    Item item{bytes_.size(), 0, 0, number, bucket};
    append_bucket_prefix(bytes_, group, bucket);
    bytes_ += key;
    item.key_size = bytes_.size() - item.begin;
    append_stored_row(bytes_, time, row);
    item.size = bytes_.size() - item.begin;
    items_.push_back(item);
    return {};
  }
  Status write() {
    std::stable_sort(items_.begin(), items_.end(), [this](const Item& a, const Item& b) {
      const int order = key_of(a).compare(key_of(b));
      return order != 0 ? order < 0 : a.number < b.number;
    });
    std::string rows;
    for (size_t i = 0; i < items_.size();) {
      const std::string_view key = key_of(items_[i]);
      rows.clear();
      to_.note_stored(items_[i].bucket, group_);
      for (; i < items_.size() && key_of(items_[i]) == key; ++i) {
        const Item& item = items_[i];
        rows +=
            std::string_view(bytes_).substr(item.begin + item.key_size, item.size - item.key_size);
      }
      to_.store_.put(to_.id_, key, rows);
      to_.store_.commit_some();
    }
    items_.clear();
    bytes_.clear();
    return to_.store_.failure();
  }

 private:
  struct Item {
    size_t begin = 0;  // in bytes_: the stored key, then the row
    size_t key_size = 0;
    size_t size = 0;
    uint64_t number = 0;
    int64_t bucket = 0;
  };
  std::string_view key_of(const Item& item) const {
    return std::string_view(bytes_).substr(item.begin, item.key_size);
  }

  StoredRows& to_;
  int32_t group_ = -1;
  std::vector<Item> items_;
  std::string bytes_;
};

// Reads keys and rows of any schema of a snapshot, as bytes of today's.
template <class K, class T>
class RestoredRowBytes {
 public:
  static Result<RestoredRowBytes> make(const StateMeta& meta, int32_t max_parallelism) {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto keys, StateDecoder<K>::make(meta, meta.key_schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(auto rows, StateDecoder<T>::make(meta, meta.value_schema));
    return RestoredRowBytes(meta, std::move(keys), std::move(rows), max_parallelism);
  }
  // Checks the key's group.
  Result<std::string_view> key(int32_t group, std::string_view bytes) {
    K key{};
    TIDEWHEEL_RETURN_IF_ERROR(keys_.decode(bytes, key));
    TIDEWHEEL_RETURN_IF_ERROR(check_key_group(meta_, group, key_hash(key, max_parallelism_).group));
    return same_keys_ ? bytes : key_bytes_->encode(key);
  }
  Result<std::string_view> row(std::string_view bytes) {
    if (same_rows_) { return bytes; }
    T row{};
    TIDEWHEEL_RETURN_IF_ERROR(rows_.decode(bytes, row));
    return row_bytes_->encode(row);
  }

 private:
  RestoredRowBytes(const StateMeta& meta, StateDecoder<K> keys, StateDecoder<T> rows,
                   int32_t max_parallelism)
      : meta_(meta),
        keys_(std::move(keys)),
        rows_(std::move(rows)),
        max_parallelism_(max_parallelism),
        same_keys_(meta.key_schema == encoded_schema<K>()),
        same_rows_(meta.value_schema == encoded_schema<T>()) {}

  StateMeta meta_;
  StateDecoder<K> keys_;
  StateDecoder<T> rows_;
  int32_t max_parallelism_;
  bool same_keys_;
  bool same_rows_;
  std::unique_ptr<StateBytes> key_bytes_ = std::make_unique<StateBytes>();
  std::unique_ptr<StateBytes> row_bytes_ = std::make_unique<StateBytes>();
};

template <class K, class T>
Status StoredRows<K, T>::restore(SnapshotReader* reader, const WasDropped& was_dropped) {
  if (reader == nullptr) { return {}; }
  if (store_.backend().is_restored(id_)) { return adopt(was_dropped); }
  const StateMeta* const found = reader->find(meta_.saved.name);
  if (found == nullptr) { return {}; }
  const StateMeta meta = *found;
  const bool is_stored = meta.form.starts_with(kStoredFormBegin);
  // Rows that have their time go to the buckets of today, whatever those were.
  if (!is_stored) {
    TIDEWHEEL_RETURN_IF_ERROR(check_state_form(meta, StateKind::kKeyed, meta_.saved.form));
  } else if (!meta_.by_time) {
    TIDEWHEEL_RETURN_IF_ERROR(check_state_form(meta, StateKind::kKeyed, meta_.stored.meta.form));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader->read(meta.name));
  TIDEWHEEL_ASSIGN_OR_RETURN(auto bytes, (RestoredRowBytes<K, T>::make(meta, max_parallelism_)));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto places,
                             StateDecoder<JoinPlace>::make(meta, meta.namespace_schema));
  GroupLoader loader(*this);
  StateEntry entry;
  uint64_t number = 0;
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
    if (!more) { break; }
    JoinPlace place;
    std::string_view rows;
    if (is_stored) {
      TIDEWHEEL_RETURN_IF_ERROR(split_stored(entry, place.slot, rows));
    } else {
      TIDEWHEEL_RETURN_IF_ERROR(places.decode(entry.name_space, place));
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string_view key, bytes.key(entry.group, entry.key));
    while (!is_stored || !rows.empty()) {
      int64_t time = meta_.by_time ? place.slot : 0;
      std::string_view row = entry.value;
      if (is_stored && !next_stored_row(rows, time, row)) { return damaged(); }
      const int64_t bucket = of_slot_.of(meta_.by_time ? time : place.slot);
      if (!was_dropped(entry.group, bucket)) {
        TIDEWHEEL_ASSIGN_OR_RETURN(const std::string_view today, bytes.row(row));
        TIDEWHEEL_RETURN_IF_ERROR(
            loader.add(entry.group, bucket, key, is_stored ? ++number : place.number, time, today));
      }
      if (!is_stored) { break; }
    }
  }
  TIDEWHEEL_RETURN_IF_ERROR(loader.write());
  return store_.commit();
}

// An entry in the backend's own form has the bucket in place of the key, and the key behind it.
template <class K, class T>
Status StoredRows<K, T>::split_stored(StateEntry& entry, int64_t& bucket,
                                      std::string_view& rows) const {
  std::string stored;
  make_store_prefix(stored, entry.group, entry.key);
  stored += entry.name_space;
  int32_t group = 0;
  std::string_view key;
  if (!split_bucket_key(stored, group, bucket, key)) { return damaged(); }
  entry.key = entry.name_space;
  rows = entry.value;
  return {};
}

// The backend has all rows already: finds out in which buckets, and erases those that were dropped.
template <class K, class T>
Status StoredRows<K, T>::adopt(const WasDropped& was_dropped) {
  const auto cursor = store_.backend().scan(id_);
  std::vector<std::pair<int32_t, int64_t>> dropped;
  cursor->seek(store_group_begin(groups_.first));
  while (cursor->valid()) {
    int32_t group = 0;
    int64_t bucket = 0;
    std::string_view key;
    if (!split_bucket_key(cursor->key(), group, bucket, key)) { return damaged(); }
    if (was_dropped(group, bucket)) {
      dropped.emplace_back(group, bucket);
    } else {
      note_stored(bucket, group);
    }
    std::string prefix;
    append_bucket_prefix(prefix, group, bucket);
    const std::string behind = end_of_prefix(prefix);
    if (behind.empty()) { break; }
    cursor->seek(behind);
  }
  TIDEWHEEL_RETURN_IF_ERROR(cursor->status());
  for (const auto& [group, bucket] : dropped) {
    TIDEWHEEL_RETURN_IF_ERROR(erase_bucket(group, bucket));
  }
  return {};
}

}  // namespace tidewheel
