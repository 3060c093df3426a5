#include "tidewheel/state/local_copy.h"

namespace tidewheel {

void LocalCopy::note_use() const {
  State untried = State::kUntried;
  if (state_.compare_exchange_strong(untried, State::kUsed)) {
    figures_->used.fetch_add(1, std::memory_order_relaxed);
  }
}

void LocalCopy::give_up(const Status& why, const std::string& original) const {
  if (state_.exchange(State::kUnusable) == State::kUnusable) { return; }
  figures_->unusable.fetch_add(1, std::memory_order_relaxed);
  figures_->logger.warning("the local copy {} is of no use, {} is read instead: {}", path_,
                           original, why.to_string());
}

}  // namespace tidewheel
