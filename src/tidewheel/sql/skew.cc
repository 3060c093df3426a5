#include "tidewheel/sql/skew.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tidewheel/sql/accumulator.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/kernel.h"
#include "tidewheel/sql/local_aggregate.h"
#include "tidewheel/sql/local_window_aggregate.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::sql {
namespace {

// ---- Two phases

// What decides about phases; nothing: a function has no accumulators.
std::optional<std::vector<AggregateCall>> accumulated(const std::vector<AggregateCallNode>& nodes) {
  std::vector<AggregateCall> calls;
  for (const AggregateCallNode& one : nodes) {
    AggregateCall& call = calls.emplace_back();
    call.user = one.user;
    call.distinct = one.distinct;
    call.result = one.result;
    if (one.user != nullptr) {
      call.function = AggregateFunction::kUser;
    } else if (!find_aggregate_function(one.function, call.function)) {
      return std::nullopt;
    }
  }
  return calls;
}

bool can_have_two_phases(const AggregateNode& node, const Plan& input) {
  if (input.updates || node.calls.empty()) { return false; }
  const auto calls = accumulated(node.calls);
  return calls.has_value() && sql::can_have_two_phases(*calls);
}

// ---- DISTINCT in parts

// $BUCKET(value, .., n): one of n numbers, the same for equal values.
class BucketFunction final : public ScalarFunction {
 public:
  explicit BucketFunction(int64_t buckets)
      : ScalarFunction("$BUCKET", {true, false, false, false}), buckets_(buckets) {}

  Result<Signature> resolve(std::span<const Argument> arguments) const override {
    Signature signature;
    signature.result = LogicalType::of(TypeKind::kInt, false);
    for (const Argument& argument : arguments) { signature.arguments.push_back(argument.type); }
    return signature;
  }
  Result<std::unique_ptr<Kernel>> make_kernel(const KernelSetup& setup) const override {
    return std::unique_ptr<Kernel>(std::make_unique<BucketKernel>(
        std::vector<LogicalType>(setup.arguments.begin(), setup.arguments.end()), buckets_));
  }

 private:
  class BucketKernel final : public Kernel {
   public:
    BucketKernel(std::vector<LogicalType> types, int64_t buckets)
        : bytes_(std::move(types), RowBytes::Form::kCanonical),
          buckets_(static_cast<uint64_t>(buckets)) {}
    Status run(const KernelCall& call) override {
      rows_.resize(call.rows);
      for (uint32_t row = 0; row < call.rows; ++row) { rows_[row] = row; }
      texts_.resize(call.rows);
      bytes_.encode(call.arguments, rows_, *call.arena, texts_.data());
      auto* const numbers = call.result->values<int32_t>();
      for (uint32_t row = 0; row < call.rows; ++row) {
        const uint64_t hash = hash_bytes(texts_[row].data(), texts_[row].size());
        numbers[row] = static_cast<int32_t>(hash % buckets_);
      }
      return {};
    }

   private:
    RowBytes bytes_;
    const uint64_t buckets_;
    std::vector<uint32_t> rows_;
    std::vector<Text> texts_;
  };
  const int64_t buckets_;
};

// What adds up results of a call over parts; nothing: they can't be added up.
const char* sum_of_parts(const AggregateCallNode& call) {
  if (call.user != nullptr) { return nullptr; }
  const std::string& name = call.function;
  if (name == "COUNT" || name == "$SUM0") { return "$SUM0"; }
  if (name == "SUM") { return "SUM"; }
  if (name == "MIN") { return "MIN"; }
  if (name == "MAX") { return "MAX"; }
  return nullptr;
}

// The columns by whose values rows are put into parts: those of the calls with DISTINCT, when all
// of these have the same and all calls can be added up.
std::optional<std::vector<int32_t>> columns_to_split(const std::vector<AggregateCallNode>& calls,
                                                     const Plan& input) {
  std::optional<std::vector<int32_t>> columns;
  if (input.updates) { return std::nullopt; }
  for (const AggregateCallNode& call : calls) {
    if (sum_of_parts(call) == nullptr) { return std::nullopt; }
    const bool is_extreme = call.function == "MIN" || call.function == "MAX";
    if (!call.distinct || is_extreme) { continue; }
    if (columns.has_value() && *columns != call.arguments) { return std::nullopt; }
    columns = call.arguments;
  }
  return columns;
}

// The input with the number of each row's part behind its columns.
PlanRef with_bucket(const PlanRef& input, const std::vector<int32_t>& columns, int64_t buckets) {
  Bound bucket;
  bucket.kind = Bound::Kind::kCall;
  bucket.type = LogicalType::of(TypeKind::kInt, false);
  bucket.function = std::make_shared<BucketFunction>(buckets);
  for (const int32_t column : columns) {
    bucket.arguments.push_back(
        Bound::of_column(column, input->type.types[static_cast<size_t>(column)]));
  }
  std::vector<Bound> outputs = all_columns(*input);
  std::vector<std::string> names = input->type.names;
  outputs.push_back(std::move(bucket));
  names.emplace_back("$bucket");
  return make_calc(input, std::nullopt, std::move(outputs), std::move(names));
}

// The columns of what aggregates parts: keys, and the number of the part; then results.
void add_part_columns(const Plan& plan, const PlanRef& rows, const std::vector<int32_t>& keys,
                      const std::vector<AggregateCallNode>& calls, RowType& type) {
  for (const int32_t key : keys) {
    type.add(rows->type.names[static_cast<size_t>(key)],
             rows->type.types[static_cast<size_t>(key)]);
    type.types.back().time = TimeAttribute::kNone;
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    type.add(plan.type.names[keys.size() - 1 + i], calls[i].result);
  }
}

// Calls that add up the results of parts, which are columns from `first` on.
std::vector<AggregateCallNode> sums_of_parts(const std::vector<AggregateCallNode>& calls,
                                             int32_t first) {
  std::vector<AggregateCallNode> sums;
  for (const AggregateCallNode& one : calls) {
    AggregateCallNode call;
    call.function = sum_of_parts(one);
    call.arguments = {first++};
    call.result = one.result;
    sums.push_back(std::move(call));
  }
  return sums;
}

std::vector<int32_t> numbers_to(size_t count) {
  std::vector<int32_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

PlanRef split_distinct(const Plan& plan, const AggregateNode& node,
                       const std::vector<int32_t>& columns, int64_t buckets) {
  const PlanRef& input = plan.inputs[0];
  const size_t keys = node.keys.size();
  const PlanRef rows = with_bucket(input, columns, buckets);

  Plan parts;
  AggregateNode by_part{node.keys, node.calls, false};
  by_part.keys.push_back(static_cast<int32_t>(input->type.size()));
  add_part_columns(plan, rows, by_part.keys, node.calls, parts.type);
  parts.unique_keys.push_back(numbers_to(keys + 1));
  parts.updates = true;
  parts.kept_ms = plan.inputs[0]->kept_ms;
  parts.node = std::move(by_part);
  parts.inputs.push_back(rows);

  AggregateNode sum;
  sum.keys = numbers_to(keys);
  sum.calls = sums_of_parts(node.calls, static_cast<int32_t>(keys + 1));
  Plan made;
  made.type = plan.type;
  made.unique_keys = plan.unique_keys;
  made.updates = true;
  made.kept_ms = plan.kept_ms;
  made.node = std::move(sum);
  made.inputs.push_back(make_plan(std::move(parts)));
  made.window = plan.window;
  return make_plan(std::move(made));
}

// Adds up the parts of windows. `start`: the column with the window's start in `parts`, before that
// with its last moment. Gives keys, the start, results, then the plan's properties but the start.
PlanRef sum_of_windows(const Plan& plan, const WindowAggregateNode& node, PlanRef parts,
                       int32_t start) {
  using Property = WindowAggregateNode::Property;
  const size_t keys = node.keys.size();
  Plan sum;
  WindowAggregateNode whole = node;
  whole.keys = numbers_to(keys);
  whole.keys.push_back(start);
  whole.calls = sums_of_parts(node.calls, static_cast<int32_t>(keys + 1));
  whole.time = start + 1;
  whole.is_attached = true;
  if (whole.window.slide_ms != 0) { whole.window.size_ms = whole.window.slide_ms; }
  whole.window.slide_ms = 0;
  whole.window.kind = WindowSpecNode::Kind::kTumble;
  std::erase(whole.properties, Property::kStart);
  const auto add = [&](size_t column) {
    sum.type.add(plan.type.names[column], plan.type.types[column]);
  };
  for (size_t i = 0; i < keys; ++i) { add(i); }
  sum.type.add("window_start", LogicalType::with(TypeKind::kTimestamp, 3, 0, false));
  for (size_t i = 0; i < node.calls.size(); ++i) { add(keys + i); }
  for (size_t i = 0; i < node.properties.size(); ++i) {
    if (node.properties[i] != Property::kStart) { add(keys + node.calls.size() + i); }
  }
  sum.kept_ms = plan.kept_ms;
  sum.node = std::move(whole);
  sum.inputs.push_back(std::move(parts));
  return make_plan(std::move(sum));
}

// What sum_of_windows has given, as the plan has it.
PlanRef in_order_of(const Plan& plan, const WindowAggregateNode& node, PlanRef sum) {
  const auto keys = static_cast<int32_t>(node.keys.size());
  const auto calls = static_cast<int32_t>(node.calls.size());
  std::vector<int32_t> places = numbers_to(node.keys.size());
  for (int32_t i = 0; i < calls; ++i) { places.push_back(keys + 1 + i); }
  int32_t next = keys + 1 + calls;
  for (const WindowAggregateNode::Property property : node.properties) {
    places.push_back(property == WindowAggregateNode::Property::kStart ? keys : next++);
  }
  Plan made;
  CalcNode order;
  for (size_t i = 0; i < places.size(); ++i) {
    order.outputs.push_back(Bound::of_column(places[i], plan.type.types[i]));
  }
  made.type = plan.type;
  made.unique_keys = plan.unique_keys;
  made.kept_ms = plan.kept_ms;
  made.window = plan.window;
  made.node = std::move(order);
  made.inputs.push_back(std::move(sum));
  return make_plan(std::move(made));
}

// The same in windows: what the parts of a window give is added up by its last moment, in windows a
// slide wide, as bind_aggregate.cc has windows of windows.
PlanRef split_windows(const Plan& plan, const WindowAggregateNode& node,
                      const std::vector<int32_t>& columns, int64_t buckets) {
  using Property = WindowAggregateNode::Property;
  const PlanRef& input = plan.inputs[0];
  const size_t keys = node.keys.size();
  const PlanRef rows = with_bucket(input, columns, buckets);

  Plan parts;
  WindowAggregateNode by_part = node;
  by_part.keys.push_back(static_cast<int32_t>(input->type.size()));
  by_part.properties = {Property::kStart, Property::kTime};
  add_part_columns(plan, rows, by_part.keys, node.calls, parts.type);
  const auto start = static_cast<int32_t>(parts.type.size());
  const LogicalType bound = LogicalType::with(TypeKind::kTimestamp, 3, 0, false);
  parts.type.add("window_start", bound);
  LogicalType time = bound;
  time.time = TimeAttribute::kEvent;
  parts.type.add("window_time", time);
  parts.unique_keys.push_back(numbers_to(keys + 1));
  parts.unique_keys[0].push_back(start);
  parts.unique_keys[0].push_back(start + 1);
  parts.kept_ms = plan.inputs[0]->kept_ms;
  parts.node = std::move(by_part);
  parts.inputs.push_back(rows);

  return in_order_of(plan, node, sum_of_windows(plan, node, make_plan(std::move(parts)), start));
}

// Whether windows are by event time, on a grid.
bool is_on_grid(const WindowAggregateNode& node, const Plan& input) {
  return node.window.kind != WindowSpecNode::Kind::kSession &&
         input.type.types[static_cast<size_t>(node.time)].time != TimeAttribute::kProcessing;
}

}  // namespace

namespace {

class SkewHandling {
 public:
  explicit SkewHandling(const SkewOptions& options) : options_(options) {}

  PlanRef of(const PlanRef& plan) {
    if (const auto it = made_.find(plan.get()); it != made_.end()) { return it->second; }
    auto made = std::make_shared<Plan>(*plan);
    for (PlanRef& input : made->inputs) { input = of(input); }
    return made_[plan.get()] = with_node_handled(std::move(made));
  }

 private:
  PlanRef with_node_handled(std::shared_ptr<Plan> made) const {
    if (const auto* windows = std::get_if<WindowAggregateNode>(&made->node);
        windows != nullptr && options_.splits_distinct && !made->side.has_value() &&
        is_on_grid(*windows, made->input())) {
      const auto columns = columns_to_split(windows->calls, made->input());
      if (columns.has_value()) {
        return split_windows(*made, *windows, *columns, options_.buckets);
      }
    }
    auto* const node = std::get_if<AggregateNode>(&made->node);
    if (node == nullptr) { return made; }
    if (options_.splits_distinct) {
      const auto columns = columns_to_split(node->calls, made->input());
      if (columns.has_value()) { return split_distinct(*made, *node, *columns, options_.buckets); }
    }
    node->two_phase = options_.two_phase && can_have_two_phases(*node, made->input());
    return made;
  }

  const SkewOptions options_;
  std::unordered_map<const Plan*, PlanRef> made_;
};

}  // namespace

PlanRef with_skew_handled(const PlanRef& plan, const SkewOptions& options) {
  if (!options.two_phase && !options.splits_distinct) { return plan; }
  return SkewHandling(options).of(plan);
}

bool has_local_windows(const Plan& plan, AggregatePhases phases, int32_t parallelism) {
  const bool wanted =
      phases == AggregatePhases::kTwo || (phases == AggregatePhases::kAuto && parallelism > 1);
  const auto* const node = std::get_if<WindowAggregateNode>(&plan.node);
  if (!wanted || node == nullptr || plan.side.has_value() || plan.input().updates ||
      !is_on_grid(*node, plan.input())) {
    return false;
  }
  const auto calls = accumulated(node->calls);
  return calls.has_value() && can_be_local(*calls);
}

}  // namespace tidewheel::sql
