#include "tidewheel/cli/option_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "tidewheel/base/fixed_options.h"
#include "tidewheel/base/options.h"

namespace tidewheel {

namespace {

struct Group {
  std::string_view start;  // of its keys
  std::string_view title;
};
// The first that fits is an option's.
constexpr Group kGroups[] = {
    {"execution.checkpointing", "Checkpoints"},
    {"execution.state-recovery", "Starting from a snapshot"},
    {"restart-strategy", "Restarts"},
    {"jobmanager.execution", "Restarts"},
    {"state.backend.rocksdb", "RocksDB"},
    {"taskmanager.memory", "Memory"},
    {"state.", "State"},
    {"pipeline", "Jobs"},
    {"parallelism", "Jobs"},
    {"execution", "Jobs"},
    {"taskmanager", "Tasks"},
    {"env.", "Logs and scripts"},
    {"high-availability", "High availability"},
    {"metrics", "Metrics"},
    {"security", "Security"},
    {"rest.", "REST and the web UI"},
    {"web.", "REST and the web UI"},
    {"historyserver", "History server"},
};

std::string_view title_of(std::string_view key) {
  for (const Group& group : kGroups) {
    if (key.starts_with(group.start)) { return group.title; }
  }
  return "Cluster";
}

std::string_view kind_name(OptionKind kind) {
  switch (kind) {
    case OptionKind::kBool: return "true or false";
    case OptionKind::kInt: return "number";
    case OptionKind::kDouble: return "number with fraction";
    case OptionKind::kText: return "text";
    case OptionKind::kDuration: return "duration";
    case OptionKind::kMemory: return "size";
  }
  return "";
}

std::string in_code(std::string_view text) { return text.empty() ? "" : fmt::format("`{}`", text); }

// Bars would end a cell.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') { out += '\\'; }
    out += c;
  }
  return out;
}

std::string fixed_reference() {
  std::string out =
      "\n## Keys with nothing to choose\n\nThey are known, because configurations have them; what "
      "they say is so anyway, and any other value is an error.\n\n| key | only | because |\n"
      "| --- | --- | --- |\n";
  for (const FixedOption& option : fixed_options()) {
    const std::string former =
        option.former_key.empty() ? "" : " Also " + in_code(option.former_key) + ".";
    out += fmt::format("| `{}` | {} | {}.{} |\n", option.key,
                       option.value.empty() ? "not to be set" : in_code(option.value),
                       cell(option.why), former);
  }
  return out;
}

std::string meaningless_reference() {
  std::string out =
      "\n## Keys that mean nothing\n\nIn files they are passed over with a warning; on a command "
      "line they are an error, as unknown keys are.\n\n| key | because |\n| --- | --- |\n";
  for (const MeaninglessOption& option : meaningless_options()) {
    out += fmt::format("| `{}` | {}. |\n", option.key, cell(option.why));
  }
  return out;
}

}  // namespace

std::string option_reference() {
  std::map<std::string_view, std::vector<const ConfigOption*>> groups;
  for (const ConfigOption* option : all_options()) {
    groups[title_of(option->key)].push_back(option);
  }
  std::string out;
  for (auto& [title, all] : groups) {
    std::sort(all.begin(), all.end(),
              [](const ConfigOption* a, const ConfigOption* b) { return a->key < b->key; });
    out += fmt::format("\n## {}\n\n", title);
    out += "| key | default | takes | meaning |\n| --- | --- | --- | --- |\n";
    for (const ConfigOption* option : all) {
      const std::string former =
          option->former_key.empty() ? "" : " Also " + in_code(option->former_key) + ".";
      out += fmt::format("| `{}` | {} | {} | {}{} |\n", option->key, in_code(option->default_text),
                         kind_name(option->kind), cell(option->description), former);
    }
  }
  return out + fixed_reference() + meaningless_reference();
}

}  // namespace tidewheel
