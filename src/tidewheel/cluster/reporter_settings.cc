#include "tidewheel/cluster/reporter_settings.h"

#include <algorithm>
#include <map>
#include <utility>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/metric_options.h"
#include "tidewheel/base/port_list.h"

namespace tidewheel {
namespace {

using Keys = std::map<std::string, std::string>;  // of one reporter, without the prefix

// By Flink's names of their classes, and by their own.
constexpr std::pair<std::string_view, ReporterSettings::Kind> kKinds[] = {
    {"prometheus", ReporterSettings::Kind::kPrometheus},
    {"org.apache.flink.metrics.prometheus.PrometheusReporterFactory",
     ReporterSettings::Kind::kPrometheus},
    {"graphite", ReporterSettings::Kind::kGraphite},
    {"org.apache.flink.metrics.graphite.GraphiteReporterFactory",
     ReporterSettings::Kind::kGraphite},
    {"statsd", ReporterSettings::Kind::kStatsD},
    {"org.apache.flink.metrics.statsd.StatsDReporterFactory", ReporterSettings::Kind::kStatsD},
    {"log", ReporterSettings::Kind::kLog},
    {"org.apache.flink.metrics.slf4j.Slf4jReporterFactory", ReporterSettings::Kind::kLog},
    {"json-file", ReporterSettings::Kind::kJsonFile}};

// Those of Flink that are not there.
constexpr std::string_view kOthers[] = {
    "org.apache.flink.metrics.prometheus.PrometheusPushGatewayReporterFactory",
    "org.apache.flink.metrics.jmx.JMXReporterFactory",
    "org.apache.flink.metrics.influxdb.InfluxdbReporterFactory",
    "org.apache.flink.metrics.datadog.DatadogHttpReporterFactory",
    "org.apache.flink.metrics.otel.OpenTelemetryMetricReporterFactory"};

std::map<std::string, Keys> reporters_of(const Config& config) {
  std::map<std::string, Keys> out;
  for (const auto& [key, value] : config.values()) {
    std::string_view rest = key;
    if (!rest.starts_with(options::kMetricReporterPrefix)) { continue; }
    rest.remove_prefix(options::kMetricReporterPrefix.size());
    const size_t dot = rest.find('.');
    if (dot == std::string_view::npos) { continue; }
    out[std::string(rest.substr(0, dot))][std::string(rest.substr(dot + 1))] = value;
  }
  return out;
}

std::string key_of(const std::string& name, std::string_view key) {
  return fmt::format("{}{}.{}", options::kMetricReporterPrefix, name, key);
}

std::string value_or(const Keys& keys, const char* key, std::string otherwise) {
  const auto found = keys.find(key);
  return found == keys.end() ? std::move(otherwise) : found->second;
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

Result<ReporterSettings> read_reporter(const Config& config, const std::string& name,
                                       const Keys& keys) {
  ReporterSettings out;
  out.name = name;
  const std::string kind = value_or(keys, "factory.class", "");
  const auto* const known = std::find_if(std::begin(kKinds), std::end(kKinds),
                                         [&](const auto& one) { return one.first == kind; });
  if (known == std::end(kKinds)) {
    const bool is_flinks =
        std::find(std::begin(kOthers), std::end(kOthers), kind) != std::end(kOthers);
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is '{}'{}; prometheus, graphite, statsd, log and json-file are "
                            "accepted, and the classes of Flink's reporters for the first four",
                            key_of(name, "factory.class"), kind,
                            is_flinks ? ", which Flink has and this engine has not" : "");
  }
  out.kind = known->second;
  const std::string interval = value_or(keys, "interval", "10 s");
  const Result<int64_t> ms = parse_duration_ms(interval);
  if (!ms.ok() || *ms < 1) {
    return invalid_argument(ErrorId::kBadOptionValue, "{} needs a time such as 10 s, not '{}'",
                            key_of(name, "interval"), interval);
  }
  out.interval_ms = *ms;
  out.host = value_or(keys, "host", "localhost");
  const char* const port = out.kind == ReporterSettings::Kind::kGraphite ? "2003"
                           : out.kind == ReporterSettings::Kind::kStatsD ? "8125"
                                                                         : "9249";
  TIDEWHEEL_ASSIGN_OR_RETURN(out.ports,
                             parse_port_list(value_or(keys, "port", port), key_of(name, "port")));
  out.path = value_or(keys, "path", "");
  if (out.kind == ReporterSettings::Kind::kPrometheus && !is_loopback(out.host) &&
      !config.get(options::kAllowOpenBind)) {
    return invalid_argument(ErrorId::kBadOptionValue,
                            "{} is '{}', which other machines reach, and nobody there would have "
                            "to prove who they are; set {} to true if the network is trusted",
                            key_of(name, "host"), out.host, options::kAllowOpenBind.key);
  }
  if (out.kind == ReporterSettings::Kind::kJsonFile && out.path.empty()) {
    return invalid_argument(ErrorId::kBadOptionValue, "{} is not set: which file is it?",
                            key_of(name, "path"));
  }
  return out;
}

}  // namespace

Result<std::vector<ReporterSettings>> reporter_settings(const Config& config) {
  const std::map<std::string, Keys> known = reporters_of(config);
  std::vector<std::string> names;
  const std::string wanted = config.get(options::kMetricReporters);
  for (size_t at = 0; at < wanted.size();) {
    const size_t end = std::min(wanted.find(',', at), wanted.size());
    std::string name = wanted.substr(at, end - at);
    std::erase(name, ' ');
    if (!name.empty()) { names.push_back(std::move(name)); }
    at = end + 1;
  }
  if (names.empty()) {
    for (const auto& [name, keys] : known) {
      if (keys.count("factory.class") != 0) { names.push_back(name); }
    }
  }
  std::vector<ReporterSettings> out;
  for (const std::string& name : names) {
    const auto found = known.find(name);
    TIDEWHEEL_ASSIGN_OR_RETURN(
        ReporterSettings settings,
        read_reporter(config, name, found == known.end() ? Keys() : found->second));
    out.push_back(std::move(settings));
  }
  return out;
}

}  // namespace tidewheel
