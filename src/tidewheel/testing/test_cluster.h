// Runs whole jobs in a test, in a simulated world: virtual time, an order of events drawn from a
// seed, outputs that refuse by chance, processes that are killed. Sources and sinks are replaced by
// their names.
//
//   test::Cluster cluster;
//   cluster.stub<Trade>("trades", fixture).capture<Vwap>("vwap");
//   const test::JobRun run = cluster.run(tidewheel_job);
//   ASSERT_TRUE(run.ok()) << run.status().to_string();
//   EXPECT_EQ(run.sorted<Vwap>("vwap"), expected);
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/collect.h"
#include "tidewheel/api/env.h"
#include "tidewheel/base/random.h"

namespace tidewheel::test {

struct ClusterOptions {
  uint64_t seed = 1;        // of everything that is left to chance
  int32_t parallelism = 1;  // of operators that have none of their own
  int64_t batch_rows = 0;   // 0: as configured
  double refusal = 0.02;    // how often an output refuses though it need not
  // > 0: the job takes checkpoints (each millisecond, unless it says otherwise itself), and its
  // process is killed a moment after so many of them are complete, at most `kills_max` times. It
  // then goes on from the newest. Captured rows are those that were committed, in the order of
  // that; stubs give their rows slowly.
  int64_t kill_every_checkpoints = 0;
  int64_t kills_max = 10;
  Config config = {};
  std::vector<std::string> args = {};  // the job's: {"--key", "value"}
};

// What a run has left behind.
class JobRun {
 public:
  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  const JobResult& result() const { return result_; }
  // How often its process was killed.
  int64_t kills() const { return kills_; }
  // The captured rows of a sink, in the order in which each subtask got them.
  template <class T>
  std::vector<T> rows(const std::string& sink) const {
    return parts<T>(sink).get();
  }
  // In their own order, for results that do not depend on it.
  template <class T>
  std::vector<T> sorted(const std::string& sink) const {
    std::vector<T> all = rows<T>(sink);
    std::sort(all.begin(), all.end());
    return all;
  }

 private:
  friend class Cluster;
  template <class T>
  struct Capture {
    CollectedParts<T> parts;
    std::vector<T> get() const {
      std::vector<T> rows;
      for (const CollectedPart<T>* part : parts.all()) {
        rows.insert(rows.end(), part->rows.begin(), part->rows.end());
      }
      return rows;
    }
  };
  template <class T>
  const Capture<T>& parts(const std::string& sink) const {
    const auto it = captured_.find(sink);
    check_captured(it != captured_.end() && it->second.type_key == &kTypeKey<T>, sink);
    return *static_cast<const Capture<T>*>(it->second.rows.get());
  }
  static void check_captured(bool found, const std::string& sink);

  struct Entry {
    const char* type_key = nullptr;
    std::shared_ptr<void> rows;
    std::shared_ptr<void> outside;  // of CommitCapture
  };
  Status status_;
  JobResult result_;
  int64_t kills_ = 0;
  bool may_be_killed_ = false;
  std::shared_ptr<const bool> alive_;  // whether the process is that runs now
  std::map<std::string, Entry> captured_;
};

// Keeps rows in two phases, outside the process that may be killed.
template <class T>
class CommitCapture {
 public:
  using input = T;
  struct Pending {
    int64_t number = 0;
  };
  struct Outside {
    explicit Outside(CollectedParts<T>& kept) : committed(kept) {}
    CollectedParts<T>& committed;
    std::vector<std::unique_ptr<CollectedPart<T>>> prepared;  // null: committed
  };

  CommitCapture(std::shared_ptr<Outside> outside, std::shared_ptr<const bool> alive)
      : outside_(std::move(outside)), alive_(std::move(alive)) {}
  CommitCapture(const CommitCapture& other) : outside_(other.outside_), alive_(other.alive_) {}

  Status write_rows(std::span<const T> rows, std::span<const int64_t> timestamps) {
    if (part_ == nullptr) {
      part_ = std::make_unique<CollectedPart<T>>();
      part_->arena = Arena::create();
    }
    collect_rows(*part_, rows, timestamps);
    return {};
  }
  Result<std::vector<Pending>> prepare(int64_t) {
    if (!*alive_) { return gone(); }
    if (part_ == nullptr) { return std::vector<Pending>(); }
    const auto number = static_cast<int64_t>(outside_->prepared.size());
    part_->subtask = static_cast<int32_t>(number);  // parts come in the order of this
    outside_->prepared.push_back(std::move(part_));
    return std::vector<Pending>{{number}};
  }
  Status commit(const Pending& pending) {
    if (!*alive_) { return gone(); }
    auto& part = outside_->prepared[static_cast<size_t>(pending.number)];
    if (part != nullptr) { outside_->committed.add(std::move(part)); }
    return {};
  }

 private:
  static Status gone() { return unavailable(ErrorId::kNetworkLost, "the process is dead"); }
  std::shared_ptr<Outside> outside_;
  std::shared_ptr<const bool> alive_;
  std::unique_ptr<CollectedPart<T>> part_;
};

// The rows of a stub, read by one subtask in their order.
template <class T>
struct StubSource {
  using output = T;
  struct Split {
    int64_t next = 0;
  };
  static constexpr int32_t fixed_parallelism = 1;
  std::shared_ptr<const std::vector<T>> rows;
  std::shared_ptr<const std::vector<Timestamp>> times;  // null: rows come without
  bool slow = false;                                    // some rows a millisecond
  Clock* clock = nullptr;
  Random* random = nullptr;

  Status open(SourceContext& context) {
    clock = &context.clock();
    random = &context.random();
    return {};
  }
  Result<std::vector<Split>> discover(SplitContext&) { return std::vector<Split>(1); }
  ReadResult read(Split& split, SourceOut<T>& out) {
    const auto size = static_cast<int64_t>(rows->size());
    uint32_t room = std::max(1U, out.room());
    if (slow) { room = static_cast<uint32_t>(1 + random->below(std::min(room, 8U))); }
    for (; room > 0 && split.next < size; --room) {
      const auto index = static_cast<size_t>(split.next++);
      out.emit((*rows)[index], times == nullptr ? kNoTimestamp : (*times)[index].ms());
    }
    if (split.next == size) { return ReadResult::end(); }
    return slow ? ReadResult::wait_until(clock->wall_ms()) : ReadResult::more();
  }
};

// One thread, and one cluster on it at a time.
class Cluster {
 public:
  explicit Cluster(ClusterOptions options = {}) : options_(std::move(options)) {}

  // The source `name` gives these rows; Text that they point to outlives the run.
  template <class T>
  Cluster& stub(const std::string& name, std::vector<T> rows) {
    return stub_source<T>(
        name, {.rows = std::make_shared<const std::vector<T>>(std::move(rows)), .times = nullptr});
  }
  // With their event times, for jobs whose source gives them.
  template <class T>
  Cluster& stub(const std::string& name, std::vector<T> rows, std::vector<Timestamp> times) {
    return stub_source<T>(
        name, {.rows = std::make_shared<const std::vector<T>>(std::move(rows)),
               .times = std::make_shared<const std::vector<Timestamp>>(std::move(times))});
  }
  // Keeps what the sink `name` is given, instead of writing it.
  template <class T>
  Cluster& capture(const std::string& name) {
    prepare_.push_back([name](Replacements& replacements, JobRun& run) {
      // A process that is started again finds what was committed before.
      auto& kept = run.captured_[name];
      if (kept.rows == nullptr) {
        kept = {&kTypeKey<T>, std::make_shared<JobRun::Capture<T>>(), nullptr};
      }
      const auto capture = std::static_pointer_cast<JobRun::Capture<T>>(kept.rows);
      if (run.may_be_killed_) {
        using Outside = typename CommitCapture<T>::Outside;
        if (kept.outside == nullptr) { kept.outside = std::make_shared<Outside>(capture->parts); }
        replacements.replace_sink<T>(name,
                                     [outside = std::static_pointer_cast<Outside>(kept.outside),
                                      alive = run.alive_]() -> std::unique_ptr<Operator> {
                                       return std::make_unique<SinkWriter<CommitCapture<T>>>(
                                           CommitCapture<T>(outside, alive));
                                     });
        return;
      }
      const std::shared_ptr<CollectedParts<T>> parts(capture, &capture->parts);
      replacements.replace_sink<T>(name, [parts]() -> std::unique_ptr<Operator> {
        return std::make_unique<SinkWriter<CollectSink<T>>>(CollectSink<T>(parts));
      });
    });
    return *this;
  }

  // Puts the job together and runs it to its end. The same seed gives the same run.
  JobRun run(const std::function<void(Env&)>& job) const { return run(job, options_); }
  JobRun run(const std::function<void(Env&)>& job, const ClusterOptions& options) const;

 private:
  template <class T>
  Cluster& stub_source(const std::string& name, StubSource<T> source) {
    prepare_.push_back([name, given = std::move(source)](Replacements& replacements, JobRun& run) {
      StubSource<T> stub = given;
      stub.slow = run.may_be_killed_;
      replacements.replace_source<T>(name, [stub](Env& env, const std::string& source_name) {
        return env.add_source(source_name, stub);
      });
    });
    return *this;
  }

  ClusterOptions options_;
  std::vector<std::function<void(Replacements&, JobRun&)>> prepare_;
};

}  // namespace tidewheel::test
