#include "tidewheel/state/codec.h"

namespace tidewheel {

Status check_state_form(const StateMeta& meta, StateKind kind, std::string_view form) {
  if (meta.kind == kind && meta.form == form) { return ok_status(); }
  return failed_precondition(ErrorId::kStateName,
                             "the snapshot has a state of this name that is a {}, the job has a "
                             "{}; give the new state another name: {}",
                             meta.form, form, meta.name);
}

}  // namespace tidewheel
