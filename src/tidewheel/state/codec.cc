#include "tidewheel/state/codec.h"

namespace tidewheel {

Status check_key_group(const StateMeta& meta, int32_t entry_group, int32_t key_group) {
  if (entry_group == key_group) { return ok_status(); }
  return data_loss(ErrorId::kSnapshotFormat,
                   "a key hashes to another key group than when the snapshot was made; the hash of "
                   "a key's type must not change: state {}, group {}, was {}",
                   meta.name, key_group, entry_group);
}

Status check_state_form(const StateMeta& meta, StateKind kind, std::string_view form) {
  if (meta.kind == kind && meta.form == form) { return ok_status(); }
  return failed_precondition(ErrorId::kStateName,
                             "the snapshot has a state of this name that is a {}, the job has a "
                             "{}; give the new state another name: {}",
                             meta.form, form, meta.name);
}

}  // namespace tidewheel
