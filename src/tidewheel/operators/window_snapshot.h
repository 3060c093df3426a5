// How windows go into a snapshot and come back: one entry for each key and window (or slice), and
// the watermark beside them, so that after a restore nothing fires twice and no lateness begins
// anew. Whole, or as what has changed since the checkpoint before.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/element.h"
#include "tidewheel/dataflow/output.h"
#include "tidewheel/state/change_plan.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/group_buffers.h"
#include "tidewheel/state/key_group.h"
#include "tidewheel/state/key_hash.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

// What is replaced, or erased, at once when only changes are written.
enum class WindowUnit : uint8_t {
  kKey,           // all that a key has: whoever gives an entry gives all of the key's
  kKeyAndWindow,  // each entry by itself
};

// The place of N in the states of which a key has one value.
struct NoWindow {};

// What a snapshot has of one state of keys K, windows (or slices) N and values V. Operators are
// restored before they are opened, and have no tables until then: `read` finds the state, `load`
// reads it.
//
// How an operator writes it, for one or several tables and states. All of them go by one
// ChangePlan, made in `open` with OperatorBase::keeps_changes():
//   barrier   plan.begin(start); state.start(groups, plan) for each state; for each table
//             begin_snapshot(tracker, content, plan.keeps_changes()), where content is
//             plan.content(), or kAll for a table that was not there at the barrier before
//   tracker   entry:    plan.note_unit(group), then state.give(...) for all that the unit has, or
//                       state.give_nothing(...) when it has nothing (any more) in this state
//             erased:   plan.note_erased(group), and state.erase(...) in each state
//             cleared:  plan.write_all_next(); is_whole: plan.is_whole(group)
//   writing   state.write(writer, walk), state by state
//   aborted   plan.write_all_next()
// What goes without `erase` (a table that is dropped with its slice) is still in older layers,
// until its group is written whole: then the operator has to know when it reads it (DroppedUnits).
template <class K, class N, class V>
class WindowState {
 public:
  // `form` says what has to be the same for the entries to mean the same.
  WindowState(std::string name, std::string form, WindowUnit unit = WindowUnit::kKeyAndWindow)
      : meta_{.name = std::move(name),
              .kind = StateKind::kKeyed,
              .form = std::move(form),
              .key_schema = encoded_schema<K>(),
              .namespace_schema = kHasWindow ? encoded_schema<N>() : std::string(),
              .value_schema = encoded_schema<V>(),
              .unit_has_namespace = unit == WindowUnit::kKeyAndWindow} {}

  // What snapshots say of it.
  const StateMeta& meta() const { return meta_; }

  // ---- Writing, in the background. The tables that have the entries follow a snapshot each
  // (KeyedTable::begin_snapshot), and their trackers `give` what they are told of.

  // At a barrier. The plan, which has begun, outlives the writing.
  void start(KeyGroupRange groups, const ChangePlan& plan) {
    plan_ = &plan;
    start_at(groups);
  }
  // The same when everything is written, each time.
  void start(KeyGroupRange groups) {
    plan_ = nullptr;
    start_at(groups);
  }
  void give(int32_t group, const K& key, const N& name_space, const V& value) {
    StateEntry entry{.group = group,
                     .key = key_bytes_.encode(key),
                     .name_space = {},
                     .value = value_bytes_.encode(value)};
    if constexpr (kHasWindow) { entry.name_space = name_space_bytes_.encode(name_space); }
    if (writer_ != nullptr && group == group_) {
      writer_->add(entry);
    } else {
      entries_.add(entry);
    }
  }
  // The key, which may have been there at the barrier before, has nothing now. kKey.
  void give_nothing(int32_t group, const K& key) {
    if (plan_ != nullptr && !plan_->is_whole(group)) {
      erased_.erase(group, key_bytes_.encode(key), {});
    }
  }
  // The unit, which was there at the last barrier, is erased after it. kKey.
  void erase(int32_t group, const K& key) { erase_unit(group, key, {}); }
  // The same. kKeyAndWindow.
  void erase(int32_t group, const K& key, const N& name_space) {
    erase_unit(group, key, name_space_bytes_.encode(name_space));
  }
  // Writes some; false when it has to be called again. walk(group, budget, ready) has the tables
  // give what they still have of a group; see KeyedTable::write_group.
  template <class Walk>
  bool write(SnapshotWriter& writer, Walk walk) {
    const bool has_changes = plan_ != nullptr && plan_->content() == StateContent::kChanges;
    if (has_changes) {
      writer.begin_changes(meta_);
    } else {
      writer.begin_state(meta_);
    }
    size_t budget = kBudget;
    for (; group_ <= groups_.last; ++group_, stage_ = Stage::kWalk) {
      if (stage_ == Stage::kWalk) {
        // Changes are gathered: what is erased is known when all have been seen, and comes first.
        writer_ = has_changes ? nullptr : &writer;
        const bool is_done =
            walk(group_, budget, [this] { return writer_ == nullptr || writer_->ready(); });
        writer_ = nullptr;
        if (!is_done) { return false; }
        stage_ = has_changes ? Stage::kBegin : Stage::kEntries;
      }
      if (!write_gathered(writer)) { return false; }
    }
    return true;
  }

  // ---- Reading.

  // In `restore`. The reader lives until the operator is open. State in a backend is not read here.
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
    std::optional<StateDecoder<N>> name_spaces;
    if constexpr (kHasWindow) {
      TIDEWHEEL_ASSIGN_OR_RETURN(name_spaces,
                                 StateDecoder<N>::make(found_, found_.namespace_schema));
    }
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
      if constexpr (kHasWindow) {
        TIDEWHEEL_RETURN_IF_ERROR(name_spaces->decode(entry.name_space, name_space));
      }
      TIDEWHEEL_RETURN_IF_ERROR(values.decode(entry.value, value));
      each(key, name_space, value);
    }
  }

 private:
  static constexpr bool kHasWindow = !std::is_same_v<N, NoWindow>;
  // What comes of a group, in this order.
  enum class Stage : uint8_t { kWalk, kBegin, kErased, kEntries };
  static constexpr size_t kBudget = 64 * 1024;  // slots looked at in one call

  void start_at(KeyGroupRange groups) {
    if (!was_started_) {
      was_started_ = true;
      groups_ = groups;
      erased_ = GroupBuffers(groups);
      erased_next_ = GroupBuffers(groups);
    }
    erased_.swap(erased_next_);
    erased_next_.clear();
    entries_ = GroupBuffers(groups);
    group_ = groups.first;
    stage_ = Stage::kWalk;
  }
  void erase_unit(int32_t group, const K& key, std::string_view name_space) {
    erased_next_.erase(group, key_bytes_.encode(key), name_space);
  }
  bool write_gathered(SnapshotWriter& writer) {
    if (stage_ == Stage::kBegin) {
      stage_ = Stage::kErased;
      if (plan_->is_whole(group_)) {
        writer.whole_group(group_);
        stage_ = Stage::kEntries;
      }
    }
    if (stage_ == Stage::kErased) {
      if (!erased_.write_erased(group_, writer)) { return false; }
      stage_ = Stage::kEntries;
    }
    if (!entries_.write_entries(group_, writer)) { return false; }
    entries_.drop(group_);
    erased_.drop(group_);
    return true;
  }

  const StateMeta meta_;
  const ChangePlan* plan_ = nullptr;  // null: everything is written
  bool was_started_ = false;
  GroupBuffers entries_;      // of groups whose turn has not ended
  GroupBuffers erased_;       // between the last two barriers
  GroupBuffers erased_next_;  // since the last barrier
  // Where `write` goes on.
  KeyGroupRange groups_;
  int32_t group_ = 0;
  Stage stage_ = Stage::kWalk;
  SnapshotWriter* writer_ = nullptr;  // while the tables give entries in their turn

  StateMeta found_;
  SnapshotReader* reader_ = nullptr;  // from `read` to `load`
  StateBytes key_bytes_;
  StateBytes name_space_bytes_;
  StateBytes value_bytes_;
};

// Which windows (or slices, or buckets, by their numbers) each subtask still had: what older layers
// have of those before was dropped without a word. Each subtask's own, because subtasks drop
// windows at their own time: by the clock, or when an unaligned barrier finds them at different
// watermarks.
class DroppedUnits {
 public:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::min();

  // At a barrier: all windows before number `kept_from` are gone, for the subtask's groups.
  // `slices`: those that there are, for state in a backend, which does not list them. Windows
  // before `fire_from` have fired, though they may be kept: for late rows, or for others of their
  // slices.
  void start(KeyGroupRange groups, int64_t kept_from, std::vector<int64_t> slices = {},
             int64_t fire_from = kNone) {
    started_ = Kept{groups.first, groups.last, kept_from, std::move(slices), fire_from};
  }
  void write(SnapshotWriter& writer);
  Status read(SnapshotReader& reader);
  // Whether the window `number` was gone for the subtask that had `group`.
  bool was_dropped(int32_t group, int64_t number) const {
    return std::any_of(restored_.begin(), restored_.end(), [&](const Kept& kept) {
      return group >= kept.first_group && group <= kept.last_group && number < kept.from;
    });
  }
  // Whether a subtask with some of `groups` had dropped windows from `kept_from` on.
  bool any_dropped(KeyGroupRange groups, int64_t kept_from) const {
    return std::any_of(restored_.begin(), restored_.end(), [&](const Kept& kept) {
      return overlaps(kept, groups) && kept.from > kept_from;
    });
  }
  // The least of all subtasks that had some of `groups`; the minimum when nothing is known.
  int64_t kept_from(KeyGroupRange groups) const { return least(groups, &Kept::from); }
  int64_t fire_from(KeyGroupRange groups) const { return least(groups, &Kept::fire_from); }
  // No window from here on had fired anywhere.
  int64_t fired_until() const {
    int64_t until = kNone;
    for (const Kept& kept : restored_) { until = std::max(until, kept.fire_from); }
    return until;
  }
  // Whether the window `number` had fired in the subtask that had `group`.
  bool was_fired(int32_t group, int64_t number) const {
    return std::any_of(restored_.begin(), restored_.end(), [&](const Kept& kept) {
      return group >= kept.first_group && group <= kept.last_group && number < kept.fire_from;
    });
  }
  // The slices that there were, some of them several times.
  std::vector<int64_t> slices_of(KeyGroupRange groups) const {
    std::vector<int64_t> slices;
    for (const Kept& kept : restored_) {
      if (!overlaps(kept, groups)) { continue; }
      slices.insert(slices.end(), kept.slices.begin(), kept.slices.end());
    }
    return slices;
  }

 private:
  // The numbers of the format.
  struct Kept {
    int32_t first_group = 0;
    int32_t last_group = 0;
    int64_t from = 0;
    std::vector<int64_t> slices;
    int64_t fire_from = kNone;
  };
  int64_t least(KeyGroupRange groups, int64_t Kept::*number) const {
    std::optional<int64_t> found;
    for (const Kept& kept : restored_) {
      if (overlaps(kept, groups)) { found = std::min(found.value_or(kept.*number), kept.*number); }
    }
    return found.value_or(kNone);
  }
  static bool overlaps(const Kept& kept, KeyGroupRange groups) {
    return kept.first_group <= groups.last && kept.last_group >= groups.first;
  }
  std::vector<Kept> restored_;
  std::optional<Kept> started_;  // until it is written
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
