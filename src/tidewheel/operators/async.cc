#include "tidewheel/operators/async.h"

#include <algorithm>

#include "tidewheel/base/executor.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/operators/async_map.h"

namespace tidewheel {

void AsyncLoop::offload(std::function<void()> job, std::shared_ptr<Waiting> waiting) {
  context_->executor().run_blocking(
      [this, gate = gate_, job = std::move(job), waiting = std::move(waiting)]() mutable {
        job();
        if (!gate->enter()) { return; }
        context_->post([gate, context = context_, waiting = std::move(waiting)] {
          if (!gate->enter()) { return; }
          gate->leave();
          resume(*waiting);
          context->wake();
        });
        gate->leave();
      });
}

void AsyncLoop::sleep(int64_t delay_ms, std::shared_ptr<Waiting> waiting) {
  const int64_t now_ns = context_->clock().now_ns();
  const int64_t delay_ns = delay_ms > INT64_MAX / 2'000'000 ? INT64_MAX / 2 : delay_ms * 1'000'000;
  timers_.push({now_ns + delay_ns, next_number_++, std::move(waiting)});
}

void AsyncLoop::run_timers() {
  const int64_t now_ns = context_->clock().now_ns();
  while (!timers_.empty() && timers_.top().at_ns <= now_ns) {
    const std::shared_ptr<Waiting> waiting = timers_.top().waiting;
    timers_.pop();
    resume(*waiting);
  }
}

int64_t AsyncLoop::next_timer_ns() const {
  return timers_.empty() ? Clock::kNever : timers_.top().at_ns;
}

int64_t AsyncQueueBase::backoff_ms(const Backoff& backoff, int32_t attempt) {
  double wait_ms = static_cast<double>(to_ms(backoff.first));
  for (int32_t i = 1; i < attempt; ++i) { wait_ms *= backoff.factor; }
  return static_cast<int64_t>(std::min(wait_ms, static_cast<double>(to_ms(backoff.max))));
}

}  // namespace tidewheel
