// Epochs in simulated jobs: the mark of an epoch, or the barrier that ends it, cuts a whole job at
// one position of each source, whatever those do meanwhile. Sources pause, end and throw; marks and
// barriers, of which some are given up, come in any order; each sink says how many rows of each
// source it has, and all sinks together have those before the cut.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/epoch_options.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/dataflow/test_ledger.h"
#include "tidewheel/sim/random_job.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel::sim {
namespace {

using dataflow_test::GraphBuilder;
using dataflow_test::list_state;
using dataflow_test::MapOperator;
using dataflow_test::numbers_of;
using dataflow_test::pool_for;

constexpr int64_t kRowsMax = 1'000'000;     // of a source, which is in the millions of a row
using Counts = std::map<int64_t, int64_t>;  // by source

// What sources and sinks say of each epoch.
struct Cuts {
  struct Epoch {
    Counts sent;
    Counts seen;
    std::set<int32_t> sinks;  // subtasks
  };
  std::map<int64_t, Epoch> epochs;
  Counts ends;             // how many rows a source has
  int64_t fails_at = -1;   // a row
  int64_t sink_count = 0;  // subtasks
};

class CutSource final : public SourceOperator {
 public:
  CutSource(std::shared_ptr<Cuts> cuts, int64_t first) : cuts_(std::move(cuts)), number_(first) {}
  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read("position"));
    StateEntry entry;
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool found, entries->next(entry));
    if (found) { next_ = numbers_of(entry.value)[0]; }
    return ok_status();
  }
  Status open(OperatorContext& context) override {
    context_ = &context;
    number_ += context.subtask_index();
    out_.open(pool_for<int64_t>(context), context.batch_rows());
    return ok_status();
  }
  Poll poll() override {
    for (uint32_t i = 0; i < context_->batch_rows(); ++i) {
      if (next_ == cuts_->ends.at(number_)) { return Poll::kEnd; }
      if (!out_.ready()) { return Poll::kBlocked; }
      const int64_t row = number_ * kRowsMax + next_++;
      out_.emit(row, row);
      if (row == cuts_->fails_at) {
        cuts_->fails_at = -1;
        throw std::runtime_error("a source fails once");
      }
      if (context_->random().chance(0.1)) {
        context_->wake_at_wall_ms(context_->clock().wall_ms() +
                                  static_cast<int64_t>(context_->random().below(15)));
        return Poll::kNothingYet;
      }
    }
    return Poll::kMore;
  }
  Progress on_epoch(int64_t epoch) override {
    cuts_->epochs[epoch].sent[number_] = next_;
    return Progress::kDone;
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if (!writer.ready()) { return Progress::kBlocked; }
    writer.begin_state(list_state("position"));
    writer.add({0, {}, {}, std::to_string(next_)});
    return Progress::kDone;
  }
  std::span<OutputPort* const> outputs() override { return ports_; }

 private:
  const std::shared_ptr<Cuts> cuts_;
  int64_t number_;  // among all subtasks of all sources
  int64_t next_ = 0;
  OperatorContext* context_ = nullptr;
  Output<int64_t> out_;
  OutputPort* ports_[1] = {&out_};
};

class CutSink final : public Operator {
 public:
  explicit CutSink(std::shared_ptr<Cuts> cuts) : cuts_(std::move(cuts)) {}
  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read("counts"));
    StateEntry entry;
    for (;;) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
      if (!more) { return ok_status(); }
      const std::vector<int64_t> numbers = numbers_of(entry.value);
      counts_[numbers[0]] += numbers[1];
    }
  }
  Status open(OperatorContext& context) override {
    context_ = &context;
    return ok_status();
  }
  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const auto& batch = RowBatch<int64_t>::of(*rows.batch);
    for (; cursor < rows.end; ++cursor) { ++counts_[batch.row(cursor) / kRowsMax]; }
    return Progress::kDone;
  }
  // Refused once before it takes it, as an operator may that waits for something.
  Progress on_epoch(int64_t epoch) override {
    if (context_->random().chance(0.2)) {
      waits_ = true;
      context_->wake();
      return Progress::kBlocked;
    }
    waits_ = false;
    EXPECT_GT(epoch, last_);
    last_ = epoch;
    Cuts::Epoch& all = cuts_->epochs[epoch];
    for (const auto& [source, count] : counts_) { all.seen[source] += count; }
    EXPECT_TRUE(all.sinks.insert(context_->subtask_index()).second);
    return Progress::kDone;
  }
  std::optional<int64_t> waits_until_ns() const override {
    return waits_ ? std::optional(context_->clock().now_ns() + 1000) : std::nullopt;
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if (!writer.ready()) { return Progress::kBlocked; }
    writer.begin_state(list_state("counts"));
    for (const auto& [source, count] : counts_) {
      const std::string value = std::to_string(source) + " " + std::to_string(count);
      writer.add({0, {}, {}, value});
    }
    return Progress::kDone;
  }
  std::span<OutputPort* const> outputs() override { return {}; }

 private:
  const std::shared_ptr<Cuts> cuts_;
  Counts counts_;
  int64_t last_ = 0;
  bool waits_ = false;
  OperatorContext* context_ = nullptr;
};

// A job of some sources, two shuffles and some sinks.
class CutRun {
 public:
  explicit CutRun(uint64_t seed)
      : random_(seed ^ 0xe90c4ULL), machine_(simulation(seed)), cuts_(std::make_shared<Cuts>()) {}

  void run() {
    LogicalGraph graph = draw_graph();
    const auto job = LocalJobRunner(machine_.world).start(std::move(graph), draw_config());
    ASSERT_TRUE(job.ok()) << job.status().to_string();
    ASSERT_TRUE((*job)->wait(machine_.simulation.now_ns() + kRunNs))
        << machine_.simulation.describe();
    ASSERT_TRUE((*job)->result().ok()) << (*job)->result().to_string();
    restarts_ = (*job)->restarts();
    completed_ = (*job)->checkpoints().completed;
    failed_ = (*job)->checkpoints().failed;
    check();
  }
  int64_t cuts() const { return cut_count_; }
  int64_t restarts() const { return restarts_; }
  int64_t completed() const { return completed_; }
  int64_t failed() const { return failed_; }

 private:
  static constexpr int64_t kRunNs = int64_t{3600} * 1'000'000'000;

  SimulationOptions simulation(uint64_t seed) {
    SimulationOptions options;
    options.seed = seed;
    options.disorder = one_of(random_, {0.0, 0.5, 1.0});
    options.turn_ns_max = one_of<int64_t>(random_, {1'000, 20'000, 1'000'000});
    options.stall_chance = one_of(random_, {0.0, 0.001, 0.02});
    options.wake_ns_max = one_of<int64_t>(random_, {0, 50'000, 5'000'000});
    options.blocking_ns_max = one_of<int64_t>(random_, {0, 1'000'000, 20'000'000});
    options.refusal_chance = one_of(random_, {0.0, 0.01, 0.1});
    return options;
  }
  Config draw_config() {
    Config config;
    config.set(options::kBatchRows, one_of<int64_t>(random_, {1, 2, 7, 64}));
    config.set(options::kCredits, one_of<int64_t>(random_, {1, 2, 16}));
    config.set(options::kBufferTimeout, one_of<int64_t>(random_, {-1, 0, 10}));
    config.set(options::kOperatorChaining, random_.chance(0.7));
    config.set(options::kEpochInterval, one_of<int64_t>(random_, {1, 2, 5}));
    config.set(options::kCheckpointDirectory, std::string("/checkpoints"));
    config.set(options::kCheckpointInterval, one_of<int64_t>(random_, {3, 10, 30}));
    config.set(options::kMaxConcurrentCheckpoints, one_of<int64_t>(random_, {1, 3}));
    config.set(options::kTolerableFailedCheckpoints, int64_t{1000});
    // Some are given up on their way; their barriers end epochs all the same. (A last one, which
    // tasks would wait for, might never be complete.)
    if (random_.chance(0.4)) {
      config.set(options::kCheckpointTimeout, int64_t{1});
      config.set(options::kCheckpointsAfterTasksFinish, false);
    }
    config.set(options::kRestartStrategy, std::string("fixed-delay"));
    config.set(options::kFixedDelay, one_of<int64_t>(random_, {0, 5}));
    config.set(options::kFixedDelayAttempts, int64_t{100});
    return config;
  }
  LogicalGraph draw_graph() {
    GraphBuilder b;
    const auto pass = [](int64_t row, MapOperator::Emit& emit) { emit(row); };
    std::vector<int32_t> sources;
    int64_t first = 0;
    for (uint64_t i = 1 + random_.below(3); i > 0; --i) {
      const auto parallelism = static_cast<int32_t>(1 + random_.below(2));
      sources.push_back(b.add<CutSource>("source", parallelism, cuts_, first));
      b.graph.nodes.back().is_source = true;
      for (int32_t subtask = 0; subtask < parallelism; ++subtask) {
        cuts_->ends[first++] = static_cast<int64_t>(random_.below(300));
      }
    }
    if (random_.chance(0.5)) {
      const auto source = static_cast<int64_t>(random_.below(static_cast<uint64_t>(first)));
      cuts_->fails_at = source * kRowsMax + cuts_->ends[source] / 2;
    }
    const auto kind = [&] {
      return one_of(random_, {EdgeKind::kHash, EdgeKind::kRebalance, EdgeKind::kShuffle});
    };
    const int32_t middle =
        b.map(sources[0], pass, 1 + static_cast<int32_t>(random_.below(3)), kind());
    for (size_t i = 1; i < sources.size(); ++i) { b.edge(sources[i], middle, kind()); }
    cuts_->sink_count = static_cast<int64_t>(1 + random_.below(3));
    const int32_t sink = b.add<CutSink>("sink", static_cast<int32_t>(cuts_->sink_count), cuts_);
    b.graph.nodes.back().is_sink = true;
    b.edge(middle, sink, kind());
    return std::move(b.graph);
  }

  void check() {
    for (const auto& [number, epoch] : cuts_->epochs) {
      if (static_cast<int64_t>(epoch.sinks.size()) < cuts_->sink_count) { continue; }
      ++cut_count_;
      for (const auto& [source, end] : cuts_->ends) {
        // One that ended before has sent all it had.
        const auto sent = epoch.sent.find(source);
        const auto seen = epoch.seen.find(source);
        EXPECT_EQ(seen == epoch.seen.end() ? 0 : seen->second,
                  sent == epoch.sent.end() ? end : sent->second)
            << "of source " << source << " in epoch " << number;
      }
    }
  }

  Random random_;
  SimMachine machine_;
  const std::shared_ptr<Cuts> cuts_;
  int64_t cut_count_ = 0;
  int64_t restarts_ = 0;
  int64_t completed_ = 0;
  int64_t failed_ = 0;
};

TEST(Epochs, each_cuts_all_sources_at_one_position) {
  int64_t cuts = 0;
  int64_t restarts = 0;
  int64_t completed = 0;
  int64_t failed = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    CutRun run(seed);
    run.run();
    if (::testing::Test::HasFailure()) { return; }
    cuts += run.cuts();
    restarts += run.restarts();
    completed += run.completed();
    failed += run.failed();
  }
  EXPECT_GT(cuts, 1000);
  EXPECT_GT(restarts, 20);
  EXPECT_GT(completed, 100);
  EXPECT_GT(failed, 20);
}

}  // namespace
}  // namespace tidewheel::sim
