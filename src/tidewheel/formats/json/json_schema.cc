#include "tidewheel/formats/json/json_schema.h"

#include <string_view>
#include <vector>

#include "tidewheel/types/json_document.h"

namespace tidewheel::json_detail {
namespace {

void append_type(const LogicalType& type, std::string& out);

void append_object(const std::vector<std::string>& names, const std::vector<LogicalType>& types,
                   std::string& out) {
  out += "\"type\":\"object\",\"properties\":{";
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) { out += ','; }
    append_json_string(out, names[i]);
    out += ":{\"connect.index\":" + std::to_string(i) + ",";
    append_type(types[i], out);
    out += '}';
  }
  out += '}';
  bool first = true;
  for (size_t i = 0; i < names.size(); ++i) {
    if (types[i].nullable) { continue; }
    out += first ? ",\"required\":[" : ",";
    first = false;
    append_json_string(out, names[i]);
  }
  if (!first) { out += ']'; }
}

void append_plain(const LogicalType& type, std::string& out) {
  const auto typed = [&](std::string_view json, std::string_view connect) {
    out += "\"type\":\"";
    out += json;
    out += '"';
    if (connect.empty()) { return; }
    out += ",\"connect.type\":\"";
    out += connect;
    out += '"';
  };
  switch (type.kind) {
    case TypeKind::kBoolean: return typed("boolean", "");
    case TypeKind::kTinyint: return typed("integer", "int8");
    case TypeKind::kSmallint: return typed("integer", "int16");
    case TypeKind::kInt:
    case TypeKind::kIntervalMonth: return typed("integer", "int32");
    case TypeKind::kBigint:
    case TypeKind::kIntervalSecond: return typed("integer", "int64");
    case TypeKind::kFloat: return typed("number", "float32");
    case TypeKind::kDouble: return typed("number", "float64");
    case TypeKind::kDecimal: return typed("number", "");
    case TypeKind::kBinary:
    case TypeKind::kVarbinary: return typed("string", "bytes");
    case TypeKind::kArray:
      out += "\"type\":\"array\",\"items\":{";
      append_type(type.children[0], out);
      out += '}';
      return;
    case TypeKind::kMap:
    case TypeKind::kMultiset:
      out += "\"type\":\"object\",\"connect.type\":\"map\",\"additionalProperties\":{";
      append_type(
          type.kind == TypeKind::kMap ? type.children[1] : LogicalType::of(TypeKind::kInt, false),
          out);
      out += '}';
      return;
    case TypeKind::kRow: return append_object(type.names, type.children, out);
    default: return typed("string", "");
  }
}

// Without its braces.
void append_type(const LogicalType& type, std::string& out) {
  if (!type.nullable) { return append_plain(type, out); }
  out += "\"oneOf\":[{\"type\":\"null\"},{";
  append_plain(type, out);
  out += "}]";
}

}  // namespace

std::string json_schema_of(const RowType& row) {
  std::string out =
      "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"title\":\"Record\",";
  append_object(row.names, row.types, out);
  return out + "}";
}

}  // namespace tidewheel::json_detail
