// Constant folding.
#include <utility>

#include "tidewheel/sql/datum_column.h"
#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/program.h"

namespace tidewheel::sql {

namespace {

// The value of one call or cast of literals; nothing when it can't be computed.
std::optional<Datum> value_of(const Bound& bound, const EvalOptions& options) {
  auto program = Evaluator::Program::compile({bound}, {}, options);
  if (!program.ok()) { return std::nullopt; }
  const ArenaRef arena = Arena::create();
  Evaluator::Program& compiled = **program;
  compiled.rows = 1;
  compiled.arena = arena.get();
  if (!compiled.run_steps({}, 0).ok()) { return std::nullopt; }
  const ProgramStep& step = compiled.steps[compiled.outputs[0]];
  return datum_at(step.type, step.view, 0);
}

bool all_literals(const Bound& bound) {
  for (const Bound& argument : bound.arguments) {
    if (!argument.is_literal()) { return false; }
  }
  return true;
}

Bound literal_like(const Bound& bound, Datum value) {
  LogicalType type = bound.type;
  if (value.is_null()) { type.nullable = true; }
  return Bound::of_literal(std::move(value), std::move(type), bound.span);
}

bool is_truth(const Bound& bound, bool truth) {
  return bound.is_literal() && !bound.literal.is_null() && bound.literal.truth() == truth;
}

// Without operands that do not matter; the value when one decides.
Bound fold_logic(Bound bound) {
  const bool neutral = bound.kind == Bound::Kind::kAnd;
  std::vector<Bound> kept;
  for (Bound& argument : bound.arguments) {
    if (is_truth(argument, neutral)) { continue; }
    const bool decides = is_truth(argument, !neutral);
    kept.push_back(std::move(argument));
    if (decides) { break; }  // what stands before may still fail
  }
  if (kept.empty()) { return literal_like(bound, Datum{int64_t{neutral ? 1 : 0}}); }
  if (kept.size() == 1) { return std::move(kept[0]); }
  bound.arguments = std::move(kept);
  return bound;
}

Bound fold_case(Bound bound) {
  std::vector<Bound> kept;
  const size_t last = bound.arguments.size() - 1;
  for (size_t i = 0; i < last; i += 2) {
    Bound& when = bound.arguments[i];
    if (when.is_null_literal() || is_truth(when, false)) { continue; }
    if (is_truth(when, true)) {
      bound.arguments[last] = std::move(bound.arguments[i + 1]);
      break;
    }
    kept.push_back(std::move(when));
    kept.push_back(std::move(bound.arguments[i + 1]));
  }
  if (kept.empty()) { return std::move(bound.arguments[last]); }
  kept.push_back(std::move(bound.arguments[last]));
  bound.arguments = std::move(kept);
  return bound;
}

Bound fold_coalesce(Bound bound) {
  std::vector<Bound> kept;
  for (Bound& argument : bound.arguments) {
    if (argument.is_null_literal()) { continue; }
    const bool decides = argument.is_literal() || !argument.type.nullable;
    kept.push_back(std::move(argument));
    if (decides) { break; }
  }
  if (kept.empty()) { return literal_like(bound, {}); }
  if (kept.size() == 1) { return std::move(kept[0]); }
  bound.arguments = std::move(kept);
  return bound;
}

}  // namespace

Bound fold(Bound expression, const EvalOptions& options) {
  for (Bound& argument : expression.arguments) { argument = fold(std::move(argument), options); }
  if (expression.kind == Bound::Kind::kCall) {
    const FunctionForm form = expression.function->traits().form;
    if (form == FunctionForm::kCase) { expression.kind = Bound::Kind::kCase; }
    if (form == FunctionForm::kCoalesce) { expression.kind = Bound::Kind::kCoalesce; }
  }
  switch (expression.kind) {
    case Bound::Kind::kColumn:
    case Bound::Kind::kOuter:
    case Bound::Kind::kLiteral: return expression;
    case Bound::Kind::kAnd:
    case Bound::Kind::kOr: expression = fold_logic(std::move(expression)); break;
    case Bound::Kind::kCase: return fold_case(std::move(expression));
    case Bound::Kind::kCoalesce: return fold_coalesce(std::move(expression));
    case Bound::Kind::kCall:
      if (!expression.function->is_deterministic()) { return expression; }
      break;
    default: break;
  }
  if (expression.is_literal() || !all_literals(expression)) { return expression; }
  auto value = value_of(expression, options);
  return value ? literal_like(expression, std::move(*value)) : expression;
}

}  // namespace tidewheel::sql
