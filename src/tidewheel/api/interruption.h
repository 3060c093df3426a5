// Ctrl-C, for programs that run a job.
#pragma once
#include <atomic>
#include <memory>

#include "tidewheel/base/status.h"

namespace tidewheel {

class JobHandle;      // dataflow/local_job.h
class SignalHandler;  // base/signals.h

// While it lives, the first SIGINT or SIGTERM stops the job that is watched, so that its windows
// fire and its sinks finish; the second ends the process at once. At most one at a time.
class Interruption {
 public:
  static Result<std::unique_ptr<Interruption>> install();
  ~Interruption();
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  // The job to stop, at once if the signal has come already; null when there is none any longer. A
  // job is not to be destroyed while it is watched.
  void watch(JobHandle* job);
  bool interrupted() const;

 private:
  Interruption() = default;
  void interrupt();

  mutable std::atomic_flag busy_;  // guards the two below, for the moment of a call
  JobHandle* job_ = nullptr;
  bool interrupted_ = false;
  std::unique_ptr<SignalHandler>
      signals_;  // last, so that it goes first: its thread uses the others
};

}  // namespace tidewheel
