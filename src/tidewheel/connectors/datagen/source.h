// The source of generated rows: every `count`-th block of rows a split, no faster than a rate.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/connectors/datagen/generator.h"
#include "tidewheel/operators/source.h"

namespace tidewheel::datagen {

struct RowSplit {
  int32_t index = 0;
  int32_t count = 1;
  int64_t block = 1;  // rows of a block
  int64_t next = 0;   // the row to go on from
  uint64_t seed = 0;
};

struct Plan {
  std::vector<LogicalType> types;
  std::vector<std::shared_ptr<const ValueMaker>> makers;
  std::optional<uint64_t> seed;  // nothing: another one for each run
  int64_t rows = -1;             // -1: no end
  int64_t rows_per_second = 0;
};

class RowSource {
 public:
  using output = ColumnRow;
  using Split = RowSplit;
  // A block is made at once, and no larger than what comes in a tenth of a second.
  static constexpr int64_t kBlockRowsMax = 256;

  explicit RowSource(Plan plan) : plan_(std::make_shared<const Plan>(std::move(plan))) {}
  Result<std::vector<Split>> discover(SplitContext& context);
  SplitAssignment assignment() const { return SplitAssignment::kSpread; }
  bool is_bounded() const { return plan_->rows >= 0; }
  std::vector<Split> divide(const Split& split, int32_t parts) const;
  Status open(SourceContext& context);
  Status open_split(Split& split);
  ReadResult read(Split& split, SourceOut<ColumnRow>& out);

 private:
  // Where a split was taken up, and when: the rate is counted from there.
  struct Start {
    int32_t index = 0;
    int64_t row = 0;
    int64_t wall_ms = 0;
  };
  const Start& start_of(const Split& split) const;
  int64_t due_now(const Split& split) const;
  int64_t time_due(const Split& split) const;
  void write(const Split& split, uint32_t count, ColumnBatch& batch);

  std::shared_ptr<const Plan> plan_;
  const Clock* clock_ = nullptr;
  std::vector<Start> starts_;
  std::vector<uint64_t> ids_;
};

}  // namespace tidewheel::datagen
