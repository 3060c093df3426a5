// The scheduler of a simulated world: virtual time, and every decision drawn from one seed.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/executor.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/random.h"

namespace tidewheel {

// A hash over everything that was decided, in order. Equal runs have equal hashes.
class Trace {
 public:
  void fold(uint64_t value) {
    hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15ULL;
    hash_ ^= hash_ >> 29;
    ++length_;
  }
  void fold(std::string_view text);
  uint64_t hash() const { return hash_; }
  uint64_t length() const { return length_; }

 private:
  uint64_t hash_ = 0x243f6a8885a308d3ULL;
  uint64_t length_ = 0;
};

struct SimulationOptions {
  uint64_t seed = 1;
  // Which worker is next: 0 is the one that is longest ready; 1 is drawn each time.
  double disorder = 1;
  int64_t turn_ns_max = 20'000;  // a turn takes 1 ns to this, drawn
  double stall_chance = 0.001;   // that a turn is followed by a pause of its worker
  int64_t stall_ns_max = 50'000'000;
  double slow_chance = 0;                // that a worker is a slow one
  int64_t slow_turn_ns_max = 5'000'000;  // what each turn of such a one takes besides
  int64_t wake_ns_max = 50'000;          // between a wake and the turn
  int64_t blocking_ns_max = 5'000'000;   // what a job of the blocking pool takes
  double refusal_chance = 0;             // of calls that may refuse (base/fault.h)
  double fault_site_chance = 0;          // that a fault site is switched on in this run
  double fault_chance = 0.1;             // that a site that is switched on fires
  int64_t steps_max = 20'000'000;        // more is taken for a livelock
  bool print_trace = false;              // each decision to standard error
};

// One universe. Not thread-safe; one at a time on a thread, because it installs the thread's
// FaultPlan.
class Simulation final : private FaultPlan {
 public:
  explicit Simulation(const SimulationOptions& options);
  ~Simulation() override;
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  const SimulationOptions& options() const { return options_; }
  int64_t now_ns() const { return now_ns_; }
  // For whoever needs randomness of the simulation's own; decisions of programs have their own
  // streams.
  Random& random() { return random_; }
  Trace& trace() { return trace_; }
  // Uniform in [low, high].
  int64_t draw(int64_t low, int64_t high);

  // Calls `action` once `delay_ns` have passed. It runs between turns, and may turn the simulation.
  void call_later(int64_t delay_ns, std::function<void()> action);
  // Whatever runs now (a turn, an action) takes so much longer.
  void charge(int64_t ns) { charged_ns_ += ns; }
  // Time passes by itself when somebody looks at the clock, so that loops that wait for it end.
  void tick() { now_ns_ += 20; }

  // Does one thing: a turn or an action, after moving the time when nothing is ready. False when
  // nothing is left that could ever happen.
  bool step();
  // Runs until `done`, or until virtual time has reached `deadline_ns`. Returns done(). Ends the
  // process with a report when nothing can happen any more and there is no deadline.
  bool run_until(const std::function<bool()>& done, int64_t deadline_ns = Clock::kNever);
  void run_for(int64_t ns);
  // Who is there and what they wait for; for messages.
  std::string describe() const;
  // What describe() says besides; empty: nothing.
  void set_details(std::function<std::string()> details) { details_ = std::move(details); }

  // Workers whose names begin so take no turns, until they are let go: what SIGSTOP does to a
  // process. What they are told meanwhile is there for them then.
  void freeze(std::string_view name_prefix, bool is_frozen);

  // Fault sites fire no more.
  void stop_faults() { faults_stopped_ = true; }
  void resume_faults() { faults_stopped_ = false; }
  // Called at every mark that is reached and every fault site that is asked, in the middle of a
  // turn.
  void set_site_hook(std::function<void(std::string_view)> hook) { site_hook_ = std::move(hook); }

  // Marks that were reached, and faults that fired.
  const std::set<std::string, std::less<>>& marks() const { return marks_; }
  const std::map<std::string, int64_t, std::less<>>& faults() const { return fault_counts_; }
  int64_t refusals() const { return refusals_; }

  // A worker of a host's executor.
  std::unique_ptr<Worker> start_worker(std::string name, Turnable& work);

 private:
  class SimWorker;
  struct Later {
    int64_t time_ns;
    uint64_t order;
    std::function<void()> action;
    bool operator<(const Later& other) const {  // the queue's top is the earliest
      return time_ns != other.time_ns ? time_ns > other.time_ns : order > other.order;
    }
  };

  bool fires(std::string_view name) override;
  bool refuses() override;
  void mark(std::string_view name) override;
  void turn(SimWorker& worker);
  void run_action();
  int64_t earliest_ns() const;
  [[noreturn]] void give_up(std::string_view why) const;

  const SimulationOptions options_;
  Random random_;
  Random fault_random_;
  Trace trace_;
  int64_t now_ns_ = 1'000'000'000;
  int64_t charged_ns_ = 0;
  int64_t steps_ = 0;
  uint64_t next_order_ = 0;
  uint64_t next_worker_ = 1;
  bool in_turn_ = false;
  std::vector<SimWorker*> workers_;
  std::vector<SimWorker*> ready_;  // scratch of step()
  std::priority_queue<Later> later_;
  std::set<std::string, std::less<>> marks_;
  std::map<std::string, bool, std::less<>> fault_sites_;
  std::map<std::string, int64_t, std::less<>> fault_counts_;
  int64_t refusals_ = 0;
  std::function<std::string()> details_;
  std::function<void(std::string_view)> site_hook_;
  bool faults_stopped_ = false;
  FaultPlan::Scope scope_;
};

}  // namespace tidewheel
