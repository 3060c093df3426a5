#include "tidewheel/dataflow/slot.h"

namespace tidewheel {
namespace {

// Tasks stepped in one turn; mail and woken tasks are looked at between turns.
constexpr int kTasksPerTurn = 8;
constexpr int64_t kStepNs = 500'000;

}  // namespace

void Slot::add(Task& task) { enter(task); }

size_t Slot::enter(Task& task) {
  size_t entry = entries_.size();
  if (free_entries_.empty()) {
    entries_.emplace_back();
  } else {
    entry = free_entries_.back();
    free_entries_.pop_back();
  }
  entries_[entry] = {&task, Activity::kIdle, now_ns_};
  task.slot_entry = entry;
  return entry;
}

void Slot::add_held(std::vector<Task*> tasks) {
  post([this, tasks = std::move(tasks)] {
    for (Task* task : tasks) {
      enter(*task);
      run_queue_.push_back(task);
    }
  });
}

void Slot::remove(std::vector<Task*> tasks, std::function<void()> done) {
  post([this, tasks = std::move(tasks), done = std::move(done)] {
    for (Task* task : tasks) {
      entries_[task->slot_entry].task = nullptr;
      free_entries_.push_back(task->slot_entry);
    }
    done();
  });
}

void Slot::post(std::function<void()> mail) {
  if (!mailbox_.post(std::move(mail))) { return; }
  Worker* const worker = worker_.load(std::memory_order_seq_cst);
  if (worker != nullptr) { worker->wake(); }
}

void Slot::schedule_all() {
  now_ns_ = clock_.now_ns();
  for (Entry& entry : entries_) {
    entry.since_ns = now_ns_;
    if (entry.task != nullptr) { entry.task->wake_from_own_slot(); }
  }
}

// A wake that came before the worker was known is made up for here.
void Slot::set_worker(Worker* worker) {
  worker_.store(worker, std::memory_order_seq_cst);
  worker->wake();
}

void Slot::stop() {
  stopping_.store(true, std::memory_order_seq_cst);
  Worker* const worker = worker_.load(std::memory_order_seq_cst);
  if (worker != nullptr) { worker->wake(); }
}

void Slot::schedule(Task& task, bool from_own_slot) {
  if (from_own_slot) {
    run_queue_.push_back(&task);
  } else if (woken_.push(&task)) {
    Worker* const worker = worker_.load(std::memory_order_seq_cst);
    if (worker != nullptr) { worker->wake(); }
  }
}

Turn Slot::turn() {
  now_ns_ = clock_.now_ns();
  if (mailbox_.has_mail()) [[unlikely]] { mailbox_.run_pending(); }
  fire_timers(now_ns_);
  for (int i = 0; i < kTasksPerTurn; ++i) {
    take_woken();
    if (run_queue_.empty()) { break; }
    Task& task = *run_queue_.front();
    run_queue_.pop_front();
    run(task);
  }
  if (stopping_.load(std::memory_order_seq_cst)) { return Turn::stop(); }
  if (!run_queue_.empty() || !woken_.empty() || mailbox_.has_mail()) { return Turn::again(); }
  return Turn::sleep_until(timers_.empty() ? Clock::kNever : timers_.top().time_ns);
}

void Slot::take_woken() {
  Task* task = woken_.take_all();
  while (task != nullptr) {
    Task* const next = task->next_ready;
    run_queue_.push_back(task);
    task = next;
  }
}

void Slot::fire_timers(int64_t now_ns) {
  while (!timers_.empty()) {
    const Timer timer = timers_.top();
    Task* const task = entries_[timer.entry].task;
    const bool out_of_date = task == nullptr || task->wake_at_ns() != timer.time_ns;
    if (!out_of_date && timer.time_ns > now_ns) { return; }
    timers_.pop();
    if (!out_of_date) { task->wake_from_own_slot(); }
  }
}

void Slot::run(Task& task) {
  Entry& entry = entries_[task.slot_entry];
  account(entry, now_ns_);
  entry.activity = Activity::kBusy;
  const int64_t timer_before_ns = task.wake_at_ns();
  const Step step = task.step({.now_ns = now_ns_, .deadline_ns = now_ns_ + kStepNs});
  // Also the beginning of the next step: the clock is read once for each.
  now_ns_ = clock_.now_ns();
  account(entry, now_ns_);
  if (step == Step::kDone) { return; }  // it stays scheduled, so that nobody schedules it again
  const int64_t timer_ns = task.wake_at_ns();
  // A time that is past was taken from the queue already.
  if (timer_ns != Clock::kNever && (timer_ns != timer_before_ns || timer_ns <= now_ns_)) {
    timers_.push({timer_ns, task.slot_entry});
  }
  if (step == Step::kWorked) {
    run_queue_.push_back(&task);
    return;
  }
  entry.activity = step == Step::kOutputFull ? Activity::kBackpressured : Activity::kIdle;
  static_cast<void>(task.rest_unless_work(step));
}

void Slot::account(Entry& entry, int64_t now_ns) {
  TaskTimes& times = entry.task->times();
  const int64_t passed_ns = now_ns - entry.since_ns;
  entry.since_ns = now_ns;
  switch (entry.activity) {
    case Activity::kBusy: times.busy_ns.add(passed_ns); break;
    case Activity::kIdle: times.idle_ns.add(passed_ns); break;
    case Activity::kBackpressured: {
      times.backpressured_ns.add(passed_ns);
      Gauge& longest = entry.task->gauges().longest_refusal_ns;
      if (passed_ns > longest.value()) { longest.set(passed_ns); }
      break;
    }
  }
}

}  // namespace tidewheel
