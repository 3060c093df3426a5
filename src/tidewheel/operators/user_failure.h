// Turns what user code throws, or answers, into the failure of its operator: with the operator's
// name, uid and subtask, and the record at which it happened.
#pragma once
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator_failure.h"

namespace tidewheel {

class OperatorContext;  // dataflow/operator.h

// Within a catch block only: throws an OperatorFailure for the exception that is being handled. One
// that is an OperatorFailure already (of an operator further down the chain) is thrown on as it is.
// `call` names the user's function: "map"; `record` is empty when there was none.
[[noreturn]] void rethrow_user_failure(const OperatorContext& context, std::string_view call,
                                       std::string record);
// Throws for a failed status that user code, or a source or sink, has answered.
[[noreturn]] void throw_user_failure(const OperatorContext& context, std::string_view call,
                                     const Status& status, std::string record);
// Throws for a row without a timestamp in an operator that works on event time.
[[noreturn]] void throw_no_timestamp(const OperatorContext& context, std::string record);

// A record for a message: at most some hundred bytes of it.
std::string shorten_record(std::string record);
}  // namespace tidewheel
