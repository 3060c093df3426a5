#include "tidewheel/cli/completion.h"

#include <CLI/CLI.hpp>

namespace tidewheel {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// "--all -a", as they are typed.
std::string flags_of(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* const option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) { out += " --" + name; }
    for (const std::string& name : option->get_snames()) { out += " -" + name; }
  }
  return out;
}

std::string names_of(const CLI::App& app) {
  std::string out;
  for (const CLI::App* const command : commands_of(app)) {
    out += " " + command->get_name();
    for (const std::string& alias : command->get_aliases()) { out += " " + alias; }
  }
  return out;
}

// "    run) words='--parallelism ..' ;;" of a command and of those that it has.
void add_bash_case(const CLI::App& command, std::string& out) {
  out += "      " + command.get_name();
  for (const std::string& alias : command.get_aliases()) { out += "|" + alias; }
  out += ") words='" + names_of(command) + flags_of(command) + "'";
  const std::vector<const CLI::App*> inner = commands_of(command);
  if (!inner.empty()) {
    out += "\n        case ${COMP_WORDS[2]} in\n";
    for (const CLI::App* const one : inner) {
      out += "          " + one->get_name() + ") ((COMP_CWORD > 2)) && words='" + flags_of(*one) +
             "' ;;\n";
    }
    out += "        esac";
  }
  out += " ;;\n";
}

// Files where no flag is begun: programs, folders and scripts are what most commands take.
std::string bash_script(const CLI::App& app) {
  std::string out =
      "_tidewheel() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} words=\n"
      "  if ((COMP_CWORD == 1)); then\n"
      "    words='" +
      names_of(app) + flags_of(app) +
      "'\n"
      "  else\n"
      "    case ${COMP_WORDS[1]} in\n";
  for (const CLI::App* const command : commands_of(app)) { add_bash_case(*command, out); }
  return out +
         "    esac\n"
         "  fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "}\n"
         "complete -o default -F _tidewheel tidewheel\n";
}

std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') { out += '\\'; }
    out += c;
  }
  return out + "'";
}

void add_fish_flags(const CLI::App& command, const std::string& condition, std::string& out) {
  for (const CLI::Option* const option : command.get_options()) {
    if (option->get_lnames().empty() && option->get_snames().empty()) { continue; }
    out += "complete -c tidewheel -n " + fish_quoted(condition);
    for (const std::string& name : option->get_lnames()) { out += " -l " + name; }
    for (const std::string& name : option->get_snames()) { out += " -s " + name; }
    if (option->get_items_expected_max() > 0) { out += " -r"; }
    out += " -d " + fish_quoted(option->get_description()) + "\n";
  }
}

std::string fish_script(const CLI::App& app) {
  std::string out;
  for (const CLI::App* const command : commands_of(app)) {
    out += "complete -c tidewheel -n __fish_use_subcommand -a " + command->get_name() + " -d " +
           fish_quoted(command->get_description()) + "\n";
    std::string seen = "__fish_seen_subcommand_from " + command->get_name();
    for (const std::string& alias : command->get_aliases()) { seen += " " + alias; }
    add_fish_flags(*command, seen, out);
    for (const CLI::App* const inner : commands_of(*command)) {
      out += "complete -c tidewheel -n " + fish_quoted(seen) + " -a " + inner->get_name() + " -d " +
             fish_quoted(inner->get_description()) + "\n";
      add_fish_flags(*inner, seen + "; and __fish_seen_subcommand_from " + inner->get_name(), out);
    }
  }
  return out;
}

}  // namespace

Result<std::string> completion_script(const CLI::App& app, std::string_view shell) {
  if (shell == "bash") { return bash_script(app); }
  if (shell == "zsh") {
    return "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n" +
           bash_script(app);
  }
  if (shell == "fish") { return fish_script(app); }
  return invalid_argument(ErrorId::kUsage, "completions are made for bash, zsh or fish, not '{}'",
                          shell);
}

}  // namespace tidewheel
