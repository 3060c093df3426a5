// Options of plug-ins.
#pragma once
#include "tidewheel/base/config.h"

namespace tidewheel::options {

inline constexpr TextOption kPluginsDirectory{
    {"plugins.dir", OptionKind::kText, "",
     "Folder of plug-ins, NAME/*.so, that add connectors and formats to SQL; empty: that of the "
     "environment's TIDEWHEEL_PLUGINS_DIR, else plugins beside the program's bin."}};

}  // namespace tidewheel::options
