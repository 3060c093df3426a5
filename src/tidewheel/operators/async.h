// Coroutines for asynchronous calls: what the author of a job writes, and the loop that runs them
// on the task's own thread.
//
//   [](Trade trade) -> tw::Async<Rich> {
//     auto customer = co_await tw::offload([id = trade.customer] { return database.find(id); });
//     co_await tw::sleep(10ms);
//     co_return Rich{trade, customer};
//   }
#pragma once
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/base/completion_gate.h"
#include "tidewheel/types/time.h"

namespace tidewheel {

class OperatorContext;  // dataflow/operator.h

// Resumes coroutines on a task's thread. All calls on that thread, but for what `offload` runs.
class AsyncLoop {
 public:
  explicit AsyncLoop(OperatorContext& context) : context_(&context) {}

  // A coroutine that waits; nobody resumes it once `handle` is null. On the task's thread only.
  struct Waiting {
    std::coroutine_handle<> handle;
  };
  // Runs `job` on the blocking pool, then resumes `waiting` on this thread.
  void offload(std::function<void()> job, std::shared_ptr<Waiting> waiting);
  // Resumes `waiting` after `delay_ms`.
  void sleep(int64_t delay_ms, std::shared_ptr<Waiting> waiting);
  // Resumes what has slept long enough.
  void run_timers();
  // When run_timers has something to do next, on the monotonic clock; Clock::kNever: never.
  int64_t next_timer_ns() const;
  // Nothing is resumed any more.
  void close() { gate_->close(); }

 private:
  struct Timer {
    int64_t at_ns;
    uint64_t number;  // so that equal times fire in the order in which they were made
    std::shared_ptr<Waiting> waiting;
    bool operator<(const Timer& other) const {
      return at_ns != other.at_ns ? at_ns > other.at_ns : number > other.number;
    }
  };
  static void resume(Waiting& waiting) {
    if (const auto handle = std::exchange(waiting.handle, nullptr)) { handle.resume(); }
  }

  OperatorContext* context_;
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
  std::priority_queue<Timer> timers_;
  uint64_t next_number_ = 0;
};

namespace async_detail {

struct PromiseBase {
  AsyncLoop* loop = nullptr;
  std::coroutine_handle<> continuation;  // a coroutine that awaits this one
  std::exception_ptr thrown;

  std::suspend_always initial_suspend() noexcept { return {}; }
  void unhandled_exception() { thrown = std::current_exception(); }
  struct Final {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      if (self.promise().continuation) { return self.promise().continuation; }
      return std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };
  Final final_suspend() noexcept { return {}; }
};

}  // namespace async_detail

// A coroutine that gives a T. It starts when it is awaited, or when the operator runs it. Moved,
// not copied; destroying it destroys what it awaits.
template <class T>
class [[nodiscard]] Async {
 public:
  using value_type = T;
  struct promise_type : async_detail::PromiseBase {
    std::optional<T> value;
    Async get_return_object() {
      return Async(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    template <class U>
    void return_value(U&& result) {
      value.emplace(std::forward<U>(result));
    }
  };

  Async() = default;
  Async(Async&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Async& operator=(Async&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Async() {
    if (handle_) { handle_.destroy(); }
  }

  // For operators.
  void start(AsyncLoop& loop) {
    handle_.promise().loop = &loop;
    handle_.resume();
  }
  bool done() const { return handle_ && handle_.done(); }
  // Throws what the coroutine threw.
  T take() {
    if (handle_.promise().thrown) { std::rethrow_exception(handle_.promise().thrown); }
    return std::move(*handle_.promise().value);
  }

  // co_await of one coroutine in another.
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> caller) {
    handle_.promise().loop = caller.promise().loop;
    handle_.promise().continuation = caller;
    return handle_;
  }
  T await_resume() { return take(); }

 private:
  explicit Async(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

namespace async_detail {

template <class F>
class Offload {
 public:
  using Value = std::invoke_result_t<F&>;

  explicit Offload(F function) : call_(std::make_shared<Call>(std::move(function))) {}
  Offload(Offload&&) noexcept = default;
  ~Offload() {
    if (waiting_ != nullptr) { waiting_->handle = nullptr; }
  }

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> caller) {
    waiting_ = std::make_shared<AsyncLoop::Waiting>(AsyncLoop::Waiting{caller});
    caller.promise().loop->offload([call = call_] { call->run(); }, waiting_);
  }
  Value await_resume() {
    if (call_->thrown) { std::rethrow_exception(call_->thrown); }
    if constexpr (!std::is_void_v<Value>) { return std::move(*call_->value); }
  }

 private:
  struct Nothing {};
  struct Call {
    explicit Call(F f) : function(std::move(f)) {}
    void run() {
      try {
        if constexpr (std::is_void_v<Value>) {
          function();
        } else {
          value.emplace(function());
        }
      } catch (...) { thrown = std::current_exception(); }
    }
    F function;
    std::optional<std::conditional_t<std::is_void_v<Value>, Nothing, Value>> value;
    std::exception_ptr thrown;
  };
  std::shared_ptr<Call> call_;  // shared with the pool, which may outlive the coroutine
  std::shared_ptr<AsyncLoop::Waiting> waiting_;
};

class Sleep {
 public:
  explicit Sleep(int64_t delay_ms) : delay_ms_(delay_ms) {}
  Sleep(Sleep&&) noexcept = default;
  ~Sleep() {
    if (waiting_ != nullptr) { waiting_->handle = nullptr; }
  }
  bool await_ready() const noexcept { return delay_ms_ <= 0; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> caller) {
    waiting_ = std::make_shared<AsyncLoop::Waiting>(AsyncLoop::Waiting{caller});
    caller.promise().loop->sleep(delay_ms_, waiting_);
  }
  void await_resume() const noexcept {}

 private:
  int64_t delay_ms_;
  std::shared_ptr<AsyncLoop::Waiting> waiting_;
};

}  // namespace async_detail

// co_await offload(f): calls f on the blocking pool, and gives what it returns or throws what it
// throws. What f captures must be safe to use on another thread.
template <class F>
async_detail::Offload<F> offload(F function) {
  return async_detail::Offload<F>(std::move(function));
}

// co_await sleep(d): goes on after d of processing time.
inline async_detail::Sleep sleep(Duration duration) { return async_detail::Sleep(to_ms(duration)); }

}  // namespace tidewheel
