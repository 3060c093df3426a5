// What the source of a table may do besides: follow event time in each of its splits, so that a
// split that is behind the others makes none of its rows late. A TableSource that can is a
// SplitWatermarkSource too.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "tidewheel/base/status.h"

namespace tidewheel {
struct ColumnRow;  // dataflow/column_batch.h
template <class T>
class RowBatch;  // dataflow/batch.h

// Says which watermark follows from a row. One for each subtask, one thread.
class RowWatermarks {
 public:
  virtual ~RowWatermarks() = default;
  // Writes for rows [begin, end) of a sealed batch, to times_ms[begin..end), the watermark that
  // each asks for, or kMinWatermark.
  virtual Status fill(const RowBatch<ColumnRow>& rows, uint32_t begin, uint32_t end,
                      int64_t* times_ms) = 0;
};
using MakeRowWatermarks = std::function<Result<std::unique_ptr<RowWatermarks>>()>;

class SplitWatermarkSource {
 public:
  virtual ~SplitWatermarkSource() = default;
  // Before `add_to`, and after `project`: the watermark of each split is the greatest that its rows
  // have asked for. With `per_record` it is sent behind each row that advances it.
  virtual void follow_watermarks(MakeRowWatermarks make, bool per_record) = 0;
};

}  // namespace tidewheel
