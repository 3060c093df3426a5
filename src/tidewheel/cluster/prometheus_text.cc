#include "tidewheel/cluster/prometheus_text.h"

#include <algorithm>

#include "tidewheel/base/config.h"
#include "tidewheel/cluster/job_report.pb.h"

namespace tidewheel {
namespace {

std::string clean_name(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
    if (!is_plain) { c = '_'; }
  }
  return out;
}

std::string label_value(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

constexpr std::string_view kPrefix = "flink_";

}  // namespace

std::string metric_value_text(const pb::Metric& metric) {
  switch (metric.value_case()) {
    case pb::Metric::kInteger: return std::to_string(metric.integer());
    case pb::Metric::kReal: return fmt::format("{}", metric.real());
    case pb::Metric::kText: return metric.text();
    case pb::Metric::VALUE_NOT_SET: break;
  }
  return "0";
}

void PrometheusText::add(std::string_view scope, std::string_view name, const Labels& labels,
                         std::string_view value) {
  std::string number(value);
  if (value == "true" || value == "false") {
    number = value == "true" ? "1" : "0";
  } else if (!parse_double(value).ok()) {
    return;
  }
  const std::string full = clean_name(fmt::format("{}{}_{}", kPrefix, scope, name));
  Family& family = families_[full];
  if (family.help.empty()) { family.help = fmt::format("{} (scope: {})", name, scope); }
  family.samples.push_back({labels, std::move(number)});
}

void PrometheusText::add_table(std::string_view scope, const Labels& labels,
                               const MetricTable& table) {
  for (const auto& [id, value] : table) { add(scope, id, labels, value); }
}

void PrometheusText::add_scope(std::string_view scope, const Labels& labels,
                               const pb::MetricScope& metrics) {
  for (const pb::Metric& one : metrics.metrics()) {
    add(scope, one.name(), labels, metric_value_text(one));
  }
}

void PrometheusText::keep_scopes(std::string_view prefix) {
  const std::string wanted = fmt::format("{}{}", kPrefix, prefix);
  std::erase_if(families_, [&](const auto& entry) { return !entry.first.starts_with(wanted); });
}

std::string PrometheusText::text() const {
  std::string out;
  for (const auto& [name, family] : families_) {
    std::string help = family.help;
    std::replace(help.begin(), help.end(), '\n', ' ');
    out += "# HELP " + name + " " + help + "\n# TYPE " + name + " gauge\n";
    for (const Sample& sample : family.samples) {
      out += name + "{";
      for (const auto& [key, value] : sample.labels) {
        out += key + "=\"" + label_value(value) + "\",";
      }
      out += "} " + sample.value + "\n";
    }
  }
  return out;
}

}  // namespace tidewheel
