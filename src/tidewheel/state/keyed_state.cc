#include "tidewheel/state/keyed_state.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/state/codec.h"

namespace tidewheel {

KeyedCell::KeyedCell(KeyedState& state, StateMeta meta, const StateOptions& options)
    : state_(&state), meta_(std::move(meta)), options_(options), ttl_ms_(options.ttl.count()) {}

bool KeyedCell::is_expired(int64_t stamp) const {
  return ttl_ms_ > 0 && state_->now_ms() >= saturating_add(stamp, ttl_ms_);
}

Status KeyedCell::check_form(const StateMeta& meta, std::string_view form, bool& has_stamps) const {
  has_stamps = meta.form.ends_with("+ttl");
  StateMeta plain = meta;
  if (has_stamps) { plain.form.resize(plain.form.size() - 4); }
  return check_state_form(plain, StateKind::kKeyed, form);
}

KeyedState::KeyedState()
    : rows_(nullptr, ""), is_bound_(false), memory_(nullptr, ""), heap_(nullptr) {}

KeyedState::KeyedState(MemoryPool* memory, std::string_view name)
    : rows_(memory, name), is_bound_(true), memory_(memory, name), heap_(memory) {}

KeyedState::~KeyedState() = default;

Result<KeyedCell*> KeyedState::find_declared(const std::string& name, const void* tag,
                                             const StateOptions& options) const {
  if (name.empty()) {
    return invalid_argument(ErrorId::kStateName, "a state needs a name that is not empty");
  }
  if (options.ttl < Duration{0}) {
    return invalid_argument(ErrorId::kStateName, "the ttl of a state can't be negative: {}", name);
  }
  for (const auto& cell : cells_) {
    if (cell->name() != name) { continue; }
    if (cell->tag_ != tag || cell->options_.ttl != options.ttl ||
        cell->options_.ttl_on != options.ttl_on) {
      return invalid_argument(ErrorId::kStateName,
                              "two states of one operator have the same name, but not the same "
                              "type and options; give each a name of its own: {}",
                              name);
    }
    return cell.get();
  }
  if (cells_.size() == kStatesMax) {
    return invalid_argument(ErrorId::kStateName,
                            "an operator can have {} states at most; put values that change "
                            "together into one struct: {}",
                            kStatesMax, name);
  }
  return static_cast<KeyedCell*>(nullptr);
}

void KeyedState::place(std::unique_ptr<KeyedCell> cell, const void* tag, size_t size,
                       size_t alignment) {
  TIDEWHEEL_CHECK(rows_.size() == 0, "state {} is declared after the first record", cell->name());
  row_bytes_ = (row_bytes_ + alignment - 1) / alignment * alignment;
  cell->tag_ = tag;
  cell->offset_ = static_cast<uint32_t>(row_bytes_);
  cell->bit_ = uint64_t{1} << cells_.size();
  row_bytes_ += size;
  // Chunks are aligned to 64: a multiple of the largest alignment keeps every row aligned.
  row_alignment_ = std::max(row_alignment_, alignment);
  rows_.set_row_bytes((row_bytes_ + row_alignment_ - 1) / row_alignment_ * row_alignment_);
  has_ttl_ = has_ttl_ || cell->ttl_ms() > 0;
  cells_.push_back(std::move(cell));
}

uint32_t KeyedState::reserve_in_rows(size_t bytes) {
  TIDEWHEEL_CHECK(rows_.size() == 0, "rows can't grow");
  const size_t offset = (row_bytes_ + 7) / 8 * 8;
  row_bytes_ = offset + bytes;
  rows_.set_row_bytes((row_bytes_ + row_alignment_ - 1) / row_alignment_ * row_alignment_);
  return static_cast<uint32_t>(offset);
}

void KeyedState::destroy_cells(std::byte* row) {
  for (uint64_t left = mask_of(row); left != 0; left &= left - 1) {
    cells_[static_cast<size_t>(__builtin_ctzll(left))]->destroy(row);
  }
  head_of(row) &= ~kMask;
}

bool KeyedState::all_cells_go_with_heap() const {
  return std::all_of(cells_.begin(), cells_.end(),
                     [](const auto& cell) { return cell->goes_with_heap(); });
}

bool KeyedState::all_cells_are_plain() const {
  return row_alignment_ <= 8 && std::all_of(cells_.begin(), cells_.end(),
                                            [](const auto& cell) { return cell->is_plain(); });
}

bool KeyedState::expire_cells(std::byte* row) {
  for (uint64_t left = mask_of(row); left != 0; left &= left - 1) {
    KeyedCell& cell = *cells_[static_cast<size_t>(__builtin_ctzll(left))];
    if (cell.ttl_ms() > 0 && cell.expire(row)) {
      cell.destroy(row);
      head_of(row) &= ~cell.bit();
    }
  }
  return mask_of(row) == 0;
}

void KeyedState::throw_no_current_key(std::string_view state_name) const {
  if (!is_bound_) {
    throw StateError(failed_precondition(
        ErrorId::kStateName,
        "state is used outside of a running job: it is there in on_element, on_timer and the like "
        "of the process function that it is a member of: {}",
        state_name));
  }
  throw StateError(failed_precondition(
      ErrorId::kStateName,
      "keyed state is used where there is no current key; it is there in on_element and on_timer, "
      "and not in constructors, open, close or on_broadcast: {}",
      state_name));
}

namespace {

class UnboundState final : public KeyedState {
 public:
  bool add_timer(TimeDomain, int64_t) override { throw_no_current_key("timers"); }
  bool remove_timer(TimeDomain, int64_t) override { throw_no_current_key("timers"); }
  void queue_named_timer(TimeDomain, uint16_t, int64_t, int64_t) override {
    throw_no_current_key("timers");
  }

 protected:
  std::byte* make_row() override { throw_no_current_key("state"); }
  void note_empty_row() override {}
};

}  // namespace

KeyedState& unbound_state() {
  static UnboundState state;
  return state;
}

}  // namespace tidewheel
