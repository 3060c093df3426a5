#include "tidewheel/api/job_main.h"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "tidewheel/api/cluster_role.h"
#include "tidewheel/api/command_line.h"
#include "tidewheel/api/env.h"
#include "tidewheel/api/interruption.h"
#include "tidewheel/api/job.h"
#include "tidewheel/api/run_report.h"
#include "tidewheel/base/world.h"

namespace tidewheel {

namespace {

constexpr int kFailed = 1;
constexpr int kMisused = 2;

void print(std::FILE* stream, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

std::vector<std::string> job_names() {
  std::vector<std::string> names;
  for (const Job* job : all_jobs()) { names.push_back(job->name()); }
  return names;
}

// The author's function for the job that was asked for.
Result<Job::Build> choose_job(const std::string& name) {
  const std::vector<const Job*> jobs = all_jobs();
  if (name.empty()) {
    if (&::tidewheel_job != nullptr) { return Job::Build(&::tidewheel_job); }
    if (jobs.size() == 1) { return jobs.front()->build(); }
    if (jobs.empty()) {
      return failed_precondition(
          ErrorId::kJobNotExecuted,
          "the program has no job: define `void tidewheel_job(tidewheel::Env&)`, "
          "or a tidewheel::Job object");
    }
  }
  for (const Job* job : jobs) {
    if (job->name() == name) { return job->build(); }
  }
  if (jobs.empty()) {
    return invalid_argument(ErrorId::kUsage,
                            "--job {} chooses one of several jobs, and this program has one only",
                            name);
  }
  return invalid_argument(ErrorId::kUsage, "choose a job with --job; there are: {}{}",
                          fmt::join(job_names(), ", "), name.empty() ? "" : "; not " + name);
}

// Puts the job together by its author's code.
Status build_job(const Job::Build& build, Env& env) {
  try {
    build(env);
  } catch (const BadArgument& bad) {
    return bad.status();
  } catch (const std::exception& exception) {
    return user_error(ErrorId::kUserCodeThrew, "the function that puts the job together threw: {}",
                      exception.what());
  } catch (...) {
    return user_error(ErrorId::kUserCodeThrew,
                      "the function that puts the job together threw something unknown");
  }
  if (env.is_empty()) {
    return failed_precondition(
        ErrorId::kJobNotExecuted,
        "the job has no pipeline: give it a source, with env.from(...), and a sink");
  }
  return {};
}

Status explain(Env& env, JobCommandLine::Action action) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string text, action == JobCommandLine::Action::kExplain
                                                         ? env.explain()
                                                         : env.explain_json());
  print(stdout, text);
  return {};
}

// What the job went on from, when it starts.
void tell_start(const JobHandle& job, const JobCommandLine& line, const Config& config) {
  const std::string text = start_text(job.checkpoints(), job.name(), line.resume,
                                      config.get(options::kCheckpointDirectory));
  if (!text.empty()) { print(stderr, text + "\n"); }
}

Status run(Env& env, const JobCommandLine& line) {
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const std::unique_ptr<Interruption> interruption,
      Interruption::install(
          {.savepoint_directory = line.savepoint_on_interrupt, .drain = line.drain}));
  std::string summary;
  env.on_execute([&](JobHandle* job) {
    if (job != nullptr) {
      tell_start(*job, line, env.config());
      interruption->watch(job);
    } else {
      interruption->watch(nullptr);
    }
  });
  env.on_end([&](const JobHandle& job) {
    summary = checkpoint_summary(job.checkpoints(), job.restarts());
  });
  const Status status = env.execute().status();
  env.on_execute(nullptr);
  env.on_end(nullptr);
  if (!summary.empty()) { print(stderr, summary + "\n"); }
  return status;
}

// The author's code, up to the job that it executes.
Status run_program(World& world, const ProcessRole& role, const Config& config,
                   const JobRunner& runner) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const Job::Build build, choose_job(role.entry));
  Env env(world, config, JobArgs(role.arguments));
  env.default_name(role.entry.empty() ? job_name_of(role.program) : role.entry);
  env.run_with(runner);
  TIDEWHEEL_RETURN_IF_ERROR(build_job(build, env));
  if (env.was_executed()) { return {}; }
  return env.execute().status();
}

int run_as_role(const std::vector<std::string>& arguments) {
  const Result<ProcessRole> role = parse_role(arguments);
  if (!role.ok()) {
    print(stderr, role.status().to_string() + "\n");
    return kRoleMisused;
  }
  const std::unique_ptr<World> world = make_real_world();
  return run_cluster_role(*world, *role, [&](const Config& config, const JobRunner& runner) {
    return run_program(*world, *role, config, runner);
  });
}

Status carry_out(const JobCommandLine& line, const std::string& program, World& world) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const Job::Build build, choose_job(line.job));
  Env env(world, line.config, JobArgs(line.arguments));
  env.default_name(line.job.empty() ? job_name_of(program) : line.job);
  env.resume(line.resume);
  TIDEWHEEL_RETURN_IF_ERROR(build_job(build, env));
  if (line.action != JobCommandLine::Action::kRun) { return explain(env, line.action); }
  // A job function may have run the job itself.
  if (env.was_executed()) { return {}; }
  TIDEWHEEL_RETURN_IF_ERROR(check_start(line, env.config()));
  return run(env, line);
}

}  // namespace

int job_main(int argc, const char* const* argv) {
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (is_role(arguments)) { return run_as_role(arguments); }
  const Result<JobCommandLine> line = parse_job_command_line(arguments);
  if (!line.ok()) {
    print(stderr, line.status().to_string() + "\n");
    return kMisused;
  }
  if (line->action == JobCommandLine::Action::kHelp) {
    print(stdout, job_help(argc > 0 ? argv[0] : "job", job_names()));
    return 0;
  }
  const std::unique_ptr<World> world = make_real_world();
  const Status status = carry_out(*line, argc > 0 ? argv[0] : "", *world);
  if (status.ok()) { return 0; }
  if (status.id() == ErrorId::kJobFinished) {
    print(stderr, std::string(status.message()) + "\n");
    return 0;
  }
  print(stderr, status.to_string() + "\n");
  return status.id() == ErrorId::kUsage || status.id() == ErrorId::kBadParameter ? kMisused
                                                                                 : kFailed;
}

}  // namespace tidewheel
