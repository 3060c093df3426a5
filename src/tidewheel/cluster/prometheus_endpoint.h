// Where Prometheus finds the metrics of one process: an HTTP server on the first free port of those
// that its reporter is configured with.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/cluster/prometheus_text.h"
#include "tidewheel/cluster/reporter_settings.h"

namespace tidewheel {

class Config;  // base/config.h
class World;   // base/world.h

// Calls what it is given once, on any thread.
using GatherMetrics = std::function<void(std::function<void(const PrometheusText&)>)>;

// What the process itself uses is added under this name, unless it is empty.
struct ProcessScope {
  std::string scope = {};
  PrometheusText::Labels labels = {};
  int64_t memory_bytes_max = 0;  // 0: not known
};

class PrometheusEndpoint {
 public:
  // `gather` is called for each request, on the server's thread; null: there is nothing but the
  // process. The world outlives it. Errors: kNetworkAddress when no port is free.
  static Result<std::unique_ptr<PrometheusEndpoint>> open(World& world,
                                                          const ReporterSettings& settings,
                                                          ProcessScope process,
                                                          GatherMetrics gather);
  // Of all Prometheus reporters that the configuration has, for a process that can do without: one
  // that finds no free port is told in the log.
  static std::vector<std::unique_ptr<PrometheusEndpoint>> open_all(World& world,
                                                                   const Config& config,
                                                                   const ProcessScope& process,
                                                                   const GatherMetrics& gather);
  virtual ~PrometheusEndpoint() = default;
  virtual uint16_t port() const = 0;
};

}  // namespace tidewheel
