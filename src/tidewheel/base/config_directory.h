// The folder of a cluster's configuration, `conf`: config.yaml, or flink-conf.yaml.
#pragma once
#include <string>
#include <vector>

#include "tidewheel/base/config.h"

namespace tidewheel {

struct DirectoryConfig {
  Config config;
  std::string path;  // of the file that was read; empty: there is none
  // Keys that are not known here, with the nearest that are: a file may be shared with others.
  std::vector<std::string> warnings;
};

// Errors: kConfigFile; kBadOptionValue for values that can't be read, with their place.
Result<DirectoryConfig> read_config_directory(FileSystem& files, const std::string& directory);

}  // namespace tidewheel
