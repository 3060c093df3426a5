#include "tidewheel/operators/operator_base.h"

namespace tidewheel {

OperatorBase::OperatorBase(std::shared_ptr<const NodeLinks> links)
    : links_(std::move(links)), sides_(links_.get()) {
  for (size_t i = 0; i < sides_.count(); ++i) { ports_.push_back(&sides_.port(i)); }
}

}  // namespace tidewheel
