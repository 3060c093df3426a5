#include "tidewheel/connectors/kafka/table.h"

#include <string>
#include <utility>
#include <vector>

#include "tidewheel/connectors/kafka/metadata_columns.h"
#include "tidewheel/connectors/kafka/sink_table.h"
#include "tidewheel/connectors/kafka/source_table.h"
#include "tidewheel/connectors/kafka/table_layout.h"

namespace tidewheel::kafka {
namespace {

class KafkaConnector final : public TableConnector {
 public:
  explicit KafkaConnector(bool upserts) : upserts_(upserts) {}
  std::string_view name() const override { return upserts_ ? "upsert-kafka" : "kafka"; }
  RowType metadata() const override { return message_metadata(); }
  std::vector<TableOption> options() const override {
    std::vector<TableOption> all = layout_options();
    const std::vector<TableOption> reading = source_table_options(upserts_);
    all.insert(all.end(), reading.begin(), reading.end());
    const std::vector<TableOption> writing = sink_table_options(upserts_);
    all.insert(all.end(), writing.begin(), writing.end());
    return all;
  }
  Result<std::unique_ptr<TableSource>> source(const TableContext& context) const override {
    return make_source_table(context, TableOptions(context.table, options()), upserts_);
  }
  Result<std::unique_ptr<TableSink>> sink(const TableContext& context) const override {
    return make_sink_table(context, TableOptions(context.table, options()), upserts_);
  }

 private:
  const bool upserts_;
};

}  // namespace

std::unique_ptr<TableConnector> table_connector() {
  return std::make_unique<KafkaConnector>(/*upserts=*/false);
}
std::unique_ptr<TableConnector> upsert_table_connector() {
  return std::make_unique<KafkaConnector>(/*upserts=*/true);
}

}  // namespace tidewheel::kafka
