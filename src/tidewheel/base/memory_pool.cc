#include "tidewheel/base/memory_pool.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/config.h"

namespace tidewheel {
namespace {

// "812 mb": three digits at most, for people.
std::string rounded_bytes(int64_t bytes) {
  static constexpr const char* kUnits[] = {"bytes", "kb", "mb", "gb", "tb"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return value < 10 && unit > 0 ? fmt::format("{:.1f} {}", value, kUnits[unit])
                                : fmt::format("{:.0f} {}", value, kUnits[unit]);
}

}  // namespace

MemoryPool::MemoryPool(std::string name, int64_t limit_bytes)
    : MemoryPool(std::move(name), limit_bytes, nullptr) {}

MemoryPool::MemoryPool(std::string name, int64_t limit_bytes, MemoryPool* parent)
    : name_(std::move(name)), limit_bytes_(limit_bytes), parent_(parent) {
  if (parent_ != nullptr) {
    const std::lock_guard lock(parent_->children_mutex_);
    parent_->children_.push_back(this);
  }
}

MemoryPool::~MemoryPool() {
  TIDEWHEEL_CHECK(children_.empty(), "memory pool {} is destroyed before its children", name_);
  const int64_t left = used_bytes();
  if (parent_ != nullptr) {
    // What its owner did not give back goes with it, so that the parent's account stays right.
    if (left > 0) { parent_->release(left); }
    const std::lock_guard lock(parent_->children_mutex_);
    std::erase(parent_->children_, this);
  }
}

std::unique_ptr<MemoryPool> MemoryPool::make_child(std::string name, int64_t limit_bytes) {
  return std::unique_ptr<MemoryPool>(new MemoryPool(std::move(name), limit_bytes, this));
}

bool MemoryPool::try_reserve(int64_t bytes) {
  TIDEWHEEL_DCHECK(bytes >= 0);
  if (bytes == 0) {
    // A question only, asked after every batch: it must not write to what all threads share.
    for (const MemoryPool* pool = this; pool != nullptr; pool = pool->parent_) {
      if (pool->used_bytes() > pool->limit_bytes_) { return false; }
    }
    return true;
  }
  const int64_t used = used_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (used > limit_bytes_ || (parent_ != nullptr && !parent_->try_reserve(bytes))) {
    used_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  int64_t peak = peak_bytes_.load(std::memory_order_relaxed);
  while (used > peak && !peak_bytes_.compare_exchange_weak(peak, used, std::memory_order_relaxed)) {
  }
  return true;
}

void MemoryPool::reserve(int64_t bytes) {
  TIDEWHEEL_DCHECK(bytes >= 0);
  for (MemoryPool* pool = this; pool != nullptr; pool = pool->parent_) {
    const int64_t used = pool->used_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    int64_t peak = pool->peak_bytes_.load(std::memory_order_relaxed);
    while (used > peak &&
           !pool->peak_bytes_.compare_exchange_weak(peak, used, std::memory_order_relaxed)) {}
  }
}

void MemoryPool::release(int64_t bytes) {
  for (MemoryPool* pool = this; pool != nullptr; pool = pool->parent_) {
    const int64_t before = pool->used_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    TIDEWHEEL_CHECK(before >= bytes, "memory pool {} was given back {} bytes of {}", pool->name_,
                    bytes, before);
  }
}

std::string MemoryPool::describe() const {
  std::string text = name_ + " " + rounded_bytes(used_bytes());
  if (limit_bytes_ != kUnlimited) { text += " of " + rounded_bytes(limit_bytes_); }
  std::vector<std::pair<int64_t, std::string>> holders;
  {
    const std::lock_guard lock(children_mutex_);
    for (const MemoryPool* child : children_) {
      if (child->used_bytes() > 0) { holders.emplace_back(child->used_bytes(), child->name_); }
    }
  }
  std::sort(holders.begin(), holders.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  static constexpr size_t kShown = 8;
  for (size_t i = 0; i < holders.size() && i < kShown; ++i) {
    text += (i == 0 ? ": " : ", ") + holders[i].second + " " + rounded_bytes(holders[i].first);
  }
  if (holders.size() > kShown) { text += fmt::format(", and {} more", holders.size() - kShown); }
  return text;
}

}  // namespace tidewheel
