#include "tidewheel/cli/client_command.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <deque>
#include <memory>
#include <set>

#include "tidewheel/base/cluster_options.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/config_directory.h"
#include "tidewheel/base/process.h"
#include "tidewheel/base/rest_options.h"
#include "tidewheel/base/signals.h"
#include "tidewheel/base/tls_network.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cli/client_tables.h"
#include "tidewheel/cli/client_top.h"
#include "tidewheel/cli/cluster_client.h"
#include "tidewheel/cli/sql_terminal.h"
#include "tidewheel/cli/usage.h"
#include "tidewheel/http/message.h"
#include "tidewheel/rest/json_writer.h"

namespace tidewheel {
namespace {

constexpr int kFailed = 1;
constexpr int64_t kFollowMs = 500;

void print(std::FILE* stream, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}
void print(const std::string& text) { print(stdout, text); }

std::string object_of(std::initializer_list<std::pair<const char*, std::string>> members) {
  JsonBuilder json;
  json.begin_object();
  for (const auto& [key, value] : members) { json.member(key, value); }
  return json.end_object().take();
}

class Client {
 public:
  Client(World& world, const ClientCommand& command, Config config,
         std::unique_ptr<ClusterClient> cluster)
      : world_(world),
        command_(command),
        config_(std::move(config)),
        cluster_(std::move(cluster)) {}

  Result<int> run() {
    switch (command_.verb) {
      case ClientVerb::kRun: return run_program();
      case ClientVerb::kList: return list();
      case ClientVerb::kDisposeSavepoint: return dispose();
      case ClientVerb::kLogs: return logs();
      case ClientVerb::kTop: return show_top(world_, *cluster_, command_);
      default: break;
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(job_, cluster_->find_job(command_.job));
    path_ = "/v1/jobs/" + job_;
    switch (command_.verb) {
      case ClientVerb::kCancel: return cancel();
      case ClientVerb::kStop: return stop();
      case ClientVerb::kSavepoint: return savepoint();
      case ClientVerb::kCheckpoint: return checkpoint();
      case ClientVerb::kCheckpoints: return checkpoints();
      case ClientVerb::kRescale: return rescale();
      default: break;
    }
    return internal_error(ErrorId::kInternal, "a command without a handler");
  }

 private:
  Result<int> list() {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text, cluster_->get_text("/v1/jobs/overview"));
    if (command_.json) {
      print(text + "\n");
      return 0;
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const JsonValue overview, JsonValue::parse(text));
    const bool none = !command_.running && !command_.scheduled && !command_.all;
    print(job_list_text(overview, command_.running || none, command_.scheduled || none,
                        command_.all));
    return 0;
  }

  // Tells what happens, unless a program reads the output.
  void tell(const std::string& text) const {
    if (!command_.json) { print(text + "\n"); }
  }
  void result(std::initializer_list<std::pair<const char*, std::string>> members,
              const std::string& text) const {
    print((command_.json ? object_of(members) : text) + "\n");
  }

  // Takes a savepoint and waits for it; returns where it is.
  Result<std::string> take_savepoint(const std::string& verb, const std::string& body) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const JsonValue trigger,
                               cluster_->send("POST", path_ + "/" + verb, body));
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const JsonValue outcome,
        cluster_->wait_for(path_ + "/savepoints/" + trigger["request-id"].text()));
    return outcome["location"].text();
  }
  std::string format() const { return command_.format == "native" ? "NATIVE" : "CANONICAL"; }

  Result<int> cancel() {
    if (!command_.with_savepoint) {
      tell(fmt::format("Cancelling job {}.", job_));
      TIDEWHEEL_RETURN_IF_ERROR(cluster_->send("PATCH", path_ + "?mode=cancel").status());
      result({{"jobid", job_}}, fmt::format("Cancelled job {}.", job_));
      return 0;
    }
    tell(fmt::format(
        "Cancelling job {} with savepoint to {}.", job_,
        command_.directory.empty() ? "default savepoint directory" : command_.directory));
    JsonBuilder json;
    json.begin_object().member("cancel-job", true).member("formatType", format());
    if (!command_.directory.empty()) { json.member("target-directory", command_.directory); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string path,
                               take_savepoint("savepoints", json.end_object().take()));
    result({{"jobid", job_}, {"savepoint", path}},
           fmt::format("Cancelled job {}. Savepoint stored in {}.", job_, path));
    return 0;
  }

  Result<int> stop() {
    tell(fmt::format("Suspending job \"{}\" with a {} savepoint.", job_, format()));
    JsonBuilder json;
    json.begin_object().member("drain", command_.drain).member("formatType", format());
    if (!command_.directory.empty()) { json.member("targetDirectory", command_.directory); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string path,
                               take_savepoint("stop", json.end_object().take()));
    result({{"jobid", job_}, {"savepoint", path}},
           fmt::format("Savepoint completed. Path: {}", path));
    return 0;
  }

  Result<int> savepoint() {
    tell(fmt::format("Triggering savepoint for job {}.\nWaiting for response...", job_));
    JsonBuilder json;
    json.begin_object().member("cancel-job", false).member("formatType", format());
    if (!command_.directory.empty()) { json.member("target-directory", command_.directory); }
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string path,
                               take_savepoint("savepoints", json.end_object().take()));
    result({{"jobid", job_}, {"savepoint", path}},
           fmt::format("Savepoint completed. Path: {}\n"
                       "You can resume your program from this savepoint with the run command.",
                       path));
    return 0;
  }

  Result<int> dispose() {
    tell(fmt::format("Disposing savepoint '{}'.", command_.directory));
    TIDEWHEEL_ASSIGN_OR_RETURN(const JsonValue trigger,
                               cluster_->send("POST", "/v1/savepoint-disposal",
                                              object_of({{"savepoint-path", command_.directory}})));
    TIDEWHEEL_RETURN_IF_ERROR(
        cluster_->wait_for("/v1/savepoint-disposal/" + trigger["request-id"].text()).status());
    result({{"disposed", command_.directory}},
           fmt::format("Savepoint '{}' disposed.", command_.directory));
    return 0;
  }

  Result<int> checkpoint() {
    tell(fmt::format("Triggering checkpoint for job {}.\nWaiting for response...", job_));
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const JsonValue trigger,
        cluster_->send("POST", path_ + "/checkpoints",
                       object_of({{"checkpointType", command_.full ? "FULL" : "CONFIGURED"}})));
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const JsonValue outcome,
        cluster_->wait_for(path_ + "/checkpoints/" + trigger["request-id"].text()));
    const std::string id = outcome["checkpointId"].text();
    result({{"jobid", job_}, {"checkpoint", id}},
           fmt::format("Checkpoint {} for job {} completed.\n"
                       "You can resume your program from this checkpoint with the run command.",
                       id, job_));
    return 0;
  }

  Result<int> checkpoints() {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text, cluster_->get_text(path_ + "/checkpoints"));
    if (command_.json) {
      print(text + "\n");
      return 0;
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const JsonValue shown, JsonValue::parse(text));
    print(checkpoints_text(shown));
    return 0;
  }

  Result<int> rescale() {
    const std::string path = path_ + "/resource-requirements";
    TIDEWHEEL_ASSIGN_OR_RETURN(const JsonValue now, cluster_->get(path));
    JsonBuilder json;
    json.begin_object();
    size_t matched = 0;
    for (const auto& [vertex, value] : now.members()) {
      int64_t upper = value["parallelism"]["upperBound"].integer();
      if (command_.parallelism > 0) { upper = command_.parallelism; }
      for (const std::string& setting : command_.vertex_parallelisms) {
        const size_t equals = setting.find('=');
        if (vertex != setting.substr(0, equals)) { continue; }
        ++matched;
        upper = parse_int(setting.substr(equals + 1)).value_or(0);
      }
      // With fewer slots the job makes do.
      json.begin_object(vertex).begin_object("parallelism").member("lowerBound", 1);
      json.member("upperBound", upper).end_object().end_object();
    }
    if (matched < command_.vertex_parallelisms.size()) {
      return invalid_argument(ErrorId::kUsage,
                              "--vertex names a vertex that the job does not have; it has {}",
                              vertex_list(now));
    }
    TIDEWHEEL_RETURN_IF_ERROR(cluster_->send("PUT", path, json.end_object().take()).status());
    result({{"jobid", job_}}, fmt::format("Rescaling job {}.", job_));
    return 0;
  }
  static std::string vertex_list(const JsonValue& requirements) {
    std::string out;
    for (const auto& [vertex, value] : requirements.members()) {
      out += (out.empty() ? "" : ", ") + vertex;
    }
    return out;
  }

  Result<int> logs() {
    const std::string process = command_.task_manager.empty()
                                    ? "/v1/jobmanager"
                                    : "/v1/taskmanagers/" + percent_encode(command_.task_manager);
    if (command_.lists_files) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text, cluster_->get_text(process + "/logs"));
      if (command_.json) {
        print(text + "\n");
        return 0;
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(const JsonValue files, JsonValue::parse(text));
      TextTable table({"size", "changed", "name"});
      for (const JsonValue& file : files["logs"].items()) {
        table.add(
            {file["size"].text(), wall_time_text(file["mtime"].integer()), file["name"].text()});
      }
      print(table.text());
      return 0;
    }
    const std::string path =
        process + (command_.file.empty() ? "/log" : "/logs/" + percent_encode(command_.file));
    std::string shown;
    while (true) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text, cluster_->get_text(path));
      if (text.starts_with(shown)) {
        print(text.substr(shown.size()));
      } else {
        // It was put away as a whole, and begins anew.
        print(rest_of_older(process, shown) + text);
      }
      if (!command_.follow) { return 0; }
      shown = text;
      cluster_->pause_ms(kFollowMs);
    }
  }

  // What came last in the file before, of which the beginning was shown.
  std::string rest_of_older(const std::string& process, const std::string& shown) {
    const Result<JsonValue> files = cluster_->get(process + "/logs");
    if (!files.ok()) { return {}; }
    std::string name = command_.file;
    for (const JsonValue& file : (*files)["logs"].items()) {
      if (name.empty() && file["name"].text().ends_with(".log")) { name = file["name"].text(); }
    }
    const Result<std::string> older =
        cluster_->get_text(process + "/logs/" + percent_encode(name + ".1"));
    const bool is_it = older.ok() && older->starts_with(shown);
    return is_it ? older->substr(shown.size()) : std::string();
  }

  std::string run_body() const {
    JsonBuilder json;
    json.begin_object().begin_array("programArgsList");
    for (const std::string& one : command_.arguments) { json.value(one); }
    json.end_array();
    if (!command_.entry.empty()) { json.member("entryClass", command_.entry); }
    if (command_.parallelism > 0) { json.member("parallelism", command_.parallelism); }
    if (!command_.savepoint_path.empty()) {
      json.member("savepointPath", command_.savepoint_path);
      json.member("allowNonRestoredState", command_.allow_non_restored_state);
    }
    if (!command_.claim_mode.empty()) { json.member("claimMode", command_.claim_mode); }
    json.member("attached", command_.ends_with_client && !command_.detached);
    json.begin_object("flinkConfiguration");
    for (const std::string& setting : command_.settings) {
      const size_t equals = std::min(setting.find('='), setting.size());
      json.member(setting.substr(0, equals), setting.substr(std::min(equals + 1, setting.size())));
    }
    return json.end_object().end_object().take();
  }

  Result<int> run_program() {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string program, cluster_->upload(command_.program));
    const Result<JsonValue> answer =
        cluster_->send("POST", "/v1/jars/" + percent_encode(program) + "/run", run_body());
    // The job keeps what it needs; the upload was for this run alone.
    ignore(cluster_->send("DELETE", "/v1/jars/" + percent_encode(program)),
           "an upload that stays does no harm");
    TIDEWHEEL_RETURN_IF_ERROR(answer.status());
    job_ = (*answer)["jobid"].text();
    path_ = "/v1/jobs/" + job_;
    if (command_.detached) {
      result({{"jobid", job_}}, fmt::format("Job has been submitted with JobID {}", job_));
      return 0;
    }
    tell(fmt::format("Job has been submitted with JobID {}", job_));
    return wait_for_job();
  }

  // Waits for the job's end, and tells of its failures meanwhile. What the cluster shows of them
  // may be some seconds old, but not behind the end that it has told.
  Result<int> wait_for_job() {
    std::atomic<bool> interrupted{false};
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<SignalHandler> signals,
                               SignalHandler::install([&](int) { interrupted.store(true); }));
    const bool shows_progress = error_is_terminal() && !command_.json;
    int64_t heartbeat_ns = 0;
    while (true) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const JsonValue result,
                                 cluster_->get(path_ + "/execution-result"));
      if (result["status"]["id"].text() == "COMPLETED") {
        if (shows_progress) { print(stderr, "\r\x1b[K"); }
        return end_of_job(result["job-execution-result"]);
      }
      if (interrupted.load()) {
        if (shows_progress) { print(stderr, "\n"); }
        return interrupt();
      }
      const int64_t now = world_.clock().now_ns();
      if (command_.ends_with_client && now >= heartbeat_ns) {
        TIDEWHEEL_RETURN_IF_ERROR(send_heartbeat());
        heartbeat_ns = now + config_.get(options::kClientHeartbeatInterval) * 1'000'000;
      }
      tell_failures();
      if (shows_progress) { show_progress(); }
      cluster_->pause_ms(pause_ms_);
      pause_ms_ = std::min<int64_t>(pause_ms_ * 2, 500);
    }
  }

  Status send_heartbeat() {
    JsonBuilder json;
    json.begin_object().member(
        "expiredTimestamp",
        world_.clock().wall_ms() + config_.get(options::kClientHeartbeatTimeout));
    return cluster_->send("PATCH", path_ + "/clientHeartbeat", json.end_object().take()).status();
  }

  // A job that ends with its client is cancelled; others go on.
  Result<int> interrupt() {
    if (!command_.ends_with_client) {
      print(stderr, fmt::format("The job goes on; `tidewheel cancel {}` ends it.\n", job_));
      return 130;
    }
    TIDEWHEEL_RETURN_IF_ERROR(cluster_->send("PATCH", path_ + "?mode=cancel").status());
    print(stderr, fmt::format("Cancelled job {}.\n", job_));
    return 130;
  }

  void tell_failures() {
    const Result<JsonValue> shown = cluster_->get(path_ + "/exceptions");
    if (!shown.ok()) { return; }  // asked again soon
    const std::vector<JsonValue>& entries = (*shown)["exceptionHistory"]["entries"].items();
    for (size_t i = entries.size(); i > 0; --i) {  // the oldest first
      const JsonValue& entry = entries[i - 1];
      const int64_t at_ms = entry["timestamp"].integer();
      const std::string& task = entry["taskName"].text();
      const std::string text =
          (task.empty() ? std::string() : task + ": ") + entry["stacktrace"].text();
      // Two may be of one millisecond, and what a JobManager adds be older than what was told.
      if (!told_.emplace(at_ms, text).second) { continue; }
      print(stderr, fmt::format("{}{} {}\n", error_is_terminal() ? "\r\x1b[K" : "",
                                wall_time_text(at_ms), text));
    }
    while (told_.size() > kToldMax) { told_.erase(told_.begin()); }
  }

  void show_progress() {
    const Result<JsonValue> job = cluster_->get(path_);
    if (!job.ok()) { return; }
    const Result<JsonValue> taken = cluster_->get(path_ + "/checkpoints");
    JobFigures figures = job_figures(*job, taken.ok() ? *taken : JsonValue());
    const SourceFigures sources = source_figures(*cluster_, *job);
    figures.rows_in = sources.rows.value_or(figures.rows_in);
    note_rows((*job)["now"].integer(), figures.rows_in);
    std::string line = fmt::format("{} {}", figures.state, duration_text(figures.duration_ms));
    if (figures.running < figures.tasks) {
      line += fmt::format(", {}/{} tasks", figures.running, figures.tasks);
    }
    line += fmt::format(", {} rows, {}/s, busy {:.0f} %", count_text(figures.rows_in),
                        count_text(rate()), figures.busy * 100);
    if (sources.pending) { line += fmt::format(", {} to read", count_text(*sources.pending)); }
    if (is_time(sources.watermark_ms)) { line += ", watermark " + short_time(sources); }
    if (taken.ok()) {
      line += fmt::format(", {} checkpoints", figures.checkpoints);
      if (figures.failed_checkpoints > 0) {
        line += fmt::format(" ({} failed)", figures.failed_checkpoints);
      }
      line += fmt::format(", {}", bytes_text(figures.state_bytes));
    }
    // A line that wraps could not be written over.
    line.resize(std::min(line.size(), static_cast<size_t>(error_terminal_columns() - 1)));
    print(stderr, "\r\x1b[K" + line);
  }

  // What is shown of a job is a second old or more, so that rates are over some seconds.
  void note_rows(int64_t at_ms, double rows) {
    constexpr int64_t kSpanMs = 10'000;
    const bool is_news = readings_.empty() || at_ms > readings_.back().at_ms;
    if (!is_news || rows == 0) { return; }
    if (!readings_.empty() && rows < readings_.back().rows) { readings_.clear(); }  // a new attempt
    readings_.push_back({at_ms, rows});
    while (readings_.size() > 2 && readings_[1].at_ms <= at_ms - kSpanMs) { readings_.pop_front(); }
  }
  double rate() const {
    if (readings_.size() < 2) { return 0; }
    const Reading& first = readings_.front();
    const Reading& last = readings_.back();
    return (last.rows - first.rows) * 1000 / static_cast<double>(last.at_ms - first.at_ms);
  }

  // Without the day when that is today.
  std::string short_time(const SourceFigures& sources) const {
    const std::string text = wall_time_text(static_cast<int64_t>(*sources.watermark_ms));
    const std::string now = wall_time_text(world_.clock().wall_ms());
    const size_t day = text.find(' ');
    return text.substr(0, day) == now.substr(0, day) ? text.substr(day + 1) : text;
  }

  // There is a watermark, and it is neither the first nor the last of all times.
  static bool is_time(const std::optional<double>& watermark_ms) {
    return watermark_ms && *watermark_ms > -1e15 && *watermark_ms < 1e15;
  }

  Result<int> end_of_job(const JsonValue& result) {
    const std::string& status = result["application-status"].text();
    tell_failures();
    if (command_.json) {
      JsonBuilder json;
      json.begin_object().member("jobid", job_).member("status", status);
      json.member("runtime-ms", result["net-runtime"].integer());
      print(json.end_object().take() + "\n");
    } else if (status == "SUCCEEDED") {
      print(
          fmt::format("Program execution finished\nJob with JobID {} has finished.\n"
                      "Job Runtime: {} ms\n",
                      job_, result["net-runtime"].integer()));
      print_accumulators();
    }
    if (status == "SUCCEEDED") { return 0; }
    if (status == "CANCELED") {
      print(stderr, fmt::format("Job {} was cancelled.\n", job_));
      return kExitCancelled;
    }
    print(stderr, fmt::format("Job {} has failed: {}\n", job_,
                              result["failure-cause"]["stack-trace"].text()));
    return kFailed;
  }

  void print_accumulators() {
    const Result<JsonValue> shown = cluster_->get(path_ + "/accumulators");
    if (!shown.ok()) { return; }
    for (const JsonValue& one : (*shown)["user-task-accumulators"].items()) {
      print(fmt::format("- {}: {}\n", one["name"].text(), one["value"].text()));
    }
  }

  World& world_;
  const ClientCommand& command_;
  const Config config_;
  const std::unique_ptr<ClusterClient> cluster_;
  std::string job_;
  std::string path_;  // "/v1/jobs/ID"
  int64_t pause_ms_ = 20;
  // Failures that were told. The cluster keeps far fewer.
  static constexpr size_t kToldMax = 1'000;
  std::set<std::pair<int64_t, std::string>> told_;
  // How many rows the job had taken, by its clock.
  struct Reading {
    int64_t at_ms = 0;
    double rows = 0;
  };
  std::deque<Reading> readings_;
};

// Of the folder of the cluster's configuration, where there is one, and the command line. Settings
// of a job are the cluster's to judge, but for those that are misspelt.
Result<Config> client_config(World& world, const ClientCommand& command) {
  const std::string program = make_process_launcher()->own_program();
  const std::string directory = world.environment("TIDEWHEEL_CONF_DIR")
                                    .value_or(join_path(parent_path(parent_path(program)), "conf"));
  TIDEWHEEL_ASSIGN_OR_RETURN(DirectoryConfig read, read_config_directory(world.files(), directory));
  TIDEWHEEL_RETURN_IF_ERROR(apply_settings(command.settings, read.config));
  return std::move(read.config);
}

// What -m says may be wrong, which then is a mistake of usage.
Status check_address(const std::string& address, const Status& opened) {
  if (address.empty() || opened.ok() || opened.id() != ErrorId::kNetworkAddress) { return opened; }
  return invalid_argument(ErrorId::kUsage,
                          "-m takes HOST:PORT, such as localhost:8081, HOST alone, or a URL "
                          "(http:// or https://), not '{}'",
                          address);
}

}  // namespace

Result<int> run_client_command(const ClientCommand& command) {
  const std::unique_ptr<World> world = make_real_world({.log_level = LogLevel::kWarning});
  TIDEWHEEL_ASSIGN_OR_RETURN(Config config, client_config(*world, command));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<Network> tls,
                             make_rest_client_tls(world->network(), world->files(), config));
  Result<std::unique_ptr<ClusterClient>> cluster = ClusterClient::open(
      *world, {.address = command.address, .config = config, .tls_network = tls.get()});
  TIDEWHEEL_RETURN_IF_ERROR(check_address(command.address, cluster.status()));
  Result<int> status = Client(*world, command, std::move(config), std::move(*cluster)).run();
  const bool is_unreachable =
      !status.ok() && (status.status().id() == ErrorId::kNetworkConnect ||
                       (status.status().id() == ErrorId::kNetworkAddress &&
                        status.status().code() == StatusCode::kUnavailable));
  if (is_unreachable) {
    print(stderr, status.status().to_string() + "\n");
    return kExitUnreachable;
  }
  return status;
}

}  // namespace tidewheel
