// Puts the changes that a checkpoint has written on top of what the one before has.
#pragma once
#include "tidewheel/base/status.h"
#include "tidewheel/checkpoint/manifest.h"

namespace tidewheel {

// Each segment of changes gets the layers of its state in `base` before it; layers of which nothing
// would be read are left out. Errors: kSnapshotFormat when `base` does not have the state, or has
// it in a file that is not shared.
Status put_on_base(const Manifest& base, Manifest& manifest);

}  // namespace tidewheel
