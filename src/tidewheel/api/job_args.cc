#include "tidewheel/api/job_args.h"

#include "tidewheel/base/config.h"

namespace tidewheel {

JobArgs::JobArgs(std::span<const std::string> arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (!argument.starts_with("--") || argument.size() == 2) {
      positional_.emplace_back(argument);
      continue;
    }
    argument.remove_prefix(2);
    if (const size_t equals = argument.find('='); equals != std::string_view::npos) {
      values_.insert_or_assign(std::string(argument.substr(0, equals)),
                               std::string(argument.substr(equals + 1)));
    } else if (i + 1 < arguments.size() && !arguments[i + 1].starts_with("--")) {
      values_.insert_or_assign(std::string(argument), arguments[++i]);
    } else {
      values_.insert_or_assign(std::string(argument), "true");
    }
  }
}

const std::string* JobArgs::find(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

namespace {

[[noreturn]] void throw_bad(std::string_view key, const std::string& text,
                            std::string_view wanted) {
  throw BadArgument(invalid_argument(
      ErrorId::kBadParameter, "the job's argument --{} must be {}, not '{}'", key, wanted, text));
}

}  // namespace

void JobArgs::throw_missing(std::string_view key) {
  throw BadArgument(invalid_argument(
      ErrorId::kBadParameter, "the job needs the argument --{}: give it as --{} VALUE", key, key));
}

bool JobArgs::to_bool(std::string_view key, const std::string& text) {
  const Result<bool> value = parse_bool(text);
  if (!value.ok()) { throw_bad(key, text, "true or false"); }
  return *value;
}

int64_t JobArgs::to_int(std::string_view key, const std::string& text, int64_t min, int64_t max) {
  const Result<int64_t> value = parse_int(text);
  if (!value.ok()) { throw_bad(key, text, "a whole number"); }
  if (*value < min || *value > max) {
    throw_bad(key, text, fmt::format("from {} to {}", min, max));
  }
  return *value;
}

double JobArgs::to_double(std::string_view key, const std::string& text) {
  const Result<double> value = parse_double(text);
  if (!value.ok()) { throw_bad(key, text, "a number"); }
  return *value;
}

int64_t JobArgs::to_duration_ms(std::string_view key, const std::string& text) {
  const Result<int64_t> value = parse_duration_ms(text);
  if (!value.ok()) { throw_bad(key, text, "a duration such as 10 s"); }
  return *value;
}

}  // namespace tidewheel
