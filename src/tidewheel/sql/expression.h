// The tree of an expression as it was written: names are not looked up, types not known. Trees are
// values, and compare by what they say. Copies and comparisons need query.h.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tidewheel/sql/box.h"
#include "tidewheel/sql/source_text.h"

namespace tidewheel::sql {

struct Query;  // query.h

struct Identifier {
  std::string name;
  Span span;
  friend bool operator==(const Identifier&, const Identifier&) = default;
};

// a, or a.b.c
struct Name {
  std::vector<Identifier> parts;
  Span span() const { return span_over(parts.front().span, parts.back().span); }
  friend bool operator==(const Name&, const Name&) = default;
};

enum class TimeUnit : uint8_t {
  kMillennium,
  kCentury,
  kDecade,
  kYear,
  kQuarter,
  kMonth,
  kWeek,
  kDay,
  kHour,
  kMinute,
  kSecond,
  kMillisecond,
  kMicrosecond,
  kNanosecond,
  kEpoch,
  kDow,
  kIsodow,
  kDoy,
  kIsoyear,
};

// YEAR, or DAY(3) TO SECOND(6).
struct IntervalUnits {
  TimeUnit from = TimeUnit::kDay;
  std::optional<TimeUnit> to;
  std::optional<int32_t> precision;  // of the first unit: digits
  std::optional<int32_t> fraction;   // digits of seconds
  friend bool operator==(const IntervalUnits&, const IntervalUnits&) = default;
};

// A type as it was written.
struct DataType {
  enum class Kind : uint8_t {
    kBoolean,
    kTinyint,
    kSmallint,
    kInt,
    kBigint,
    kFloat,
    kDouble,
    kDecimal,
    kChar,
    kVarchar,
    kString,  // VARCHAR of the greatest length
    kBinary,
    kVarbinary,
    kBytes,  // VARBINARY of the greatest length
    kDate,
    kTime,
    kTimestamp,
    kTimestampLtz,
    kInterval,
    kArray,     // of children[0]
    kMultiset,  // of children[0]
    kMap,       // from children[0] to children[1]
    kRow,       // of fields
    kRaw,       // of a class and its serializer, as texts
    kNamed,     // a user's type
  };
  struct Field {
    Identifier name;
    Box<DataType> type;
    std::optional<std::string> comment;
    friend bool operator==(const Field&, const Field&) = default;
  };

  Kind kind = Kind::kInt;
  bool not_null = false;
  std::optional<int32_t> precision;  // or length
  std::optional<int32_t> scale;      // of DECIMAL
  IntervalUnits units;               // of INTERVAL
  std::vector<DataType> children;
  std::vector<Field> fields;
  std::vector<std::string> texts;  // of RAW
  Name name;                       // of a user's type
  Span span;
  friend bool operator==(const DataType&, const DataType&) = default;
};

struct Expression;
using Expressions = std::vector<Expression>;

struct Literal {
  enum class Kind : uint8_t {
    kNull,
    kTrue,
    kFalse,
    kUnknown,
    kInteger,  // digits
    kDecimal,
    kDouble,
    kString,
    kBytes,
    kDate,       // DATE '2020-01-31'
    kTime,       // TIME '10:00:00'
    kTimestamp,  // TIMESTAMP '2020-01-31 10:00:00'
  };
  Kind kind = Kind::kNull;
  std::string text;  // a string without its quotes, bytes as they are
  friend bool operator==(const Literal&, const Literal&) = default;
};

// INTERVAL -'1 10' DAY TO HOUR
struct IntervalLiteral {
  bool negative = false;
  std::string text;
  IntervalUnits units;
  friend bool operator==(const IntervalLiteral&, const IntervalLiteral&) = default;
};

// A column, or fields of one: what the parts are is not known before names are looked up.
struct ColumnName {
  Name name;
  friend bool operator==(const ColumnName&, const ColumnName&) = default;
};

// *, or t.*
struct Star {
  std::optional<Name> of;
  friend bool operator==(const Star&, const Star&) = default;
};

struct Unary {
  enum class Op : uint8_t { kPlus, kMinus, kNot };
  Op op = Op::kNot;
  Box<Expression> operand;
  friend bool operator==(const Unary&, const Unary&) = default;
};

struct Binary {
  enum class Op : uint8_t {
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kModulo,
    kConcat,
    kEqual,
    kNotEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kDistinctFrom,     // IS DISTINCT FROM
    kNotDistinctFrom,  // IS NOT DISTINCT FROM
    kOverlaps,
  };
  Op op = Op::kEqual;
  Box<Expression> left;
  Box<Expression> right;
  friend bool operator==(const Binary&, const Binary&) = default;
};

// a AND b AND c: two operands or more. One that is of the same kind stood in parentheses.
struct Logical {
  bool is_and = true;
  Expressions operands;
  friend bool operator==(const Logical&, const Logical&);
};

// x IS [NOT] NULL, and the like.
struct Is {
  enum class Test : uint8_t {
    kNull,
    kTrue,
    kFalse,
    kUnknown,
    kJson,
    kJsonValue,
    kJsonObject,
    kJsonArray,
    kJsonScalar,
  };
  Test test = Test::kNull;
  bool negated = false;
  Box<Expression> operand;
  friend bool operator==(const Is&, const Is&) = default;
};

struct Between {
  bool negated = false;
  bool symmetric = false;
  Box<Expression> operand;
  Box<Expression> low;
  Box<Expression> high;
  friend bool operator==(const Between&, const Between&) = default;
};

struct Like {
  bool negated = false;
  bool similar = false;  // SIMILAR TO
  Box<Expression> operand;
  Box<Expression> pattern;
  std::optional<Box<Expression>> escape;
  friend bool operator==(const Like&, const Like&) = default;
};

// x IN (1, 2), or x IN (SELECT ...): then `list` is empty.
struct In {
  bool negated = false;
  Box<Expression> operand;
  Expressions list;
  std::optional<Box<Query>> query;
  friend bool operator==(const In&, const In&);
};

// x > ALL (SELECT ...), x = ANY (SELECT ...)
struct Quantified {
  Binary::Op op = Binary::Op::kEqual;
  bool all = false;
  Box<Expression> operand;
  Box<Query> query;
  friend bool operator==(const Quantified&, const Quantified&);
};

// EXISTS (SELECT ...), or a query in the place of a value.
struct Subquery {
  bool exists = false;
  Box<Query> query;
  friend bool operator==(const Subquery&, const Subquery&);
};

struct Case {
  struct Branch {
    Box<Expression> when;
    Box<Expression> then;
    friend bool operator==(const Branch&, const Branch&) = default;
  };
  std::optional<Box<Expression>> operand;  // CASE x WHEN 1
  std::vector<Branch> branches;
  std::optional<Box<Expression>> otherwise;
  friend bool operator==(const Case&, const Case&) = default;
};

// CAST(x AS t), TRY_CAST(x AS t)
struct Cast {
  bool is_try = false;
  Box<Expression> operand;
  DataType type;
  friend bool operator==(const Cast&, const Cast&) = default;
};

struct SortKey {
  Box<Expression> value;
  bool descending = false;
  std::optional<bool> nulls_first;  // as the direction has it, when it was not said
  friend bool operator==(const SortKey&, const SortKey&) = default;
};

struct FrameBound {
  enum class Kind : uint8_t {
    kUnboundedPreceding,
    kPreceding,
    kCurrentRow,
    kFollowing,
    kUnboundedFollowing,
  };
  Kind kind = Kind::kCurrentRow;
  std::optional<Box<Expression>> offset;
  friend bool operator==(const FrameBound&, const FrameBound&) = default;
};

// ROWS BETWEEN start AND end; `ROWS start` has no end.
struct Frame {
  bool by_rows = true;  // RANGE otherwise
  FrameBound start;
  std::optional<FrameBound> end;
  friend bool operator==(const Frame&, const Frame&) = default;
};

// (w PARTITION BY .. ORDER BY .. ROWS ..), or the name of a window alone, without parentheses.
struct WindowSpec {
  std::optional<Identifier> base;
  bool name_only = false;
  Expressions partition_by;
  std::vector<SortKey> order_by;
  std::optional<Frame> frame;
  friend bool operator==(const WindowSpec&, const WindowSpec&);
};

// f(a, DISTINCT b), SIZE => x, and what may stand behind the parentheses.
struct FunctionCall {
  struct Argument {
    std::optional<Identifier> name;  // name => value
    Box<Expression> value;
    friend bool operator==(const Argument&, const Argument&) = default;
  };
  enum class Nulls : uint8_t { kUnsaid, kRespect, kIgnore };

  Name name;
  bool has_parentheses = true;  // CURRENT_DATE has none
  bool distinct = false;
  std::vector<Argument> arguments;
  Nulls nulls = Nulls::kUnsaid;
  std::vector<SortKey> within_group;
  std::optional<Box<Expression>> filter;
  std::optional<WindowSpec> over;
  friend bool operator==(const FunctionCall&, const FunctionCall&) = default;
};

// Functions whose arguments are words of their own:
//   EXTRACT(unit FROM a)   CEIL(a TO unit)   FLOOR(a TO unit)   TIMESTAMPADD(unit, a, b)
//   TIMESTAMPDIFF(unit, a, b)   POSITION(a IN b)   TRIM([side] [a] FROM b)
//   SUBSTRING(a FROM b [FOR c])   OVERLAY(a PLACING b FROM c [FOR d])
struct SpecialCall {
  enum class Kind : uint8_t {
    kExtract,
    kCeil,
    kFloor,
    kTimestampAdd,
    kTimestampDiff,
    kPosition,
    kTrim,
    kSubstring,
    kOverlay,
  };
  enum class Side : uint8_t { kBoth, kLeading, kTrailing };
  Kind kind = Kind::kExtract;
  TimeUnit unit = TimeUnit::kDay;
  Side side = Side::kBoth;
  Expressions arguments;  // of TRIM: the text, then what is cut off, if it was said
  friend bool operator==(const SpecialCall&, const SpecialCall&);
};

// JSON_VALUE, JSON_QUERY, JSON_EXISTS, JSON_OBJECT, JSON_ARRAY and their aggregates.
struct JsonCall {
  enum class Kind : uint8_t {
    kValue,
    kQuery,
    kExists,
    kObject,
    kArray,
    kObjectAgg,
    kArrayAgg,
  };
  // What is given ON EMPTY or ON ERROR.
  enum class Instead : uint8_t {
    kNull,
    kError,
    kDefault,  // DEFAULT x
    kEmptyArray,
    kEmptyObject,
    kTrue,
    kFalse,
    kUnknown,
  };
  struct Handler {
    Instead instead = Instead::kNull;
    std::optional<Box<Expression>> value;
    friend bool operator==(const Handler&, const Handler&) = default;
  };
  enum class Wrapper : uint8_t { kUnsaid, kWithout, kConditional, kUnconditional };

  Kind kind = Kind::kValue;
  // Input and path; or keys and values in turn; or elements.
  Expressions arguments;
  std::optional<DataType> returning;
  std::optional<Handler> on_empty;
  std::optional<Handler> on_error;
  Wrapper wrapper = Wrapper::kUnsaid;
  std::optional<bool> null_on_null;  // NULL ON NULL; false: ABSENT ON NULL
  friend bool operator==(const JsonCall&, const JsonCall&);
};

// ROW(a, b) or (a, b); ARRAY[a, b]; MAP[k, v, ...]; MULTISET[a].
struct Constructor {
  enum class Kind : uint8_t { kRow, kArray, kMap, kMultiset };
  Kind kind = Kind::kRow;
  Expressions values;
  friend bool operator==(const Constructor&, const Constructor&);
};

// a[i]
struct Subscript {
  Box<Expression> of;
  Box<Expression> index;
  friend bool operator==(const Subscript&, const Subscript&) = default;
};

// f(x).b: a field of what is no column.
struct FieldAccess {
  Box<Expression> of;
  Identifier field;
  friend bool operator==(const FieldAccess&, const FieldAccess&) = default;
};

// TABLE t [PARTITION BY a] [ORDER BY b] as the argument of a function.
struct TableArgument {
  Name table;
  Expressions partition_by;
  std::vector<SortKey> order_by;
  friend bool operator==(const TableArgument&, const TableArgument&);
};

// DESCRIPTOR(a, b)
struct Descriptor {
  std::vector<Identifier> columns;
  friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

// GROUPING SETS, CUBE or ROLLUP of GROUP BY. An element of several expressions is a Constructor.
struct GroupingSets {
  enum class Kind : uint8_t { kSets, kCube, kRollup };
  Kind kind = Kind::kSets;
  Expressions elements;
  friend bool operator==(const GroupingSets&, const GroupingSets&);
};

struct Expression {
  using Node =
      std::variant<Literal, IntervalLiteral, ColumnName, Star, Unary, Binary, Logical, Is, Between,
                   Like, In, Quantified, Subquery, Case, Cast, FunctionCall, SpecialCall, JsonCall,
                   Constructor, Subscript, FieldAccess, TableArgument, Descriptor, GroupingSets>;
  Node node;
  Span span;
  friend bool operator==(const Expression&, const Expression&);
};

}  // namespace tidewheel::sql
