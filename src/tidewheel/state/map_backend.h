// A StateBackend of ordered maps in memory: the reference for the others, which runs wherever there
// are no threads and no disk (the simulation, property tests of the cache in front of a backend).
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/state/entry_cache.h"
#include "tidewheel/state/state_backend.h"

namespace tidewheel {

struct MapBackendOptions {
  int64_t cache_bytes = 1 << 20;
  TimerStorage timers = {};
  int64_t cached_entries_bytes = 0;  // of an EntryCache in front; 0: there is none
  bool delays_groups = false;        // each end of a group has to be asked for twice
  bool gathers_groups = false;       // StateBackend::gathers_groups
};

class MapBackend final : public StateBackend {
 public:
  MapBackend(KeyGroupRange groups, MapBackendOptions options)
      : groups_(groups), options_(options) {}

  std::string_view kind() const override { return "map"; }
  KeyGroupRange key_groups() const override { return groups_; }
  int64_t cache_bytes() const override { return options_.cache_bytes; }
  TimerStorage timer_storage() const override { return options_.timers; }
  Result<StoreId> open_state(const StoreState& state) override;
  Status find_many(StoreId state, std::span<const std::string_view> keys, Values& values) override;
  void put(StoreId state, std::string_view key, std::string_view value) override;
  void erase(StoreId state, std::string_view key) override;
  Status commit() override;
  uint64_t uncommitted_bytes() const override { return uncommitted_bytes_; }
  std::unique_ptr<StoreCursor> scan(StoreId state) override;
  Status erase_range(StoreId state, std::string_view from, std::string_view to) override;
  std::unique_ptr<StoreView> view() override;
  bool gathers_groups() const override { return options_.gathers_groups; }
  bool begin_groups() override { return true; }
  void put_in_group(StoreId state, std::string_view key, std::string_view value) override;
  void erase_in_group(StoreId state, std::string_view key) override;
  Result<bool> end_group(int32_t group) override;
  Result<bool> end_groups() override;

  // All later calls that can fail do so; OK ends that. For tests.
  void fail_with(Status failure) { failure_ = std::move(failure); }
  size_t size(StoreId state) const { return stores_.at(state).entries->size(); }
  // States that were opened.
  size_t opened() const { return stores_.size(); }

 private:
  using Entries = std::map<std::string, std::string, std::less<>>;
  struct Store {
    StoreState state;
    std::shared_ptr<Entries> entries;  // copied before a change when a view has it too
  };
  struct Write {
    StoreId state;
    std::string key;
    std::optional<std::string> value;
  };
  class View;
  class Cursor;
  Entries& own(Store& store);

  const KeyGroupRange groups_;
  const MapBackendOptions options_;
  std::vector<Store> stores_;
  std::vector<Write> writes_;
  std::vector<Write> group_writes_;  // until all groups have ended
  bool has_delayed_ = false;
  uint64_t uncommitted_bytes_ = 0;
  Status failure_;
};

class MapBackends final : public StateBackends {
 public:
  explicit MapBackends(MapBackendOptions options = {}) : options_(options) {}
  Result<std::unique_ptr<StateBackend>> make(const BackendPlace& place, MetricGroup*) override {
    made_.fetch_add(1);
    std::unique_ptr<StateBackend> made = std::make_unique<MapBackend>(place.key_groups, options_);
    if (options_.cached_entries_bytes > 0) {
      made = std::make_unique<EntryCache>(
          std::move(made),
          EntryCacheOptions{.bytes = [this] { return options_.cached_entries_bytes; },
                            .chunk_bytes = 1024});
    }
    return made;
  }
  // How many it has made.
  int64_t made() const { return made_.load(); }

 private:
  const MapBackendOptions options_;
  std::atomic<int64_t> made_{0};
};

}  // namespace tidewheel
