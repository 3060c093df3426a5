#include "tidewheel/rest/prometheus.h"

#include <algorithm>
#include <utility>

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

}  // namespace

void PrometheusText::add(std::string_view scope, std::string_view name, const Labels& labels,
                         std::string_view value) {
  std::string number(value);
  if (value == "true" || value == "false") {
    number = value == "true" ? "1" : "0";
  } else if (!parse_double(value).ok()) {
    return;
  }
  const std::string full = clean_name(fmt::format("flink_{}_{}", scope, name));
  Family& family = families_[full];
  if (family.help.empty()) { family.help = fmt::format("{} (scope: {})", name, scope); }
  family.samples.push_back({labels, std::move(number)});
}

void PrometheusText::add_table(std::string_view scope, const Labels& labels,
                               const MetricTable& table) {
  for (const auto& [id, value] : table) { add(scope, id, labels, value); }
}

void PrometheusText::add_process(std::string_view id, const MetricTable& table) {
  if (id.empty()) {
    add_table("jobmanager", {}, table);
  } else {
    add_table("taskmanager", {{"tm_id", std::string(id)}}, table);
  }
}

void PrometheusText::add_job(const pb::JobReport& job, const pb::MetricReport& metrics) {
  const Labels of_job = {{"job_id", job.id()}, {"job_name", job.name()}};
  add_table("jobmanager_job", of_job, job_metrics(job, metrics));
  for (const pb::VertexReport& vertex : job.vertices()) {
    for (int32_t i = 0; i < vertex.subtasks_size(); ++i) {
      if (vertex.subtasks(i).attempts_size() == 0) { continue; }
      const pb::AttemptReport& attempt = vertex.subtasks(i).attempts(0);
      Labels labels = of_job;
      labels.insert(labels.end(), {{"host", attempt.host()},
                                   {"tm_id", attempt.task_manager()},
                                   {"task_id", vertex.id()},
                                   {"task_name", vertex.name()},
                                   {"subtask_index", std::to_string(i)},
                                   {"task_attempt_num", std::to_string(attempt.attempt())}});
      add_table("taskmanager_job_task", labels, task_metrics(vertex, metrics, i));
      for (const auto& [name, table] : operator_metrics(vertex, metrics, i)) {
        Labels of_operator = labels;
        of_operator.emplace_back("operator_name", name);
        add_table("taskmanager_job_task_operator", of_operator, table);
      }
    }
  }
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
