#include "tidewheel/types/logical_type.h"

#include <algorithm>

#include "tidewheel/base/check.h"
#include "tidewheel/types/decimal.h"
#include "tidewheel/types/text.h"

namespace tidewheel {
namespace {

std::string quoted(std::string_view name) {
  std::string out = "`";
  for (const char c : name) {
    if (c == '`') { out += '`'; }
    out += c;
  }
  return out + '`';
}

std::string with_length(const char* name, int32_t length) {
  return std::string(name) + "(" + std::to_string(length) + ")";
}

std::string base_name(const LogicalType& type) {
  switch (type.kind) {
    case TypeKind::kNull: return "NULL";
    case TypeKind::kBoolean: return "BOOLEAN";
    case TypeKind::kTinyint: return "TINYINT";
    case TypeKind::kSmallint: return "SMALLINT";
    case TypeKind::kInt: return "INT";
    case TypeKind::kBigint: return "BIGINT";
    case TypeKind::kFloat: return "FLOAT";
    case TypeKind::kDouble: return "DOUBLE";
    case TypeKind::kDecimal:
      return "DECIMAL(" + std::to_string(type.precision) + ", " + std::to_string(type.scale) + ")";
    case TypeKind::kChar: return with_length("CHAR", type.precision);
    case TypeKind::kVarchar:
      return type.precision == LogicalType::kMaxLength ? "STRING"
                                                       : with_length("VARCHAR", type.precision);
    case TypeKind::kBinary: return with_length("BINARY", type.precision);
    case TypeKind::kVarbinary:
      return type.precision == LogicalType::kMaxLength ? "BYTES"
                                                       : with_length("VARBINARY", type.precision);
    case TypeKind::kDate: return "DATE";
    case TypeKind::kTime: return with_length("TIME", type.precision);
    case TypeKind::kTimestamp: return with_length("TIMESTAMP", type.precision);
    case TypeKind::kTimestampLtz: return with_length("TIMESTAMP_LTZ", type.precision);
    case TypeKind::kIntervalMonth: return "INTERVAL YEAR TO MONTH";
    case TypeKind::kIntervalSecond: return "INTERVAL DAY TO SECOND(3)";
    case TypeKind::kArray: return "ARRAY<" + type.children[0].to_string() + ">";
    case TypeKind::kMultiset: return "MULTISET<" + type.children[0].to_string() + ">";
    case TypeKind::kMap:
      return "MAP<" + type.children[0].to_string() + ", " + type.children[1].to_string() + ">";
    case TypeKind::kRow: {
      std::string out = "ROW<";
      for (size_t i = 0; i < type.children.size(); ++i) {
        if (i > 0) { out += ", "; }
        out += quoted(type.names[i]) + " " + type.children[i].to_string();
      }
      return out + ">";
    }
  }
  return "";
}

}  // namespace

LogicalType LogicalType::with(TypeKind kind, int32_t precision, int32_t scale, bool nullable) {
  LogicalType type;
  type.kind = kind;
  type.nullable = nullable;
  type.precision = precision;
  type.scale = scale;
  return type;
}

LogicalType LogicalType::array(LogicalType element, bool nullable) {
  LogicalType type = of(TypeKind::kArray, nullable);
  type.children.push_back(std::move(element));
  return type;
}

LogicalType LogicalType::map(LogicalType key, LogicalType value, bool nullable) {
  LogicalType type = of(TypeKind::kMap, nullable);
  type.children.push_back(std::move(key));
  type.children.push_back(std::move(value));
  return type;
}

LogicalType LogicalType::row(std::vector<std::string> names, std::vector<LogicalType> fields,
                             bool nullable) {
  LogicalType type = of(TypeKind::kRow, nullable);
  type.names = std::move(names);
  type.children = std::move(fields);
  return type;
}

Physical LogicalType::physical() const {
  switch (kind) {
    case TypeKind::kNull:
    case TypeKind::kBoolean: return Physical::kBool;
    case TypeKind::kTinyint: return Physical::kInt8;
    case TypeKind::kSmallint: return Physical::kInt16;
    case TypeKind::kInt:
    case TypeKind::kDate:
    case TypeKind::kTime:
    case TypeKind::kIntervalMonth: return Physical::kInt32;
    case TypeKind::kBigint:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz:
    case TypeKind::kIntervalSecond: return Physical::kInt64;
    case TypeKind::kFloat: return Physical::kFloat;
    case TypeKind::kDouble: return Physical::kDouble;
    case TypeKind::kDecimal: return precision <= 18 ? Physical::kInt64 : Physical::kInt128;
    case TypeKind::kChar:
    case TypeKind::kVarchar:
    case TypeKind::kBinary:
    case TypeKind::kVarbinary: return Physical::kText;
    case TypeKind::kArray:
    case TypeKind::kMultiset:
    case TypeKind::kMap: return Physical::kList;
    case TypeKind::kRow: return Physical::kStruct;
  }
  return Physical::kBool;
}

std::string LogicalType::to_string() const {
  std::string out = base_name(*this);
  if (!nullable && kind != TypeKind::kNull) { out += " NOT NULL"; }
  return out;
}

bool LogicalType::same_type(const LogicalType& other) const {
  return kind == other.kind && precision == other.precision && scale == other.scale &&
         names == other.names &&
         std::equal(children.begin(), children.end(), other.children.begin(), other.children.end(),
                    [](const auto& a, const auto& b) { return a.same_type(b); });
}

size_t RowType::find(std::string_view name) const {
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

size_t physical_bytes(Physical physical) {
  switch (physical) {
    case Physical::kBool:
    case Physical::kInt8: return 1;
    case Physical::kInt16: return 2;
    case Physical::kInt32:
    case Physical::kFloat: return 4;
    case Physical::kInt64:
    case Physical::kDouble: return 8;
    case Physical::kInt128: return sizeof(Int128);
    case Physical::kText: return sizeof(Text);
    case Physical::kList:
    case Physical::kStruct: return 0;
  }
  return 0;
}

}  // namespace tidewheel
