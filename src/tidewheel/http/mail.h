// Mail to a thread that callers may outlive: what the client and the server are reached by.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/mailbox.h"

namespace tidewheel::http_detail {

// Shared by the owner and everybody who posts.
class Mail {
 public:
  // Any thread. Dropped once the owner has closed.
  void post(std::function<void()> mail) {
    if (!gate_->enter()) { return; }
    if (mailbox_.post(std::move(mail))) { wake(); }
    gate_->leave();
  }
  // Owner. The worker's first turn may come before; so it is woken.
  void set_worker(Worker* worker) {
    worker_.store(worker);
    worker->wake();
  }
  bool run_pending() { return mailbox_.run_pending() > 0; }
  bool has_mail() const { return mailbox_.has_mail(); }
  // Owner, before the worker is destroyed. Nobody posts any more once it returns.
  void close() {
    gate_->close();
    mailbox_.close();
  }

 private:
  void wake() {
    if (Worker* const worker = worker_.load()) { worker->wake(); }
  }

  Mailbox mailbox_;
  std::atomic<Worker*> worker_{nullptr};
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
};

}  // namespace tidewheel::http_detail
