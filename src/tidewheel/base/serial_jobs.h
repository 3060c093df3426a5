// Calls that block, made one after another on the executor's pool: files that one role writes.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace tidewheel {

class Event;     // base/executor.h
class Executor;  // base/executor.h

// Any thread. `executor` outlives it.
class SerialJobs {
 public:
  explicit SerialJobs(Executor& executor) : executor_(executor) {}
  // Drops those that have not begun, and waits for the one that has.
  ~SerialJobs();
  SerialJobs(const SerialJobs&) = delete;
  SerialJobs& operator=(const SerialJobs&) = delete;
  // In the order of the calls; never within the call. `job` must not throw.
  void run(std::function<void()> job);

 private:
  void run_all();

  Executor& executor_;
  std::mutex mutex_;  // guards what follows; a leaf lock
  std::deque<std::function<void()>> waiting_;
  bool running_ = false;
  Event* idle_ = nullptr;
};

}  // namespace tidewheel
