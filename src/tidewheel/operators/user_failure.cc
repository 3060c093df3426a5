#include "tidewheel/operators/user_failure.h"

#include <exception>

#include "tidewheel/dataflow/operator.h"
#include "tidewheel/state/state_options.h"

namespace tidewheel {

namespace {

std::string place(const OperatorContext& context, std::string_view call,
                  const std::string& record) {
  std::string text =
      fmt::format("operator '{}' (uid {}), subtask {} of {}, in {}", context.name(), context.uid(),
                  context.subtask_index() + 1, context.parallelism(), call);
  if (!record.empty()) { text += fmt::format(", at record {}", record); }
  return text;
}

}  // namespace

void rethrow_user_failure(const OperatorContext& context, std::string_view call,
                          std::string record) {
  std::string what;
  try {
    throw;
  } catch (const OperatorFailure&) { throw; } catch (const StateError& error) {
    throw OperatorFailure(error.status().with_context("{}", place(context, call, record)));
  } catch (const std::exception& exception) { what = exception.what(); } catch (...) {
    what = "something that is not a std::exception";
  }
  throw OperatorFailure(user_error(ErrorId::kUserCodeThrew, "{}: user code threw: {}",
                                   place(context, call, record), what));
}

void throw_user_failure(const OperatorContext& context, std::string_view call, const Status& status,
                        std::string record) {
  throw OperatorFailure(status.with_context("{}", place(context, call, record)));
}

void throw_no_timestamp(const OperatorContext& context, std::string record) {
  throw OperatorFailure(user_error(
      ErrorId::kRowWithoutTimestamp,
      "{}: the row has no event time; give the stream one with event_time(member, strategy)",
      place(context, "event time", record)));
}

std::string shorten_record(std::string record) {
  constexpr size_t kBytesMax = 400;
  if (record.size() > kBytesMax) {
    const size_t size = record.size();
    record.resize(kBytesMax);
    record += fmt::format("... ({} bytes)", size);
  }
  return record;
}

}  // namespace tidewheel
