// Log messages. A Logger is handed down; where its lines go is its sink's business.
#pragma once
#include <fmt/core.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "tidewheel/base/clock.h"

namespace tidewheel {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kOff };

// Takes whole lines. Any thread.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(LogLevel level, int64_t wall_ms, std::string_view logger,
                     std::string_view message) = 0;
};

// "2013-01-01 05:00:00.123 INFO  name: message" to standard error, a line a call.
std::unique_ptr<LogSink> make_stderr_log_sink();

// Any thread; cheap to copy. The sink and the clock outlive it.
class Logger {
 public:
  Logger(LogSink& sink, const Clock& clock, LogLevel level, std::string name = "tidewheel")
      : sink_(&sink), clock_(&clock), level_(level), name_(std::move(name)) {}

  Logger named(std::string name) const { return {*sink_, *clock_, level_, std::move(name)}; }
  bool logs(LogLevel level) const { return level >= level_; }
  LogLevel level() const { return level_; }
  void set_level(LogLevel level) { level_ = level; }

  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    log(LogLevel::kDebug, format, fmt::make_format_args(args...));
  }
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    log(LogLevel::kInfo, format, fmt::make_format_args(args...));
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) const {
    log(LogLevel::kWarning, format, fmt::make_format_args(args...));
  }
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const {
    log(LogLevel::kError, format, fmt::make_format_args(args...));
  }

 private:
  void log(LogLevel level, fmt::string_view format, fmt::format_args args) const;

  LogSink* sink_;
  const Clock* clock_;
  LogLevel level_;
  std::string name_;
};

}  // namespace tidewheel
