// Runs a source or a sink by hand, without a job around it: a test asks for splits, reads them, or
// writes rows, on its own thread, with the files, network and clock of a world.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/coordinator.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/operators/sink.h"
#include "tidewheel/operators/source.h"

namespace tidewheel::testing {

struct ConnectorOptions {
  int32_t subtask_index = 0;
  int32_t parallelism = 1;
  uint32_t batch_rows = 64;
  std::string name = "connector under test";
  bool takes_final_checkpoint = false;
};

// A subtask's context over a world. What an operator would tell the runtime is kept for the test.
class ConnectorTestContext final : public OperatorContext {
 public:
  ConnectorTestContext(World& world, ConnectorOptions options)
      : world_(world), options_(std::move(options)), random_(world.fork_random()) {}

  const std::string& name() const override { return options_.name; }
  const std::string& uid() const override { return options_.name; }
  int32_t subtask_index() const override { return options_.subtask_index; }
  int32_t parallelism() const override { return options_.parallelism; }
  int32_t max_parallelism() const override { return 128; }
  KeyGroupRange key_groups() const override { return {}; }
  uint32_t batch_rows() const override { return options_.batch_rows; }
  Clock& clock() override { return world_.clock(); }
  Random& random() override { return random_; }
  Executor& executor() override { return world_.executor(); }
  FileSystem& files() override { return world_.files(); }
  Network& network() override { return world_.network(); }
  MemoryPool& memory() override { return memory_; }
  MetricGroup& metrics() override { return metrics_; }
  const Config& config() const override { return config_; }
  bool takes_final_checkpoint() const override { return options_.takes_final_checkpoint; }
  void wake_at_wall_ms(int64_t) override {}
  void wake() override {
    if (on_wake) { on_wake(); }
  }
  void send_to_coordinator(std::string) override {}
  void post(std::function<void()> mail) override { mail(); }

  std::function<void()> on_wake;  // any thread

 private:
  World& world_;
  const ConnectorOptions options_;
  Random random_;
  MemoryPool memory_{"test", MemoryPool::kUnlimited};
  MetricGroup metrics_{"test"};
  Config config_;
};

class EnumeratorTestContext final : public CoordinatorContext {
 public:
  EnumeratorTestContext(World& world, int32_t parallelism)
      : world_(world), parallelism_(parallelism) {}
  int32_t parallelism() const override { return parallelism_; }
  Clock& clock() override { return world_.clock(); }
  Executor& executor() override { return world_.executor(); }
  FileSystem& files() override { return world_.files(); }
  Network& network() override { return world_.network(); }
  void send_to_subtask(int32_t, std::string) override {}
  void wake_at_ns(int64_t) override {}
  void post(std::function<void()> mail) override { mail(); }
  void fail(Status) override {}

 private:
  World& world_;
  const int32_t parallelism_;
};

// What came out of one call of `read`. Rows are in a batch of their own, which lives as long as
// this.
template <class T>
struct ReadRows {
  ReadResult result;
  BatchRef batch;
  int64_t watermark = kMinWatermark;
  std::span<const T> rows() const { return {RowBatch<T>::of(*batch).rows(), batch->size()}; }
  std::span<const int64_t> timestamps() const { return {batch->timestamps(), batch->size()}; }
};

// One subtask of the source S.
template <class S>
class SourceHarness {
 public:
  using T = typename S::output;
  using Split = typename S::Split;

  SourceHarness(World& world, S source, ConnectorOptions options = {})
      : context_(world, options),
        enumerator_context_(world, options.parallelism),
        source_context_(context_),
        enumerator_(source),
        reader_(std::move(source)),
        pool_(BatchPool::create_for<T>(options.batch_rows, nullptr)),
        batch_rows_(options.batch_rows) {}
  ~SourceHarness() {
    if constexpr (requires { reader_.close(); }) { reader_.close(); }
  }

  ConnectorTestContext& context() { return context_; }
  S& reader() { return reader_; }
  Result<std::vector<Split>> discover(bool first = true) {
    SplitContext context(enumerator_context_, first);
    return enumerator_.discover(context);
  }
  Status open() {
    if constexpr (requires { reader_.open(source_context_); }) {
      return reader_.open(source_context_);
    }
    return ok_status();
  }
  Status open_split(Split& split) {
    if constexpr (requires { reader_.open_split(split); }) { return reader_.open_split(split); }
    return ok_status();
  }
  ReadRows<T> read(Split& split) {
    auto* batch = static_cast<RowBatch<T>*>(pool_->acquire());
    BatchRef owner(batch);
    batch->release();
    SourceOut<T> out(*batch, batch_rows_);
    ReadResult result = reader_.read(split, out);
    return {std::move(result), std::move(owner), out.split_watermark()};
  }
  // Reads a split until it ends, waits or fails; adds the rows, turned by `convert`, to `rows`.
  template <class Row, class F>
  ReadResult drain(Split& split, std::vector<Row>& rows, F&& convert) {
    while (true) {
      ReadRows<T> some = read(split);
      for (const T& row : some.rows()) { rows.push_back(convert(row)); }
      if (some.result.next() != ReadResult::Next::kMore) { return some.result; }
    }
  }
  // Discovers, and reads all splits to their end.
  template <class Row, class F>
  Status read_all(std::vector<Row>& rows, F&& convert) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<Split> splits, discover());
    TIDEWHEEL_RETURN_IF_ERROR(open());
    for (Split& split : splits) {
      TIDEWHEEL_RETURN_IF_ERROR(open_split(split));
      const ReadResult result = drain(split, rows, convert);
      if (result.next() == ReadResult::Next::kFailed) { return result.status(); }
      if constexpr (requires { reader_.close_split(split); }) { reader_.close_split(split); }
    }
    return ok_status();
  }

 private:
  ConnectorTestContext context_;
  EnumeratorTestContext enumerator_context_;
  SourceContext source_context_;
  S enumerator_;
  S reader_;
  std::shared_ptr<BatchPool> pool_;
  uint32_t batch_rows_;
};

// One subtask of the sink S.
template <class S>
class SinkHarness {
 public:
  using T = typename S::input;
  SinkHarness(World& world, S sink, ConnectorOptions options = {})
      : context_(world, std::move(options)), sink_context_(context_), sink_(std::move(sink)) {}

  S& sink() { return sink_; }
  Status open() { return sink_.open(sink_context_); }
  Status write(const std::vector<T>& rows) {
    const std::vector<int64_t> timestamps(rows.size(), kNoTimestamp);
    return sink_.write_rows(rows, timestamps);
  }
  // As at the end of the input.
  Status finish() {
    if constexpr (requires { sink_.end_of_input(); }) {
      TIDEWHEEL_RETURN_IF_ERROR(sink_.end_of_input());
    }
    TIDEWHEEL_RETURN_IF_ERROR(sink_.flush());
    if constexpr (TwoPhaseSink<S>) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto pending, prepare(1));
      for (const auto& one : pending) { TIDEWHEEL_RETURN_IF_ERROR(sink_.commit(one)); }
    }
    return sink_.close(true);
  }
  // Prepares, with the part that is for the blocking pool.
  template <TwoPhaseSink T = S>
  Result<std::vector<typename T::Pending>> prepare(int64_t checkpoint) {
    if constexpr (sink_detail::PreparesOnPool<S>) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto job, sink_.prepare(checkpoint));
      return job();
    } else {
      return sink_.prepare(checkpoint);
    }
  }

 private:
  ConnectorTestContext context_;
  SinkContext sink_context_;
  S sink_;
};

}  // namespace tidewheel::testing
