// `tidewheel config`: what is in effect, and where it comes from.
#pragma once
#include <string>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel {

class World;  // base/world.h

struct ConfigCommand {
  std::string config_directory;
  std::vector<std::string> settings;  // of -D
  std::string value_of;               // shows this key's value alone; empty: all
  bool set_only = false;              // not those that have their defaults
};

// Lines of "key: value  # where from, default, what it means". Secrets are not shown.
// Errors: kUnknownOption, kBadOptionValue, kConfigFile.
Result<std::string> show_config(World& world, const ConfigCommand& command);

}  // namespace tidewheel
