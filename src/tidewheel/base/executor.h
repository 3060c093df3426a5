// Threads, as all code outside `base` sees them: a worker turns a `Turnable` until it says stop.
// The real executor gives each worker a thread; the simulated one turns all workers on one thread
// in an order drawn from the seed, in virtual time.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tidewheel/base/clock.h"

namespace tidewheel {

// What a turn asks of its worker.
struct Turn {
  enum class Next : uint8_t {
    kAgain,  // has more to do now
    kSleep,  // nothing to do until a wake, or until `wake_at_ns` on the monotonic clock
    kStop,   // finished: it is not turned again
  };
  Next next = Next::kSleep;
  int64_t wake_at_ns = Clock::kNever;

  static Turn again() { return {Next::kAgain, Clock::kNever}; }
  static Turn sleep_until(int64_t when_ns) { return {Next::kSleep, when_ns}; }
  static Turn stop() { return {Next::kStop, Clock::kNever}; }
};

// Work that a worker turns. `turn` is bounded (well under a millisecond), never blocks, and is
// never run by two threads at once.
class Turnable {
 public:
  virtual ~Turnable() = default;
  virtual Turn turn() = 0;
};

// A running worker. A wake that comes between the start of a turn and the sleep after it is not
// lost: the turn is run again. Destruction waits until the Turnable has answered kStop.
class Worker {
 public:
  virtual ~Worker() = default;
  // Any thread, including the worker's own. Cheap when the worker is awake (no system call).
  virtual void wake() = 0;
};

// A flag that one side sets, once, and others wait for. Any thread.
class Event {
 public:
  virtual ~Event() = default;
  virtual void set() = 0;
  virtual bool is_set() const = 0;
  // Blocks the caller (in simulation: runs the simulation) until set, or until `deadline_ns` on the
  // monotonic clock. Returns is_set(). Never called from a worker's turn.
  virtual bool wait(int64_t deadline_ns = Clock::kNever) = 0;
};

// Gives workers, and a bounded pool of threads for calls that block. Any thread.
class Executor {
 public:
  virtual ~Executor() = default;
  // `work` must outlive the worker. `name` is the thread's name in tools (15 bytes are shown).
  virtual std::unique_ptr<Worker> start_worker(std::string name, Turnable& work) = 0;
  // Runs `job` on the blocking pool, when a thread is free. The job reports back by mail or a wake;
  // it must not throw. Jobs that were accepted are run before the executor is destroyed.
  virtual void run_blocking(std::function<void()> job) = 0;
  virtual std::unique_ptr<Event> make_event() = 0;
  // How many workers can run at the same time.
  virtual int32_t core_count() const = 0;
};

}  // namespace tidewheel
