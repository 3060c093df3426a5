// Stands before a table, or before whoever asks, where there are epochs: keeps what comes, and
// gives its net effect when the epoch ends (docs/design/0004-epochs.md).
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

struct EpochFoldSpec {
  RowType input;
  // False: rows are only added. They are passed on as they are, at the end of the epoch, or before
  // it when they are too many to be kept: each of them is in the answer for good.
  bool updates = false;
  // Columns that no two rows have in common at the same time; no columns: there is one row at most.
  // With a key what a row was and what it is are an update; without, rows come and go.
  bool has_key = false;
  std::vector<int32_t> keys;
  // The most that is kept, of rows that are only added 1 MB. Changes that are more fail the job.
  int64_t buffer_bytes = 64 << 20;
};

Result<std::unique_ptr<Operator>> make_epoch_fold(EpochFoldSpec spec);

}  // namespace tidewheel::sql
