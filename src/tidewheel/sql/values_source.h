// Constant rows as a source: VALUES, and SELECT without FROM.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/source.h"
#include "tidewheel/sql/datum.h"

namespace tidewheel::sql {

// Has sources wait in the middle of their rows, for as long as their job runs. Any thread.
struct SourcePause {
  std::atomic<int32_t> sources{0};  // of the job
  std::atomic<int32_t> waiting{0};  // of them
};

class ValuesSource {
 public:
  using output = ColumnRow;
  struct Split {
    int64_t next = 0;
  };
  static constexpr int32_t fixed_parallelism = 1;

  // `pause`: null: it reads on.
  ValuesSource(std::vector<std::vector<Datum>> rows, std::vector<LogicalType> types,
               std::shared_ptr<SourcePause> pause)
      : data_(std::make_shared<const Data>(Data{std::move(rows), std::move(types)})),
        pause_(std::move(pause)) {}

  Result<std::vector<Split>> discover(SplitContext&) { return std::vector<Split>{Split{}}; }
  ReadResult read(Split& split, SourceOut<ColumnRow>& out);

 private:
  struct Data {
    std::vector<std::vector<Datum>> rows;
    std::vector<LogicalType> types;
  };
  std::shared_ptr<const Data> data_;
  std::shared_ptr<SourcePause> pause_;
  bool is_waiting_ = false;
};

}  // namespace tidewheel::sql
