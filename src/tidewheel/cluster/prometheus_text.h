// Metrics in the text format of Prometheus (version 0.0.4), under the names and labels of Flink's
// reporter: flink_taskmanager_job_task_numRecordsIn{job_name="..",task_name="..",...} 17.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidewheel {

namespace pb {
class Metric;       // cluster/job_report.proto
class MetricScope;  // the same
}  // namespace pb

// id -> value as text.
using MetricTable = std::map<std::string, std::string, std::less<>>;

std::string metric_value_text(const pb::Metric& metric);

// One thread.
class PrometheusText {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;
  struct Sample {
    Labels labels;
    std::string value;  // a number
  };
  struct Family {
    std::string help;
    std::vector<Sample> samples;
  };

  // What is no number is left out. `scope`: "taskmanager_job_task".
  void add(std::string_view scope, std::string_view name, const Labels& labels,
           std::string_view value);
  void add_table(std::string_view scope, const Labels& labels, const MetricTable& table);
  void add_scope(std::string_view scope, const Labels& labels, const pb::MetricScope& metrics);
  // Drops the families whose scope does not begin with this.
  void keep_scopes(std::string_view prefix);
  // Samples of one name together, with HELP and TYPE.
  std::string text() const;
  const std::map<std::string, Family>& families() const { return families_; }

 private:
  std::map<std::string, Family> families_;
};

}  // namespace tidewheel
