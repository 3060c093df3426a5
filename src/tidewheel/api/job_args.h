// The job's own arguments: `--key value` on the command line, for env.args().
#pragma once
#include <cstdint>
#include <exception>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/types/time.h"

namespace tidewheel {

// `--key value`, `--key=value`, and `--flag` alone (which is "true"). What has no dashes stands in
// `positional`. Reading a value of the wrong form throws BadArgument: the job's author can't go on.
class JobArgs {
 public:
  JobArgs() = default;
  explicit JobArgs(std::span<const std::string> arguments);

  bool has(std::string_view key) const { return values_.find(key) != values_.end(); }
  // The value, or `other`. T: std::string, bool, an integer, double, or Duration ("10 s").
  template <class T>
  T get(std::string_view key, T other) const {
    const std::string* text = find(key);
    return text == nullptr ? other : parse<T>(key, *text);
  }
  std::string get(std::string_view key, const char* other) const {
    return get<std::string>(key, std::string(other));
  }
  // A value that the job can't do without.
  template <class T = std::string>
  T require(std::string_view key) const {
    const std::string* text = find(key);
    if (text == nullptr) { throw_missing(key); }
    return parse<T>(key, *text);
  }
  const std::vector<std::string>& positional() const { return positional_; }
  const std::map<std::string, std::string, std::less<>>& all() const { return values_; }

 private:
  const std::string* find(std::string_view key) const;
  template <class T>
  static T parse(std::string_view key, const std::string& text) {
    if constexpr (std::is_same_v<T, std::string>) {
      return text;
    } else if constexpr (std::is_same_v<T, bool>) {
      return to_bool(key, text);
    } else if constexpr (std::is_same_v<T, Duration>) {
      return Duration(to_duration_ms(key, text));
    } else if constexpr (std::is_floating_point_v<T>) {
      return static_cast<T>(to_double(key, text));
    } else {
      static_assert(std::is_integral_v<T>,
                    "an argument is a std::string, bool, integer, double or tw::Duration");
      return static_cast<T>(to_int(key, text, static_cast<int64_t>(std::numeric_limits<T>::min()),
                                   sizeof(T) == 8
                                       ? std::numeric_limits<int64_t>::max()
                                       : static_cast<int64_t>(std::numeric_limits<T>::max())));
    }
  }
  [[noreturn]] static void throw_missing(std::string_view key);
  static bool to_bool(std::string_view key, const std::string& text);
  static int64_t to_int(std::string_view key, const std::string& text, int64_t min, int64_t max);
  static double to_double(std::string_view key, const std::string& text);
  static int64_t to_duration_ms(std::string_view key, const std::string& text);

  std::map<std::string, std::string, std::less<>> values_;
  std::vector<std::string> positional_;
};

// A job argument that is missing or can't be read; ends the program with its status's message.
class BadArgument final : public std::exception {
 public:
  explicit BadArgument(Status status) : status_(std::move(status)) {}
  const Status& status() const { return status_; }
  const char* what() const noexcept override { return status_.message().c_str(); }

 private:
  Status status_;
};

}  // namespace tidewheel
