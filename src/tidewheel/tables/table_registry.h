// The connectors and formats that SQL of this program can name: the one place that links them all.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "tidewheel/api/table.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/world.h"

namespace tidewheel {

// Those that are linked.
std::unique_ptr<TableRegistry> make_table_registry();

// Has the plug-in of a file among those that a registry can name, or no longer; for as long as the
// registry lives. Errors: PluginFolder::add.
using ChangePlugins = std::function<Status(const std::string& path, bool removes)>;

// With those of plug-ins too (plugins/plugin_folder.h), in the folder that `config` names when one
// is looked for. `world` outlives the registry. `change`, when it is not null, is set.
std::unique_ptr<TableRegistry> make_table_registry(World& world,
                                                   std::function<const Config&()> config,
                                                   ChangePlugins* change = nullptr);

}  // namespace tidewheel
