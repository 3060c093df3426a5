#include "tidewheel/base/yaml_settings.h"

#include <yaml-cpp/yaml.h>

namespace tidewheel {
namespace {

using Take = std::function<Status(const YamlSetting&)>;

std::string place_of(const YAML::Node& at, std::string_view name) {
  return fmt::format("{}, line {}", name, at.Mark().line + 1);
}

Status read_map(const YAML::Node& node, const std::string& prefix, std::string_view name,
                const Take& take) {
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) {
      return invalid_argument(ErrorId::kConfigFile, "{}: a key must be a plain text",
                              place_of(entry.first, name));
    }
    const std::string& part = entry.first.Scalar();
    const std::string key = prefix.empty() ? part : prefix + "." + part;
    if (entry.second.IsMap()) {
      TIDEWHEEL_RETURN_IF_ERROR(read_map(entry.second, key, name, take));
    } else if (entry.second.IsScalar()) {
      TIDEWHEEL_RETURN_IF_ERROR(take({key, entry.second.Scalar(), place_of(entry.first, name)}));
    } else {
      return invalid_argument(ErrorId::kConfigFile, "{}: '{}' has no value",
                              place_of(entry.first, name), key);
    }
  }
  return ok_status();
}

}  // namespace

Status read_yaml_settings(std::string_view text, std::string_view name, const Take& take) {
  try {
    const YAML::Node node = YAML::Load(std::string(text));
    if (node.IsMap()) { return read_map(node, "", name, take); }
    if (node.IsNull() || !node.IsDefined()) { return ok_status(); }
    return invalid_argument(ErrorId::kConfigFile, "{}: expected 'key: value' lines",
                            place_of(node, name));
  } catch (const YAML::Exception& error) {
    return invalid_argument(ErrorId::kConfigFile, "{}, line {}, column {}: {}", name,
                            error.mark.line + 1, error.mark.column + 1, error.msg);
  }
}

}  // namespace tidewheel
