// A row of a table that is updated: what a query gives whose rows may change after they were given.
#pragma once
#include <string_view>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/types/print.h"

namespace tidewheel {

// `Stream<tw::Change<T>>` is a table of T. An update is what the row was before, then what it is.
template <class T>
struct Change {
  RowKind kind = RowKind::kInsert;
  T row{};
  friend bool operator==(const Change&, const Change&) = default;
};

template <>
struct enum_names<RowKind> {
  static constexpr std::pair<RowKind, std::string_view> value[] = {{RowKind::kInsert, "+I"},
                                                                   {RowKind::kUpdateBefore, "-U"},
                                                                   {RowKind::kUpdateAfter, "+U"},
                                                                   {RowKind::kDelete, "-D"}};
};

}  // namespace tidewheel
