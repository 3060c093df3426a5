#include "tidewheel/base/log.h"

#include <unistd.h>

#include <ctime>

namespace tidewheel {
namespace {

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "DEBUG";
    case LogLevel::kInfo: return "INFO ";
    case LogLevel::kWarning: return "WARN ";
    case LogLevel::kError: return "ERROR";
    case LogLevel::kOff: break;
  }
  return "OFF  ";
}

class StderrLogSink final : public LogSink {
 public:
  void write(LogLevel level, int64_t wall_ms, std::string_view logger,
             std::string_view message) override {
    std::tm parts{};
    const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
    gmtime_r(&seconds, &parts);
    const std::string line =
        fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} {} {}: {}\n", parts.tm_year + 1900,
                    parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                    wall_ms % 1000, level_name(level), logger, message);
    // One call a line keeps lines of several threads apart; a full pipe's error has nowhere to go.
    static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
  }
};

}  // namespace

std::unique_ptr<LogSink> make_stderr_log_sink() { return std::make_unique<StderrLogSink>(); }

void Logger::log(LogLevel level, fmt::string_view format, fmt::format_args args) const {
  if (!logs(level)) { return; }
  sink_->write(level, clock_->wall_ms(), name_, fmt::vformat(format, args));
}

}  // namespace tidewheel
