// The coordinator of a source, and what it knows of the source before the job starts.
#pragma once
#include "tidewheel/dataflow/coordinator.h"

namespace tidewheel {

class SourceCoordinator : public OperatorCoordinator {
 public:
  // Whether the source ends by itself. Asked before `start`.
  virtual bool is_bounded() const = 0;
};

}  // namespace tidewheel
