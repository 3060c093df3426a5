#include "tidewheel/sql/typing.h"

#include <algorithm>
#include <optional>

namespace tidewheel::sql {
namespace {

constexpr int32_t kScaleKept = 6;  // when digits are short, the integer part goes first

int32_t integer_digits(TypeKind kind) {
  switch (kind) {
    case TypeKind::kTinyint: return 3;
    case TypeKind::kSmallint: return 5;
    case TypeKind::kInt: return 10;
    default: return 19;
  }
}

LogicalType adjusted_decimal(int32_t precision, int32_t scale, bool nullable) {
  if (precision > LogicalType::kMaxDecimal) {
    const int32_t whole = precision - scale;
    scale = std::max(LogicalType::kMaxDecimal - whole, std::min(scale, kScaleKept));
    precision = LogicalType::kMaxDecimal;
  }
  return LogicalType::decimal(precision, scale, nullable);
}

std::optional<LogicalType> common_of(const LogicalType& a, const LogicalType& b);

LogicalType wider_decimal(const LogicalType& a, const LogicalType& b) {
  const LogicalType x = as_decimal(a);
  const LogicalType y = as_decimal(b);
  const int32_t scale = std::max(x.scale, y.scale);
  const int32_t whole = std::max(x.precision - x.scale, y.precision - y.scale);
  return adjusted_decimal(whole + scale, scale, true);
}

LogicalType common_number(const LogicalType& a, const LogicalType& b) {
  if (a.is_approximate() || b.is_approximate()) {
    const bool is_float = a.kind != TypeKind::kDouble && b.kind != TypeKind::kDouble &&
                          a.kind != TypeKind::kDecimal && b.kind != TypeKind::kDecimal;
    return LogicalType::of(is_float ? TypeKind::kFloat : TypeKind::kDouble);
  }
  if (a.kind == TypeKind::kDecimal || b.kind == TypeKind::kDecimal) { return wider_decimal(a, b); }
  return LogicalType::of(std::max(a.kind, b.kind));
}

LogicalType common_text(const LogicalType& a, const LogicalType& b, TypeKind fixed,
                        TypeKind varying) {
  const bool same_length = a.kind == fixed && b.kind == fixed && a.precision == b.precision;
  return LogicalType::with(same_length ? fixed : varying, std::max(a.precision, b.precision));
}

bool is_date_or_timestamp(const LogicalType& type) {
  return type.kind == TypeKind::kDate || type.is_timestamp();
}

std::optional<LogicalType> common_nested(const LogicalType& a, const LogicalType& b) {
  if (a.kind != b.kind || a.children.empty() || a.children.size() != b.children.size()) {
    return std::nullopt;
  }
  LogicalType type = a;
  for (size_t i = 0; i < a.children.size(); ++i) {
    const auto child = common_of(a.children[i], b.children[i]);
    if (!child) { return std::nullopt; }
    type.children[i] = *child;
  }
  return type;
}

std::optional<LogicalType> common_of_different(const LogicalType& a, const LogicalType& b) {
  if (a.kind == TypeKind::kNull) { return b; }
  if (b.kind == TypeKind::kNull) { return a; }
  if (a.is_numeric() && b.is_numeric()) { return common_number(a, b); }
  if (a.is_character() && b.is_character()) {
    return common_text(a, b, TypeKind::kChar, TypeKind::kVarchar);
  }
  if (a.is_bytes() && b.is_bytes()) {
    return common_text(a, b, TypeKind::kBinary, TypeKind::kVarbinary);
  }
  if (is_date_or_timestamp(a) && is_date_or_timestamp(b)) {
    // Kinds are in the order date, timestamp, instant: the later one holds the earlier ones.
    return LogicalType::with(std::max(a.kind, b.kind), std::max(a.precision, b.precision));
  }
  if (a.kind == TypeKind::kTime && b.kind == TypeKind::kTime) {
    return LogicalType::with(TypeKind::kTime, std::max(a.precision, b.precision));
  }
  return common_nested(a, b);
}

std::optional<LogicalType> common_of(const LogicalType& a, const LogicalType& b) {
  std::optional<LogicalType> type = a.same_type(b) ? a : common_of_different(a, b);
  if (!type) { return std::nullopt; }
  type->nullable =
      a.nullable || b.nullable || a.kind == TypeKind::kNull || b.kind == TypeKind::kNull;
  if (a.time != b.time) { type->time = TimeAttribute::kNone; }
  if (a.same_type(b) && !type->children.empty()) {
    // Children may differ in what may be NULL.
    if (const auto nested = common_nested(a, b)) { type->children = nested->children; }
  }
  return type;
}

bool all_children(const LogicalType& from, const LogicalType& to,
                  bool (*fits)(const LogicalType&, const LogicalType&)) {
  return from.children.size() == to.children.size() &&
         std::equal(from.children.begin(), from.children.end(), to.children.begin(), fits);
}

}  // namespace

Result<LogicalType> common_type(std::span<const LogicalType> types) {
  LogicalType common;  // NULL
  common.nullable = false;
  bool first = true;
  for (const LogicalType& type : types) {
    const auto next = first ? type : common_of(common, type);
    if (!next) {
      return invalid_argument(ErrorId::kSqlType, "{} and {} have no type in common: CAST one",
                              common.to_string(), type.to_string());
    }
    common = *next;
    first = false;
  }
  return common;
}

bool can_cast_implicitly(const LogicalType& from, const LogicalType& to) {
  if (from.kind == TypeKind::kNull) { return true; }
  if (from.is_numeric() && to.is_numeric()) {
    if (to.kind == TypeKind::kDouble) { return true; }
    if (to.kind == TypeKind::kFloat) { return from.kind != TypeKind::kDouble; }
    if (to.kind == TypeKind::kDecimal) { return !from.is_approximate(); }
    return from.kind <= to.kind;
  }
  if (from.is_character() && to.is_character()) { return true; }
  if (from.is_bytes() && to.is_bytes()) { return true; }
  if (is_date_or_timestamp(from) && is_date_or_timestamp(to)) {
    return from.kind <= to.kind || (from.is_timestamp() && to.is_timestamp());
  }
  if (from.kind != to.kind) { return false; }
  switch (from.kind) {
    case TypeKind::kArray:
    case TypeKind::kMultiset:
    case TypeKind::kMap:
    case TypeKind::kRow: return all_children(from, to, can_cast_implicitly);
    default: return true;
  }
}

namespace {

bool can_cast_temporal(const LogicalType& from, const LogicalType& to) {
  switch (to.kind) {
    case TypeKind::kDate:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz:
      return from.kind == TypeKind::kDate || from.is_timestamp() || from.kind == TypeKind::kTime
                 ? !(to.kind == TypeKind::kDate && from.kind == TypeKind::kTime)
                 : from.is_character();
    case TypeKind::kTime:
      return from.kind == TypeKind::kTime || from.is_timestamp() || from.is_character();
    default: return from.kind == to.kind;  // intervals
  }
}

}  // namespace

bool can_cast(const LogicalType& from, const LogicalType& to) {
  if (from.kind == TypeKind::kNull) { return true; }
  if (to.is_character()) { return true; }
  if (to.is_bytes()) { return from.is_character() || from.is_bytes(); }
  if (to.kind == TypeKind::kBoolean || to.is_numeric()) {
    return from.is_numeric() || from.kind == TypeKind::kBoolean || from.is_character();
  }
  switch (to.kind) {
    case TypeKind::kArray:
    case TypeKind::kMultiset:
    case TypeKind::kMap:
    case TypeKind::kRow: return from.kind == to.kind && all_children(from, to, can_cast);
    default: return can_cast_temporal(from, to);
  }
}

LogicalType as_decimal(const LogicalType& type) {
  if (!type.is_integer()) { return type; }
  return LogicalType::decimal(integer_digits(type.kind), 0, type.nullable);
}

LogicalType decimal_sum_type(const LogicalType& a, const LogicalType& b) {
  const LogicalType x = as_decimal(a);
  const LogicalType y = as_decimal(b);
  const int32_t scale = std::max(x.scale, y.scale);
  const int32_t whole = std::max(x.precision - x.scale, y.precision - y.scale);
  return adjusted_decimal(whole + scale + 1, scale, a.nullable || b.nullable);
}

LogicalType decimal_product_type(const LogicalType& a, const LogicalType& b) {
  const LogicalType x = as_decimal(a);
  const LogicalType y = as_decimal(b);
  return adjusted_decimal(x.precision + y.precision, x.scale + y.scale, a.nullable || b.nullable);
}

LogicalType decimal_quotient_type(const LogicalType& a, const LogicalType& b) {
  const LogicalType x = as_decimal(a);
  const LogicalType y = as_decimal(b);
  const int32_t scale = std::max(kScaleKept, x.scale + y.precision + 1);
  return adjusted_decimal(x.precision - x.scale + y.scale + scale, scale, a.nullable || b.nullable);
}

LogicalType decimal_remainder_type(const LogicalType& a, const LogicalType& b) {
  const LogicalType x = as_decimal(a);
  const LogicalType y = as_decimal(b);
  const int32_t scale = std::max(x.scale, y.scale);
  const int32_t whole = std::min(x.precision - x.scale, y.precision - y.scale);
  return adjusted_decimal(whole + scale, scale, a.nullable || b.nullable);
}

LogicalType decimal_total_type(const LogicalType& type) {
  return LogicalType::decimal(LogicalType::kMaxDecimal, type.scale, type.nullable);
}

LogicalType decimal_average_type(const LogicalType& type) {
  return LogicalType::decimal(LogicalType::kMaxDecimal, std::max(kScaleKept, type.scale),
                              type.nullable);
}

}  // namespace tidewheel::sql
