#include "tidewheel/cli/config_command.h"

#include <algorithm>

#include "tidewheel/base/config_directory.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cli/usage.h"
#include "tidewheel/rest/cluster_json.h"

namespace tidewheel {
namespace {

constexpr std::string_view kMask = "******";

const ConfigOption* find_option(std::string_view key) {
  for (const ConfigOption* const option : all_options()) {
    if (option->key == key || (!option->former_key.empty() && option->former_key == key)) {
      return option;
    }
  }
  return nullptr;
}

std::string effective(const Config& config, const ConfigOption& option) {
  const auto found = config.values().find(option.key);
  return found == config.values().end() ? std::string(option.default_text) : found->second;
}

}  // namespace

Result<std::string> show_config(World& world, const ConfigCommand& command) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const DirectoryConfig file,
                             read_config_directory(world.files(), command.config_directory));
  Config given;
  TIDEWHEEL_RETURN_IF_ERROR(apply_settings(command.settings, given));
  Config config = file.config;
  config.merge(given);
  if (!command.value_of.empty()) {
    const ConfigOption* const option = find_option(command.value_of);
    if (option == nullptr) {
      Config none;
      return none.set(command.value_of, "");  // says which key is near
    }
    return effective(config, *option) + "\n";
  }
  std::string text;
  for (const std::string& warning : file.warnings) { text += fmt::format("# {}\n", warning); }
  std::vector<const ConfigOption*> options(all_options().begin(), all_options().end());
  std::sort(options.begin(), options.end(),
            [](const ConfigOption* a, const ConfigOption* b) { return a->key < b->key; });
  for (const ConfigOption* const option : options) {
    const bool is_set = config.has(*option);
    if (command.set_only && !is_set) { continue; }
    const std::string from = given.has(*option) ? "-D" : is_set ? file.path : "default";
    const std::string value =
        is_set && is_secret_key(option->key) ? std::string(kMask) : effective(config, *option);
    text += fmt::format("{}: {}  # {}", option->key, value.empty() ? "\"\"" : value, from);
    if (is_set) {
      text += fmt::format(", the default is {}",
                          option->default_text.empty() ? "\"\"" : option->default_text);
    }
    text += "\n";
  }
  return text;
}

}  // namespace tidewheel
