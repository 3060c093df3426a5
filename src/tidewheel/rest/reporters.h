// The JobManager's reporters of metrics by name (metrics.reporters). What GET /metrics has, of the
// whole cluster, is sent to Graphite or StatsD, logged, or written to a file. Prometheus asks each
// process for its own (cluster/prometheus_endpoint.h): the JobManager for what it knows by itself
// of itself and of jobs.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/cluster/prometheus_endpoint.h"

namespace tidewheel {

class Config;     // base/config.h
class EventLoop;  // base/event_loop.h
class World;      // base/world.h

// "name;tag=value value time", a line for each sample, as Graphite's tags are.
std::string graphite_lines(const PrometheusText& metrics, int64_t wall_s);
// "name.label.label:value|g", a line for each sample: StatsD knows no labels, so that their values
// follow the name. As datagrams of `bytes_max` at most.
std::vector<std::string> statsd_datagrams(const PrometheusText& metrics, size_t bytes_max);
// An object: the time, and a list of samples, each with its name, labels and value.
std::string metrics_as_json(const PrometheusText& metrics, int64_t wall_ms);

class MetricReporters {
 public:
  virtual ~MetricReporters() = default;
  // Ports, by the reporter's name; for those that listen.
  virtual uint16_t port_of(std::string_view name) const = 0;

  // `gather` is called on the loop's thread. Errors: those of `reporter_settings`, kNetworkAddress
  // when no port is free, or where a host is not known. `world` and `loop` outlive it; it is
  // destroyed once the loop has stopped.
  static Result<std::unique_ptr<MetricReporters>> open(World& world, const Config& config,
                                                       EventLoop& loop, GatherMetrics gather);
};

}  // namespace tidewheel
