// A slot: one thread that steps the tasks it was given, when they have something to do.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/intrusive_stack.h"
#include "tidewheel/base/mailbox.h"
#include "tidewheel/dataflow/task.h"

namespace tidewheel {

// Tasks that have nothing to do cost nothing. A slot whose tasks are done does not stop by itself:
// one of another slot may be about to wake its worker, and others may be added.
class Slot final : public Turnable {
 public:
  Slot(int32_t index, Clock& clock) : index_(index), clock_(clock) {}

  // Before the worker starts.
  void add(Task& task);
  // Every task is stepped once, which opens it. Before the worker starts.
  void schedule_all();
  // Any thread: adds tasks that are held (WakeTarget::hold), and steps them.
  void add_held(std::vector<Task*> tasks);
  // Any thread: forgets tasks that have ended, then calls `done` on the slot's thread. By then the
  // slot is in no step of theirs.
  void remove(std::vector<Task*> tasks, std::function<void()> done);
  // The worker that turns this slot, once it has started.
  void set_worker(Worker* worker);

  // Any thread, when the tasks of all slots are done.
  void stop();

  Turn turn() override;
  // Called once for each change of a task from resting to scheduled.
  void schedule(Task& task, bool from_own_slot);
  int32_t index() const { return index_; }
  size_t task_count() const { return entries_.size() - free_entries_.size(); }

 private:
  // What was going on since the task's last step, or in it.
  enum class Activity : uint8_t { kBusy, kIdle, kBackpressured };
  struct Entry {
    Task* task;  // null: the entry is free
    Activity activity = Activity::kIdle;
    int64_t since_ns = 0;
  };
  struct Timer {
    int64_t time_ns;
    size_t entry;
    bool operator>(const Timer& other) const {
      return time_ns != other.time_ns ? time_ns > other.time_ns : entry > other.entry;
    }
  };

  void post(std::function<void()> mail);
  size_t enter(Task& task);
  void take_woken();
  void fire_timers(int64_t now_ns);
  void run(Task& task);
  void account(Entry& entry, int64_t now_ns);

  const int32_t index_;
  Clock& clock_;
  std::vector<Entry> entries_;  // by Task::slot_entry
  std::vector<size_t> free_entries_;
  Mailbox mailbox_;
  std::deque<Task*> run_queue_;
  // Wake-up times, the earliest first. An entry is out of date when its task has another time now.
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  int64_t now_ns_ = 0;
  IntrusiveStack<Task, &Task::next_ready> woken_;
  std::atomic<bool> stopping_{false};
  std::atomic<Worker*> worker_{nullptr};
};

}  // namespace tidewheel
