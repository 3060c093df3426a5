// Plans of programs that were uploaded: each is told by a process that runs the program up to its
// job (cluster/program_plan.h), and has little time for that.
#include "tidewheel/base/cluster_options.h"
#include "tidewheel/cluster/job_report.pb.h"
#include "tidewheel/cluster/program_plan.h"
#include "tidewheel/cluster/roles.h"
#include "tidewheel/jobmanager/job_manager_role.h"

namespace tidewheel {
namespace {

constexpr size_t kPlansMax = 4;  // at a time
constexpr int64_t kPlanMs = 60'000;
constexpr int64_t kLastWordsBytes = 4096;

Result<ClusterGateway::JobReportRef> read_plan(FileSystem& files, const std::string& directory,
                                               const ProcessEnd& end) {
  const Result<std::string> bytes = read_all(files, join_path(directory, "plan"));
  if (!bytes.ok()) {
    return invalid_argument(ErrorId::kRestRequest, "the program {}; it has said:\n{}",
                            end.describe(),
                            last_lines(files, join_path(directory, "log"), kLastWordsBytes));
  }
  auto report = std::make_shared<pb::JobReport>();
  if (!report->ParseFromString(*bytes)) {
    return data_loss(ErrorId::kRpcMessage, "a program's plan is damaged");
  }
  return ClusterGateway::JobReportRef(std::move(report));
}

}  // namespace

void JobManager::Role::plan(const ProgramInfo& program, const ProgramRun& run,
                            Answer<ClusterGateway::JobReportRef> done) {
  const Status leads = check_leads();
  if (!leads.ok()) { return done(leads); }
  if (plans_.size() >= kPlansMax) {
    return done(unavailable(ErrorId::kRestRequest,
                            "{} programs are telling their plans; ask again later", kPlansMax));
  }
  Config config = options_.config;
  for (const auto& [key, value] : settings_of(run)) {
    const Status status = config.set(key, value);
    if (!status.ok()) { return done(status); }
  }
  const uint64_t number = ++plans_made_;
  plans_[number] = nullptr;
  const std::string directory =
      join_path(join_path(options_.working_directory, "plans"), std::to_string(number));
  files_->run([this, number, directory, program, run, done, text = role_config_text(config)] {
    Status made = world_.files().make_directories(directory);
    if (made.ok()) {
      made = write_all_durably(world_.files(), join_path(directory, "config.yaml"), text);
    }
    post([this, number, directory, program, run, done, made] {
      if (made.ok()) { return launch_plan(number, directory, program, run, done); }
      plans_.erase(number);
      done(made);
    });
  });
}

void JobManager::Role::launch_plan(uint64_t number, const std::string& directory,
                                   const ProgramInfo& program, const ProgramRun& run,
                                   const Answer<ClusterGateway::JobReportRef>& done) {
  ProcessRole role;
  role.kind = ProcessRole::Kind::kJobMaster;
  role.job_id = std::string(32, '0');
  role.program = programs_->blob_path(program.sha256);
  role.entry = run.entry;
  role.arguments = run.arguments;
  role.config_file = join_path(directory, "config.yaml");
  role.working_directory = directory;
  role.listen_at = {"localhost", 0};
  role.host = "localhost";
  role.manager = {"localhost", port()};
  ProcessSpec spec;
  spec.program = options_.launcher->own_program();
  spec.arguments = role_arguments(role);
  spec.environment = {{kPlanFileVariable, join_path(directory, "plan")}};
  spec.output_path = join_path(directory, "out");
  spec.error_path = join_path(directory, "log");
  spec.memory_bytes_max = options_.master_memory_bytes;
  auto started = options_.launcher->start(
      std::move(spec),
      [this, poster = loop_.poster(), number, directory, done](const ProcessEnd& end) {
        poster([this, number, directory, done, end] {
          plans_.erase(number);
          files_->run([this, directory, done, end] {
            done(read_plan(world_.files(), directory, end));
            ignore(world_.files().remove_all(directory), "the next start removes it");
          });
        });
      });
  if (!started.ok()) {
    plans_.erase(number);
    return done(started.status());
  }
  plans_[number] = std::move(*started);
  loop_.after_ms(kPlanMs, [this, number] {
    const auto found = plans_.find(number);
    if (found != plans_.end() && found->second != nullptr) { found->second->kill(); }
  });
}

}  // namespace tidewheel
