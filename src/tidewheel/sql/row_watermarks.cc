#include "tidewheel/sql/row_watermarks.h"

#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/dataflow/element.h"
#include "tidewheel/sql/evaluator.h"

namespace tidewheel::sql {
namespace {

class EvaluatedWatermarks final : public RowWatermarks {
 public:
  EvaluatedWatermarks(std::unique_ptr<Evaluator> value, int64_t units_per_ms)
      : value_(std::move(value)), units_per_ms_(units_per_ms) {}

  Status fill(const ColumnBatch& rows, uint32_t begin, uint32_t end, int64_t* times_ms) override {
    if (arena_) { arena_.recycle(); }
    if (!arena_) { arena_ = Arena::create(); }
    Evaluated evaluated;
    TIDEWHEEL_RETURN_IF_ERROR(value_->run(rows.views(), begin, end, {}, *arena_, {&evaluated, 1}));
    const uint32_t shift = evaluated.input_column >= 0 ? 0 : begin;
    for (uint32_t row = begin; row < end; ++row) {
      times_ms[row] = evaluated.view.is_null(row - shift)
                          ? kMinWatermark
                          : to_ms_floor(evaluated.view.at<int64_t>(row - shift));
    }
    return {};
  }

 private:
  int64_t to_ms_floor(int64_t units) const {
    return units / units_per_ms_ - (units % units_per_ms_ < 0 ? 1 : 0);
  }

  const std::unique_ptr<Evaluator> value_;
  const int64_t units_per_ms_;
  ArenaRef arena_;
};

}  // namespace

MakeRowWatermarks make_row_watermarks(Bound value, std::vector<LogicalType> input,
                                      const EvalOptions& options) {
  return [value = std::move(value), input = std::move(input),
          options]() -> Result<std::unique_ptr<RowWatermarks>> {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto evaluator, Evaluator::compile({value}, input, options));
    return std::unique_ptr<RowWatermarks>(std::make_unique<EvaluatedWatermarks>(
        std::move(evaluator), value.type.units_per_second() / 1000));
  };
}

}  // namespace tidewheel::sql
