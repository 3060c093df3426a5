#include "tidewheel/state/keyed_rows.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/state/cells.h"

namespace tidewheel {
namespace {

constexpr int32_t kMaxParallelism = 32;
constexpr KeyGroupRange kAllGroups{0, kMaxParallelism - 1};
const SnapshotPlace kPlace{"op", 0, 1, kMaxParallelism};

class TestClock final : public Clock {
 public:
  int64_t now_ns() const override { return 0; }
  int64_t wall_ms() const override { return 1'000'000; }
};

// Counts keys in batches of all sizes, beside a map that does the same.
class CountRun {
 public:
  using Model = std::map<int64_t, int64_t>;
  using Cell = ValueCell<int64_t>;

  explicit CountRun(uint64_t seed)
      : random_(seed), store_(kAllGroups, kMaxParallelism, nullptr, clock_) {
    cell_ = declare(store_);
    store_.keep_changes();
  }
  void batch(uint64_t keys) {
    std::vector<int64_t> batch(random_.below(random_.chance(0.5) ? 40 : 500));
    for (int64_t& key : batch) { key = static_cast<int64_t>(random_.below(keys)); }
    std::vector<std::byte*> rows(batch.size());
    KeyedBatch<int64_t, std::span<const int64_t>> chosen(store_, batch);
    chosen.ensure_rows(rows.data(), [&](size_t i) { return batch[i] % 7 != 0; });
    for (size_t i = 0; i < batch.size(); ++i) {
      if (batch[i] % 7 == 0) {
        EXPECT_EQ(rows[i], nullptr);
        continue;
      }
      ASSERT_NE(rows[i], nullptr);
      EXPECT_EQ(++cell_->open(rows[i]).value, ++model_[batch[i]]);
    }
  }
  // Keys that are there, each once.
  void erase() {
    std::vector<int64_t> keys;
    for (const auto& [key, count] : model_) {
      if (random_.chance(0.2)) { keys.push_back(key); }
    }
    std::vector<std::byte*> rows(keys.size());
    {
      KeyedBatch<int64_t, std::span<const int64_t>> chosen(store_, keys);
      chosen.ensure_rows(rows.data(), [](size_t) { return true; });
    }
    KeyedBatch<int64_t, std::span<const int64_t>> gone(store_, keys);
    gone.erase_rows(rows.data(), [&](std::byte* row) { store_.clear_cell(row, *cell_); });
    for (const int64_t key : keys) { model_.erase(key); }
  }
  // With batches between the pieces that are written.
  void snapshot(uint64_t keys) {
    const Model expected = model_;
    ++checkpoint_;
    store_.begin_snapshot({checkpoint_, checkpoint_ - 1});
    SegmentWriter writer(kPlace);
    do {
      batch(keys);
      if (random_.chance(0.3)) { erase(); }
      writer.grant(1 + random_.below(400));
    } while (!store_.write(writer));
    for (const SnapshotSegmentRef& segment : writer.finish()) {
      if (segment->content == StateContent::kAll) { layers_.clear(); }
      layers_.push_back(segment);
    }
    EXPECT_EQ(read(), expected) << "snapshot " << checkpoint_;
  }
  size_t key_count() const { return store_.key_count(); }
  size_t model_size() const { return model_.size(); }

 private:
  static Cell* declare(KeyedStore<int64_t>& store) {
    auto cell = store.declare<Cell>("count", {});
    EXPECT_TRUE(cell.ok());
    return cell.value();
  }
  Model read() {
    KeyedStore<int64_t> restored(kAllGroups, kMaxParallelism, nullptr, clock_);
    Cell* const cell = declare(restored);
    const auto reader = SegmentReader::open(kPlace, layers_);
    EXPECT_TRUE(reader.ok() && restored.read(**reader).ok());
    Model found;
    restored.for_each_key(
        [&](int64_t key) { found[key] = cell->find(restored.current_row())->value; });
    return found;
  }

  Random random_;
  TestClock clock_;
  KeyedStore<int64_t> store_;
  Cell* cell_ = nullptr;
  Model model_;
  int64_t checkpoint_ = 0;
  std::vector<SnapshotSegmentRef> layers_;
};

TEST(KeyedRows, of_many_keys_are_those_of_each) {
  CountRun run(1);
  for (int i = 0; i < 400; ++i) {
    run.batch(i % 2 == 0 ? 20'000 : 30);
    if (i % 50 == 7) { run.erase(); }
  }
  EXPECT_EQ(run.key_count(), run.model_size());
}

TEST(KeyedRows, are_in_snapshots_as_they_were_at_the_barrier) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    CountRun run(seed);
    for (int i = 0; i < 30 && !::testing::Test::HasFailure(); ++i) {
      run.batch(3000);
      run.snapshot(i % 2 == 0 ? 3000 : 50);
    }
  }
}

}  // namespace
}  // namespace tidewheel
