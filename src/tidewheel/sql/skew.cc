#include "tidewheel/sql/skew.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/sql/accumulator.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/kernel.h"
#include "tidewheel/sql/local_aggregate.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::sql {
namespace {

// ---- Two phases

bool can_have_two_phases(const AggregateNode& node, const Plan& input) {
  if (input.updates || node.calls.empty()) { return false; }
  std::vector<AggregateCall> calls;
  for (const AggregateCallNode& one : node.calls) {
    AggregateCall& call = calls.emplace_back();
    call.user = one.user;
    call.distinct = one.distinct;
    call.result = one.result;
    if (one.user != nullptr) {
      call.function = AggregateFunction::kUser;
    } else if (!find_aggregate_function(one.function, call.function)) {
      return false;
    }
  }
  return sql::can_have_two_phases(calls);
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
std::optional<std::vector<int32_t>> columns_to_split(const AggregateNode& node, const Plan& input) {
  std::optional<std::vector<int32_t>> columns;
  if (input.updates) { return std::nullopt; }
  for (const AggregateCallNode& call : node.calls) {
    if (sum_of_parts(call) == nullptr) { return std::nullopt; }
    const bool is_extreme = call.function == "MIN" || call.function == "MAX";
    if (!call.distinct || is_extreme) { continue; }
    if (columns.has_value() && *columns != call.arguments) { return std::nullopt; }
    columns = call.arguments;
  }
  return columns;
}

PlanRef split_distinct(const Plan& plan, const AggregateNode& node,
                       const std::vector<int32_t>& columns, int64_t buckets) {
  const PlanRef& input = plan.inputs[0];
  const auto width = static_cast<int32_t>(input->type.size());
  const size_t keys = node.keys.size();
  // The number of the part behind the columns that there are.
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
  const PlanRef rows = make_calc(input, std::nullopt, std::move(outputs), std::move(names));

  Plan parts;
  AggregateNode by_part{node.keys, node.calls, false};
  by_part.keys.push_back(width);
  for (const int32_t key : by_part.keys) {
    parts.type.add(rows->type.names[static_cast<size_t>(key)],
                   rows->type.types[static_cast<size_t>(key)]);
    parts.type.types.back().time = TimeAttribute::kNone;
  }
  for (size_t i = 0; i < node.calls.size(); ++i) {
    parts.type.add(plan.type.names[keys + i], node.calls[i].result);
  }
  parts.unique_keys.emplace_back();
  for (size_t i = 0; i <= keys; ++i) { parts.unique_keys[0].push_back(static_cast<int32_t>(i)); }
  parts.updates = true;
  parts.kept_ms = plan.inputs[0]->kept_ms;
  parts.node = std::move(by_part);
  parts.inputs.push_back(rows);

  AggregateNode sum;
  for (size_t i = 0; i < keys; ++i) { sum.keys.push_back(static_cast<int32_t>(i)); }
  for (size_t i = 0; i < node.calls.size(); ++i) {
    AggregateCallNode call;
    call.function = sum_of_parts(node.calls[i]);
    call.arguments = {static_cast<int32_t>(keys + 1 + i)};
    call.result = node.calls[i].result;
    sum.calls.push_back(std::move(call));
  }
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

}  // namespace

PlanRef with_skew_handled(const PlanRef& plan, const SkewOptions& options) {
  if (!options.two_phase && !options.splits_distinct) { return plan; }
  auto made = std::make_shared<Plan>(*plan);
  for (PlanRef& input : made->inputs) { input = with_skew_handled(input, options); }
  auto* const node = std::get_if<AggregateNode>(&made->node);
  if (node == nullptr) { return made; }
  if (options.splits_distinct) {
    const auto columns = columns_to_split(*node, made->input());
    if (columns.has_value()) { return split_distinct(*made, *node, *columns, options.buckets); }
  }
  node->two_phase = options.two_phase && can_have_two_phases(*node, made->input());
  return made;
}

}  // namespace tidewheel::sql
