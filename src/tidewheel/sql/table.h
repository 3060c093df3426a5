// A table in a C++ job: what a query gives, or a table or view by its name. Tables are made of
// tables by calls that stand for the clauses of SQL:
//
//   env.table("bid").where(col("price") > 10).group_by("auction").select("auction", count_all())
//
// One becomes part of the job when its rows are asked for: by `as`, `insert_into` or `print`.
#pragma once
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/api/stream.h"
#include "tidewheel/sql/expr.h"
#include "tidewheel/sql/row_mapping.h"
#include "tidewheel/sql/typed_rows.h"

namespace tidewheel {

namespace sql {

struct Expression;  // sql/expression.h
struct QueryDraft;  // sql/query_draft.h

// Columns that are the fields of a C++ type, in their order.
struct TypedRows {
  Stream<ColumnRow> rows;
  RowsTime time;
  std::vector<std::string> names;
  int32_t parallelism = 0;  // not 0: the rows would overtake each other with more
};
TypedRows typed_rows(const QueryDraft& draft, const RowShape& shape, std::source_location where);

}  // namespace sql

class GroupedTable;

// A cheap value. Belongs to its environment, which outlives it. Mistakes are reported when the job
// is run.
class Table {
 public:
  explicit Table(std::shared_ptr<const sql::QueryDraft> draft);
  ~Table();
  Table(const Table&);
  Table(Table&&) noexcept;
  Table& operator=(const Table&);
  Table& operator=(Table&&) noexcept;

  // Its rows as T. Each column has to have a field of its name, and each field a column, whose type
  // goes into the field's without loss, and which may only be NULL where the field is an optional;
  // a pair, a tuple or a single value takes columns by position. A query whose rows may change
  // afterwards gives a Stream<tw::Change<U>>: as<tw::Change<U>>(). Rows have the time of the event
  // time column, if there is one.
  template <class T>
  Stream<T> as(std::source_location where = std::source_location::current()) const {
    sql::RowShape shape = sql::row_shape<T>();
    sql::TypedRows typed = sql::typed_rows(*draft_, shape, where);
    GraphNode node;
    node.name = "as " + shape.name;
    node.parallelism = typed.parallelism;
    return typed.rows.template add_node<T>(
        std::move(node), [time = typed.time,
                          names = std::move(typed.names)](std::shared_ptr<const NodeLinks> links) {
          return std::make_unique<sql::ColumnsToRows<T>>(time, names, std::move(links));
        });
  }

  // Writes its rows into a table. `name` is written as in SQL: t, or catalog.database.t.
  void insert_into(std::string_view name,
                   std::source_location where = std::source_location::current()) const;
  // Prints each row on a line, with what happens to it: +I[1, a].
  void print(std::source_location where = std::source_location::current()) const;
  void print(std::string_view prefix,
             std::source_location where = std::source_location::current()) const;

  // ---- Tables of it. Names of columns are found as in SQL; `named` gives a table the name by
  // which its columns are told from another's: `bids.named("b").join(..)`, col("b.price").

  Table named(std::string_view name,
              std::source_location where = std::source_location::current()) const;
  template <class... Items>
  Table select(const LocatedItem& first, const Items&... others) const {
    return select_items({first.item, Item(others)...}, first.where, false);
  }
  // All columns, and more.
  template <class... Items>
  Table add_columns(const LocatedItem& first, const Items&... others) const {
    return select_items({first.item, Item(others)...}, first.where, true);
  }
  Table where(const Expr& condition,
              std::source_location where = std::source_location::current()) const;
  template <class... Items>
  GroupedTable group_by(const Items&... keys) const;
  // Puts rows into windows: with the columns window_start, window_end and window_time.
  Table window(const Tumble& window,
               std::source_location where = std::source_location::current()) const;
  Table window(const Hop& window,
               std::source_location where = std::source_location::current()) const;
  Table window(const Cumulate& window,
               std::source_location where = std::source_location::current()) const;
  Table window(const SessionWindow& window,
               std::source_location where = std::source_location::current()) const;

  Table join(const Table& other, const Expr& on,
             std::source_location where = std::source_location::current()) const {
    return join_with(other, &on, JoinType::kInner, where);
  }
  Table left_join(const Table& other, const Expr& on,
                  std::source_location where = std::source_location::current()) const {
    return join_with(other, &on, JoinType::kLeft, where);
  }
  Table right_join(const Table& other, const Expr& on,
                   std::source_location where = std::source_location::current()) const {
    return join_with(other, &on, JoinType::kRight, where);
  }
  Table full_join(const Table& other, const Expr& on,
                  std::source_location where = std::source_location::current()) const {
    return join_with(other, &on, JoinType::kFull, where);
  }
  Table cross_join(const Table& other,
                   std::source_location where = std::source_location::current()) const {
    return join_with(other, nullptr, JoinType::kCross, where);
  }

  Table distinct(std::source_location where = std::source_location::current()) const;
  // UNION ALL, UNION, and so on, of tables whose columns have the same types by position.
  Table union_all(const Table& other,
                  std::source_location where = std::source_location::current()) const {
    return combined(other, SetType::kUnion, true, where);
  }
  Table union_distinct(const Table& other,
                       std::source_location where = std::source_location::current()) const {
    return combined(other, SetType::kUnion, false, where);
  }
  Table intersect(const Table& other,
                  std::source_location where = std::source_location::current()) const {
    return combined(other, SetType::kIntersect, false, where);
  }
  Table intersect_all(const Table& other,
                      std::source_location where = std::source_location::current()) const {
    return combined(other, SetType::kIntersect, true, where);
  }
  Table except(const Table& other,
               std::source_location where = std::source_location::current()) const {
    return combined(other, SetType::kExcept, false, where);
  }
  Table except_all(const Table& other,
                   std::source_location where = std::source_location::current()) const {
    return combined(other, SetType::kExcept, true, where);
  }

  // `order_by(col("price").desc(), "auction")`
  template <class... Keys>
  Table order_by(const LocatedSortBy& first, const Keys&... others) const {
    return order_by_keys({first.key, SortBy(others)...}, first.where);
  }
  Table limit(int64_t rows, int64_t offset = 0,
              std::source_location where = std::source_location::current()) const;

  // The query as SQL.
  std::string to_sql() const;
  // Names and types of its columns. Errors: those of the query.
  Result<RowType> row_type() const;
  // The plan, as EXPLAIN shows it.
  Result<std::string> explain() const;

 private:
  friend class Expr;
  friend class GroupedTable;
  enum class JoinType : uint8_t { kInner, kLeft, kRight, kFull, kCross };
  enum class SetType : uint8_t { kUnion, kIntersect, kExcept };
  Table select_items(const std::vector<Item>& items, std::source_location where,
                     bool keeps_all) const;
  Table join_with(const Table& other, const Expr* on, JoinType type,
                  std::source_location where) const;
  Table combined(const Table& other, SetType type, bool all, std::source_location where) const;
  Table order_by_keys(const std::vector<SortBy>& keys, std::source_location where) const;
  static Expr sql_condition(const sql::Expression& tree);

  std::shared_ptr<const sql::QueryDraft> draft_;
};

// What `group_by` gives. Without keys all rows are one group.
class GroupedTable {
 public:
  GroupedTable(Table table, std::vector<Item> keys);
  // Only groups for which it is true.
  GroupedTable having(const Expr& condition) const;
  // Keys, and aggregates of each group's rows.
  template <class... Items>
  Table select(const LocatedItem& first, const Items&... others) const {
    return select_items({first.item, Item(others)...}, first.where);
  }

 private:
  Table select_items(const std::vector<Item>& items, std::source_location where) const;

  Table table_;
  std::vector<Item> keys_;
  std::optional<Expr> having_;
};

template <class... Items>
GroupedTable Table::group_by(const Items&... keys) const {
  return GroupedTable(*this, {Item(keys)...});
}

}  // namespace tidewheel
