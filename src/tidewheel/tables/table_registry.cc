#include "tidewheel/tables/table_registry.h"

#include <utility>

#include "tidewheel/connectors/datagen/table.h"
#include "tidewheel/connectors/discard/table.h"
#include "tidewheel/connectors/file/table.h"
#include "tidewheel/connectors/kafka/table.h"
#include "tidewheel/connectors/nexmark/table.h"
#include "tidewheel/connectors/print/table.h"
#include "tidewheel/connectors/socket/table.h"
#include "tidewheel/formats/avro/table.h"
#include "tidewheel/formats/csv/table.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/formats/protobuf/table.h"
#include "tidewheel/formats/raw/table.h"
#include "tidewheel/plugins/plugin_folder.h"
#include "tidewheel/plugins/table_plugin.h"

namespace tidewheel {

std::unique_ptr<TableRegistry> make_table_registry() {
  auto registry = std::make_unique<TableRegistry>();
  registry->add(blackhole_table_connector());
  registry->add(datagen::table_connector());
  registry->add(file::filesystem_table_connector());
  registry->add(file::stdin_table_connector());
  registry->add(file::stdout_table_connector());
  registry->add(kafka::table_connector());
  registry->add(kafka::upsert_table_connector());
  registry->add(nexmark::table_connector());
  registry->add(print_table_connector());
  registry->add(socket::table_connector());
  registry->add(avro_table_format());
  registry->add(avro_confluent_table_format());
  registry->add(csv_table_format());
  registry->add(debezium_json_table_format());
  registry->add(json_registry_table_format());
  registry->add(json_table_format());
  registry->add(protobuf_table_format());
  registry->add(protobuf_confluent_table_format());
  registry->add(raw_table_format());
  return registry;
}

std::unique_ptr<TableRegistry> make_table_registry(World& world,
                                                   std::function<const Config&()> config,
                                                   ChangePlugins* change) {
  auto registry = make_table_registry();
  auto folder = std::make_unique<PluginFolder>(
      world.files(),
      [&world, config = std::move(config)] { return plugin_directory(world, config()); }, *registry,
      load_table_plugin);
  if (change != nullptr) {
    *change = [folder = folder.get()](const std::string& path, bool removes) -> Status {
      if (!removes) { return folder->add(path); }
      folder->remove(path);
      return {};
    };
  }
  registry->extend(std::move(folder));
  return registry;
}

}  // namespace tidewheel
