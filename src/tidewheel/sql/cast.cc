#include "tidewheel/sql/cast.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tidewheel/sql/cast_impl.h"
#include "tidewheel/sql/datum_column.h"
#include "tidewheel/sql/typing.h"
#include "tidewheel/sql/vector_ops.h"

namespace tidewheel::sql {
namespace {

// Casts a part of a nested value.
class PartCast {
 public:
  static Result<PartCast> make(const LogicalType& from, const LogicalType& to, bool is_try,
                               const EvalOptions& options) {
    PartCast part;
    part.is_careful_ = is_careful_cast(from, to);
    TIDEWHEEL_ASSIGN_OR_RETURN(part.kernel_, make_cast(from, to, is_try, options));
    return part;
  }

  // `active`: which rows count; null: all.
  Status run(const ColumnView& from, uint32_t rows, const uint8_t* active, const KernelCall& call,
             Column& to) {
    to.ensure(std::max(rows, 1U));
    if (rows == 0) { return {}; }
    if (kernel_ == nullptr) {
      copy_rows(from, 0, rows, to, 0);
      return {};
    }
    KernelCall inner = call;
    inner.rows = rows;
    inner.arguments = std::span(&from, 1);
    inner.result = &to;
    inner.active = nullptr;
    if (from.validity != nullptr) { and_bits(to.validity(), from.validity, rows); }
    if (is_careful_ && (active != nullptr || from.validity != nullptr)) {
      active_.assign((size_t{rows} + 63) / 64 * 64, 1);
      if (from.validity != nullptr) { unpack_bits(from.validity, rows, active_.data()); }
      if (active != nullptr) { and_bytes(active_.data(), active, rows); }
      inner.active = active_.data();
    }
    return kernel_->run(inner);
  }

 private:
  std::unique_ptr<Kernel> kernel_;
  bool is_careful_ = false;
  std::vector<uint8_t> active_;
};

Result<std::vector<PartCast>> part_casts(const LogicalType& from, const LogicalType& to,
                                         bool is_try, const EvalOptions& options) {
  std::vector<PartCast> parts;
  for (size_t i = 0; i < from.children.size(); ++i) {
    TIDEWHEEL_ASSIGN_OR_RETURN(PartCast part,
                               PartCast::make(from.children[i], to.children[i], is_try, options));
    parts.push_back(std::move(part));
  }
  return parts;
}

class ListCast final : public Kernel {
 public:
  ListCast(std::vector<PartCast> parts, const LogicalType& from)
      : parts_(std::move(parts)),
        is_multiset_(from.kind == TypeKind::kMultiset),
        from_types_(from.children) {}

  Status run(const KernelCall& call) override {
    const ColumnView& view = call.arguments[0];
    Column& result = *call.result;
    const uint32_t first = view.offsets[0];
    const uint32_t last = view.offsets[call.rows];
    const uint32_t count = last - first;
    for (uint32_t i = 0; i <= call.rows; ++i) { result.offsets()[i] = view.offsets[i] - first; }
    result.set_child_rows(count);
    const uint8_t* const active = active_elements(call, first, count);
    for (size_t c = 0; c < parts_.size(); ++c) {
      TIDEWHEEL_RETURN_IF_ERROR(
          run_part(c, view.children[c], first, last, active, call, result.child(c)));
    }
    if (is_multiset_) { copy_rows(view.children[1], first, last, result.child(1), 0); }
    return {};
  }

 private:
  Status run_part(size_t c, const ColumnView& child, uint32_t first, uint32_t last,
                  const uint8_t* active, const KernelCall& call, Column& to) {
    if (first == 0) { return parts_[c].run(child, last, active, call, to); }
    // Taken out, elements are numbered from 0.
    Column taken(from_types_[c]);
    copy_rows(child, first, last, taken, 0);
    return parts_[c].run(taken.view(), last - first, active, call, to);
  }

  const uint8_t* active_elements(const KernelCall& call, uint32_t first, uint32_t count) {
    if (call.active == nullptr) { return nullptr; }
    active_.assign(count, 0);
    const uint32_t* const offsets = call.arguments[0].offsets;
    for (uint32_t row = 0; row < call.rows; ++row) {
      if (call.active[row] == 0) { continue; }
      std::fill(active_.begin() + (offsets[row] - first),
                active_.begin() + (offsets[row + 1] - first), uint8_t{1});
    }
    return active_.data();
  }

  std::vector<PartCast> parts_;
  bool is_multiset_;
  std::vector<LogicalType> from_types_;
  std::vector<uint8_t> active_;
};

class RowCast final : public Kernel {
 public:
  explicit RowCast(std::vector<PartCast> parts) : parts_(std::move(parts)) {}
  Status run(const KernelCall& call) override {
    const ColumnView& view = call.arguments[0];
    for (size_t c = 0; c < parts_.size(); ++c) {
      TIDEWHEEL_RETURN_IF_ERROR(
          parts_[c].run(view.children[c], call.rows, call.active, call, call.result->child(c)));
    }
    return {};
  }

 private:
  std::vector<PartCast> parts_;
};

class NullKernel final : public Kernel {
 public:
  Status run(const KernelCall& call) override {
    for (uint32_t row = 0; row < call.rows; ++row) {
      put_datum({}, *call.result, row, *call.arena);
    }
    return {};
  }
};

bool same_children(const LogicalType& from, const LogicalType& to) {
  return from.children.size() == to.children.size() &&
         std::equal(from.children.begin(), from.children.end(), to.children.begin(),
                    is_same_in_memory);
}

bool is_number(const LogicalType& type) {
  return type.is_numeric() || type.kind == TypeKind::kBoolean;
}

}  // namespace

bool is_same_in_memory(const LogicalType& from, const LogicalType& to) {
  if ((from.is_character() && to.is_character()) || (from.is_bytes() && to.is_bytes())) {
    const bool to_fixed = to.kind == TypeKind::kChar || to.kind == TypeKind::kBinary;
    return to_fixed ? from.kind == to.kind && from.precision == to.precision
                    : from.precision <= to.precision;
  }
  if (from.kind != to.kind) { return false; }
  switch (from.kind) {
    case TypeKind::kDecimal: return from.precision == to.precision && from.scale == to.scale;
    case TypeKind::kTime: return from.precision <= to.precision;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz:
      return from.units_per_second() == to.units_per_second() && from.precision <= to.precision;
    case TypeKind::kArray:
    case TypeKind::kMultiset:
    case TypeKind::kMap:
    case TypeKind::kRow: return same_children(from, to);
    default: return true;
  }
}

bool is_careful_cast(const LogicalType& from, const LogicalType& to) {
  if (is_same_in_memory(from, to)) { return false; }
  const auto is_plain = [](const LogicalType& type) {
    return type.is_integer() || type.is_approximate() || type.kind == TypeKind::kBoolean ||
           type.kind == TypeKind::kDate || type.kind == TypeKind::kTime || type.is_timestamp();
  };
  return !is_plain(from) || !is_plain(to) || may_leave_range(from, to);
}

Result<std::unique_ptr<Kernel>> make_cast(const LogicalType& from, const LogicalType& to,
                                          bool is_try, const EvalOptions& options) {
  std::unique_ptr<Kernel> kernel;
  if (!can_cast(from, to)) {
    return invalid_argument(ErrorId::kSqlType, "{} can't be cast to {}", from.to_string(),
                            to.as_nullable().to_string());
  }
  if (is_same_in_memory(from, to)) { return kernel; }
  if (from.kind == TypeKind::kNull) {
    kernel = std::make_unique<NullKernel>();
  } else if (to.is_character() || to.is_bytes()) {
    kernel = make_cast_to_text(from, to, options);
  } else if (from.is_character()) {
    kernel = make_cast_from_text(to, is_try, options);
  } else if (is_number(from)) {
    kernel = make_number_cast(from, to);
  } else if (!from.children.empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(auto parts, part_casts(from, to, is_try, options));
    if (from.kind == TypeKind::kRow) {
      kernel = std::make_unique<RowCast>(std::move(parts));
    } else {
      kernel = std::make_unique<ListCast>(std::move(parts), from);
    }
  } else {
    kernel = make_time_cast(from, to, is_try, options);
  }
  return kernel;
}

Result<Datum> cast_datum(const Datum& value, const LogicalType& from, const LogicalType& to,
                         const EvalOptions& options) {
  if (value.is_null()) { return Datum{}; }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto kernel, make_cast(from, to, false, options));
  if (kernel == nullptr) { return value; }
  const ArenaRef arena = Arena::create();
  Column column(from);
  put_datum(value, column, 0, *arena);
  const ColumnView view = column.view();
  Column result(to);
  result.ensure(1);
  KernelCall call;
  call.rows = 1;
  call.arguments = std::span(&view, 1);
  call.result = &result;
  call.arena = arena.get();
  TIDEWHEEL_RETURN_IF_ERROR(
      kernel->run(call).with_context("CAST to {}", to.as_nullable().to_string()));
  return datum_at(to, result.view(), 0);
}

}  // namespace tidewheel::sql
