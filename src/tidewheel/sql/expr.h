// Expressions of SQL, written in C++: `col("price") * 2 > 10`. They are the trees that the parser
// makes, so that they mean the same, and are printed as SQL where they are wrong.
#pragma once
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/types/time.h"

namespace tidewheel {

class SortBy;
class Table;  // sql/table.h
struct Over;

namespace sql {
struct ExprNode;  // sql/expr_node.h
}

// A cheap value. What is wrong with it is said when a table is made with it.
class Expr {
 public:
  // Literals.
  template <class T>
  requires std::is_arithmetic_v<T> Expr(T value)  // NOLINT: implicit, as all of these
      : Expr(literal(value)) {
    static_assert(!std::is_same_v<T, char>,
                  "a char may be a number or a letter: use int8_t, or a string");
  }
  Expr(const char* text) : Expr(std::string_view(text)) {}         // NOLINT
  Expr(const std::string& text) : Expr(std::string_view(text)) {}  // NOLINT
  Expr(std::string_view text);                                     // NOLINT
  Expr(std::nullptr_t);                                            // NOLINT: NULL
  Expr(Timestamp at);                                              // NOLINT
  Expr(LocalTimestamp at);                                         // NOLINT
  Expr(Date day);                                                  // NOLINT
  template <class Rep, class Period>
  Expr(std::chrono::duration<Rep, Period> length)  // NOLINT: INTERVAL
      : Expr(interval(to_ms(length))) {}

  explicit Expr(std::shared_ptr<const sql::ExprNode> node);
  ~Expr();
  Expr(const Expr&);
  Expr(Expr&&) noexcept;
  Expr& operator=(const Expr&);
  Expr& operator=(Expr&&) noexcept;

  // The name of the column that it makes: x AS name.
  Expr as(std::string_view name) const;
  // CAST and TRY_CAST to a type as SQL writes it: "DECIMAL(10, 2)".
  Expr cast(std::string_view type) const;
  Expr try_cast(std::string_view type) const;

  Expr is_null() const;
  Expr is_not_null() const;
  Expr is_distinct_from(const Expr& other) const;
  Expr between(const Expr& low, const Expr& high) const;
  Expr like(std::string_view pattern) const;
  Expr in(const std::vector<Expr>& values) const;
  Expr in(const Table& table) const;  // of one column
  // A field of a row, and an element of an array (from 1) or map.
  Expr field(std::string_view name) const;
  Expr at(const Expr& index) const;

  // ---- Aggregates of a group, or with `over` of the rows around each row.
  Expr count() const;
  Expr sum() const;
  Expr avg() const;
  Expr min() const;
  Expr max() const;
  Expr first_value() const;
  Expr last_value() const;
  // Of an aggregate: over values that differ; over rows for which a condition is true.
  Expr distinct() const;
  Expr filter(const Expr& condition) const;
  Expr over(const Over& rows) const;

  SortBy asc() const;
  SortBy desc() const;

  const sql::ExprNode& node() const { return *node_; }
  // As SQL.
  std::string to_sql() const;

 private:
  template <class T>
  static Expr literal(T value) {
    if constexpr (std::is_same_v<T, bool>) {
      return truth(value);
    } else if constexpr (std::is_floating_point_v<T>) {
      return real(value);
    } else if constexpr (std::is_unsigned_v<T>) {
      return natural(value);
    } else {
      return whole(value);
    }
  }
  static Expr truth(bool value);
  static Expr real(double value);
  static Expr natural(uint64_t value);
  static Expr whole(int64_t value);
  static Expr interval(int64_t ms);

  std::shared_ptr<const sql::ExprNode> node_;
};

// A column by its name: "price", or "b.price" of the table that is named b; `..` around a part that
// has a dot.
Expr col(std::string_view name);
// A constant, where nothing else says that it is an expression.
inline Expr lit(Expr value) { return value; }
// Any expression as SQL writes it: "EXTRACT(YEAR FROM at)".
Expr sql_expr(std::string_view text);
// A function by its name.
Expr call_function(std::string_view name, const std::vector<Expr>& arguments);
template <class... Arguments>
Expr call(std::string_view name, const Arguments&... arguments) {
  return call_function(name, {Expr(arguments)...});
}
Expr count_all();   // COUNT(*)
Expr row_number();  // with `over`
// CASE WHEN condition THEN a ELSE b END
Expr if_else(const Expr& condition, const Expr& then, const Expr& otherwise);

Expr operator+(const Expr& a, const Expr& b);
Expr operator-(const Expr& a, const Expr& b);
Expr operator*(const Expr& a, const Expr& b);
Expr operator/(const Expr& a, const Expr& b);
Expr operator%(const Expr& a, const Expr& b);
Expr operator-(const Expr& a);
Expr operator==(const Expr& a, const Expr& b);
Expr operator!=(const Expr& a, const Expr& b);
Expr operator<(const Expr& a, const Expr& b);
Expr operator<=(const Expr& a, const Expr& b);
Expr operator>(const Expr& a, const Expr& b);
Expr operator>=(const Expr& a, const Expr& b);
Expr operator&&(const Expr& a, const Expr& b);
Expr operator||(const Expr& a, const Expr& b);
Expr operator!(const Expr& a);

// What a table is made of: an expression, or the name of a column. "*" is all columns.
class Item {
 public:
  Item(Expr expression) : expression_(std::move(expression)) {}        // NOLINT: implicit
  Item(const char* column) : Item(std::string_view(column)) {}         // NOLINT
  Item(const std::string& column) : Item(std::string_view(column)) {}  // NOLINT
  Item(std::string_view column);                                       // NOLINT
  const Expr& expression() const { return expression_; }

 private:
  Expr expression_;
};

// With the place of the call that it is an argument of.
struct LocatedItem {
  template <class T>
  requires std::constructible_from<Item, T> LocatedItem(  // NOLINT: implicit
      T&& from, std::source_location at = std::source_location::current())
      : item(std::forward<T>(from)), where(at) {}
  Item item;
  std::source_location where;
};

class SortBy {
 public:
  SortBy(Expr value) : value_(std::move(value)) {}                          // NOLINT: implicit
  SortBy(const char* column) : value_(Item(column).expression()) {}         // NOLINT
  SortBy(const std::string& column) : value_(Item(column).expression()) {}  // NOLINT
  SortBy descending() const;
  SortBy nulls_first() const;
  SortBy nulls_last() const;

  const Expr& value() const { return value_; }
  bool is_descending() const { return descending_; }
  std::optional<bool> are_nulls_first() const { return nulls_first_; }

 private:
  Expr value_;
  bool descending_ = false;
  std::optional<bool> nulls_first_;
};

struct LocatedSortBy {
  template <class T>
  requires std::constructible_from<SortBy, T> LocatedSortBy(  // NOLINT: implicit
      T&& from, std::source_location at = std::source_location::current())
      : key(std::forward<T>(from)), where(at) {}
  SortBy key;
  std::source_location where;
};

// `col("price").avg().over({.partition_by = {"auction"}, .order_by = {"at"}, .rows = 10})`: the
// rows from so many before a row up to it; without `rows` and `range` all that were before it.
struct Over {
  std::vector<Item> partition_by = {};
  std::vector<SortBy> order_by = {};
  std::optional<int64_t> rows = {};
  std::optional<Duration> range = {};
};

// ---- Windows of tables, by the column `on` of time; `Table::window`.

struct Tumble {
  std::string on;
  Duration size{0};
  Duration offset{0};
};
struct Hop {
  std::string on;
  Duration size{0};
  Duration slide{0};
  Duration offset{0};
};
struct Cumulate {
  std::string on;
  Duration size{0};  // of the largest window
  Duration step{0};
  Duration offset{0};
};
struct SessionWindow {
  std::string on;
  Duration gap{0};
  std::vector<std::string> partition_by = {};
};

}  // namespace tidewheel
