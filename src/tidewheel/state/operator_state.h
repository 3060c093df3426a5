// State of an operator's subtask that belongs to no key: lists that are dealt out anew or united
// when the parallelism changes, and broadcast state, of which every subtask has the same copy.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/state/cells.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/group_buffers.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/state/state_memory.h"
#include "tidewheel/types/stored.h"

namespace tidewheel {

class OperatorState;

// One named state.
class OperatorCell {
 public:
  virtual ~OperatorCell() = default;
  OperatorCell(const OperatorCell&) = delete;
  OperatorCell& operator=(const OperatorCell&) = delete;

  // Writes entries from number `from` on; false when the writer refused, with `from` moved on.
  virtual bool write(SnapshotWriter& writer, uint64_t& from) = 0;
  virtual Status read(SnapshotReader& reader) = 0;
  const StateMeta& meta() const { return meta_; }
  const std::string& name() const { return meta_.name; }

 protected:
  OperatorCell(OperatorState& state, StateMeta meta) : state_(&state), meta_(std::move(meta)) {}
  OperatorState& state() { return *state_; }

 private:
  friend class OperatorState;
  OperatorState* const state_;
  const StateMeta meta_;
  const void* tag_ = nullptr;
};

// One thread.
class OperatorState {
 public:
  explicit OperatorState(MemoryPool* memory, std::string_view name = "operator state")
      : memory_(memory, name), heap_(memory) {}
  ~OperatorState();
  OperatorState(const OperatorState&) = delete;
  OperatorState& operator=(const OperatorState&) = delete;

  // The state that `meta` names, declared now or before, as a Cell(OperatorState&, meta).
  // Errors: kStateName.
  template <class Cell>
  Result<Cell*> declare(const StateMeta& meta) {
    static constexpr char kTag = 0;
    TIDEWHEEL_ASSIGN_OR_RETURN(OperatorCell * found, find_declared(meta, &kTag));
    if (found != nullptr) { return static_cast<Cell*>(found); }
    auto cell = std::make_unique<Cell>(*this, meta);
    Cell* const made = cell.get();
    made->tag_ = &kTag;
    cells_.push_back(std::move(cell));
    return made;
  }

  // A barrier: copies all states, as bytes, which takes time by their size. They belong to a
  // subtask and to no key, and are meant to be small: offsets, rules, statistics.
  void begin_snapshot();
  // Writes what begin_snapshot has copied; false when the writer refused, then call again.
  bool write(SnapshotWriter& writer) { return snapshot_.write(writer); }
  void abort_snapshot() { snapshot_.clear(); }
  // Reads all states that are declared.
  Status read(SnapshotReader& reader);

  bool empty() const { return cells_.empty(); }
  StateMemory& memory() { return memory_; }
  TextHeap& heap() { return heap_; }
  const Status& status() { return memory_.check(); }

 private:
  Result<OperatorCell*> find_declared(const StateMeta& meta, const void* tag) const;

  StateMemory memory_;
  TextHeap heap_;
  std::vector<std::unique_ptr<OperatorCell>> cells_;
  SnapshotRecording snapshot_;
};

// What becomes of an OperatorList when the parallelism changes.
enum class Redistribution : uint8_t {
  split,      // the items of all subtasks are cut into equal shares
  union_all,  // every subtask gets the items of all
};

template <class T>
class OperatorListCell final : public OperatorCell {
 public:
  OperatorListCell(OperatorState& owner, const StateMeta& meta) : OperatorCell(owner, meta) {}
  ~OperatorListCell() override { clear(); }
  static StateMeta make_meta(const std::string& name, Redistribution redistribution) {
    StateMeta meta;
    meta.name = name;
    meta.kind =
        redistribution == Redistribution::split ? StateKind::kSplitList : StateKind::kUnionList;
    meta.form = "list";
    meta.value_schema = encoded_schema<T>();
    return meta;
  }

  void add(const T& item) {
    items_.emplace_back();
    items_.back().store(item, state().heap());
    const auto bytes = static_cast<int64_t>(items_.capacity() * sizeof(Stored<T>));
    if (bytes > bytes_) { state().memory().reserve(bytes - bytes_); }
    bytes_ = bytes;
  }
  void clear() {
    for (Stored<T>& item : items_) { item.release(state().heap()); }
    items_ = {};
    state().memory().release(bytes_);
    bytes_ = 0;
  }
  const std::vector<Stored<T>>& items() const { return items_; }

  bool write(SnapshotWriter& writer, uint64_t& from) override {
    writer.begin_state(meta());
    for (; from < items_.size(); ++from) {
      if (!writer.ready()) { return false; }
      StateEntry entry;
      entry.value = bytes_of_item_.encode(items_[from].value);
      writer.add(entry);
    }
    return true;
  }
  Status read(SnapshotReader& reader) override {
    const StateMeta* const old = reader.find(name());
    if (old == nullptr) { return ok_status(); }
    // A list may change from split to union: what it was written as says how it is dealt out now.
    if (old->kind != StateKind::kSplitList && old->kind != StateKind::kUnionList) {
      return check_state_form(*old, meta().kind, "list");
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto items, StateDecoder<T>::make(*old, old->value_schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(name()));
    StateEntry entry;
    for (;;) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
      if (!more) { return ok_status(); }
      T item{};
      TIDEWHEEL_RETURN_IF_ERROR(items.decode(entry.value, item));
      add(item);
    }
  }

 private:
  std::vector<Stored<T>> items_;
  int64_t bytes_ = 0;
  StateBytes bytes_of_item_;
};

template <class UK, class UV>
class BroadcastCell final : public OperatorCell {
 public:
  using Entry = MapEntry<UK, UV>;
  using Blocks = MapBlocks<UK, UV>;
  using Place = typename Blocks::Place;

  BroadcastCell(OperatorState& owner, const StateMeta& meta) : OperatorCell(owner, meta) {}
  ~BroadcastCell() override { clear(); }
  static StateMeta make_meta(const std::string& name) {
    StateMeta meta;
    meta.name = name;
    meta.kind = StateKind::kBroadcast;
    meta.form = "map";
    meta.key_schema = encoded_schema<UK>();
    meta.value_schema = encoded_schema<UV>();
    return meta;
  }

  const Blocks& blocks() const { return blocks_; }
  Stored<UV>& open(const UK& key) {
    const Place place = blocks_.lower_bound(key);
    if (!(place == blocks_.end()) && !detail::key_less(key, blocks_.at(place).key.value)) {
      return blocks_.at(place).value;
    }
    Entry fresh;
    fresh.key.store(key, state().heap());
    return blocks_.insert(place, std::move(fresh), state().heap()).value;
  }
  TextHeap& heap() { return state().heap(); }
  bool erase(const UK& key) {
    const Place place = blocks_.lower_bound(key);
    if (place == blocks_.end() || detail::key_less(key, blocks_.at(place).key.value)) {
      return false;
    }
    release(blocks_.at(place));
    blocks_.erase(place, state().heap());
    return true;
  }
  void clear() {
    for (Place place = blocks_.begin(); !(place == blocks_.end()); place = blocks_.next(place)) {
      release(blocks_.at(place));
    }
    blocks_.clear(state().heap());
  }

  bool write(SnapshotWriter& writer, uint64_t& from) override {
    writer.begin_state(meta());
    uint64_t number = 0;
    for (Place place = blocks_.begin(); !(place == blocks_.end()); place = blocks_.next(place)) {
      if (number++ < from) { continue; }
      if (!writer.ready()) { return false; }
      StateEntry entry;
      entry.key = key_bytes_.encode(blocks_.at(place).key.value);
      entry.value = value_bytes_.encode(blocks_.at(place).value.value);
      writer.add(entry);
      ++from;
    }
    return true;
  }
  Status read(SnapshotReader& reader) override {
    const StateMeta* const old = reader.find(name());
    if (old == nullptr) { return ok_status(); }
    TIDEWHEEL_RETURN_IF_ERROR(check_state_form(*old, StateKind::kBroadcast, "map"));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto keys, StateDecoder<UK>::make(*old, old->key_schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto values, StateDecoder<UV>::make(*old, old->value_schema));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(name()));
    StateEntry entry;
    for (;;) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
      if (!more) { return ok_status(); }
      UK key{};
      UV value{};
      TIDEWHEEL_RETURN_IF_ERROR(keys.decode(entry.key, key));
      TIDEWHEEL_RETURN_IF_ERROR(values.decode(entry.value, value));
      open(key).store(value, heap());
    }
  }

 private:
  void release(Entry& entry) {
    entry.key.release(state().heap());
    entry.value.release(state().heap());
  }

  Blocks blocks_;
  StateBytes key_bytes_;
  StateBytes value_bytes_;
};

}  // namespace tidewheel
