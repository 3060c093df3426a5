// The process of a job's master: the job's coordinators, its checkpoints and its restarts, between
// the JobManager that has started it and the workers that run its tasks.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "tidewheel/base/config.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"
#include "tidewheel/cluster/roles.h"
#include "tidewheel/dataflow/graph.h"

namespace tidewheel {

class World;  // base/world.h

// Registers with the JobManager, declares the slots that the job needs, deploys it when workers
// with all of them have come, and tells the JobManager how the job ended. It ends with its
// JobManager: another one starts another master, of the next epoch, which goes on from the newest
// checkpoint.
class JobMasterProcess {
 public:
  struct Options {
    ProcessRole role;
    Network* network = nullptr;  // null: the world's
  };
  // Reads what the job starts from, and returns. Not in a worker's turn. Errors: those of
  // `set_up_job` and of the job's folder.
  static Result<std::unique_ptr<JobMasterProcess>> start(World& world, LogicalGraph graph,
                                                         Config config, Options options);
  // Ends as if the process had been killed, unless the job has ended.
  virtual ~JobMasterProcess() = default;

  // Waits for the end of the job, and until the JobManager knows it. Not in a worker's turn.
  // OK when it has finished; kJobCancelled; the failure that ended it; kProcessLost: the JobManager
  // is lost.
  [[nodiscard]] virtual Status wait() = 0;
  // Set once `wait` has something to do: the job has ended, or goes on at another parallelism.
  virtual Event& job_ended() = 0;
  virtual uint16_t port() const = 0;  // where workers find it
};

}  // namespace tidewheel
