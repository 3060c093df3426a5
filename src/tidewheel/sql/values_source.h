// Constant rows as a source: VALUES, and SELECT without FROM.
#pragma once
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/source.h"
#include "tidewheel/sql/datum.h"

namespace tidewheel::sql {

class ValuesSource {
 public:
  using output = ColumnRow;
  struct Split {
    int64_t next = 0;
  };
  static constexpr int32_t fixed_parallelism = 1;

  ValuesSource(std::vector<std::vector<Datum>> rows, std::vector<LogicalType> types)
      : data_(std::make_shared<const Data>(Data{std::move(rows), std::move(types)})) {}

  Result<std::vector<Split>> discover(SplitContext&) { return std::vector<Split>{Split{}}; }
  ReadResult read(Split& split, SourceOut<ColumnRow>& out);

 private:
  struct Data {
    std::vector<std::vector<Datum>> rows;
    std::vector<LogicalType> types;
  };
  std::shared_ptr<const Data> data_;
};

}  // namespace tidewheel::sql
