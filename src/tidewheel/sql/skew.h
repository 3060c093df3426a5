// Aggregates of which some keys have many more rows than others: plans in which rows are aggregated
// before they are spread by key.
#pragma once
#include <cstdint>

#include "tidewheel/sql/plan.h"

namespace tidewheel::sql {

// table.optimizer.agg-phase-strategy
enum class AggregatePhases : uint8_t { kAuto, kOne, kTwo };

struct SkewOptions {
  bool two_phase = false;        // table.optimizer.agg-phase-strategy
  bool splits_distinct = false;  // table.optimizer.distinct-agg.split.enabled
  int64_t buckets = 1024;        // table.optimizer.distinct-agg.split.bucket-num
};

// `two_phase`: aggregates whose input only adds rows, and whose calls can be merged, have two
// phases (AggregateNode::two_phase). `splits_distinct`: where calls have DISTINCT, rows are grouped
// by keys and a part of the values first, and what that gives is added up; in windows too. Before
// infer_changelog.
PlanRef with_skew_handled(const PlanRef& plan, const SkewOptions& options);

// Whether a plan is an aggregate over windows that has two phases: one whose calls can be merged
// (local_window_aggregate.h), and, with kAuto, whose rows go to other subtasks. Not where late rows
// are wanted as they are.
bool has_local_windows(const Plan& plan, AggregatePhases phases, int32_t parallelism);

}  // namespace tidewheel::sql
