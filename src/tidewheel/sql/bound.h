// Expressions whose names are looked up and whose types are known. Trees are values; parts that are
// equal compare equal, which is how common ones are found.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/sql/datum.h"
#include "tidewheel/sql/source_text.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

class ScalarFunction;  // sql/functions.h
// Shared by all expressions that call it: a job goes on when its session has dropped the function.
using FunctionRef = std::shared_ptr<const ScalarFunction>;

struct Bound {
  enum class Kind : uint8_t {
    kColumn,   // `column` of the input
    kOuter,    // `column` of the query around this one: gone when a query is bound
    kLiteral,  // `literal`
    kCall,     // `function` of `arguments`
    kCase,     // when, then, when, then, .., else: an odd number of arguments
    kAnd,      // of two or more truth values
    kOr,
    kCast,      // arguments[0] to `type`; an error when it can't be
    kTryCast,   // the same, NULL when it can't be
    kCoalesce,  // the first that is not NULL; all have the type of the result
    kField,     // field `column` of a row
  };
  Kind kind = Kind::kLiteral;
  LogicalType type;
  int32_t column = -1;
  int32_t level = 0;  // of kOuter: how many queries are around the one that has the column
  Datum literal;
  FunctionRef function;
  std::vector<Bound> arguments;
  Span span;  // where it was written; not compared

  static Bound of_column(int32_t index, LogicalType type, Span span = {});
  static Bound of_literal(Datum value, LogicalType type, Span span = {});
  bool is_literal() const { return kind == Kind::kLiteral; }
  bool is_null_literal() const { return is_literal() && literal.is_null(); }
};

bool operator==(const Bound& a, const Bound& b);

}  // namespace tidewheel::sql
