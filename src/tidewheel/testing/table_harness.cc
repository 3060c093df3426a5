#include "tidewheel/testing/table_harness.h"

#include "tidewheel/api/env.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::test {
namespace {

std::vector<LogicalType> types_of(const TableDefinition& table) {
  std::vector<LogicalType> types;
  for (const TableColumn& column : table.columns) { types.push_back(column.type); }
  return types;
}

}  // namespace

TableDefinition table_of(const NamedTypes& columns, std::map<std::string, std::string> options) {
  TableDefinition table;
  table.path = "default_catalog.default_database.t";
  for (const auto& [name, type] : columns) { table.columns.push_back({name, type, "", false}); }
  table.options = std::move(options);
  return table;
}

Status RowTextSink::write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
  for (uint32_t row = begin; row < end; ++row) {
    std::string& text = rows_->emplace_back(row_kind_text(rows.kind(row)));
    for (size_t i = 0; i < types_.size(); ++i) {
      text += i == 0 ? "[" : ", ";
      append_value_text(text, types_[i], rows.view(i), row);
    }
    text += types_.empty() ? "[]" : "]";
  }
  return ok_status();
}

Result<std::vector<std::string>> read_table(const TableConnector& connector,
                                            const TableDefinition& table,
                                            const TableRegistry& registry, const Prepare& prepare,
                                            const ClusterOptions& options) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<TableSource> source,
                             connector.source({table, registry}));
  const std::vector<LogicalType> types = prepare ? prepare(*source) : types_of(table);
  const auto rows = std::make_shared<std::vector<std::string>>();
  Status added;
  const JobRun run = Cluster(options).run([&](Env& env) {
    const auto stream = source->add_to(env, "table", "table");
    added = stream.status();
    if (stream.ok()) { stream->to(RowTextSink(types, rows)); }
  });
  TIDEWHEEL_RETURN_IF_ERROR(added);
  TIDEWHEEL_RETURN_IF_ERROR(run.status());
  return *rows;
}

ReadResult FilledSource::read(Split& split, SourceOut<ColumnRow>& out) {
  if (split.done > 0) { return ReadResult::end(); }
  if (out.batch().size() > 0) { return ReadResult::more(); }
  out.batch().set_types(types_);
  fill_(out.batch());
  split.done = 1;
  return ReadResult::end();
}

Status write_table(const TableConnector& connector, const TableDefinition& table,
                   const TableRegistry& registry, FilledSource::Fill fill,
                   const ClusterOptions& options) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<TableSink> sink,
                             connector.sink({table, registry}));
  Status added;
  const JobRun run = Cluster(options).run([&](Env& env) {
    const auto rows = env.add_source("rows", FilledSource(types_of(table), fill)).uid("rows");
    added = sink->add_to(env, rows, "table", "table");
  });
  TIDEWHEEL_RETURN_IF_ERROR(added);
  return run.status();
}

}  // namespace tidewheel::test
