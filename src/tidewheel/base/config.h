// Configuration: typed options with keys, defaults and descriptions, and the values a user gave.
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"

namespace tidewheel {

class FileSystem;  // base/file_system.h

enum class OptionKind : uint8_t { kBool, kInt, kDouble, kText, kDuration, kMemory };

// One option, as a constant. The default is text, read in the same way as a user's value. `min` and
// `max` bound kInt, kDuration (milliseconds) and kMemory (bytes).
struct ConfigOption {
  std::string_view key;
  OptionKind kind;
  std::string_view default_text;
  std::string_view description;
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
  std::string_view former_key = {};  // an older spelling that is still read
};
// The kind as a type, so that `get` gives the right one.
struct BoolOption : ConfigOption {};
struct IntOption : ConfigOption {};
struct DoubleOption : ConfigOption {};
struct TextOption : ConfigOption {};
struct DurationOption : ConfigOption {};  // in milliseconds
struct MemoryOption : ConfigOption {};    // in bytes

// Values by key. Only known keys and readable values get in, so reading cannot fail. Copyable; one
// thread at a time.
class Config {
 public:
  // Errors: kUnknownOption (with the nearest key), kBadOptionValue (with what would be accepted).
  [[nodiscard]] Status set(std::string_view key, std::string_view value);
  // "key=value", as after -D.
  [[nodiscard]] Status set_assignment(std::string_view assignment);
  // Reads YAML, with flat keys (`a.b: 1`) or nested ones. Errors: kConfigFile with line and column,
  // and those of `set`.
  [[nodiscard]] Status load_yaml(std::string_view text, std::string_view name);
  [[nodiscard]] Status load_file(FileSystem& files, const std::string& path);
  // Takes over `other`'s values.
  void merge(const Config& other);

  void set(const BoolOption& option, bool value);
  void set(const IntOption& option, int64_t value);
  void set(const DoubleOption& option, double value);
  void set(const TextOption& option, std::string_view value);
  void set(const DurationOption& option, int64_t ms);
  void set(const MemoryOption& option, int64_t bytes);

  // The user's value, or else the default.
  bool get(const BoolOption& option) const;
  int64_t get(const IntOption& option) const;
  double get(const DoubleOption& option) const;
  std::string get(const TextOption& option) const;
  int64_t get(const DurationOption& option) const;  // milliseconds
  int64_t get(const MemoryOption& option) const;    // bytes
  bool has(const ConfigOption& option) const;
  const std::map<std::string, std::string, std::less<>>& values() const { return values_; }

 private:
  const std::string* find(const ConfigOption& option) const;
  void set_known(const ConfigOption& option, std::string value);

  std::map<std::string, std::string, std::less<>> values_;
};

// "10 s", "5min", "1 h", "250 us", "300" (milliseconds); as Flink writes them. Rounded down to
// milliseconds, but not to 0 when it is not 0.
Result<int64_t> parse_duration_ms(std::string_view text);
// "64 mb", "1g", "4096" (bytes); units are powers of 1024.
Result<int64_t> parse_memory_bytes(std::string_view text);
Result<bool> parse_bool(std::string_view text);
Result<int64_t> parse_int(std::string_view text);
Result<double> parse_double(std::string_view text);
// "10 s", "64 mb": the largest unit that is exact.
std::string format_duration_ms(int64_t ms);
std::string format_memory_bytes(int64_t bytes);

// The nearest of `candidates` by edit distance; empty when none is near.
std::string nearest_text(std::string_view text, std::span<const std::string_view> candidates);

}  // namespace tidewheel
