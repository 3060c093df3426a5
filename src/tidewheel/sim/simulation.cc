#include "tidewheel/sim/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "tidewheel/base/check.h"

namespace tidewheel {

void Trace::fold(std::string_view text) {
  uint64_t word = text.size();
  for (const char c : text) { word = word * 0x100000001b3ULL ^ static_cast<unsigned char>(c); }
  fold(word);
}

// A worker is ready from `ready_at_ns` on; asleep without a deadline it is never ready.
class Simulation::SimWorker final : public Worker {
 public:
  SimWorker(Simulation& simulation, std::string name, Turnable& work)
      : simulation_(simulation),
        name_(std::move(name)),
        number_(simulation.next_worker_++),
        work_(&work),
        ready_at_ns_(simulation.now_ns_) {
    const SimulationOptions& options = simulation.options_;
    if (options.slow_chance > 0 && simulation.random_.chance(options.slow_chance)) {
      slow_ns_max_ = options.slow_turn_ns_max;
    }
    simulation_.workers_.push_back(this);
  }
  ~SimWorker() override {
    simulation_.run_until([this] { return stopped_; });
    std::erase(simulation_.workers_, this);
  }

  void wake() override {
    if (stopped_) { return; }
    simulation_.trace_.fold(number_ << 8 | 1);
    if (turning_) {
      woken_ = true;
      return;
    }
    const int64_t soon =
        std::max(busy_until_ns_,
                 simulation_.now_ns_ + simulation_.draw(0, simulation_.options_.wake_ns_max));
    ready_at_ns_ = std::min(ready_at_ns_, soon);
  }

  Simulation& simulation_;
  const std::string name_;
  const uint64_t number_;
  Turnable* const work_;
  int64_t ready_at_ns_;
  int64_t busy_until_ns_ = 0;
  int64_t slow_ns_max_ = 0;
  bool turning_ = false;
  bool woken_ = false;  // during its own turn
  bool stopped_ = false;
  bool frozen_ = false;

  bool can_turn() const { return !stopped_ && !turning_ && !frozen_; }
};

Simulation::Simulation(const SimulationOptions& options)
    : options_(options), random_(options.seed), fault_random_(random_.fork()), scope_(this) {}

Simulation::~Simulation() {
  TIDEWHEEL_CHECK(workers_.empty(), "the simulation is destroyed before its workers");
}

int64_t Simulation::draw(int64_t low, int64_t high) {
  return high <= low
             ? low
             : low + static_cast<int64_t>(random_.below(static_cast<uint64_t>(high - low) + 1));
}

void Simulation::call_later(int64_t delay_ns, std::function<void()> action) {
  later_.push({now_ns_ + std::max<int64_t>(delay_ns, 0), next_order_++, std::move(action)});
}

std::unique_ptr<Worker> Simulation::start_worker(std::string name, Turnable& work) {
  return std::make_unique<SimWorker>(*this, std::move(name), work);
}

void Simulation::freeze(std::string_view name_prefix, bool is_frozen) {
  for (SimWorker* const worker : workers_) {
    if (worker->name_.starts_with(name_prefix)) { worker->frozen_ = is_frozen; }
  }
}

int64_t Simulation::earliest_ns() const {
  int64_t earliest = later_.empty() ? Clock::kNever : later_.top().time_ns;
  for (const SimWorker* worker : workers_) {
    if (worker->can_turn()) { earliest = std::min(earliest, worker->ready_at_ns_); }
  }
  return earliest;
}

bool Simulation::step() {
  if (++steps_ > options_.steps_max) { give_up("livelock: too many steps"); }
  const int64_t earliest = earliest_ns();
  if (earliest == Clock::kNever) { return false; }
  now_ns_ = std::max(now_ns_, earliest);
  ready_.clear();
  for (SimWorker* worker : workers_) {
    if (worker->can_turn() && worker->ready_at_ns_ <= now_ns_) { ready_.push_back(worker); }
  }
  const bool action_due = !later_.empty() && later_.top().time_ns <= now_ns_;
  const size_t choices = ready_.size() + (action_due ? 1 : 0);
  size_t chosen = 0;
  if (choices > 1 && random_.chance(options_.disorder)) {
    chosen = static_cast<size_t>(random_.below(choices));
  } else if (choices > 1) {
    // The one that has been ready longest; actions come in their turn, too.
    int64_t best = action_due ? later_.top().time_ns : Clock::kNever;
    chosen = action_due ? ready_.size() : 0;
    for (size_t i = 0; i < ready_.size(); ++i) {
      if (ready_[i]->ready_at_ns_ < best) {
        best = ready_[i]->ready_at_ns_;
        chosen = i;
      }
    }
  }
  if (chosen < ready_.size()) {
    turn(*ready_[chosen]);
  } else {
    run_action();
  }
  return true;
}

void Simulation::turn(SimWorker& worker) {
  TIDEWHEEL_CHECK(!in_turn_, "{} is turned from within a turn", worker.name_);
  trace_.fold(static_cast<uint64_t>(now_ns_));
  trace_.fold(worker.number_ << 8 | 2);
  if (options_.print_trace) { fmt::print(stderr, "{:>14} turn {}\n", now_ns_, worker.name_); }
  worker.turning_ = true;
  worker.woken_ = false;
  charged_ns_ = 0;
  in_turn_ = true;
  const int64_t start_ns = now_ns_;
  const Turn result = worker.work_->turn();
  in_turn_ = false;
  worker.turning_ = false;
  trace_.fold(static_cast<uint64_t>(result.next));
  // Other workers run at the same time: only this one is busy till the end.
  int64_t took_ns = now_ns_ - start_ns + charged_ns_ + draw(1, options_.turn_ns_max);
  if (worker.slow_ns_max_ > 0) { took_ns += draw(0, worker.slow_ns_max_); }
  if (random_.chance(options_.stall_chance)) { took_ns += draw(0, options_.stall_ns_max); }
  worker.busy_until_ns_ = now_ns_ + took_ns;
  switch (result.next) {
    case Turn::Next::kAgain: worker.ready_at_ns_ = worker.busy_until_ns_; break;
    case Turn::Next::kSleep:
      worker.ready_at_ns_ = worker.woken_ ? worker.busy_until_ns_
                                          : std::max(worker.busy_until_ns_, result.wake_at_ns);
      break;
    case Turn::Next::kStop: worker.stopped_ = true; break;
  }
}

void Simulation::run_action() {
  // Moved out before it runs: it may add others.
  const std::function<void()> action = std::move(const_cast<Later&>(later_.top()).action);
  trace_.fold(static_cast<uint64_t>(now_ns_));
  trace_.fold(later_.top().order << 8 | 3);
  if (options_.print_trace) {
    fmt::print(stderr, "{:>14} action {}\n", now_ns_, later_.top().order);
  }
  later_.pop();
  action();
}

bool Simulation::run_until(const std::function<bool()>& done, int64_t deadline_ns) {
  TIDEWHEEL_CHECK(!in_turn_, "a turn waits: turns must not block\n{}", describe());
  while (!done()) {
    const int64_t earliest = earliest_ns();
    if (deadline_ns != Clock::kNever && std::max(earliest, now_ns_) >= deadline_ns) {
      now_ns_ = std::max(now_ns_, deadline_ns);
      return done();
    }
    if (!step()) { give_up("deadlock: nothing can happen any more"); }
  }
  return true;
}

void Simulation::run_for(int64_t ns) {
  run_until([] { return false; }, now_ns_ + ns);
}

std::string Simulation::describe() const {
  std::string text = fmt::format("seed {}, {} steps, at {} ns; {} actions are to come\n",
                                 options_.seed, steps_, now_ns_, later_.size());
  for (const SimWorker* worker : workers_) {
    text += fmt::format("  worker {}: ", worker->name_);
    if (worker->stopped_) {
      text += "stopped\n";
    } else if (worker->turning_) {
      text += "in its turn\n";
    } else if (worker->frozen_) {
      text += "is frozen\n";
    } else if (worker->ready_at_ns_ == Clock::kNever) {
      text += "sleeps until woken\n";
    } else {
      text += fmt::format("is ready at {} ns\n", worker->ready_at_ns_);
    }
  }
  if (details_) { text += details_(); }
  return text;
}

void Simulation::give_up(std::string_view why) const {
  check_failed("simulation", 0, why, describe());
}

bool Simulation::fires(std::string_view name) {
  if (site_hook_) { site_hook_(name); }
  auto site = fault_sites_.find(name);
  if (site == fault_sites_.end()) {
    // Which sites are on depends on the seed and the name, not on the order in which they are met.
    uint64_t hash = options_.seed ^ 0xfa017ULL;
    for (const char c : name) { hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL; }
    const bool on = Random(hash).chance(options_.fault_site_chance);
    site = fault_sites_.emplace(std::string(name), on).first;
  }
  if (!site->second || faults_stopped_ || !fault_random_.chance(options_.fault_chance)) {
    return false;
  }
  ++fault_counts_[site->first];
  trace_.fold(name);
  return true;
}

bool Simulation::refuses() {
  if (options_.refusal_chance <= 0 || !fault_random_.chance(options_.refusal_chance)) {
    return false;
  }
  ++refusals_;
  return true;
}

void Simulation::mark(std::string_view name) {
  if (site_hook_) { site_hook_(name); }
  if (marks_.find(name) == marks_.end()) { marks_.emplace(name); }
}

}  // namespace tidewheel
