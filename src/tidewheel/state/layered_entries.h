// Entries of a state that was written in layers, for a reader that can tell by itself which units
// it has been given before.
#pragma once
#include <cstddef>
#include <span>

#include "tidewheel/base/status.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

// What SegmentReader gives of state by key group is of this class too. It remembers the units of
// each group, so that those of older layers are left out; a reader that puts all units into a table
// has them there already, and would have to hash and compare each of them twice.
class LayeredEntries : public SnapshotEntries {
 public:
  // Some entries of one group, the newest layer first: of several that have the same unit, also in
  // later calls, only the first counts. Units that were erased are left out. Their views are valid
  // until the next call. 0 at the end. Instead of `next`, from the first entry on.
  // Errors: those of `next`.
  virtual Result<size_t> next_of_layers(std::span<StateEntry> entries) = 0;
};

}  // namespace tidewheel
