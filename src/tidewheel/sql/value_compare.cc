#include "tidewheel/sql/value_compare.h"

#include <algorithm>
#include <type_traits>

namespace tidewheel::sql {
namespace {

const LogicalType& value_type(const LogicalType& type) {
  static const LogicalType kCount = LogicalType::of(TypeKind::kInt, false);
  return type.kind == TypeKind::kMap ? type.children[1] : kCount;
}

template <class T>
int order_of(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (a != a || b != b) { return (a != a) - (b != b); }
  }
  return a < b ? -1 : b < a ? 1 : 0;
}

struct Elements {
  uint32_t begin;
  uint32_t end;
  uint32_t size() const { return end - begin; }
};

Elements elements_of(const ColumnView& view, uint32_t row) {
  const uint32_t at = view.is_constant ? 0 : row;
  return {view.offsets[at], view.offsets[at + 1]};
}

bool has_entry(const LogicalType& type, const ColumnView& a, uint32_t key, const ColumnView& b,
               Elements entries) {
  for (uint32_t e = entries.begin; e < entries.end; ++e) {
    if (values_equal(type.children[0], a.children[0], key, b.children[0], e) &&
        values_equal(value_type(type), a.children[1], key, b.children[1], e)) {
      return true;
    }
  }
  return false;
}

int compare_lists(const LogicalType& type, const ColumnView& a, uint32_t a_row, const ColumnView& b,
                  uint32_t b_row) {
  const Elements x = elements_of(a, a_row);
  const Elements y = elements_of(b, b_row);
  for (uint32_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    int order =
        compare_values(type.children[0], a.children[0], x.begin + i, b.children[0], y.begin + i);
    if (order == 0 && type.kind != TypeKind::kArray) {
      order =
          compare_values(value_type(type), a.children[1], x.begin + i, b.children[1], y.begin + i);
    }
    if (order != 0) { return order; }
  }
  return order_of(x.size(), y.size());
}

}  // namespace

bool values_equal(const LogicalType& type, const ColumnView& a, uint32_t a_row, const ColumnView& b,
                  uint32_t b_row) {
  if (type.kind != TypeKind::kMap && type.kind != TypeKind::kMultiset) {
    return compare_values(type, a, a_row, b, b_row) == 0;
  }
  if (a.is_null(a_row) || b.is_null(b_row)) { return a.is_null(a_row) && b.is_null(b_row); }
  const Elements x = elements_of(a, a_row);
  const Elements y = elements_of(b, b_row);
  if (x.size() != y.size()) { return false; }
  for (uint32_t e = x.begin; e < x.end; ++e) {
    if (!has_entry(type, a, e, b, y)) { return false; }
  }
  return true;
}

int compare_values(const LogicalType& type, const ColumnView& a, uint32_t a_row,
                   const ColumnView& b, uint32_t b_row) {
  const bool a_null = type.kind == TypeKind::kNull || a.is_null(a_row);
  const bool b_null = type.kind == TypeKind::kNull || b.is_null(b_row);
  if (a_null || b_null) { return static_cast<int>(b_null) - static_cast<int>(a_null); }
  switch (type.physical()) {
    case Physical::kList: return compare_lists(type, a, a_row, b, b_row);
    case Physical::kStruct: {
      const uint32_t i = a.is_constant ? 0 : a_row;
      const uint32_t j = b.is_constant ? 0 : b_row;
      for (size_t c = 0; c < type.children.size(); ++c) {
        const int order = compare_values(type.children[c], a.children[c], i, b.children[c], j);
        if (order != 0) { return order; }
      }
      return 0;
    }
    default:
      return with_physical(type.physical(),
                           [&]<class T>() { return order_of(a.at<T>(a_row), b.at<T>(b_row)); });
  }
}

}  // namespace tidewheel::sql
