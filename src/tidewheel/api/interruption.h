// Ctrl-C, for programs that run a job.
#pragma once
#include <atomic>
#include <memory>
#include <string>

#include "tidewheel/base/status.h"

namespace tidewheel {

class JobHandle;      // dataflow/local_job.h
class SignalHandler;  // base/signals.h

// What the first signal does.
struct InterruptionOptions {
  // The job is stopped with a savepoint in this folder, so that it can go on later as if nothing
  // had happened; empty: it ends as if there were no more input.
  std::string savepoint_directory;
  bool drain = false;  // windows fire and sinks finish before the savepoint is taken
  // No signal ends the process, which has more to do than this job: the second one cancels the job,
  // and further ones do nothing.
  bool keeps_process = false;
};

// While it lives, the first SIGINT or SIGTERM stops the job that is watched, so that its windows
// fire and its sinks finish; the second ends the process at once. With a savepoint, the second one
// cancels the job, and the third ends the process. At most one at a time.
class Interruption {
 public:
  static Result<std::unique_ptr<Interruption>> install(InterruptionOptions options = {});
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  // The job to stop, at once if the signal has come already; null when there is none any longer. A
  // job is not to be destroyed while it is watched.
  void watch(JobHandle* job);
  bool interrupted() const { return signals() > 0; }
  // How many have come.
  int signals() const;

 private:
  explicit Interruption(InterruptionOptions options);
  void interrupt();
  void stop_job();

  const InterruptionOptions options_;
  mutable std::atomic_flag busy_;  // guards the two below, for the moment of a call
  JobHandle* job_ = nullptr;
  int signals_ = 0;
  std::unique_ptr<SignalHandler>
      signal_handler_;  // last, so that it goes first: its thread uses the others
};

}  // namespace tidewheel
