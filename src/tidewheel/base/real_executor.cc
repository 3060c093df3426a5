#include "tidewheel/base/real_executor.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/random.h"

namespace tidewheel {
namespace {

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

void name_thread(const std::string& name) {
  ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
}

// Sleeps while `word` holds `expected`, until `deadline_ns` of the monotonic clock. May return
// early.
void futex_wait(std::atomic<uint32_t>& word, uint32_t expected, int64_t deadline_ns) {
  timespec until{};
  until.tv_sec = deadline_ns / 1'000'000'000;
  until.tv_nsec = deadline_ns % 1'000'000'000;
  ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected,
            deadline_ns == Clock::kNever ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void futex_wake(std::atomic<uint32_t>& word, int count) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

// Only refusals: real runs have no faults made up for them.
class RefusingPlan final : public FaultPlan {
 public:
  explicit RefusingPlan(uint64_t seed) : random_(seed) {}
  bool fires(std::string_view) override { return false; }
  bool refuses() override { return random_.below(16) == 0; }
  void mark(std::string_view) override {}

 private:
  Random random_;
};

// One thread that turns one Turnable.
//
// No wake is lost. `state_` is kRunning from before a turn until the worker goes to sleep. wake()
// sets kWoken in one exchange. The worker enters sleep only by a compare-exchange from kRunning to
// kSleeping, which fails when a wake came since the exchange to kRunning before the turn; a wake
// after it sees kSleeping in its own exchange and calls the kernel, whose wait returns at once when
// the word is no longer kSleeping. All are sequentially consistent on one word, so what a waker
// published before its exchange is seen by the turn that follows the worker's exchange to kRunning.
class RealWorker final : public Worker {
 public:
  RealWorker(const Clock& clock, const RealExecutorOptions& options, std::atomic<int32_t>& live,
             std::atomic<int32_t>& awake, int32_t cores, std::string name, Turnable& work)
      : clock_(clock), options_(options), live_(live), awake_(awake), cores_(cores), work_(work) {
    live_.fetch_add(1, std::memory_order_relaxed);
    awake_.fetch_add(1, std::memory_order_relaxed);
    thread_ = std::thread([this, name = std::move(name)] { run(name); });
  }
  ~RealWorker() override {
    thread_.join();
    live_.fetch_sub(1, std::memory_order_relaxed);
  }

  void wake() override {
    if (state_.exchange(kWoken, std::memory_order_seq_cst) == kSleeping) { futex_wake(state_, 1); }
  }

 private:
  static constexpr uint32_t kRunning = 0;
  static constexpr uint32_t kWoken = 1;
  static constexpr uint32_t kSleeping = 2;
  // After so many spins in a row that no wake answered, the worker sleeps at once, until a wake
  // comes so soon after it fell asleep that a spin would have caught it.
  static constexpr int32_t kUselessSpinsMax = 4;

  void run(const std::string& name) {
    name_thread(name);
    ::prctl(PR_SET_TIMERSLACK, 1'000UL, 0UL, 0UL, 0UL);  // ns; the default of 50 us delays timers
    RefusingPlan plan(options_.seed ^ std::hash<std::string>()(name));
    const FaultPlan::Scope scope(options_.refuse_at_random ? &plan : nullptr);
    while (true) {
      state_.exchange(kRunning, std::memory_order_seq_cst);
      const Turn turn = work_.turn();
      if (turn.next == Turn::Next::kStop) { break; }
      if (turn.next == Turn::Next::kSleep) { sleep(turn.wake_at_ns); }
    }
    awake_.fetch_sub(1, std::memory_order_relaxed);
  }

  void sleep(int64_t deadline_ns) {
    // Workers that sleep take no core from the others, so they do not count.
    const bool may_spin = options_.spin_ns > 0 && useless_spins_ < kUselessSpinsMax &&
                          awake_.load(std::memory_order_relaxed) <= cores_;
    const int64_t start_ns = clock_.now_ns();
    if (start_ns >= deadline_ns) { return; }
    if (may_spin && spin(std::min(deadline_ns, start_ns + options_.spin_ns))) {
      useless_spins_ = 0;
      return;
    }
    uint32_t expected = kRunning;
    if (!state_.compare_exchange_strong(expected, kSleeping, std::memory_order_seq_cst)) { return; }
    awake_.fetch_sub(1, std::memory_order_relaxed);
    bool timed_out = false;
    while (!timed_out && state_.load(std::memory_order_acquire) == kSleeping) {
      timed_out = deadline_ns != Clock::kNever && clock_.now_ns() >= deadline_ns;
      if (!timed_out) { futex_wait(state_, kSleeping, deadline_ns); }
    }
    awake_.fetch_add(1, std::memory_order_relaxed);
    if (timed_out) { return; }
    const bool soon = clock_.now_ns() - start_ns < 2 * options_.spin_ns;
    useless_spins_ = soon ? 0 : std::min(useless_spins_ + 1, kUselessSpinsMax);
  }

  // True when a wake came before `until_ns`.
  bool spin(int64_t until_ns) {
    while (true) {
      for (int i = 0; i < 32; ++i) {
        if (state_.load(std::memory_order_relaxed) == kWoken) { return true; }
        pause_briefly();
      }
      if (clock_.now_ns() >= until_ns) { return false; }
    }
  }

  const Clock& clock_;
  const RealExecutorOptions options_;
  std::atomic<int32_t>& live_;
  std::atomic<int32_t>& awake_;
  const int32_t cores_;
  Turnable& work_;
  int32_t useless_spins_ = 0;
  alignas(64) std::atomic<uint32_t> state_{kRunning};
  std::thread thread_;
};

class RealEvent final : public Event {
 public:
  explicit RealEvent(const Clock& clock) : clock_(clock) {}
  void set() override {
    word_.store(1, std::memory_order_seq_cst);
    futex_wake(word_, INT_MAX);
  }
  bool is_set() const override { return word_.load(std::memory_order_acquire) == 1; }
  bool wait(int64_t deadline_ns) override {
    while (!is_set()) {
      if (deadline_ns != Clock::kNever && clock_.now_ns() >= deadline_ns) { return is_set(); }
      futex_wait(word_, 0, deadline_ns);
    }
    return true;
  }

 private:
  const Clock& clock_;
  std::atomic<uint32_t> word_{0};
};

// Threads for calls that block: as many as there are jobs at once, up to a limit.
class BlockingPool {
 public:
  explicit BlockingPool(int32_t threads_max) : threads_max_(std::max(threads_max, 1)) {}
  ~BlockingPool() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    // No thread is added any more: who could ask for one has been destroyed.
    for (std::thread& thread : threads_) { thread.join(); }
  }

  void run(std::function<void()> job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    if (jobs_.size() > static_cast<size_t>(idle_) &&
        threads_.size() < static_cast<size_t>(threads_max_)) {
      threads_.emplace_back([this] { work(); });
    } else {
      changed_.notify_one();
    }
  }

 private:
  void work() {
    name_thread("tw-blocking");
    std::unique_lock lock(mutex_);
    while (true) {
      ++idle_;
      changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      --idle_;
      if (jobs_.empty()) { return; }
      std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      job = nullptr;  // what it holds is destroyed outside of the lock
      lock.lock();
    }
  }

  const int32_t threads_max_;
  std::mutex mutex_;  // guards all below; a leaf lock
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::thread> threads_;
  int32_t idle_ = 0;
  bool stopping_ = false;
};

int32_t usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof cores, &cores) == 0) { return std::max(CPU_COUNT(&cores), 1); }
  return static_cast<int32_t>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
}

class RealExecutor final : public Executor {
 public:
  RealExecutor(const Clock& clock, const RealExecutorOptions& options)
      : clock_(clock),
        options_(options),
        cores_(usable_cores()),
        blocking_(std::make_unique<BlockingPool>(options.blocking_threads_max)) {}
  ~RealExecutor() override {
    blocking_.reset();  // its jobs may have workers, which end with them
    TIDEWHEEL_CHECK(live_.load() == 0, "the executor is destroyed before its workers");
  }

  std::unique_ptr<Worker> start_worker(std::string name, Turnable& work) override {
    return std::make_unique<RealWorker>(clock_, options_, live_, awake_, cores_, std::move(name),
                                        work);
  }
  void run_blocking(std::function<void()> job) override { blocking_->run(std::move(job)); }
  std::unique_ptr<Event> make_event() override { return std::make_unique<RealEvent>(clock_); }
  int32_t core_count() const override { return cores_; }

 private:
  const Clock& clock_;
  const RealExecutorOptions options_;
  const int32_t cores_;
  std::atomic<int32_t> live_{0};
  std::atomic<int32_t> awake_{0};
  std::unique_ptr<BlockingPool> blocking_;  // until the end
};

}  // namespace

std::unique_ptr<Executor> make_real_executor(const Clock& clock,
                                             const RealExecutorOptions& options) {
  return std::make_unique<RealExecutor>(clock, options);
}

}  // namespace tidewheel
