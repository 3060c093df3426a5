// What user functions may know about where they run, and the calls by which they say so: a function
// object may have `open(RuntimeContext&)` (void or Status) and `close()`.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "tidewheel/base/metrics.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/operators/user_failure.h"

namespace tidewheel {

// One subtask's; valid from `open` to `close`.
class RuntimeContext {
 public:
  const std::string& name() const { return context_->name(); }
  const std::string& uid() const { return context_->uid(); }
  int32_t subtask_index() const { return context_->subtask_index(); }
  int32_t parallelism() const { return context_->parallelism(); }
  int32_t max_parallelism() const { return context_->max_parallelism(); }
  int64_t wall_ms() const { return context_->clock().wall_ms(); }
  Random& random() { return context_->random(); }
  FileSystem& files() { return context_->files(); }
  MetricGroup& metrics() { return context_->metrics(); }
  const Config& config() const { return context_->config(); }
  OperatorContext& operator_context() { return *context_; }

  // An accumulator: added up over all subtasks in the job's result. Keep the reference; asking
  // takes a search.
  Counter& counter(std::string_view name) {
    return context_->metrics().group("accumulators").counter(name);
  }

  // For operators: fills in the context.
  void bind(OperatorContext& context) { context_ = &context; }

 private:
  OperatorContext* context_ = nullptr;
};

// Calls a function object's `open`, when it has one.
template <class F>
Status open_function(F& function, RuntimeContext& runtime) {
  try {
    if constexpr (requires {
                    { function.open(runtime) } -> std::same_as<Status>;
                  }) {
      const Status status = function.open(runtime);
      if (!status.ok()) { throw_user_failure(runtime.operator_context(), "open", status, ""); }
    } else if constexpr (requires { function.open(runtime); }) {
      function.open(runtime);
    }
  } catch (const OperatorFailure& failure) { return failure.status(); } catch (...) {
    try {
      rethrow_user_failure(runtime.operator_context(), "open", "");
    } catch (const OperatorFailure& failure) { return failure.status(); }
  }
  return {};
}

// Calls its `close`. What it throws is dropped: the subtask has ended already.
template <class F>
void close_function(F& function) {
  if constexpr (requires { function.close(); }) {
    try {
      function.close();
    } catch (...) {}
  }
}

}  // namespace tidewheel
