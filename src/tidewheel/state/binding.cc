#include "tidewheel/state/binding.h"

namespace tidewheel {

thread_local BindingScope* BindingScope::current_ = nullptr;

void BindingScope::note_not_keyed(const std::string& name) {
  if (!status_.ok()) { return; }
  status_ = invalid_argument(ErrorId::kStateName,
                             "this state or timer is kept by key, and the operator's input has no "
                             "key; call key_by before process: {}",
                             name);
}

}  // namespace tidewheel
