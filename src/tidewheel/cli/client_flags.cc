#include "tidewheel/cli/client_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "tidewheel/base/config.h"

namespace tidewheel {

void ClientFlags::add_address(CLI::App& app, ClientCommand& command) {
  app.add_option("-m,--jobmanager", command.address,
                 "The cluster's REST address; else rest.address and rest.port")
      ->type_name("HOST:PORT")
      ->group("Cluster");
}

void ClientFlags::add_target(CLI::App& app) {
  add_address(app, command_);
  app.add_option("-t,--target", target_, "remote, the only one there is: the cluster of -m")
      ->type_name("WHERE")
      ->transform(CLI::IsMember({"remote"}, CLI::ignore_case))
      ->group("Cluster");
  app.add_option("-D", command_.settings, "Sets an option of the client: -Drest.port=8082")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->group("Cluster");
  app.add_flag("--json", command_.json, "As JSON");
}

CLI::App& ClientFlags::add(CLI::App& app, const char* name, const char* what, ClientVerb verb) {
  CLI::App* const added = app.add_subcommand(name, what);
  verbs_.emplace_back(added, verb);
  add_target(*added);
  return *added;
}

void ClientFlags::add_job(CLI::App& app) {
  app.add_option("job", command_.job, "Its id, the beginning of that, or its name")
      ->required()
      ->type_name("JOB");
}

void ClientFlags::add_format(CLI::App& app) {
  app.add_option("--type", command_.format,
                 "canonical: any state backend can restore it; native: the backend's own form")
      ->type_name("FORM")
      ->transform(CLI::IsMember({"canonical", "native"}, CLI::ignore_case));
}

void ClientFlags::add_to(CLI::App& app) {
  CLI::App& list = add(app, "list", "Lists the jobs of a cluster", ClientVerb::kList);
  list.add_flag("-r,--running", command_.running, "Those that run");
  list.add_flag("-s,--scheduled", command_.scheduled, "Those that wait");
  list.add_flag("-a,--all", command_.all, "Also those that have ended");

  CLI::App& cancel = add(app, "cancel", "Cancels a job", ClientVerb::kCancel);
  cancel.add_option("job", command_.job, "Its id, the beginning of that, or its name")
      ->type_name("JOB");
  with_savepoint_ = cancel
                        .add_option("-s,--withSavepoint", command_.directory,
                                    "Behind a savepoint, in this folder or as configured")
                        ->expected(0, 1)
                        ->type_name("[FOLDER]");
  add_format(cancel);

  CLI::App& stop = add(app, "stop", "Stops a job with a savepoint", ClientVerb::kStop);
  add_job(stop);
  stop.add_option("-p,--savepointPath", command_.directory, "The folder for it")
      ->type_name("FOLDER");
  stop.add_flag("-d,--drain", command_.drain, "When all windows have fired: it is not to go on");
  add_format(stop);

  CLI::App& checkpoints =
      add(app, "checkpoints", "Shows a job's checkpoints", ClientVerb::kCheckpoints);
  add_job(checkpoints);

  CLI::App& rescale =
      add(app, "rescale", "Changes a running job's parallelism", ClientVerb::kRescale);
  add_job(rescale);
  rescale.add_option("-p,--parallelism", command_.parallelism, "Of all vertices")
      ->check(CLI::Range(1, 32768))
      ->type_name("N");
  rescale.add_option("--vertex", command_.vertex_parallelisms, "Of one: its id, and how many")
      ->type_name("ID=N")
      ->allow_extra_args(false);

  CLI::App& logs = add(app, "logs", "Shows the log of a process", ClientVerb::kLogs);
  logs.add_option("--taskmanager", command_.task_manager,
                  "Of this TaskManager; else of the "
                  "JobManager")
      ->type_name("ID");
  logs.add_option("--file", command_.file, "One of its files; else its own log")->type_name("NAME");
  logs.add_flag("--list", command_.lists_files, "Lists its files");
  logs.add_flag("-f,--follow", command_.follow, "Goes on with what comes");

  CLI::App& top =
      add(app, "top", "Shows the cluster and its jobs, again and again", ClientVerb::kTop);
  top.add_flag("-a,--all", command_.all, "Also jobs that have ended");
  top.add_flag("--once", command_.once, "Once");
  top.add_option("--interval", interval_, "How often")->type_name("TIME");
}

void ClientFlags::add_savepoint_to(CLI::App& app) {
  savepoint_ = &app;
  add_target(app);
  app.add_option("job", command_.job, "Of this job: its id, the beginning of that, or its name")
      ->type_name("JOB");
  app.add_option("folder", command_.directory, "Where it is made; else as configured")
      ->type_name("FOLDER");
  app.add_option("-d,--dispose", dispose_, "Deletes this one, by the cluster")->type_name("PATH");
  add_format(app);
}

void ClientFlags::add_checkpoint_to(CLI::App& app) {
  checkpoint_ = &app;
  add_target(app);
  app.add_option("job", command_.job, "Takes one of this job")->type_name("JOB");
  app.add_flag("--full", command_.full, "Not only what has changed since the last one");
}

Status ClientFlags::fill_cancel(ClientCommand& out) const {
  out.with_savepoint = with_savepoint_->count() > 0;
  // `cancel -s JOB`: what follows -s is the job when nothing else is.
  if (out.job.empty()) { std::swap(out.job, out.directory); }
  return out.job.empty()
             ? invalid_argument(ErrorId::kUsage, "which job is meant? See tidewheel cancel --help")
             : ok_status();
}

Result<bool> ClientFlags::fill(ClientCommand& out) const {
  const auto is_alone = [](const CLI::App* app) {
    return app != nullptr && app->parsed() && app->get_subcommands().empty();
  };
  out = command_;
  const Result<int64_t> interval = parse_duration_ms(interval_);
  if (!interval.ok() || *interval < 1) {
    return invalid_argument(ErrorId::kUsage, "--interval needs a time such as 2s, not '{}'",
                            interval_);
  }
  out.interval_ms = *interval;
  for (const auto& [app, verb] : verbs_) {
    if (!app->parsed()) { continue; }
    out.verb = verb;
    if (verb == ClientVerb::kRescale && (out.parallelism > 0) == !out.vertex_parallelisms.empty()) {
      return invalid_argument(ErrorId::kUsage, "rescale needs either -p N or --vertex ID=N");
    }
    for (const std::string& one : out.vertex_parallelisms) {
      const size_t equals = std::min(one.find('='), one.size());
      if (parse_int(one.substr(std::min(equals + 1, one.size()))).value_or(0) < 1) {
        return invalid_argument(ErrorId::kUsage, "--vertex takes ID=N, N from 1 on, not '{}'", one);
      }
    }
    if (verb == ClientVerb::kCancel) { TIDEWHEEL_RETURN_IF_ERROR(fill_cancel(out)); }
    return true;
  }
  if (is_alone(savepoint_)) {
    if (!dispose_.empty()) {
      out.verb = ClientVerb::kDisposeSavepoint;
      out.directory = dispose_;
      return true;
    }
    out.verb = ClientVerb::kSavepoint;
  } else if (is_alone(checkpoint_)) {
    out.verb = ClientVerb::kCheckpoint;
  } else {
    return false;
  }
  if (out.job.empty()) {
    return invalid_argument(ErrorId::kUsage, "which job is meant? See tidewheel {} --help",
                            is_alone(savepoint_) ? "savepoint" : "checkpoint");
  }
  return true;
}

}  // namespace tidewheel
