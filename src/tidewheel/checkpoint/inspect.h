// What is in a snapshot, for people and for scripts: `tidewheel checkpoint inspect`.
#pragma once
#include <string>

#include "tidewheel/base/status.h"

namespace tidewheel {

class World;  // base/world.h

struct InspectOptions {
  std::string path;    // of a checkpoint's or savepoint's folder, or its _metadata
  bool json = false;   // else a text
  bool check = false;  // reads every block, so that damage is found
};
// Blocks. Errors: kSnapshotMissing (naming snapshots that are below the path), kSnapshotFormat,
// kSnapshotChecksum.
Result<std::string> inspect_snapshot(World& world, const InspectOptions& options);

}  // namespace tidewheel
