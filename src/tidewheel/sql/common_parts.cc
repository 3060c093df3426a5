#include "tidewheel/sql/common_parts.h"

#include <algorithm>

#include "tidewheel/sql/functions.h"

namespace tidewheel::sql {
namespace {

bool contains(const Bound& bound, const Bound& part) {
  return bound == part ||
         std::any_of(bound.arguments.begin(), bound.arguments.end(),
                     [&](const Bound& argument) { return contains(argument, part); });
}

bool is_costly(const Bound& bound) {
  if (bound.kind != Bound::Kind::kCall || !bound.type.children.empty()) { return false; }
  const FunctionTraits& traits = bound.function->traits();
  return traits.form == FunctionForm::kKernel && traits.is_careful && traits.is_deterministic &&
         !traits.varies_by_row;
}

// Whether its first argument alone is computed for all rows.
bool chooses(const Bound& bound) {
  switch (bound.kind) {
    case Bound::Kind::kAnd:
    case Bound::Kind::kOr:
    case Bound::Kind::kCase:
    case Bound::Kind::kCoalesce: return true;
    case Bound::Kind::kCall: return bound.function->traits().form != FunctionForm::kKernel;
    default: return false;
  }
}

void find_in(const Bound& bound, const std::vector<Bound>& outputs, std::vector<Bound>& parts) {
  const bool is_common =
      is_costly(bound) && std::any_of(outputs.begin(), outputs.end(),
                                      [&](const Bound& output) { return contains(output, bound); });
  if (is_common) {
    if (std::find(parts.begin(), parts.end(), bound) == parts.end()) { parts.push_back(bound); }
    return;
  }
  for (const Bound& argument : bound.arguments) {
    find_in(argument, outputs, parts);
    if (chooses(bound)) { return; }
  }
}

void read_parts_in(const std::vector<Bound>& parts, int32_t first, Bound& bound) {
  const auto found = std::find(parts.begin(), parts.end(), bound);
  if (found != parts.end()) {
    const auto index = static_cast<int32_t>(found - parts.begin());
    bound = Bound::of_column(first + index, found->type, bound.span);
    return;
  }
  for (Bound& argument : bound.arguments) { read_parts_in(parts, first, argument); }
}

}  // namespace

std::vector<Bound> find_common_parts(const Bound& condition, const std::vector<Bound>& outputs) {
  std::vector<Bound> parts;
  find_in(condition, outputs, parts);
  return parts;
}

void read_parts(const std::vector<Bound>& parts, int32_t first, std::vector<Bound>& outputs) {
  for (Bound& output : outputs) { read_parts_in(parts, first, output); }
}

}  // namespace tidewheel::sql
