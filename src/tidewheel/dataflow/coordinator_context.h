// An operator's coordinator as the job's master runs it: what it sees, and what it sends, in the
// order that checkpoints need.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/coordinator.h"
#include "tidewheel/dataflow/coordinator_metrics.h"
#include "tidewheel/dataflow/graph.h"

namespace tidewheel {

class MetricGroup;  // base/metrics.h
class World;        // base/world.h

// What the master does for its coordinators.
class CoordinatorHost {
 public:
  virtual World& host_world() = 0;
  virtual void deliver(int32_t node, int32_t subtask, std::string event) = 0;
  virtual void post_mail(std::function<void()> mail) = 0;  // any thread
  // The job fails, or goes back to a checkpoint.
  virtual void coordinator_failed(int32_t node, Status failure) = 0;
  // Of one operator's coordinator; null: nobody asks for figures.
  virtual MetricGroup* coordinator_metrics(int32_t node) = 0;

 protected:
  ~CoordinatorHost() = default;
};

// One coordinator, for one attempt at its region. On the master's thread, but for `post`.
class HostedCoordinator final : public CoordinatorContext,
                                public CoordinatorMetrics,
                                public std::enable_shared_from_this<HostedCoordinator> {
 public:
  HostedCoordinator(CoordinatorHost& host, int32_t node, const GraphNode& graph_node,
                    std::unique_ptr<OperatorCoordinator> coordinator);

  // ---- For the master. Calls of the coordinator that throw fail the job.
  Status restore(std::string_view state);
  void start();
  void close();
  void on_subtask_ready(int32_t subtask);
  void on_event(int32_t subtask, std::string_view event);
  void fire_timer(int64_t now_ns);
  // From here on events wait until their subtask has taken the barrier of `checkpoint`: what the
  // coordinator has given away after its snapshot, the subtask must get after its own.
  Result<std::string> snapshot(int64_t checkpoint);
  void on_barrier_taken(int32_t subtask, int64_t checkpoint);
  // Complete or given up: nobody's events wait for it any more.
  void on_checkpoint_over(int64_t checkpoint);
  void on_checkpoint_complete(int64_t checkpoint);
  int64_t timer_ns() const { return wake_at_ns_; }

  // ---- CoordinatorContext
  int32_t parallelism() const override { return graph_node_.parallelism; }
  Clock& clock() override;
  Executor& executor() override;
  FileSystem& files() override;
  Network& network() override;
  void send_to_subtask(int32_t subtask, std::string event) override;
  std::vector<std::pair<int32_t, std::string>> held_back() const override;
  void wake_at_ns(int64_t time_ns) override;
  void post(std::function<void()> mail) override;
  void fail(Status status) override;
  // ---- CoordinatorMetrics
  MetricGroup* metrics() override { return metrics_; }

 private:
  // Of one subtask: the barriers that it has yet to take, and the events that wait for all of them.
  struct Held {
    std::vector<int64_t> barriers;
    std::deque<std::string> events;
  };
  void guarded(const std::function<void()>& call);
  void let_go(int32_t subtask, int64_t checkpoint);

  CoordinatorHost& host_;
  const int32_t node_;
  const GraphNode& graph_node_;
  const std::unique_ptr<OperatorCoordinator> coordinator_;
  MetricGroup* const metrics_;
  std::vector<Held> held_;  // by subtask
  int64_t wake_at_ns_ = Clock::kNever;
  bool closed_ = false;
};

}  // namespace tidewheel
