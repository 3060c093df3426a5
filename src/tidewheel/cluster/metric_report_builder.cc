#include "tidewheel/cluster/metric_report_builder.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/parallelism.h"

namespace tidewheel {
namespace {

constexpr std::string_view kAccumulatorsName = "accumulators";

// The operators of a job by the names that a deployment gives their groups.
class OperatorNames {
 public:
  OperatorNames(const ChainedGraph& chained, const std::string& job)
      : chained_(chained), prefix_(job + ".") {
    std::set<std::string> names;
    for (const GraphNode& node : chained.graph.nodes) {
      std::string name = node.name;
      if (!names.insert(name).second) {
        name += fmt::format("#{}", node.id);
        names.insert(name);
      }
      node_of_[name] = node.id;
    }
  }

  struct Place {
    int32_t node = 0;
    TaskId task;
    std::string_view rest;  // groups within the subtask's, joined by '.'
  };
  // Names may have dots in them, so that the longest that is one counts.
  std::optional<Place> find(std::string_view scope) const {
    if (!scope.starts_with(prefix_)) { return std::nullopt; }
    scope.remove_prefix(prefix_.size());
    for (size_t dot = scope.rfind('.'); dot != std::string_view::npos && dot > 0;
         dot = scope.rfind('.', dot - 1)) {
      const auto found = node_of_.find(scope.substr(0, dot));
      if (found == node_of_.end()) { continue; }
      std::string_view rest = scope.substr(dot + 1);
      const std::string_view number = rest.substr(0, rest.find('.'));
      rest.remove_prefix(std::min(rest.size(), number.size() + 1));
      int32_t subtask = 0;
      for (const char c : number) {
        if (c < '0' || c > '9' || subtask > 100'000) { return std::nullopt; }
        subtask = subtask * 10 + (c - '0');
      }
      const int32_t vertex = chained_.vertex_of_node[static_cast<size_t>(found->second)];
      if (number.empty() || subtask >= chained_.vertices[static_cast<size_t>(vertex)].parallelism) {
        return std::nullopt;
      }
      return Place{found->second, {vertex, subtask}, rest};
    }
    return std::nullopt;
  }

 private:
  const ChainedGraph& chained_;
  const std::string prefix_;
  std::map<std::string, int32_t, std::less<>> node_of_;
};

void add_metric(const std::string& name, const MetricValue& from, pb::MetricScope& scope) {
  const auto add = [&scope](const std::string& full_name) -> pb::Metric& {
    pb::Metric& metric = *scope.add_metrics();
    metric.set_name(full_name);
    return metric;
  };
  switch (from.kind) {
    case MetricValue::Kind::kCounter:
    case MetricValue::Kind::kGauge: add(name).set_integer(from.value); return;
    case MetricValue::Kind::kMeter: add(name).set_real(from.rate); return;
    case MetricValue::Kind::kHistogram:
      add(name + "_count").set_integer(from.value);
      add(name + "_min").set_integer(from.min);
      add(name + "_max").set_integer(from.max);
      add(name + "_mean").set_real(from.mean);
      add(name + "_p50").set_integer(from.p50);
      add(name + "_p95").set_integer(from.p95);
      add(name + "_p99").set_integer(from.p99);
  }
}

}  // namespace

void add_operator_metrics(const ChainedGraph& chained, const std::string& job,
                          const std::vector<MetricValue>& metrics,
                          const std::function<bool(TaskId)>& is_here, pb::MetricReport& report) {
  const OperatorNames names(chained, job);
  std::map<std::pair<int32_t, int32_t>, pb::MetricScope*> scopes;  // by node and subtask
  for (const MetricValue& metric : metrics) {
    const auto place = names.find(metric.scope);
    if (!place || !is_here(place->task)) { continue; }
    pb::MetricScope*& scope = scopes[{place->node, place->task.subtask}];
    if (scope == nullptr) {
      scope = report.add_scopes();
      scope->set_kind(pb::MetricScope::OPERATOR);
      scope->set_vertex_id(vertex_id_of(chained, place->task.vertex));
      scope->set_subtask(place->task.subtask);
      scope->set_operator_name(chained.graph.nodes[static_cast<size_t>(place->node)].name);
    }
    const std::string within(place->rest);
    add_metric(within.empty() ? metric.name : within + "." + metric.name, metric, *scope);
  }
}

std::map<std::string, int64_t> sum_accumulators(const ChainedGraph& chained, const std::string& job,
                                                const std::vector<MetricValue>& metrics,
                                                const std::function<bool(TaskId)>& is_here) {
  const OperatorNames names(chained, job);
  std::map<std::string, int64_t> sums;
  for (const MetricValue& metric : metrics) {
    if (metric.kind != MetricValue::Kind::kCounter || !metric.scope.ends_with(kAccumulatorsName)) {
      continue;
    }
    const auto place = names.find(metric.scope);
    if (!place || place->rest != kAccumulatorsName || !is_here(place->task)) { continue; }
    sums[metric.name] += metric.value;
  }
  return sums;
}

void add_job_metrics(const std::vector<MetricValue>& metrics, pb::MetricReport& report) {
  pb::MetricScope& scope = *report.add_scopes();
  scope.set_kind(pb::MetricScope::JOB);
  for (const MetricValue& metric : metrics) { add_metric(metric.name, metric, scope); }
}

// Names are the field's.
void add_task_metrics(const TaskInfo& info, const TaskRate& rate, pb::MetricScope& scope) {
  const auto add = [&scope](const char* name, int64_t value) {
    pb::Metric& metric = *scope.add_metrics();
    metric.set_name(name);
    metric.set_integer(value);
  };
  const auto add_real = [&scope](const char* name, double value) {
    pb::Metric& metric = *scope.add_metrics();
    metric.set_name(name);
    metric.set_real(value);
  };
  add("numRecordsIn", info.rows_in);
  add("numRecordsOut", info.rows_out);
  add_real("numRecordsInPerSecond", rate.rows_in_per_second);
  add_real("numRecordsOutPerSecond", rate.rows_out_per_second);
  add("busyTimeMsPerSecond", rate.busy_ms_per_second);
  add("idleTimeMsPerSecond", rate.idle_ms_per_second);
  add("backPressuredTimeMsPerSecond", rate.backpressured_ms_per_second);
  add("accumulateBusyTimeMs", info.busy_ms);
  add("accumulateIdleTimeMs", info.idle_ms);
  add("accumulateBackPressuredTimeMs", info.backpressured_ms);
  add("currentInputWatermark", info.watermark);
}

void add_task_metrics(const ChainedGraph& chained, const RemoteFleet& fleet,
                      pb::MetricReport& report) {
  for (size_t vertex = 0; vertex < chained.vertices.size(); ++vertex) {
    const auto index = static_cast<int32_t>(vertex);
    const std::string id = vertex_id_of(chained, index);
    for (int32_t subtask = 0; subtask < chained.vertices[vertex].parallelism; ++subtask) {
      const auto& attempts = fleet.attempts()[fleet.place_of({index, subtask})];
      if (attempts.empty()) { continue; }
      const TaskAttempt& attempt = attempts.back();
      pb::MetricScope& scope = *report.add_scopes();
      scope.set_kind(pb::MetricScope::TASK);
      scope.set_vertex_id(id);
      scope.set_subtask(subtask);
      const TaskRate rate = {std::max(0, attempt.busy_ms_per_second),
                             std::max(0, attempt.idle_ms_per_second),
                             std::max(0, attempt.backpressured_ms_per_second),
                             attempt.rows_in_per_second, attempt.rows_out_per_second};
      add_task_metrics(attempt.info, rate, scope);
    }
  }
}

}  // namespace tidewheel
