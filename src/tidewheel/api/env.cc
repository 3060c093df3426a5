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

Result<LogicalGraph> Env::finish_graph(std::string_view name) {
  std::string job_name = config_.get(options::kPipelineName);
  if (job_name.empty()) { job_name = name.empty() ? "tidewheel job" : std::string(name); }
  return graph_->finish(job_name);
}

Result<std::unique_ptr<JobHandle>> Env::execute_async(std::string_view name) {
  was_executed_ = true;
  TIDEWHEEL_ASSIGN_OR_RETURN(LogicalGraph graph, finish_graph(name));
  return LocalJobRunner(*world_).start(std::move(graph), config_);
}

Result<JobResult> Env::execute(std::string_view name) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<JobHandle> job, execute_async(name));
  if (on_execute_) { on_execute_(job.get()); }
  const Status status = job->result();
  if (on_execute_) { on_execute_(nullptr); }
  TIDEWHEEL_RETURN_IF_ERROR(status);
  return JobResult{.job_name = job->name(),
                   .state = job->state(),
                   .runtime_ns = job->runtime_ns(),
                   .accumulators = job->accumulators()};
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
