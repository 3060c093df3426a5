// What SQL operators cost a row, driven without a job around them, on columns of random keys. Items
// per second are rows; firing of windows is part of it.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/micro/bench_context.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/base/random.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/column_partitioner.h"
#include "tidewheel/sql/group_aggregate.h"
#include "tidewheel/sql/over.h"
#include "tidewheel/sql/temporal_join.h"
#include "tidewheel/sql/window_aggregate.h"

namespace tidewheel::sql {
namespace {

using bench::BenchContext;
using bench::Drop;

RowType input_type() {
  RowType type;
  type.add("key", LogicalType::of(TypeKind::kBigint));
  type.add("value", LogicalType::of(TypeKind::kBigint));
  type.add("time", LogicalType::with(TypeKind::kTimestamp, 3));
  type.add("text", LogicalType::string());
  return type;
}

// A million rows in batches of 1,024, 100 of them a millisecond of event time.
class ColumnInput {
 public:
  static constexpr int64_t kBatches = 1024;
  static constexpr int64_t kSpanMs = kBatches * 1024 / 100;

  explicit ColumnInput(uint64_t keys) {
    Random random(42);
    pool_ = BatchPool::create_for<ColumnRow>(1024, nullptr);
    for (int64_t i = 0; i < kBatches; ++i) {
      auto* const batch = static_cast<ColumnBatch*>(pool_->acquire());
      batch->set_types(input_type().types);
      batch->ensure_room(1024);
      for (uint32_t j = 0; j < 1024; ++j) {
        const auto key = static_cast<int64_t>(random.below(keys));
        batch->column(0).values<int64_t>()[j] = key;
        batch->column(1).values<int64_t>()[j] = j;
        batch->column(2).values<int64_t>()[j] = (i * 1024 + j) / 100;
        batch->column(3).values<Text>()[j] = batch->arena().copy("key " + std::to_string(key));
      }
      batch->set_size(1024);
      batch->seal();
      batches_.push_back(Element::rows(BatchRef::adopt(batch)));
    }
  }
  // Rows of later passes are later. One batch in `right_every` goes to the second input; 0: none.
  void run(Operator& op, int64_t pass, int64_t right_every = 0) {
    for (int64_t i = 0; i < kBatches; ++i) {
      auto& batch =
          const_cast<ColumnBatch&>(ColumnBatch::of(*batches_[static_cast<size_t>(i)].batch));
      int64_t* const times = batch.column(2).values<int64_t>();
      for (uint32_t j = 0; pass > 0 && j < 1024; ++j) { times[j] += kSpanMs; }
      uint32_t cursor = 0;
      const int32_t input = right_every > 0 && i % right_every == 0 ? 1 : 0;
      static_cast<void>(op.on_rows(input, batches_[static_cast<size_t>(i)], cursor));
      if (i % 16 == 15) {
        static_cast<void>(op.on_watermark(pass * kSpanMs + i * 1024 / 100 - 200));
      }
    }
  }

 private:
  std::shared_ptr<BatchPool> pool_;
  std::vector<Element> batches_;
};

AggregateCall call(AggregateFunction function, std::vector<int32_t> arguments) {
  AggregateCall made;
  made.function = function;
  made.arguments = std::move(arguments);
  std::vector<LogicalType> types;
  for (const int32_t column : made.arguments) {
    types.push_back(input_type().types[static_cast<size_t>(column)]);
  }
  made.result = aggregate_result_type(function, types).value();
  return made;
}

void drive(benchmark::State& state, Result<std::unique_ptr<Operator>> made,
           int64_t right_every = 0) {
  if (!made.ok()) { return state.SkipWithError(made.status().to_string().c_str()); }
  const std::unique_ptr<Operator> op = std::move(made).value();
  ColumnInput input(static_cast<uint64_t>(state.range(0)));
  Drop drop;
  BenchContext context;
  op->outputs()[0]->connect(drop);
  if (!op->open(context).ok()) { return state.SkipWithError("open"); }
  int64_t pass = 0;
  input.run(*op, pass++, right_every);  // keys are there
  for (auto _ : state) { input.run(*op, pass++, right_every); }
  state.SetItemsProcessed(state.iterations() * ColumnInput::kBatches * 1024);
  op->close(false);
}

GroupAggregateSpec grouped(std::vector<int32_t> keys) {
  GroupAggregateSpec spec;
  spec.input = input_type();
  spec.keys = std::move(keys);
  spec.emits_before = false;
  spec.calls = {call(AggregateFunction::kCountStar, {}), call(AggregateFunction::kSum, {1})};
  return spec;
}

void group_count_sum(benchmark::State& state) { drive(state, make_group_aggregate(grouped({0}))); }
BENCHMARK(group_count_sum)->Arg(1000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void group_count_sum_retract(benchmark::State& state) {
  GroupAggregateSpec spec = grouped({0});
  spec.emits_before = true;
  spec.input_retracts = true;
  drive(state, make_group_aggregate(spec));
}
BENCHMARK(group_count_sum_retract)->Arg(1000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void group_by_text(benchmark::State& state) { drive(state, make_group_aggregate(grouped({3}))); }
BENCHMARK(group_by_text)->Arg(1000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void group_mini_batch(benchmark::State& state) {
  GroupAggregateSpec spec = grouped({0});
  spec.mini_batch = true;
  drive(state, make_group_aggregate(spec));
}
BENCHMARK(group_mini_batch)->Arg(100)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void group_distinct(benchmark::State& state) {
  GroupAggregateSpec spec = grouped({1});
  AggregateCall distinct = call(AggregateFunction::kCount, {0});
  distinct.distinct = true;
  spec.calls = {distinct};
  drive(state, make_group_aggregate(spec));
}
BENCHMARK(group_distinct)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void window_count(benchmark::State& state, GridWindow window) {
  WindowAggregateSpec spec;
  spec.input = input_type();
  spec.keys = {0};
  spec.calls = {call(AggregateFunction::kCountStar, {})};
  spec.window = window;
  spec.time = 2;
  spec.properties = {WindowProperty::kStart, WindowProperty::kEnd};
  drive(state, make_window_aggregate(spec));
}
void tumble_count(benchmark::State& state) {
  window_count(state, {GridWindow::Kind::kTumble, 1000, 0, 0});
}
BENCHMARK(tumble_count)->Arg(1000)->Arg(100'000)->Unit(benchmark::kMillisecond);
void hop_count(benchmark::State& state) {
  window_count(state, {GridWindow::Kind::kHop, 1000, 100, 0});
}
BENCHMARK(hop_count)->Arg(1000)->Unit(benchmark::kMillisecond);

// A sum over the rows before each row, by event time. Frames of 10 and of 1,000 rows cost alike.
void over_sum(benchmark::State& state) {
  OverSpec spec;
  spec.input = input_type();
  spec.input.types[2].time = TimeAttribute::kEvent;
  spec.partition_by = {0};
  spec.order_by = {{2, false, true}};
  OverCall sum;
  sum.call = call(AggregateFunction::kSum, {1});
  sum.frame = {true, state.range(1), 0};
  spec.calls.push_back(sum);
  drive(state, make_over_by_time(spec));
}
BENCHMARK(over_sum)->Args({1000, 10})->Args({1000, 1000})->Unit(benchmark::kMillisecond);

// One row in 32 is a version.
void temporal_join(benchmark::State& state) {
  TemporalJoinSpec spec;
  spec.left = input_type();
  spec.right = input_type();
  spec.left_keys = {0};
  spec.right_keys = {0};
  spec.left_time = 2;
  spec.right_time = 2;
  drive(state, make_temporal_join(spec, nullptr), /*right_every=*/32);
}
BENCHMARK(temporal_join)->Arg(1000)->Arg(100'000)->Unit(benchmark::kMillisecond);

void split_columns(benchmark::State& state) {
  const auto partitioner = make_column_partitioner(input_type().types, {0});
  partitioner->open(2, 128, 1024, nullptr);
  ColumnInput input(1000);
  class Splitter final : public Operator {
   public:
    explicit Splitter(Partitioner& to) : to_(to) {}
    Status open(OperatorContext&) override { return {}; }
    Progress on_rows(int32_t, const Element& rows, uint32_t&) override {
      Element element = rows;
      to_.split(element);
      for (uint32_t channel = 0; channel < 2; ++channel) {
        if (to_.gathered(channel) >= 1024) { static_cast<void>(to_.take(channel)); }
      }
      return Progress::kDone;
    }
    Progress on_watermark(int64_t) override { return Progress::kDone; }
    std::span<OutputPort* const> outputs() override { return {}; }

   private:
    Partitioner& to_;
  } splitter(*partitioner);
  int64_t pass = 0;
  for (auto _ : state) { input.run(splitter, pass++); }
  state.SetItemsProcessed(state.iterations() * ColumnInput::kBatches * 1024);
}
BENCHMARK(split_columns)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tidewheel::sql
