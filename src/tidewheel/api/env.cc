#include "tidewheel/api/env.h"

#include "tidewheel/api/plan_text.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/chaining.h"

namespace tidewheel {

Env::Env() : Env(Config()) {}

Env::Env(Config config, JobArgs args)
    : own_world_(make_real_world()),
      world_(own_world_.get()),
      config_(std::move(config)),
      args_(std::move(args)) {}

Env::Env(World& world, Config config, JobArgs args)
    : world_(&world), config_(std::move(config)), args_(std::move(args)) {}

Env::~Env() {
  if (!was_executed_ && !is_empty() && own_world_ != nullptr) {
    world_->logger().warning(
        "a job was put together and never run: call execute() on its environment");
  }
}

Env& Env::name(std::string name) {
  config_.set(options::kPipelineName, name);
  return *this;
}

Env& Env::parallelism(int32_t count) {
  graph_->note(check_parallelism_range("parallelism", count, "the job"));
  config_.set(options::kParallelism, count);
  return *this;
}

Env& Env::max_parallelism(int32_t count) {
  graph_->note(check_parallelism_range("max parallelism", count, "the job"));
  config_.set(options::kMaxParallelism, count);
  return *this;
}

Env& Env::buffer_timeout(Duration timeout) {
  config_.set(options::kBufferTimeout, to_ms(timeout));
  return *this;
}

Env& Env::batch_rows(int64_t rows) {
  if (rows < options::kBatchRows.min || rows > options::kBatchRows.max) {
    graph_->fail(invalid_argument(ErrorId::kBadOptionValue, "batch_rows must be {} to {}, not {}",
                                  options::kBatchRows.min, options::kBatchRows.max, rows));
    return *this;
  }
  config_.set(options::kBatchRows, rows);
  return *this;
}

Env& Env::disable_chaining() {
  config_.set(options::kOperatorChaining, false);
  return *this;
}

Env& Env::checkpoints(const CheckpointOptions& settings) {
  // By key, so that a value out of range is an error of the job, and not a broken invariant.
  const auto set = [&](const ConfigOption& option, const std::string& value) {
    if (!config_.has(option)) {
      graph_->note(config_.set(option.key, value).with_context("env.checkpoints()"));
    }
  };
  const auto set_duration = [&](const ConfigOption& option, const std::optional<Duration>& value) {
    if (value) { set(option, format_duration_ms(to_ms(*value))); }
  };
  const auto set_number = [&](const ConfigOption& option, const std::optional<int32_t>& value) {
    if (value) { set(option, std::to_string(*value)); }
  };
  const auto set_flag = [&](const ConfigOption& option, const std::optional<bool>& value) {
    if (value) { set(option, *value ? "true" : "false"); }
  };
  set(options::kCheckpointInterval, format_duration_ms(to_ms(settings.every)));
  if (!settings.directory.empty()) { set(options::kCheckpointDirectory, settings.directory); }
  if (settings.mode) {
    set(options::kCheckpointMode,
        *settings.mode == Guarantee::exactly_once ? "EXACTLY_ONCE" : "AT_LEAST_ONCE");
  }
  set_duration(options::kCheckpointTimeout, settings.timeout);
  set_duration(options::kCheckpointMinPause, settings.min_pause);
  set_number(options::kMaxConcurrentCheckpoints, settings.max_concurrent);
  set_number(options::kTolerableFailedCheckpoints, settings.tolerable_failures);
  set_flag(options::kUnalignedCheckpoints, settings.unaligned);
  set_duration(options::kAlignedCheckpointTimeout, settings.aligned_for);
  set_flag(options::kIncrementalCheckpoints, settings.incremental);
  set_number(options::kRetainedCheckpoints, settings.retained);
  if (settings.retention) {
    static constexpr const char* kModes[] = {"NO_EXTERNALIZED_CHECKPOINTS",
                                             "DELETE_ON_CANCELLATION", "RETAIN_ON_CANCELLATION"};
    set(options::kCheckpointRetention, kModes[static_cast<size_t>(*settings.retention)]);
  }
  return *this;
}

Env& Env::resume(bool resumes) {
  resumes_ = resumes;
  return *this;
}

Env& Env::default_name(std::string name) {
  default_name_ = std::move(name);
  return *this;
}

Result<LogicalGraph> Env::finish_graph(std::string_view name) {
  std::string job_name = config_.get(options::kPipelineName);
  if (job_name.empty()) { job_name = name.empty() ? default_name_ : std::string(name); }
  return graph_->finish(job_name);
}

Result<std::unique_ptr<JobHandle>> Env::execute_async(std::string_view name) {
  was_executed_ = true;
  TIDEWHEEL_ASSIGN_OR_RETURN(LogicalGraph graph, finish_graph(name));
  if (runner_) {
    TIDEWHEEL_RETURN_IF_ERROR(runner_(std::move(graph), config_));
    return failed_precondition(ErrorId::kJobFinished, "the job has ended on the cluster");
  }
  return LocalJobRunner(*world_).start(std::move(graph), config_,
                                       {.resume = resumes_, .job_id = {}});
}

Result<JobResult> Env::execute(std::string_view name) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<JobHandle> job, execute_async(name));
  if (on_execute_) { on_execute_(job.get()); }
  const Status status = job->result();
  if (on_execute_) { on_execute_(nullptr); }
  if (on_end_) { on_end_(*job); }
  TIDEWHEEL_RETURN_IF_ERROR(status);
  return JobResult{.job_name = job->name(),
                   .state = job->state(),
                   .runtime_ns = job->runtime_ns(),
                   .accumulators = job->accumulators(),
                   .checkpoints = job->checkpoints(),
                   .restarts = job->restarts()};
}

Result<std::string> Env::explain() {
  was_executed_ = true;
  TIDEWHEEL_ASSIGN_OR_RETURN(LogicalGraph graph, finish_graph({}));
  TIDEWHEEL_ASSIGN_OR_RETURN(const ChainedGraph chained, chain_graph(std::move(graph), config_));
  return plan_text(chained);
}

Result<std::string> Env::explain_json() {
  was_executed_ = true;
  TIDEWHEEL_ASSIGN_OR_RETURN(LogicalGraph graph, finish_graph({}));
  TIDEWHEEL_ASSIGN_OR_RETURN(const ChainedGraph chained, chain_graph(std::move(graph), config_));
  return plan_json(chained);
}

}  // namespace tidewheel
