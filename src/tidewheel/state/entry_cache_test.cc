// A cache of entries is not to be told from the backend below it, whatever leaves it and when; and
// keeps to its memory.
#include "tidewheel/state/entry_cache.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tidewheel/base/file_memory.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/random.h"
#include "tidewheel/state/map_backend.h"

namespace tidewheel {
namespace {

constexpr KeyGroupRange kGroups{0, 15};
using Model = std::map<std::string, std::string>;

StoreState state_of(std::string name, bool has_namespace = false) {
  StoreState state;
  state.meta.name = std::move(name);
  state.meta.form = "value";
  state.has_namespace = has_namespace;
  return state;
}

// As RocksDB does it: what is committed behind is seen late, a snapshot of its own is cut late, and
// meanwhile nothing may be committed.
class LateBackend final : public StateBackend {
 public:
  explicit LateBackend(Random& random, bool gathers = false)
      : random_(random), gathers_(gathers), map_(kGroups, {}) {}
  std::string_view kind() const override { return "late"; }
  KeyGroupRange key_groups() const override { return kGroups; }
  int64_t cache_bytes() const override { return 0; }
  Result<StoreId> open_state(const StoreState& state) override { return map_.open_state(state); }
  Status find_many(StoreId state, std::span<const std::string_view> keys, Values& values) override {
    reads += keys.size();
    return map_.find_many(state, keys, values);
  }
  void put(StoreId state, std::string_view key, std::string_view value) override {
    gathered_.push_back({state, std::string(key), std::string(value)});
  }
  void erase(StoreId state, std::string_view key) override {
    gathered_.push_back({state, std::string(key), std::nullopt});
  }
  Status commit() override {
    EXPECT_TRUE(is_cut_now()) << "something newer is committed before the cut";
    TIDEWHEEL_RETURN_IF_ERROR(failure);
    take(ended_);
    take(behind_);
    take(gathered_);
    return map_.commit();
  }
  Status commit_behind() override {
    EXPECT_TRUE(is_cut_now()) << "something newer is committed before the cut";
    TIDEWHEEL_RETURN_IF_ERROR(failure);
    take(behind_);
    behind_.swap(gathered_);
    return map_.commit();
  }
  bool can_commit_behind() override {
    if (!random_.chance(0.7)) { return false; }
    take(ended_);
    EXPECT_TRUE(map_.commit().ok());
    return true;
  }
  bool gathers_groups() const override { return gathers_; }
  bool begin_groups() override { return random_.chance(0.8); }
  void put_in_group(StoreId state, std::string_view key, std::string_view value) override {
    in_groups_.push_back({state, std::string(key), std::string(value)});
  }
  void erase_in_group(StoreId state, std::string_view key) override {
    in_groups_.push_back({state, std::string(key), std::nullopt});
  }
  Result<bool> end_group(int32_t) override { return random_.chance(0.7); }
  Result<bool> end_groups() override {
    TIDEWHEEL_RETURN_IF_ERROR(failure);
    if (!random_.chance(0.7)) { return false; }
    take(behind_);  // one after the other
    EXPECT_TRUE(ended_.empty());
    ended_.swap(in_groups_);
    return true;
  }
  uint64_t uncommitted_bytes() const override { return gathered_.size() * 20; }
  uint64_t write_batch_bytes() const override { return 400; }
  std::unique_ptr<StoreCursor> scan(StoreId state) override {
    take(behind_);
    EXPECT_TRUE(map_.commit().ok());
    return map_.scan(state);
  }
  Status erase_range(StoreId state, std::string_view from, std::string_view to) override {
    return map_.erase_range(state, from, to);
  }
  std::unique_ptr<StoreView> view() override {
    take(behind_);
    EXPECT_TRUE(map_.commit().ok());
    return map_.view();
  }
  bool has_own_snapshots() const override { return true; }
  void begin_own_snapshot(const SnapshotStart&, std::function<void()>) override {
    EXPECT_TRUE(gathered_.empty());
    snapshot = view();
    uncut_ = 1 + static_cast<int>(random_.below(50));
  }
  bool is_cut() override {
    if (uncut_ > 0) { --uncut_; }
    return uncut_ == 0;
  }
  void wait_for_cut() override { uncut_ = 0; }
  Result<bool> write_own_snapshot(SnapshotWriter&) override { return uncut_ == 0; }
  void abort_own_snapshot() override { uncut_ = 0; }

  std::unique_ptr<StoreView> snapshot;
  uint64_t reads = 0;
  Status failure;

 private:
  struct Write {
    StoreId state;
    std::string key;
    std::optional<std::string> value;
  };
  bool is_cut_now() const { return uncut_ == 0; }
  void take(std::vector<Write>& from) {
    for (const Write& write : from) {
      if (write.value.has_value()) {
        map_.put(write.state, write.key, *write.value);
      } else {
        map_.erase(write.state, write.key);
      }
    }
    from.clear();
  }

  Random& random_;
  const bool gathers_;
  MapBackend map_;
  std::vector<Write> gathered_;
  std::vector<Write> behind_;
  std::vector<Write> in_groups_;
  std::vector<Write> ended_;
  int uncut_ = 0;
};

Model entries(StoreCursor& cursor) {
  Model all;
  for (cursor.seek(""); cursor.valid(); cursor.next()) {
    EXPECT_TRUE(all.emplace(cursor.key(), cursor.value()).second) << "twice";
  }
  return all;
}

std::string integer_key(uint64_t number) {
  std::string out;
  const std::string_view bytes(reinterpret_cast<const char*>(&number), sizeof(number));
  make_store_key(out, static_cast<int32_t>(number % 16), bytes);
  return out;
}

class EntryCacheRandom : public ::testing::TestWithParam<int> {
 protected:
  EntryCacheRandom() {
    auto below = std::make_unique<LateBackend>(random_, GetParam() % 2 == 1);
    below_ = below.get();
    EntryCacheOptions options{.bytes = [this] { return budget_; }, .chunk_bytes = 1024};
    // In a file with room for all of it, or one that is full before the budget is.
    if (GetParam() % 3 != 0) {
      const size_t bytes_max = GetParam() % 3 == 1 ? 4 << 20 : 60 << 10;
      options.file = FileMemory::open(::testing::TempDir(), bytes_max).value();
    }
    cache_ = std::make_unique<EntryCache>(std::move(below), std::move(options));
    for (const char* name : {"a", "b"}) {
      EXPECT_EQ(cache_->open_state(state_of(name)).value(), models_.size());
      models_.emplace_back();
    }
  }
  std::string random_key() {
    const uint64_t number = random_.chance(0.5) ? random_.below(30) : random_.below(3000);
    std::string key = integer_key(number);
    if (number % 7 == 0) { key += std::string(number % 40, 'x'); }
    return key;
  }
  std::string random_value() {
    switch (random_.below(10)) {
      case 0: return "";
      case 1: return std::string(random_.below(40), '\0');
      case 2: return std::string(random_.below(300), 'v');
      case 3: return random_.chance(0.1) ? std::string(5000, 'w') : "w";
      default: {
        const uint64_t number = random_.below(100000);
        return {reinterpret_cast<const char*>(&number), sizeof(number)};
      }
    }
  }
  void change() {
    const auto state = static_cast<StoreId>(random_.below(2));
    const std::string key = random_key();
    if (const auto held = held_[state].find(key); held != held_[state].end()) {
      if (passing_.contains(key)) { return; }
      held_[state].erase(held);  // it leaves with something newer
    }
    if (random_.chance(0.15)) {
      cache_->erase(state, key);
      models_[state].erase(key);
    } else {
      const std::string value = random_value();
      cache_->put(state, key, value);
      models_[state][key] = value;
    }
  }
  void find() {
    const auto state = static_cast<StoreId>(random_.below(2));
    Model wanted;
    for (uint64_t i = random_.below(40); i > 0; --i) { wanted[random_key()]; }
    std::erase_if(wanted, [&](const auto& each) { return held_[state].contains(each.first); });
    std::vector<std::string_view> keys;
    for (const auto& [key, value] : wanted) { keys.emplace_back(key); }
    StateBackend::Values values;
    ASSERT_TRUE(cache_->find_many(state, keys, values).ok());
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto found = models_[state].find(std::string(keys[i]));
      ASSERT_EQ(values[i].has_value(), found != models_[state].end());
      if (values[i].has_value()) { ASSERT_EQ(*values[i], found->second); }
    }
  }
  void work(int steps) {
    for (int i = 0; i < steps; ++i) {
      if (random_.chance(0.8)) {
        change();
      } else {
        ASSERT_NO_FATAL_FAILURE(find());
      }
      if (random_.chance(0.01)) { budget_ = 4096 << random_.below(6); }
      if (random_.chance(0.05)) { ASSERT_TRUE(cache_->commit().ok()); }
    }
  }
  void compare(StoreView& view, const std::vector<Model>& models) {
    for (StoreId state = 0; state < models.size(); ++state) {
      ASSERT_EQ(entries(*view.scan(state)), models[state]);
    }
  }

  // A barrier of who holds entries in memory: writes some by groups.
  void pass_some() {
    for (uint64_t i = random_.below(200); i > 0; --i) {
      const auto state = static_cast<StoreId>(random_.below(2));
      const std::string key = random_key();
      if (!passing_.insert(key).second) { continue; }
      if (random_.chance(0.15)) {
        if (cache_->finds_what_is_put_back()) {
          cache_->erase(state, key);
        } else {
          cache_->erase_in_group(state, key);
        }
        models_[state].erase(key);
        held_[state][key] = std::nullopt;
      } else {
        const std::string value = random_value();
        cache_->put_in_group(state, key, value);
        models_[state][key] = value;
        held_[state][key] = value;
      }
      if (random_.chance(0.2)) { ASSERT_NO_FATAL_FAILURE(work(3)); }
      if (random_.chance(0.02)) { ASSERT_TRUE(cache_->end_group(0).ok()); }
    }
    for (;;) {
      const Result<bool> ended = cache_->end_groups();
      ASSERT_TRUE(ended.ok());
      if (*ended) { return; }
      if (random_.chance(0.5)) { ASSERT_TRUE(cache_->commit().ok()); }
    }
  }
  // What is held may leave.
  void let_some_leave() {
    passing_.clear();
    for (StoreId state = 0; state < 2; ++state) {
      std::erase_if(held_[state], [&](const auto& each) {
        if (random_.chance(0.5)) { return false; }
        if (each.second.has_value()) { cache_->put_back(state, each.first, *each.second); }
        return true;
      });
    }
  }

  // In memory in front of the cache, as they were passed; nothing: erased. Those of this barrier
  // are not seen below yet.
  std::map<std::string, std::optional<std::string>> held_[2];
  std::set<std::string> passing_;
  Random random_{static_cast<uint64_t>(GetParam()) * 104729 + 5};
  int64_t budget_ = 16 << 10;
  LateBackend* below_ = nullptr;
  std::vector<Model> models_;
  std::unique_ptr<EntryCache> cache_;
};

TEST_P(EntryCacheRandom, finds_what_was_put) {
  ASSERT_NO_FATAL_FAILURE(work(6000));
  EXPECT_GT(cache_->figures().written, 0U);
  ASSERT_NO_FATAL_FAILURE(compare(*cache_->view(), models_));
  for (StoreId state = 0; state < 2; ++state) {
    // More often than it is kept here for.
    for (int i = 0; i < 10; ++i) {
      ASSERT_EQ(entries(*cache_->scan(state)), models_[state]);
      change();
      ASSERT_TRUE(cache_->commit().ok());
    }
  }
}

TEST_P(EntryCacheRandom, a_cut_has_what_was_put_before_it) {
  for (int round = 0; round < 12; ++round) {
    ASSERT_NO_FATAL_FAILURE(work(300));
    cache_->begin_cut();
    const std::vector<Model> cut = models_;
    const bool aborts = random_.chance(0.25);
    bool prepared = false;
    for (int i = 0; !prepared && !(aborts && i > 1); ++i) {
      ASSERT_NO_FATAL_FAILURE(work(static_cast<int>(random_.below(60))));
      const Result<bool> done = cache_->prepare_cut();
      ASSERT_TRUE(done.ok());
      prepared = *done;
      if (random_.chance(0.1)) { ASSERT_NO_FATAL_FAILURE(compare(*cache_->view(), models_)); }
    }
    if (!prepared) {
      cache_->abort_own_snapshot();
      continue;
    }
    ASSERT_NO_FATAL_FAILURE(work(20));
    if (random_.chance(0.5)) {
      ASSERT_NO_FATAL_FAILURE(compare(*cache_->cut_view(), cut));
      continue;
    }
    cache_->begin_own_snapshot({round + 1, 0}, [] {});
    const std::unique_ptr<StoreView> snapshot = std::move(below_->snapshot);
    for (int i = 0; !cache_->is_cut(); ++i) {
      ASSERT_NO_FATAL_FAILURE(work(30));
      if (i == 3 && random_.chance(0.3)) {
        ASSERT_NO_FATAL_FAILURE(compare(*cache_->view(), models_));
      }
    }
    ASSERT_NO_FATAL_FAILURE(compare(*snapshot, cut));
    if (aborts) { cache_->abort_own_snapshot(); }
  }
  ASSERT_NO_FATAL_FAILURE(work(500));
  ASSERT_NO_FATAL_FAILURE(compare(*cache_->view(), models_));
}

TEST_P(EntryCacheRandom, what_is_held_above_goes_past_and_comes_back) {
  for (int round = 0; round < 20; ++round) {
    ASSERT_NO_FATAL_FAILURE(work(200));
    if (!cache_->begin_groups()) { continue; }
    ASSERT_NO_FATAL_FAILURE(pass_some());
    if (random_.chance(0.3)) {
      ASSERT_TRUE(cache_->commit().ok());
      let_some_leave();
      continue;
    }
    cache_->begin_cut();
    const std::vector<Model> cut = models_;
    for (bool done = false; !done;) {
      ASSERT_NO_FATAL_FAILURE(work(static_cast<int>(random_.below(60))));
      const Result<bool> prepared = cache_->prepare_cut();
      ASSERT_TRUE(prepared.ok());
      done = *prepared;
    }
    ASSERT_NO_FATAL_FAILURE(work(20));
    ASSERT_NO_FATAL_FAILURE(compare(*cache_->cut_view(), cut));
    let_some_leave();
  }
  ASSERT_NO_FATAL_FAILURE(work(200));
  ASSERT_NO_FATAL_FAILURE(compare(*cache_->view(), models_));
}

// Until they come back, or others leave that are below.
TEST(EntryCache, what_went_past_is_not_looked_for_below) {
  Random random(1);
  auto below = std::make_unique<LateBackend>(random);
  LateBackend& late = *below;
  EntryCache cache(std::move(below), {.bytes = [] { return 1 << 20; }, .chunk_bytes = 1024});
  const StoreId state = cache.open_state(state_of("counts")).value();
  while (!cache.begin_groups()) {}
  for (uint64_t i = 0; i < 1000; ++i) { cache.put_in_group(state, integer_key(i), "value"); }
  while (!cache.end_groups().value()) {}
  ASSERT_TRUE(cache.commit().ok());
  EXPECT_EQ(cache.figures().entries, 0U);
  for (uint64_t i = 0; i < 500; ++i) { cache.put_back(state, integer_key(i), "value"); }
  StateBackend::Values values;
  for (uint64_t i = 0; i < 2000; ++i) {
    if (i >= 500 && i < 1000) { continue; }  // still held
    const std::string key = integer_key(i);
    const std::string_view keys[] = {key};
    EXPECT_TRUE(cache.find_many(state, keys, values).ok());
    EXPECT_EQ(values[0].has_value(), i < 500);
  }
  EXPECT_EQ(late.reads, 0U);
  // What is held leaves as erased, which has to come below.
  cache.erase(state, integer_key(700));
  EXPECT_EQ(entries(*cache.cut_view()->scan(state)).size(), 999U);
}

TEST_P(EntryCacheRandom, ranges_are_erased) {
  for (int round = 0; round < 5; ++round) {
    ASSERT_NO_FATAL_FAILURE(work(300));
    const std::string from = store_group_begin(3);
    const std::string to = store_group_begin(static_cast<int32_t>(4 + random_.below(8)));
    ASSERT_TRUE(cache_->erase_range(0, from, to).ok());
    models_[0].erase(models_[0].lower_bound(from), models_[0].lower_bound(to));
    ASSERT_NO_FATAL_FAILURE(work(20));
  }
  ASSERT_NO_FATAL_FAILURE(compare(*cache_->view(), models_));
}

INSTANTIATE_TEST_SUITE_P(Seeds, EntryCacheRandom, ::testing::Range(0, 20));

// Reads of keys by Zipf's law, each followed by a write.
struct ZipfRun {
  double hit_rate = 0;
  int64_t peak_bytes = 0;
  EntryCache::Figures figures;
};
ZipfRun run_zipf(int64_t budget, bool with_scans) {
  Random random(7);
  MemoryPool pool("pool", MemoryPool::kUnlimited);
  auto below = std::make_unique<MapBackend>(kGroups, MapBackendOptions{});
  EntryCache cache(std::move(below), {.bytes = [=] { return budget; }, .memory = &pool});
  const StoreId state = cache.open_state(state_of("counts")).value();
  constexpr uint64_t kKeys = 1'000'000;
  const double log_keys = std::log(static_cast<double>(kKeys));
  uint64_t once = kKeys;
  uint64_t found_before = 0;
  uint64_t asked = 0;
  StateBackend::Values values;
  for (int i = 0; i < 400'000; ++i) {
    const double part = static_cast<double>(random.below(1 << 30)) / (1 << 30);
    uint64_t number = static_cast<uint64_t>(std::exp(part * log_keys)) * 2654435761 % kKeys;
    if (with_scans && i % 3 == 0) { number = once++; }
    const std::string key = integer_key(number);
    const std::string_view keys[] = {key};
    const uint64_t before = cache.figures().found;
    EXPECT_TRUE(cache.find_many(state, keys, values).ok());
    if (i > 200'000 && number < kKeys) {
      ++asked;
      found_before += cache.figures().found - before;
    }
    cache.put(state, key, std::string_view("\1\0\0\0\0\0\0\0", 8));
  }
  return {static_cast<double>(found_before) / static_cast<double>(asked), pool.peak_bytes(),
          cache.figures()};
}

TEST(EntryCache, keeps_to_its_memory) {
  for (const int64_t budget : {1 << 20, 2 << 20}) {
    const ZipfRun run = run_zipf(budget, false);
    EXPECT_LE(run.peak_bytes, budget);
    EXPECT_GT(run.peak_bytes, budget * 8 / 10);
    // 18 bytes of key and value, of which 8 are not zero.
    EXPECT_LT(static_cast<double>(run.figures.bytes) / static_cast<double>(run.figures.entries),
              26);
  }
}

TEST(EntryCache, keys_that_come_once_do_not_drive_out_hot_ones) {
  const double alone = run_zipf(1 << 20, false).hit_rate;
  const double disturbed = run_zipf(1 << 20, true).hit_rate;
  EXPECT_GT(alone, 0.7);
  EXPECT_GT(disturbed, alone - 0.1);
}

// Nothing of it was ever below.
TEST(EntryCache, a_state_that_fits_is_not_looked_for_below) {
  Random random(1);
  auto below = std::make_unique<LateBackend>(random);
  LateBackend& late = *below;
  int64_t budget = 4 << 20;
  EntryCache cache(std::move(below), {.bytes = [&] { return budget; }, .chunk_bytes = 1024});
  const StoreId state = cache.open_state(state_of("counts")).value();
  StateBackend::Values values;
  const auto find = [&](uint64_t number) {
    const std::string key = integer_key(number);
    const std::string_view keys[] = {key};
    EXPECT_TRUE(cache.find_many(state, keys, values).ok());
    return values[0].has_value();
  };
  for (uint64_t i = 0; i < 5000; ++i) {
    EXPECT_FALSE(find(i));
    cache.put(state, integer_key(i), "value");
  }
  for (uint64_t i = 0; i < 5000; i += 2) { cache.erase(state, integer_key(i)); }
  for (uint64_t i = 0; i < 5000; ++i) { EXPECT_EQ(find(i), i % 2 == 1); }
  EXPECT_EQ(late.reads, 0U);
  EXPECT_EQ(cache.figures().written, 0U);
  // What was erased has left nothing, and its room is used again.
  EXPECT_EQ(cache.figures().entries, 2500U);
  for (int round = 0; round < 50; ++round) {
    for (uint64_t i = 5000; i < 8000; ++i) { cache.put(state, integer_key(i), "value"); }
    for (uint64_t i = 5000; i < 8000; ++i) { cache.erase(state, integer_key(i)); }
  }
  EXPECT_FALSE(find(6000));
  EXPECT_LT(cache.figures().bytes, 600'000);
  EXPECT_EQ(late.reads, 0U);
  budget = 8192;  // now most of them go, and are looked for
  for (uint64_t i = 10'000; i < 12'000; ++i) { cache.put(state, integer_key(i), "value"); }
  for (uint64_t i = 0; i < 5000; ++i) { EXPECT_EQ(find(i), i % 2 == 1); }
  EXPECT_GT(late.reads, 0U);
}

TEST(EntryCache, a_failure_below_is_kept) {
  Random random(1);
  auto below = std::make_unique<LateBackend>(random);
  LateBackend& late = *below;
  EntryCache cache(std::move(below), {.bytes = [] { return 8192; }, .chunk_bytes = 1024});
  const StoreId state = cache.open_state(state_of("counts")).value();
  late.failure = unavailable(ErrorId::kStateBackend, "the disk is gone");
  for (uint64_t i = 0; i < 5000; ++i) { cache.put(state, integer_key(i), "value"); }
  EXPECT_EQ(cache.commit().id(), ErrorId::kStateBackend);
  const std::string key = integer_key(1);
  const std::string_view keys[] = {key};
  StateBackend::Values values;
  EXPECT_EQ(cache.find_many(state, keys, values).id(), ErrorId::kStateBackend);
  cache.begin_cut();
  EXPECT_FALSE(cache.prepare_cut().ok());
}

TEST(EntryCache, a_snapshot_fails_when_old_entries_could_not_be_written) {
  Random random(1);
  auto below = std::make_unique<LateBackend>(random);
  LateBackend& late = *below;
  EntryCache cache(std::move(below), {.bytes = [] { return 1 << 20; }, .chunk_bytes = 1024});
  const StoreId state = cache.open_state(state_of("counts")).value();
  for (uint64_t i = 0; i < 100; ++i) { cache.put(state, integer_key(i), "value"); }
  late.failure = unavailable(ErrorId::kStateBackend, "the disk is full");
  bool woken = false;
  cache.begin_own_snapshot({1, 0}, [&] { woken = true; });
  EXPECT_TRUE(woken);
  SegmentWriter writer({"uid", 0, 1, 16});
  const Result<bool> done = cache.write_own_snapshot(writer);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.status().id(), ErrorId::kStateBackend);
}

// All that was there at the barrier is written below before it is changed, and nobody comes to
// write the rest of it meanwhile.
TEST(EntryCache, what_is_changed_again_before_a_cut_is_not_gathered_without_end) {
  Random random(1);
  auto below = std::make_unique<LateBackend>(random);
  const LateBackend& late = *below;
  EntryCache cache(std::move(below), {.bytes = [] { return 1 << 20; }, .chunk_bytes = 1024});
  const StoreId state = cache.open_state(state_of("counts")).value();
  for (uint64_t i = 0; i < 5000; ++i) { cache.put(state, integer_key(i), "value 1"); }
  cache.begin_cut();
  uint64_t gathered = 0;
  for (uint64_t i = 0; i < 5000; ++i) {
    cache.put(state, integer_key(i), "value 2");
    gathered = std::max(gathered, late.uncommitted_bytes());
  }
  EXPECT_GT(cache.figures().written, 4500U);
  EXPECT_LE(gathered, 4 * late.write_batch_bytes());
}

TEST(EntryCache, maps_are_not_kept_here) {
  Random random(1);
  auto below = std::make_unique<LateBackend>(random);
  EntryCache cache(std::move(below), {.bytes = [] { return 8192; }, .chunk_bytes = 1024});
  const StoreId map = cache.open_state(state_of("map", true)).value();
  EXPECT_FALSE(cache.takes_writes_while_cutting());
  std::string key;
  make_store_prefix(key, 1, "key");
  cache.put(map, key + "a", "1");
  cache.put(map, key + "b", "2");
  EXPECT_GT(cache.uncommitted_bytes(), 0U);
  ASSERT_TRUE(cache.commit().ok());
  EXPECT_EQ(cache.uncommitted_bytes(), 0U);
  EXPECT_EQ(entries(*cache.scan(map)).size(), 2U);
}

}  // namespace
}  // namespace tidewheel
