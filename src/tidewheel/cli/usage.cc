#include "tidewheel/cli/usage.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/config.h"

namespace tidewheel {
namespace {

// The command that was typed, and its words.
struct Chosen {
  const CLI::App* app = nullptr;
  std::string words;
};
Chosen chosen_of(const CLI::App& app, const std::string& command) {
  Chosen chosen{&app, command};
  while (!chosen.app->get_subcommands().empty()) {
    chosen.app = chosen.app->get_subcommands().front();
    chosen.words += " " + chosen.app->get_name();
  }
  return chosen;
}

std::string meant_text(const std::string& near) {
  return near.empty() ? "" : ", did you mean `" + near + "`?";
}

// By all names that they have.
std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* const command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
    const std::vector<std::string>& aliases = command->get_aliases();
    names.insert(names.end(), aliases.begin(), aliases.end());
  }
  return names;
}

std::vector<std::string> flag_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* const option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) { names.push_back("--" + name); }
    for (const std::string& name : option->get_snames()) { names.push_back("-" + name); }
  }
  return names;
}

std::string nearest(std::string_view text, const std::vector<std::string>& names) {
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  return nearest_text(text, candidates);
}

// A flag of several letters that is near: those of one are near to everything.
std::string nearest_flag(std::string_view flag, std::vector<std::string> names) {
  std::erase_if(names, [](const std::string& name) { return name.size() <= 2; });
  return nearest(flag, names);
}

// Of the commands that a command has: the one that was taken for something else.
std::string nearest_to_positional(const CLI::App& app, const std::vector<std::string>& commands) {
  for (const CLI::Option* const option : app.get_options()) {
    if (!option->get_positional() || option->count() == 0) { continue; }
    if (std::string near = nearest(option->results().front(), commands); !near.empty()) {
      return near;
    }
  }
  return "";
}

// "LIBRARY, the library libNAME.so": an argument that is missing.
std::string missing_text(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* const option : app.get_options()) {
    if (!option->get_required() || option->count() > 0) { continue; }
    std::string what = option->get_description();
    if (!what.empty() && what[0] >= 'A' && what[0] <= 'Z') {
      what[0] = static_cast<char>(what[0] - 'A' + 'a');
    }
    out += fmt::format("{}{}{}{}", out.empty() ? "" : "; and ", option->get_type_name(),
                       what.empty() ? "" : ", ", what);
  }
  return out;
}

// "Could not convert: --parallelism = many" and "--file: 1 required NAME missing", with what is
// taken.
std::string reason_of(const CLI::App& app, const std::string& text) {
  const auto type_of = [&](std::string_view name) -> std::string {
    const CLI::Option* const option = app.get_option_no_throw(std::string(name));
    return option == nullptr ? "" : option->get_type_name();
  };
  constexpr std::string_view kConversion = "Could not convert: ";
  if (const size_t equals = text.find(" = ");
      text.starts_with(kConversion) && equals != std::string::npos) {
    const std::string name = text.substr(kConversion.size(), equals - kConversion.size());
    return fmt::format("{} takes a number ({}), not '{}'", name, type_of(name),
                       text.substr(equals + 3));
  }
  if (const size_t colon = text.find(": 1 required "); colon != std::string::npos) {
    const std::string name = text.substr(0, colon);
    return fmt::format("{} needs a value: {}", name, type_of(name));
  }
  return text;
}

}  // namespace

Status usage_error(const CLI::App& app, const std::string& command, const CLI::ParseError& error) {
  const Chosen chosen = chosen_of(app, command);
  const std::string help = fmt::format("see {} --help", chosen.words);
  // CLI11 has them from the back.
  std::vector<std::string> extras = app.remaining(true);
  for (const std::string& extra : extras) {
    if (extra.size() < 2 || extra[0] != '-') { continue; }
    const std::string flag = extra.substr(0, extra.find('='));
    return invalid_argument(ErrorId::kUsage, "{} has no flag `{}`{}; {}", chosen.words, flag,
                            meant_text(nearest_flag(flag, flag_names(*chosen.app))), help);
  }
  const std::vector<std::string> commands = command_names(*chosen.app);
  if (!extras.empty() && !commands.empty() && chosen.app == &app) {
    return invalid_argument(ErrorId::kUsage, "there is no command `{}`{}; {}", extras.front(),
                            meant_text(nearest(extras.front(), commands)), help);
  }
  if (!extras.empty()) {
    return invalid_argument(ErrorId::kUsage, "{} takes nothing more, but there is `{}`{}; {}",
                            chosen.words, extras.front(),
                            meant_text(nearest_to_positional(*chosen.app, commands)), help);
  }
  if (const std::string missing = missing_text(*chosen.app); !missing.empty()) {
    return invalid_argument(ErrorId::kUsage, "{} needs {}; {}", chosen.words, missing, help);
  }
  if (chosen.app == &app && !commands.empty()) {
    return invalid_argument(ErrorId::kUsage, "{} needs a command; {} lists them", command,
                            command + " --help");
  }
  return invalid_argument(ErrorId::kUsage, "{}; {}", reason_of(*chosen.app, error.what()), help);
}

Status apply_settings(std::span<const std::string> settings, Config& config) {
  for (const std::string& setting : settings) {
    if (const Status set = config.set_assignment(setting); !set.ok()) {
      return invalid_argument(ErrorId::kUsage, "-D{}: {}", setting, set.message());
    }
  }
  return ok_status();
}

}  // namespace tidewheel
