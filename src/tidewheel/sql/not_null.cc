#include "tidewheel/sql/not_null.h"

#include <utility>

#include "tidewheel/base/metrics.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/user_failure.h"

namespace tidewheel::sql {
namespace {

class NotNullOperator final : public OutputOperator<ColumnRow> {
 public:
  explicit NotNullOperator(NotNullSpec spec) : spec_(std::move(spec)) {}

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(OutputOperator<ColumnRow>::open(context));
    dropped_ = &context.metrics().group("accumulators").counter("rows with NULL");
    return ok_status();
  }

  // Runs of rows without NULL are passed on as they are.
  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      if (!output().ready()) { return Progress::kBlocked; }
      const uint32_t end = first_null(in, cursor, rows.end);
      if (end > cursor) {
        Element piece = rows;
        piece.begin = cursor;
        piece.end = end;
        static_cast<void>(output().forward(piece));
        cursor = end;
      }
      if (cursor < rows.end) {
        take_null(in, cursor);
        ++cursor;
      }
    }
    return Progress::kDone;
  }

 private:
  uint32_t first_null(const ColumnBatch& in, uint32_t begin, uint32_t end) const {
    for (const int32_t index : spec_.columns) {
      const ColumnView& column = in.view(static_cast<size_t>(index));
      if (column.validity == nullptr) { continue; }
      for (uint32_t row = begin; row < end; ++row) {
        if (column.is_null(row)) { end = row; }
      }
    }
    return end;
  }
  void take_null(const ColumnBatch& in, uint32_t row) {
    if (spec_.drops) { return dropped_->add(); }
    size_t at = 0;
    while (!in.view(static_cast<size_t>(spec_.columns[at])).is_null(row)) { ++at; }
    throw_user_failure(
        context(), "insert",
        invalid_argument(
            ErrorId::kSqlNotNull,
            "column '{}' of the table {} can't be NULL, and a row has NULL for it; SET "
            "'table.exec.sink.not-null-enforcer' = 'DROP' leaves such rows out",
            spec_.names[at], spec_.table),
        "");
  }

  const NotNullSpec spec_;
  Counter* dropped_ = nullptr;
};

}  // namespace

std::unique_ptr<Operator> make_not_null_operator(NotNullSpec spec) {
  return std::make_unique<NotNullOperator>(std::move(spec));
}

}  // namespace tidewheel::sql
