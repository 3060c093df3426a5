#include "tidewheel/sql/job_analysis.h"

#include <fmt/format.h>

#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/sql/plan_estimate.h"
#include "tidewheel/sql/result_text.h"

namespace tidewheel::sql {
namespace {

std::string json_string(const std::string& text) {
  RowType type;
  type.add("x", LogicalType::string());
  // {"x":".."} and a line end.
  const std::string object = json_line(type, {text}, {false});
  return object.substr(5, object.size() - 7);
}

}  // namespace

std::map<std::string, JobAnalysis::Figures> JobAnalysis::read(const JobHandle& job) const {
  std::map<std::string, Figures> figures;
  const std::string prefix = job.name() + ".";
  for (const MetricValue& metric : job.metrics()) {
    if (!metric.scope.starts_with(prefix)) { continue; }
    const std::string rest = metric.scope.substr(prefix.size());
    if (metric.name == "memoryPeakBytes") {
      figures[rest].memory_bytes = metric.value;
      continue;
    }
    const size_t dot = rest.rfind('.');
    if (dot == std::string::npos) { continue; }
    Figures& of = figures[rest.substr(0, dot)];
    if (metric.name == "numRecordsIn") { of.rows_in += metric.value; }
    if (metric.name == "numRecordsOut") { of.rows_out += metric.value; }
    if (metric.name == "numLateRecordsDropped") { of.late_rows += metric.value; }
  }
  // Nothing is chained, so that a vertex is an operator.
  for (const TaskInfo& task : job.tasks()) { figures[task.vertex].busy_ms += task.busy_ms; }
  return figures;
}

std::string JobAnalysis::text(const JobHandle& job) const {
  const std::map<std::string, Figures> figures = read(job);
  if (is_json_) {
    std::string out =
        fmt::format("{{\"state\":\"{}\",\"runtime_ms\":{:.3f},\"plans\":[",
                    job_state_name(job.state()), static_cast<double>(job.runtime_ns()) * 1e-6);
    std::set<const Plan*> shown;
    for (size_t i = 0; i < parts_.size(); ++i) {
      out += i == 0 ? "" : ",";
      out += "{\"sink\":" + json_string(parts_[i].sink) + ",\"plan\":";
      append_json(out, *parts_[i].plan, figures, shown);
      out += "}";
    }
    return out + "]}";
  }
  std::string out = "== Physical Plan, with what its operators did ==\n";
  for (const Part& part : parts_) {
    if (!part.sink.empty()) { out += part.sink + "\n"; }
    out += plan_text(*part.plan, false, [&](const Plan& plan) -> std::string {
      const auto name = operators_.find(&plan);
      const auto it = name == operators_.end() ? figures.end() : figures.find(name->second);
      if (it == figures.end()) { return ""; }
      const Figures& of = it->second;
      std::string line = plan.inputs.empty() ? "" : fmt::format("in=[{}], ", of.rows_in);
      line += fmt::format("out=[{}], busy=[{} ms]", of.rows_out, of.busy_ms);
      if (!state_text(plan, 0).empty()) {
        line += fmt::format(", memory=[{}]", bytes_text(static_cast<double>(of.memory_bytes)));
      }
      if (of.late_rows > 0) { line += fmt::format(", late=[{}]", of.late_rows); }
      return line;
    });
  }
  out += fmt::format("\n{} after {:.3f} s", job_state_name(job.state()),
                     static_cast<double>(job.runtime_ns()) * 1e-9);
  return out;
}

void JobAnalysis::append_json(std::string& out, const Plan& plan,
                              const std::map<std::string, Figures>& figures,
                              std::set<const Plan*>& shown) const {
  out += "{\"node\":" + json_string(node_text(plan, true));
  const auto name = operators_.find(&plan);
  const auto it = name == operators_.end() ? figures.end() : figures.find(name->second);
  if (it != figures.end()) {
    const Figures& of = it->second;
    out += fmt::format(
        ",\"operator\":{},\"rows_in\":{},\"rows_out\":{},\"busy_ms\":{},\"memory_bytes\":{},"
        "\"late_rows\":{}",
        json_string(name->second), of.rows_in, of.rows_out, of.busy_ms, of.memory_bytes,
        of.late_rows);
  }
  if (!shown.insert(&plan).second) {
    out += ",\"reused\":true}";
    return;
  }
  out += ",\"inputs\":[";
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    out += i == 0 ? "" : ",";
    append_json(out, plan.input(i), figures, shown);
  }
  out += "]}";
}

}  // namespace tidewheel::sql
