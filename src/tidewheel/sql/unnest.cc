// UNNEST: the elements of a collection as rows. Which elements are taken is found first, row by
// row; then each column is gathered in one loop.
#include <algorithm>
#include <string>
#include <utility>

#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/table_function.h"

namespace tidewheel::sql {
namespace {

// The columns that the elements of a collection have.
RowType element_columns(const LogicalType& collection) {
  RowType columns;
  if (collection.kind == TypeKind::kMap) {
    columns.add("f0", collection.children[0]);
    columns.add("f1", collection.children[1]);
    return columns;
  }
  const LogicalType& element = collection.children[0];
  if (element.kind != TypeKind::kRow) {
    columns.add("f0", element);
    return columns;
  }
  for (size_t i = 0; i < element.children.size(); ++i) {
    const LogicalType& field = element.children[i];
    columns.add(element.names[i], field.as_nullable(field.nullable || element.nullable));
  }
  return columns;
}

class UnnestKernel final : public TableKernel {
 public:
  UnnestKernel(const LogicalType& collection, bool with_ordinality)
      : kind_(collection.kind),
        has_fields_(kind_ != TypeKind::kMap && collection.children[0].kind == TypeKind::kRow),
        with_ordinality_(with_ordinality) {}

  Status run(TableCall& call) override {
    const ColumnView& lists = call.arguments[0];
    const size_t first = call.origins->size();
    elements_.clear();
    ordinals_.clear();
    while (call.row < call.end && elements_.size() < call.rows_max) {
      const bool is_whole = take(lists, call.row, call);
      if (!is_whole) { break; }
      taken_ = 0;
      ++call.row;
    }
    const auto count = static_cast<uint32_t>(call.origins->size() - first);
    put_elements(lists, call);
    Column* const ordinals = with_ordinality_ ? call.outputs.back() : nullptr;
    if (ordinals != nullptr) {
      ordinals->ensure(count);
      std::copy(ordinals_.begin(), ordinals_.end(), ordinals->values<int32_t>());
    }
    return ok_status();
  }

 private:
  // Elements of a row from the one behind `taken_` on; false: there are more.
  bool take(const ColumnView& lists, uint32_t row, TableCall& call) {
    if (lists.is_null(row)) { return true; }
    const uint32_t at = lists.is_constant ? 0 : row;
    const uint32_t begin = lists.offsets[at];
    const uint32_t end = lists.offsets[at + 1];
    const uint32_t room = call.rows_max - static_cast<uint32_t>(elements_.size());
    if (kind_ == TypeKind::kMultiset) { return take_counted(lists, begin, end, room, call); }
    const uint32_t from = begin + taken_;
    const uint32_t count = std::min(end - from, room);
    for (uint32_t i = 0; i < count; ++i) { elements_.push_back(from + i); }
    finish(row, count, call);
    return from + count == end;
  }

  // `taken_` counts each element as often as it is there.
  bool take_counted(const ColumnView& lists, uint32_t begin, uint32_t end, uint32_t room,
                    TableCall& call) {
    uint32_t passed = 0;
    uint32_t count = 0;
    bool is_whole = true;
    for (uint32_t e = begin; e < end && is_whole; ++e) {
      const auto times = static_cast<uint32_t>(std::max(0, lists.children[1].at<int32_t>(e)));
      const uint32_t skipped = std::min(times, taken_ - std::min(taken_, passed));
      const uint32_t here = std::min(times - skipped, room - count);
      elements_.insert(elements_.end(), here, e);
      count += here;
      passed += times;
      is_whole = skipped + here == times;
    }
    finish(call.row, count, call);
    return is_whole;
  }

  void finish(uint32_t row, uint32_t count, TableCall& call) {
    call.origins->insert(call.origins->end(), count, row);
    if (with_ordinality_) {
      for (uint32_t i = 1; i <= count; ++i) {
        ordinals_.push_back(static_cast<int32_t>(taken_ + i));
      }
    }
    taken_ += count;
  }

  void put_elements(const ColumnView& lists, TableCall& call) {
    const size_t columns = call.outputs.size() - (with_ordinality_ ? 1 : 0);
    const ColumnView& rows = lists.children[0];
    for (size_t i = 0; i < columns; ++i) {
      Column* const to = call.outputs[i];
      if (to == nullptr) { continue; }
      if (!has_fields_) {
        gather(lists.children[i], elements_, *to, 0);
        continue;
      }
      gather(rows.children[i], elements_, *to, 0);
      if (rows.validity == nullptr) { continue; }
      for (uint32_t e = 0; e < elements_.size(); ++e) {
        if (rows.is_null(elements_[e])) { to->set_null(e); }
      }
    }
  }

  const TypeKind kind_;
  const bool has_fields_;  // elements are rows
  const bool with_ordinality_;
  uint32_t taken_ = 0;  // of the row that comes next
  std::vector<uint32_t> elements_;
  std::vector<int32_t> ordinals_;
};

class UnnestFunction final : public TableFunction {
 public:
  explicit UnnestFunction(bool with_ordinality)
      : TableFunction(with_ordinality ? "UNNEST WITH ORDINALITY" : "UNNEST"),
        with_ordinality_(with_ordinality) {}

  Result<TableSignature> resolve(std::span<const Argument> arguments) const override {
    const bool is_collection =
        arguments.size() == 1 &&
        (arguments[0].type.kind == TypeKind::kArray || arguments[0].type.kind == TypeKind::kMap ||
         arguments[0].type.kind == TypeKind::kMultiset);
    if (!is_collection) {
      return wrong_arguments("UNNEST", arguments, "UNNEST(ARRAY), UNNEST(MAP) or UNNEST(MULTISET)");
    }
    TableSignature signature{{arguments[0].type}, element_columns(arguments[0].type)};
    if (with_ordinality_) {
      signature.result.add("ORDINALITY", LogicalType::of(TypeKind::kInt, false));
    }
    return signature;
  }

  Result<std::unique_ptr<TableKernel>> make_kernel(
      const std::vector<LogicalType>& arguments) const override {
    return std::unique_ptr<TableKernel>(
        std::make_unique<UnnestKernel>(arguments[0], with_ordinality_));
  }

 private:
  const bool with_ordinality_;
};

}  // namespace

TableFunctionRef make_unnest(bool with_ordinality) {
  return std::make_shared<UnnestFunction>(with_ordinality);
}

}  // namespace tidewheel::sql
