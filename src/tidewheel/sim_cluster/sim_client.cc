#include "tidewheel/sim_cluster/sim_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/cluster/job_report.pb.h"

namespace tidewheel {
namespace {

// Longer than anything may take: a savepoint's timeout, and the process that answers frozen
// meanwhile.
constexpr int64_t kAnsweredWithinNs = 60'000'000'000;

}  // namespace

SimClient::Job& SimClient::add_job(std::string id, std::string table, std::string savepoint) {
  Job& job = jobs_[id];
  job.id = std::move(id);
  job.table = std::move(table);
  job.savepoint = std::move(savepoint);
  return job;
}

bool SimClient::all_ended() const {
  return std::all_of(jobs_.begin(), jobs_.end(),
                     [](const auto& job) { return job.second.ended(); });
}

bool SimClient::all_run() const {
  return std::all_of(jobs_.begin(), jobs_.end(), [](const auto& job) {
    return job.second.ended() || job.second.status == ClusterJobStatus::kRunning;
  });
}

// ---- Requests and their answers

SimClient::RequestRef SimClient::begin(const std::string& what, const ClusterGateway* gateway) {
  open_.push_back(std::make_shared<Request>(
      Request{.what = what, .gateway = gateway, .asked_ns = simulation_.now_ns()}));
  return open_.back();
}

bool SimClient::answered(const RequestRef& request, const Status& status) {
  ++answers_;
  ++by_kind_[fmt::format("{}: {}", request->what,
                         status.ok() ? "OK" : std::string(error_name(status.id())))];
  if (++request->answers > 1) { fail_("a request was answered twice: " + request->what); }
  return std::erase(open_, request) > 0;
}

void SimClient::killed(const ClusterGateway* gateway) {
  std::erase_if(open_, [&](const RequestRef& request) { return request->gateway == gateway; });
  for (auto& [id, job] : jobs_) {
    if (job.submitted_to == gateway) { job.submitted_to = nullptr; }
  }
}

void SimClient::check_answers() {
  for (const RequestRef& request : open_) {
    if (simulation_.now_ns() - request->asked_ns > kAnsweredWithinNs) {
      return fail_(fmt::format("a request was not answered within {} s: {}",
                               kAnsweredWithinNs / 1'000'000'000, request->what));
    }
  }
}

// ---- What is asked

void SimClient::ask() {
  ClusterGateway* const gateway = cluster_.leading_gateway();
  if (gateway == nullptr) { return; }
  for (auto& [id, job] : jobs_) {
    // One at a time at each JobManager: "there is one already" means then that it is kept.
    if (!job.accepted && job.submitted_to != gateway) { submit(job, *gateway); }
    if (job.accepted) { look_at_vertices(job, *gateway); }
  }
  gateway->jobs(
      [this, request = begin("list", gateway)](const Result<std::vector<JobSummary>>& jobs) {
        answered(request, jobs.status());
        if (jobs.ok()) { look(*jobs); }
      });
  gateway->overview(
      [this, request = begin("overview", gateway)](const Result<ClusterOverview>& now) {
        answered(request, now.status());
        if (now.ok()) { slots_ = {now->free_slots, now->slots}; }
      });
}

// Once they are known they are shown, whatever becomes of the job's master.
void SimClient::look_at_vertices(Job& job, ClusterGateway& gateway) {
  const int64_t leader = cluster_.election().leaders_so_far();
  const auto request = begin("report", &gateway);
  gateway.report(job.id, [this, &job, leader,
                          request](const Result<ClusterGateway::JobReportRef>& report) {
    answered(request, report.status());
    if (!report.ok()) { return; }
    // Whoever sees an end takes it for the last that there is to say.
    if ((*report)->end_ms() > 0 && !is_final(static_cast<ClusterJobStatus>((*report)->status()))) {
      fail_("a job is shown with an end, and has not ended: " + job.table);
    }
    if ((*report)->vertices_size() > 0) {
      job.vertices_since = std::max(job.vertices_since, leader);
    } else if (job.vertices_since == leader) {
      fail_("the vertices of a job are not shown any more: " + job.table);
    }
  });
}

// Answers may overtake each other when another one leads: an end is never taken back, though.
void SimClient::look(const std::vector<JobSummary>& jobs) {
  for (auto& [id, job] : jobs_) {
    if (!job.accepted) { continue; }
    const auto found = std::find_if(jobs.begin(), jobs.end(),
                                    [&id = id](const JobSummary& line) { return line.id == id; });
    if (found == jobs.end()) {
      fail_("a job that was accepted is lost: " + job.table);
      continue;
    }
    if (job.ended() && *job.status != found->status) {
      fail_(fmt::format("the job {} has ended, it was {}, and is {} now", job.table,
                        cluster_job_status_name(*job.status),
                        cluster_job_status_name(found->status)));
    }
    if (job.status != found->status && is_final(found->status)) {
      note_(fmt::format("{} is {}", job.table, cluster_job_status_name(found->status)));
    }
    job.status = found->status;
  }
}

void SimClient::submit(Job& job, ClusterGateway& gateway) {
  job.submitted_to = &gateway;
  std::string sha256;
  const std::string path = cluster_.write_program("libjob.so", &sha256);
  const auto upload = begin("upload", &gateway);
  const UploadedProgram program{.path = path, .name = "libjob.so", .sha256 = sha256, .bytes = 9};
  gateway.add_program(program, [this, &gateway, &job, upload](const Result<ProgramInfo>& added) {
    if (!answered(upload, added.status())) { return; }
    if (!added.ok()) {
      job.submitted_to = nullptr;
      return;
    }
    ProgramRun run;
    run.job_id = job.id;
    run.savepoint_path = job.savepoint;
    run.configuration = {{"pipeline.name", job.table}};
    const auto request = begin("run", &gateway);
    gateway.run_program(added->id, run, [this, &job, request](const Result<std::string>& id) {
      if (!answered(request, id.status())) { return; }
      job.submitted_to = nullptr;
      // An answer may have been lost: then the job is there already.
      if (!id.ok() && id.status().id() != ErrorId::kDuplicateJob) { return; }
      if (!job.accepted) { note_(job.table + " is accepted"); }
      job.accepted = true;
    });
  });
}

void SimClient::cancel(Job& job) {
  ClusterGateway* const gateway = cluster_.leading_gateway();
  if (gateway == nullptr) { return; }
  job.cancel_asked = true;
  gateway->cancel(job.id, [this, request = begin("cancel", gateway)](const Status& status) {
    answered(request, status);
  });
}

void SimClient::savepoint(Job& job, SavepointOrder::Then then) {
  ClusterGateway* const gateway = cluster_.leading_gateway();
  if (gateway == nullptr) { return; }
  using Then = SavepointOrder::Then;
  SavepointOrder order;
  order.directory = fmt::format("/savepoints/{}", next_folder_++);
  order.then = then;
  if (then != Then::kGoOn) { job.stop_asked = true; }
  if (then == Then::kCancel) { job.cancel_asked = true; }
  const auto request = begin(then == Then::kGoOn ? "savepoint" : "stop", gateway);
  gateway->savepoint(job.id, order, [this, &job, then, request](const Result<std::string>& path) {
    answered(request, path.status());
    if (!path.ok()) { return; }
    note_(fmt::format("{} has the savepoint {}{}", job.table, *path,
                      then == Then::kGoOn ? "" : ", and ends"));
    savepoints_.push_back({*path, job.id, then});
    if (then == Then::kStop || then == Then::kCancel) { job.stopped_at = *path; }
    if (then == Then::kDrain) { job.drained = true; }
  });
}

void SimClient::checkpoint(Job& job) {
  ClusterGateway* const gateway = cluster_.leading_gateway();
  if (gateway == nullptr) { return; }
  gateway->checkpoint(job.id, [this, request = begin("checkpoint", gateway)](
                                  const Result<int64_t>& id) { answered(request, id.status()); });
}

void SimClient::rescale(Job& job, int32_t upper_max) {
  ClusterGateway* const gateway = cluster_.leading_gateway();
  if (gateway == nullptr) { return; }
  const auto request = begin("bounds", gateway);
  gateway->parallelism_bounds(job.id, [this, gateway, &job, upper_max, request](
                                          const Result<std::vector<ParallelismBounds>>& known) {
    answered(request, known.status());
    if (!known.ok()) { return; }
    std::vector<ParallelismBounds> bounds = *known;
    std::string text;
    for (ParallelismBounds& bound : bounds) {
      bound.upper = static_cast<int32_t>(simulation_.draw(1, upper_max));
      bound.lower = static_cast<int32_t>(simulation_.draw(1, bound.upper));
      text += fmt::format(" {}-{}", bound.lower, bound.upper);
    }
    note_(fmt::format("{} is to run at{}", job.table, text));
    const auto change = begin("rescale", gateway);
    gateway->set_parallelism_bounds(
        job.id, bounds, [this, change](const Status& status) { answered(change, status); });
  });
}

}  // namespace tidewheel
