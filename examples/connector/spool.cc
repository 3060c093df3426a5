#include "spool.h"

#include <tidewheel/api/env.h>

#include <utility>

#include "spool_sink.h"
#include "spool_source.h"

namespace tw = tidewheel;

namespace {

// Of both: what is in the folder, and how. Mistakes are noted in `options`.
struct SpoolTable {
  std::string folder;
  const tw::TableFormat* format = nullptr;  // of the registry, which outlives the planner
  tw::RowType message;
};

tw::Result<SpoolTable> read_options(const tw::TableContext& context, tw::TableOptions& options) {
  SpoolTable table;
  TIDEWHEEL_ASSIGN_OR_RETURN(table.format, context.registry.format_of(options));
  table.folder = options.text("path");
  if (!table.format->messages_are_lines(options)) {
    options.fail("format", "a spool has a message in each line, as json and raw do");
  } else if (table.format->needs_world()) {
    options.fail("format", "a spool can't be of a format that asks a registry");
  }
  for (const tw::TableColumn& column : context.table.columns) {
    table.message.add(column.name, column.type);
  }
  return table;
}

class SpoolTableSource final : public tw::TableSource {
 public:
  SpoolTableSource(SpoolTable table, SpoolReadPlan plan, tw::TableOptions options)
      : table_(std::move(table)), plan_(std::move(plan)), options_(std::move(options)) {
    for (size_t i = 0; i < table_.message.size(); ++i) { columns_.push_back(i); }
  }
  tw::ChangelogKinds changelog() const override { return table_.format->changelog(); }
  bool is_bounded() const override { return plan_.interval_ms == 0; }
  // Only what is asked for is decoded.
  bool project(const std::vector<size_t>& columns) override {
    columns_ = columns;
    return true;
  }
  // Errors: those of the options, and of the format about the types.
  tw::Status prepare() {
    tw::DecodedRow row{table_.message, {}};
    plan_.types.clear();
    for (size_t i = 0; i < columns_.size(); ++i) {
      row.wanted.push_back({columns_[i], i});
      plan_.types.push_back(table_.message.types[columns_[i]]);
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(plan_.make_decoder, table_.format->decoder(row, options_));
    return options_.finish();
  }
  tw::Result<tw::Stream<tw::ColumnRow>> add_to(tw::Env& env, const std::string& name,
                                               const std::string& uid) override {
    TIDEWHEEL_RETURN_IF_ERROR(prepare());
    return env.add_source(name, SpoolSource(std::make_shared<const SpoolReadPlan>(plan_))).uid(uid);
  }

 private:
  const SpoolTable table_;
  SpoolReadPlan plan_;
  tw::TableOptions options_;
  std::vector<size_t> columns_;  // of the message, those that are read
};

class SpoolTableSink final : public tw::TableSink {
 public:
  SpoolTableSink(SpoolWritePlan plan, tw::ChangelogKinds changelog)
      : plan_(std::make_shared<const SpoolWritePlan>(std::move(plan))), changelog_(changelog) {}
  tw::ChangelogKinds changelog() const override { return changelog_; }
  tw::Status add_to(tw::Env&, tw::Stream<tw::ColumnRow> rows, const std::string& name,
                    const std::string& uid) override {
    rows.to(SpoolSink(plan_)).name(name).uid(uid);
    return tw::ok_status();
  }

 private:
  const std::shared_ptr<const SpoolWritePlan> plan_;
  const tw::ChangelogKinds changelog_;
};

class SpoolConnector final : public tw::TableConnector {
 public:
  std::string_view name() const override { return "spool"; }
  std::vector<tw::TableOption> options() const override {
    return {{"path", true, "", "the folder"},
            {"scan.mode", false, "continuous",
             "bounded: the files that are there; continuous: later ones too"},
            {"scan.interval", false, "1 s", "how often it looks for new files"}};
  }
  tw::Result<std::unique_ptr<tw::TableSource>> source(
      const tw::TableContext& context) const override {
    tw::TableOptions options(context.table, this->options());
    TIDEWHEEL_ASSIGN_OR_RETURN(SpoolTable table, read_options(context, options));
    SpoolReadPlan plan;
    plan.folder = table.folder;
    const bool continuous = options.choice("scan.mode", {"bounded", "continuous"}, 1) == 1;
    const tw::Duration interval = options.duration("scan.interval", tw::Duration(1000));
    if (interval.count() < 1) { options.fail("scan.interval", "it takes at least 1 ms"); }
    if (continuous) { plan.interval_ms = interval.count(); }
    auto source = std::make_unique<SpoolTableSource>(std::move(table), std::move(plan), options);
    TIDEWHEEL_RETURN_IF_ERROR(source->prepare());
    return source;
  }
  tw::Result<std::unique_ptr<tw::TableSink>> sink(const tw::TableContext& context) const override {
    tw::TableOptions options(context.table, this->options());
    TIDEWHEEL_ASSIGN_OR_RETURN(const SpoolTable table, read_options(context, options));
    // Of reading, and known here, so that one table can be read and written.
    options.choice("scan.mode", {"bounded", "continuous"}, 1);
    options.duration("scan.interval", tw::Duration(1000));
    std::vector<size_t> columns;
    for (size_t i = 0; i < table.message.size(); ++i) { columns.push_back(i); }
    SpoolWritePlan plan;
    plan.folder = table.folder;
    TIDEWHEEL_ASSIGN_OR_RETURN(plan.make_encoder,
                               table.format->encoder(table.message, columns, options));
    TIDEWHEEL_RETURN_IF_ERROR(options.finish());
    return std::make_unique<SpoolTableSink>(std::move(plan), table.format->changelog());
  }
};

}  // namespace

std::unique_ptr<tw::TableConnector> spool_table_connector() {
  return std::make_unique<SpoolConnector>();
}
