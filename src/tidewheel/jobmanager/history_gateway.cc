#include "tidewheel/jobmanager/history_gateway.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "tidewheel/base/event_loop.h"
#include "tidewheel/base/serial_jobs.h"
#include "tidewheel/base/world.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/jobmanager/job_archive.h"

namespace tidewheel {
namespace {

Status shows_only() {
  return failed_precondition(ErrorId::kJobState,
                             "a history server shows jobs that have ended, and has no others");
}

class HistoryGateway final : public ClusterGateway {
 public:
  HistoryGateway(World& world, HistoryOptions options)
      : files_(world.files()),
        options_(std::move(options)),
        logger_(world.logger().named("history")),
        reads_(std::make_unique<SerialJobs>(world.executor())),
        loop_(world, "tw-history") {
    loop_.post([this] { refresh(); });
  }
  ~HistoryGateway() override {
    loop_.stop();
    reads_.reset();
  }

  Result<std::string> leader_address() override { return std::string(); }
  void overview(Answer<ClusterOverview> done) override { done(ClusterOverview()); }
  std::vector<std::pair<std::string, std::string>> configuration() override {
    return options_.configuration;
  }
  void shut_down(Done done) override { done(shows_only()); }

  void add_program(UploadedProgram program, Answer<ProgramInfo> done) override {
    ignore(files_.remove(program.path), "a temporary file");
    done(shows_only());
  }
  void programs(Answer<std::vector<ProgramInfo>> done) override {
    done(std::vector<ProgramInfo>());
  }
  void remove_program(std::string, Done done) override { done(shows_only()); }
  void run_program(std::string, ProgramRun, Answer<std::string> done) override {
    done(shows_only());
  }
  void plan_program(std::string, ProgramRun, Answer<JobReportRef> done) override {
    done(shows_only());
  }

  void jobs(Answer<std::vector<JobSummary>> done) override {
    loop_.post([this, done = std::move(done)] {
      std::vector<JobSummary> out;
      for (const auto& [id, job] : jobs_) { out.push_back(job.summary); }
      std::sort(out.begin(), out.end(), [](const JobSummary& a, const JobSummary& b) {
        return std::tie(a.start_ms, a.id) < std::tie(b.start_ms, b.id);
      });
      done(std::move(out));
    });
  }
  // Read anew each time: reports are large, and of many jobs few are looked at.
  void report(std::string job_id, Answer<JobReportRef> done) override {
    loop_.post([this, job_id = std::move(job_id), done = std::move(done)] {
      const auto found = jobs_.find(job_id);
      if (found == jobs_.end()) { return done(unknown(job_id)); }
      reads_->run(
          [this, path = found->second.path, done] { done(read_archived_job(files_, path)); });
    });
  }
  void metrics_of_job(std::string job_id, Answer<MetricReportRef> done) override {
    loop_.post([this, job_id = std::move(job_id), done = std::move(done)] {
      if (jobs_.count(job_id) == 0) { return done(unknown(job_id)); }
      done(std::make_shared<const pb::MetricReport>());
    });
  }
  void cancel(std::string, Done done) override { done(shows_only()); }
  void savepoint(std::string, SavepointOrder, Answer<std::string> done) override {
    done(shows_only());
  }
  void checkpoint(std::string, Answer<int64_t> done) override { done(shows_only()); }
  void dispose_savepoint(std::string, Done done) override { done(shows_only()); }
  void parallelism_bounds(std::string, Answer<std::vector<ParallelismBounds>> done) override {
    done(shows_only());
  }
  void set_parallelism_bounds(std::string, std::vector<ParallelismBounds>, Done done) override {
    done(shows_only());
  }
  void client_heartbeat(std::string, int64_t, Done done) override { done(shows_only()); }
  void sample_stacks(StackSampling, Answer<std::vector<SampledStack>> done) override {
    done(shows_only());
  }

  void task_managers(Answer<std::vector<TaskManagerSummary>> done) override {
    done(std::vector<TaskManagerSummary>());
  }
  void metrics_of_process(ProcessName, Answer<MetricReportRef> done) override {
    done(std::make_shared<const pb::MetricReport>());
  }
  void log_files(ProcessName, Answer<std::vector<LogFileInfo>> done) override {
    done(std::vector<LogFileInfo>());
  }
  void read_log(ProcessName, std::string, int64_t, int64_t, Answer<LogPiece> done) override {
    done(not_found(ErrorId::kFileNotFound, "a history server has no logs of jobs"));
  }
  void thread_dump(ProcessName, Answer<std::vector<ThreadStack>> done) override {
    done(std::vector<ThreadStack>());
  }

 private:
  struct Archived {
    std::string path;
    int64_t modified_ms = 0;
    JobSummary summary;
  };
  using Jobs = std::map<std::string, Archived>;  // by id

  static Status unknown(const std::string& id) {
    return not_found(ErrorId::kUnknownJob, "there is no archived job {}", id);
  }

  // The loop's. What is known is copied, since the folders are read elsewhere.
  void refresh() {
    reads_->run([this, known = jobs_]() mutable {
      Jobs found;
      for (const std::string& directory : options_.directories) {
        const Status status = read_directory(directory, known, found);
        if (!status.ok()) { logger_.warning("{}", status.to_string()); }
      }
      loop_.post([this, found = std::move(found)]() mutable {
        jobs_ = std::move(found);
        loop_.after_ms(options_.refresh_ms, [this] { refresh(); });
      });
    });
  }

  // ---- Where files are read.

  Status read_directory(const std::string& directory, const Jobs& known, Jobs& found) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_there, files_.exists(directory));
    if (!is_there) { return ok_status(); }  // no job has ended yet
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<DirectoryEntry> entries, files_.list(directory));
    std::vector<Archived> here;
    for (const DirectoryEntry& entry : entries) {
      if (!is_job_id(entry.name)) { continue; }
      Archived job;
      job.path = join_path(directory, entry.name);
      const Result<FileInfo> info = files_.info(job.path);
      if (!info.ok()) { continue; }  // gone meanwhile
      job.modified_ms = info->modified_ms;
      const auto before = known.find(entry.name);
      if (before != known.end() && before->second.path == job.path &&
          before->second.modified_ms == job.modified_ms) {
        job.summary = before->second.summary;
      } else {
        const Result<JobReportRef> report = read_archived_job(files_, job.path);
        if (!report.ok()) {
          // Said once, unless it changes.
          if (told_.insert(job.path + std::to_string(job.modified_ms)).second) {
            logger_.warning("{}", report.status().to_string());
          }
          continue;
        }
        job.summary = summary_of(**report);
        job.summary.id = entry.name;
      }
      here.push_back(std::move(job));
    }
    delete_old(here);
    for (Archived& job : here) { found[job.summary.id] = std::move(job); }
    return ok_status();
  }

  void delete_old(std::vector<Archived>& jobs) {
    const auto max = static_cast<size_t>(std::max<int64_t>(options_.retained_max, 0));
    if (options_.retained_max < 0 || jobs.size() <= max) { return; }
    std::sort(jobs.begin(), jobs.end(), [](const Archived& a, const Archived& b) {
      return a.summary.end_ms > b.summary.end_ms;
    });
    for (size_t i = max; i < jobs.size(); ++i) {
      const Status status = files_.remove(jobs[i].path);
      if (!status.ok()) { logger_.warning("{}", status.to_string()); }
    }
    jobs.resize(max);
  }

  FileSystem& files_;
  const HistoryOptions options_;
  const Logger logger_;
  Jobs jobs_;                   // the loop's
  std::set<std::string> told_;  // of the one who reads
  std::unique_ptr<SerialJobs> reads_;
  EventLoop loop_;
};

}  // namespace

std::unique_ptr<ClusterGateway> make_history_gateway(World& world, HistoryOptions options) {
  return std::make_unique<HistoryGateway>(world, std::move(options));
}

}  // namespace tidewheel
