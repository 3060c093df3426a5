#include "tidewheel/cluster/roles.h"

#include <algorithm>
#include <map>

#include "tidewheel/base/config.h"

namespace tidewheel {
namespace {

constexpr std::string_view kMasterName = "job-master";
constexpr std::string_view kWorkerName = "worker";

// The role's options, by name; each is taken out once, and what is left is not known.
class RoleOptions {
 public:
  Status read(std::span<const std::string> arguments, std::vector<std::string>& rest) {
    for (size_t i = 0; i < arguments.size(); ++i) {
      const std::string& argument = arguments[i];
      if (argument == "--") {
        rest.assign(arguments.begin() + static_cast<ptrdiff_t>(i) + 1, arguments.end());
        return ok_status();
      }
      const size_t equals = argument.find('=');
      if (!argument.starts_with("--") || equals == std::string::npos) {
        return invalid_argument(ErrorId::kUsage,
                                "'{}' is not an option of a role; they are --name=value, and the "
                                "job's arguments stand behind --",
                                argument);
      }
      values_[argument.substr(2, equals - 2)] = argument.substr(equals + 1);
    }
    return ok_status();
  }
  Status text(const std::string& name, std::string& into) {
    const auto found = values_.find(name);
    if (found == values_.end()) {
      return invalid_argument(ErrorId::kUsage, "--{} is missing", name);
    }
    into = found->second;
    values_.erase(found);
    return ok_status();
  }
  Status number(const std::string& name, uint64_t& into) {
    std::string value;
    TIDEWHEEL_RETURN_IF_ERROR(text(name, value));
    const bool digits =
        !value.empty() && value.size() <= 20 &&
        std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    uint64_t sum = 0;
    for (const char c : value) {
      const auto digit = static_cast<uint64_t>(c - '0');
      if (!digits || sum > (UINT64_MAX - digit) / 10) {
        return invalid_argument(ErrorId::kUsage, "--{} is '{}', not a number of 64 bits", name,
                                value);
      }
      sum = sum * 10 + digit;
    }
    if (!digits) { return invalid_argument(ErrorId::kUsage, "--{} is empty, not a number", name); }
    into = sum;
    return ok_status();
  }
  // False where it is not there.
  Status flag(const std::string& name, bool& into) {
    if (!has(name)) { return ok_status(); }
    std::string value;
    TIDEWHEEL_RETURN_IF_ERROR(text(name, value));
    if (value != "true" && value != "false") {
      return invalid_argument(ErrorId::kUsage, "--{} is '{}'; true and false are possible", name,
                              value);
    }
    into = value == "true";
    return ok_status();
  }
  Status address(const std::string& name, NetworkAddress& into) {
    std::string value;
    TIDEWHEEL_RETURN_IF_ERROR(text(name, value));
    auto parsed = NetworkAddress::parse(value);
    if (!parsed.ok()) {
      return invalid_argument(ErrorId::kUsage, "--{} is '{}': {}", name, value,
                              parsed.status().message());
    }
    into = std::move(parsed).value();
    return ok_status();
  }
  bool has(const std::string& name) const { return values_.contains(name); }
  Status finish() const {
    if (values_.empty()) { return ok_status(); }
    return invalid_argument(ErrorId::kUsage, "--{} is not known", values_.begin()->first);
  }

 private:
  std::map<std::string, std::string> values_;
};

Status check_role_job_id(const std::string& id) {
  const bool good = id.size() == 32 && std::all_of(id.begin(), id.end(), [](char c) {
                      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                    });
  if (good) { return ok_status(); }
  return invalid_argument(ErrorId::kUsage, "--job-id is '{}', not 32 hex digits", id);
}

}  // namespace

std::vector<std::string> role_arguments(const ProcessRole& role) {
  const bool is_master = role.kind == ProcessRole::Kind::kJobMaster;
  std::vector<std::string> out{std::string(is_master ? kMasterName : kWorkerName)};
  const auto add = [&out](std::string_view name, const std::string& value) {
    out.push_back(fmt::format("--{}={}", name, value));
  };
  add("job-id", role.job_id);
  add("epoch", std::to_string(role.epoch));
  add("program", role.program);
  if (!role.entry.empty()) { add("entry", role.entry); }
  add("config", role.config_file);
  add("working-directory", role.working_directory);
  add("listen", role.listen_at.to_string());
  add("host", role.host);
  if (is_master) {
    add("manager", role.manager.to_string());
    add("fence", std::to_string(role.manager_fence));
    if (role.outlives_manager) { add("outlives-manager", "true"); }
  } else {
    add("worker-id", role.worker_id);
    add("task-manager", role.task_manager_id);
    add("master", role.master.to_string());
    add("memory", std::to_string(role.memory_bytes));
    if (!role.results_directory.empty()) { add("results-directory", role.results_directory); }
  }
  out.emplace_back("--");
  out.insert(out.end(), role.arguments.begin(), role.arguments.end());
  return out;
}

bool is_role(std::span<const std::string> arguments) {
  return arguments.size() > 1 && (arguments[0] == kMasterName || arguments[0] == kWorkerName) &&
         arguments[1].starts_with("--job-id=");
}

Result<ProcessRole> parse_role(std::span<const std::string> arguments) {
  if (arguments.empty() || (arguments[0] != kMasterName && arguments[0] != kWorkerName)) {
    return invalid_argument(ErrorId::kUsage, "a role is {} or {}", kMasterName, kWorkerName);
  }
  ProcessRole role;
  role.kind =
      arguments[0] == kMasterName ? ProcessRole::Kind::kJobMaster : ProcessRole::Kind::kWorker;
  RoleOptions options;
  TIDEWHEEL_RETURN_IF_ERROR(options.read(arguments.subspan(1), role.arguments));
  TIDEWHEEL_RETURN_IF_ERROR(options.text("job-id", role.job_id));
  TIDEWHEEL_RETURN_IF_ERROR(check_role_job_id(role.job_id));
  TIDEWHEEL_RETURN_IF_ERROR(options.number("epoch", role.epoch));
  TIDEWHEEL_RETURN_IF_ERROR(options.text("program", role.program));
  if (options.has("entry")) { TIDEWHEEL_RETURN_IF_ERROR(options.text("entry", role.entry)); }
  TIDEWHEEL_RETURN_IF_ERROR(options.text("config", role.config_file));
  TIDEWHEEL_RETURN_IF_ERROR(options.text("working-directory", role.working_directory));
  TIDEWHEEL_RETURN_IF_ERROR(options.address("listen", role.listen_at));
  TIDEWHEEL_RETURN_IF_ERROR(options.text("host", role.host));
  if (role.kind == ProcessRole::Kind::kJobMaster) {
    TIDEWHEEL_RETURN_IF_ERROR(options.address("manager", role.manager));
    TIDEWHEEL_RETURN_IF_ERROR(options.number("fence", role.manager_fence));
    TIDEWHEEL_RETURN_IF_ERROR(options.flag("outlives-manager", role.outlives_manager));
  } else {
    uint64_t memory_bytes = 0;
    TIDEWHEEL_RETURN_IF_ERROR(options.text("worker-id", role.worker_id));
    TIDEWHEEL_RETURN_IF_ERROR(options.text("task-manager", role.task_manager_id));
    TIDEWHEEL_RETURN_IF_ERROR(options.address("master", role.master));
    TIDEWHEEL_RETURN_IF_ERROR(options.number("memory", memory_bytes));
    if (memory_bytes > INT64_MAX) {
      return invalid_argument(ErrorId::kUsage, "--memory is {} bytes", memory_bytes);
    }
    role.memory_bytes = static_cast<int64_t>(memory_bytes);
    if (options.has("results-directory")) {
      TIDEWHEEL_RETURN_IF_ERROR(options.text("results-directory", role.results_directory));
    }
  }
  TIDEWHEEL_RETURN_IF_ERROR(options.finish());
  return role;
}

std::string role_config_text(const Config& config) {
  std::string text;
  for (const auto& [key, value] : config.values()) {
    text += key + ": \"";
    for (const char c : value) {
      switch (c) {
        case '"': text += "\\\""; break;
        case '\\': text += "\\\\"; break;
        case '\n': text += "\\n"; break;
        case '\t': text += "\\t"; break;
        case '\r': text += "\\r"; break;
        default: text += c;
      }
    }
    text += "\"\n";
  }
  return text;
}

}  // namespace tidewheel
