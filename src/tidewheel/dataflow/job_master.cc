#include "tidewheel/dataflow/job_master.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/dataflow/deployment.h"

namespace tidewheel {

// One coordinator, and what it sees.
class JobMaster::Context final : public CoordinatorContext {
 public:
  Context(JobMaster& master, int32_t node, const GraphNode& graph_node,
          std::unique_ptr<OperatorCoordinator> coordinator)
      : master_(master),
        node_(node),
        graph_node_(graph_node),
        coordinator_(std::move(coordinator)) {}

  int32_t parallelism() const override { return graph_node_.parallelism; }
  Clock& clock() override { return master_.world_.clock(); }
  Executor& executor() override { return master_.world_.executor(); }
  FileSystem& files() override { return master_.world_.files(); }
  Network& network() override { return master_.world_.network(); }
  void send_to_subtask(int32_t subtask, std::string event) override {
    Task& task = master_.deployment_->task_of(node_, subtask);
    ChainedOperator* op = nullptr;
    for (const auto& chained : task.operators()) {
      if (chained->spec().node == node_) { op = chained.get(); }
    }
    task.post([op, event = std::move(event)] { op->op()->on_coordinator_event(event); });
  }
  void wake_at_ns(int64_t time_ns) override { wake_at_ns_ = std::min(wake_at_ns_, time_ns); }
  void post(std::function<void()> mail) override {
    master_.post([this, mail = std::move(mail)] { master_.guarded(*this, mail); });
  }
  void fail(Status status) override { master_.fail(std::move(status)); }

  OperatorCoordinator& coordinator() { return *coordinator_; }
  const std::string& name() const { return graph_node_.name; }
  int64_t timer_ns() const { return wake_at_ns_; }
  void clear_timer() { wake_at_ns_ = Clock::kNever; }

 private:
  JobMaster& master_;
  const int32_t node_;
  const GraphNode& graph_node_;
  std::unique_ptr<OperatorCoordinator> coordinator_;
  int64_t wake_at_ns_ = Clock::kNever;
};

JobMaster::JobMaster(World& world, const ChainedGraph& chained)
    : world_(world),
      chained_(chained),
      ended_(world.executor().make_event()),
      started_ns_(world.clock().now_ns()) {}

JobMaster::~JobMaster() = default;

Status JobMaster::make_coordinators() {
  const std::vector<GraphNode>& nodes = chained_.graph.nodes;
  contexts_.resize(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (!nodes[i].make_coordinator) { continue; }
    TIDEWHEEL_ASSIGN_OR_RETURN(
        std::unique_ptr<OperatorCoordinator> coordinator,
        nodes[i].make_coordinator().with_context("making the coordinator of '{}'", nodes[i].name));
    contexts_[i] =
        std::make_unique<Context>(*this, static_cast<int32_t>(i), nodes[i], std::move(coordinator));
  }
  return ok_status();
}

void JobMaster::set_deployment(Deployment& deployment) {
  deployment_ = &deployment;
  live_tasks_ = deployment.tasks().size();
}

// A wake that came before the worker was known is made up for here.
void JobMaster::set_worker(Worker* worker) {
  worker_.store(worker, std::memory_order_seq_cst);
  worker->wake();
}

void JobMaster::post(std::function<void()> mail) {
  if (!mailbox_.post(std::move(mail))) { return; }
  Worker* const worker = worker_.load(std::memory_order_seq_cst);
  if (worker != nullptr) { worker->wake(); }
}

Turn JobMaster::turn() {
  if (!started_) {
    started_ = true;
    start_coordinators();
  }
  mailbox_.run_pending();
  fire_timers();
  if (live_tasks_ == 0) {
    end();
    return Turn::stop();
  }
  if (mailbox_.has_mail()) { return Turn::again(); }
  int64_t next_ns = Clock::kNever;
  for (const auto& context : contexts_) {
    if (context != nullptr) { next_ns = std::min(next_ns, context->timer_ns()); }
  }
  return Turn::sleep_until(next_ns);
}

void JobMaster::guarded(Context& context, const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception& exception) {
    fail(user_error(ErrorId::kUserCodeThrew, "coordinator of operator '{}': {}", context.name(),
                    exception.what()));
  }
}

void JobMaster::start_coordinators() {
  for (const auto& context : contexts_) {
    if (context == nullptr) { continue; }
    guarded(*context, [&] {
      Status status = context->coordinator().start(*context);
      if (!status.ok()) {
        fail(std::move(status).with_context("starting the coordinator of operator '{}'",
                                            context->name()));
      }
    });
  }
}

void JobMaster::fire_timers() {
  const int64_t now_ns = world_.clock().now_ns();
  for (const auto& context : contexts_) {
    if (context == nullptr || context->timer_ns() > now_ns) { continue; }
    context->clear_timer();
    guarded(*context, [&] { context->coordinator().on_timer(); });
  }
}

void JobMaster::on_task_running(Task& task) {
  for (const auto& op : task.operators()) {
    Context* const context = contexts_[static_cast<size_t>(op->spec().node)].get();
    if (context == nullptr) { continue; }
    post([this, context, subtask = task.spec().subtask] {
      guarded(*context, [&] { context->coordinator().on_subtask_ready(subtask); });
    });
  }
}

void JobMaster::on_operator_event(int32_t node, int32_t subtask, std::string event) {
  Context* const context = contexts_[static_cast<size_t>(node)].get();
  if (context == nullptr) { return; }
  post([this, context, subtask, event = std::move(event)] {
    guarded(*context, [&] { context->coordinator().on_event(subtask, event); });
  });
}

void JobMaster::on_task_ended(Task&, TaskState state, Status failure) {
  post([this, state, failure = std::move(failure)] {
    --live_tasks_;
    if (state != TaskState::kFailed) { return; }
    const JobState job = state_.load(std::memory_order_relaxed);
    if (job != JobState::kRunning && job != JobState::kStopping) { return; }
    failure_ = failure;
    cancel_tasks(JobState::kFailing);
  });
}

void JobMaster::on_end_of_data(Task&) {}
void JobMaster::on_barrier_taken(Task&, int64_t) {}
void JobMaster::on_snapshot_taken(Task&, TaskSnapshot) {}
void JobMaster::on_snapshot_declined(Task&, int64_t, Status) {}

void JobMaster::fail(Status failure) {
  post([this, failure = std::move(failure)] {
    const JobState state = state_.load(std::memory_order_relaxed);
    if (state != JobState::kRunning && state != JobState::kStopping) { return; }
    failure_ = failure;
    cancel_tasks(JobState::kFailing);
  });
}

void JobMaster::stop() {
  post([this] {
    if (state_.load(std::memory_order_relaxed) != JobState::kRunning) { return; }
    change_to(JobState::kStopping);
    for (const auto& task : deployment_->tasks()) { task->stop(); }
  });
}

void JobMaster::cancel() {
  post([this] {
    const JobState state = state_.load(std::memory_order_relaxed);
    if (state == JobState::kRunning || state == JobState::kStopping) {
      cancel_tasks(JobState::kCancelling);
    }
  });
}

void JobMaster::change_to(JobState state) { state_.store(state, std::memory_order_release); }

void JobMaster::cancel_tasks(JobState state) {
  change_to(state);
  for (const auto& task : deployment_->tasks()) { task->cancel(); }
}

void JobMaster::end() {
  for (const auto& context : contexts_) {
    if (context != nullptr) {
      guarded(*context, [&] { context->coordinator().close(); });
    }
  }
  mailbox_.close();
  // All tasks have ended, so that no slot wakes another any more.
  for (const auto& slot : deployment_->slots()) { slot->stop(); }
  ended_ns_.store(world_.clock().now_ns(), std::memory_order_release);
  switch (state_.load(std::memory_order_relaxed)) {
    case JobState::kFailing: change_to(JobState::kFailed); break;
    case JobState::kCancelling: change_to(JobState::kCancelled); break;
    default: change_to(JobState::kFinished); break;
  }
  ended_->set();
}

}  // namespace tidewheel
