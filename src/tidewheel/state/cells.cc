#include "tidewheel/state/cells.h"

namespace tidewheel {

TimerCell::TimerCell(KeyedState& owner, const std::string& name, const StateOptions& options)
    : KeyedCell(owner,
                state_detail::with_value_schema(state_detail::cell_meta(name, "timer", options),
                                                encoded_schema<int64_t>()),
                options),
      id_(owner.declare_timer(*this)) {}

void TimerCell::set_domain(TimeDomain domain) { domain_ = domain; }

void TimerCell::set(std::byte* row, int64_t time) {
  Times* times = find(row);
  if (times == nullptr) {
    times = new (row + offset()) Times{time, time};
    KeyedState::head_of(row) |= bit();
    state().queue_named_timer(domain_, id_, time, KeyedState::kNotQueued);
    return;
  }
  times->target = time;
  if (time < times->queued) {
    state().queue_named_timer(domain_, id_, time, times->queued);
    times->queued = time;
  }
}

bool TimerCell::is_due(std::byte* row, int64_t time) {
  Times* const times = find(row);
  if (times == nullptr) { return false; }
  if (times->queued != time) {
    // It may be the only entry of the queue, if the row was stored since.
    if (state().row_store() != nullptr) {
      state().queue_named_timer(domain_, id_, times->queued, KeyedState::kNotQueued);
    }
    return false;
  }
  if (times->target == kCancelled) {
    state().clear_cell(row, *this);
    return false;
  }
  if (times->target > time) {
    times->queued = times->target;
    state().queue_named_timer(domain_, id_, times->queued, KeyedState::kNotQueued);
    return false;
  }
  state().clear_cell(row, *this);
  return true;
}

void TimerCell::write(std::byte* row, StateEntry& entry, SnapshotWriter& writer) {
  const Times& times = *find(row);
  if (times.target == kCancelled) { return; }
  entry.value = bytes_.encode(times.target);
  writer.add(entry);
}

Status TimerCell::open_restore(const StateMeta& meta) {
  return check_state_form(meta, StateKind::kKeyed, "timer");
}

Status TimerCell::read(std::byte* row, bool, const StateEntry& entry) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto time, decode_all<int64_t>(entry.value));
  set(row, time);
  return ok_status();
}

Status TimerCell::load(std::byte* row, const StateEntry& entry) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto time, decode_all<int64_t>(entry.value));
  new (row + offset()) Times{time, time};
  KeyedState::head_of(row) |= bit();
  return ok_status();
}

}  // namespace tidewheel
