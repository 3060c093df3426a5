// A copy of one file of a snapshot on a local disk. Whoever reads the file asks for the copy first,
// and goes to the file itself when the copy turns out to be of no use: it may be gone, cut or
// damaged at any time.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "tidewheel/base/log.h"
#include "tidewheel/base/status.h"

namespace tidewheel {

// What became of the copies of one job. Any thread.
struct LocalCopyFigures {
  explicit LocalCopyFigures(Logger its_logger) : logger(std::move(its_logger)) {}
  Logger logger;
  std::atomic<int64_t> used{0};      // files that were read from their copies
  std::atomic<int64_t> unusable{0};  // copies that were there, but cut, damaged or not readable
  std::atomic<int64_t> missing{0};   // files without a copy
  std::atomic<int64_t> unwritten{0};
};

// Any thread.
class LocalCopy {
 public:
  LocalCopy(std::string path, std::shared_ptr<LocalCopyFigures> figures)
      : path_(std::move(path)), figures_(std::move(figures)) {}
  const std::string& path() const { return path_; }
  // False once somebody has given it up.
  bool usable() const { return state_.load(std::memory_order_acquire) != State::kUnusable; }
  // Something was read from it that was as it should be.
  void note_use() const;
  // Nobody needs to try it again. `original`: what is read instead.
  void give_up(const Status& why, const std::string& original) const;

 private:
  enum class State : uint8_t { kUntried, kUsed, kUnusable };
  const std::string path_;
  const std::shared_ptr<LocalCopyFigures> figures_;
  mutable std::atomic<State> state_{State::kUntried};
};

}  // namespace tidewheel
