#include "tidewheel/sql/result.h"

#include <iterator>
#include <mutex>
#include <utility>

namespace tidewheel::sql {

void ResultQueue::push(Rows rows) {
  const std::lock_guard guard(lock_);
  rows_.push_back(std::move(rows));
}

void ResultQueue::push_all(std::vector<Rows> rows) {
  const std::lock_guard guard(lock_);
  std::move(rows.begin(), rows.end(), std::back_inserter(rows_));
}

std::vector<ResultQueue::Rows> ResultQueue::take_all() {
  const std::lock_guard guard(lock_);
  return std::exchange(rows_, {});
}

}  // namespace tidewheel::sql
