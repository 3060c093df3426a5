// One value of SQL, by itself: literals, and what is folded at planning time. Columns hold values
// in bulk (types/column.h).
#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "tidewheel/types/decimal.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

// In the physical form of its type: truth values and integers of all widths, dates, times,
// timestamps and intervals as int64; decimals as their unscaled number, Int128 in all precisions;
// FLOAT and DOUBLE as double; strings and bytes as std::string; arrays and rows as a list; maps as
// a list of keys and values in turn.
struct Datum {
  using List = std::vector<Datum>;
  std::variant<std::monostate, int64_t, Int128, double, std::string, List> value;

  bool is_null() const { return value.index() == 0; }
  int64_t integer() const { return std::get<int64_t>(value); }
  Int128 decimal() const { return std::get<Int128>(value); }
  double real() const { return std::get<double>(value); }
  const std::string& text() const { return std::get<std::string>(value); }
  const List& list() const { return std::get<List>(value); }
  bool truth() const { return integer() != 0; }
  friend bool operator==(const Datum&, const Datum&) = default;
};

}  // namespace tidewheel::sql
