#include "tidewheel/rest/prometheus.h"

#include "tidewheel/cluster/job_report.pb.h"

namespace tidewheel {

void add_process(PrometheusText& text, std::string_view id, const MetricTable& table) {
  if (id.empty()) {
    text.add_table("jobmanager", {}, table);
  } else {
    text.add_table("taskmanager", {{"tm_id", std::string(id)}}, table);
  }
}

void add_job(PrometheusText& text, const pb::JobReport& job, const pb::MetricReport& metrics) {
  const PrometheusText::Labels of_job = {{"job_id", job.id()}, {"job_name", job.name()}};
  text.add_table("jobmanager_job", of_job, job_metrics(job, metrics));
  for (const pb::VertexReport& vertex : job.vertices()) {
    for (const auto& [name, table] : coordinators_by_operator(vertex, metrics)) {
      PrometheusText::Labels labels = of_job;
      labels.emplace_back("operator_name", name);
      text.add_table("jobmanager_job_operator", labels, table);
    }
    for (int32_t i = 0; i < vertex.subtasks_size(); ++i) {
      if (vertex.subtasks(i).attempts_size() == 0) { continue; }
      const pb::AttemptReport& attempt = vertex.subtasks(i).attempts(0);
      PrometheusText::Labels labels = of_job;
      labels.insert(labels.end(), {{"host", attempt.host()},
                                   {"tm_id", attempt.task_manager()},
                                   {"task_id", vertex.id()},
                                   {"task_name", vertex.name()},
                                   {"subtask_index", std::to_string(i)},
                                   {"task_attempt_num", std::to_string(attempt.attempt())}});
      text.add_table("taskmanager_job_task", labels, task_metrics(vertex, metrics, i));
      for (const auto& [name, table] : operator_metrics(vertex, metrics, i)) {
        PrometheusText::Labels of_operator = labels;
        of_operator.emplace_back("operator_name", name);
        text.add_table("taskmanager_job_task_operator", of_operator, table);
      }
    }
  }
}

}  // namespace tidewheel
