// The paths of the cluster itself, of its processes, and of programs.
#include <algorithm>

#include "tidewheel/base/config.h"
#include "tidewheel/base/version.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/rest/api.h"
#include "tidewheel/rest/cluster_json.h"
#include "tidewheel/rest/files.h"
#include "tidewheel/rest/job_json.h"
#include "tidewheel/rest/json_writer.h"
#include "tidewheel/rest/openapi.h"
#include "tidewheel/rest/upload.h"

namespace tidewheel {
namespace {

// Rescaling is for jobs of the adaptive scheduler.
bool is_adaptive(const Settings& configuration) {
  return std::any_of(configuration.begin(), configuration.end(), [](const auto& setting) {
    return (setting.first == "jobmanager.scheduler" &&
            equal_without_case(setting.second, "adaptive")) ||
           (setting.first == "scheduler-mode" && equal_without_case(setting.second, "reactive"));
  });
}

std::string config_json(const RestSettings& settings, const Settings& configuration) {
  JsonBuilder json;
  json.begin_object().member("refresh-interval", settings.refresh_interval_ms);
  json.member("timezone-name", "Coordinated Universal Time").member("timezone-offset", 0);
  json.member("flink-version", kFlinkVersion).member("flink-revision", kVersion);
  json.begin_object("features").member("web-submit", settings.submit);
  json.member("web-cancel", settings.cancel);
  json.member("web-rescale", settings.rescale && is_adaptive(configuration));
  return json.member("web-history", settings.history).end_object().end_object().take();
}

std::string log_url_json(std::string url, const std::string& job, const std::string& worker) {
  for (const auto& [name, value] : {std::pair("<jobid>", job), std::pair("<tmid>", worker)}) {
    for (size_t at = 0; (at = url.find(name, at)) != std::string::npos; at += value.size()) {
      url.replace(at, std::string_view(name).size(), value);
    }
  }
  return JsonBuilder().begin_object().member("url", url).end_object().take();
}

std::string environment_json() {
  JsonBuilder json;
  json.begin_object().begin_object("jvm");
  json.member("version", fmt::format("tidewheel {} (native)", kVersion));
  json.member("arch", kArchitecture).begin_array("options").end_array().end_object();
  return json.begin_array("classpath").end_array().end_object().take();
}

// The text of a member, of a query parameter where the body has none, or nothing.
std::string text_of(const RestCall& call, const JsonValue& body, std::string_view member,
                    std::string_view query) {
  const JsonValue& value = body[member];
  return value.is_text() ? value.text() : call.query(query).value_or("");
}

// Splits the old form of arguments at blanks, as a shell does with quotes.
std::vector<std::string> split_arguments(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  bool has_word = false;
  char quote = '\0';
  for (const char c : text) {
    if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      has_word = true;
    } else if (c == ' ' || c == '\t') {
      if (has_word) { out.push_back(std::exchange(word, {})); }
      has_word = false;
    } else {
      word += c;
      has_word = true;
    }
  }
  if (has_word) { out.push_back(word); }
  return out;
}

Result<ProgramRun> program_run_of(const RestCall& call) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const JsonValue body, call.body());
  ProgramRun run;
  run.entry = text_of(call, body, "entryClass", "entry-class");
  if (body["programArgsList"].is_array()) {
    for (const JsonValue& one : body["programArgsList"].items()) {
      run.arguments.push_back(one.text());
    }
  } else if (body["programArgs"].is_text()) {
    run.arguments = split_arguments(body["programArgs"].text());
  } else if (const auto list = call.query_list("programArg"); list.has_value()) {
    run.arguments = *list;
  } else {
    run.arguments = split_arguments(call.query("program-args").value_or(""));
  }
  const std::string parallelism = call.query("parallelism").value_or("");
  const JsonValue& wanted = body["parallelism"];
  const Result<int64_t> number = wanted.as_integer().has_value() ? *wanted.as_integer()
                                 : !wanted.is_null()
                                     ? parse_int(wanted.text())
                                     : parse_int(parallelism.empty() ? "0" : parallelism);
  if (!number.ok() || *number < 0 || *number > 32768) {
    return invalid_argument(ErrorId::kRestRequest,
                            "parallelism has to be a number from 1 to 32768, not '{}'",
                            wanted.is_null() ? parallelism : wanted.text());
  }
  run.parallelism = static_cast<int32_t>(*number);
  run.job_id = text_of(call, body, "jobId", "jobId");
  if (!run.job_id.empty() && !is_rest_id(run.job_id)) {
    return invalid_argument(ErrorId::kRestRequest,
                            "jobId has to be 32 lower-case hex digits, not '{}'", run.job_id);
  }
  run.savepoint_path = text_of(call, body, "savepointPath", "savepointPath");
  run.allow_non_restored_state =
      body["allowNonRestoredState"].is_null()
          ? call.query("allowNonRestoredState").value_or("false") == "true"
          : body["allowNonRestoredState"].boolean();
  run.claim_mode =
      body["claimMode"].is_text() ? body["claimMode"].text() : body["restoreMode"].text();
  if (!run.claim_mode.empty() && run.claim_mode != "CLAIM" && run.claim_mode != "NO_CLAIM") {
    return invalid_argument(
        ErrorId::kRestRequest,
        "claimMode has to be CLAIM or NO_CLAIM, not '{}'; there is no LEGACY here", run.claim_mode);
  }
  for (const auto& [key, value] : body["flinkConfiguration"].members()) {
    run.configuration.emplace_back(key, value.text());
  }
  run.attached = body["attached"].boolean();
  return run;
}

}  // namespace

void RestApi::add_cluster_routes() {
  get("/config", "What a web UI has to know", [this](const RestCallRef& call) {
    call->json(config_json(settings_, gateway_.configuration()));
  });
  get("/overview", "Counts of TaskManagers, slots and jobs", [this](const RestCallRef& call) {
    gateway_.overview(on_answer<ClusterOverview>(call, [this, call](ClusterOverview overview) {
      with_jobs(call, [call, overview](const std::vector<JobSummary>& jobs) {
        call->json(overview_json(overview, jobs));
      });
    }));
  });
  change("DELETE", "/cluster", "Ends all jobs and processes", [this](const RestCallRef& call) {
    gateway_.shut_down(on_done(call, [call] { call->json("{}"); }));
  });
  get("/datasets", "Cached results: there are none",
      [](const RestCallRef& call) { call->json(R"({"dataSets":[]})"); });
  get("/openapi.json", "This description",
      [this](const RestCallRef& call) { call->json(openapi_json(router_)); });
  get("/jobmanager/config", "The configuration, secrets masked",
      [this](const RestCallRef& call) { call->json(settings_json(gateway_.configuration())); });
  const auto log_url = [this](const char* path, const char* what, const std::string& pattern) {
    if (pattern.empty()) { return; }
    const bool of_worker = std::string_view(path).find(":taskmanagerid") != std::string_view::npos;
    get(path, what, [pattern, of_worker](const RestCallRef& call) {
      call->json(log_url_json(pattern, call->parameter("jobid"),
                              of_worker ? call->parameter("taskmanagerid") : ""));
    });
  };
  log_url("/jobs/:jobid/jobmanager/log-url", "Where the log of its JobManager is",
          settings_.master_log_url);
  log_url("/jobs/:jobid/taskmanagers/:taskmanagerid/log-url", "Where that log is",
          settings_.worker_log_url);
  for (const char* const path :
       {"/jobmanager/environment", "/jobs/:jobid/jobmanager/environment"}) {
    get(path, "What was built, and how",
        [](const RestCallRef& call) { call->json(environment_json()); });
  }
  get("/taskmanagers", "All TaskManagers", [this](const RestCallRef& call) {
    gateway_.task_managers(on_answer<std::vector<TaskManagerSummary>>(
        call, [call](const std::vector<TaskManagerSummary>& all) {
          call->json(task_managers_json(all));
        }));
  });
  get("/taskmanagers/:taskmanagerid", "One of them", [this](const RestCallRef& call) {
    const std::string id = call->parameter("taskmanagerid");
    gateway_.task_managers(on_answer<std::vector<TaskManagerSummary>>(
        call, [this, call, id](const std::vector<TaskManagerSummary>& all) {
          // Without metrics when it can't be asked now.
          fetch_process(
              {.task_manager = id}, [call, id, all](const Result<MetricReportRef>& metrics) {
                const pb::MetricReport& found =
                    metrics.ok() ? **metrics : pb::MetricReport::default_instance();
                call->json_or_missing(task_manager_json(all, id, found), "TaskManager " + id);
              });
        }));
  });
}

void RestApi::add_process_routes(const std::string& prefix,
                                 std::function<ProcessName(const RestCall&)> process) {
  get(prefix + "/log", "Its log", [this, process](const RestCallRef& call) {
    answer_log(gateway_, call, process(*call), kLogOfProcess);
  });
  get(prefix + "/stdout", "What it has printed", [this, process](const RestCallRef& call) {
    answer_log(gateway_, call, process(*call), kStdoutOfProcess);
  });
  get(prefix + "/logs", "Its log files", [this, process](const RestCallRef& call) {
    gateway_.log_files(process(*call), on_answer<std::vector<LogFileInfo>>(
                                           call, [call](const std::vector<LogFileInfo>& files) {
                                             call->json(log_files_json(files));
                                           }));
  });
  get(prefix + "/logs/:filename", "One of them", [this, process](const RestCallRef& call) {
    const std::string& name = call->parameter("filename");
    if (name.starts_with(':')) {
      call->fail(404, "there is no log file of that name");
      return;
    }
    answer_log(gateway_, call, process(*call), name);
  });
  add_profile_routes(prefix, process);
  get(prefix + "/thread-dump", "The stacks of its threads",
      [this, process](const RestCallRef& call) {
        gateway_.thread_dump(process(*call),
                             on_answer<std::vector<ThreadStack>>(
                                 call, [call](const std::vector<ThreadStack>& threads) {
                                   call->json(thread_dump_json(threads));
                                 }));
      });
  get(prefix + "/metrics", "Its metrics",
      [this, process](const RestCallRef& call) {
        fetch_process(process(*call), [call](const Result<MetricReportRef>& report) {
          if (!report.ok()) { return call->fail(report.status()); }
          call->json(metrics_json(process_metrics(**report), call->query_list("get")));
        });
      },
      {"get"});
}

void RestApi::add_program_routes() {
  if (!settings_.submit) { return; }
  get("/jars", "Programs that were uploaded", [this](const RestCallRef& call) {
    gateway_.programs(on_answer<std::vector<ProgramInfo>>(
        call, [this, call](const std::vector<ProgramInfo>& programs) {
          call->json(programs_json(programs, settings_.address));
        }));
  });
  router_.add({.method = "POST",
               .pattern = "/jars/upload",
               .role = RestRole::kWrite,
               .takes_upload = true,
               .handler = [this](const RestCallRef& call) { upload_program(call); },
               .summary = "Uploads a program: a shared library or an SQL script"});
  change("DELETE", "/jars/:jarid", "Forgets a program", [this](const RestCallRef& call) {
    gateway_.remove_program(call->parameter("jarid"), [call](const Status& status) {
      // The field's API says 400 where others would say 404.
      if (status.code() == StatusCode::kNotFound) {
        call->fail(400, status.to_string());
      } else if (status.ok()) {
        call->json("{}");
      } else {
        call->fail(status);
      }
    });
  });
  const std::vector<std::string> query = {"entry-class", "program-args",          "programArg",
                                          "parallelism", "allowNonRestoredState", "savepointPath"};
  change(
      "POST", "/jars/:jarid/run", "Runs a program",
      [this](const RestCallRef& call) { run_program(call); }, 200, query);
  const auto plan = [this](const RestCallRef& call) {
    Result<ProgramRun> run = program_run_of(*call);
    if (!run.ok()) {
      call->fail(run.status());
      return;
    }
    gateway_.plan_program(call->parameter("jarid"), std::move(run).value(),
                          on_answer<JobReportRef>(call, [call](const JobReportRef& report) {
                            call->json(job_plan_json(*report));
                          }));
  };
  get("/jars/:jarid/plan", "The plan of a program's job, without running it", plan, query);
  change("POST", "/jars/:jarid/plan", "The same, with a body", plan, 200, query);
}

void RestApi::run_program(const RestCallRef& call) {
  Result<ProgramRun> run = program_run_of(*call);
  if (!run.ok()) {
    call->fail(run.status());
    return;
  }
  gateway_.run_program(call->parameter("jarid"), std::move(run).value(),
                       on_answer<std::string>(call, [call](const std::string& job_id) {
                         JsonBuilder json;
                         json.begin_object().member("jobid", job_id);
                         call->json(json.end_object().take());
                       }));
}

void RestApi::upload_program(const RestCallRef& call) {
  const auto upload = std::dynamic_pointer_cast<Upload>(call->request().taker);
  if (upload == nullptr) {
    call->fail(400, "Exactly 1 file must be sent, received 0.");
    return;
  }
  if (const Status status = upload->finish(); !status.ok()) {
    call->fail(status);
    return;
  }
  if (upload->files().size() != 1) {
    call->fail(400,
               fmt::format("Exactly 1 file must be sent, received {}.", upload->files().size()));
    return;
  }
  const UploadedFile& sent = upload->files().front();
  static constexpr std::string_view kEnds[] = {".so", ".sql", ".jar"};
  if (std::none_of(std::begin(kEnds), std::end(kEnds),
                   [&](std::string_view end) { return sent.file_name.ends_with(end); })) {
    call->fail(400, fmt::format("Only programs are allowed: files that end in .so, .sql or .jar, "
                                "not '{}'.",
                                sent.file_name));
    return;
  }
  const UploadedFile file = upload->release().front();
  gateway_.add_program(
      {.path = file.path, .name = file.file_name, .sha256 = file.sha256, .bytes = file.bytes},
      on_answer<ProgramInfo>(call, [this, call](const ProgramInfo& program) {
        JsonBuilder json;
        json.begin_object().member("filename", join_path(settings_.upload_directory, program.id));
        call->json(json.member("status", "success").end_object().take());
      }));
}

}  // namespace tidewheel
