#include "tidewheel/rest/metrics.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "tidewheel/base/config.h"
#include "tidewheel/base/number_ranges.h"
#include "tidewheel/cluster/gateway.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/rest/json_writer.h"

namespace tidewheel {
namespace {

constexpr std::string_view kAggregations[] = {"min", "max", "sum", "avg", "skew"};

// Names within ids must not look like ids.
std::string id_part(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c == ' ' || c == '.' || c == ':' || c == ',') { c = '_'; }
  }
  return out;
}

void add_scope(MetricTable& table, const std::string& prefix, const pb::MetricScope& scope) {
  for (const pb::Metric& metric : scope.metrics()) {
    table.insert_or_assign(prefix + metric.name(), metric_value_text(metric));
  }
}

// What the report of the attempt itself says, so that there are values without asking tasks.
void add_attempt(MetricTable& table, const std::string& prefix, const pb::AttemptReport& attempt) {
  const auto add = [&](std::string_view name, auto value) {
    table.insert_or_assign(prefix + std::string(name), fmt::format("{}", value));
  };
  add("numRecordsIn", attempt.rows_in());
  add("numRecordsOut", attempt.rows_out());
  add("numBytesIn", attempt.bytes_in());
  add("numBytesOut", attempt.bytes_out());
  add("numRecordsInPerSecond", attempt.rows_in_per_second());
  add("numRecordsOutPerSecond", attempt.rows_out_per_second());
  add("accumulateBusyTimeMs", attempt.busy_ms());
  add("accumulateIdleTimeMs", attempt.idle_ms());
  add("accumulateBackPressuredTimeMs", attempt.backpressured_ms());
  if (attempt.busy_ms_per_second() >= 0) {
    add("busyTimeMsPerSecond", attempt.busy_ms_per_second());
    add("idleTimeMsPerSecond", attempt.idle_ms_per_second());
    add("backPressuredTimeMsPerSecond", attempt.backpressured_ms_per_second());
    add("isBackPressured", attempt.backpressured_ms_per_second() > 0);
  }
  if (attempt.has_input()) { add("currentInputWatermark", attempt.watermark()); }
}

// Those of `kind` that are the subtask's.
template <class F>
void for_scopes(const pb::MetricReport& metrics, const pb::VertexReport& vertex, int32_t subtask,
                pb::MetricScope::Kind kind, const F& use) {
  for (const pb::MetricScope& scope : metrics.scopes()) {
    if (scope.kind() == kind && scope.subtask() == subtask && scope.vertex_id() == vertex.id()) {
      use(scope);
    }
  }
}

void add_task(MetricTable& table, const std::string& prefix, const pb::VertexReport& vertex,
              const pb::MetricReport& metrics, int32_t subtask) {
  if (subtask < vertex.subtasks_size() && vertex.subtasks(subtask).attempts_size() > 0) {
    add_attempt(table, prefix, vertex.subtasks(subtask).attempts(0));
  }
  for_scopes(metrics, vertex, subtask, pb::MetricScope::TASK,
             [&](const pb::MetricScope& scope) { add_scope(table, prefix, scope); });
}

void add_subtask(MetricTable& table, const std::string& prefix, const pb::VertexReport& vertex,
                 const pb::MetricReport& metrics, int32_t subtask) {
  add_task(table, prefix, vertex, metrics, subtask);
  for_scopes(metrics, vertex, subtask, pb::MetricScope::OPERATOR,
             [&](const pb::MetricScope& scope) {
               add_scope(table, prefix + id_part(scope.operator_name()) + ".", scope);
             });
}

// How far values are from their mean, in percent: 0 when all are equal, 100 when one has all
// (Flink's "data skew").
double skew_of(const std::vector<double>& values, double mean) {
  if (values.size() < 2 || mean == 0) { return 0; }
  double distance = 0;
  for (const double one : values) { distance += std::abs(one - mean); }
  const double average = distance / static_cast<double>(values.size());
  return std::round(std::min(100.0, average / mean * 100));
}

// Since the first of the tasks that are not yet running was given to a TaskManager.
int64_t deploying_ms(const pb::JobReport& job) {
  if (static_cast<ClusterJobStatus>(job.status()) != ClusterJobStatus::kRunning) { return 0; }
  int64_t since_ms = job.now_ms();
  for (const pb::VertexReport& vertex : job.vertices()) {
    for (const pb::SubtaskReport& subtask : vertex.subtasks()) {
      if (subtask.attempts_size() == 0) { continue; }
      const pb::AttemptReport& attempt = subtask.attempts(0);
      const auto state = static_cast<ExecutionState>(attempt.state());
      if (state != ExecutionState::kDeploying && state != ExecutionState::kInitializing) {
        continue;
      }
      const auto index = static_cast<int>(ExecutionState::kDeploying);
      const int64_t begun_ms = index < attempt.state_ms_size() ? attempt.state_ms(index) : 0;
      if (begun_ms > 0) { since_ms = std::min(since_ms, begun_ms); }
    }
  }
  return job.now_ms() - since_ms;
}

}  // namespace

MetricTable job_metrics(const pb::JobReport& job, const pb::MetricReport& metrics) {
  MetricTable table;
  const auto add = [&](std::string_view name, int64_t value) {
    table.insert_or_assign(std::string(name), std::to_string(value));
  };
  const auto status =
      static_cast<ClusterJobStatus>(std::min<uint32_t>(job.status(), kClusterJobStatusCount - 1));
  const auto since = [&](ClusterJobStatus one) {
    const auto index = static_cast<int>(one);
    const int64_t begin = index < job.status_ms_size() ? job.status_ms(index) : 0;
    return status == one && begin > 0 ? job.now_ms() - begin : 0;
  };
  add("uptime", since(ClusterJobStatus::kRunning));
  add("runningTime", since(ClusterJobStatus::kRunning));
  add("restartingTime", since(ClusterJobStatus::kRestarting));
  add("failingTime", since(ClusterJobStatus::kFailing));
  add("cancellingTime", since(ClusterJobStatus::kCancelling));
  add("createdTime", since(ClusterJobStatus::kCreated));
  add("initializingTime", since(ClusterJobStatus::kInitializing));
  add("deployingTime", deploying_ms(job));
  add("downtime", is_final(status) ? 0 : since(ClusterJobStatus::kRestarting));
  add("numRestarts", job.restarts());
  add("fullRestarts", job.restarts());
  if (job.has_checkpoints()) {
    const pb::CheckpointsReport& checkpoints = job.checkpoints();
    add("numberOfCompletedCheckpoints", checkpoints.completed());
    add("numberOfFailedCheckpoints", checkpoints.failed());
    add("numberOfInProgressCheckpoints", checkpoints.in_progress());
    add("totalNumberOfCheckpoints", checkpoints.triggered());
    const bool has_latest = checkpoints.has_latest_completed();
    const pb::CheckpointReport& latest = checkpoints.latest_completed();
    add("lastCheckpointDuration", has_latest ? latest.duration_ms() : -1);
    add("lastCheckpointSize", has_latest ? latest.bytes_written() : -1);
    add("lastCheckpointFullSize", has_latest ? latest.bytes_full() : -1);
    add("lastCheckpointProcessedData", has_latest ? latest.bytes_processed() : -1);
    add("lastCheckpointPersistedData", has_latest ? latest.bytes_in_flight() : -1);
    add("lastCompletedCheckpointId", has_latest ? latest.id() : -1);
    add("lastCheckpointCompletedTimestamp",
        has_latest ? latest.trigger_ms() + latest.duration_ms() : -1);
    add("lastCheckpointRestoreTimestamp",
        checkpoints.has_latest_restore() ? checkpoints.latest_restore().at_ms() : -1);
    table.insert_or_assign("lastCheckpointExternalPath", has_latest ? latest.path() : "n/a");
  }
  for (const pb::MetricScope& scope : metrics.scopes()) {
    if (scope.kind() == pb::MetricScope::JOB) { add_scope(table, "", scope); }
  }
  return table;
}

MetricTable subtask_metrics(const pb::VertexReport& vertex, const pb::MetricReport& metrics,
                            int32_t subtask) {
  MetricTable table;
  add_subtask(table, "", vertex, metrics, subtask);
  return table;
}

MetricTable task_metrics(const pb::VertexReport& vertex, const pb::MetricReport& metrics,
                         int32_t subtask) {
  MetricTable table;
  add_task(table, "", vertex, metrics, subtask);
  return table;
}

std::map<std::string, MetricTable> operator_metrics(const pb::VertexReport& vertex,
                                                    const pb::MetricReport& metrics,
                                                    int32_t subtask) {
  std::map<std::string, MetricTable> tables;
  for_scopes(
      metrics, vertex, subtask, pb::MetricScope::OPERATOR,
      [&](const pb::MetricScope& scope) { add_scope(tables[scope.operator_name()], "", scope); });
  return tables;
}

MetricTable vertex_metrics(const pb::VertexReport& vertex, const pb::MetricReport& metrics) {
  MetricTable table;
  for (int32_t i = 0; i < vertex.subtasks_size(); ++i) {
    add_subtask(table, fmt::format("{}.", i), vertex, metrics, i);
  }
  return table;
}

MetricTable coordinator_metrics(const pb::VertexReport& vertex, const pb::MetricReport& metrics) {
  MetricTable table;
  for (const pb::MetricScope& scope : metrics.scopes()) {
    if (scope.kind() == pb::MetricScope::COORDINATOR && scope.vertex_id() == vertex.id()) {
      add_scope(table, id_part(scope.operator_name()) + ".", scope);
    }
  }
  return table;
}

std::map<std::string, MetricTable> coordinators_by_operator(const pb::VertexReport& vertex,
                                                            const pb::MetricReport& metrics) {
  std::map<std::string, MetricTable> tables;
  for (const pb::MetricScope& scope : metrics.scopes()) {
    if (scope.kind() == pb::MetricScope::COORDINATOR && scope.vertex_id() == vertex.id()) {
      add_scope(tables[scope.operator_name()], "", scope);
    }
  }
  return tables;
}

MetricTable process_metrics(const pb::MetricReport& metrics) {
  MetricTable table;
  for (const pb::MetricScope& scope : metrics.scopes()) {
    if (scope.kind() == pb::MetricScope::PROCESS) { add_scope(table, "", scope); }
  }
  return table;
}

namespace {

// 0 when there is none of that name.
int64_t integer_of(const pb::MetricReport& report, std::string_view name) {
  for (const pb::MetricScope& scope : report.scopes()) {
    for (const pb::Metric& metric : scope.metrics()) {
      if (metric.name() == name) { return metric.integer(); }
    }
  }
  return 0;
}

}  // namespace

void add_worker_sums(const std::vector<std::shared_ptr<const pb::MetricReport>>& jobs,
                     const std::string& task_manager, pb::MetricReport& process) {
  // Those of a TaskManager without jobs are 0.
  std::map<std::string, int64_t> sums = {{"Status.Process.Memory.Tasks.Used", 0},
                                         {"Status.Flink.Memory.Managed.Used", 0},
                                         {"Status.Shuffle.Netty.TotalMemorySegments", 0},
                                         {"Status.Shuffle.Netty.UsedMemorySegments", 0},
                                         {"Status.Shuffle.Netty.AvailableMemorySegments", 0},
                                         {"Status.Shuffle.Netty.UsedMemory", 0}};
  for (const auto& job : jobs) {
    for (const pb::MetricScope& scope : job->scopes()) {
      if (scope.kind() != pb::MetricScope::WORKER || scope.task_manager() != task_manager) {
        continue;
      }
      for (const pb::Metric& metric : scope.metrics()) { sums[metric.name()] += metric.integer(); }
    }
  }
  const int64_t used = sums["Status.Shuffle.Netty.UsedMemory"];
  const int64_t most = integer_of(process, "Status.Shuffle.Netty.TotalMemory");
  sums["Status.Shuffle.Netty.AvailableMemory"] = std::max<int64_t>(0, most - used);
  sums["Status.Shuffle.Netty.RequestedMemoryUsage"] = most <= 0 ? 0 : 100 * used / most;
  pb::MetricScope& scope = *process.add_scopes();
  for (const auto& [name, sum] : sums) {
    pb::Metric& metric = *scope.add_metrics();
    metric.set_name(name);
    metric.set_integer(sum);
  }
}

std::string metrics_json(const MetricTable& table,
                         const std::optional<std::vector<std::string>>& get) {
  JsonBuilder json;
  json.begin_array();
  if (!get.has_value()) {
    for (const auto& [id, value] : table) { json.begin_object().member("id", id).end_object(); }
    return json.end_array().take();
  }
  for (const std::string& id : *get) {
    const auto found = table.find(id);
    if (found == table.end()) { continue; }
    json.begin_object().member("id", id).member("value", found->second).end_object();
  }
  return json.end_array().take();
}

Status check_aggregations(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (std::find(std::begin(kAggregations), std::end(kAggregations), name) ==
        std::end(kAggregations)) {
      return invalid_argument(ErrorId::kRestRequest,
                              "there is no aggregation '{}'; agg is any of min, max, sum, avg, "
                              "skew, separated by commas",
                              name);
    }
  }
  return {};
}

std::string aggregated_metrics_json(const std::vector<MetricTable>& tables,
                                    const MetricAggregation& wanted) {
  JsonBuilder json;
  json.begin_array();
  if (!wanted.get.has_value()) {
    std::set<std::string> ids;
    for (const MetricTable& table : tables) {
      for (const auto& [id, value] : table) { ids.insert(id); }
    }
    for (const std::string& id : ids) { json.begin_object().member("id", id).end_object(); }
    return json.end_array().take();
  }
  const auto is_wanted = [&](std::string_view name) {
    return wanted.aggregations.empty() ||
           std::find(wanted.aggregations.begin(), wanted.aggregations.end(), name) !=
               wanted.aggregations.end();
  };
  for (const std::string& id : *wanted.get) {
    std::vector<double> values;
    for (const MetricTable& table : tables) {
      const auto found = table.find(id);
      if (found == table.end()) { continue; }
      const Result<double> value = parse_double(found->second);
      if (value.ok()) { values.push_back(*value); }
    }
    if (values.empty()) { continue; }
    double sum = 0;
    for (const double one : values) { sum += one; }
    const double mean = sum / static_cast<double>(values.size());
    json.begin_object().member("id", id);
    if (is_wanted("min")) { json.member("min", *std::min_element(values.begin(), values.end())); }
    if (is_wanted("max")) { json.member("max", *std::max_element(values.begin(), values.end())); }
    if (is_wanted("avg")) { json.member("avg", mean); }
    if (is_wanted("sum")) { json.member("sum", sum); }
    if (is_wanted("skew")) { json.member("skew", skew_of(values, mean)); }
    json.end_object();
  }
  return json.end_array().take();
}

Result<std::vector<int32_t>> parse_subtasks(std::string_view text, int32_t count) {
  const auto ranges = parse_number_ranges(text);
  if (!ranges.has_value()) {
    return invalid_argument(ErrorId::kRestRequest,
                            "'{}' does not name subtasks; write numbers and ranges from 0, such as "
                            "1,3,5-9",
                            text);
  }
  std::vector<int32_t> out;
  for (const auto& [first, last] : *ranges) {
    for (int64_t i = first; i <= std::min<int64_t>(last, count - 1); ++i) {
      out.push_back(static_cast<int32_t>(i));
    }
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace tidewheel
