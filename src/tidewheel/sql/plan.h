// What a query means, as a tree of operations on tables: names are gone, types are known. Made by
// the binder (binder.h), improved by the optimizer, given its changelog kinds (changelog.h), then
// turned into a job (build.h).
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/sql/bound.h"

namespace tidewheel::sql {

class TableFunction;  // sql/table_function.h
class UserAggregate;  // sql/user_aggregate.h
struct Plan;
using PlanRef = std::shared_ptr<const Plan>;

// A table that a connector reads.
struct ScanNode {
  std::shared_ptr<const TableDefinition> table;
  std::vector<size_t> columns;  // of the definition, in the order of the output
  // Of each column the field of its row that is meant, or kWhole; empty: all are whole.
  static constexpr int32_t kWhole = -1;
  std::vector<int32_t> fields = {};
  // Only rows in which these columns of the definition, integers, are one of the values.
  struct OneOf {
    size_t column = 0;
    std::vector<int64_t> values;
    Bound condition;  // the same, over that column alone
  };
  std::vector<OneOf> kept = {};

  int32_t field(size_t index) const { return fields.empty() ? kWhole : fields[index]; }
};

struct ValuesNode {
  std::vector<std::vector<Datum>> rows;
};

// Filters, then computes.
struct CalcNode {
  std::optional<Bound> condition;
  std::vector<Bound> outputs;
};

// Event time goes by `value` of the rows; without it by what the source says. `column` is the time
// attribute.
struct WatermarkNode {
  int32_t column = 0;
  bool has_value = false;
  Bound value;
};

struct AggregateCallNode {
  std::string function;                                 // in capitals
  std::shared_ptr<const UserAggregate> user = nullptr;  // of users' functions
  bool distinct = false;
  std::vector<int32_t> arguments;  // columns of the input
  int32_t filter = -1;             // a column of truth values
  LogicalType result;
  std::string separator = ",";  // of LISTAGG
  friend bool operator==(const AggregateCallNode&, const AggregateCallNode&) = default;
};

// One row for each value of the keys: keys, then results.
struct AggregateNode {
  std::vector<int32_t> keys;
  std::vector<AggregateCallNode> calls;
  // Rows are aggregated where they come from first, and what they amount to is sent on.
  bool two_phase = false;
};

// Each row several times: once by each list of expressions over it, all of which give the columns
// of the output.
struct ExpandNode {
  std::vector<std::vector<Bound>> projections;
};

struct WindowSpecNode {
  enum class Kind : uint8_t { kTumble, kHop, kCumulate, kSession };
  Kind kind = Kind::kTumble;
  int64_t size_ms = 0;   // of CUMULATE the greatest; of SESSION the gap
  int64_t slide_ms = 0;  // of HOP; the step of CUMULATE
  int64_t offset_ms = 0;
  friend bool operator==(const WindowSpecNode&, const WindowSpecNode&) = default;
};

// Puts each row into its windows: the columns of the input, then window_start, window_end,
// window_time.
struct WindowNode {
  WindowSpecNode window;
  int32_t time = 0;                   // column of the input
  std::vector<int32_t> partition_by;  // of SESSION
};

// Aggregates by keys and window, once for each window: keys, results, then the properties. The
// windows are made of the input's rows.
struct WindowAggregateNode {
  enum class Property : uint8_t { kStart, kEnd, kTime };
  WindowSpecNode window;
  int32_t time = 0;
  std::vector<int32_t> keys;
  std::vector<AggregateCallNode> calls;
  std::vector<Property> properties;
  // `time` is the last moment of the window that the row belongs to; where that began is a key.
  bool is_attached = false;
};

// kMark: the left columns, and whether there is a match, as a BIGINT that is 0 or 1.
enum class JoinKind : uint8_t { kInner, kLeft, kRight, kFull, kSemi, kAnti, kMark };

// Joins on equal keys; without keys each row with each. `condition` is over the columns of the left
// and then the right input.
struct JoinNode {
  JoinKind kind = JoinKind::kInner;
  std::vector<int32_t> left_keys;
  std::vector<int32_t> right_keys;
  std::optional<Bound> condition;
  bool nulls_match = false;  // keys are compared by IS NOT DISTINCT FROM
  // Both sides are windows of the same kind and among the keys are their start and end: rows that
  // belong to a window that is over are not needed any more. Columns of window_end; -1: no.
  int32_t left_window_end = -1;
  int32_t right_window_end = -1;
  // left time in [right time + lower, right time + upper]; columns, -1: no.
  int32_t left_time = -1;
  int32_t right_time = -1;
  int64_t lower_ms = 0;
  int64_t upper_ms = 0;
};

// Inner and left joins of one input after the other with all that stand before it, on a key that
// they have in common (sql/multi_join.h).
struct MultiJoinNode {
  struct Step {
    JoinKind kind = JoinKind::kInner;
    std::vector<int32_t> anchors;    // inputs before it that its key is compared with
    std::optional<Bound> condition;  // over the columns of all inputs up to its own
  };
  std::vector<std::vector<int32_t>> keys;  // of each input, in the same order
  std::vector<Step> steps;                 // of all inputs but the first
  std::vector<int32_t> shared;             // see shared_inputs
};

// Joins each row of the left input with the version that the right one had at the row's time: inner
// or left. The keys are those of the versions.
struct TemporalJoinNode {
  JoinKind kind = JoinKind::kInner;
  std::vector<int32_t> left_keys;
  std::vector<int32_t> right_keys;
  int32_t left_time = 0;
  int32_t right_time = 0;
  std::optional<Bound> condition;  // over the columns of both
};

// What the hint LOOKUP says; -1: it does not.
struct LookupHintNode {
  int8_t is_async = -1;
  int8_t is_ordered = -1;
  int64_t capacity = -1;
  int64_t timeout_ms = -1;
  bool retries_misses = false;
  int64_t retry_delay_ms = -1;
  int64_t attempts_max = -1;
};

// Joins each row with the rows that a table has now: inner or left. The columns of the input, then
// `columns` of the table.
struct LookupJoinNode {
  JoinKind kind = JoinKind::kInner;
  std::shared_ptr<const TableDefinition> table;
  std::vector<size_t> columns;      // of the definition
  std::vector<int32_t> input_keys;  // columns of the input, whose values are those of ..
  std::vector<size_t> table_keys;   // .. these columns of the definition
  std::optional<Bound> condition;   // over the columns of both
  LookupHintNode hint;
};

// Each row with those of the table that a function makes of it: columns of the input, then columns
// of the function's result.
struct CorrelateNode {
  std::shared_ptr<const TableFunction> function;
  std::vector<int32_t> arguments;  // columns of the input
  std::vector<int32_t> passed;     // columns of the input
  std::vector<int32_t> given;      // columns of the function's result
  bool is_left = false;            // a row whose table is empty comes once, with NULLs
};

struct UnionNode {};

// INTERSECT and EXCEPT of two inputs with the same columns.
struct SetOperationNode {
  bool is_intersect = false;
  bool all = false;
};

struct SortKeyNode {
  int32_t column = 0;
  bool descending = false;
  bool nulls_first = true;
  friend bool operator==(const SortKeyNode&, const SortKeyNode&) = default;
};

// Adds the number of each row within its partition. Below a limit on that number it becomes a
// TopNNode, else an OverNode.
struct RankNode {
  enum class Function : uint8_t { kRowNumber, kRank, kDenseRank };
  Function function = Function::kRowNumber;
  std::vector<int32_t> partition_by;
  std::vector<SortKeyNode> order_by;
};

// Rows `first` to `last` (from 1) of each partition in its order; with the rank behind the columns
// of the input when `has_rank`.
struct TopNNode {
  std::vector<int32_t> partition_by;
  std::vector<SortKeyNode> order_by;
  int64_t first = 1;
  int64_t last = 1;
  bool has_rank = false;
  RankNode::Function function = RankNode::Function::kRowNumber;
  // Partitions are windows, whose last moment is before this column: each is given once, when event
  // time has passed it. -1: no.
  int32_t window_end = -1;
  bool newest = false;  // in the order in which rows came, the last one first; without order_by
};

// The first rows that come, in no order.
struct LimitNode {
  int64_t offset = 0;
  int64_t count = 0;
};

// The whole input, sorted: when it has ended, or, `by_time` (the first key is a time attribute),
// as event time goes on.
struct SortNode {
  std::vector<SortKeyNode> order_by;
  bool by_time = false;
};

// Rows of a partition around a row: from `preceding` before it to `following` behind it, counted in
// rows, or in what the rows are ordered by (milliseconds for times). A negative number lies on the
// other side.
struct OverFrameNode {
  static constexpr int64_t kUnbounded = INT64_MAX;
  bool by_rows = false;
  int64_t preceding = kUnbounded;
  int64_t following = 0;
  friend bool operator==(const OverFrameNode&, const OverFrameNode&) = default;
};

struct OverCallNode {
  enum class Kind : uint8_t {
    kAggregate,
    kShift,  // LAG, or LEAD when `offset` is negative: the first argument; else the second one
    kRowNumber,
    kRank,
    kDenseRank,
    kPercentRank,
    kCumeDist,
    kNtile,  // `offset` parts
  };
  Kind kind = Kind::kAggregate;
  AggregateCallNode call;  // of kShift: the arguments and the result
  OverFrameNode frame;     // of kAggregate
  int64_t offset = 0;
  friend bool operator==(const OverCallNode&, const OverCallNode&) = default;
};

// Adds to each row the results of calls over its partition.
struct OverNode {
  // How rows are taken: as time goes on, each for good; all when the input has ended; or in any
  // order, where results change when rows come and go.
  enum class Mode : uint8_t { kByTime, kAtEnd, kUpdating };
  Mode mode = Mode::kUpdating;
  std::vector<int32_t> partition_by;
  std::vector<SortKeyNode> order_by;
  std::vector<OverCallNode> calls;
};

// MATCH_RECOGNIZE, over columns of the input. Values that conditions and measures are made of are
// looked up along a match first (`lookups`), and are the columns of their expressions.
struct MatchElementNode {
  std::string variable;
  int64_t least = 1;
  int64_t most = 1;  // INT64_MAX: no limit
  bool reluctant = false;
};
struct MatchLookupNode {
  enum class Kind : uint8_t { kPrevious, kFirst, kLast, kAggregate, kTime };
  Kind kind = Kind::kLast;
  int32_t variable = -1;  // whose rows: an element of the pattern; -1: of all
  int32_t column = 0;     // of the input
  int64_t offset = 0;
  AggregateCallNode call;  // of kAggregate
  LogicalType type;
  friend bool operator==(const MatchLookupNode&, const MatchLookupNode&) = default;
};
struct MatchNode {
  enum class Skip : uint8_t { kPastLastRow, kToNextRow, kToFirst, kToLast };
  std::vector<int32_t> partition_by;
  std::vector<SortKeyNode> order_by;      // the first by time
  std::vector<MatchElementNode> pattern;  // one behind the other
  std::vector<MatchLookupNode> lookups;
  std::vector<std::optional<Bound>> conditions;  // by element; none: any row
  std::vector<Bound> measures;
  Skip skip = Skip::kPastLastRow;
  int32_t skip_to = -1;   // an element
  int64_t within_ms = 0;  // 0: no limit
};

// Which windows the rows of a plan belong to, when columns say so.
struct WindowColumns {
  WindowSpecNode window;
  int32_t start = -1;  // columns; -1: gone
  int32_t end = -1;
  int32_t time = -1;
};

// Where rows go that a node can't take: those that come too late for it, or, of a scan, records
// that can't be read (api/dead_letters.h).
struct SideTableNode {
  std::shared_ptr<const TableDefinition> table;
  // Of each column that is written: over the columns of the input, or, of a scan, over all columns
  // of the table and then those of dead letters.
  std::vector<Bound> values;
  // Of a scan: whether a row is one of these, and whether it is none.
  std::optional<Bound> goes = std::nullopt;
  std::optional<Bound> stays = std::nullopt;
};

struct Plan {
  std::variant<ScanNode, ValuesNode, CalcNode, WatermarkNode, AggregateNode, WindowNode,
               WindowAggregateNode, JoinNode, MultiJoinNode, TemporalJoinNode, LookupJoinNode,
               CorrelateNode, ExpandNode, UnionNode, RankNode, TopNNode, LimitNode, SortNode,
               OverNode, MatchNode, SetOperationNode>
      node;
  RowType type;
  std::vector<PlanRef> inputs;
  std::optional<WindowColumns> window;
  // Sets of columns whose values no two rows have in common.
  std::vector<std::vector<int32_t>> unique_keys;
  bool is_bounded = true;
  // What its rows may be, and whether an update comes with what was before.
  bool updates = false;
  bool emits_before = false;
  // How long a reader with state keeps the rows of this plan, by the hint STATE_TTL; -1: as the
  // settings say.
  int64_t kept_ms = -1;
  // Several parts of a statement name it: it is made once, and conditions of one of them stay
  // above it.
  bool is_shared = false;
  std::optional<SideTableNode> side = std::nullopt;

  const Plan& input(size_t index = 0) const { return *inputs[index]; }
};

// Makes nodes; types, windows, keys and boundedness come from the inputs. A Calc on a Calc becomes
// one where that costs nothing.
PlanRef make_calc(PlanRef input, std::optional<Bound> condition, std::vector<Bound> outputs,
                  std::vector<std::string> names);
PlanRef make_filter(PlanRef input, Bound condition);
PlanRef make_plan(Plan plan);

// References to all columns of a plan.
std::vector<Bound> all_columns(const Plan& plan);

// Calls f(column index, reference) for each reference to a column in an expression.
template <class F>
void for_each_column(Bound& expression, F f) {
  if (expression.kind == Bound::Kind::kColumn) { f(expression); }
  for (Bound& argument : expression.arguments) { for_each_column(argument, f); }
}
template <class F>
void for_each_column(const Bound& expression, F f) {
  if (expression.kind == Bound::Kind::kColumn) { f(expression); }
  for (const Bound& argument : expression.arguments) { for_each_column(argument, f); }
}
bool is_deterministic(const Bound& expression);
// The parts of an AND.
std::vector<Bound> split_conjunction(Bound condition);
// All of them; nothing when there are none.
std::optional<Bound> join_conjunction(std::vector<Bound> conditions);

// Whether each row is made of one row of a table and nothing else: to do that again for each reader
// costs less than to do it for all of them.
bool is_row_by_row(const Plan& plan);

// What a node does, in one line, without its inputs.
std::string node_text(const Plan& plan, bool with_changelog);
// The plan as a tree of lines, for EXPLAIN and tests. A part that several read is shown once, and
// named behind that.
std::string plan_text(const Plan& plan, bool with_changelog);
// The same with what `note` says of each node behind its properties: "rows=[10]"; empty: nothing.
std::string plan_text(const Plan& plan, bool with_changelog,
                      const std::function<std::string(const Plan&)>& note);
// An expression as text.
std::string bound_text(const Bound& expression, const RowType* input = nullptr);

}  // namespace tidewheel::sql
