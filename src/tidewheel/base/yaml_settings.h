// Files of settings as lists of them: YAML, whose nested maps become dotted keys, and plain lines.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"

namespace tidewheel {

struct YamlSetting {
  std::string key;
  std::string value;
  std::string place;  // "conf/config.yaml, line 3"
};

// Calls `take` for each in its order, until it fails. Errors: kConfigFile with line and column, and
// those of `take`.
[[nodiscard]] Status read_yaml_settings(std::string_view text, std::string_view name,
                                        const std::function<Status(const YamlSetting&)>& take);

// flink-conf.yaml is no YAML: `key: value` lines, whose values may hold anything but " #".
[[nodiscard]] Status read_plain_settings(std::string_view text, std::string_view name,
                                         const std::function<Status(const YamlSetting&)>& take);

}  // namespace tidewheel
