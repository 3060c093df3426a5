// Reporters of metrics by name (metrics.reporters): what GET /metrics has, of the whole cluster,
// at a port of its own for Prometheus, sent to Graphite, or as a file.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/rest/prometheus.h"

namespace tidewheel {

class Config;     // base/config.h
class EventLoop;  // base/event_loop.h
class World;      // base/world.h

struct ReporterSettings {
  enum class Kind : uint8_t { kPrometheus, kGraphite, kJsonFile };
  std::string name;
  Kind kind = Kind::kPrometheus;
  int64_t interval_ms = 10'000;
  std::string host;             // where it listens, or sends to
  std::vector<uint16_t> ports;  // the first free one; of Graphite one
  std::string path;
};
// Errors: kBadOptionValue, which names the key and what would be accepted.
Result<std::vector<ReporterSettings>> reporter_settings(const Config& config);

// "name;tag=value value time", a line for each sample, as Graphite's tags are.
std::string graphite_lines(const PrometheusText& metrics, int64_t wall_s);
// An object: the time, and a list of samples, each with its name, labels and value.
std::string metrics_as_json(const PrometheusText& metrics, int64_t wall_ms);

// On the loop's thread. Gathers all metrics now, and hands them over when they are there.
using GatherMetrics = std::function<void(std::function<void(const PrometheusText&)>)>;

class MetricReporters {
 public:
  virtual ~MetricReporters() = default;
  // Ports, by the reporter's name; for those that listen.
  virtual uint16_t port_of(std::string_view name) const = 0;

  // Errors: those of `reporter_settings`, kNetworkAddress when no port is free. `world` and `loop`
  // outlive it; it is destroyed once the loop has stopped.
  static Result<std::unique_ptr<MetricReporters>> open(World& world, const Config& config,
                                                       EventLoop& loop, GatherMetrics gather);
};

}  // namespace tidewheel
