#include "tidewheel/api/interruption.h"

#include <cstdio>
#include <limits>

#include "tidewheel/base/signals.h"
#include "tidewheel/dataflow/local_job.h"

namespace tidewheel {

namespace {

// The signal handler's thread and the program's meet for a few instructions only.
class Turn {
 public:
  explicit Turn(std::atomic_flag& busy) : busy_(busy) {
    while (busy_.test_and_set(std::memory_order_acquire)) {}
  }
  ~Turn() { busy_.clear(std::memory_order_release); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  std::atomic_flag& busy_;
};

}  // namespace

Interruption::Interruption(InterruptionOptions options) : options_(std::move(options)) {}
Interruption::~Interruption() = default;

Result<std::unique_ptr<Interruption>> Interruption::install(InterruptionOptions options) {
  const int answered = options.keeps_process                  ? std::numeric_limits<int>::max()
                       : !options.savepoint_directory.empty() ? 2
                                                              : 1;
  std::unique_ptr<Interruption> made(new Interruption(std::move(options)));
  Interruption* const interruption = made.get();
  TIDEWHEEL_ASSIGN_OR_RETURN(
      made->signal_handler_,
      SignalHandler::install([interruption](int) { interruption->interrupt(); }, answered));
  return made;
}

void Interruption::watch(JobHandle* job) {
  const Turn turn(busy_);
  job_ = job;
  if (job == nullptr || signals_ == 0) { return; }
  stop_job();
  if (signals_ > 1) { job->cancel(); }
}

int Interruption::signals() const {
  const Turn turn(busy_);
  return signals_;
}

void Interruption::interrupt() {
  const Turn turn(busy_);
  if (++signals_ > 1) {
    std::fputs(
        options_.keeps_process ? "cancelling\n" : "cancelling: press Ctrl-C again to end at once\n",
        stderr);
    if (job_ != nullptr) { job_->cancel(); }
    return;
  }
  std::fputs(!options_.savepoint_directory.empty()
                 ? "stopping with a savepoint: press Ctrl-C again to cancel\n"
             : options_.keeps_process ? "stopping: press Ctrl-C again to cancel\n"
                                      : "stopping: press Ctrl-C again to end at once\n",
             stderr);
  if (job_ != nullptr) { stop_job(); }
}

void Interruption::stop_job() {
  if (options_.savepoint_directory.empty()) {
    job_->stop();
    return;
  }
  job_->savepoint_async(
      {.directory = options_.savepoint_directory,
       .after = options_.drain ? AfterSavepoint::kDrain : AfterSavepoint::kSuspend},
      [](const Result<std::string>& path) {
        if (path.ok()) {
          std::fprintf(stderr, "savepoint: %s\n", path->c_str());
        } else {
          std::fprintf(stderr, "no savepoint was taken, and the job goes on: %s\n",
                       path.status().to_string().c_str());
        }
      });
}

}  // namespace tidewheel
