// For the tests of windows: the rules of event-time windows in the plainest form, on sums, and
// random input to compare the operators with it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "tidewheel/operators/node_links.h"
#include "tidewheel/operators/output_tag.h"
#include "tidewheel/operators/window_fold.h"
#include "tidewheel/operators/window_operator.h"
#include "tidewheel/operators/window_testing.h"
#include "tidewheel/state/key_hash.h"

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

// Any assigner, behind one type: comparisons are compiled once.
struct AnyAssigner {
  using Each = std::function<void(const TimeWindow&)>;
  template <class Assigner>
  explicit AnyAssigner(const Assigner& assigner)
      : merging(Assigner::kMerging),
        assign([assigner](const Reading& row, int64_t time, const Each& each) {
          assigner.assign(row, time, each);
        }) {}
  bool merging;
  std::function<void(const Reading&, int64_t, const Each&)> assign;
};

// Keeps the sum of each key and window in a map.
class Model {
 public:
  Model(AnyAssigner assigner, int64_t lateness)
      : assigner_(std::move(assigner)), lateness_(lateness) {}

  void row(const Reading& row, int64_t time) {
    bool skipped = true;
    assigner_.assign(row, time, [&](TimeWindow window) {
      int64_t sum = row.value;
      if (assigner_.merging) { merge(row.key, window, sum); }
      if (is_over(window)) { return; }
      skipped = false;
      const auto id = std::pair(row.key, window);
      if (assigner_.merging) {
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

  const AnyAssigner assigner_;
  const int64_t lateness_;
  int64_t watermark_ = kMinWatermark;
  std::map<std::pair<int64_t, TimeWindow>, int64_t> sums_;
};

// How a random comparison is made.
struct ModelRun {
  uint64_t seed = 1;
  int64_t lateness = 0;
  int64_t disorder = 20;  // how far a row may lie behind the newest one
  int64_t step = 3;       // how far time goes on from row to row, at most
  uint32_t rows_per_batch = 1;
  uint32_t keys = 5;
  double refusal = 0;
  bool restore = false;      // snapshot in the middle, and go on with two subtasks
  bool checkpoints = false;  // incremental ones all the time, and failures that go back to them
  int rounds = 60;
  // Of each start in turn: 0 is in memory, others are caches in front of a backend.
  std::vector<int64_t> backends = {0};
};

// Gives the model and the operator the same rows and watermarks, and looks after each of them
// whether both have given the same results and the same late rows. `make(settings, links)` makes
// the operator.
class Comparison {
 public:
  using Make = std::function<std::unique_ptr<Operator>(WindowSettings<Reading>,
                                                       std::shared_ptr<const NodeLinks>)>;
  Comparison(AnyAssigner assigner, const ModelRun& run, Make make)
      : run_(run),
        make_(std::move(make)),
        model_(std::make_unique<Model>(std::move(assigner), run.lateness)),
        random_(run.seed) {}

  void play() {
    ASSERT_TRUE(links_->listen_to(late_tag_).ok());
    start(1, nullptr);
    for (int round = 0; round < run_.rounds && !::testing::Test::HasFatalFailure(); ++round) {
      if (run_.restore && round == run_.rounds / 2) { restore(); }
      if (run_.checkpoints) { checkpoint(); }
      push_rows();
      if (round == run_.rounds - 1) {
        advance(kMaxWatermark);
      } else if (random_.below(3) == 0) {
        advance(std::max(watermark_, newest_ - up_to(run_.disorder)));
      }
      compare(round);
    }
  }

  // How many segments had changes only.
  int changes() const { return changes_; }

 private:
  // What a checkpoint has, and where the run was at its barrier.
  struct Checkpoint {
    int64_t id = 0;
    std::vector<SnapshotSegmentRef> layers;
    std::unique_ptr<Model> model;
    int64_t newest = 0;
    int64_t watermark = 0;
  };

  int64_t up_to(int64_t most) {
    return static_cast<int64_t>(random_.below(static_cast<uint64_t>(most + 1)));
  }
  void start(int32_t parallelism, const MemorySnapshot* snapshot) {
    subtasks_.clear();
    const int64_t cache_bytes = run_.backends[starts_++ % run_.backends.size()];
    for (int32_t i = 0; i < parallelism; ++i) {
      WindowSettings<Reading> settings;
      settings.allowed_lateness_ms = run_.lateness;
      settings.late = late_tag_;
      const Options options{.subtask = i,
                            .parallelism = parallelism,
                            .batch_rows = 4,
                            .refusal = run_.refusal,
                            .incremental = run_.checkpoints,
                            .backend_cache_bytes = cache_bytes};
      subtasks_.push_back(std::make_unique<Harness>(make_(settings, links_), options, snapshot));
      ASSERT_TRUE(subtasks_.back()->opened.ok()) << subtasks_.back()->opened.to_string();
    }
  }
  void restore() {
    // Whatever comes after the barrier is none of the snapshot's business.
    int64_t watermark = watermark_;
    MemorySnapshot snapshot;
    subtasks_[0]->snapshot_into(snapshot, [&] {
      std::vector<Timed<Reading>> rows;
      for (uint64_t i = random_.below(4); i > 0; --i) {
        const int64_t key = static_cast<int64_t>(random_.below(run_.keys + 2)) * 1000003;
        rows.push_back({{key, up_to(99)}, newest_ - up_to(run_.disorder) + up_to(50)});
      }
      subtasks_[0]->push(rows);
      if (random_.below(4) == 0) {
        watermark = std::max(watermark, newest_ - 20) + up_to(30);
        subtasks_[0]->watermark(watermark);
      }
    });
    start(2, &snapshot);
  }
  // Begins one, or goes on with it; it may be given up; and after it has completed all may fail.
  void checkpoint() {
    const uint64_t what = random_.below(16);
    if (writing_ == nullptr && what < 8) {
      writing_ = std::make_unique<Checkpoint>();
      writing_->id = ++checkpoint_;
      writing_->model = std::make_unique<Model>(*model_);
      writing_->newest = newest_;
      writing_->watermark = watermark_;
      // Sometimes everything is asked for, as for a savepoint.
      const int64_t base = complete_ == nullptr || what == 0 ? 0 : complete_->id;
      for (auto& subtask : subtasks_) { subtask->begin_snapshot({checkpoint_, base}); }
      is_written_.assign(subtasks_.size(), false);
    } else if (writing_ != nullptr && what == 0) {
      for (auto& subtask : subtasks_) { subtask->abort_snapshot(); }
      writing_.reset();
    } else if (writing_ != nullptr) {
      write_some();
    } else if (complete_ != nullptr && what == 15) {
      fail();
    }
  }
  void write_some() {
    bool all = true;
    for (size_t i = 0; i < subtasks_.size(); ++i) {
      for (int steps = 0; steps < 20 && !is_written_[i]; ++steps) {
        is_written_[i] = subtasks_[i]->write_snapshot();
      }
      all = all && is_written_[i];
    }
    if (!all) { return; }
    if (complete_ != nullptr) { writing_->layers = complete_->layers; }
    for (auto& subtask : subtasks_) {
      for (const SnapshotSegmentRef& segment : subtask->take_snapshot()) { add_layer(segment); }
    }
    complete_ = std::move(writing_);
  }
  void add_layer(const SnapshotSegmentRef& segment) {
    if (segment->content == StateContent::kAll) {
      std::erase_if(writing_->layers, [&](const SnapshotSegmentRef& old) {
        return old->meta.name == segment->meta.name && old->subtask == segment->subtask;
      });
    } else {
      ++changes_;
    }
    writing_->layers.push_back(segment);
  }
  void fail() {
    MemorySnapshot snapshot;
    snapshot.add(complete_->layers);
    model_ = std::make_unique<Model>(*complete_->model);
    newest_ = complete_->newest;
    watermark_ = complete_->watermark;
    start(1 + static_cast<int32_t>(random_.below(3)), &snapshot);
    complete_.reset();
  }
  void push_rows() {
    std::vector<std::vector<Timed<Reading>>> batches(subtasks_.size());
    const auto parallelism = static_cast<int32_t>(subtasks_.size());
    for (uint32_t i = 0; i < run_.rows_per_batch; ++i) {
      newest_ += up_to(run_.step);
      const int64_t time = newest_ - up_to(run_.disorder);
      const Reading row{static_cast<int64_t>(random_.below(run_.keys)) * 1000003, up_to(99)};
      model_->row(row, time);
      const int32_t group = key_hash(row.key, 128).group;
      batches[static_cast<size_t>(subtask_of(group, parallelism, 128))].push_back({row, time});
    }
    for (size_t i = 0; i < subtasks_.size(); ++i) { subtasks_[i]->push(batches[i]); }
  }
  void advance(int64_t watermark) {
    watermark_ = watermark;
    model_->watermark(watermark);
    for (auto& subtask : subtasks_) { subtask->watermark(watermark); }
  }
  void compare(int round) {
    Results results;
    std::vector<Timed<Reading>> late;
    for (auto& subtask : subtasks_) {
      for (auto& row : subtask->template take<Result>(0)) { results.push_back(row); }
      for (auto& row : subtask->template take<Reading>(1)) { late.push_back(row); }
    }
    ASSERT_EQ(sorted(results), sorted(model_->results))
        << "seed " << run_.seed << ", round " << round;
    const auto order = [](const auto& a, const auto& b) {
      return std::tuple(a.time, a.row.key, a.row.value) <
             std::tuple(b.time, b.row.key, b.row.value);
    };
    std::sort(late.begin(), late.end(), order);
    std::sort(model_->late.begin(), model_->late.end(), order);
    ASSERT_EQ(late, model_->late) << "seed " << run_.seed << ", round " << round;
    model_->results.clear();
    model_->late.clear();
  }

  const ModelRun run_;
  const Make make_;
  std::unique_ptr<Model> model_;
  Random random_;
  const OutputTag<Reading> late_tag_{"late"};
  std::shared_ptr<NodeLinks> links_ = std::make_shared<NodeLinks>();
  std::vector<std::unique_ptr<Harness>> subtasks_;
  int64_t newest_ = -500;
  int64_t watermark_ = kMinWatermark;
  size_t starts_ = 0;
  int64_t checkpoint_ = 0;
  std::unique_ptr<Checkpoint> writing_;
  std::vector<bool> is_written_;  // by subtask
  std::unique_ptr<Checkpoint> complete_;
  int changes_ = 0;  // segments of changes
};

// Incremental checkpoints all the time, and failures.
inline void compare_checkpoints(const AnyAssigner& assigner, const Comparison::Make& make,
                                const std::vector<int64_t>& backends = {0}) {
  int changes = 0;
  for (uint64_t seed = 1; seed <= (backends.size() > 1 ? 24 : 12); ++seed) {
    ModelRun run{.seed = seed,
                 .lateness = static_cast<int64_t>(seed % 3) * 15,
                 .disorder = static_cast<int64_t>(seed % 4) * 10,
                 .rows_per_batch = seed % 2 == 0 ? 3U : 40U,
                 .keys = seed % 5 == 0 ? 4U : 120U,
                 .checkpoints = true,
                 .rounds = 200,
                 .backends = backends};
    Comparison comparison(assigner, run, make);
    comparison.play();
    changes += comparison.changes();
    if (::testing::Test::HasFatalFailure()) { return; }
  }
  // State in a backend is written whole where the writer takes no files.
  if (backends.front() == 0) { EXPECT_GT(changes, 25); }
}

// Many shapes of input.
inline void compare_many(const AnyAssigner& assigner, const Comparison::Make& make,
                         const std::vector<int64_t>& backends = {0}) {
  uint64_t seed = 1;
  for (const int64_t lateness : {0, 7, 40}) {
    for (const uint32_t rows : {1U, 7U, 200U}) {
      for (const bool restore : {false, true}) {
        for (const int64_t disorder : {0, 5, 60}) {
          const ModelRun run{.seed = seed++,
                             .lateness = lateness,
                             .disorder = disorder,
                             .rows_per_batch = rows,
                             .refusal = seed % 2 == 0 ? 0.3 : 0.0,
                             .restore = restore,
                             .backends = backends};
          Comparison(assigner, run, make).play();
          if (::testing::Test::HasFatalFailure()) { return; }
        }
      }
    }
  }
}

}  // namespace tidewheel::window_testing
