#include "tidewheel/formats/avro/sql_schema.h"

#include <string>
#include <utility>

namespace tidewheel::avro {
namespace {

class SchemaMaker {
 public:
  explicit SchemaMaker(const SqlSchemaOptions& options) : options_(options) {}

  Result<Schema> make(const RowType& row) {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const NodeIndex root,
        record(row.names, row.types, std::string(options_.record_name), std::string()));
    schema_.set_root(root);
    return std::move(schema_);
  }

 private:
  static Status no(const std::string& path, const LogicalType& type, const std::string& why) {
    return invalid_argument(ErrorId::kSqlType,
                            "the format avro has no form for column '{}' of type {}{}{}", path,
                            type.to_string(), why.empty() ? "" : ": ", why);
  }

  Result<NodeIndex> record(const std::vector<std::string>& names,
                           const std::vector<LogicalType>& types, const std::string& name,
                           const std::string& path) {
    Node node{.type = Type::kRecord};
    node.name = name;
    const NodeIndex made = schema_.add(std::move(node));
    std::vector<Field> fields;
    for (size_t i = 0; i < names.size(); ++i) {
      const std::string inner = path.empty() ? names[i] : path + "." + names[i];
      if (!is_name(names[i])) {
        return no(inner, types[i], "names must have letters, digits and _ only");
      }
      Field field{.name = names[i]};
      TIDEWHEEL_ASSIGN_OR_RETURN(field.type, value(types[i], name + "_" + names[i], inner));
      if (types[i].nullable) {
        field.has_default = true;
        field.default_json = "null";
        field.default_bytes = std::string(1, '\0');
      }
      fields.push_back(std::move(field));
    }
    schema_.mutable_node(made).fields = std::move(fields);
    return made;
  }

  Result<NodeIndex> value(const LogicalType& type, const std::string& name,
                          const std::string& path) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const NodeIndex plain, plain_value(type, name, path));
    if (!type.nullable) { return plain; }
    const NodeIndex null = schema_.add(Node{.type = Type::kNull});
    return schema_.add(Node{.type = Type::kUnion, .children = {null, plain}});
  }
  NodeIndex add(Type type, Logical logical = Logical::kNone) {
    return schema_.add(Node{.type = type, .logical = logical});
  }

  Result<NodeIndex> plain_value(const LogicalType& type, const std::string& name,
                                const std::string& path) {
    switch (type.kind) {
      case TypeKind::kBoolean: return add(Type::kBoolean);
      case TypeKind::kTinyint:
      case TypeKind::kSmallint:
      case TypeKind::kInt: return add(Type::kInt);
      case TypeKind::kBigint: return add(Type::kLong);
      case TypeKind::kFloat: return add(Type::kFloat);
      case TypeKind::kDouble: return add(Type::kDouble);
      case TypeKind::kDecimal:
        return schema_.add(Node{.type = Type::kBytes,
                                .logical = Logical::kDecimal,
                                .precision = type.precision,
                                .scale = type.scale});
      case TypeKind::kChar:
      case TypeKind::kVarchar: return add(Type::kString);
      case TypeKind::kBinary:
      case TypeKind::kVarbinary: return add(Type::kBytes);
      case TypeKind::kDate: return add(Type::kInt, Logical::kDate);
      case TypeKind::kTime:
        if (type.precision > 3) { return no(path, type, "it has TIME up to TIME(3)"); }
        return add(Type::kInt, Logical::kTimeMillis);
      case TypeKind::kTimestamp:
      case TypeKind::kTimestampLtz: return timestamp(type, path);
      case TypeKind::kArray:
      case TypeKind::kMap:
      case TypeKind::kMultiset: return list(type, name, path);
      case TypeKind::kRow: return record(type.names, type.children, name, path);
      case TypeKind::kNull:
      case TypeKind::kIntervalMonth:
      case TypeKind::kIntervalSecond: break;
    }
    return no(path, type, "");
  }

  Result<NodeIndex> timestamp(const LogicalType& type, const std::string& path) {
    const bool is_instant = type.kind == TypeKind::kTimestampLtz;
    if (options_.legacy_timestamps) {
      const char* const hint = "set avro.timestamp_mapping.legacy to false";
      if (is_instant) { return no(path, type, hint); }
      if (type.precision > 3) {
        return no(path, type, std::string("it has TIMESTAMP up to TIMESTAMP(3); ") + hint);
      }
      return add(Type::kLong, Logical::kTimestampMillis);
    }
    if (type.precision > 6) { return no(path, type, "it has points in time up to microseconds"); }
    const bool is_millis = type.precision <= 3;
    if (is_instant) {
      return add(Type::kLong, is_millis ? Logical::kTimestampMillis : Logical::kTimestampMicros);
    }
    return add(Type::kLong,
               is_millis ? Logical::kLocalTimestampMillis : Logical::kLocalTimestampMicros);
  }

  Result<NodeIndex> list(const LogicalType& type, const std::string& name,
                         const std::string& path) {
    const bool is_array = type.kind == TypeKind::kArray;
    if (!is_array && !type.children[0].is_character()) {
      return no(path, type, "keys of maps must be strings");
    }
    const LogicalType element = type.kind == TypeKind::kMultiset
                                    ? LogicalType::of(TypeKind::kInt, false)
                                    : type.children[is_array ? 0 : 1];
    TIDEWHEEL_ASSIGN_OR_RETURN(const NodeIndex child, value(element, name, path));
    return schema_.add(Node{.type = is_array ? Type::kArray : Type::kMap, .children = {child}});
  }

  const SqlSchemaOptions& options_;
  Schema schema_;
};

class TypeMaker {
 public:
  explicit TypeMaker(const Schema& schema) : schema_(schema) {}

  Result<LogicalType> type(NodeIndex index, int32_t depth) {
    const Node& node = schema_.node(index);
    if (depth > kDepthMax) { return no("a type that holds itself, or is nested too deeply"); }
    switch (node.type) {
      case Type::kNull: return no("null alone");
      case Type::kBoolean: return LogicalType::of(TypeKind::kBoolean, false);
      case Type::kInt:
      case Type::kLong: return whole(node);
      case Type::kFloat: return LogicalType::of(TypeKind::kFloat, false);
      case Type::kDouble: return LogicalType::of(TypeKind::kDouble, false);
      case Type::kBytes:
      case Type::kFixed: return binary(node);
      case Type::kString:
      case Type::kEnum: return LogicalType::string(false);
      case Type::kArray: {
        TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType element, type(node.children[0], depth + 1));
        return LogicalType::array(std::move(element), false);
      }
      case Type::kMap: {
        TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType value, type(node.children[0], depth + 1));
        return LogicalType::map(LogicalType::string(false), std::move(value), false);
      }
      case Type::kRecord: {
        std::vector<std::string> names;
        std::vector<LogicalType> types;
        for (const Field& field : node.fields) {
          names.push_back(field.name);
          TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType inner, type(field.type, depth + 1));
          types.push_back(std::move(inner));
        }
        if (names.empty()) { return no("a record without fields"); }
        return LogicalType::row(std::move(names), std::move(types), false);
      }
      case Type::kUnion: return optional(node, depth);
    }
    return no("this");
  }

 private:
  static constexpr int32_t kDepthMax = 32;

  static Status no(const std::string& what) {
    return invalid_argument(ErrorId::kFormatSchema, "schema of Avro: {} has no type in SQL", what);
  }
  Result<LogicalType> optional(const Node& node, int32_t depth) {
    NodeIndex inner = 0;
    size_t count = 0;
    for (const NodeIndex branch : node.children) {
      if (schema_.node(branch).type == Type::kNull) { continue; }
      inner = branch;
      ++count;
    }
    if (count != 1) { return no("a union of several types"); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const LogicalType made, type(inner, depth + 1));
    return made.as_nullable(node.children.size() == 2);
  }
  static LogicalType whole(const Node& node) {
    switch (node.logical) {
      case Logical::kDate: return LogicalType::of(TypeKind::kDate, false);
      case Logical::kTimeMillis: return LogicalType::with(TypeKind::kTime, 3, 0, false);
      case Logical::kTimeMicros: return LogicalType::with(TypeKind::kTime, 3, 0, false);
      case Logical::kTimestampMillis: return instant(TypeKind::kTimestampLtz, 3);
      case Logical::kTimestampMicros: return instant(TypeKind::kTimestampLtz, 6);
      case Logical::kTimestampNanos: return instant(TypeKind::kTimestampLtz, 9);
      case Logical::kLocalTimestampMillis: return instant(TypeKind::kTimestamp, 3);
      case Logical::kLocalTimestampMicros: return instant(TypeKind::kTimestamp, 6);
      case Logical::kLocalTimestampNanos: return instant(TypeKind::kTimestamp, 9);
      default:
        return LogicalType::of(node.type == Type::kInt ? TypeKind::kInt : TypeKind::kBigint, false);
    }
  }
  static LogicalType instant(TypeKind kind, int32_t precision) {
    return LogicalType::with(kind, precision, 0, false);
  }
  static LogicalType binary(const Node& node) {
    if (node.logical == Logical::kDecimal && node.precision <= LogicalType::kMaxDecimal) {
      return LogicalType::decimal(node.precision, node.scale, false);
    }
    return LogicalType::with(TypeKind::kVarbinary, LogicalType::kMaxLength, 0, false);
  }

  const Schema& schema_;
};

}  // namespace

Result<Schema> schema_of(const RowType& row, const SqlSchemaOptions& options) {
  return SchemaMaker(options).make(row);
}

Result<RowType> row_type_of(const Schema& schema) {
  if (schema.node(schema.root()).type != Type::kRecord) {
    return invalid_argument(ErrorId::kFormatSchema,
                            "schema of Avro: rows need a record, and it is {}",
                            type_name(schema.node(schema.root()).type));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const LogicalType type, TypeMaker(schema).type(schema.root(), 0));
  RowType row;
  for (size_t i = 0; i < type.names.size(); ++i) { row.add(type.names[i], type.children[i]); }
  return row;
}

}  // namespace tidewheel::avro
