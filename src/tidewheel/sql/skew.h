// Aggregates of which some keys have many more rows than others: plans in which rows are aggregated
// before they are spread by key.
#pragma once
#include <cstdint>

#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

struct SkewOptions {
  bool two_phase = false;        // table.optimizer.agg-phase-strategy
  bool splits_distinct = false;  // table.optimizer.distinct-agg.split.enabled
  int64_t buckets = 1024;        // table.optimizer.distinct-agg.split.bucket-num
};

// `two_phase`: aggregates whose input only adds rows, and whose calls can be merged, have two
// phases (AggregateNode::two_phase). `splits_distinct`: where calls have DISTINCT, rows are grouped
// by keys and a part of the values first, and what that gives is added up. Before infer_changelog.
PlanRef with_skew_handled(const PlanRef& plan, const SkewOptions& options);

}  // namespace tidewheel::sql
