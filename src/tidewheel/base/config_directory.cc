#include "tidewheel/base/config_directory.h"

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/yaml_settings.h"

namespace tidewheel {
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
