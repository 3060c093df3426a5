// How this process writes its log, which is what goes to standard error: the form of its lines, and
// what they tell of the process. It is set once the configuration has been read; until then, and in
// programs without one, lines are text.
#pragma once
#include <string>

#include "tidewheel/base/log.h"
#include "tidewheel/base/log_context.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

class Config;  // base/config.h
class World;   // base/world.h

// What each line tells; empty: unknown.
struct LogProcess {
  std::string role = {};  // "jobmanager", "worker"
  std::string id = {};    // among those of its role
  std::string job = {};   // of a process that has one job only
};

enum class LogFormat : uint8_t { kText, kJson };

// A line, with its end. `process_id` is told in JSON only.
std::string log_line(LogFormat format, const LogProcess& process, int64_t process_id,
                     const LogContext::Subject& subject, LogLevel level, int64_t wall_ms,
                     std::string_view logger, std::string_view message);

// Takes the level, the form and the size of files from env.log.*; from now on files that the
// process's streams go to are put away when they are large (base/stream_files.h). Loggers that were
// named before keep their level. Errors: kBadOptionValue.
[[nodiscard]] Status set_log_output(World& world, const Config& config, LogProcess process);
// Whether all that goes to standard error has to be JSON.
bool logs_json();
// The process has got, or changed, its id.
void set_log_process_id(std::string id);

}  // namespace tidewheel
