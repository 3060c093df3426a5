// Options of what metrics are reported to. Each reporter has a name, and keys that begin with it.
#pragma once
#include <string_view>

#include "tidewheel/base/config.h"

namespace tidewheel::options {

inline constexpr TextOption kMetricReporters{
    {"metrics.reporters", OptionKind::kText, "",
     "Names of the reporters of metrics, separated by commas; empty: all that have a "
     "metrics.reporter.NAME.factory.class (prometheus, graphite, statsd, log or json-file)."}};

// Begins the keys of the reporter NAME: metrics.reporter.NAME.port.
inline constexpr std::string_view kMetricReporterPrefix = "metrics.reporter.";
// What may follow the name.
inline constexpr std::string_view kMetricReporterKeys[] = {"factory.class", "interval", "host",
                                                           "port", "path"};

}  // namespace tidewheel::options
