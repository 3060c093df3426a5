// Metrics in the text format of Prometheus (version 0.0.4), under the names and labels of Flink's
// reporter: flink_taskmanager_job_task_numRecordsIn{job_name="..",task_name="..",...} 17.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/cluster/gateway.h"
#include "tidewheel/rest/metrics.h"

namespace tidewheel {

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

  // All that is known of a job.
  void add_job(const pb::JobReport& job, const pb::MetricReport& metrics);
  // Of a process: `id` is empty for the JobManager.
  void add_process(std::string_view id, const MetricTable& table);
  // What is no number is left out.
  void add(std::string_view scope, std::string_view name, const Labels& labels,
           std::string_view value);
  // Samples of one name together, with HELP and TYPE.
  std::string text() const;
  const std::map<std::string, Family>& families() const { return families_; }

 private:
  void add_table(std::string_view scope, const Labels& labels, const MetricTable& table);
  std::map<std::string, Family> families_;
};

}  // namespace tidewheel
