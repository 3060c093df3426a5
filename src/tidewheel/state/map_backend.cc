#include "tidewheel/state/map_backend.h"

#include <utility>

#include "tidewheel/base/check.h"

namespace tidewheel {

class MapBackend::Cursor final : public StoreCursor {
 public:
  explicit Cursor(std::shared_ptr<const Entries> entries)
      : entries_(std::move(entries)), at_(entries_->begin()) {}
  void seek(std::string_view key) override { at_ = entries_->lower_bound(key); }
  void next() override { ++at_; }
  bool valid() const override { return at_ != entries_->end(); }
  std::string_view key() const override { return at_->first; }
  std::string_view value() const override { return at_->second; }
  Status status() const override { return {}; }

 private:
  const std::shared_ptr<const Entries> entries_;
  Entries::const_iterator at_;
};

class MapBackend::View final : public StoreView {
 public:
  explicit View(const std::vector<Store>& stores) {
    for (const Store& store : stores) { entries_.push_back(store.entries); }
  }
  std::unique_ptr<StoreCursor> scan(StoreId state) const override {
    return std::make_unique<Cursor>(entries_.at(state));
  }

 private:
  std::vector<std::shared_ptr<const Entries>> entries_;
};

Result<StoreId> MapBackend::open_state(const StoreState& state) {
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  for (StoreId id = 0; id < stores_.size(); ++id) {
    if (stores_[id].state.meta.name == state.meta.name) { return id; }
  }
  stores_.push_back({state, std::make_shared<Entries>()});
  return static_cast<StoreId>(stores_.size() - 1);
}

Status MapBackend::find_many(StoreId state, std::span<const std::string_view> keys,
                             Values& values) {
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  const Entries& entries = *stores_.at(state).entries;
  values.clear();
  for (const std::string_view key : keys) {
    const auto found = entries.find(key);
    if (found == entries.end()) {
      values.emplace_back();
    } else {
      values.emplace_back(found->second);
    }
  }
  return {};
}

void MapBackend::put(StoreId state, std::string_view key, std::string_view value) {
  uncommitted_bytes_ += key.size() + value.size();
  writes_.push_back({state, std::string(key), std::string(value)});
}

void MapBackend::erase(StoreId state, std::string_view key) {
  uncommitted_bytes_ += key.size();
  writes_.push_back({state, std::string(key), std::nullopt});
}

void MapBackend::put_in_group(StoreId state, std::string_view key, std::string_view value) {
  group_writes_.push_back({state, std::string(key), std::string(value)});
}

void MapBackend::erase_in_group(StoreId state, std::string_view key) {
  group_writes_.push_back({state, std::string(key), std::nullopt});
}

Result<bool> MapBackend::end_group(int32_t) {
  has_delayed_ = options_.delays_groups && !has_delayed_;
  return !has_delayed_;
}

Result<bool> MapBackend::end_groups() {
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  TIDEWHEEL_ASSIGN_OR_RETURN(const bool ended, end_group(0));
  if (!ended) { return false; }
  for (Write& write : group_writes_) { writes_.push_back(std::move(write)); }
  group_writes_.clear();
  return true;
}

MapBackend::Entries& MapBackend::own(Store& store) {
  if (store.entries.use_count() > 1) { store.entries = std::make_shared<Entries>(*store.entries); }
  return *store.entries;
}

Status MapBackend::commit() {
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  for (Write& write : writes_) {
    Entries& entries = own(stores_.at(write.state));
    if (write.value.has_value()) {
      entries.insert_or_assign(std::move(write.key), std::move(*write.value));
    } else {
      entries.erase(write.key);
    }
  }
  writes_.clear();
  uncommitted_bytes_ = 0;
  return {};
}

std::unique_ptr<StoreCursor> MapBackend::scan(StoreId state) {
  return std::make_unique<Cursor>(stores_.at(state).entries);
}

Status MapBackend::erase_range(StoreId state, std::string_view from, std::string_view to) {
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  Entries& entries = own(stores_.at(state));
  entries.erase(entries.lower_bound(from), entries.lower_bound(to));
  return {};
}

std::unique_ptr<StoreView> MapBackend::view() { return std::make_unique<View>(stores_); }

}  // namespace tidewheel
