#include "tidewheel/base/serial_jobs.h"

#include "tidewheel/base/executor.h"

namespace tidewheel {

SerialJobs::~SerialJobs() {
  const std::unique_ptr<Event> idle = executor_.make_event();
  std::deque<std::function<void()>> dropped;  // destroyed outside of the lock
  {
    const std::lock_guard lock(mutex_);
    std::swap(waiting_, dropped);
    if (!running_) { return; }
    idle_ = idle.get();
  }
  idle->wait();
  // Whoever has set it may hold the lock still.
  const std::lock_guard lock(mutex_);
}

void SerialJobs::run(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(job));
  if (running_) { return; }
  running_ = true;
  executor_.run_blocking([this] { run_all(); });
}

void SerialJobs::run_all() {
  while (true) {
    std::function<void()> job;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        running_ = false;
        if (idle_ != nullptr) { idle_->set(); }
        return;
      }
      job = std::move(waiting_.front());
      waiting_.pop_front();
    }
    job();
  }
}

}  // namespace tidewheel
