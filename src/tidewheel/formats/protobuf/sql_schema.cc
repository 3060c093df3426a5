#include "tidewheel/formats/protobuf/sql_schema.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "tidewheel/formats/protobuf/wire.h"

namespace tidewheel::protobuf {
namespace {

constexpr int32_t kNestingMax = 64;

Status misfit(const std::string& path, const std::string& why) {
  return invalid_argument(ErrorId::kFormatSchema,
                          "schema of Protobuf: it does not fit the columns: {}: {}", path, why);
}

bool is_whole(Kind kind) { return kind <= Kind::kSfixed64; }

struct Checked {
  const Schema& schema;
  bool may_lack;
  const Message& messages(const Field& field) const { return schema.messages[field.type]; }
};

std::string described(const Checked& schema, const Field& field) {
  std::string text = field.is_repeated ? "repeated " : "";
  if (is_message(field.kind)) { return text + schema.messages(field).name; }
  if (field.kind == Kind::kEnum) { return text + schema.schema.enums[field.type].name + " (enum)"; }
  return text + std::string(kind_name(field.kind));
}

// A single value.
bool value_fits(const Field& field, const LogicalType& type) {
  if (is_whole(field.kind)) {
    const bool is_wide = field.kind == Kind::kUint64 || field.kind == Kind::kFixed64;
    return type.is_integer() ||
           (is_wide && type.kind == TypeKind::kDecimal && type.scale == 0 && type.precision >= 20);
  }
  switch (field.kind) {
    case Kind::kBool: return type.kind == TypeKind::kBoolean;
    case Kind::kEnum: return type.is_character() || type.is_integer();
    case Kind::kFloat: return type.is_approximate();
    case Kind::kDouble: return type.kind == TypeKind::kDouble;
    case Kind::kString: return type.is_character();
    case Kind::kBytes: return type.is_bytes();
    default: return type.kind == TypeKind::kRow;
  }
}

Status check(const Checked& schema, const Field& field, const LogicalType& type,
             const std::string& path, bool is_element, int32_t depth);

Status check_row(const Checked& schema, const Message& message,
                 const std::vector<std::string>& names, const std::vector<LogicalType>& types,
                 const std::string& path, int32_t depth) {
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string inner = path.empty() ? names[i] : path + "." + names[i];
    const auto field = std::find_if(message.fields.begin(), message.fields.end(),
                                    [&](const Field& one) { return one.name == names[i]; });
    if (field == message.fields.end() && schema.may_lack && types[i].nullable) { continue; }
    if (field == message.fields.end()) {
      std::string known;
      for (const Field& one : message.fields) { known += (known.empty() ? "" : ", ") + one.name; }
      return misfit(inner, "the message " + message.name + " has no such field, only: " + known);
    }
    TIDEWHEEL_RETURN_IF_ERROR(check(schema, *field, types[i], inner, false, depth + 1));
  }
  return {};
}

Status check(const Checked& schema, const Field& field, const LogicalType& type,
             const std::string& path, bool is_element, int32_t depth) {
  if (depth > kNestingMax) { return misfit(path, "rows are nested too deeply"); }
  const auto no = [&] {
    return misfit(path,
                  type.as_nullable().to_string() + " does not go with " + described(schema, field));
  };
  const bool is_map =
      is_message(field.kind) && field.is_repeated && schema.messages(field).is_entry;
  if (!is_element && is_map) {
    if (type.kind != TypeKind::kMap) { return no(); }
    const Message& entry = schema.messages(field);
    for (size_t i = 0; i < 2; ++i) {
      const std::string inner = path + (i == 0 ? ".key" : ".value");
      TIDEWHEEL_RETURN_IF_ERROR(
          check(schema, entry.fields[i], type.children[i], inner, false, depth + 1));
    }
    return {};
  }
  if (!is_element && field.is_repeated) {
    if (type.kind != TypeKind::kArray) { return no(); }
    return check(schema, field, type.children[0], path + "[]", true, depth + 1);
  }
  if (is_message(field.kind) && type.is_timestamp() && schema.messages(field).is_timestamp) {
    return {};
  }
  if (!value_fits(field, type)) { return no(); }
  if (!is_message(field.kind)) { return {}; }
  return check_row(schema, schema.messages(field), type.names, type.children, path, depth);
}

// Writes messages for rows, one within another.
class ProtoWriter {
 public:
  Result<std::string> write(const RowType& row, const std::string& name) {
    std::string body;
    TIDEWHEEL_RETURN_IF_ERROR(message(name, row.names, row.types, "", 0, body));
    std::string text = "syntax = \"proto3\";\n";
    if (uses_timestamp_) { text += "import \"google/protobuf/timestamp.proto\";\n"; }
    return text + body;
  }

 private:
  static Status no(const std::string& path, const LogicalType& type, std::string_view why) {
    return invalid_argument(ErrorId::kSqlType,
                            "Protobuf has no form for column '{}' of type {}: {}", path,
                            type.to_string(), why);
  }
  static bool is_name(const std::string& name) {
    const auto is_letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
    return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
           std::all_of(name.begin(), name.end(), [&](char c) { return is_letter(c) || c == '_'; });
  }

  Status message(const std::string& name, const std::vector<std::string>& names,
                 const std::vector<LogicalType>& types, const std::string& path, int32_t depth,
                 std::string& out) {
    const std::string indent(static_cast<size_t>(depth) * 2, ' ');
    out += indent + "message " + name + " {\n";
    for (size_t i = 0; i < names.size(); ++i) {
      const std::string inner = path.empty() ? names[i] : path + "." + names[i];
      if (!is_name(names[i])) {
        return no(inner, types[i], "names must have letters, digits and _ only");
      }
      if (depth > kNestingMax) { return no(inner, types[i], "rows are nested too deeply"); }
      std::string field;
      TIDEWHEEL_RETURN_IF_ERROR(declare(names[i], types[i], inner, depth, out, field));
      out += indent + "  " + field + " " + names[i] + " = " + std::to_string(i + 1) + ";\n";
    }
    out += indent + "}\n";
    return {};
  }
  // The type of a field, with its label; messages that it needs go to `out` first.
  Status declare(const std::string& name, const LogicalType& type, const std::string& path,
                 int32_t depth, std::string& out, std::string& field) {
    if (type.kind == TypeKind::kArray) {
      TIDEWHEEL_RETURN_IF_ERROR(value(name, type.children[0], path + "[]", depth, out, field));
      field = "repeated " + field;
      return {};
    }
    if (type.kind == TypeKind::kMap) {
      const LogicalType& key = type.children[0];
      if (!key.is_integer() && !key.is_character() && key.kind != TypeKind::kBoolean) {
        return no(path, type, "keys of maps are strings, whole numbers or BOOLEAN");
      }
      std::string keys;
      TIDEWHEEL_RETURN_IF_ERROR(value(name, key, path + ".key", depth, out, keys));
      TIDEWHEEL_RETURN_IF_ERROR(value(name, type.children[1], path + ".value", depth, out, field));
      field = "map<" + keys + ", " + field + ">";
      return {};
    }
    TIDEWHEEL_RETURN_IF_ERROR(value(name, type, path, depth, out, field));
    const bool is_message = type.kind == TypeKind::kRow || type.is_timestamp();
    if (type.nullable && !is_message) { field = "optional " + field; }
    return {};
  }
  Status value(const std::string& name, const LogicalType& type, const std::string& path,
               int32_t depth, std::string& out, std::string& field) {
    switch (type.kind) {
      case TypeKind::kBoolean: field = "bool"; return {};
      case TypeKind::kTinyint:
      case TypeKind::kSmallint:
      case TypeKind::kInt: field = "int32"; return {};
      case TypeKind::kBigint: field = "int64"; return {};
      case TypeKind::kFloat: field = "float"; return {};
      case TypeKind::kDouble: field = "double"; return {};
      case TypeKind::kChar:
      case TypeKind::kVarchar: field = "string"; return {};
      case TypeKind::kBinary:
      case TypeKind::kVarbinary: field = "bytes"; return {};
      case TypeKind::kTimestamp:
      case TypeKind::kTimestampLtz:
        uses_timestamp_ = true;
        field = "google.protobuf.Timestamp";
        return {};
      case TypeKind::kRow:
        field = "Row_" + name;
        return message(field, type.names, type.children, path, depth + 1, out);
      default: break;
    }
    return no(path, type, "CAST it to STRING or BIGINT");
  }

  bool uses_timestamp_ = false;
};

}  // namespace

std::string_view kind_name(Kind kind) {
  constexpr std::string_view kNames[] = {
      "int32",    "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32",
      "sfixed64", "bool",  "enum",   "float",  "double", "string", "bytes",   "message", "group"};
  return kNames[static_cast<size_t>(kind)];
}

uint32_t wire_of(Kind kind) {
  switch (kind) {
    case Kind::kFixed32:
    case Kind::kSfixed32:
    case Kind::kFloat: return kFour;
    case Kind::kFixed64:
    case Kind::kSfixed64:
    case Kind::kDouble: return kEight;
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kMessage: return kSized;
    case Kind::kGroup: return kBeginGroup;
    default: return kVarint;
  }
}

Status check_columns(const Schema& schema, const RowType& row, bool may_lack) {
  return check_row({schema, may_lack}, schema.root(), row.names, row.types, "", 0);
}

Result<std::string> proto_of(const RowType& row, const std::string& name) {
  return ProtoWriter().write(row, name);
}

}  // namespace tidewheel::protobuf
