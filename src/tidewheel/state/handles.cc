#include "tidewheel/state/handles.h"

namespace tidewheel::state_detail {

void throw_no_value(const std::string& name) {
  throw StateError(failed_precondition(
      ErrorId::kStateName, "the current key has no value of this state; test it, or use get_or: {}",
      name));
}

void throw_unbound(const std::string& name) {
  throw StateError(failed_precondition(
      ErrorId::kStateName,
      "state is used outside of a running job: it is there in the functions of the object that was "
      "given to process: {}",
      name));
}

}  // namespace tidewheel::state_detail
