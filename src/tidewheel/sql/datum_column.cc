#include "tidewheel/sql/datum_column.h"

#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::sql {
namespace {

void put_list(const Datum::List& values, Column& column, uint32_t row, Arena& arena) {
  uint32_t at = column.child_rows();
  column.offsets()[row] = at;
  const size_t children = column.child_count();
  TIDEWHEEL_CHECK(values.size() % children == 0, "keys without values in a map");
  for (size_t i = 0; i < values.size(); i += children) {
    for (size_t c = 0; c < children; ++c) { put_datum(values[i + c], column.child(c), at, arena); }
    ++at;
  }
  column.offsets()[row + 1] = at;
  column.set_child_rows(at);
}

template <class T>
Datum number_datum(T value) {
  return {static_cast<int64_t>(value)};
}

}  // namespace

void put_datum(const Datum& value, Column& column, uint32_t row, Arena& arena) {
  column.ensure(row + 1);
  if (value.is_null()) {
    // Fields first: lists among them need their offsets.
    for (size_t c = 0; column.physical() == Physical::kStruct && c < column.child_count(); ++c) {
      put_datum({}, column.child(c), row, arena);
    }
    column.set_null(row);
    if (column.physical() == Physical::kList) {
      column.offsets()[row] = column.child_rows();
      column.offsets()[row + 1] = column.child_rows();
    }
    return;
  }
  switch (column.physical()) {
    case Physical::kBool: column.values<uint8_t>()[row] = value.truth() ? 1 : 0; return;
    case Physical::kInt8:
      column.values<int8_t>()[row] = static_cast<int8_t>(value.integer());
      return;
    case Physical::kInt16:
      column.values<int16_t>()[row] = static_cast<int16_t>(value.integer());
      return;
    case Physical::kInt32:
      column.values<int32_t>()[row] = static_cast<int32_t>(value.integer());
      return;
    case Physical::kInt64:
      column.values<int64_t>()[row] = column.type().kind == TypeKind::kDecimal
                                          ? static_cast<int64_t>(value.decimal())
                                          : value.integer();
      return;
    case Physical::kInt128: column.values<Int128>()[row] = value.decimal(); return;
    case Physical::kFloat: column.values<float>()[row] = static_cast<float>(value.real()); return;
    case Physical::kDouble: column.values<double>()[row] = value.real(); return;
    case Physical::kText: column.values<Text>()[row] = arena.copy(value.text()); return;
    case Physical::kList: return put_list(value.list(), column, row, arena);
    case Physical::kStruct:
      for (size_t c = 0; c < column.child_count(); ++c) {
        put_datum(value.list()[c], column.child(c), row, arena);
      }
      return;
  }
}

Datum datum_at(const LogicalType& type, const ColumnView& column, uint32_t row) {
  if (type.kind == TypeKind::kNull || column.is_null(row)) { return {}; }
  const uint32_t at = column.is_constant ? 0 : row;
  switch (type.physical()) {
    case Physical::kBool: return number_datum(column.at<uint8_t>(at) != 0);
    case Physical::kInt8: return number_datum(column.at<int8_t>(at));
    case Physical::kInt16: return number_datum(column.at<int16_t>(at));
    case Physical::kInt32: return number_datum(column.at<int32_t>(at));
    case Physical::kInt64:
      if (type.kind == TypeKind::kDecimal) { return {Int128{column.at<int64_t>(at)}}; }
      return number_datum(column.at<int64_t>(at));
    case Physical::kInt128: return {column.at<Int128>(at)};
    case Physical::kFloat: return {double{column.at<float>(at)}};
    case Physical::kDouble: return {column.at<double>(at)};
    case Physical::kText: return {column.at<Text>(at).str()};
    case Physical::kList: {
      Datum::List list;
      static const LogicalType kCount = LogicalType::of(TypeKind::kInt, false);
      for (uint32_t e = column.offsets[at]; e < column.offsets[at + 1]; ++e) {
        list.push_back(datum_at(type.children[0], column.children[0], e));
        if (type.kind == TypeKind::kArray) { continue; }
        list.push_back(datum_at(type.kind == TypeKind::kMap ? type.children[1] : kCount,
                                column.children[1], e));
      }
      return {std::move(list)};
    }
    case Physical::kStruct: {
      Datum::List list;
      for (size_t c = 0; c < type.children.size(); ++c) {
        list.push_back(datum_at(type.children[c], column.children[c], at));
      }
      return {std::move(list)};
    }
  }
  return {};
}

std::string datum_to_text(const Datum& value, const LogicalType& type) {
  const ArenaRef arena = Arena::create();
  Column column(type);
  put_datum(value, column, 0, *arena);
  return value_to_text(type, column.view(), 0);
}

}  // namespace tidewheel::sql
