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
// with all of them have come, and tells the JobManager how the job ended. When its JobManager is
// lost it runs on for a while: the one that leads next calls it and has it register (Adopt). It
// ends when nobody does, or when that one has started another master, of the next epoch, which goes
// on from the newest checkpoint. Without high availability it ends with its JobManager.
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

  // Does what there is to do between the turns of its threads: goes on at another parallelism, and
  // at the end of the job sees to it that the JobManager knows. True once that is done. Not in a
  // worker's turn.
  virtual bool advance() = 0;
  // Set when `advance` has something to do; another one each time that it has done something.
  virtual Event& awaited() = 0;
  // Once `advance` has answered true. OK when the job has finished; kJobCancelled; the failure that
  // ended it; kProcessLost: the JobManager is lost.
  virtual Status result() const = 0;

  // Advances until the end.
  [[nodiscard]] Status wait() {
    while (!advance()) { static_cast<void>(awaited().wait()); }
    return result();
  }
  virtual uint16_t port() const = 0;  // where workers find it
};

}  // namespace tidewheel
