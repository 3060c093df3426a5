// The connectors and formats that SQL of this program can name: the one place that links them all.
#pragma once
#include <functional>
#include <memory>

#include "tidewheel/api/table.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/world.h"

namespace tidewheel {

// Those that are linked.
std::unique_ptr<TableRegistry> make_table_registry();

// With those of plug-ins too (plugins/plugin_folder.h), in the folder that `config` names when one
// is looked for. `world` outlives the registry.
std::unique_ptr<TableRegistry> make_table_registry(World& world,
                                                   std::function<const Config&()> config);

}  // namespace tidewheel
