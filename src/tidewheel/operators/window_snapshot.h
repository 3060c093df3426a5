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
#include "tidewheel/state/group_buffers.h"
#include "tidewheel/state/key_group.h"
#include "tidewheel/state/key_hash.h"
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

  // ---- Writing, in the background. The tables that have the entries follow a snapshot each
  // (KeyedTable::begin_snapshot), and their trackers `give` what they are told of.

  // At a barrier.
  void start(KeyGroupRange groups) {
    groups_ = groups;
    group_ = groups.first;
    stage_ = Stage::kEarly;
    early_ = GroupBuffers(groups);
  }
  void give(int32_t group, const K& key, const N& name_space, const V& value) {
    const StateEntry entry{.group = group,
                           .key = key_bytes_.encode(key),
                           .name_space = name_space_bytes_.encode(name_space),
                           .value = value_bytes_.encode(value)};
    if (writer_ != nullptr && group == group_) {
      writer_->add(entry);
    } else {
      early_.add(entry);
    }
  }
  // Writes some; false when it has to be called again. walk(group, budget, ready) has the tables
  // give what they still have of a group; see KeyedTable::write_group.
  template <class Walk>
  bool write(SnapshotWriter& writer, Walk walk) {
    writer.begin_state(meta_);
    size_t budget = kBudget;
    for (; group_ <= groups_.last; ++group_, stage_ = Stage::kEarly) {
      if (stage_ == Stage::kEarly) {
        if (!early_.write_entries(group_, writer)) { return false; }
        stage_ = Stage::kWalk;
      }
      if (stage_ == Stage::kWalk) {
        writer_ = &writer;
        const bool is_done = walk(group_, budget, [&writer] { return writer.ready(); });
        writer_ = nullptr;
        if (!is_done) { return false; }
        stage_ = Stage::kLate;
      }
      if (!early_.write_entries(group_, writer)) { return false; }
      early_.drop(group_);
    }
    return true;
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
  Status load(int32_t max_parallelism, Each each) {
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
      TIDEWHEEL_RETURN_IF_ERROR(
          check_key_group(found_, entry.group, key_hash(key, max_parallelism).group));
      TIDEWHEEL_RETURN_IF_ERROR(name_spaces.decode(entry.name_space, name_space));
      TIDEWHEEL_RETURN_IF_ERROR(values.decode(entry.value, value));
      each(key, name_space, value);
    }
  }

 private:
  // What comes of a group, in this order.
  enum class Stage : uint8_t { kEarly, kWalk, kLate };
  static constexpr size_t kBudget = 64 * 1024;  // slots looked at in one call

  const StateMeta meta_;
  // Where `write` goes on.
  KeyGroupRange groups_;
  int32_t group_ = 0;
  Stage stage_ = Stage::kEarly;
  SnapshotWriter* writer_ = nullptr;  // while the tables give entries in their turn
  GroupBuffers early_;                // of groups whose turn has not ended

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
  // At a barrier, and when the writer is there.
  void start(int64_t watermark) { started_ = watermark; }
  void write(SnapshotWriter& writer);
  Status read(SnapshotReader& reader);
  int64_t restored() const { return restored_.value_or(kMinWatermark); }

 private:
  std::optional<int64_t> restored_;
  std::optional<int64_t> started_;  // until it is written
};

}  // namespace tidewheel
