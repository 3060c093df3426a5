// A KeyedTable's way into a snapshot and back.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/output.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/keyed_table.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

// Writes a table, resumably, group by group.
template <class K, class V>
class TableSaver {
 public:
  explicit TableSaver(std::string name) : name_(std::move(name)) {}

  Progress save(KeyedTable<K, V>& table, SnapshotWriter& writer) {
    if (!writer.ready()) { return Progress::kBlocked; }
    const KeyGroupRange groups = table.key_groups();
    if (!begun_) {
      begun_ = true;
      group_ = groups.first;
      cursor_ = table.begin_of(group_);
    }
    writer.begin_state(
        {name_, StateKind::kKeyed, "table", encoded_schema<K>(), "", encoded_schema<V>()});
    StateBytes key_bytes;
    StateBytes value_bytes;
    while (group_ <= groups.last) {
      if (!writer.ready()) { return Progress::kBlocked; }
      const K* key = nullptr;
      V* value = nullptr;
      if (!table.next_in(group_, cursor_, key, value)) {
        if (++group_ <= groups.last) { cursor_ = table.begin_of(group_); }
        continue;
      }
      writer.add({group_, key_bytes.encode(*key), {}, value_bytes.encode(*value)});
    }
    begun_ = false;
    return Progress::kDone;
  }

 private:
  const std::string name_;
  bool begun_ = false;  // in the middle of a table
  int32_t group_ = 0;
  typename KeyedTable<K, V>::Cursor cursor_;
};

// Keeps what `restore` was given until `open` has made the table.
template <class K, class V>
class TableLoader {
 public:
  explicit TableLoader(std::string name) : name_(std::move(name)) {}

  Status read(SnapshotReader& reader) {
    const StateMeta* meta = reader.find(name_);
    if (meta == nullptr) { return {}; }
    TIDEWHEEL_RETURN_IF_ERROR(check_state_form(*meta, StateKind::kKeyed, "table"));
    TIDEWHEEL_ASSIGN_OR_RETURN(auto keys, StateDecoder<K>::make(*meta, meta->key_schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(auto values, StateDecoder<V>::make(*meta, meta->value_schema));
    keys_.emplace(std::move(keys));
    values_.emplace(std::move(values));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(name_));
    StateEntry entry;
    while (true) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
      if (!more) { return {}; }
      entries_.emplace_back(entry.key, entry.value);
    }
  }

  Status load(KeyedTable<K, V>& table) {
    table.reserve(entries_.size());
    for (const auto& [key_bytes, value_bytes] : entries_) {
      K key{};
      V value{};
      TIDEWHEEL_RETURN_IF_ERROR(keys_->decode(key_bytes, key));
      TIDEWHEEL_RETURN_IF_ERROR(values_->decode(value_bytes, value));
      table.assign(table.upsert(key, table.hash_of(key)), value);
    }
    entries_ = {};
    return table.status();
  }

 private:
  const std::string name_;
  std::optional<StateDecoder<K>> keys_;
  std::optional<StateDecoder<V>> values_;
  std::vector<std::pair<std::string, std::string>> entries_;
};

}  // namespace tidewheel
