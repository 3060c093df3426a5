#include "tidewheel/operators/keyed_fold.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/testing/operator_harness.h"

namespace tidewheel {
namespace {

using testing::HarnessOptions;
using testing::HarnessSnapshot;
using testing::OperatorHarness;
using testing::TimedRow;

struct Sale {
  int64_t item = 0;
  int64_t price = 0;
};
struct Add {
  void operator()(int64_t& sum, const Sale& sale) const { sum += sale.price; }
};
using Fold = RunningFold<Sale, int64_t, int64_t, Add>;
using Sum = std::pair<int64_t, int64_t>;

std::unique_ptr<Operator> make_sums() {
  using Op = KeyedFoldOperator<Sale, int64_t, int64_t Sale::*, int64_t, Sum, Fold>;
  return std::make_unique<Op>(&Sale::item, Fold{0, Add{}}, nullptr);
}
HarnessOptions options(bool incremental, int32_t subtask = 0, int32_t parallelism = 1) {
  HarnessOptions made{.subtask_index = subtask, .parallelism = parallelism};
  const Status set =
      made.config.set("execution.checkpointing.incremental", incremental ? "true" : "false");
  EXPECT_TRUE(set.ok()) << set.to_string();
  return made;
}

// What the operator has of each key, as it says when it is given a row of nothing.
std::map<int64_t, int64_t> sums_of(const HarnessSnapshot& snapshot, int64_t keys) {
  std::map<int64_t, int64_t> sums;
  for (int32_t subtask = 0; subtask < 3; ++subtask) {
    OperatorHarness harness(make_sums(), options(false, subtask, 3));
    const Status opened = harness.open_restored(snapshot);
    EXPECT_TRUE(opened.ok()) << opened.to_string();
    for (int64_t key = 0; key < keys; ++key) {
      const int32_t group = key_hash(key, 128).group;
      if (subtask_of(group, 3, 128) == subtask) { harness.push(Sale{key, 0}, 0); }
    }
    for (const auto& [key, sum] : harness.take<Sum>()) {
      if (sum != 0) { sums[key] = sum; }
    }
  }
  return sums;
}

TEST(KeyedFold, snapshots_have_the_sums_of_the_barrier_and_changes_add_up) {
  constexpr int64_t kKeys = 500;
  for (const bool incremental : {false, true}) {
    Random random(5);
    OperatorHarness harness(make_sums(), options(incremental));
    std::map<int64_t, int64_t> sums;
    const auto push_some = [&](int count) {
      std::vector<TimedRow<Sale>> rows;
      for (int i = 0; i < count; ++i) {
        const auto key = static_cast<int64_t>(random.below(random.below(2) == 0 ? kKeys : 20));
        const auto price = static_cast<int64_t>(1 + random.below(100));
        sums[key] += price;
        rows.push_back({{key, price}, 0});
      }
      harness.push_rows(rows);
      static_cast<void>(harness.take<Sum>());
    };
    HarnessSnapshot layers;
    int of_changes = 0;
    for (int64_t checkpoint = 1; checkpoint < 40; ++checkpoint) {
      push_some(static_cast<int>(random.below(100)));
      const auto expected = sums;
      const HarnessSnapshot taken = harness.snapshot_in_steps(
          1 + random.below(400), [&] { push_some(static_cast<int>(random.below(5))); },
          {checkpoint, checkpoint - 1});
      ASSERT_EQ(taken.size(), 1U);
      if (taken[0]->content == StateContent::kAll) {
        layers.clear();
      } else {
        ++of_changes;
      }
      layers.push_back(taken[0]);
      ASSERT_EQ(sums_of(layers, kKeys), expected) << "checkpoint " << checkpoint;
    }
    EXPECT_EQ(of_changes, incremental ? 38 : 0);
  }
}

TEST(KeyedFold, a_key_of_another_group_is_refused) {
  OperatorHarness harness(make_sums());
  for (int64_t key = 0; key < 10; ++key) { harness.push(Sale{key, 1}, 0); }
  HarnessSnapshot snapshot = harness.snapshot();
  SegmentWriter writer({"uid-under-test", 0, 1, 128});
  auto reader = SegmentReader::open({"uid-under-test", 0, 1, 128}, snapshot);
  ASSERT_TRUE(reader.ok());
  auto entries = (*reader)->read("fold");
  ASSERT_TRUE(entries.ok());
  writer.begin_state(*(*reader)->find("fold"));
  StateEntry entry;
  ASSERT_TRUE((*entries)->next(entry).value());
  entry.group = (entry.group + 1) % 128;
  writer.add(entry);
  OperatorHarness restored(make_sums());
  EXPECT_EQ(restored.open_restored(writer.finish()).id(), ErrorId::kSnapshotFormat);
}

}  // namespace
}  // namespace tidewheel
