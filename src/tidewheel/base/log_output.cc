#include "tidewheel/base/log_output.h"

#include <unistd.h>

#include <ctime>
#include <mutex>
#include <utility>

#include "tidewheel/base/json_text.h"
#include "tidewheel/base/letter_case.h"
#include "tidewheel/base/log_options.h"
#include "tidewheel/base/stream_files.h"
#include "tidewheel/base/world.h"

namespace tidewheel {
namespace {

constinit thread_local const LogContext* innermost = nullptr;

struct Output {
  std::mutex mutex;  // guards the rest; a leaf lock
  LogFormat format = LogFormat::kText;
  LogProcess process;
};
// Never destroyed: threads may log while the process ends.
Output& output() {
  static Output* const only = new Output;
  return *only;
}

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "DEBUG";
    case LogLevel::kInfo: return "INFO";
    case LogLevel::kWarning: return "WARN";
    case LogLevel::kError: return "ERROR";
    case LogLevel::kOff: break;
  }
  return "OFF";
}

// By ISO 8601; for people with a blank, and without the zone, which is always UTC.
std::string time_text(int64_t wall_ms, char separator, std::string_view zone) {
  std::tm parts{};
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}.{:03}{}", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, separator, parts.tm_hour, parts.tm_min,
                     parts.tm_sec, wall_ms % 1000, zone);
}

void add_member(std::string& out, std::string_view key, std::string_view value) {
  if (value.empty()) { return; }
  out += out.empty() ? "{\"" : ",\"";
  out += key;
  out += "\":";
  append_json_text(out, value);
}

void add_member(std::string& out, std::string_view key, int64_t value) {
  if (value >= 0) { out += fmt::format(",\"{}\":{}", key, value); }
}

// What the line is about, but for a job that the message names itself.
std::string about(const LogContext::Subject& subject, std::string_view message) {
  std::string out;
  const auto add = [&out](std::string_view what, const auto& value) {
    out += fmt::format("{}{}{}", out.empty() ? " [" : ", ", what, value);
  };
  if (!subject.job.empty() && message.find(subject.job) == message.npos) {
    add("job ", subject.job);
  }
  if (!subject.task.empty()) { add("task ", subject.task); }
  if (subject.subtask >= 0) { add("subtask ", subject.subtask); }
  if (subject.attempt >= 0) { add("attempt ", subject.attempt); }
  return out.empty() ? out : out + "]";
}

class StderrLogSink final : public LogSink {
 public:
  void write(LogLevel level, int64_t wall_ms, std::string_view logger,
             std::string_view message) override {
    std::string line;
    {
      Output& how = output();
      const std::lock_guard guard(how.mutex);
      line = log_line(how.format, how.process, ::getpid(), LogContext::present(), level, wall_ms,
                      logger, message);
    }
    // One call a line keeps lines of several threads apart; a full pipe's error has nowhere to go.
    static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
    look_after_stream_files();
  }
};

Result<LogFormat> format_of(const std::string& text) {
  if (same_word(text, "text")) { return LogFormat::kText; }
  if (same_word(text, "json")) { return LogFormat::kJson; }
  return invalid_argument(ErrorId::kBadOptionValue, "{} is '{}'; text and json are possible",
                          options::kLogFormat.key, text);
}

Result<LogLevel> level_of(const std::string& text) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError, LogLevel::kOff}) {
    if (same_word(text, level_name(level))) { return level; }
  }
  return invalid_argument(ErrorId::kBadOptionValue,
                          "{} is '{}'; DEBUG, INFO, WARN, ERROR and OFF are possible",
                          options::kLogLevel.key, text);
}

}  // namespace

LogContext::LogContext(const Subject& subject) : subject_(subject), outer_(innermost) {
  if (outer_ != nullptr) {
    if (subject_.job.empty()) { subject_.job = outer_->subject_.job; }
    if (subject_.task.empty()) {
      const std::string_view job = subject_.job;
      subject_ = outer_->subject_;
      subject_.job = job;
    }
  }
  innermost = this;
}

LogContext::~LogContext() { innermost = outer_; }

LogContext::Subject LogContext::present() {
  return innermost == nullptr ? Subject() : innermost->subject_;
}

std::string log_line(LogFormat format, const LogProcess& process, int64_t process_id,
                     const LogContext::Subject& subject, LogLevel level, int64_t wall_ms,
                     std::string_view logger, std::string_view message) {
  LogContext::Subject full = subject;
  if (full.job.empty()) { full.job = process.job; }
  if (format == LogFormat::kText) {
    return fmt::format("{} {:<5} {}{}: {}\n", time_text(wall_ms, ' ', ""), level_name(level),
                       logger, about(full, message), message);
  }
  std::string out;
  add_member(out, "time", time_text(wall_ms, 'T', "Z"));
  add_member(out, "level", level_name(level));
  add_member(out, "logger", logger);
  out += ",\"message\":";
  append_json_text(out, message);
  add_member(out, "process", process.role);
  add_member(out, "pid", process_id);
  add_member(out, "id", process.id);
  add_member(out, "job", full.job);
  add_member(out, "task", full.task);
  add_member(out, "subtask", full.subtask);
  add_member(out, "attempt", full.attempt);
  return out + "}\n";
}

std::unique_ptr<LogSink> make_stderr_log_sink() { return std::make_unique<StderrLogSink>(); }

Status set_log_output(World& world, const Config& config, LogProcess process) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const LogFormat format, format_of(config.get(options::kLogFormat)));
  TIDEWHEEL_ASSIGN_OR_RETURN(const LogLevel level, level_of(config.get(options::kLogLevel)));
  world.logger().set_level(level);
  limit_stream_files({.bytes_max = config.get(options::kLogFileSize),
                      .files_max = static_cast<int32_t>(config.get(options::kLogFilesMax))});
  Output& how = output();
  const std::lock_guard guard(how.mutex);
  how.format = format;
  how.process = std::move(process);
  return ok_status();
}

bool logs_json() {
  Output& how = output();
  const std::lock_guard guard(how.mutex);
  return how.format == LogFormat::kJson;
}

void set_log_process_id(std::string id) {
  Output& how = output();
  const std::lock_guard guard(how.mutex);
  how.process.id = std::move(id);
}

}  // namespace tidewheel
