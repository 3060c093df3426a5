// Which types go together.
#include <arrow/type.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tidewheel/formats/parquet/columns.h"

namespace tidewheel::parquet_format {
namespace {

Status no_type(const std::string& path, const arrow::DataType& type) {
  return invalid_argument(ErrorId::kFormatSchema,
                          "Parquet: column '{}' of type {} has no type in SQL", path,
                          type.ToString());
}

int32_t digits_of(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND: return 0;
    case arrow::TimeUnit::MILLI: return 3;
    case arrow::TimeUnit::MICRO: return 6;
    case arrow::TimeUnit::NANO: return 9;
  }
  return 9;
}

Result<LogicalType> plain_type(const arrow::DataType& type, const std::string& path) {
  switch (type.id()) {
    case arrow::Type::BOOL: return LogicalType::of(TypeKind::kBoolean);
    case arrow::Type::INT8: return LogicalType::of(TypeKind::kTinyint);
    case arrow::Type::INT16:
    case arrow::Type::UINT8: return LogicalType::of(TypeKind::kSmallint);
    case arrow::Type::INT32:
    case arrow::Type::UINT16: return LogicalType::of(TypeKind::kInt);
    case arrow::Type::INT64:
    case arrow::Type::UINT32: return LogicalType::of(TypeKind::kBigint);
    case arrow::Type::UINT64: return LogicalType::decimal(20, 0);
    case arrow::Type::FLOAT: return LogicalType::of(TypeKind::kFloat);
    case arrow::Type::DOUBLE: return LogicalType::of(TypeKind::kDouble);
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING: return LogicalType::string();
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::FIXED_SIZE_BINARY:
      return LogicalType::with(TypeKind::kVarbinary, LogicalType::kMaxLength);
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128: {
      const auto& decimal = static_cast<const arrow::DecimalType&>(type);
      if (decimal.scale() < 0) { return no_type(path, type); }
      return LogicalType::decimal(decimal.precision(), decimal.scale());
    }
    case arrow::Type::DATE32: return LogicalType::of(TypeKind::kDate);
    case arrow::Type::TIME32:
    case arrow::Type::TIME64: return LogicalType::with(TypeKind::kTime, 3);
    case arrow::Type::TIMESTAMP: {
      const auto& time = static_cast<const arrow::TimestampType&>(type);
      return LogicalType::with(
          time.timezone().empty() ? TypeKind::kTimestamp : TypeKind::kTimestampLtz,
          digits_of(time.unit()));
    }
    default: return no_type(path, type);
  }
}

}  // namespace

Result<LogicalType> type_of(const arrow::Field& field, const std::string& path) {
  constexpr size_t kPathMax = 4096;
  const arrow::DataType& type = *field.type();
  if (path.size() > kPathMax) { return no_type(path, type); }
  LogicalType made;
  switch (type.id()) {
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryType&>(type);
      TIDEWHEEL_ASSIGN_OR_RETURN(made, plain_type(*dictionary.value_type(), path));
      break;
    }
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST: {
      TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType element, type_of(*type.field(0), path + "[]"));
      made = LogicalType::array(std::move(element));
      break;
    }
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(type);
      TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType key, type_of(*map.key_field(), path + ".key"));
      TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType value, type_of(*map.item_field(), path + ".value"));
      made = LogicalType::map(std::move(key), std::move(value));
      break;
    }
    case arrow::Type::STRUCT: {
      std::vector<std::string> names;
      std::vector<LogicalType> types;
      for (const auto& child : type.fields()) {
        names.push_back(child->name());
        TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType inner, type_of(*child, path + "." + child->name()));
        types.push_back(std::move(inner));
      }
      if (names.empty()) { return no_type(path, type); }
      made = LogicalType::row(std::move(names), std::move(types));
      break;
    }
    default: {
      TIDEWHEEL_ASSIGN_OR_RETURN(made, plain_type(type, path));
      break;
    }
  }
  return made.as_nullable(field.nullable());
}

namespace {

Result<std::shared_ptr<arrow::DataType>> arrow_type(const LogicalType& type,
                                                    const std::string& path) {
  switch (type.kind) {
    case TypeKind::kBoolean: return arrow::boolean();
    case TypeKind::kTinyint: return arrow::int8();
    case TypeKind::kSmallint: return arrow::int16();
    case TypeKind::kInt: return arrow::int32();
    case TypeKind::kBigint: return arrow::int64();
    case TypeKind::kFloat: return arrow::float32();
    case TypeKind::kDouble: return arrow::float64();
    case TypeKind::kDecimal: return arrow::decimal128(type.precision, type.scale);
    case TypeKind::kChar:
    case TypeKind::kVarchar: return arrow::utf8();
    case TypeKind::kBinary:
    case TypeKind::kVarbinary: return arrow::binary();
    case TypeKind::kDate: return arrow::date32();
    case TypeKind::kTime: return arrow::time32(arrow::TimeUnit::MILLI);
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz: {
      const auto unit = type.precision <= 3   ? arrow::TimeUnit::MILLI
                        : type.precision <= 6 ? arrow::TimeUnit::MICRO
                                              : arrow::TimeUnit::NANO;
      return type.kind == TypeKind::kTimestamp ? arrow::timestamp(unit)
                                               : arrow::timestamp(unit, "UTC");
    }
    case TypeKind::kArray: {
      TIDEWHEEL_ASSIGN_OR_RETURN(auto element, field_of("element", type.children[0], path + "[]"));
      return arrow::list(std::move(element));
    }
    case TypeKind::kMap:
    case TypeKind::kMultiset: {
      TIDEWHEEL_ASSIGN_OR_RETURN(
          auto key, field_of("key", type.children[0].as_nullable(false), path + ".key"));
      const LogicalType count = LogicalType::of(TypeKind::kInt, false);
      TIDEWHEEL_ASSIGN_OR_RETURN(
          auto value, field_of("value", type.kind == TypeKind::kMap ? type.children[1] : count,
                               path + ".value"));
      return std::static_pointer_cast<arrow::DataType>(
          std::make_shared<arrow::MapType>(std::move(key), std::move(value)));
    }
    case TypeKind::kRow: {
      std::vector<std::shared_ptr<arrow::Field>> fields;
      for (size_t i = 0; i < type.names.size(); ++i) {
        TIDEWHEEL_ASSIGN_OR_RETURN(
            auto field, field_of(type.names[i], type.children[i], path + "." + type.names[i]));
        fields.push_back(std::move(field));
      }
      return arrow::struct_(std::move(fields));
    }
    default: break;
  }
  return invalid_argument(ErrorId::kSqlType,
                          "the format parquet has no form for column '{}' of type {}", path,
                          type.to_string());
}

}  // namespace

Result<std::shared_ptr<arrow::Field>> field_of(const std::string& name, const LogicalType& type,
                                               const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::shared_ptr<arrow::DataType> made, arrow_type(type, path));
  return arrow::field(name, std::move(made), type.nullable);
}

}  // namespace tidewheel::parquet_format
