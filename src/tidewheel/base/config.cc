#include "tidewheel/base/config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <iterator>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/base/fixed_options.h"
#include "tidewheel/base/letter_case.h"
#include "tidewheel/base/metric_options.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/yaml_settings.h"

namespace tidewheel {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    text.remove_suffix(1);
  }
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) { c = static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }
  return out;
}

// Splits "10 s" into 10 and "s".
bool split_number(std::string_view text, int64_t& number, std::string& unit) {
  text = trimmed(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) { return false; }
  unit = lower(trimmed(text.substr(static_cast<size_t>(end - text.data()))));
  return true;
}

struct Unit {
  std::string_view names;  // between bars
  int64_t factor;
};

const Unit* find_unit(std::span<const Unit> units, const std::string& name) {
  const std::string wanted = "|" + name + "|";
  for (const Unit& unit : units) {
    if (unit.names.find(wanted) != std::string_view::npos) { return &unit; }
  }
  return nullptr;
}

constexpr Unit kDurationUnits[] = {
    {"|ns|nano|nanos|nanosecond|nanoseconds|", 1},
    {"|us|µs|micro|micros|microsecond|microseconds|", 1'000},
    {"||ms|milli|millis|millisecond|milliseconds|", 1'000'000},
    {"|s|sec|secs|second|seconds|", 1'000'000'000},
    {"|m|min|minute|minutes|", 60'000'000'000},
    {"|h|hour|hours|", 3'600'000'000'000},
    {"|d|day|days|", 86'400'000'000'000},
};

constexpr Unit kMemoryUnits[] = {
    {"||b|bytes|", 1},
    {"|k|kb|kibibytes|", int64_t{1} << 10},
    {"|m|mb|mebibytes|", int64_t{1} << 20},
    {"|g|gb|gibibytes|", int64_t{1} << 30},
    {"|t|tb|tebibytes|", int64_t{1} << 40},
};

std::string what_is_accepted(const ConfigOption& option) {
  std::string text;
  switch (option.kind) {
    case OptionKind::kBool: return "true or false";
    case OptionKind::kInt: text = "a whole number"; break;
    case OptionKind::kDouble: return "a number";
    case OptionKind::kText: return "any text";
    case OptionKind::kDuration: text = "a duration such as '10 ms', '5 s' or '1 min'"; break;
    case OptionKind::kMemory: text = "a memory size such as '64 mb' or '2 gb'"; break;
  }
  const auto shown = [&](int64_t value) {
    if (option.kind == OptionKind::kDuration) { return format_duration_ms(value); }
    if (option.kind == OptionKind::kMemory) { return format_memory_bytes(value); }
    return std::to_string(value);
  };
  const bool has_min = option.min != std::numeric_limits<int64_t>::min();
  const bool has_max = option.max != std::numeric_limits<int64_t>::max();
  if (has_min && has_max) {
    return text + " from " + shown(option.min) + " to " + shown(option.max);
  }
  if (has_min) { return text + ", at least " + shown(option.min); }
  if (has_max) { return text + ", at most " + shown(option.max); }
  return text;
}

bool readable(const ConfigOption& option, std::string_view value) {
  const auto in_range = [&](const Result<int64_t>& number) {
    return number.ok() && *number >= option.min && *number <= option.max;
  };
  switch (option.kind) {
    case OptionKind::kBool: return parse_bool(value).ok();
    case OptionKind::kInt: return in_range(parse_int(value));
    case OptionKind::kDouble: return parse_double(value).ok();
    case OptionKind::kText: return true;
    case OptionKind::kDuration: return in_range(parse_duration_ms(value));
    case OptionKind::kMemory: return in_range(parse_memory_bytes(value));
  }
  return false;
}

// What a key, or a former one, is for; a former key may have become several.
std::vector<const ConfigOption*> find_options(std::string_view key) {
  std::vector<const ConfigOption*> found;
  for (const ConfigOption* option : all_options()) {
    if (option->key == key) { return {option}; }
    if (!option->former_key.empty() && option->former_key == key) { found.push_back(option); }
  }
  return found;
}

const FixedOption* find_fixed(std::string_view key) {
  for (const FixedOption& option : fixed_options()) {
    if (option.key == key || (!option.former_key.empty() && option.former_key == key)) {
      return &option;
    }
  }
  return nullptr;
}

Status check_fixed(const FixedOption& option, std::string_view key, std::string_view value) {
  if (!option.value.empty() && same_word(value, option.value)) { return {}; }
  if (option.value.empty()) {
    return invalid_argument(ErrorId::kBadOptionValue, "{} can't be set: {}", key, option.why);
  }
  return invalid_argument(ErrorId::kBadOptionValue, "{} can't be '{}', only {}: {}", key, value,
                          option.value, option.why);
}

const MeaninglessOption* find_meaningless(std::string_view key) {
  for (const MeaninglessOption& option : meaningless_options()) {
    const bool is_prefix = option.key.ends_with('*');
    const std::string_view text = option.key.substr(0, option.key.size() - (is_prefix ? 1 : 0));
    if (is_prefix ? key.starts_with(text) : key == text) { return &option; }
  }
  return nullptr;
}

// metrics.reporter.NAME.KEY: what the values mean is the reporter's to judge.
bool is_of_reporter(std::string_view key) {
  if (!key.starts_with(options::kMetricReporterPrefix)) { return false; }
  key.remove_prefix(options::kMetricReporterPrefix.size());
  const size_t dot = key.find('.');
  if (dot == 0 || dot == std::string_view::npos) { return false; }
  const auto& keys = options::kMetricReporterKeys;
  return std::find(std::begin(keys), std::end(keys), key.substr(dot + 1)) != std::end(keys);
}

Status unknown_option(std::string_view key) {
  if (key.starts_with(options::kMetricReporterPrefix)) {
    return invalid_argument(ErrorId::kUnknownOption,
                            "there is no configuration key '{}'; {}NAME is followed by one of {}",
                            key, options::kMetricReporterPrefix,
                            fmt::join(options::kMetricReporterKeys, ", "));
  }
  if (const MeaninglessOption* option = find_meaningless(key)) {
    return invalid_argument(ErrorId::kUnknownOption, "{} means nothing here: {}", key, option->why);
  }
  std::vector<std::string_view> keys;
  for (const ConfigOption* option : all_options()) { keys.push_back(option->key); }
  const std::string nearest = nearest_text(key, keys);
  if (nearest.empty()) {
    return invalid_argument(ErrorId::kUnknownOption, "there is no configuration key '{}'", key);
  }
  return invalid_argument(ErrorId::kUnknownOption,
                          "there is no configuration key '{}'; did you mean '{}'?", key, nearest);
}

}  // namespace

Status Config::set(std::string_view key, std::string_view value) {
  key = trimmed(key);
  value = trimmed(value);
  const std::vector<const ConfigOption*> found = find_options(key);
  if (found.empty() && is_of_reporter(key)) {
    values_[std::string(key)] = std::string(value);
    return {};
  }
  if (found.empty()) {
    const FixedOption* const fixed = find_fixed(key);
    return fixed == nullptr ? unknown_option(key) : check_fixed(*fixed, key, value);
  }
  for (const ConfigOption* option : found) {
    if (!readable(*option, value)) {
      return invalid_argument(ErrorId::kBadOptionValue, "{} can't be '{}'; it takes {}", key, value,
                              what_is_accepted(*option));
    }
  }
  for (const ConfigOption* option : found) { set_known(*option, std::string(value)); }
  return {};
}

Status Config::set_assignment(std::string_view assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return invalid_argument(ErrorId::kBadOptionValue, "expected key=value, not '{}'", assignment);
  }
  return set(assignment.substr(0, equals), assignment.substr(equals + 1));
}

Status Config::load_yaml(std::string_view text, std::string_view name) {
  return read_yaml_settings(text, name, [this](const YamlSetting& setting) {
    return set(setting.key, setting.value).with_context("{}", setting.place);
  });
}

Status Config::load_file(FileSystem& files, const std::string& path) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text,
                             read_all(files, path).with_context("reading the configuration"));
  return load_yaml(text, path);
}

void Config::merge(const Config& other) {
  for (const auto& [key, value] : other.values_) { values_[key] = value; }
}

void Config::set_known(const ConfigOption& option, std::string value) {
  TIDEWHEEL_CHECK(readable(option, value), "{} can't be '{}'; it takes {}", option.key, value,
                  what_is_accepted(option));
  values_[std::string(option.key)] = std::move(value);
}

void Config::set(const BoolOption& option, bool value) {
  set_known(option, value ? "true" : "false");
}
void Config::set(const IntOption& option, int64_t value) {
  set_known(option, std::to_string(value));
}
void Config::set(const DoubleOption& option, double value) {
  set_known(option, fmt::format("{}", value));
}
void Config::set(const TextOption& option, std::string_view value) {
  set_known(option, std::string(value));
}
void Config::set(const DurationOption& option, int64_t ms) {
  set_known(option, format_duration_ms(ms));
}
void Config::set(const MemoryOption& option, int64_t bytes) {
  set_known(option, format_memory_bytes(bytes));
}

const std::string* Config::find(const ConfigOption& option) const {
  const auto found = values_.find(option.key);
  return found == values_.end() ? nullptr : &found->second;
}

bool Config::has(const ConfigOption& option) const { return find(option) != nullptr; }

bool Config::get(const BoolOption& option) const {
  const std::string* value = find(option);
  return *parse_bool(value == nullptr ? option.default_text : *value);
}
int64_t Config::get(const IntOption& option) const {
  const std::string* value = find(option);
  return *parse_int(value == nullptr ? option.default_text : *value);
}
double Config::get(const DoubleOption& option) const {
  const std::string* value = find(option);
  return *parse_double(value == nullptr ? option.default_text : *value);
}
std::string Config::get(const TextOption& option) const {
  const std::string* value = find(option);
  return value == nullptr ? std::string(option.default_text) : *value;
}
int64_t Config::get(const DurationOption& option) const {
  const std::string* value = find(option);
  return *parse_duration_ms(value == nullptr ? option.default_text : *value);
}
int64_t Config::get(const MemoryOption& option) const {
  const std::string* value = find(option);
  return *parse_memory_bytes(value == nullptr ? option.default_text : *value);
}

Result<int64_t> parse_duration_ms(std::string_view text) {
  int64_t number = 0;
  std::string unit;
  const Unit* found = nullptr;
  if (split_number(text, number, unit)) { found = find_unit(kDurationUnits, unit); }
  __extension__ using Wide = __int128;
  const Wide ns = found == nullptr ? 0 : static_cast<Wide>(number) * found->factor;
  Wide ms = ns / 1'000'000;
  if (ms == 0 && ns != 0) { ms = ns < 0 ? -1 : 1; }
  if (found == nullptr || ms > std::numeric_limits<int64_t>::max() ||
      ms < std::numeric_limits<int64_t>::min()) {
    return invalid_argument(
        ErrorId::kBadOptionValue,
        "'{}' is not a duration; write a number and one of ns, us, ms, s, min, h, d", text);
  }
  return static_cast<int64_t>(ms);
}

Result<int64_t> parse_memory_bytes(std::string_view text) {
  int64_t number = 0;
  std::string unit;
  const Unit* found = nullptr;
  if (split_number(text, number, unit)) { found = find_unit(kMemoryUnits, unit); }
  int64_t bytes = 0;
  if (found == nullptr || number < 0 || __builtin_mul_overflow(number, found->factor, &bytes)) {
    return invalid_argument(
        ErrorId::kBadOptionValue,
        "'{}' is not a memory size; write a number and one of b, kb, mb, gb, tb", text);
  }
  return bytes;
}

Result<bool> parse_bool(std::string_view text) {
  const std::string value = lower(trimmed(text));
  if (value == "true") { return true; }
  if (value == "false") { return false; }
  return invalid_argument(ErrorId::kBadOptionValue, "'{}' is not true or false", text);
}

Result<int64_t> parse_int(std::string_view text) {
  text = trimmed(text);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return invalid_argument(ErrorId::kBadOptionValue, "'{}' is not a whole number", text);
  }
  return value;
}

Result<double> parse_double(std::string_view text) {
  text = trimmed(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return invalid_argument(ErrorId::kBadOptionValue, "'{}' is not a number", text);
  }
  return value;
}

std::string format_duration_ms(int64_t ms) {
  static constexpr std::pair<int64_t, std::string_view> kUnits[] = {
      {86'400'000, "d"}, {3'600'000, "h"}, {60'000, "min"}, {1'000, "s"}};
  for (const auto& [factor, name] : kUnits) {
    if (ms != 0 && ms % factor == 0) { return fmt::format("{} {}", ms / factor, name); }
  }
  return fmt::format("{} ms", ms);
}

std::string format_memory_bytes(int64_t bytes) {
  static constexpr std::pair<int64_t, std::string_view> kUnits[] = {
      {int64_t{1} << 40, "tb"}, {1 << 30, "gb"}, {1 << 20, "mb"}, {1 << 10, "kb"}};
  for (const auto& [factor, name] : kUnits) {
    if (bytes != 0 && bytes % factor == 0) { return fmt::format("{} {}", bytes / factor, name); }
  }
  return fmt::format("{} bytes", bytes);
}

std::string nearest_text(std::string_view text, std::span<const std::string_view> candidates) {
  std::string_view best;
  size_t best_distance = std::max<size_t>(2, text.size() / 3) + 1;
  std::vector<size_t> row;
  for (const std::string_view candidate : candidates) {
    // Lengths are free to compare, and text may be as long as whoever wrote it likes.
    const size_t longer = std::max(text.size(), candidate.size());
    if (longer - std::min(text.size(), candidate.size()) >= best_distance) { continue; }
    // Edit distance by rows (Wagner, Fischer 1974).
    row.resize(candidate.size() + 1);
    for (size_t j = 0; j < row.size(); ++j) { row[j] = j; }
    for (size_t i = 1; i <= text.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j < row.size(); ++j) {
        const size_t substituted = diagonal + (text[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return std::string(best);
}

}  // namespace tidewheel
