#include "tidewheel/checkpoint/new_files.h"

#include <mutex>
#include <utility>

namespace tidewheel {

bool NewFiles::add(std::string path) {
  const std::lock_guard guard(lock_);
  if (over_) { return false; }
  paths_.push_back(std::move(path));
  return true;
}

std::vector<std::string> NewFiles::end() {
  const std::lock_guard guard(lock_);
  over_ = true;
  return paths_;
}

bool NewFiles::is_over() {
  const std::lock_guard guard(lock_);
  return over_;
}

std::vector<std::string> NewFiles::paths() {
  const std::lock_guard guard(lock_);
  return paths_;
}

}  // namespace tidewheel
