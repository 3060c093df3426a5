// What accumulators of numbers are made of: arguments and results in the widest type of their kind,
// and what is done with values. For their .cc files.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/accumulator.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/schema.h"

namespace tidewheel::sql {

template <class W>
constexpr bool kHasWide = std::is_same_v<W, int64_t> || std::is_same_v<W, double> ||
                          std::is_same_v<W, Int128> || std::is_same_v<W, Text>;

template <class W, class T>
constexpr bool kConverts = std::is_same_v<W, Text> == std::is_same_v<T, Text>;

// The values of some rows side by side; the column's own memory when they lie there so already.
template <class W>
const W* wide_values(const ColumnView& column, Physical physical, const AccumulatorInput& input,
                     std::vector<W>& scratch) {
  const std::span<const uint32_t> rows = input.rows;
  static_assert(kHasWide<W>);
  const W* found = nullptr;
  with_physical(physical, [&]<class T>() {
    if constexpr (std::is_same_v<T, W>) {
      if (!rows.empty() && input.is_ascending && !column.is_constant &&
          rows.back() - rows.front() + 1 == rows.size()) {
        found = column.as<T>() + rows.front();
        return;
      }
    }
    if constexpr (kConverts<W, T>) {
      scratch.resize(rows.size());
      for (size_t i = 0; i < rows.size(); ++i) {
        scratch[i] = static_cast<W>(column.at<T>(rows[i]));
      }
      found = scratch.data();
    }
  });
  return found;
}

// Where results are written in their wide type: the column itself when that is its type.
template <class W>
class WideResults {
 public:
  WideResults(Column& column, uint32_t at, uint32_t stride, size_t count)
      : column_(column), at_(at), stride_(stride), count_(count) {
    const auto rows = at + static_cast<uint32_t>(count) * stride;
    column.ensure(rows);
    with_physical(column.physical(), [&]<class T>() {
      if constexpr (std::is_same_v<T, W>) { direct_ = column.values<T>() + at; }
    });
    if (direct_ == nullptr) { wide_.resize(count * stride); }
  }
  W* values() { return direct_ != nullptr ? direct_ : wide_.data(); }
  void set_null(size_t index) { nulls_.push_back(static_cast<uint32_t>(index)); }
  void finish() {
    if (direct_ == nullptr) { narrow(); }
    for (const uint32_t index : nulls_) { column_.set_null(at_ + index); }
  }

 private:
  void narrow() {
    with_physical(column_.physical(), [&]<class T>() {
      if constexpr (kConverts<W, T>) {
        T* const to = column_.values<T>() + at_;
        for (size_t i = 0; i < count_; ++i) {
          to[i * stride_] = static_cast<T>(wide_[i * stride_]);
        }
      }
    });
  }
  Column& column_;
  const uint32_t at_;
  const uint32_t stride_;
  const size_t count_;
  W* direct_ = nullptr;
  std::vector<W> wide_;
  std::vector<uint32_t> nulls_;
};

template <class W>
W wrapping_add(W a, W b) {
  if constexpr (std::is_same_v<W, double>) {
    return a + b;
  } else {
    using U = std::conditional_t<std::is_same_v<W, Int128>, UInt128, uint64_t>;
    return static_cast<W>(static_cast<U>(a) + static_cast<U>(b));
  }
}
template <class W>
W signed_by(W value, int64_t weight) {
  return weight < 0
             ? wrapping_add(
                   W{},
                   static_cast<W>(std::is_same_v<W, double> ? -value : static_cast<W>(0) - value))
             : value;
}

// NaN is the greatest.
template <class W>
bool is_less(W a, W b) {
  if constexpr (std::is_same_v<W, double>) {
    if (std::isnan(a)) { return false; }
    if (std::isnan(b)) { return true; }
  }
  return a < b;
}

inline void add_field(Schema& row, std::string name, Schema type) {
  row.names.push_back(std::move(name));
  row.children.push_back(std::move(type));
}

}  // namespace tidewheel::sql
