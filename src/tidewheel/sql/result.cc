#include "tidewheel/sql/result.h"

#include <mutex>
#include <utility>

namespace tidewheel::sql {

void ResultQueue::push(Rows rows) {
  const std::lock_guard guard(lock_);
  rows_.push_back(std::move(rows));
}

std::vector<ResultQueue::Rows> ResultQueue::take_all() {
  const std::lock_guard guard(lock_);
  return std::exchange(rows_, {});
}

}  // namespace tidewheel::sql
