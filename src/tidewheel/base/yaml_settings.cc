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

std::string_view without_blanks(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == text.npos) { return {}; }
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
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

Status read_plain_settings(std::string_view text, std::string_view name, const Take& take) {
  for (int64_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (without_blanks(line).starts_with('#')) { continue; }
    line = without_blanks(line.substr(0, line.find(" #")));
    if (line.empty()) { continue; }
    const std::string place = fmt::format("{}, line {}", name, number);
    const size_t colon = line.find(": ");
    if (colon == line.npos) {
      return invalid_argument(ErrorId::kConfigFile, "{}: expected 'key: value', not '{}'", place,
                              line);
    }
    TIDEWHEEL_RETURN_IF_ERROR(take({std::string(without_blanks(line.substr(0, colon))),
                                    std::string(without_blanks(line.substr(colon + 2))), place}));
  }
  return ok_status();
}

}  // namespace tidewheel
