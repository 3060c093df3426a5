// The part of an operator that exists once for all its subtasks: a source's split enumerator, the
// watermark alignment of a group. It talks with the subtasks by events made of bytes, because in a
// cluster they are in other processes.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel {

class Clock;       // base/clock.h
class Executor;    // base/executor.h
class FileSystem;  // base/file_system.h
class Network;     // base/network.h

// What a coordinator may use. Valid until `close`.
class CoordinatorContext {
 public:
  virtual ~CoordinatorContext() = default;
  virtual int32_t parallelism() const = 0;
  virtual Clock& clock() = 0;
  virtual Executor& executor() = 0;
  virtual FileSystem& files() = 0;
  virtual Network& network() = 0;
  // Delivered in order, on the subtask's thread, by Operator::on_coordinator_event.
  virtual void send_to_subtask(int32_t subtask, std::string event) = 0;
  // What send_to_subtask has taken while a subtask had yet to take a barrier. It reaches the
  // subtask behind the barriers of all snapshots asked for so far, so that it belongs to the state
  // of a snapshot that is asked for now.
  virtual std::vector<std::pair<int32_t, std::string>> held_back() const { return {}; }
  // Asks for on_timer at a time of the monotonic clock; the earliest request is kept.
  virtual void wake_at_ns(int64_t time_ns) = 0;
  // Runs `mail` on the coordinator's thread. Any thread.
  virtual void post(std::function<void()> mail) = 0;
  // Fails the job.
  virtual void fail(Status status) = 0;
};

// All calls come on the job's coordinator thread, one at a time, and do not block.
class OperatorCoordinator {
 public:
  virtual ~OperatorCoordinator() = default;
  [[nodiscard]] virtual Status start(CoordinatorContext& context) = 0;
  // A subtask is open and can be sent events.
  virtual void on_subtask_ready(int32_t subtask) = 0;
  virtual void on_event(int32_t subtask, std::string_view event) = 0;
  virtual void on_timer() {}
  // State of the coordinator, for checkpoint `checkpoint`; `restore` comes before `start`. What is
  // sent to a subtask from then on reaches it behind the checkpoint's barrier, what was sent before
  // reaches it before.
  virtual Result<std::string> snapshot(int64_t checkpoint) = 0;
  // Best effort: covers all <= `checkpoint`.
  virtual void on_checkpoint_complete(int64_t) {}
  // The subtask has failed, and goes on from checkpoint `checkpoint` (0: from nothing) while others
  // run on: what it was sent since is lost to it. Comes before its next on_subtask_ready.
  virtual void on_subtask_reset(int32_t /*subtask*/, int64_t /*checkpoint*/) {}
  [[nodiscard]] virtual Status restore(std::string_view state) = 0;
  virtual void close() {}
};

}  // namespace tidewheel
