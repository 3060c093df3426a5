// A worker that runs functions: those that are left for it, in their order, and others at their
// time. What a coordinator, a manager or any other role lives on.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "tidewheel/base/executor.h"
#include "tidewheel/base/mailbox.h"

namespace tidewheel {

class CompletionGate;  // base/completion_gate.h
class World;           // base/world.h

class EventLoop final : private Turnable {
 public:
  using Poster = std::function<void(std::function<void()>)>;
  using TimerId = uint64_t;  // never 0

  // `world` outlives the loop.
  EventLoop(World& world, const std::string& name);
  ~EventLoop() override;  // stops it
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Not on the loop's own thread. Nothing runs any more once it has returned: what has not been run
  // is dropped, and so is what is posted later.
  void stop();

  // Any thread. In the order of the posts; never within the call.
  void post(std::function<void()> mail);
  // The same as a function, which may outlive the loop: what is posted then is dropped.
  const Poster& poster() const { return poster_; }

  // The loop's thread only, or before anything was posted. Functions run on the loop's thread.
  TimerId after_ms(int64_t ms, std::function<void()> what);
  // Does nothing when it has run, or with 0.
  void cancel(TimerId timer);
  int64_t now_ms() const;  // on the monotonic clock

 private:
  Turn turn() override;
  void run_due();

  World& world_;
  Mailbox mailbox_;
  std::atomic<bool> stopping_{false};
  TimerId next_timer_ = 1;
  std::map<std::pair<int64_t, TimerId>, std::function<void()>> timers_;  // by when, in ns
  std::map<TimerId, int64_t> times_ns_;
  const std::shared_ptr<CompletionGate> gate_;
  Poster poster_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace tidewheel
