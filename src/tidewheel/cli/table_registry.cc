#include "tidewheel/cli/table_registry.h"

#include "tidewheel/connectors/datagen/table.h"
#include "tidewheel/connectors/discard/table.h"
#include "tidewheel/connectors/nexmark/table.h"
#include "tidewheel/connectors/print/table.h"

namespace tidewheel {

std::unique_ptr<TableRegistry> make_table_registry() {
  auto registry = std::make_unique<TableRegistry>();
  registry->add(blackhole_table_connector());
  registry->add(datagen::table_connector());
  registry->add(nexmark::table_connector());
  registry->add(print_table_connector());
  return registry;
}

}  // namespace tidewheel
