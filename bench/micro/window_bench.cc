// What windows cost a row: tumbling and sliding counts, sessions and an interval join, on int64
// keys, driven without a job around them. Items per second are rows; firing is part of it.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "bench/micro/bench_context.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/random.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/operators/generic_window.h"
#include "tidewheel/operators/join.h"
#include "tidewheel/operators/session_window.h"
#include "tidewheel/operators/slicing_window.h"

namespace tidewheel {
namespace {

using bench::BenchContext;
using bench::Drop;

struct Event {
  int64_t key = 0;
  int64_t value = 0;
};
using EventKey = int64_t Event::*;
using Count = CountFold<int64_t, Event>;

// Batches of rows of random keys, 100 rows a millisecond of event time, over a few minutes.
class Input {
 public:
  Input(uint64_t keys, int64_t disorder_ms) {
    Random random(42);
    pool_ = BatchPool::create_for<Event>(1024, nullptr);
    for (int64_t i = 0; i < kBatches; ++i) {
      auto* batch = static_cast<RowBatch<Event>*>(pool_->acquire());
      for (int64_t j = 0; j < 1024; ++j) {
        const int64_t time =
            (i * 1024 + j) / 100 -
            static_cast<int64_t>(random.below(static_cast<uint64_t>(disorder_ms) + 1));
        batch->append(Event{static_cast<int64_t>(random.below(keys)), j}, time);
      }
      batches_.push_back(Element::rows(BatchRef(batch)));
      batch->release();
    }
  }
  static constexpr int64_t kBatches = 1024;  // one million rows, ten seconds
  static constexpr int64_t kSpanMs = kBatches * 1024 / 100;

  // One pass; rows are shifted in time so that passes follow each other.
  void run(Operator& op, int64_t pass, int32_t inputs) {
    for (int64_t i = 0; i < kBatches; ++i) {
      auto* batch = const_cast<Batch*>(batches_[static_cast<size_t>(i)].batch.get());
      if (pass > 0) {
        int64_t* times = batch->timestamps();
        for (uint32_t j = 0; j < batch->size(); ++j) { times[j] += kSpanMs; }
      }
      uint32_t cursor = 0;
      const auto input = static_cast<int32_t>(i) % inputs;
      while (op.on_rows(input, batches_[static_cast<size_t>(i)], cursor) == Progress::kBlocked) {}
      if (i % 16 == 15) {
        const int64_t watermark = pass * kSpanMs + i * 1024 / 100 - 200;
        while (op.on_watermark(watermark) == Progress::kBlocked) {}
      }
    }
  }

 private:
  std::shared_ptr<BatchPool> pool_;
  std::vector<Element> batches_;
};

void drive(benchmark::State& state, std::unique_ptr<Operator> op, int64_t disorder_ms,
           int32_t inputs = 1) {
  BenchContext context;
  Drop drop;
  for (OutputPort* port : op->outputs()) { port->connect(drop); }
  if (!op->open(context).ok()) { std::abort(); }
  Input input(static_cast<uint64_t>(state.range(0)), disorder_ms);
  int64_t pass = 0;
  for (auto _ : state) { input.run(*op, pass++, inputs); }
  state.SetItemsProcessed(state.iterations() * Input::kBatches * 1024);
}

template <class Assigner>
std::unique_ptr<Operator> sliced(const Assigner& assigner) {
  return std::make_unique<SlicingWindowOperator<int64_t, Event, EventKey, Count>>(
      assigner.grid(), &Event::key, Count(), WindowSettings<Event>(), nullptr);
}

void tumbling_count(benchmark::State& state) { drive(state, sliced(tumbling(Duration(2000))), 0); }
void tumbling_count_disordered(benchmark::State& state) {
  drive(state, sliced(tumbling(Duration(100))), 150);
}
void sliding_count(benchmark::State& state) {
  drive(state, sliced(sliding(Duration(10000), Duration(2000))), 0);
}
void sliding_count_of_100_slices(benchmark::State& state) {
  drive(state, sliced(sliding(Duration(100000), Duration(1000))), 0);
}
void session_count(benchmark::State& state) {
  drive(state,
        std::make_unique<SessionWindowOperator<int64_t, Event, EventKey, SessionWindows, Count>>(
            session(Duration(1000)), &Event::key, Count(), WindowSettings<Event>(), nullptr),
        0);
}
void generic_tumbling_count(benchmark::State& state) {
  drive(state,
        std::make_unique<GenericWindowOperator<int64_t, Event, EventKey, TumblingWindows,
                                               EventTimeTrigger, NoEvictor, Count>>(
            tumbling(Duration(2000)), EventTimeTrigger(), NoEvictor(), &Event::key, Count(),
            WindowSettings<Event>(), nullptr),
        0);
}
void interval_join_of_even_inputs(benchmark::State& state) {
  const auto pair = [](const Event& left, const Event& right) {
    return Event{left.key, right.value};
  };
  drive(state,
        std::make_unique<
            IntervalJoinOperator<int64_t, Event, Event, EventKey, EventKey, decltype(pair)>>(
            IntervalBounds{-100, 100}, &Event::key, &Event::key, pair,
            IntervalJoinOptions<Event, Event>(), nullptr),
        0, 2);
}

BENCHMARK(tumbling_count)->Arg(1000)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK(tumbling_count_disordered)->Arg(1000)->Unit(benchmark::kMillisecond);
BENCHMARK(sliding_count)->Arg(1000)->Arg(100'000)->Unit(benchmark::kMillisecond);
BENCHMARK(sliding_count_of_100_slices)->Arg(1000)->Unit(benchmark::kMillisecond);
BENCHMARK(session_count)->Arg(1000)->Arg(100'000)->Unit(benchmark::kMillisecond);
BENCHMARK(generic_tumbling_count)->Arg(1000)->Unit(benchmark::kMillisecond);
BENCHMARK(interval_join_of_even_inputs)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tidewheel
