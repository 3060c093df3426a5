// The operator of asynchronous functions of users: `capacity` calls are under way at a time, what
// fails is called again, and rows leave in their order.
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/completion_gate.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/user_failure.h"
#include "tidewheel/sql/correlate.h"

namespace tidewheel::sql {
namespace {

constexpr int64_t kMsNs = 1'000'000;

class AsyncCallsOperator final : public OutputOperator<ColumnRow> {
 public:
  AsyncCallsOperator(CorrelateSpec spec, AsyncCallOptions options, std::vector<LogicalType> types,
                     std::unique_ptr<AsyncKernel> kernel)
      : spec_(std::move(spec)),
        options_(options),
        types_(std::move(types)),
        kernel_(std::move(kernel)) {}

  // The cursor stands before the first row that has not left.
  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    waits_ = false;
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    if (calls_.empty()) { begun_ = cursor; }
    while (true) {
      begin_calls(in, rows.end);
      look_at_calls(in);
      if (!send_done(in, cursor)) { return Progress::kBlocked; }
      if (cursor == rows.end) { return Progress::kDone; }
      if (!calls_.empty() && calls_.front()->is_done) { continue; }
      if (begun_ < rows.end && calls_.size() < capacity()) { continue; }
      waits_ = true;
      return Progress::kBlocked;
    }
  }
  Progress on_wake() override {
    waits_ = false;
    return Progress::kDone;
  }
  std::optional<int64_t> waits_until_ns() const override {
    if (!waits_) { return std::nullopt; }
    int64_t at_ns = Clock::kNever;
    for (const CallRef& call : calls_) {
      if (!call->is_done) { at_ns = std::min({at_ns, call->deadline_ns, call->again_ns}); }
    }
    return at_ns;
  }
  void close(bool finished) override {
    gate_->close();
    OutputOperator<ColumnRow>::close(finished);
  }

 private:
  // The call for one row; with it the answer that it waits for.
  struct Call {
    uint32_t row = 0;
    int32_t attempts = 0;
    bool is_done = false;
    bool is_null = false;
    int64_t deadline_ns = Clock::kNever;
    int64_t again_ns = Clock::kNever;  // when it is made again
    std::string value;
    std::string failure;  // of the last attempt
  };
  using CallRef = std::shared_ptr<Call>;

  size_t capacity() const { return static_cast<size_t>(options_.capacity); }
  int64_t now_ns() { return context().clock().now_ns(); }

  void begin_calls(const ColumnBatch& in, uint32_t end) {
    while (begun_ < end && calls_.size() < capacity()) {
      const CallRef call = std::make_shared<Call>();
      call->row = begun_++;
      calls_.push_back(call);
      if (lacks_argument(in, call->row)) {
        call->is_done = call->is_null = true;
        continue;
      }
      if (options_.timeout_ms > 0) { call->deadline_ns = now_ns() + options_.timeout_ms * kMsNs; }
      make(in, call);
    }
  }
  bool lacks_argument(const ColumnBatch& in, uint32_t row) const {
    for (size_t i = 0; i < spec_.arguments.size(); ++i) {
      if (kernel_->skips_null(i) && in.view(static_cast<size_t>(spec_.arguments[i])).is_null(row)) {
        return true;
      }
    }
    return false;
  }
  void make(const ColumnBatch& in, const CallRef& call) {
    ++call->attempts;
    call->again_ns = Clock::kNever;
    arguments_.clear();
    for (const int32_t column : spec_.arguments) {
      arguments_.push_back(in.view(static_cast<size_t>(column)));
    }
    kernel_->call(
        arguments_, call->row,
        [this, call, gate = gate_, context = &context()](AsyncKernel::Answer answer) {
          if (!gate->enter()) { return; }
          context->post([this, call, gate, context, answer = std::move(answer)]() mutable {
            if (!gate->enter()) { return; }
            gate->leave();
            take(*call, std::move(answer));
            context->wake();
          });
          gate->leave();
        });
  }
  void take(Call& call, AsyncKernel::Answer answer) {
    if (!answer.is_failed) {
      call.value = std::move(answer.bytes);
      call.is_done = true;
      return;
    }
    call.failure = std::move(answer.bytes);
    if (call.attempts < options_.attempts_max) {
      call.again_ns = now_ns() + options_.retry_delay_ms * kMsNs;
    } else {
      has_failed_ = true;
    }
  }

  // Has calls that have failed made again, and fails for those that may not be.
  void look_at_calls(const ColumnBatch& in) {
    const int64_t now = now_ns();
    for (const CallRef& call : calls_) {
      if (call->is_done) { continue; }
      const bool waits = call->again_ns != Clock::kNever;
      if (has_failed_ && !waits && !call->failure.empty() &&
          call->attempts >= options_.attempts_max) {
        fail(invalid_argument(ErrorId::kSqlValue, "the function {} has failed, {} time(s): {}",
                              spec_.function->name(), call->attempts, call->failure));
      }
      if (now >= call->deadline_ns) {
        fail(deadline_exceeded(ErrorId::kUserCodeFailed,
                               "the function {} has taken longer than its timeout of {} ms{}",
                               spec_.function->name(), options_.timeout_ms,
                               call->failure.empty() ? "" : "; it has failed: " + call->failure));
      }
      if (waits && now >= call->again_ns) { make(in, call); }
    }
  }
  void fail(const Status& status) {
    throw_user_failure(context(), spec_.function->name().c_str(), status, "");
  }

  // Sends the first rows, as far as they have their values. False: refused.
  bool send_done(const ColumnBatch& in, uint32_t& cursor) {
    size_t count = 0;
    while (count < calls_.size() && calls_[count]->is_done) { ++count; }
    if (count == 0) { return true; }
    if (!ready()) { return false; }
    rows_.clear();
    for (size_t i = 0; i < count; ++i) { rows_.push_back(calls_[i]->row); }
    static_cast<void>(output().flush());
    ColumnBatch& batch = output().current();
    batch.set_types(types_);
    batch.ensure_room(static_cast<uint32_t>(count));
    for (size_t c = 0; c < spec_.passed.size(); ++c) {
      gather(in.view(static_cast<size_t>(spec_.passed[c])), rows_, batch.column(c), 0,
             &batch.arena());
    }
    if (!spec_.given.empty()) {
      Column& values = batch.column(spec_.passed.size());
      for (uint32_t i = 0; i < count; ++i) { put(*calls_[i], values, i, batch.arena()); }
    }
    if (in.kinds() != nullptr) {
      RowKind* const kinds = batch.make_kinds(static_cast<uint32_t>(count));
      for (size_t i = 0; i < count; ++i) { kinds[i] = in.kind(rows_[i]); }
    }
    batch.set_size(static_cast<uint32_t>(count));
    static_cast<void>(output().flush());
    cursor = rows_.back() + 1;
    calls_.erase(calls_.begin(), calls_.begin() + static_cast<ptrdiff_t>(count));
    return true;
  }
  void put(const Call& call, Column& values, uint32_t row, Arena& arena) {
    if (call.is_null) {
      values.ensure(row + 1);
      return values.append_null(row);
    }
    const Status status = kernel_->write(call.value, values, row, arena);
    if (!status.ok()) { fail(status); }
  }

  const CorrelateSpec spec_;
  const AsyncCallOptions options_;
  const std::vector<LogicalType> types_;
  const std::unique_ptr<AsyncKernel> kernel_;
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
  std::deque<CallRef> calls_;  // of rows that have not left, in their order
  uint32_t begun_ = 0;         // behind the last of them
  bool has_failed_ = false;
  bool waits_ = false;
  std::vector<ColumnView> arguments_;
  std::vector<uint32_t> rows_;
};

}  // namespace

Result<std::unique_ptr<Operator>> make_async_calls(CorrelateSpec spec, AsyncCallOptions options) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<LogicalType> types, correlate_output(spec));
  std::vector<LogicalType> arguments;
  for (const int32_t column : spec.arguments) {
    arguments.push_back(spec.input[static_cast<size_t>(column)]);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(auto kernel, spec.function->make_async_kernel(arguments));
  return std::unique_ptr<Operator>(std::make_unique<AsyncCallsOperator>(
      std::move(spec), options, std::move(types), std::move(kernel)));
}

}  // namespace tidewheel::sql
