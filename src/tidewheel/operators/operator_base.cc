#include "tidewheel/operators/operator_base.h"

#include "tidewheel/base/config.h"
#include "tidewheel/base/options.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

OperatorBase::OperatorBase(std::shared_ptr<const NodeLinks> links)
    : links_(std::move(links)), sides_(links_.get()) {
  for (size_t i = 0; i < sides_.count(); ++i) { ports_.push_back(&sides_.port(i)); }
}

bool OperatorBase::keeps_changes() const {
  return context_->config().get(options::kIncrementalCheckpoints);
}

Progress OperatorBase::snapshot_blocked(const SnapshotWriter& writer) {
  if (writer.ready()) { context_->wake(); }
  return Progress::kBlocked;
}

}  // namespace tidewheel
