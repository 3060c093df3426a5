// Which reporters of metrics a configuration has (metrics.reporters, metrics.reporter.NAME.*).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel {

class Config;  // base/config.h

struct ReporterSettings {
  enum class Kind : uint8_t { kPrometheus, kGraphite, kStatsD, kLog, kJsonFile };
  std::string name;
  Kind kind = Kind::kPrometheus;
  int64_t interval_ms = 10'000;
  std::string host;             // where it listens, or sends to
  std::vector<uint16_t> ports;  // the first free one; where it sends to, one
  std::string path;
  // The key that `ports` come from.
  std::string port_key() const { return "metrics.reporter." + name + ".port"; }
};
// Errors: kBadOptionValue, which names the key and what would be accepted.
Result<std::vector<ReporterSettings>> reporter_settings(const Config& config);

}  // namespace tidewheel
