// Keyed state as the handles of a process function see it, without its key: for each key a row, in
// which each named state has a cell. The key is looked up once a record for all states; a handle
// then needs the current row and its own offset. KeyedStore<K> (keyed_store.h) has the keys.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/status.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/state/state_memory.h"
#include "tidewheel/state/state_options.h"
#include "tidewheel/state/state_rows.h"
#include "tidewheel/types/stored.h"

namespace tidewheel {

class EntryChanges;  // state/row_store.h
class KeyedState;
class RowStore;   // state/row_store.h
class TimerCell;  // state/cells.h

// Which clock a timer goes by.
enum class TimeDomain : uint8_t { kEvent, kProcessing };

// One named state: what its cells are made of. The cell of a row exists while the state's bit is
// set in the row's mask.
class KeyedCell {
 public:
  virtual ~KeyedCell() = default;
  KeyedCell(const KeyedCell&) = delete;
  KeyedCell& operator=(const KeyedCell&) = delete;

  // Ends the cell's life, and gives back what it holds.
  virtual void destroy(std::byte* row) = 0;
  // True when that is nothing but blocks of the state's heap: needless before the heap itself goes.
  virtual bool goes_with_heap() const { return false; }
  // Drops what has expired; true when nothing is left.
  virtual bool expire(std::byte* row) = 0;
  // Writes the cell as one entry or several, of the group and key of `entry`, which has no
  // namespace; value and namespace are void afterwards. (A copy of an entry that was just made
  // waits for its stores, which costs more than all the rest.)
  virtual void write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) = 0;
  // Whether a cell that is set is always written as an entry, so that it never has to be said in
  // its stead that there is none.
  virtual bool is_always_written() const { return false; }
  // Whether a copy of the row's bytes has all that `write` needs, and needs not be destroyed: what
  // is outside of the row may change before it is written.
  virtual bool is_plain() const { return false; }
  // Gets ready for the entries of `meta`.
  virtual Status open_restore(const StateMeta& meta) = 0;
  // Takes an entry into the cell, which is new (its bit was not set) or has had entries before.
  virtual Status read(std::byte* row, bool is_new, const StateEntry& entry) = 0;

  // ---- In front of a backend (row_store.h).
  // It has several entries a key, which are read and written one by one.
  virtual bool has_entries() const { return false; }
  // Its entries begin with the time of their last use.
  virtual bool stamp_comes_first() const { return false; }
  // Takes what was stored of a key whose row was not in memory.
  virtual Status load(std::byte* row, const StateEntry& entry) { return read(row, true, entry); }
  // Named timers: `read` queues them for the current key, `load` does not, since they are queued.
  virtual const TimerCell* as_timer() const { return nullptr; }
  // Those with entries: the cell of a key of which nothing is known yet, and what has changed in
  // it.
  virtual void make_empty(std::byte*) {}
  virtual bool has_any(std::byte*) { return true; }
  virtual void write_changes(std::byte*, EntryChanges&) {}

  // What the snapshot says of it, but for the key's schema.
  const StateMeta& meta() const { return meta_; }
  const std::string& name() const { return meta_.name; }
  uint32_t offset() const { return offset_; }
  uint64_t bit() const { return bit_; }
  int64_t ttl_ms() const { return ttl_ms_; }
  bool ttl_on_read() const { return options_.ttl_on == TtlOn::read_write; }

 protected:
  KeyedCell(KeyedState& state, StateMeta meta, const StateOptions& options);
  KeyedState& state() { return *state_; }
  const KeyedState& state() const { return *state_; }
  KeyedState& mutable_state() const { return *state_; }
  // Whether something that was used last at `stamp` is gone by now.
  bool is_expired(int64_t stamp) const;
  // Whether `meta` of a snapshot has the form `form`, and whether it has stamps (ttl may have been
  // switched on or off since).
  Status check_form(const StateMeta& meta, std::string_view form, bool& has_stamps) const;

 private:
  friend class KeyedState;
  KeyedState* const state_;
  const StateMeta meta_;
  const StateOptions options_;
  const int64_t ttl_ms_;
  const void* tag_ = nullptr;  // of its C++ type
  uint32_t offset_ = 0;
  uint64_t bit_ = 0;
};

// The rows, the states and the current key. One thread.
class KeyedState {
 public:
  static constexpr size_t kStatesMax = 48;

  // For handles that are bound to nothing: every use of it throws.
  KeyedState();
  KeyedState(MemoryPool* memory, std::string_view name);
  virtual ~KeyedState();
  KeyedState(const KeyedState&) = delete;
  KeyedState& operator=(const KeyedState&) = delete;

  // The state `name`, declared now or before; before the first row is made. Cell is made by
  // Cell(KeyedState&, name, options), and has size_of(options) and alignment_of(options).
  // Errors: kStateName.
  template <class Cell>
  Result<Cell*> declare(const std::string& name, const StateOptions& options) {
    static constexpr char kTag = 0;
    TIDEWHEEL_ASSIGN_OR_RETURN(KeyedCell * found, find_declared(name, &kTag, options));
    if (found != nullptr) { return static_cast<Cell*>(found); }
    auto cell = std::make_unique<Cell>(*this, name, options);
    Cell* const made = cell.get();
    place(std::move(cell), &kTag, Cell::size_of(options), Cell::alignment_of(options));
    return made;
  }

  // The same for a cell whose size is known at run time only, made for this state; the name is new.
  Result<KeyedCell*> adopt(std::unique_ptr<KeyedCell> cell, size_t bytes, size_t alignment) {
    static constexpr char kTag = 0;
    TIDEWHEEL_ASSIGN_OR_RETURN(KeyedCell * found, find_declared(cell->name(), &kTag, {}));
    TIDEWHEEL_CHECK(found == nullptr, "two states are called {}", cell->name());
    KeyedCell* const adopted = cell.get();
    place(std::move(cell), &kTag, bytes, alignment);
    return adopted;
  }

  // The current key's row; null when it has none yet, or when there is no current key.
  std::byte* current_row() const { return current_row_; }
  bool has_current_key() const { return has_current_key_; }
  // Makes the current key's row when it has none.
  std::byte* ensure_row() { return current_row_ != nullptr ? current_row_ : make_row(); }
  // Throws when there is no current key, naming the state.
  void check_current_key(std::string_view state_name) const {
    if (!has_current_key_) [[unlikely]] { throw_no_current_key(state_name); }
  }

  // A row begins with its head: a bit for each cell that is set, and in its upper 16 bits whatever
  // the owner of the rows marks them with.
  static uint64_t& head_of(std::byte* row) { return *reinterpret_cast<uint64_t*>(row); }
  static uint64_t mask_of(std::byte* row) { return head_of(row) & kMask; }
  static bool has(std::byte* row, uint64_t bit) { return (head_of(row) & bit) != 0; }
  static uint16_t mark_of(std::byte* row) {
    return static_cast<uint16_t>(head_of(row) >> kStatesMax);
  }
  static void set_mark(std::byte* row, uint16_t mark) {
    head_of(row) = mask_of(row) | uint64_t{mark} << kStatesMax;
  }
  // Destroys a cell that exists. The row goes when this was the last, at the end of the batch.
  void clear_cell(std::byte* row, KeyedCell& cell) {
    cell.destroy(row);
    head_of(row) &= ~cell.bit();
    if (mask_of(row) == 0 && row == current_row_) { note_empty_row(); }
  }

  // Timers of the current key. False when there was one already, or none.
  virtual bool add_timer(TimeDomain domain, int64_t time) = 0;
  virtual bool remove_timer(TimeDomain domain, int64_t time) = 0;
  // Has the named timer `id` looked at when `time` is due, and no longer at `instead_of`.
  static constexpr int64_t kNotQueued = INT64_MAX;
  virtual void queue_named_timer(TimeDomain domain, uint16_t id, int64_t time,
                                 int64_t instead_of) = 0;
  // Makes an id for a named timer, whose cell is `cell`.
  uint16_t declare_timer(KeyedCell& cell) {
    timer_cells_.push_back(&cell);
    return static_cast<uint16_t>(timer_cells_.size() - 1);
  }

  // The processing time that TTL goes by; read once a batch.
  int64_t now_ms() const { return now_ms_; }
  // The event time of the record or timer that is processed; set by the operator.
  int64_t event_time_ms() const { return event_time_ms_; }
  void set_event_time_ms(int64_t time_ms) { event_time_ms_ = time_ms; }
  TextHeap& heap() { return heap_; }
  // Bytes of values, lists and maps outside of their rows.
  int64_t heap_bytes() const { return heap_.live_bytes() + memory_.bytes(); }
  // Of lists and maps.
  StateMemory& memory() { return memory_; }
  const std::vector<std::unique_ptr<KeyedCell>>& cells() const { return cells_; }
  // What is in front of a backend; null: all state is in memory.
  RowStore* row_store() const { return row_store_; }
  // Room at the end of all rows, before the first is made: its offset.
  uint32_t reserve_in_rows(size_t bytes);

 protected:
  virtual std::byte* make_row() = 0;
  // The current row has no cell left.
  virtual void note_empty_row() = 0;
  [[noreturn]] void throw_no_current_key(std::string_view state_name) const;
  bool all_cells_go_with_heap() const;
  bool all_cells_are_plain() const;
  // Destroys all cells of a row.
  void destroy_cells(std::byte* row);
  // Expires the cells of a row; true when none is left.
  bool expire_cells(std::byte* row);

  StateRows rows_;
  RowStore* row_store_ = nullptr;
  std::byte* current_row_ = nullptr;
  bool has_current_key_ = false;
  bool has_ttl_ = false;  // some state has
  int64_t now_ms_ = 0;
  int64_t event_time_ms_ = 0;
  std::vector<KeyedCell*> timer_cells_;  // by id

 private:
  static constexpr uint64_t kMask = (uint64_t{1} << kStatesMax) - 1;

  Result<KeyedCell*> find_declared(const std::string& name, const void* tag,
                                   const StateOptions& options) const;
  void place(std::unique_ptr<KeyedCell> cell, const void* tag, size_t size, size_t alignment);

  const bool is_bound_;
  StateMemory memory_;
  TextHeap heap_;
  std::vector<std::unique_ptr<KeyedCell>> cells_;
  size_t row_bytes_ = sizeof(uint64_t);  // the mask, then the cells
  size_t row_alignment_ = 8;
};

// What unbound handles point to.
KeyedState& unbound_state();

}  // namespace tidewheel
