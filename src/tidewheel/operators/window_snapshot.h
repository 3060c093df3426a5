// How windows go into a snapshot and come back: one entry for each key and window (or slice), and
// the watermark beside them, so that after a restore nothing fires twice and no lateness begins
// anew.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tidewheel/dataflow/element.h"
#include "tidewheel/dataflow/output.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/key_group.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

// What a snapshot has of one state of keys K, windows (or slices) N and values V. Operators are
// restored before they are opened, and have no tables until then: `read` finds the state, `load`
// reads it.
template <class K, class N, class V>
class WindowState {
 public:
  // `form` says what has to be the same for the entries to mean the same.
  WindowState(std::string name, std::string form)
      : meta_{.name = std::move(name),
              .kind = StateKind::kKeyed,
              .form = std::move(form),
              .key_schema = encoded_schema<K>(),
              .namespace_schema = encoded_schema<N>(),
              .value_schema = encoded_schema<V>()} {}

  // ---- Writing.
  void begin(SnapshotWriter& writer) const { writer.begin_state(meta_); }
  void add(SnapshotWriter& writer, int32_t group, const K& key, const N& name_space,
           const V& value) {
    writer.add({.group = group,
                .key = key_bytes_.encode(key),
                .name_space = name_space_bytes_.encode(name_space),
                .value = value_bytes_.encode(value)});
  }

  // ---- Reading.

  // In `restore`. The reader lives until the operator is open.
  Status read(SnapshotReader& reader) {
    const StateMeta* found = reader.find(meta_.name);
    if (found == nullptr) { return {}; }
    TIDEWHEEL_RETURN_IF_ERROR(check_state_form(*found, StateKind::kKeyed, meta_.form));
    found_ = *found;
    reader_ = &reader;
    return {};
  }
  // In `open`. Calls each(K&, N&, V&) for all entries; their Text is valid during the call.
  template <class Each>
  Status load(Each each) {
    if (reader_ == nullptr) { return {}; }
    SnapshotReader& reader = *std::exchange(reader_, nullptr);
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto keys, StateDecoder<K>::make(found_, found_.key_schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto name_spaces,
                               StateDecoder<N>::make(found_, found_.namespace_schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto values,
                               StateDecoder<V>::make(found_, found_.value_schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(meta_.name));
    StateEntry entry;
    for (;;) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
      if (!more) { return {}; }
      K key{};
      N name_space{};
      V value{};
      TIDEWHEEL_RETURN_IF_ERROR(keys.decode(entry.key, key));
      TIDEWHEEL_RETURN_IF_ERROR(name_spaces.decode(entry.name_space, name_space));
      TIDEWHEEL_RETURN_IF_ERROR(values.decode(entry.value, value));
      each(key, name_space, value);
    }
  }

 private:
  const StateMeta meta_;
  StateMeta found_;
  SnapshotReader* reader_ = nullptr;  // from `read` to `load`
  StateBytes key_bytes_;
  StateBytes name_space_bytes_;
  StateBytes value_bytes_;
};

// The watermark that an operator had come to. All subtasks have the same at a barrier, but for what
// idleness may do: the least one is taken, so that nothing is lost.
class WatermarkState {
 public:
  void write(SnapshotWriter& writer, int64_t watermark);
  Status read(SnapshotReader& reader);
  int64_t restored() const { return restored_.value_or(kMinWatermark); }

 private:
  std::optional<int64_t> restored_;
};

// A place in the writing of a table, group by group: `save` calls write(group, key, value) for each
// entry until the writer takes no more, and goes on there when it is called again.
template <class Table>
class GroupedSave {
 public:
  bool is_active() const { return active_; }
  template <class Write>
  Progress save(Table& table, SnapshotWriter& writer, Write write) {
    const KeyGroupRange groups = table.key_groups();
    if (!active_) {
      active_ = true;
      group_ = groups.first;
      cursor_ = table.begin_of(group_);
    }
    while (group_ <= groups.last) {
      const typename Table::key_type* key = nullptr;
      typename Table::mapped_type* value = nullptr;
      while (writer.ready()) {
        if (!table.next_in(group_, cursor_, key, value)) {
          ++group_;
          if (group_ > groups.last) { break; }
          cursor_ = table.begin_of(group_);
          continue;
        }
        write(group_, *key, *value);
      }
      if (group_ <= groups.last) { return Progress::kBlocked; }
    }
    active_ = false;
    return Progress::kDone;
  }

 private:
  bool active_ = false;
  int32_t group_ = 0;
  typename Table::Cursor cursor_;
};

}  // namespace tidewheel
