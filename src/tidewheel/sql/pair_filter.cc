#include "tidewheel/sql/pair_filter.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/sql/evaluator.h"

namespace tidewheel::sql {
namespace {

class ConditionFilter final : public PairFilter {
 public:
  explicit ConditionFilter(std::unique_ptr<Evaluator> condition)
      : condition_(std::move(condition)), arena_(Arena::create()) {}

  void evaluate(std::span<const ColumnView> columns, uint32_t count, uint8_t* keeps) override {
    rows_.clear();
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    const Status status = condition_->run_filter(columns, 0, count, *arena_, rows_);
    if (!status.ok()) { throw std::runtime_error(std::string(status.message())); }
    std::memset(keeps, 0, count);
    for (const uint32_t row : rows_) { keeps[row] = 1; }
  }
  bool uses(size_t column) const override {
    const std::vector<int32_t>& used = condition_->input_columns();
    return std::find(used.begin(), used.end(), static_cast<int32_t>(column)) != used.end();
  }

 private:
  const std::unique_ptr<Evaluator> condition_;
  ArenaRef arena_;
  std::vector<uint32_t> rows_;
};

}  // namespace

Result<std::unique_ptr<PairFilter>> make_pair_filter(const Bound& condition,
                                                     const std::vector<LogicalType>& columns,
                                                     const EvalOptions& options) {
  std::vector<Bound> one{condition};
  TIDEWHEEL_ASSIGN_OR_RETURN(auto evaluator, Evaluator::compile(one, columns, options));
  return std::unique_ptr<PairFilter>(std::make_unique<ConditionFilter>(std::move(evaluator)));
}

}  // namespace tidewheel::sql
