// The tree of a query as it was written.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tidewheel/sql/box.h"
#include "tidewheel/sql/expression.h"

namespace tidewheel::sql {

// 'key' = 'value', where options are.
struct Option {
  std::string key;
  std::string value;
  Span key_span;
  Span value_span;
  friend bool operator==(const Option&, const Option&) = default;
};

// OPTIONS('k'='v'), LOOKUP(...), BROADCAST(t): options, or words.
struct Hint {
  Identifier name;
  std::vector<Option> options;
  std::vector<Identifier> words;
  friend bool operator==(const Hint&, const Hint&) = default;
};

// [AS] t [(a, b)]
struct Alias {
  Identifier name;
  std::vector<Identifier> columns;
  friend bool operator==(const Alias&, const Alias&) = default;
};

struct TableReference;

// t /*+ OPTIONS(..) */ FOR SYSTEM_TIME AS OF x; a file where `is_file`: FROM 'flights.csv'.
struct NamedTable {
  Name name;
  bool is_file = false;
  std::vector<Hint> hints;
  std::optional<Expression> as_of;
  friend bool operator==(const NamedTable&, const NamedTable&) = default;
};

struct DerivedTable {
  bool lateral = false;
  Box<Query> query;
  friend bool operator==(const DerivedTable&, const DerivedTable&);
};

// [LATERAL] TABLE(f(x)); the call is a FunctionCall.
struct FunctionTable {
  bool lateral = false;
  Expression call;
  friend bool operator==(const FunctionTable&, const FunctionTable&) = default;
};

struct UnnestTable {
  Expressions values;
  bool with_ordinality = false;
  friend bool operator==(const UnnestTable&, const UnnestTable&) = default;
};

struct Join {
  enum class Kind : uint8_t { kInner, kLeft, kRight, kFull, kCross, kComma };
  Kind kind = Kind::kInner;
  bool natural = false;
  Box<TableReference> left;
  Box<TableReference> right;
  std::optional<Expression> on;
  std::vector<Identifier> using_columns;
  friend bool operator==(const Join&, const Join&);
};

// A pattern of rows.
struct RowPattern {
  enum class Kind : uint8_t {
    kVariable,
    kSequence,  // one behind the other
    kOneOf,     // a | b
    kPermute,
    kExclude,  // {- a -}
  };
  struct Quantifier {
    int64_t least = 1;
    std::optional<int64_t> most;  // none: no limit
    bool reluctant = false;
    friend bool operator==(const Quantifier&, const Quantifier&) = default;
  };
  Kind kind = Kind::kVariable;
  Identifier variable;
  std::vector<RowPattern> parts;
  std::optional<Quantifier> quantifier;
  friend bool operator==(const RowPattern&, const RowPattern&) = default;
};

struct MatchRecognize {
  enum class Skip : uint8_t { kUnsaid, kPastLastRow, kToNextRow, kToFirst, kToLast };
  struct Measure {
    Expression value;
    Identifier name;
    friend bool operator==(const Measure&, const Measure&) = default;
  };
  struct Definition {
    Identifier variable;
    Expression condition;
    friend bool operator==(const Definition&, const Definition&) = default;
  };
  Box<TableReference> input;
  Expressions partition_by;
  std::vector<SortKey> order_by;
  std::vector<Measure> measures;
  std::optional<bool> all_rows;  // ALL ROWS PER MATCH; false: ONE ROW PER MATCH
  Skip skip = Skip::kUnsaid;
  std::optional<Identifier> skip_to;
  RowPattern pattern;
  std::optional<IntervalLiteral> within;
  std::vector<Definition> definitions;
  friend bool operator==(const MatchRecognize&, const MatchRecognize&);
};

struct TableReference {
  std::variant<NamedTable, DerivedTable, FunctionTable, UnnestTable, Join, MatchRecognize> node;
  std::optional<Alias> alias;
  Span span;
  friend bool operator==(const TableReference&, const TableReference&) = default;
};

struct SelectItem {
  Expression value;
  std::optional<Identifier> alias;
  friend bool operator==(const SelectItem&, const SelectItem&) = default;
};

struct NamedWindow {
  Identifier name;
  WindowSpec window;
  friend bool operator==(const NamedWindow&, const NamedWindow&) = default;
};

struct Select {
  std::vector<Hint> hints;
  bool distinct = false;
  std::vector<SelectItem> items;
  std::optional<TableReference> from;
  std::optional<Expression> where;
  std::optional<Expressions> group_by;  // GROUP BY () has an empty row
  std::optional<Expression> having;
  std::vector<NamedWindow> windows;
  friend bool operator==(const Select&, const Select&) = default;
};

// Rows are Constructors; a value that is none is a row of one column.
struct Values {
  Expressions rows;
  friend bool operator==(const Values&, const Values&) = default;
};

struct SetOperation {
  enum class Kind : uint8_t { kUnion, kIntersect, kExcept };
  Kind kind = Kind::kUnion;
  bool all = false;
  Box<Query> left;
  Box<Query> right;
  friend bool operator==(const SetOperation&, const SetOperation&);
};

// TABLE t
struct TableQuery {
  Name table;
  friend bool operator==(const TableQuery&, const TableQuery&) = default;
};

// (SELECT .. LIMIT 2), where more is said behind it.
struct NestedQuery {
  Box<Query> query;
  friend bool operator==(const NestedQuery&, const NestedQuery&);
};

struct CommonTable {
  Identifier name;
  std::vector<Identifier> columns;
  Box<Query> query;
  friend bool operator==(const CommonTable&, const CommonTable&);
};

// What WITH, ORDER BY and LIMIT say of a body.
struct Query {
  std::vector<CommonTable> with;
  std::variant<Select, Values, SetOperation, TableQuery, NestedQuery> body;
  std::vector<SortKey> order_by;
  std::optional<Expression> offset;
  std::optional<Expression> limit;
  Span span;
  friend bool operator==(const Query&, const Query&) = default;
  // Whether it is a body only.
  bool is_plain() const {
    return with.empty() && order_by.empty() && !offset.has_value() && !limit.has_value();
  }
};

}  // namespace tidewheel::sql
