// How an operator fails in a call that answers Progress or Poll: it throws an OperatorFailure. The
// border of the task catches it (and any other exception) and fails the job with the status.
#pragma once
#include <exception>
#include <utility>

#include "tidewheel/base/status.h"

namespace tidewheel {

// Holds a failed Status that already names the operator, its uid, the subtask, and the record if
// one was at fault; the border adds nothing to it.
class OperatorFailure final : public std::exception {
 public:
  explicit OperatorFailure(Status status) : status_(std::move(status)) {}
  const Status& status() const { return status_; }
  const char* what() const noexcept override { return status_.message().c_str(); }

 private:
  Status status_;
};

}  // namespace tidewheel
