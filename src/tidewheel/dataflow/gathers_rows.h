// Marks operators that keep rows back without having them in their snapshots.
#pragma once

namespace tidewheel {

// An Operator that is one is called `on_epoch` before each barrier, also where there are no epochs,
// and has no rows when it has answered kDone.
class GathersRows {
 public:
  virtual ~GathersRows() = default;
};

}  // namespace tidewheel
