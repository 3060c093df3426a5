// Checkpoints in tests, without files or a coordinator: a storage in memory, and a job whose slots
// the test turns by hand, in virtual time.
#pragma once
#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/checkpoint/plan.h"
#include "tidewheel/checkpoint/snapshot_storage.h"
#include "tidewheel/dataflow/chaining.h"
#include "tidewheel/dataflow/deployment.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel::dataflow_test {

// Keeps the segments of all checkpoints.
class MemoryStorage final : public SnapshotStorage {
 public:
  std::unique_ptr<TaskSnapshotWriter> write(const CheckpointPlan& plan, int32_t, int32_t) override {
    const std::lock_guard lock(mutex_);
    ++writers_made;
    return std::make_unique<Writer>(*this, plan.id);
  }
  // What the tasks have written for a checkpoint.
  std::shared_ptr<MemorySnapshot> snapshot(int64_t checkpoint) {
    auto snapshot = std::make_shared<MemorySnapshot>();
    const std::lock_guard lock(mutex_);
    snapshot->add(segments_[checkpoint]);
    return snapshot;
  }
  void clear() {
    segments_.clear();
    wakes_.clear();
    closed_for.clear();
    grant_max = UINT64_MAX;
    failure = {};
    abandoned = 0;
  }
  // Lets writers that wait go on.
  void open() {
    closed_for.clear();
    for (const auto& wake : std::exchange(wakes_, {})) { wake(); }
  }

  std::string closed_for;  // the uid of an operator whose task's writers have no room
  uint64_t grant_max = UINT64_MAX;
  Status failure;  // of everything that is finished
  int writers_made = 0;
  int abandoned = 0;

 private:
  class Writer final : public TaskSnapshotWriter {
   public:
    Writer(MemoryStorage& storage, int64_t checkpoint)
        : storage_(storage), checkpoint_(checkpoint) {}
    SnapshotWriter& writer(const SnapshotPlace& place) override {
      for (const auto& [known, made] : writers_) {
        if (known.operator_uid == place.operator_uid && known.subtask == place.subtask) {
          return *made;
        }
      }
      writers_.emplace_back(place, std::make_unique<SegmentWriter>(place));
      writers_.back().second->grant(0);
      return *writers_.back().second;
    }
    void grant(uint64_t bytes, std::function<void()> wake) override {
      const uint64_t given = !has_room() ? 0 : std::min(bytes, storage_.grant_max);
      for (const auto& entry : writers_) { entry.second->grant(given); }
      if (!has_room()) { storage_.wakes_.push_back(std::move(wake)); }
    }
    bool has_room() const override {
      return std::none_of(writers_.begin(), writers_.end(), [&](const auto& entry) {
        return entry.first.operator_uid == storage_.closed_for;
      });
    }
    void finish(Done done) override {
      if (!storage_.failure.ok()) {
        done(storage_.failure);
        return;
      }
      std::vector<std::vector<SegmentRef>> all;
      const std::lock_guard lock(storage_.mutex_);
      for (const auto& entry : writers_) {
        std::vector<SegmentRef>& refs = all.emplace_back();
        std::vector<SnapshotSegmentRef> segments = entry.second->finish();
        for (const SnapshotSegmentRef& segment : segments) {
          SegmentRef ref;
          ref.meta = segment->meta;
          ref.entries = segment->entries;
          ref.place.length = segment->size_bytes;
          refs.push_back(std::move(ref));
          storage_.segments_[checkpoint_].push_back(segment);
        }
      }
      done(std::move(all));
    }
    void abandon() override { ++storage_.abandoned; }

   private:
    MemoryStorage& storage_;
    const int64_t checkpoint_;
    std::vector<std::pair<SnapshotPlace, std::unique_ptr<SegmentWriter>>> writers_;
  };

  std::mutex mutex_;  // guards segments_ and writers_made
  std::map<int64_t, std::vector<SnapshotSegmentRef>> segments_;
  std::vector<std::function<void()>> wakes_;
};

// Time as the test sets it.
class ManualClock final : public Clock {
 public:
  int64_t now_ns() const override { return now_ns_; }
  int64_t wall_ms() const override { return 1'700'000'000'000 + now_ns_ / 1'000'000; }
  void advance_ns(int64_t by_ns) { now_ns_ += by_ns; }

 private:
  int64_t now_ns_ = 1'000'000'000;
};

// A world with a manual clock; all else is that of a real one.
class ManualWorld final : public World {
 public:
  Clock& clock() override { return manual_clock; }
  Executor& executor() override { return real_->executor(); }
  FileSystem& files() override { return real_->files(); }
  Network& network() override { return real_->network(); }
  Logger& logger() override { return real_->logger(); }
  Random fork_random() override { return real_->fork_random(); }
  std::optional<std::string> environment(const std::string&) override { return std::nullopt; }
  int64_t memory_bytes() const override { return real_->memory_bytes(); }

  ManualClock manual_clock;

 private:
  std::unique_ptr<World> real_ = make_real_world({LogLevel::kError, 1, 1, false});
};

struct ManualSetup {
  bool waits_for_final_checkpoint = false;
  std::shared_ptr<const SnapshotSource> restore = nullptr;
  std::vector<bool> finished_vertices = {};
};

// A job on slots that the test turns itself. It plays the master: announces plans, and notes what
// tasks tell.
class ManualJob final : public TaskListener, public CheckpointPlans {
 public:
  struct Checkpoint {
    CheckpointPlanRef plan;
    bool gone = false;
    int taken_barriers = 0;
    std::vector<TaskSnapshot> snapshots;
    std::vector<Status> declined;
  };

  ManualJob(ManualWorld& world, MemoryStorage& storage, LogicalGraph graph, const Config& config,
            ManualSetup setup = {})
      : world_(world), config_(config), setup_(std::move(setup)) {
    auto chained = chain_graph(std::move(graph), config_);
    TIDEWHEEL_CHECK(chained.ok(), "{}", chained.status().to_string());
    chained_ = std::move(chained).value();
    auto deployment =
        Deployment::make({.world = world_,
                          .chained = chained_,
                          .config = config_,
                          .memory = memory_,
                          .metrics = metrics_,
                          .listener = *this,
                          .storage = &storage,
                          .plans = this,
                          .waits_for_final_checkpoint = setup_.waits_for_final_checkpoint,
                          .start = start_of(setup_)});
    TIDEWHEEL_CHECK(deployment.ok(), "{}", deployment.status().to_string());
    deployment_ = std::move(deployment).value();
    for (const auto& slot : deployment_->slots()) {
      slot->schedule_all();
      slot->set_worker(&worker_);
    }
  }
  ~ManualJob() {
    if (ended < tasks().size()) {
      for (const auto& task : tasks()) { task->cancel(); }
      run();
    }
  }

  const std::vector<Task*>& tasks() { return deployment_->tasks(); }
  Deployment& deployment() { return *deployment_; }
  // Turns all slots until none has anything to do; `turns_max` of each at most.
  void run(int turns_max = 1'000'000) {
    for (int turn = 0; turn < turns_max; ++turn) {
      bool again = worker_.woken.exchange(false);
      for (const auto& slot : deployment_->slots()) {
        const Turn next = slot->turn();
        again = again || next.next == Turn::Next::kAgain ||
                (next.next == Turn::Next::kSleep && next.wake_at_ns <= world_.clock().now_ns());
      }
      if (!again && !worker_.woken) { return; }
    }
  }
  // One turn of the slot that has subtask `subtask` of the node.
  void turn(int32_t node, int32_t subtask = 0) { slot_of(node, subtask).turn(); }
  Slot& slot_of(int32_t node, int32_t subtask = 0) {
    return *deployment_->task_of(node, subtask).slot();
  }

  // Makes the plan known. `change` sets what differs from an aligned checkpoint.
  CheckpointPlanRef announce(int64_t id, const std::function<void(CheckpointPlan&)>& change = {}) {
    CheckpointPlan plan;
    plan.id = id;
    plan.trigger_ns = world_.clock().now_ns();
    if (change) { change(plan); }
    checkpoints[id].plan = std::make_shared<const CheckpointPlan>(std::move(plan));
    return checkpoints[id].plan;
  }
  // The same, and triggers all sources that still run.
  CheckpointPlanRef trigger(int64_t id, const std::function<void(CheckpointPlan&)>& change = {}) {
    CheckpointPlanRef plan = announce(id, change);
    for (const auto& task : tasks()) {
      if (task->operators()[0]->spec().input_count == 0) { task->trigger_checkpoint(plan); }
    }
    return plan;
  }
  void complete(int64_t id) {
    checkpoints[id].gone = true;
    for (const auto& task : tasks()) { task->checkpoint_complete(id); }
  }
  void abort(int64_t id) {
    checkpoints[id].gone = true;
    for (const auto& task : tasks()) { task->checkpoint_aborted(id); }
  }
  size_t taken(int64_t id) { return checkpoints[id].snapshots.size(); }
  // Runs until the checkpoint is taken by all tasks, and tells them so.
  bool checkpoint(int64_t id, const std::function<void(CheckpointPlan&)>& change = {}) {
    trigger(id, change);
    run();
    const bool all = taken(id) == tasks().size() - ended;
    if (all) { complete(id); }
    run();
    return all;
  }

  // ---- TaskListener
  void on_task_running(Task&) override {}
  void on_task_ended(Task&, TaskState state, Status failure) override {
    ++ended;
    if (state == TaskState::kFinished) { ++finished; }
    if (!failure.ok()) { failures.push_back(std::move(failure)); }
  }
  void on_operator_event(int32_t, int32_t, std::string) override {}
  void on_end_of_data(Task& task) override { at_end_of_data.push_back(&task); }
  void on_barrier_taken(Task&, int64_t checkpoint) override {
    Checkpoint& one = checkpoints[checkpoint];
    if (++one.taken_barriers == gone_after_barriers) { one.gone = true; }
  }
  void on_snapshot_taken(Task&, TaskSnapshot snapshot) override {
    checkpoints[snapshot.checkpoint].snapshots.push_back(std::move(snapshot));
  }
  void on_snapshot_declined(Task&, int64_t checkpoint, Status why) override {
    checkpoints[checkpoint].declined.push_back(std::move(why));
  }
  // ---- CheckpointPlans
  CheckpointPlanRef find(int64_t checkpoint) const override {
    const auto it = checkpoints.find(checkpoint);
    return it == checkpoints.end() || it->second.gone ? nullptr : it->second.plan;
  }

  std::map<int64_t, Checkpoint> checkpoints;
  int gone_after_barriers = -1;  // a checkpoint's plan is forgotten when so many were taken
  size_t ended = 0;
  size_t finished = 0;
  std::vector<Status> failures;
  std::vector<Task*> at_end_of_data;

 private:
  DeploymentStart start_of(const ManualSetup& setup) const {
    DeploymentStart start;
    start.restore = setup.restore;
    for (size_t v = 0; v < setup.finished_vertices.size(); ++v) {
      const auto parallelism = static_cast<size_t>(chained_.vertices[v].parallelism);
      start.at_end.emplace_back(parallelism, setup.finished_vertices[v]);
    }
    return start;
  }

  struct Hand final : Worker {
    std::atomic<bool> woken{false};
    void wake() override { woken = true; }
  };

  Hand worker_;
  ManualWorld& world_;
  const Config config_;
  const ManualSetup setup_;
  MemoryPool memory_{"job", int64_t{1} << 30};
  MetricGroup metrics_{"job"};
  ChainedGraph chained_;
  std::unique_ptr<Deployment> deployment_;
};

}  // namespace tidewheel::dataflow_test
