// Certifies connectors that make their rows themselves.
#include <string>

#include "tidewheel/connectors/datagen/table.h"
#include "tidewheel/connectors/nexmark/table.h"
#include "tidewheel/testing/certification_suite.h"

namespace tidewheel::certification {
namespace {

class DatagenSubject final : public SourceSubject {
 public:
  const TableConnector& connector() const override { return *connector_; }
  const TableRegistry& registry() const override { return registry_; }
  TableDefinition table() const override {
    return numbered_table({{"connector", "datagen"},
                           {"rows-per-second", "5000"},
                           {"seed", "7"},
                           {"fields.n.kind", "sequence"},
                           {"fields.n.start", "0"},
                           {"fields.n.end", "199"}});
  }
  std::vector<WrongOption> wrong_options() const override {
    return {{"rows-per-second", "0", "1"}, {"fields.n.kind", "sequential", "sequence"}};
  }

 private:
  const std::unique_ptr<TableConnector> connector_ = datagen::table_connector();
  TableRegistry registry_;
};

class NexmarkSubject final : public SourceSubject {
 public:
  const TableConnector& connector() const override { return *connector_; }
  const TableRegistry& registry() const override { return registry_; }
  TableDefinition table() const override {
    TableDefinition table;
    table.path = "default_catalog.default_database.bids";
    const LogicalType bigint = LogicalType::of(TypeKind::kBigint);
    table.columns = {{"auction", bigint, "", false}, {"price", bigint, "", false}};
    table.options = {{"connector", "nexmark"},
                     {"nexmark.kind", "bid"},
                     {"events.num", "218"},
                     {"rate.limited", "true"},
                     {"first-event.rate", "3000"}};
    return table;
  }
  std::vector<WrongOption> wrong_options() const override {
    return {{"nexmark.kind", "bit", "auction"}};
  }

 private:
  const std::unique_ptr<TableConnector> connector_ = nexmark::table_connector();
  TableRegistry registry_;
};

INSTANTIATE_TEST_SUITE_P(datagen, SourceCertification, certified_source<DatagenSubject>());
INSTANTIATE_TEST_SUITE_P(nexmark, SourceCertification, certified_source<NexmarkSubject>());

}  // namespace
}  // namespace tidewheel::certification
