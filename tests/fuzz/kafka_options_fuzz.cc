// Fuzzes what users write in a form of its own: the first line is one of JAAS, the rest a list of
// offsets in an option of a table. Whatever it is, it is taken or refused with an error.
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/check.h"
#include "tidewheel/connectors/kafka/jaas.h"
#include "tidewheel/connectors/kafka/table.h"
#include "tidewheel/formats/raw/table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace tidewheel;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(input.find('\n'), input.size());
  if (const auto read = kafka::read_jaas(input.substr(0, line)); read.ok()) {
    TIDEWHEEL_CHECK(read->size() == 2, "a login has {} properties", read->size());
  } else {
    TIDEWHEEL_CHECK(read.status().id() == ErrorId::kConnectorOption, "another error: {}",
                    read.status().to_string());
  }
  static const TableRegistry registry = [] {
    TableRegistry made;
    made.add(raw_table_format());
    return made;
  }();
  static const auto connector = kafka::table_connector();
  TableDefinition table;
  table.path = "t";
  table.columns = {{"v", LogicalType::string(), "", false}};
  table.options = {
      {"connector", "kafka"},
      {"topic", "t"},
      {"properties.bootstrap.servers", "a:1"},
      {"format", "raw"},
      {"scan.startup.mode", "specific-offsets"},
      {"scan.startup.specific-offsets", std::string(input.substr(std::min(line + 1, size)))}};
  const auto source = connector->source({table, registry});
  TIDEWHEEL_CHECK(source.ok() || source.status().id() == ErrorId::kSqlOption, "another error: {}",
                  source.status().to_string());
  return 0;
}
