#include "tidewheel/base/event_loop.h"

#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/world.h"

namespace tidewheel {

namespace {
constexpr int64_t kNsPerMs = 1'000'000;
}  // namespace

EventLoop::EventLoop(World& world, const std::string& name)
    : world_(world), gate_(CompletionGate::create()) {
  poster_ = [this, gate = gate_](std::function<void()> mail) {
    if (!gate->enter()) { return; }
    post(std::move(mail));
    gate->leave();
  };
  worker_ = world_.executor().start_worker(name, *this);
}

EventLoop::~EventLoop() { stop(); }

void EventLoop::stop() {
  if (worker_ == nullptr) { return; }
  gate_->close();
  mailbox_.close();
  // Through no mail, which the closed box would drop: the worker looks at it in each turn, and
  // nothing else touches it any more.
  stopping_ = true;
  worker_->wake();
  worker_.reset();
}

void EventLoop::post(std::function<void()> mail) {
  if (mailbox_.post(std::move(mail))) { worker_->wake(); }
}

int64_t EventLoop::now_ms() const { return world_.clock().now_ns() / kNsPerMs; }

EventLoop::TimerId EventLoop::after_ms(int64_t ms, std::function<void()> what) {
  const TimerId id = next_timer_++;
  const int64_t now_ns = world_.clock().now_ns();
  const int64_t at_ns =
      ms > (Clock::kNever - now_ns) / kNsPerMs ? Clock::kNever : now_ns + ms * kNsPerMs;
  timers_.emplace(std::pair(at_ns, id), std::move(what));
  times_ns_.emplace(id, at_ns);
  return id;
}

void EventLoop::cancel(TimerId timer) {
  const auto time = times_ns_.find(timer);
  if (time == times_ns_.end()) { return; }
  timers_.erase({time->second, timer});
  times_ns_.erase(time);
}

void EventLoop::run_due() {
  const int64_t now_ns = world_.clock().now_ns();
  while (!timers_.empty() && timers_.begin()->first.first <= now_ns) {
    const std::function<void()> what = std::move(timers_.begin()->second);
    times_ns_.erase(timers_.begin()->first.second);
    timers_.erase(timers_.begin());
    what();
  }
}

Turn EventLoop::turn() {
  if (stopping_.load()) { return Turn::stop(); }
  mailbox_.run_pending();
  run_due();
  if (mailbox_.has_mail()) { return Turn::again(); }
  return Turn::sleep_until(timers_.empty() ? Clock::kNever : timers_.begin()->first.first);
}

}  // namespace tidewheel
