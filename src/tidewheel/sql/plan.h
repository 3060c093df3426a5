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

struct Plan;
using PlanRef = std::shared_ptr<const Plan>;

// A table that a connector reads.
struct ScanNode {
  std::shared_ptr<const TableDefinition> table;
  std::vector<size_t> columns;  // of the definition, in the order of the output
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
  std::string function;  // in capitals
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

enum class JoinKind : uint8_t { kInner, kLeft, kRight, kFull, kSemi, kAnti };

// Joins on equal keys; without keys each row with each. `condition` is over the columns of the left
// and then the right input.
struct JoinNode {
  JoinKind kind = JoinKind::kInner;
  std::vector<int32_t> left_keys;
  std::vector<int32_t> right_keys;
  std::optional<Bound> condition;
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

struct UnionNode {};

struct SortKeyNode {
  int32_t column = 0;
  bool descending = false;
  bool nulls_first = true;
  friend bool operator==(const SortKeyNode&, const SortKeyNode&) = default;
};

// Adds the number of each row within its partition. Runs only below a limit on that number.
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
  bool newest = false;  // in the order in which rows came, the last one first; without order_by
};

// The first rows that come, in no order.
struct LimitNode {
  int64_t offset = 0;
  int64_t count = 0;
};

// The whole input, sorted when it has ended; of bounded inputs.
struct SortNode {
  std::vector<SortKeyNode> order_by;
};

// Which windows the rows of a plan belong to, when columns say so.
struct WindowColumns {
  WindowSpecNode window;
  int32_t start = -1;  // columns; -1: gone
  int32_t end = -1;
  int32_t time = -1;
};

struct Plan {
  std::variant<ScanNode, ValuesNode, CalcNode, WatermarkNode, AggregateNode, WindowNode,
               WindowAggregateNode, JoinNode, UnionNode, RankNode, TopNNode, LimitNode, SortNode>
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

// The plan as a tree of lines, for EXPLAIN and tests.
std::string plan_text(const Plan& plan, bool with_changelog);
// The same with what `note` says of each node behind its properties: "rows=[10]"; empty: nothing.
std::string plan_text(const Plan& plan, bool with_changelog,
                      const std::function<std::string(const Plan&)>& note);
// An expression as text.
std::string bound_text(const Bound& expression, const RowType* input = nullptr);

}  // namespace tidewheel::sql
