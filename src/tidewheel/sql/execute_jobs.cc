// The jobs that a session has submitted: SHOW JOBS, DESCRIBE JOB, STOP JOB.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/base/time_zone.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/types/time.h"

namespace tidewheel::sql {
namespace {

// "1.234 s"
std::string seconds_text(int64_t ns) {
  return fmt::format("{:.3f} s", static_cast<double>(ns) * 1e-9);
}

// Of Flink's table: id, name, state, begin.
std::vector<std::string> job_row(const JobHandle& job, int64_t begun_wall_ms) {
  return {job.job_id(), job.name(), std::string(job_state_name(job.state())),
          to_string(Timestamp(begun_wall_ms))};
}

}  // namespace

std::string Session::submit(RunningInsert insert) {
  SubmittedJob submitted;
  submitted.begun_wall_ms = world_.clock().wall_ms();
  submitted.env = std::move(insert.env);
  submitted.job = std::move(insert.job);
  std::string id = submitted.job->job_id();
  jobs_.push_back(std::move(submitted));
  return id;
}

std::vector<std::string> Session::running_jobs() const {
  std::vector<std::string> running;
  for (const SubmittedJob& one : jobs_) {
    if (!is_final(one.job->state())) {
      running.push_back(one.job->job_id() + " " + one.job->name());
    }
  }
  return running;
}

std::vector<std::string> Session::take_ended_jobs() {
  std::vector<std::string> lines;
  for (SubmittedJob& one : jobs_) {
    if (one.is_told || !is_final(one.job->state())) { continue; }
    one.is_told = true;
    const Status result = one.job->result();
    lines.push_back(fmt::format("job {} {}: {}{}", one.job->job_id(), one.job->name(),
                                job_state_name(one.job->state()),
                                result.ok() ? "" : "\n" + result.to_string()));
  }
  return lines;
}

Status Session::wait_for_jobs(const std::function<void(JobHandle*)>& watch) {
  Status first;
  for (const SubmittedJob& one : jobs_) {
    watch(one.job.get());
    Status ended = one.job->result();
    watch(nullptr);
    if (first.ok() && !ended.ok()) { first = std::move(ended); }
  }
  return first;
}

auto Session::find_job(const std::string& id) const -> Result<const SubmittedJob*> {
  const auto it = std::find_if(jobs_.begin(), jobs_.end(),
                               [&](const SubmittedJob& one) { return one.job->job_id() == id; });
  if (it != jobs_.end()) { return &*it; }
  return not_found(ErrorId::kSqlCatalog,
                   "this session has submitted no job '{}'; SHOW JOBS lists those there are", id);
}

Listing Session::show_jobs() const {
  Listing listing;
  listing.columns = {"job id", "job name", "status", "start time"};
  for (const SubmittedJob& one : jobs_) {
    listing.rows.push_back(job_row(*one.job, one.begun_wall_ms));
  }
  return listing;
}

Result<StatementResult> Session::describe_job(const DescribeJob& statement) const {
  TIDEWHEEL_ASSIGN_OR_RETURN(const SubmittedJob* const found, find_job(statement.id));
  const JobHandle& job = *found->job;
  Listing listing;
  listing.columns = {"info name", "info value"};
  const std::vector<std::string> row = job_row(job, found->begun_wall_ms);
  listing.rows = {{"job id", row[0]},
                  {"job name", row[1]},
                  {"status", row[2]},
                  {"start time", row[3]},
                  {"runtime", seconds_text(job.runtime_ns())}};
  for (const TaskInfo& task : job.tasks()) {
    listing.rows.push_back(
        {fmt::format("task {} ({}/{})", task.vertex, task.subtask + 1, task.parallelism),
         fmt::format("{}, {} rows in, {} out, {} ms busy", task_state_name(task.state),
                     task.rows_in, task.rows_out, task.busy_ms)});
  }
  const CheckpointStatistics checkpoints = job.checkpoints();
  if (checkpoints.triggered > 0) {
    listing.rows.push_back({"checkpoints", fmt::format("{} completed, {} failed",
                                                       checkpoints.completed, checkpoints.failed)});
  }
  listing.rows.push_back({"restarts", std::to_string(job.restarts())});
  for (const JobFailure& failure : job.failures()) {
    listing.rows.push_back({"failure", std::string(failure.status.message())});
  }
  for (const auto& [name, value] : job.accumulators()) {
    listing.rows.push_back({name, std::to_string(value)});
  }
  return StatementResult(std::move(listing));
}

Result<StatementResult> Session::stop_job(const StopJob& statement) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const SubmittedJob* const found, find_job(statement.id));
  JobHandle& job = *found->job;
  if (is_final(job.state())) {
    return failed_precondition(ErrorId::kSqlCatalog, "the job has ended already, it is {}: {}",
                               job_state_name(job.state()), statement.id);
  }
  if (!statement.with_savepoint) {
    job.cancel();
    job.wait();
    return StatementResult(Done{"Stopped."});
  }
  SavepointRequest request;
  request.after = statement.with_drain ? AfterSavepoint::kDrain : AfterSavepoint::kSuspend;
  TIDEWHEEL_ASSIGN_OR_RETURN(std::string path, job.savepoint(request));
  job.wait();
  Listing listing;
  listing.columns = {"savepoint path"};
  listing.rows.push_back({std::move(path)});
  return StatementResult(std::move(listing));
}

}  // namespace tidewheel::sql
