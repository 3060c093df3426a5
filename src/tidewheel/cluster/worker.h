// A job's worker on one TaskManager: runs the tasks that the job's master gives it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tidewheel/base/config.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"
#include "tidewheel/cluster/roles.h"
#include "tidewheel/dataflow/graph.h"

namespace tidewheel {

class PrometheusText;  // cluster/prometheus_text.h
class World;           // base/world.h

// States: registers with the master -> serves it -> ends its tasks -> ended. It belongs to one
// master: when that is lost, its tasks end and so does it, and whoever watches over workers starts
// another one for the next master. Any thread.
class JobWorker {
 public:
  struct Options {
    ProcessRole role;
    Network* network = nullptr;  // null: the world's
  };
  // The graph is that of the job's program, which the master has too. Returns at once. Errors:
  // those of `chain_graph`, and of an address where it can't listen.
  static Result<std::unique_ptr<JobWorker>> start(World& world, LogicalGraph graph, Config config,
                                                  Options options);
  // Waits for its tasks, which end after their step.
  virtual ~JobWorker() = default;

  // What it knows by itself of its tasks and their operators. Calls `done` once, on its own thread,
  // unless it ends before. Any thread.
  virtual void gather_metrics(std::function<void(const PrometheusText&)> done) = 0;
  virtual Event& ended() = 0;
  // Once it has ended. OK: its master has told it to.
  virtual Status result() const = 0;
};

}  // namespace tidewheel
