// What the runtime costs: a lone record's way through a job, hand-over of elements between
// operators, the start of a job.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

#include "tidewheel/base/options.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/dataflow/row_partitioner.h"

namespace tidewheel {
namespace {

std::shared_ptr<BatchPool> pool_for(OperatorContext& context) {
  return BatchPool::create_for<int64_t>(context.batch_rows(), &context.memory());
}

// Emits `rows` numbers as fast as it can.
class Numbers final : public SourceOperator {
 public:
  explicit Numbers(int64_t rows) : rows_(rows) {}
  Status open(OperatorContext& context) override {
    batch_rows_ = context.batch_rows();
    out_.open(pool_for(context), batch_rows_);
    return ok_status();
  }
  Poll poll() override {
    if (!out_.ready()) { return Poll::kBlocked; }
    if (next_ >= rows_) { return Poll::kEnd; }
    for (uint32_t i = 0; i < batch_rows_ && next_ < rows_; ++i, ++next_) {
      out_.emit(next_, next_);
    }
    return Poll::kMore;
  }
  std::span<OutputPort* const> outputs() override { return ports_; }

 private:
  const int64_t rows_;
  int64_t next_ = 0;
  uint32_t batch_rows_ = 1;
  Output<int64_t> out_;
  OutputPort* ports_[1] = {&out_};
};

// Emits the time when it is woken; `latest` is where the world can find it.
class OnDemand final : public SourceOperator {
 public:
  explicit OnDemand(std::atomic<OperatorContext*>* where) : where_(where) {}
  Status open(OperatorContext& context) override {
    context_ = &context;
    out_.open(pool_for(context), context.batch_rows());
    where_->store(&context);
    return ok_status();
  }
  Progress on_wake() override {
    const int64_t now = context_->clock().now_ns();
    out_.emit(now, now);
    return Progress::kDone;
  }
  Poll poll() override { return Poll::kNothingYet; }
  std::span<OutputPort* const> outputs() override { return ports_; }

 private:
  std::atomic<OperatorContext*>* const where_;
  OperatorContext* context_ = nullptr;
  Output<int64_t> out_;
  OutputPort* ports_[1] = {&out_};
};

class Copy final : public Operator {
 public:
  Status open(OperatorContext& context) override {
    out_.open(pool_for(context), context.batch_rows());
    return ok_status();
  }
  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const auto& batch = RowBatch<int64_t>::of(*rows.batch);
    for (; cursor < rows.end; ++cursor) {
      if (!out_.ready()) { return Progress::kBlocked; }
      out_.emit(batch.row(cursor), batch.timestamps()[cursor]);
    }
    return Progress::kDone;
  }
  std::span<OutputPort* const> outputs() override { return ports_; }

 private:
  Output<int64_t> out_;
  OutputPort* ports_[1] = {&out_};
};

// Writes down how long ago each row was made.
class Arrivals final : public Operator {
 public:
  explicit Arrivals(std::atomic<int64_t>* latest_ns) : latest_ns_(latest_ns) {}
  Status open(OperatorContext& context) override {
    context_ = &context;
    return ok_status();
  }
  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const auto& batch = RowBatch<int64_t>::of(*rows.batch);
    if (latest_ns_ != nullptr) {
      latest_ns_->store(context_->clock().now_ns() - batch.row(rows.begin),
                        std::memory_order_release);
    }
    cursor = rows.end;
    return Progress::kDone;
  }
  std::span<OutputPort* const> outputs() override { return {}; }

 private:
  std::atomic<int64_t>* const latest_ns_;
  OperatorContext* context_ = nullptr;
};

struct Graph {
  LogicalGraph graph;
  template <class Op, class... Args>
  int32_t add(const char* name, Args... args) {
    GraphNode node;
    node.id = static_cast<int32_t>(graph.nodes.size());
    node.name = name;
    node.parallelism = 1;
    node.make = [args...]() -> Result<std::unique_ptr<Operator>> {
      return std::unique_ptr<Operator>(std::make_unique<Op>(args...));
    };
    graph.nodes.push_back(std::move(node));
    return graph.nodes.back().id;
  }
  GraphNode& node(int32_t index) { return graph.nodes[static_cast<size_t>(index)]; }
  void edge(int32_t from, int32_t to) {
    GraphEdge edge;
    edge.from = from;
    edge.to = to;
    graph.edges.push_back(std::move(edge));
  }
};

// source -> copy -> sink, each a task of its own; the copy in another slot when `two_slots`.
Graph three_stages(int32_t source, Graph graph, std::atomic<int64_t>* latest_ns, bool two_slots) {
  const int32_t copy = graph.add<Copy>("copy");
  const int32_t sink = graph.add<Arrivals>("sink", latest_ns);
  graph.node(source).is_source = true;
  graph.node(sink).is_sink = true;
  graph.edge(source, copy);
  graph.edge(copy, sink);
  if (two_slots) {
    graph.node(copy).slot_sharing_group = "second";
    graph.node(sink).slot_sharing_group = "default";
  }
  return graph;
}

std::unique_ptr<JobHandle> start(World& world, Graph graph, const Config& config) {
  return LocalJobRunner(world).start(std::move(graph.graph), config).value();
}

void lone_record(benchmark::State& state) {
  const std::unique_ptr<World> world = make_real_world({LogLevel::kError, 1, 1, false});
  Config config;
  config.set(options::kOperatorChaining, false);
  std::atomic<OperatorContext*> source{nullptr};
  std::atomic<int64_t> latest_ns{-1};
  Graph graph;
  const int32_t node = graph.add<OnDemand>("source", &source);
  const auto job =
      start(*world, three_stages(node, std::move(graph), &latest_ns, state.range(0) == 2), config);
  while (source.load() == nullptr) {}
  std::vector<int64_t> times;
  const std::unique_ptr<Event> pause = world->executor().make_event();
  for (auto _ : state) {
    latest_ns.store(-1);
    source.load()->wake();
    // This thread sleeps meanwhile: it must not take a core from the slots.
    do {
      static_cast<void>(pause->wait(world->clock().now_ns() + state.range(1) * 1000));
    } while (latest_ns.load(std::memory_order_acquire) < 0);
    times.push_back(latest_ns.load());
  }
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) {
    return static_cast<double>(
        times[static_cast<size_t>(share * static_cast<double>(times.size() - 1))]);
  };
  state.counters["p50_us"] = at(0.5) / 1000;
  state.counters["p99_us"] = at(0.99) / 1000;
  state.counters["max_us"] = at(1) / 1000;
}
BENCHMARK(lone_record)
    ->ArgNames({"slots", "pause_us"})
    ->Args({1, 200})
    ->Args({2, 200})
    ->Args({2, 10})
    ->Iterations(20'000)
    ->Unit(benchmark::kMicrosecond);

// Rows through three stages: chained, in one slot, or over two slots.
void throughput(benchmark::State& state) {
  const std::unique_ptr<World> world = make_real_world({LogLevel::kError, 1, 1, false});
  Config config;
  config.set(options::kOperatorChaining, state.range(0) == 0);
  config.set(options::kBatchRows, state.range(1));
  const int64_t rows = state.range(1) == 1 ? 1'000'000 : 50'000'000;
  for (auto _ : state) {
    Graph graph;
    const int32_t node = graph.add<Numbers>("source", rows);
    const auto job =
        start(*world, three_stages(node, std::move(graph), nullptr, state.range(0) == 2), config);
    static_cast<void>(job->wait());
  }
  state.counters["time_per_row"] =
      benchmark::Counter(static_cast<double>(rows) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(throughput)
    ->ArgNames({"slots", "batch_rows"})
    ->ArgsProduct({{0, 1, 2}, {1, 1024}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void job_start_to_end(benchmark::State& state) {
  const std::unique_ptr<World> world = make_real_world({LogLevel::kError, 1, 1, false});
  for (auto _ : state) {
    Graph graph;
    const int32_t node = graph.add<Numbers>("source", 1);
    const auto job = start(*world, three_stages(node, std::move(graph), nullptr, false), Config());
    static_cast<void>(job->wait());
  }
}
BENCHMARK(job_start_to_end)->Unit(benchmark::kMicrosecond)->UseRealTime();

// A job of many operators, each a task of its own, in one slot.
void deploy_tasks(benchmark::State& state) {
  const std::unique_ptr<World> world = make_real_world({LogLevel::kError, 1, 1, false});
  Config config;
  config.set(options::kOperatorChaining, false);
  for (auto _ : state) {
    Graph graph;
    const int32_t source = graph.add<Numbers>("source", 1);
    graph.node(source).is_source = true;
    int32_t last = source;
    for (int64_t i = 0; i < state.range(0); ++i) {
      const int32_t copy = graph.add<Copy>("copy");
      graph.edge(last, copy);
      last = copy;
    }
    const int32_t sink = graph.add<Arrivals>("sink", static_cast<std::atomic<int64_t>*>(nullptr));
    graph.node(sink).is_sink = true;
    graph.edge(last, sink);
    const auto job = start(*world, std::move(graph), config);
    static_cast<void>(job->wait());
  }
}
BENCHMARK(deploy_tasks)->Arg(1'000)->Unit(benchmark::kMillisecond)->UseRealTime();

// What a row costs on its way into the batches of a hash edge.
struct WideRow {
  int64_t key;
  int64_t rest[7];
};
template <class T>
struct KeyHash {
  uint32_t operator()(const T& row) const {
    int64_t key;
    std::memcpy(&key, &row, sizeof(key));
    return static_cast<uint32_t>(key ^ (key >> 32));
  }
};
template <class T>
void hash_partition(benchmark::State& state) {
  constexpr uint32_t kRows = 1024;
  HashPartitioner<T, KeyHash<T>> partitioner;
  partitioner.open(static_cast<uint32_t>(state.range(0)), 128, kRows, nullptr);
  auto pool = BatchPool::create_for<T>(kRows, nullptr);
  auto* batch = static_cast<RowBatch<T>*>(pool->acquire());
  Random random(1);
  for (uint32_t i = 0; i < kRows; ++i) {
    T row{};
    const auto key = static_cast<int64_t>(random.next());
    std::memcpy(&row, &key, sizeof(key));
    batch->append(row, i);
  }
  Element rows = Element::rows(BatchRef::adopt(batch));
  for (auto _ : state) {
    partitioner.split(rows);
    for (uint32_t i = 0; i < state.range(0); ++i) {
      if (partitioner.gathered(i) >= kRows) { partitioner.take(i).reset(); }
    }
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(hash_partition<int64_t>)->Arg(2)->Arg(4)->Arg(16);
BENCHMARK(hash_partition<WideRow>)->Arg(2)->Arg(4)->Arg(16);

}  // namespace
}  // namespace tidewheel
