// Runs whole jobs in a test, in a simulated world: virtual time, an order of events drawn from a
// seed, outputs that refuse by chance. Sources and sinks are replaced by their names.
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
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/collect.h"
#include "tidewheel/api/env.h"

namespace tidewheel::test {

struct ClusterOptions {
  uint64_t seed = 1;        // of everything that is left to chance
  int32_t parallelism = 1;  // of operators that have none of their own
  int64_t batch_rows = 0;   // 0: as configured
  double refusal = 0.02;    // how often an output refuses though it need not
  Config config = {};
  std::vector<std::string> args = {};  // the job's: {"--key", "value"}
};

// What a run has left behind.
class JobRun {
 public:
  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  const JobResult& result() const { return result_; }
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
    const char* type_key;
    std::shared_ptr<void> rows;
  };
  Status status_;
  JobResult result_;
  std::map<std::string, Entry> captured_;
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

  Result<std::vector<Split>> discover(SplitContext&) { return std::vector<Split>(1); }
  ReadResult read(Split& split, SourceOut<T>& out) {
    const auto size = static_cast<int64_t>(rows->size());
    for (uint32_t room = std::max(1U, out.room()); room > 0 && split.next < size; --room) {
      const auto index = static_cast<size_t>(split.next++);
      out.emit((*rows)[index], times == nullptr ? kNoTimestamp : (*times)[index].ms());
    }
    return split.next < size ? ReadResult::more() : ReadResult::end();
  }
};

// One thread, and one cluster on it at a time.
class Cluster {
 public:
  explicit Cluster(ClusterOptions options = {}) : options_(std::move(options)) {}

  // The source `name` gives these rows; Text that they point to outlives the run.
  template <class T>
  Cluster& stub(const std::string& name, std::vector<T> rows) {
    return stub_source(
        name, StubSource<T>{std::make_shared<const std::vector<T>>(std::move(rows)), nullptr});
  }
  // With their event times, for jobs whose source gives them.
  template <class T>
  Cluster& stub(const std::string& name, std::vector<T> rows, std::vector<Timestamp> times) {
    return stub_source(
        name, StubSource<T>{std::make_shared<const std::vector<T>>(std::move(rows)),
                            std::make_shared<const std::vector<Timestamp>>(std::move(times))});
  }
  // Keeps what the sink `name` is given, instead of writing it.
  template <class T>
  Cluster& capture(const std::string& name) {
    prepare_.push_back([name](Replacements& replacements, JobRun& run) {
      auto capture = std::make_shared<JobRun::Capture<T>>();
      run.captured_[name] = {&kTypeKey<T>, capture};
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
    prepare_.push_back([name, source = std::move(source)](Replacements& replacements, JobRun&) {
      replacements.replace_source<T>(name, [source](Env& env, const std::string& source_name) {
        return env.add_source(source_name, source);
      });
    });
    return *this;
  }

  ClusterOptions options_;
  std::vector<std::function<void(Replacements&, JobRun&)>> prepare_;
};

}  // namespace tidewheel::test
