// GROUP BY without windows: one row for each value of the keys, changed as rows come.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/accumulator.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// The output has the keys, then the results. The first row of a key is +I, the following ones are
// -U and +U, and -D when as many rows were taken back as had come; nothing when no result has
// changed, but for TTL, by which updates keep what follows alive. Rows that take back what never
// came are passed over. DISTINCT of rows is an aggregate without calls.
struct GroupAggregateSpec {
  RowType input;
  std::vector<int32_t> keys;  // columns; none: one row for all, on one subtask
  std::vector<AggregateCall> calls;
  bool input_retracts = false;  // rows that are taken back may come
  bool emits_before = true;     // -U rows are wanted
  int64_t ttl_ms = 0;           // since the key's last row; 0: for ever
  // One output a key for all rows of a batch, and not for each row: how it changes in between is
  // not told. Batches are as large as rows come fast.
  bool mini_batch = false;
  // Rows are what a local aggregate (local_aggregate.h) has made of the rows of this type, to which
  // the calls refer: the keys, then their accumulators as bytes. Nothing is taken back then, and
  // there is one output a key for all rows of a batch.
  std::optional<RowType> partial = std::nullopt;
  // What each key has changed to is given when an epoch ends (Operator::on_epoch), where that costs
  // less: with keys, of accumulators in memory, where nothing is taken back or expires. Else rows
  // are given as they come.
  bool by_epoch = false;
};

// Errors: kSqlUnsupported, kSqlType.
Result<std::unique_ptr<Operator>> make_group_aggregate(GroupAggregateSpec spec);
// What it gives.
RowType group_aggregate_output(const GroupAggregateSpec& spec);

}  // namespace tidewheel::sql
