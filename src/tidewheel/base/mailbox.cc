#include "tidewheel/base/mailbox.h"

#include <utility>

namespace tidewheel {

bool Mailbox::post(std::function<void()> mail) {
  const std::lock_guard lock(mutex_);
  if (closed_) { return false; }
  const bool was_empty = mail_.empty();
  mail_.push_back(std::move(mail));
  waiting_.store(mail_.size(), std::memory_order_seq_cst);
  return was_empty;
}

size_t Mailbox::run_pending() {
  if (!has_mail()) { return 0; }
  {
    const std::lock_guard lock(mutex_);
    std::swap(mail_, running_);
    waiting_.store(0, std::memory_order_seq_cst);
  }
  const size_t count = running_.size();
  for (std::function<void()>& mail : running_) {
    const std::function<void()> now = std::move(mail);
    now();
  }
  running_.clear();
  return count;
}

void Mailbox::close() {
  std::vector<std::function<void()>> dropped;  // destroyed outside of the lock
  const std::lock_guard lock(mutex_);
  closed_ = true;
  std::swap(mail_, dropped);
  waiting_.store(0, std::memory_order_seq_cst);
}

}  // namespace tidewheel
