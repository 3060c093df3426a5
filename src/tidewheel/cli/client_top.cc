#include "tidewheel/cli/client_top.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "tidewheel/base/signals.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cli/client_tables.h"
#include "tidewheel/cli/cluster_client.h"
#include "tidewheel/cli/sql_terminal.h"
#include "tidewheel/http/message.h"
#include "tidewheel/rest/json_writer.h"

namespace tidewheel {
namespace {

// How many rows a job had read when it was last looked at; for rates.
struct Reading {
  double rows = 0;
  int64_t at_ms = 0;
  double rate = 0;
};

class Top {
 public:
  Top(ClusterClient& cluster, const ClientCommand& command)
      : cluster_(cluster), command_(command) {}

  Result<std::string> frame() {
    TIDEWHEEL_ASSIGN_OR_RETURN(const JsonValue overview, cluster_.get("/v1/overview"));
    TIDEWHEEL_ASSIGN_OR_RETURN(const JsonValue jobs, cluster_.get("/v1/jobs/overview"));
    JsonBuilder json;
    json.begin_object().begin_array("jobs");
    TextTable table({"job", "id", "state", "for", "tasks", "rows", "rows/s", "busy", "held up",
                     "state size", "checkpoints", "last took"});
    for (const JsonValue& one : jobs["jobs"].items()) {
      if (one["end-time"].integer() > 0 && !command_.all) { continue; }
      const std::string& id = one["jid"].text();
      const Result<JsonValue> job = cluster_.get("/v1/jobs/" + id);
      if (!job.ok()) { continue; }  // gone meanwhile
      const Result<JsonValue> taken = cluster_.get("/v1/jobs/" + id + "/checkpoints");
      JobFigures figures = job_figures(*job, taken.ok() ? *taken : JsonValue());
      const SourceFigures sources = source_figures(cluster_, *job);
      figures.rows_in = sources.rows.value_or(figures.rows_in);
      const double rate = rate_of(id, figures.rows_in, (*job)["now"].integer());
      table.add(
          {one["name"].text(), id.substr(0, 8), figures.state, duration_text(figures.duration_ms),
           fmt::format("{}/{}", figures.running, figures.tasks), count_text(figures.rows_in),
           count_text(rate), fmt::format("{:.0f} %", figures.busy * 100),
           fmt::format("{:.0f} %", figures.backpressured * 100), bytes_text(figures.state_bytes),
           fmt::format("{} ({} failed)", figures.checkpoints, figures.failed_checkpoints),
           duration_text(figures.checkpoint_ms)});
      json.begin_object().member("jid", id).member("name", one["name"].text());
      json.member("state", figures.state).member("duration", figures.duration_ms);
      json.member("rows", figures.rows_in).member("rows-per-second", rate);
      json.member("busy", figures.busy).member("backpressured", figures.backpressured);
      json.member("state-size", figures.state_bytes).member("checkpoints", figures.checkpoints);
      json.member("failed-checkpoints", figures.failed_checkpoints).end_object();
    }
    json.end_array().member("taskmanagers", overview["taskmanagers"].integer());
    json.member("slots-total", overview["slots-total"].integer());
    json.member("slots-available", overview["slots-available"].integer()).end_object();
    if (command_.json) { return json.take() + "\n"; }
    return fmt::format("{}: {} TaskManagers, {} of {} slots free, {} jobs running\n\n",
                       cluster_.address(), overview["taskmanagers"].integer(),
                       overview["slots-available"].integer(), overview["slots-total"].integer(),
                       overview["jobs-running"].integer()) +
           table.text();
  }

 private:
  // What is shown of a job changes each few seconds only.
  double rate_of(const std::string& id, double rows, int64_t now_ms) {
    Reading& last = readings_[id];
    if (last.at_ms > 0 && now_ms > last.at_ms) {
      last.rate = std::max(0.0, rows - last.rows) * 1000 / static_cast<double>(now_ms - last.at_ms);
    }
    if (now_ms > last.at_ms) {
      last.rows = rows;
      last.at_ms = now_ms;
    }
    return last.rate;
  }

  ClusterClient& cluster_;
  const ClientCommand& command_;
  std::map<std::string, Reading> readings_;
};

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

constexpr std::string_view kPending = ".pendingRecords";
constexpr std::string_view kWatermark = ".currentOutputWatermark";
constexpr std::string_view kIdle = ".sourceIdleTime";
constexpr std::string_view kRows = ".numRecordsOut";

// The metrics of the operators of a vertex whose names end so: all in two requests.
std::vector<JsonValue> operator_metrics(ClusterClient& cluster, const std::string& job,
                                        const std::string& vertex, std::string_view aggregation,
                                        std::initializer_list<std::string_view> endings) {
  const std::string path = fmt::format("/v1/jobs/{}/vertices/{}/subtasks/metrics", job, vertex);
  const Result<JsonValue> ids = cluster.get(path);
  if (!ids.ok()) { return {}; }
  std::string wanted;
  for (const JsonValue& one : ids->items()) {
    const std::string& id = one["id"].text();
    const bool is_wanted = std::any_of(endings.begin(), endings.end(),
                                       [&](std::string_view end) { return id.ends_with(end); });
    if (is_wanted) { wanted += (wanted.empty() ? "" : ",") + percent_encode(id); }
  }
  if (wanted.empty()) { return {}; }
  const Result<JsonValue> found =
      cluster.get(fmt::format("{}?agg={}&get={}", path, aggregation, wanted));
  return found.ok() ? found->items() : std::vector<JsonValue>();
}

// Takes what the operators of one vertex with a source have told. Only a source has a time in which
// it idled. Watermarks may be made behind the source itself: then it has none, and its chain has.
void add_source(const std::vector<JsonValue>& metrics, SourceFigures& figures) {
  const auto is_named = [](const JsonValue& one, std::string_view operator_id,
                           std::string_view name) {
    const std::string& id = one["id"].text();
    return id.size() == operator_id.size() + name.size() && id.starts_with(operator_id) &&
           id.ends_with(name);
  };
  std::optional<double> watermark_ms;
  for (const JsonValue& one : metrics) {
    const std::string& id = one["id"].text();
    if (id.ends_with(kPending)) {
      figures.pending = figures.pending.value_or(0) + one["sum"].number();
    }
    if (id.ends_with(kWatermark)) {
      const double least = one["min"].number();
      watermark_ms = std::max(watermark_ms.value_or(least), least);
    }
    if (!id.ends_with(kIdle)) { continue; }
    const std::string_view source = std::string_view(id).substr(0, id.size() - kIdle.size());
    for (const JsonValue& other : metrics) {
      if (is_named(other, source, kRows)) {
        figures.rows = figures.rows.value_or(0) + other["sum"].number();
      }
    }
  }
  if (watermark_ms) {
    figures.watermark_ms = std::min(figures.watermark_ms.value_or(*watermark_ms), *watermark_ms);
  }
}

}  // namespace

SourceFigures source_figures(ClusterClient& cluster, const JsonValue& job) {
  SourceFigures figures;
  for (const JsonValue& node : job["plan"]["nodes"].items()) {
    if (!node["inputs"].is_null()) { continue; }
    add_source(operator_metrics(cluster, job["jid"].text(), node["id"].text(), "min,sum",
                                {kPending, kWatermark, kIdle, kRows}),
               figures);
  }
  return figures;
}

Result<int> show_top(World& world, ClusterClient& cluster, const ClientCommand& command) {
  Top top(cluster, command);
  if (command.once) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string frame, top.frame());
    print(frame);
    return 0;
  }
  const std::shared_ptr<Event> ended = world.executor().make_event();
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<SignalHandler> signals,
                             SignalHandler::install([ended](int) { ended->set(); }));
  const bool is_screen = output_is_terminal() && !command.json;
  while (!ended->is_set()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string frame, top.frame());
    print(is_screen ? "\x1b[H\x1b[2J" + frame : frame);
    ended->wait(world.clock().now_ns() + command.interval_ms * 1'000'000);
  }
  return 0;
}

}  // namespace tidewheel
