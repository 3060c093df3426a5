// The way of a KeyedTable into snapshots, as one state: in the background, whole or as changes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "tidewheel/state/change_plan.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/group_buffers.h"
#include "tidewheel/state/keyed_table.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

// How the entries of a table are encoded: the key, and the value as it is.
template <class K, class V>
class TableEntryCodec {
 public:
  static StateMeta meta(std::string name) {
    StateMeta made;
    made.name = std::move(name);
    made.form = "table";
    made.key_schema = encoded_schema<K>();
    made.value_schema = encoded_schema<V>();
    return made;
  }
  // Fills in the unit; the views are valid until the next call.
  void encode_unit(const K& key, StateEntry& entry) { entry.key = key_bytes_.encode(key); }
  void encode_value(const K&, const V& value, StateEntry& entry) {
    entry.value = value_bytes_.encode(value);
  }

 private:
  StateBytes key_bytes_;
  StateBytes value_bytes_;
};

// Follows one table, which it must outlive or be dropped together with. One thread. The order of
// use: `begin` at a barrier, then `write` until it answers true, or `abort`. Rows may come between
// any two calls.
template <class K, class V, class Codec = TableEntryCodec<K, V>>
class TableSnapshot final : private TableTracker<K, V> {
 public:
  // `keeps_changes`: between barriers the table remembers what was changed, so that snapshots can
  // be incremental.
  TableSnapshot(std::string name, KeyedTable<K, V>& table, bool keeps_changes)
      : meta_(Codec::meta(std::move(name))),
        table_(&table),
        plan_(table.key_groups(), keeps_changes),
        early_(table.key_groups()),
        erased_(table.key_groups()),
        erased_next_(table.key_groups()) {}
  TableSnapshot(const TableSnapshot&) = delete;
  TableSnapshot& operator=(const TableSnapshot&) = delete;

  void begin(const SnapshotStart& start) {
    abort_writing();
    plan_.begin(start, table_->size());
    erased_.swap(erased_next_);
    erased_next_.clear();
    table_->begin_snapshot(*this, plan_.content(), plan_.keeps_changes());
    group_ = table_->key_groups().first;
    stage_ = Stage::kBegin;
    is_active_ = true;
  }
  // False: the writer takes no more, or it is time for something else; then call again. True at
  // once when no snapshot was begun.
  bool write(SnapshotWriter& writer) {
    return write(writer, meta_, [](int32_t) { return true; });
  }
  // The same under another name; `finish_group(group)` may write more of a group whose entries were
  // written, and answers false to be called again.
  template <class F>
  bool write(SnapshotWriter& writer, const StateMeta& meta, F finish_group) {
    if (!is_active_) { return true; }
    if (!writer.ready()) { return false; }
    if (plan_.content() == StateContent::kChanges) {
      writer.begin_changes(meta);
    } else {
      writer.begin_state(meta);
    }
    writer_ = &writer;
    size_t budget = kBudget;
    for (; group_ <= table_->key_groups().last; ++group_, stage_ = Stage::kBegin) {
      if (!write_group(budget) || !finish_group(group_)) { return false; }
    }
    table_->end_snapshot();
    erased_.clear();
    is_active_ = false;
    return true;
  }
  void abort() {
    abort_writing();
    plan_.write_all_next();
  }
  bool is_active() const { return is_active_; }
  // What waits for its group's turn, and for the next barrier.
  int64_t memory_bytes() const { return early_.bytes() + erased_.bytes() + erased_next_.bytes(); }

 private:
  // What comes of a group, in this order.
  enum class Stage : uint8_t { kBegin, kErased, kEarly, kWalk, kLate };
  static constexpr size_t kBudget = 64 * 1024;  // slots looked at in one call

  bool write_group(size_t& budget) {
    if (stage_ == Stage::kBegin) {
      stage_ = Stage::kErased;
      if (plan_.content() == StateContent::kAll) {
        stage_ = Stage::kEarly;
      } else if (plan_.is_whole(group_)) {
        writer_->whole_group(group_);
        stage_ = Stage::kEarly;
      }
    }
    if (stage_ == Stage::kErased) {
      if (!erased_.write_erased(group_, *writer_)) { return false; }
      stage_ = Stage::kEarly;
    }
    if (stage_ == Stage::kEarly) {
      if (!early_.write_entries(group_, *writer_)) { return false; }
      stage_ = Stage::kWalk;
    }
    if (stage_ == Stage::kWalk) {
      is_walking_ = true;
      const bool is_done = table_->write_group(group_, budget, [this] { return writer_->ready(); });
      is_walking_ = false;
      if (!is_done) { return false; }
      stage_ = Stage::kLate;
    }
    if (!early_.write_entries(group_, *writer_)) { return false; }
    early_.drop(group_);
    return true;
  }
  void abort_writing() {
    if (!is_active_) { return; }
    is_active_ = false;
    table_->end_snapshot();
    early_.clear();
    erased_.clear();
  }

  // ---- The tracker.

  void entry(int32_t group, const K& key, V& value) override {
    plan_.note_unit(group);
    StateEntry made;
    made.group = group;
    codec_.encode_unit(key, made);
    codec_.encode_value(key, value, made);
    if (is_walking_ && group == group_) {
      writer_->add(made);
    } else {
      early_.add(made);
    }
  }
  void erased(int32_t group, const K& key) override {
    plan_.note_erased(group);
    StateEntry made;
    codec_.encode_unit(key, made);
    erased_next_.erase(group, made.key, made.name_space);
  }
  void cleared() override {
    plan_.write_all_next();
    erased_next_.clear();
  }
  bool is_whole(int32_t group) const override { return plan_.is_whole(group); }

  const StateMeta meta_;
  KeyedTable<K, V>* const table_;
  ChangePlan plan_;
  Codec codec_;
  GroupBuffers early_;        // of groups whose turn has not ended
  GroupBuffers erased_;       // between the last two barriers
  GroupBuffers erased_next_;  // since the last barrier
  bool is_active_ = false;
  // Where `write` goes on.
  SnapshotWriter* writer_ = nullptr;  // of the call at work
  bool is_walking_ = false;
  int32_t group_ = 0;
  Stage stage_ = Stage::kBegin;
};

// A table's way back: `read` finds the state, in `restore`, before the operator has its table;
// `load` reads it, in `open`, while the reader is still there.
template <class K, class V>
class TableLoader {
 public:
  explicit TableLoader(std::string name) : name_(std::move(name)) {}

  Status read(SnapshotReader& reader) {
    const StateMeta* const meta = reader.find(name_);
    if (meta == nullptr) { return {}; }
    TIDEWHEEL_RETURN_IF_ERROR(check_state_form(*meta, StateKind::kKeyed, "table"));
    found_ = *meta;
    reader_ = &reader;
    return {};
  }
  Status load(KeyedTable<K, V>& table) {
    if (reader_ == nullptr) { return {}; }
    SnapshotReader& reader = *std::exchange(reader_, nullptr);
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto keys, StateDecoder<K>::make(found_, found_.key_schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto values,
                               StateDecoder<V>::make(found_, found_.value_schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(name_));
    table.reserve(table.size() + entries->count());
    StateEntry entry;
    for (;;) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
      if (!more) { return table.status(); }
      K key{};
      V value{};
      TIDEWHEEL_RETURN_IF_ERROR(keys.decode(entry.key, key));
      TIDEWHEEL_RETURN_IF_ERROR(values.decode(entry.value, value));
      const KeyHash hash = table.hash_of(key);
      TIDEWHEEL_RETURN_IF_ERROR(check_key_group(found_, entry.group, hash.group));
      table.assign(table.upsert(key, hash), value);
    }
  }

 private:
  const std::string name_;
  StateMeta found_;
  SnapshotReader* reader_ = nullptr;  // from `read` to `load`
};

}  // namespace tidewheel
