#include "tidewheel/base/log.h"

namespace tidewheel {

void Logger::log(LogLevel level, fmt::string_view format, fmt::format_args args) const {
  if (!logs(level)) { return; }
  sink_->write(level, clock_->wall_ms(), name_, fmt::vformat(format, args));
}

}  // namespace tidewheel
