#include "tidewheel/sql/window_table.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/operator_base.h"

namespace tidewheel::sql {
namespace {

int64_t floor_to(int64_t time, int64_t step, int64_t offset) {
  const int64_t rest = (time - offset) % step;
  return time - (rest < 0 ? rest + step : rest);
}

class WindowTableOperator final : public OutputOperator<ColumnRow> {
 public:
  WindowTableOperator(std::vector<LogicalType> input, int32_t time, const GridWindow& window)
      : columns_(input.size()), time_(time), window_(window), types_(std::move(input)) {
    const LogicalType bound = LogicalType::with(TypeKind::kTimestamp, 3, 0, false);
    LogicalType last = types_[static_cast<size_t>(time)];
    last.nullable = false;
    types_.insert(types_.end(), {bound, bound, last});
  }

  Status open(OperatorContext& context) override {
    without_time_ = &context.metrics().counter("numNullRowTimeRecordsDropped");
    return OutputOperator<ColumnRow>::open(context);
  }
  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      if (!output().ready()) { return Progress::kBlocked; }
      take(in, cursor, rows.end);
      send(in);
    }
    return Progress::kDone;
  }

 private:
  // Windows of rows from `cursor` on, until there are as many as a batch has.
  void take(const ColumnBatch& in, uint32_t& cursor, uint32_t end) {
    rows_.clear();
    starts_.clear();
    ends_.clear();
    const ColumnView& times = in.view(static_cast<size_t>(time_));
    for (; cursor < end && rows_.size() < context().batch_rows(); ++cursor) {
      if (times.is_null(cursor)) {
        without_time_->add();
        continue;
      }
      add_windows(cursor, times.at<int64_t>(cursor));
    }
  }
  void add_windows(uint32_t row, int64_t time) {
    const auto add = [&](int64_t start, int64_t end) {
      rows_.push_back(row);
      starts_.push_back(start);
      ends_.push_back(end);
    };
    const int64_t size = window_.size_ms;
    switch (window_.kind) {
      case GridWindow::Kind::kTumble: {
        const int64_t start = floor_to(time, size, window_.offset_ms);
        return add(start, start + size);
      }
      case GridWindow::Kind::kHop: {
        const int64_t last = floor_to(time, window_.slide_ms, window_.offset_ms);
        for (int64_t start = last; start > time - size; start -= window_.slide_ms) {
          add(start, start + size);
        }
        return;
      }
      case GridWindow::Kind::kCumulate: {
        const int64_t start = floor_to(time, size, window_.offset_ms);
        const int64_t first = floor_to(time, window_.slide_ms, window_.offset_ms);
        for (int64_t end = first + window_.slide_ms; end <= start + size; end += window_.slide_ms) {
          add(start, end);
        }
        return;
      }
      case GridWindow::Kind::kSession: break;
    }
    TIDEWHEEL_CHECK(false, "sessions are on no grid");
  }

  void send(const ColumnBatch& in) {
    const auto count = static_cast<uint32_t>(rows_.size());
    if (count == 0) { return; }
    static_cast<void>(output().flush());
    ColumnBatch& batch = output().current();
    batch.set_types(types_);
    batch.keep(in);
    for (size_t i = 0; i < columns_; ++i) { gather(in.view(i), rows_, batch.column(i), 0); }
    const std::vector<int64_t>* const bounds[] = {&starts_, &ends_, &ends_};
    for (size_t i = 0; i < 3; ++i) {
      Column& column = batch.column(columns_ + i);
      column.ensure(count);
      std::copy(bounds[i]->begin(), bounds[i]->end(), column.values<int64_t>());
    }
    int64_t* const last = batch.column(columns_ + 2).values<int64_t>();
    for (uint32_t i = 0; i < count; ++i) { --last[i]; }
    if (in.kinds() != nullptr) {
      RowKind* const kinds = batch.make_kinds(count);
      for (uint32_t i = 0; i < count; ++i) { kinds[i] = in.kind(rows_[i]); }
    }
    batch.set_size(count);
    static_cast<void>(output().flush());
  }

  const size_t columns_;  // of the input
  const int32_t time_;
  const GridWindow window_;
  std::vector<LogicalType> types_;
  Counter* without_time_ = nullptr;
  std::vector<uint32_t> rows_;
  std::vector<int64_t> starts_;
  std::vector<int64_t> ends_;
};

}  // namespace

std::unique_ptr<Operator> make_window_table(std::vector<LogicalType> input, int32_t time,
                                            const GridWindow& window) {
  return std::make_unique<WindowTableOperator>(std::move(input), time, window);
}

}  // namespace tidewheel::sql
