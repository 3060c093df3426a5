#include "tidewheel/sql/bound.h"

#include <utility>

namespace tidewheel::sql {

Bound Bound::of_column(int32_t index, LogicalType type, Span span) {
  Bound bound;
  bound.kind = Kind::kColumn;
  bound.type = std::move(type);
  bound.column = index;
  bound.span = span;
  return bound;
}

Bound Bound::of_literal(Datum value, LogicalType type, Span span) {
  Bound bound;
  bound.kind = Kind::kLiteral;
  bound.type = std::move(type);
  bound.literal = std::move(value);
  bound.span = span;
  return bound;
}

bool operator==(const Bound& a, const Bound& b) {
  return a.kind == b.kind && a.type == b.type && a.column == b.column && a.level == b.level &&
         a.literal == b.literal && a.function == b.function && a.arguments == b.arguments;
}

}  // namespace tidewheel::sql
