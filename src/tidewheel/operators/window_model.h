// For the tests of windows: the rules of event-time windows in the plainest form, on sums, and random input
// to compare the operators with it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "tidewheel/operators/window_fold.h"
#include "tidewheel/operators/window_testing.h"

namespace tidewheel::window_testing {

struct Reading {
  int64_t key = 0;
  int64_t value = 0;
  friend bool operator==(const Reading&, const Reading&) = default;
};
using Result = WindowValue<int64_t, int64_t>;
using Results = std::vector<Timed<Result>>;

inline Timed<Result> result(int64_t key, int64_t start, int64_t end, int64_t value) {
  const TimeWindow window{Timestamp(start), Timestamp(end)};
  return {{key, window, value}, window.max_timestamp()};
}
inline Results sorted(Results rows) {
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.time, a.row.window.start, a.row.key, a.row.value) <
           std::tuple(b.time, b.row.window.start, b.row.key, b.row.value);
  });
  return rows;
}

// Keeps the sum of each key and window in a map.
template <class Assigner>
class Model {
 public:
  Model(Assigner assigner, int64_t lateness) : assigner_(assigner), lateness_(lateness) {}

  void row(const Reading& row, int64_t time) {
    bool skipped = true;
    assigner_.assign(row, time, [&](TimeWindow window) {
      int64_t sum = row.value;
      if (Assigner::kMerging) { merge(row.key, window, sum); }
      if (is_over(window)) { return; }
      skipped = false;
      const auto id = std::pair(row.key, window);
      if (Assigner::kMerging) {
        sums_[id] = sum;
      } else {
        sums_[id] += sum;
      }
      if (window.max_timestamp() <= watermark_) { emit(id); }
    });
    if (skipped && saturating_add(time, lateness_) <= watermark_) { late.push_back({row, time}); }
  }
  void watermark(int64_t time) {
    const int64_t before = watermark_;
    watermark_ = time;
    for (const auto& [id, sum] : sums_) {
      if (id.second.max_timestamp() > before && id.second.max_timestamp() <= time) { emit(id); }
    }
    std::erase_if(sums_, [&](const auto& entry) { return is_over(entry.first.second); });
  }

  Results results;
  std::vector<Timed<Reading>> late;

 private:
  void merge(int64_t key, TimeWindow& window, int64_t& sum) {
    for (auto it = sums_.begin(); it != sums_.end();) {
      if (it->first.first == key && it->first.second.touches(window)) {
        window = window.cover(it->first.second);
        sum += it->second;
        it = sums_.erase(it);
      } else {
        ++it;
      }
    }
  }
  bool is_over(const TimeWindow& window) const {
    return saturating_add(window.max_timestamp(), lateness_) <= watermark_;
  }
  void emit(const std::pair<int64_t, TimeWindow>& id) {
    results.push_back({{id.first, id.second, sums_[id]}, id.second.max_timestamp()});
  }

  Assigner assigner_;
  int64_t lateness_;
  int64_t watermark_ = kMinWatermark;
  std::map<std::pair<int64_t, TimeWindow>, int64_t> sums_;
};

// How a random comparison is made.
struct ModelRun {
  uint64_t seed = 1;
  int64_t lateness = 0;
  int64_t disorder = 20;       // how far a row may lie behind the newest one
  int64_t step = 3;            // how far time goes on from row to row, at most
  uint32_t rows_per_batch = 1;
  uint32_t keys = 5;
  double refusal = 0;
  bool restore = false;        // snapshot in the middle, and go on with two subtasks
  int64_t start = -500;
};

// Gives both the same rows and watermarks; `make(settings)` makes the operator. After each watermark
// both must have given the same results and the same late rows.
template <class Assigner, class Make>
void compare_with_model(const Assigner& assigner, const ModelRun& run, Make make) {
  const OutputTag<Reading> late_tag("late");
  NodeLinks* raw_links = nullptr;
  auto links = std::make_shared<NodeLinks>();
  raw_links = links.get();
  ASSERT_TRUE(raw_links->listen_to(late_tag).ok());
  const auto settings = [&] {
    WindowSettings<Reading> out;
    out.allowed_lateness_ms = run.lateness;
    out.late = late_tag;
    return out;
  };
  const auto options = [&](int32_t subtask, int32_t parallelism) {
    return Options{subtask, parallelism, 4, run.refusal};
  };
  Model<Assigner> model(assigner, run.lateness);
  std::vector<std::unique_ptr<Harness>> subtasks;
  subtasks.push_back(std::make_unique<Harness>(make(settings(), links), options(0, 1)));
  ASSERT_TRUE(subtasks[0]->opened.ok());
  Random random(run.seed);
  int64_t newest = run.start;
  int64_t watermark = kMinWatermark;
  for (int round = 0; round < 60; ++round) {
    if (run.restore && round == 30) {
      MemorySnapshot snapshot;
      subtasks[0]->snapshot_into(snapshot);
      subtasks.clear();
      for (int32_t i = 0; i < 2; ++i) {
        subtasks.push_back(
            std::make_unique<Harness>(make(settings(), links), options(i, 2), &snapshot));
        ASSERT_TRUE(subtasks.back()->opened.ok()) << subtasks.back()->opened.to_string();
      }
    }
    std::vector<std::vector<Timed<Reading>>> batches(subtasks.size());
    for (uint32_t i = 0; i < run.rows_per_batch; ++i) {
      newest += static_cast<int64_t>(random.below(static_cast<uint64_t>(run.step + 1)));
      const int64_t time =
          newest - static_cast<int64_t>(random.below(static_cast<uint64_t>(run.disorder + 1)));
      const Reading row{static_cast<int64_t>(random.below(run.keys)) * 1000003,
                        static_cast<int64_t>(random.below(100))};
      model.row(row, time);
      const auto subtask = static_cast<size_t>(
          subtask_of(key_hash(row.key, 128).group, static_cast<int32_t>(subtasks.size()), 128));
      batches[subtask].push_back({row, time});
    }
    for (size_t i = 0; i < subtasks.size(); ++i) { subtasks[i]->push(batches[i]); }
    if (random.below(3) == 0 || round == 59) {
      watermark = round == 59 ? kMaxWatermark
                              : std::max(watermark, newest - static_cast<int64_t>(random.below(
                                                                 static_cast<uint64_t>(run.disorder + 1))));
      model.watermark(watermark);
      for (auto& subtask : subtasks) { subtask->watermark(watermark); }
    }
    Results results;
    std::vector<Timed<Reading>> late;
    for (auto& subtask : subtasks) {
      for (auto& row : subtask->template take<Result>(0)) { results.push_back(row); }
      for (auto& row : subtask->template take<Reading>(1)) { late.push_back(row); }
    }
    ASSERT_EQ(sorted(results), sorted(model.results)) << "seed " << run.seed << ", round " << round;
    const auto order = [](const auto& a, const auto& b) {
      return std::tuple(a.time, a.row.key, a.row.value) < std::tuple(b.time, b.row.key, b.row.value);
    };
    std::sort(late.begin(), late.end(), order);
    std::sort(model.late.begin(), model.late.end(), order);
    ASSERT_EQ(late, model.late) << "seed " << run.seed << ", round " << round;
    model.results.clear();
    model.late.clear();
  }
}

// Many shapes of input.
template <class Assigner, class Make>
void compare_many(const Assigner& assigner, Make make) {
  uint64_t seed = 1;
  for (const int64_t lateness : {0, 7, 40}) {
    for (const uint32_t rows : {1U, 7U, 200U}) {
      for (const bool restore : {false, true}) {
        for (const int64_t disorder : {0, 5, 60}) {
          compare_with_model(assigner,
                             {.seed = seed++,
                              .lateness = lateness,
                              .disorder = disorder,
                              .rows_per_batch = rows,
                              .refusal = seed % 2 == 0 ? 0.3 : 0.0,
                              .restore = restore},
                             make);
          if (::testing::Test::HasFatalFailure()) { return; }
        }
      }
    }
  }
}

}  // namespace tidewheel::window_testing
