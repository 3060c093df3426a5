#include "tidewheel/api/interruption.h"

#include <cstdio>

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

Interruption::~Interruption() = default;

Result<std::unique_ptr<Interruption>> Interruption::install() {
  std::unique_ptr<Interruption> made(new Interruption());
  Interruption* const interruption = made.get();
  TIDEWHEEL_ASSIGN_OR_RETURN(made->signals_, SignalHandler::install([interruption](int) {
                               std::fputs("stopping: press Ctrl-C again to end at once\n", stderr);
                               interruption->interrupt();
                             }));
  return made;
}

void Interruption::watch(JobHandle* job) {
  const Turn turn(busy_);
  job_ = job;
  if (job != nullptr && interrupted_) { job->stop(); }
}

bool Interruption::interrupted() const {
  const Turn turn(busy_);
  return interrupted_;
}

void Interruption::interrupt() {
  const Turn turn(busy_);
  interrupted_ = true;
  if (job_ != nullptr) { job_->stop(); }
}

}  // namespace tidewheel
