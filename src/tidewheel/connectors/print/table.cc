#include "tidewheel/connectors/print/table.h"

#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/stream.h"
#include "tidewheel/connectors/print/print.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel {
namespace {

class PrintColumns {
 public:
  using input = ColumnRow;
  PrintColumns(PrintOptions options, std::vector<LogicalType> types)
      : options_(std::move(options)), types_(std::move(types)) {}

  Status open(SinkContext& context) {
    TIDEWHEEL_ASSIGN_OR_RETURN(printer_, LinePrinter::open(context, options_));
    return ok_status();
  }
  Status write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
    for (uint32_t row = begin; row < end; ++row) {
      std::string& line = printer_->begin_line();
      line += row_kind_text(rows.kind(row));
      line += '[';
      for (size_t i = 0; i < types_.size(); ++i) {
        if (i > 0) { line += ", "; }
        append_value_text(line, types_[i], rows.view(i), row, {.style = TextStyle::kExternal});
      }
      line += ']';
      TIDEWHEEL_RETURN_IF_ERROR(printer_->end_line());
    }
    has_rows_ = true;
    return printer_->flush();
  }
  // An empty line between the rows of two epochs.
  Status flush_epoch(int64_t) {
    if (!std::exchange(has_rows_, false)) { return ok_status(); }
    printer_->begin_line();
    TIDEWHEEL_RETURN_IF_ERROR(printer_->end_line());
    return printer_->flush();
  }

 private:
  PrintOptions options_;
  std::vector<LogicalType> types_;
  bool has_rows_ = false;                 // since the last epoch
  std::shared_ptr<LinePrinter> printer_;  // of this copy, from `open` on
};

class PrintTable final : public TableSink {
 public:
  PrintTable(PrintOptions options, std::vector<LogicalType> types, int64_t parallelism)
      : options_(std::move(options)), types_(std::move(types)), parallelism_(parallelism) {}

  ChangelogKinds changelog() const override { return ChangelogKinds::kRetract; }
  Status add_to(Env&, Stream<ColumnRow> rows, const std::string& name,
                const std::string& uid) override {
    const SinkEnd end = rows.to(PrintColumns(options_, types_)).name(name).uid(uid);
    if (parallelism_ > 0) { end.parallelism(static_cast<int32_t>(parallelism_)); }
    return ok_status();
  }

 private:
  PrintOptions options_;
  std::vector<LogicalType> types_;
  int64_t parallelism_;
};

class PrintConnector final : public TableConnector {
 public:
  std::string_view name() const override { return "print"; }
  bool can_read() const override { return false; }
  std::vector<TableOption> options() const override {
    return {{"print-identifier", false, "", "comes before every line"},
            {"standard-error", false, "false", "print to the standard error stream"},
            {"sink.parallelism", false, "", "how many subtasks print"}};
  }
  Result<std::unique_ptr<TableSink>> sink(const TableContext& context) const override {
    TableOptions options(context.table, this->options());
    PrintOptions printing;
    printing.prefix = options.text("print-identifier");
    printing.to_standard_error = options.flag("standard-error", false);
    const int64_t parallelism = options.number("sink.parallelism", 0, 1, kParallelismMax);
    TIDEWHEEL_RETURN_IF_ERROR(options.finish());
    std::vector<LogicalType> types;
    for (const TableColumn& column : context.table.columns) {
      if (!column.is_virtual) { types.push_back(column.type); }
    }
    return std::make_unique<PrintTable>(std::move(printing), std::move(types), parallelism);
  }

 private:
  static constexpr int64_t kParallelismMax = 32768;
};

}  // namespace

std::unique_ptr<TableConnector> print_table_connector() {
  return std::make_unique<PrintConnector>();
}

}  // namespace tidewheel
