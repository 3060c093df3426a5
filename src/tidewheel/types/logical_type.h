// The types of SQL columns: what a column means (LogicalType), and how its values lie in memory
// (Physical). Plain values, compared by what they say.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidewheel {

enum class TypeKind : uint8_t {
  kNull,  // of the literal NULL alone
  kBoolean,
  kTinyint,
  kSmallint,
  kInt,
  kBigint,
  kFloat,
  kDouble,
  kDecimal,  // precision, scale
  kChar,     // precision: length in code points
  kVarchar,  // precision: greatest length; kMaxLength: STRING
  kBinary,
  kVarbinary,  // kMaxLength: BYTES
  kDate,
  kTime,            // precision
  kTimestamp,       // precision; without a zone
  kTimestampLtz,    // precision; an instant
  kIntervalMonth,   // YEAR TO MONTH
  kIntervalSecond,  // DAY TO SECOND
  kArray,           // children[0]
  kMultiset,        // children[0]
  kMap,             // children[0] to children[1]
  kRow,             // children, with their names
};

// How the values of a column lie in memory. Variable-size values are views: Text.
enum class Physical : uint8_t {
  kBool,  // a byte, 0 or 1
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kInt128,
  kFloat,
  kDouble,
  kText,  // types/text.h, into arenas of the batch
  kList,  // offsets into the elements (array), or into keys and counts or values (multiset, map)
  kStruct,
};

// Whether a column of timestamps is one by which rows go through time.
enum class TimeAttribute : uint8_t { kNone, kEvent, kProcessing };

struct LogicalType {
  static constexpr int32_t kMaxLength = 2147483647;
  static constexpr int32_t kMaxDecimal = 38;

  TypeKind kind = TypeKind::kNull;
  bool nullable = true;
  TimeAttribute time = TimeAttribute::kNone;
  int32_t precision = 0;
  int32_t scale = 0;
  std::vector<std::string> names;  // of a row's fields
  std::vector<LogicalType> children;

  static LogicalType of(TypeKind kind, bool nullable = true) { return with(kind, 0, 0, nullable); }
  static LogicalType with(TypeKind kind, int32_t precision, int32_t scale = 0,
                          bool nullable = true);
  static LogicalType decimal(int32_t precision, int32_t scale, bool nullable = true) {
    return with(TypeKind::kDecimal, precision, scale, nullable);
  }
  static LogicalType string(bool nullable = true) {
    return with(TypeKind::kVarchar, kMaxLength, 0, nullable);
  }
  static LogicalType array(LogicalType element, bool nullable = true);
  static LogicalType map(LogicalType key, LogicalType value, bool nullable = true);
  static LogicalType row(std::vector<std::string> names, std::vector<LogicalType> fields,
                         bool nullable = true);
  LogicalType as_nullable(bool is = true) const {
    LogicalType type = *this;
    type.nullable = is;
    return type;
  }

  Physical physical() const;
  bool is_integer() const { return kind >= TypeKind::kTinyint && kind <= TypeKind::kBigint; }
  bool is_approximate() const { return kind == TypeKind::kFloat || kind == TypeKind::kDouble; }
  bool is_numeric() const { return kind >= TypeKind::kTinyint && kind <= TypeKind::kDecimal; }
  bool is_character() const { return kind == TypeKind::kChar || kind == TypeKind::kVarchar; }
  bool is_bytes() const { return kind == TypeKind::kBinary || kind == TypeKind::kVarbinary; }
  bool is_timestamp() const {
    return kind == TypeKind::kTimestamp || kind == TypeKind::kTimestampLtz;
  }
  bool is_interval() const {
    return kind == TypeKind::kIntervalMonth || kind == TypeKind::kIntervalSecond;
  }
  // How many of the units in which timestamps of this precision are kept make a second: 1,000 up to
  // 3 digits, 1,000,000 up to 6, else 1,000,000,000.
  int64_t units_per_second() const {
    return precision <= 3 ? 1'000 : precision <= 6 ? 1'000'000 : 1'000'000'000;
  }

  // As SQL writes it: "DECIMAL(10, 2) NOT NULL", "ROW<`a` INT, `b` STRING>".
  std::string to_string() const;

  // Equal but for nullability and the time attribute, at all depths.
  bool same_type(const LogicalType& other) const;
  friend bool operator==(const LogicalType&, const LogicalType&) = default;
};

// The columns of a table or of a plan's node.
struct RowType {
  std::vector<std::string> names;
  std::vector<LogicalType> types;

  size_t size() const { return types.size(); }
  void add(std::string name, LogicalType type) {
    names.push_back(std::move(name));
    types.push_back(std::move(type));
  }
  // size() when there is none.
  size_t find(std::string_view name) const;
  friend bool operator==(const RowType&, const RowType&) = default;
};

// Bytes of a fixed-size value, and of a Text; 0 for lists and structs.
size_t physical_bytes(Physical physical);

}  // namespace tidewheel
