#include "tidewheel/sql/json_value.h"

#include <cmath>
#include <map>
#include <utility>

#include "tidewheel/types/base64.h"
#include "tidewheel/types/column_text.h"
#include "tidewheel/types/json_document.h"
#include "tidewheel/types/text.h"

namespace tidewheel::sql {
namespace {

void append_members(std::string& out, const std::map<std::string, std::string>& members) {
  out += '{';
  bool is_first = true;
  for (const auto& [key, value] : members) {
    if (!is_first) { out += ','; }
    is_first = false;
    append_json_string(out, key);
    out += ':';
    out += value;
  }
  out += '}';
}

std::string member_value(const LogicalType& type, const ColumnView& column, uint32_t row) {
  std::string out;
  append_json_value(out, type, column, row);
  return out;
}

void append_list(std::string& out, const LogicalType& type, const ColumnView& column,
                 uint32_t row) {
  const uint32_t begin = column.offsets[row];
  const uint32_t end = column.offsets[row + 1];
  if (type.kind == TypeKind::kArray) {
    out += '[';
    for (uint32_t e = begin; e < end; ++e) {
      if (e > begin) { out += ','; }
      append_json_value(out, type.children[0], column.children[0], e);
    }
    out += ']';
    return;
  }
  const LogicalType counted = LogicalType::of(TypeKind::kInt, false);
  const LogicalType& value_type = type.kind == TypeKind::kMap ? type.children[1] : counted;
  std::map<std::string, std::string> members;
  for (uint32_t e = begin; e < end; ++e) {
    members[value_to_text(type.children[0], column.children[0], e)] =
        member_value(value_type, column.children[1], e);
  }
  append_members(out, members);
}

void append_real(std::string& out, const LogicalType& type, const ColumnView& column,
                 uint32_t row) {
  const double value =
      type.kind == TypeKind::kFloat ? column.at<float>(row) : column.at<double>(row);
  const std::string text = value_to_text(type, column, row);
  out += std::isfinite(value) ? text : "\"" + text + "\"";
}

}  // namespace

void append_json_value(std::string& out, const LogicalType& type, const ColumnView& column,
                       uint32_t row) {
  if (type.kind == TypeKind::kNull || column.is_null(row)) {
    out += "null";
    return;
  }
  const uint32_t at = column.is_constant ? 0 : row;
  switch (type.kind) {
    case TypeKind::kBoolean: out += column.at<uint8_t>(row) != 0 ? "true" : "false"; return;
    case TypeKind::kTinyint:
    case TypeKind::kSmallint:
    case TypeKind::kInt:
    case TypeKind::kBigint:
    case TypeKind::kDecimal: append_value_text(out, type, column, row); return;
    case TypeKind::kFloat:
    case TypeKind::kDouble: return append_real(out, type, column, row);
    case TypeKind::kChar:
    case TypeKind::kVarchar: return append_json_string(out, column.at<Text>(row).view());
    case TypeKind::kBinary:
    case TypeKind::kVarbinary:
      out += '"';
      append_base64(out, column.at<Text>(row).view());
      out += '"';
      return;
    case TypeKind::kArray:
    case TypeKind::kMultiset:
    case TypeKind::kMap: return append_list(out, type, column, at);
    case TypeKind::kRow: {
      std::map<std::string, std::string> members;
      for (size_t i = 0; i < type.children.size(); ++i) {
        members[type.names[i]] = member_value(type.children[i], column.children[i], at);
      }
      return append_members(out, members);
    }
    default: break;
  }
  append_json_string(out, value_to_text(type, column, row, {.style = TextStyle::kExternal}));
}

}  // namespace tidewheel::sql
