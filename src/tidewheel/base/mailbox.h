// Functions that any thread leaves for one thread to run: control, never rows.
#pragma once
#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

namespace tidewheel {

// Many post, one runs. Mail is run in the order in which it came.
class Mailbox {
 public:
  // Any thread. Returns true when the box was empty: the owner may have to be woken. After close()
  // mail is dropped, and the answer is false.
  bool post(std::function<void()> mail);
  // Owner. Runs what is there, not what comes meanwhile; returns how many. Mail may post more.
  size_t run_pending();
  // Owner: true when mail waits. Cheap.
  bool has_mail() const { return waiting_.load(std::memory_order_seq_cst) > 0; }
  // Drops the mail that waits, and all that comes later.
  void close();

 private:
  std::mutex mutex_;  // guards mail_ and closed_; a leaf lock
  std::vector<std::function<void()>> mail_;
  bool closed_ = false;
  std::vector<std::function<void()>> running_;  // owner's; keeps its memory between runs
  std::atomic<size_t> waiting_{0};
};

}  // namespace tidewheel
