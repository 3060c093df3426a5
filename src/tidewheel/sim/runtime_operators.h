// Operators written straight against the runtime's interface, as simply as can be: random jobs of
// them test tasks, channels, watermarks, timers and the end of input without the typed operators
// above.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/coordinator.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/dataflow/output.h"
#include "tidewheel/sim/model.h"
#include "tidewheel/sim/script.h"

namespace tidewheel::sim {

// What the operators of one run report: broken promises of the runtime.
struct Findings {
  std::vector<std::string> failures;
  void add(std::string failure) {
    if (failures.size() < 10) { failures.push_back(std::move(failure)); }
  }
};

// An operator with one output of rows.
template <class Base>
class RowOperator : public Base {
 public:
  Status open(OperatorContext& context) override;
  std::span<OutputPort* const> outputs() override { return ports_; }

 protected:
  OperatorContext& context() { return *context_; }
  Output<Row>& out() { return out_; }

 private:
  OperatorContext* context_ = nullptr;
  Output<Row> out_;
  OutputPort* ports_[1] = {&out_};
};

// Plays the splits i, i + parallelism, ... of a script, in a drawn order between them, with the
// least watermark of those that have not ended. With a coordinator it begins when that says so.
class ScriptReader final : public RowOperator<SourceOperator> {
 public:
  ScriptReader(std::shared_ptr<const Script> script, bool coordinated)
      : script_(std::move(script)), started_(!coordinated) {}
  Status open(OperatorContext& context) override;
  Poll poll() override;
  Progress on_processing_time(int64_t now_ms) override;
  void on_coordinator_event(std::string_view event) override;

 private:
  struct Split {
    const std::vector<ScriptStep>* steps;
    size_t next = 0;
    bool paused = false;  // the pause before `next` is over
    int64_t newest_ms = kMinWatermark;
  };
  bool send_watermark();
  bool pause(int64_t ms);

  const std::shared_ptr<const Script> script_;
  bool started_;
  std::vector<Split> splits_;
  size_t open_splits_ = 0;
  int64_t watermark_ = kMinWatermark;
  int64_t wait_until_ms_ = INT64_MIN;
  bool tail_ = false;  // the rows have ended, the tail's silence has begun
};

// Says "go" to every subtask once all are ready, after a timer; answers what they say with "again".
class GoCoordinator final : public OperatorCoordinator {
 public:
  Status start(CoordinatorContext& context) override;
  void on_subtask_ready(int32_t subtask) override;
  void on_event(int32_t subtask, std::string_view event) override;
  void on_timer() override;
  Result<std::string> snapshot(int64_t) override { return std::string(); }
  Status restore(std::string_view) override { return {}; }

 private:
  CoordinatorContext* context_ = nullptr;
  int32_t ready_ = 0;
  int64_t go_at_ns_ = 0;
};

// Any number of rows for each.
class FunctionOperator final : public RowOperator<Operator> {
 public:
  using Function = std::function<void(const TimedRow&, Rows&)>;
  explicit FunctionOperator(Function function) : function_(std::move(function)) {}
  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override;

 private:
  const Function function_;
  Rows made_;
};

// Sum and count of the values in tumbling windows of `size_ms`, by key. A row that is late is a
// finding, because the sources promise that there is none.
class TumblingOperator final : public RowOperator<Operator> {
 public:
  TumblingOperator(int64_t size_ms, std::shared_ptr<Findings> findings)
      : size_ms_(size_ms), findings_(std::move(findings)) {}
  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override;
  Progress on_watermark(int64_t time_ms) override;

  static int64_t start_of(int64_t time_ms, int64_t size_ms);
  static TimedRow result(int64_t start_ms, int64_t size_ms, int64_t key, int64_t sum,
                         int64_t count);

 private:
  const int64_t size_ms_;
  const std::shared_ptr<Findings> findings_;
  int64_t watermark_ = kMinWatermark;
  // By (start, key).
  std::map<std::pair<int64_t, int64_t>, std::pair<int64_t, int64_t>> windows_;
};

// All pairs of rows of its two inputs with the same key and times at most `bound_ms` apart.
class JoinOperator final : public RowOperator<Operator> {
 public:
  explicit JoinOperator(int64_t bound_ms) : bound_ms_(bound_ms) {}
  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override;
  static TimedRow pair(const TimedRow& left, const TimedRow& right);

 private:
  const int64_t bound_ms_;
  std::map<int64_t, Rows> rows_[2];
};

// Holds each row for a drawn time of the wall clock; at the end of the input the rest goes at once.
class DelayOperator final : public RowOperator<Operator> {
 public:
  explicit DelayOperator(int64_t delay_ms_max) : delay_ms_max_(delay_ms_max) {}
  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override;
  Progress on_processing_time(int64_t now_ms) override;
  Progress on_end_of_input(int32_t input) override;

 private:
  Progress emit_until(int64_t time_ms);
  const int64_t delay_ms_max_;
  std::multimap<int64_t, TimedRow> held_;
};

// Gives each row to the blocking pool, and emits it when it is back.
class BlockingOperator final : public RowOperator<Operator> {
 public:
  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override;
  Progress on_wake() override;
  Progress on_end_of_input(int32_t input) override;
  std::optional<int64_t> waits_until_ns() const override {
    return waits_ ? std::optional<int64_t>(Clock::kNever) : std::nullopt;
  }
  void close(bool finished) override;

 private:
  bool waits_ = false;
  // What comes back after `close` finds nobody.
  const std::shared_ptr<bool> closed_ = std::make_shared<bool>(false);
  int64_t out_there_ = 0;
  std::vector<TimedRow> back_;
  size_t emitted_ = 0;
};

// What one sink has seen, of all its subtasks.
struct SinkRows {
  std::vector<Rows> by_subtask;
  int32_t parallelism = 0;
  int32_t ends = 0;
  int32_t opens = 0;
  int32_t closes = 0;
};

class SinkOperator final : public Operator {
 public:
  SinkOperator(std::shared_ptr<SinkRows> seen, std::shared_ptr<Findings> findings)
      : seen_(std::move(seen)), findings_(std::move(findings)) {}
  Status open(OperatorContext& context) override;
  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override;
  Progress on_watermark(int64_t time_ms) override;
  Progress on_end_of_input(int32_t input) override;
  void close(bool finished) override;
  std::span<OutputPort* const> outputs() override { return {}; }

 private:
  const std::shared_ptr<SinkRows> seen_;
  const std::shared_ptr<Findings> findings_;
  OperatorContext* context_ = nullptr;
  int64_t watermark_ = kMinWatermark;
  bool ended_ = false;
};

}  // namespace tidewheel::sim
