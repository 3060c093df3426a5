#include "tidewheel/sql/correlate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/user_failure.h"

namespace tidewheel::sql {
namespace {

// The table of a range of rows is made column by column; columns of the input are gathered by the
// rows that its rows were made of, or shared when that is each row once. The rows of one input row
// may be sent in several batches: `cursor` stands on it until all are.
class CorrelateOperator final : public OutputOperator<ColumnRow> {
 public:
  CorrelateOperator(CorrelateSpec spec, std::vector<LogicalType> types, const RowType& result,
                    std::unique_ptr<TableKernel> kernel)
      : spec_(std::move(spec)), types_(std::move(types)), kernel_(std::move(kernel)) {
    arguments_.resize(spec_.arguments.size());
    targets_.resize(result.size(), nullptr);
    for (const int32_t column : spec_.given) {
      scratch_.emplace_back(result.types[static_cast<size_t>(column)]);
    }
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      if (!output().ready()) { return Progress::kBlocked; }
      static_cast<void>(output().flush());
      ColumnBatch& batch = output().current();
      batch.set_types(types_);
      const uint32_t begin = cursor;
      make_table(in, cursor, rows.end, batch);
      if (spec_.is_left) { pad(begin, cursor, batch); }
      is_in_row_ = cursor < rows.end && !origins_.empty() && origins_.back() == cursor;
      if (!origins_.empty()) { send(in, batch); }
    }
    is_in_row_ = false;
    return Progress::kDone;
  }

 private:
  // Runs the function into the batch's columns, or, where NULLs may have to come between its rows,
  // into others.
  void make_table(const ColumnBatch& in, uint32_t& cursor, uint32_t end, ColumnBatch& batch) {
    for (size_t i = 0; i < arguments_.size(); ++i) {
      arguments_[i] = in.view(static_cast<size_t>(spec_.arguments[i]));
    }
    for (size_t i = 0; i < spec_.given.size(); ++i) {
      scratch_[i].clear();
      targets_[static_cast<size_t>(spec_.given[i])] =
          spec_.is_left ? &scratch_[i] : &batch.column(spec_.passed.size() + i);
    }
    origins_.clear();
    TableCall call;
    call.arguments = arguments_;
    call.row = cursor;
    call.end = end;
    call.rows_max = context().batch_rows();
    call.arena = &batch.arena();
    call.outputs = targets_;
    call.origins = &origins_;
    const Status status = kernel_->run(call);
    if (!status.ok()) [[unlikely]] {
      throw_user_failure(context(), spec_.function->name().c_str(), status, "");
    }
    cursor = call.row;
  }

  // Brings the function's rows into the batch, with a row of NULLs for each input row of
  // [begin, end) that has none.
  void pad(uint32_t begin, uint32_t end, ColumnBatch& batch) {
    const size_t first = spec_.passed.size();
    std::swap(origins_, made_);
    origins_.clear();
    uint32_t from = 0;  // rows of made_ that are in the batch
    const auto put_until = [&](uint32_t to) {
      for (size_t i = 0; i < scratch_.size() && to > from; ++i) {
        copy_rows(scratch_[i].view(), from, to, batch.column(first + i),
                  static_cast<uint32_t>(origins_.size()));
      }
      origins_.insert(origins_.end(), made_.begin() + from, made_.begin() + to);
      from = to;
    };
    uint32_t next = 0;  // row of made_ that may belong to `row`
    for (uint32_t row = begin; row < end; ++row) {
      const uint32_t before = next;
      while (next < made_.size() && made_[next] == row) { ++next; }
      const bool has_rows = next > before || (row == begin && is_in_row_);
      if (has_rows) { continue; }
      put_until(next);
      const auto at = static_cast<uint32_t>(origins_.size());
      for (size_t i = 0; i < scratch_.size(); ++i) { put_null(batch.column(first + i), at); }
      origins_.push_back(row);
    }
    put_until(static_cast<uint32_t>(made_.size()));
  }

  static void put_null(Column& column, uint32_t row) {
    column.ensure(row + 1);
    column.append_null(row);
  }

  void send(const ColumnBatch& in, ColumnBatch& batch) {
    const auto count = static_cast<uint32_t>(origins_.size());
    const bool is_each_once =
        count == in.size() && origins_.front() == 0 &&
        std::adjacent_find(origins_.begin(), origins_.end(),
                           [](uint32_t a, uint32_t b) { return b != a + 1; }) == origins_.end();
    for (size_t i = 0; i < spec_.passed.size(); ++i) {
      const ColumnView& from = in.view(static_cast<size_t>(spec_.passed[i]));
      if (is_each_once) {
        batch.share_column(i, from, in);
      } else {
        gather(from, origins_, batch.column(i), 0);
      }
    }
    batch.keep(in);  // strings point into it
    if (in.kinds() != nullptr) {
      RowKind* const kinds = batch.make_kinds(count);
      for (uint32_t i = 0; i < count; ++i) { kinds[i] = kind_of(in.kind(origins_[i])); }
    }
    batch.set_size(count);
    static_cast<void>(output().flush());
  }

  // An update may make another number of rows than what it updates: nobody could tell which row
  // takes the place of which.
  RowKind kind_of(RowKind kind) const {
    if (spec_.emits_before) { return kind; }
    return is_retraction(kind) ? RowKind::kDelete : RowKind::kInsert;
  }

  const CorrelateSpec spec_;
  const std::vector<LogicalType> types_;
  const std::unique_ptr<TableKernel> kernel_;
  std::vector<ColumnView> arguments_;
  std::vector<Column*> targets_;  // by the result's column
  std::vector<Column> scratch_;   // by `given`
  std::vector<uint32_t> origins_;
  std::vector<uint32_t> made_;
  // The row at the cursor has had rows already.
  bool is_in_row_ = false;
};

Result<TableSignature> resolved(const CorrelateSpec& spec) {
  std::vector<Argument> arguments;
  for (const int32_t column : spec.arguments) {
    arguments.push_back({spec.input[static_cast<size_t>(column)], nullptr});
  }
  return spec.function->resolve(arguments);
}

std::vector<LogicalType> output_of(const CorrelateSpec& spec, const RowType& result) {
  std::vector<LogicalType> types;
  for (const int32_t column : spec.passed) {
    types.push_back(spec.input[static_cast<size_t>(column)]);
  }
  for (const int32_t column : spec.given) {
    types.push_back(result.types[static_cast<size_t>(column)]);
    types.back().nullable |= spec.is_left;
  }
  return types;
}

}  // namespace

Result<std::unique_ptr<AsyncKernel>> TableFunction::make_async_kernel(
    const std::vector<LogicalType>&) const {
  return internal_error(ErrorId::kSqlUnsupported, "{} is not asynchronous", name_);
}

Result<std::vector<LogicalType>> correlate_output(const CorrelateSpec& spec) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const TableSignature signature, resolved(spec));
  return output_of(spec, signature.result);
}

Result<std::unique_ptr<Operator>> make_correlate(CorrelateSpec spec) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const TableSignature signature, resolved(spec));
  std::vector<LogicalType> types = output_of(spec, signature.result);
  TIDEWHEEL_ASSIGN_OR_RETURN(auto kernel, spec.function->make_kernel(signature.arguments));
  return std::unique_ptr<Operator>(std::make_unique<CorrelateOperator>(
      std::move(spec), std::move(types), signature.result, std::move(kernel)));
}

}  // namespace tidewheel::sql
