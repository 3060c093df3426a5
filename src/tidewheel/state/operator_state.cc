#include "tidewheel/state/operator_state.h"

#include "tidewheel/base/check.h"

namespace tidewheel {

OperatorState::~OperatorState() { cells_.clear(); }

Result<OperatorCell*> OperatorState::find_declared(const StateMeta& meta, const void* tag) const {
  if (meta.name.empty()) {
    return invalid_argument(ErrorId::kStateName, "a state needs a name that is not empty");
  }
  for (const auto& cell : cells_) {
    if (cell->name() != meta.name) { continue; }
    if (cell->tag_ != tag || !(cell->meta() == meta)) {
      return invalid_argument(ErrorId::kStateName,
                              "two states of one operator have the same name, but not the same "
                              "type and options; give each a name of its own: {}",
                              meta.name);
    }
    return cell.get();
  }
  return static_cast<OperatorCell*>(nullptr);
}

void OperatorState::begin_snapshot() {
  snapshot_.clear();
  for (const auto& cell : cells_) {
    uint64_t from = 0;
    const bool is_done = cell->write(snapshot_, from);
    TIDEWHEEL_CHECK(is_done, "state {} was not copied", cell->name());
  }
}

Status OperatorState::read(SnapshotReader& reader) {
  for (const auto& cell : cells_) { TIDEWHEEL_RETURN_IF_ERROR(cell->read(reader)); }
  return ok_status();
}

}  // namespace tidewheel
