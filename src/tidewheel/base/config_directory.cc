#include "tidewheel/base/config_directory.h"

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/yaml_settings.h"

namespace tidewheel {
namespace {

std::string_view without_blanks(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == text.npos) { return {}; }
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// flink-conf.yaml is no YAML: `key: value` lines, whose values may hold anything but " #".
Status read_plain_settings(std::string_view text, std::string_view name,
                           const std::function<Status(const YamlSetting&)>& take) {
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

}  // namespace

Result<DirectoryConfig> read_config_directory(FileSystem& files, const std::string& directory) {
  DirectoryConfig out;
  const auto take = [&out](const YamlSetting& setting) -> Status {
    Status status = out.config.set(setting.key, setting.value);
    if (status.ok() || status.id() != ErrorId::kUnknownOption) {
      return std::move(status).with_context("{}", setting.place);
    }
    out.warnings.push_back(fmt::format("{}: {}", setting.place, status.message()));
    return ok_status();
  };
  for (const char* name : {"config.yaml", "flink-conf.yaml"}) {
    const std::string path = join_path(directory, name);
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool exists, files.exists(path));
    if (!exists) { continue; }
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text, read_all(files, path));
    out.path = path;
    TIDEWHEEL_RETURN_IF_ERROR(std::string_view(name) == "config.yaml"
                                  ? read_yaml_settings(text, path, take)
                                  : read_plain_settings(text, path, take));
    break;
  }
  return out;
}

}  // namespace tidewheel
