#include "tidewheel/cluster/metric_report_builder.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "tidewheel/base/config.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/parallelism.h"
#include "tidewheel/dataflow/coordinator_metrics.h"

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

class MetricAdder {
 public:
  explicit MetricAdder(pb::MetricScope& scope) : scope_(scope) {}
  void add(const std::string& name, int64_t value) { named(name).set_integer(value); }
  void add_real(const std::string& name, double value) { named(name).set_real(value); }
  void add_text(const std::string& name, const std::string& value) { named(name).set_text(value); }

 private:
  pb::Metric& named(const std::string& name) {
    pb::Metric& metric = *scope_.add_metrics();
    metric.set_name(name);
    return metric;
  }

  pb::MetricScope& scope_;
};

void add_metric(const std::string& name, const MetricValue& from, pb::MetricScope& scope) {
  MetricAdder to(scope);
  switch (from.kind) {
    case MetricValue::Kind::kCounter:
    case MetricValue::Kind::kGauge: to.add(name, from.value); return;
    case MetricValue::Kind::kMeter: to.add_real(name, from.rate); return;
    case MetricValue::Kind::kHistogram:
      to.add(name + "_count", from.value);
      to.add(name + "_min", from.min);
      to.add(name + "_max", from.max);
      to.add_real(name + "_mean", from.mean);
      to.add(name + "_p50", from.p50);
      to.add(name + "_p95", from.p95);
      to.add(name + "_p99", from.p99);
  }
}

// One operator's subtask, while its metrics are gathered.
struct OperatorScope {
  pb::MetricScope* report = nullptr;
  TaskId task;
  std::map<std::string, int64_t, std::less<>> values;  // those of its own group

  std::optional<int64_t> value(std::string_view name) const {
    const auto found = values.find(name);
    if (found == values.end()) { return std::nullopt; }
    return found->second;
  }
};

bool is_event_time(int64_t time_ms) { return time_ms > kMinWatermark && time_ms < kMaxWatermark; }

// What follows from what is counted.
void add_derived(const OperatorMetricSources& from, const GraphNode& node,
                 const OperatorScope& scope) {
  MetricAdder to(*scope.report);
  const int64_t rows_in = scope.value("numRecordsIn").value_or(0);
  if (node.is_source) {
    const TaskFigures figures = from.source_figures(scope.task);
    const int64_t read_ns = figures.latest_read_ns.value_or(from.now_ns);
    to.add("sourceIdleTime", std::max<int64_t>(0, from.now_ns - read_ns) / 1'000'000);
    if (figures.latest_read_ns && figures.latest_event_time) {
      // By the wall clock's time when it was read.
      const int64_t read_wall_ms = from.wall_ms - (from.now_ns - read_ns) / 1'000'000;
      to.add("currentEmitEventTimeLag", read_wall_ms - *figures.latest_event_time);
    }
  }
  if (node.is_sink) {
    if (!scope.value("numRecordsSend")) { to.add("numRecordsSend", rows_in); }
    if (!scope.value("numRecordsSendErrors")) { to.add("numRecordsSendErrors", 0); }
  }
  if (scope.value("numLateRecordsDropped")) {
    const int64_t watermark = scope.value("currentInputWatermark").value_or(kMinWatermark);
    const int64_t behind_ms = is_event_time(watermark) ? from.wall_ms - watermark : 0;
    to.add("watermarkLatency", std::max<int64_t>(0, behind_ms));
  }
}

}  // namespace

void add_operator_metrics(const OperatorMetricSources& from, pb::MetricReport& report) {
  const OperatorNames names(from.chained, from.job);
  std::map<std::pair<int32_t, int32_t>, OperatorScope> scopes;  // by node and subtask
  for (const MetricValue& metric : from.metrics) {
    const auto place = names.find(metric.scope);
    if (!place || !from.is_here(place->task)) { continue; }
    OperatorScope& scope = scopes[{place->node, place->task.subtask}];
    if (scope.report == nullptr) {
      scope.task = place->task;
      scope.report = report.add_scopes();
      scope.report->set_kind(pb::MetricScope::OPERATOR);
      scope.report->set_vertex_id(vertex_id_of(from.chained, place->task.vertex));
      scope.report->set_subtask(place->task.subtask);
      scope.report->set_operator_name(
          from.chained.graph.nodes[static_cast<size_t>(place->node)].name);
    }
    const std::string within(place->rest);
    add_metric(within.empty() ? metric.name : within + "." + metric.name, metric, *scope.report);
    if (!within.empty()) { continue; }
    scope.values[metric.name] = metric.value;
    if (metric.kind != MetricValue::Kind::kCounter) { continue; }
    if (const std::string rate = CounterRates::name_of_rate(metric.name); !rate.empty()) {
      MetricAdder(*scope.report).add_real(rate, from.rates.of(metric));
    }
  }
  for (const auto& [place, scope] : scopes) {
    add_derived(from, from.chained.graph.nodes[static_cast<size_t>(place.first)], scope);
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

namespace {

// The operator whose coordinator's group, or one below it, this is: the number of its node, and
// what stands behind it.
std::optional<std::pair<int32_t, std::string_view>> coordinator_of(std::string_view scope,
                                                                   const ChainedGraph& chained) {
  const size_t at = scope.find(kCoordinatorGroups);
  if (at == 0 || at == std::string_view::npos || scope[at - 1] != '.') { return std::nullopt; }
  std::string_view rest = scope.substr(std::min(scope.size(), at + kCoordinatorGroups.size() + 1));
  const std::string_view number = rest.substr(0, rest.find('.'));
  rest.remove_prefix(std::min(rest.size(), number.size() + 1));
  const Result<int64_t> node = parse_int(number);
  if (!node.ok() || *node < 0 || *node >= static_cast<int64_t>(chained.graph.nodes.size())) {
    return std::nullopt;
  }
  return std::pair(static_cast<int32_t>(*node), rest);
}

}  // namespace

void add_job_metrics(const ChainedGraph& chained, const std::vector<MetricValue>& metrics,
                     pb::MetricReport& report) {
  // By node; the job's own under -1.
  std::map<int32_t, pb::MetricScope*> scopes;
  for (const MetricValue& metric : metrics) {
    const auto coordinator = coordinator_of(metric.scope, chained);
    pb::MetricScope*& scope = scopes[coordinator ? coordinator->first : -1];
    if (scope == nullptr) { scope = report.add_scopes(); }
    if (!coordinator) {
      scope->set_kind(pb::MetricScope::JOB);
      add_metric(metric.name, metric, *scope);
      continue;
    }
    const auto node = static_cast<size_t>(coordinator->first);
    scope->set_kind(pb::MetricScope::COORDINATOR);
    scope->set_vertex_id(vertex_id_of(chained, chained.vertex_of_node[node]));
    scope->set_operator_name(chained.graph.nodes[node].name);
    std::string name = "coordinator.";
    if (!coordinator->second.empty()) { name += std::string(coordinator->second) + "."; }
    add_metric(name + metric.name, metric, *scope);
  }
}

// Names are the field's.
void add_task_metrics(const TaskInfo& info, const TaskRate& rate, pb::MetricScope& scope) {
  MetricAdder to(scope);
  to.add("numRecordsIn", info.rows_in);
  to.add("numRecordsOut", info.rows_out);
  to.add_real("numRecordsInPerSecond", rate.rows_in_per_second);
  to.add_real("numRecordsOutPerSecond", rate.rows_out_per_second);
  to.add("busyTimeMsPerSecond", rate.busy_ms_per_second);
  to.add("idleTimeMsPerSecond", rate.idle_ms_per_second);
  to.add("backPressuredTimeMsPerSecond", rate.backpressured_ms_per_second);
  // A task that is refused by its outputs still answers: there is no other back-pressure.
  to.add("softBackPressuredTimeMsPerSecond", rate.backpressured_ms_per_second);
  to.add("hardBackPressuredTimeMsPerSecond", 0);
  to.add_text("isBackPressured", rate.backpressured_ms_per_second > 0 ? "true" : "false");
  to.add("accumulateBusyTimeMs", info.busy_ms);
  to.add("accumulateIdleTimeMs", info.idle_ms);
  to.add("accumulateBackPressuredTimeMs", info.backpressured_ms);
  to.add("currentInputWatermark", info.watermark);
}

namespace {

double share_of(const QueueLength& queue) {
  return queue.capacity == 0
             ? 0
             : static_cast<double>(queue.elements) / static_cast<double>(queue.capacity);
}

// Of what a task is given; 0: nothing has come.
double mean_batch_bytes(const TaskFigures& figures) {
  const int64_t batches = figures.in_local.batches + figures.in_remote.batches;
  return batches == 0 ? 0
                      : static_cast<double>(figures.in_local.bytes + figures.in_remote.bytes) /
                            static_cast<double>(batches);
}

// Counters with their rates.
void add_flow(const std::string& infix, const TaskFigures::Flow& flow, const TaskRate::Flow& rate,
              const std::string& direction, MetricAdder& to) {
  to.add(infix + "numBytes" + direction, flow.bytes);
  to.add_real(infix + "numBytes" + direction + "PerSecond", rate.bytes);
  to.add(infix + "numBuffers" + direction, flow.batches);
  to.add_real(infix + "numBuffers" + direction + "PerSecond", rate.batches);
}

void add_input(const TaskFigures& figures, const TaskRate& rate, MetricAdder& to) {
  const int64_t bytes = figures.in_local.bytes + figures.in_remote.bytes;
  to.add("numBytesIn", bytes);
  to.add_real("numBytesInPerSecond", rate.in_local.bytes + rate.in_remote.bytes);
  for (const char* const infix : {"", "Shuffle.Netty.Input."}) {
    add_flow(infix, figures.in_local, rate.in_local, "InLocal", to);
    add_flow(infix, figures.in_remote, rate.in_remote, "InRemote", to);
  }
  const int64_t waiting = figures.input.elements;
  const std::string buffers = "Shuffle.Netty.Input.Buffers.";
  for (const std::string& infix : {std::string("buffers."), buffers}) {
    to.add(infix + "inputQueueLength", waiting);
    to.add_real(infix + "inPoolUsage", share_of(figures.input));
    to.add_real(infix + "inputExclusiveBuffersUsage", share_of(figures.input));
  }
  to.add(buffers + "inputQueueSize",
         static_cast<int64_t>(static_cast<double>(waiting) * mean_batch_bytes(figures)));
  const double per_second = std::max(1.0, rate.in_local.batches + rate.in_remote.batches);
  to.add("estimatedTimeToConsumeBuffersMs",
         static_cast<int64_t>(static_cast<double>(waiting) * 1000 / per_second));
}

void add_output(const TaskFigures& figures, const TaskRate& rate, MetricAdder& to) {
  add_flow("", figures.out, rate.out, "Out", to);
  const int64_t waiting = figures.output.elements;
  const std::string buffers = "Shuffle.Netty.Output.Buffers.";
  for (const std::string& infix : {std::string("buffers."), buffers}) {
    to.add(infix + "outputQueueLength", waiting);
    to.add_real(infix + "outPoolUsage", share_of(figures.output));
  }
  const int64_t batches = figures.out.batches;
  to.add(buffers + "outputQueueSize", batches == 0 ? 0 : waiting * figures.out.bytes / batches);
}

// As a histogram of Flink's is shown.
void add_histogram(const std::string& name, const std::vector<double>& sorted, MetricAdder& to) {
  const size_t count = sorted.size();
  double sum = 0;
  for (const double one : sorted) { sum += one; }
  const double mean = count == 0 ? 0 : sum / static_cast<double>(count);
  double squares = 0;
  for (const double one : sorted) { squares += (one - mean) * (one - mean); }
  const auto quantile = [&](double share) {
    if (count == 0) { return 0.0; }
    const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(count)));
    return sorted[std::clamp<size_t>(rank, 1, count) - 1];
  };
  to.add(name + "_count", static_cast<int64_t>(count));
  to.add_real(name + "_min", quantile(0));
  to.add_real(name + "_max", quantile(1));
  to.add_real(name + "_mean", mean);
  to.add_real(name + "_stddev",
              count < 2 ? 0 : std::sqrt(squares / static_cast<double>(count - 1)));
  to.add_real(name + "_median", quantile(0.5));
  to.add_real(name + "_p75", quantile(0.75));
  to.add_real(name + "_p90", quantile(0.9));
  to.add_real(name + "_p95", quantile(0.95));
  to.add_real(name + "_p98", quantile(0.98));
  to.add_real(name + "_p99", quantile(0.99));
  to.add_real(name + "_p999", quantile(0.999));
}

}  // namespace

void add_task_figures(const TaskFigures& figures, const TaskRate& rate, pb::MetricScope& scope) {
  MetricAdder to(scope);
  if (!figures.is_source) { add_input(figures, rate, to); }
  if (figures.output.capacity > 0) { add_output(figures, rate, to); }
  to.add("maxSoftBackPressureTimeMs", rate.longest_refusal_ms);
  to.add("maxHardBackPressureTimeMs", 0);
  to.add("numFiredTimers", figures.fired_timers);
  to.add("mailboxQueueSize", figures.mails_waiting);
  to.add_real("mailboxMailsPerSecond", rate.mails_per_second);
  std::vector<double> waits_ms;
  for (const int64_t wait_ns : figures.mail_waits_ns) {
    waits_ms.push_back(static_cast<double>(wait_ns) / 1e6);
  }
  add_histogram("mailboxLatencyMs", waits_ms, to);
  to.add("checkpointAlignmentTime", figures.alignment_ns);
  to.add("checkpointStartDelayNanos", figures.start_delay_ns);
  to.add("initializationTime", figures.initialization_ns / 1'000'000);
}

void add_debloated(const TaskFigures& figures, double elements, pb::MetricScope& scope) {
  MetricAdder(scope).add("debloatedBufferSize",
                         static_cast<int64_t>(elements * mean_batch_bytes(figures)));
}

void add_worker_metrics(const std::string& task_manager, const WorkerMemory& memory,
                        pb::MetricReport& report) {
  pb::MetricScope& scope = *report.add_scopes();
  scope.set_kind(pb::MetricScope::WORKER);
  scope.set_task_manager(task_manager);
  MetricAdder to(scope);
  to.add("Status.Process.Memory.Tasks.Used", memory.task_bytes);
  to.add("Status.Flink.Memory.Managed.Used", memory.managed_bytes);
  to.add("Status.Shuffle.Netty.UsedMemory", memory.network_bytes);
  const QueueLength& batches = memory.batches;
  to.add("Status.Shuffle.Netty.TotalMemorySegments", batches.capacity);
  to.add("Status.Shuffle.Netty.UsedMemorySegments", batches.elements);
  to.add("Status.Shuffle.Netty.AvailableMemorySegments", batches.capacity - batches.elements);
}

// Tasks whose workers have answered are in the report with more than is known here.
void add_task_metrics(const ChainedGraph& chained, const RemoteFleet& fleet,
                      pb::MetricReport& report) {
  std::set<std::pair<std::string, int32_t>> known;
  for (const pb::MetricScope& scope : report.scopes()) {
    if (scope.kind() == pb::MetricScope::TASK) {
      known.emplace(scope.vertex_id(), scope.subtask());
    }
  }
  for (size_t vertex = 0; vertex < chained.vertices.size(); ++vertex) {
    const auto index = static_cast<int32_t>(vertex);
    const std::string id = vertex_id_of(chained, index);
    for (int32_t subtask = 0; subtask < chained.vertices[vertex].parallelism; ++subtask) {
      const auto& attempts = fleet.attempts()[fleet.place_of({index, subtask})];
      if (attempts.empty() || known.contains({id, subtask})) { continue; }
      const TaskAttempt& attempt = attempts.back();
      pb::MetricScope& scope = *report.add_scopes();
      scope.set_kind(pb::MetricScope::TASK);
      scope.set_vertex_id(id);
      scope.set_subtask(subtask);
      TaskRate rate;
      rate.busy_ms_per_second = std::max(0, attempt.busy_ms_per_second);
      rate.idle_ms_per_second = std::max(0, attempt.idle_ms_per_second);
      rate.backpressured_ms_per_second = std::max(0, attempt.backpressured_ms_per_second);
      rate.rows_in_per_second = attempt.rows_in_per_second;
      rate.rows_out_per_second = attempt.rows_out_per_second;
      add_task_metrics(attempt.info, rate, scope);
    }
  }
}

}  // namespace tidewheel
