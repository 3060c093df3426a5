// For the tests of windows and joins: one subtask of an operator by hand, with outputs that refuse
// at random, and snapshots that are restored at any parallelism.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/random.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/dataflow/operator_failure.h"
#include "tidewheel/state/map_backend.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel::window_testing {

template <class T>
struct Timed {
  T row{};
  int64_t time = 0;
  friend bool operator==(const Timed&, const Timed&) = default;
};

class ManualClock final : public Clock {
 public:
  int64_t now_ns() const override { return wall * 1'000'000; }
  int64_t wall_ms() const override { return wall; }
  int64_t wall = 0;
};

class Context final : public OperatorContext {
 public:
  Context(int32_t subtask, int32_t parallelism, uint32_t batch_rows, int64_t memory_limit,
          bool incremental = false)
      : memory_("test", memory_limit),
        subtask_(subtask),
        parallelism_(parallelism),
        batch_rows_(batch_rows) {
    config_.set(options::kIncrementalCheckpoints, incremental);
  }
  const std::string& name() const override { return name_; }
  const std::string& uid() const override { return name_; }
  int32_t subtask_index() const override { return subtask_; }
  int32_t parallelism() const override { return parallelism_; }
  int32_t max_parallelism() const override { return 128; }
  KeyGroupRange key_groups() const override { return key_groups_of(subtask_, parallelism_, 128); }
  uint32_t batch_rows() const override { return batch_rows_; }
  Clock& clock() override { return clock_; }
  Random& random() override { return random_; }
  Executor& executor() override { std::abort(); }
  FileSystem& files() override { std::abort(); }
  Network& network() override { std::abort(); }
  MemoryPool& memory() override { return memory_; }
  MetricGroup& metrics() override { return metrics_; }
  const Config& config() const override { return config_; }
  Result<StateBackend*> state_backend() override {
    return made_backend_ != nullptr ? made_backend_.get() : backend_.get();
  }
  void wake_at_wall_ms(int64_t time_ms) override { wake_at_ = std::min(wake_at_, time_ms); }
  void wake() override {}
  void send_to_coordinator(std::string) override {}
  void post(std::function<void()>) override {}

  ManualClock clock_;
  int64_t wake_at_ = INT64_MAX;
  MemoryPool memory_;
  std::unique_ptr<MapBackend> backend_;         // null: state is in memory
  std::unique_ptr<StateBackend> made_backend_;  // goes before it

 private:
  std::string name_ = "window";
  int32_t subtask_;
  int32_t parallelism_;
  uint32_t batch_rows_;
  Random random_{7};
  MetricGroup metrics_{"test"};
  Config config_;
};

class Sink final : public ElementSink {
 public:
  Sink(Random& random, double refusal) : random_(&random), refusal_(refusal) {}
  bool offer(Element& element) override {
    if (refusal_ > 0 && random_->chance(refusal_)) { return false; }
    elements.push_back(std::move(element));
    return true;
  }
  std::vector<Element> elements;

 private:
  Random* random_;
  double refusal_;
};

// What harnesses have that say nothing of backends.
inline int64_t& default_backend_cache_bytes() {
  static int64_t bytes = 0;
  return bytes;
}
// Runs tests with state in memory (0), and in backends behind small caches and large ones.
class OnEachBackend : public ::testing::TestWithParam<int64_t> {
 protected:
  OnEachBackend() { default_backend_cache_bytes() = GetParam(); }
  ~OnEachBackend() override { default_backend_cache_bytes() = 0; }
};
inline auto each_backend() { return ::testing::Values(0, 1, 1 << 20); }

struct Options {
  int32_t subtask = 0;
  int32_t parallelism = 1;
  uint32_t batch_rows = 4;
  double refusal = 0;
  int64_t memory_limit = MemoryPool::kUnlimited;
  bool incremental = false;
  // Above 0: state is in a backend, with a cache of so many bytes in front of it.
  int64_t backend_cache_bytes = default_backend_cache_bytes();
  // Or in one of these; and where snapshots put the files that it gives.
  StateBackends* backends = nullptr;
  std::string files_folder = {};
};

// Writes segments in memory, and takes a backend's files into a folder unless that is "".
class SnapshotFiles final : public SnapshotWriter {
 public:
  SnapshotFiles(SnapshotPlace place, std::string folder)
      : segments_(std::move(place)), folder_(std::move(folder)) {}
  void grant(uint64_t bytes) { segments_.grant(bytes); }
  bool ready() const override { return segments_.ready(); }
  void begin_state(const StateMeta& meta) override {
    state_ = meta.name;
    segments_.begin_state(meta);
  }
  void begin_changes(const StateMeta& meta) override { segments_.begin_changes(meta); }
  void whole_group(int32_t group) override { segments_.whole_group(group); }
  void erase(int32_t group, std::string_view key, std::string_view name_space) override {
    segments_.erase(group, key, name_space);
  }
  void add(const StateEntry& entry) override { segments_.add(entry); }
  bool takes_files() const override { return !folder_.empty(); }
  std::string new_file(std::string_view suffix) override {
    static int made = 0;
    return folder_ + "/" + std::to_string(++made) + std::string(suffix);
  }
  void add_file(SnapshotFile file) override { files_[state_].push_back(std::move(file)); }

  size_t file_count() const {
    size_t count = 0;
    for (const auto& [state, files] : files_) { count += files.size(); }
    return count;
  }
  std::vector<SnapshotSegmentRef> finish() {
    std::vector<SnapshotSegmentRef> finished = segments_.finish();
    for (SnapshotSegmentRef& segment : finished) {
      const auto found = files_.find(segment->meta.name);
      if (found == files_.end()) { continue; }
      auto with_files = std::make_shared<SnapshotSegment>(*segment);
      with_files->files = found->second;
      segment = std::move(with_files);
    }
    return finished;
  }

 private:
  SegmentWriter segments_;
  const std::string folder_;
  std::string state_;  // the one at work
  std::map<std::string, std::vector<SnapshotFile>> files_;
};

class Harness {
 public:
  explicit Harness(std::unique_ptr<Operator> op, Options options = {},
                   const MemorySnapshot* from = nullptr)
      : context(options.subtask, options.parallelism, options.batch_rows, options.memory_limit,
                options.incremental),
        op_(std::move(op)),
        options_(options),
        random_(99) {
    for (OutputPort* port : op_->outputs()) {
      sinks_.push_back(std::make_unique<Sink>(random_, options.refusal));
      port->connect(*sinks_.back());
    }
    if (options.backends != nullptr) {
      auto made = options.backends->make(
          {"op", "window", options.subtask, context.key_groups(), 128}, &context.metrics());
      EXPECT_TRUE(made.ok()) << made.status().to_string();
      context.made_backend_ = std::move(*made);
    } else if (options.backend_cache_bytes > 0) {
      context.backend_ = std::make_unique<MapBackend>(
          context.key_groups(), MapBackendOptions{.cache_bytes = options.backend_cache_bytes});
    }
    std::unique_ptr<SnapshotReader> reader;
    if (from != nullptr) {
      auto made = from->reader({"op", options.subtask, options.parallelism, 128});
      EXPECT_TRUE(made.ok()) << made.status().to_string();
      reader = std::move(*made);
      restored = op_->restore(*reader);
    }
    opened = op_->open(context);
    EXPECT_TRUE(restored.ok()) << restored.to_string();
  }
  ~Harness() { op_->close(true); }

  template <class T>
  void push(std::vector<Timed<T>> rows, int32_t input = 0) {
    auto pool = BatchPool::create_for<T>(static_cast<uint32_t>(rows.size() + 1), nullptr);
    auto* batch = static_cast<RowBatch<T>*>(pool->acquire());
    for (Timed<T>& row : rows) {
      T& slot = batch->append(std::move(row.row), row.time);
      relocate_texts_into(slot, batch->arena());
    }
    Element element = Element::rows(BatchRef(batch));
    batch->release();
    uint32_t cursor = 0;
    run([&] { return op_->on_rows(input, element, cursor); });
    EXPECT_EQ(cursor, element.end);
  }
  template <class T>
  void push(T row, int64_t time, int32_t input = 0) {
    push<T>(std::vector<Timed<T>>{{std::move(row), time}}, input);
  }
  void watermark(int64_t time) {
    run([&] { return op_->on_watermark(time); });
  }
  void advance_clock(int64_t wall) {
    while (context.wake_at_ < wall) {
      const int64_t at = std::max(context.wake_at_ + 1, context.clock_.wall);
      context.clock_.wall = at;
      context.wake_at_ = INT64_MAX;
      run([&] { return op_->on_processing_time(at - 1); });
    }
    context.clock_.wall = wall;
  }
  void end_of_input(int32_t inputs = 1) {
    watermark(kMaxWatermark);
    for (int32_t i = 0; i < inputs; ++i) {
      run([&] { return op_->on_end_of_input(i); });
    }
  }
  // Rows that have come out since the last call. Their batches live as long as the harness.
  template <class T>
  std::vector<Timed<T>> take(size_t port = 0) {
    while (op_->outputs()[port]->flush() == Progress::kBlocked) {}
    std::vector<Timed<T>> out;
    for (Element& element : sinks_[port]->elements) {
      if (element.kind != Element::Kind::kBatch) { continue; }
      const auto& batch = RowBatch<T>::of(*element.batch);
      for (uint32_t i = element.begin; i < element.end; ++i) {
        out.push_back({batch.row(i), batch.timestamps()[i]});
      }
      kept_.push_back(element.batch);
    }
    sinks_[port]->elements.clear();
    return out;
  }
  int64_t late_dropped() { return context.metrics().counter("numLateRecordsDropped").value(); }
  // `between` is called between any two steps of the snapshot, and may push rows and so on, which
  // must not get into it.
  void snapshot_into(MemorySnapshot& snapshot, const std::function<void()>& between = {}) {
    EXPECT_TRUE(op_->snapshots_in_background());
    begin_snapshot({});
    // Little at a time, so that it has to resume.
    for (;;) {
      if (between) { between(); }
      if (write_snapshot()) { break; }
    }
    snapshot.add(take_snapshot());
  }

  // The same in parts: a barrier, then `write_snapshot` until it answers true, or abort_snapshot.
  void begin_snapshot(const SnapshotStart& start) {
    writer_ = std::make_unique<SnapshotFiles>(
        SnapshotPlace{"op", options_.subtask, options_.parallelism, 128}, options_.files_folder);
    op_->begin_snapshot(start);
    is_written_ = false;
  }
  bool write_snapshot() {
    if (is_written_) { return true; }
    writer_->grant(1 + random_.below(150));
    is_written_ = op_->snapshot(*writer_) == Progress::kDone;
    return is_written_;
  }
  size_t snapshot_files() const { return writer_->file_count(); }
  std::vector<SnapshotSegmentRef> take_snapshot() { return std::exchange(writer_, {})->finish(); }
  void abort_snapshot() {
    op_->abort_snapshot();
    writer_.reset();
  }

  Context context;
  Status opened;
  Status restored;

 private:
  template <class Call>
  void run(Call call) {
    for (int i = 0; call() == Progress::kBlocked; ++i) {
      ASSERT_LT(i, 1'000'000) << "the operator does not go on";
      // As a task does: what waits for a snapshot goes on when that does.
      if (writer_ != nullptr && op_->waits_until_ns().has_value()) { write_snapshot(); }
      for (OutputPort* port : op_->outputs()) { static_cast<void>(port->retry()); }
    }
  }

  std::unique_ptr<Operator> op_;
  Options options_;
  Random random_;
  std::vector<std::unique_ptr<Sink>> sinks_;
  std::vector<BatchRef> kept_;
  std::unique_ptr<SnapshotFiles> writer_;
  bool is_written_ = false;
};

}  // namespace tidewheel::window_testing
