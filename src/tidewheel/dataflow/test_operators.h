// Small operators for the tests of this module.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/options.h"
#include "tidewheel/dataflow/graph.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/dataflow/row_partitioner.h"

namespace tidewheel::dataflow_test {

template <class T>
std::shared_ptr<BatchPool> pool_for(OperatorContext& context) {
  return BatchPool::create_for<T>(context.batch_rows(), &context.memory());
}

// Emits begin, begin + parallelism, ... below end, with the number as event time, and a watermark
// behind every `watermark_every` rows.
class NumberSource final : public SourceOperator {
 public:
  NumberSource(int64_t end, int64_t watermark_every)
      : end_(end), watermark_every_(watermark_every) {}
  Status open(OperatorContext& context) override {
    context_ = &context;
    out_.open(pool_for<int64_t>(context), context.batch_rows());
    next_ = context.subtask_index();
    return ok_status();
  }
  Poll poll() override {
    for (uint32_t i = 0; i < context_->batch_rows(); ++i) {
      if (next_ >= end_) { return Poll::kEnd; }
      if (!out_.ready()) { return Poll::kBlocked; }
      out_.emit(next_, next_);
      next_ += context_->parallelism();
      if (watermark_every_ > 0 && ++rows_ % watermark_every_ == 0) {
        static_cast<void>(out_.send(Element::watermark(next_ - context_->parallelism())));
      }
    }
    return Poll::kMore;
  }
  std::span<OutputPort* const> outputs() override { return ports_; }

 private:
  const int64_t end_;
  const int64_t watermark_every_;
  OperatorContext* context_ = nullptr;
  int64_t next_ = 0;
  int64_t rows_ = 0;
  Output<int64_t> out_;
  OutputPort* ports_[1] = {&out_};
};

// Never ends, and never emits: waits to be woken.
class SilentSource final : public SourceOperator {
 public:
  Status open(OperatorContext& context) override {
    out_.open(pool_for<int64_t>(context), context.batch_rows());
    return ok_status();
  }
  Poll poll() override { return Poll::kNothingYet; }
  std::span<OutputPort* const> outputs() override { return ports_; }

 private:
  Output<int64_t> out_;
  OutputPort* ports_[1] = {&out_};
};

// Applies `map(row, emit)`; port 1 gets what `emit.side` is given.
class MapOperator final : public Operator {
 public:
  struct Emit {
    Output<int64_t>& main;
    Output<int64_t>& side;
    int64_t timestamp;
    OperatorContext& context;
    int32_t input;
    void operator()(int64_t row) { main.emit(row, timestamp); }
  };
  using Map = std::function<void(int64_t, Emit&)>;

  explicit MapOperator(Map map) : map_(std::move(map)) {}
  Status open(OperatorContext& context) override {
    context_ = &context;
    out_.open(pool_for<int64_t>(context), context.batch_rows());
    side_.open(pool_for<int64_t>(context), context.batch_rows());
    return ok_status();
  }
  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override {
    const auto& batch = RowBatch<int64_t>::of(*rows.batch);
    for (; cursor < rows.end; ++cursor) {
      if (!outputs_ready()) { return Progress::kBlocked; }
      Emit emit{out_, side_, batch.timestamps()[cursor], *context_, input};
      map_(batch.row(cursor), emit);
    }
    return Progress::kDone;
  }
  std::span<OutputPort* const> outputs() override { return ports_; }

 private:
  Map map_;
  OperatorContext* context_ = nullptr;
  Output<int64_t> out_;
  Output<int64_t> side_;
  OutputPort* ports_[2] = {&out_, &side_};
};

// What a sink has seen, of all its subtasks.
struct Seen {
  std::mutex mutex;
  std::vector<int64_t> rows;
  std::vector<int32_t> subtasks;                 // of each row
  std::vector<int32_t> inputs;                   // of each row
  std::vector<std::vector<int64_t>> watermarks;  // by subtask
  int ends = 0;
  int finished_closes = 0;
  int closes = 0;

  std::vector<int64_t> sorted_rows() {
    const std::lock_guard lock(mutex);
    std::vector<int64_t> sorted = rows;
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }
};

class SeeingSink final : public Operator {
 public:
  explicit SeeingSink(std::shared_ptr<Seen> seen) : seen_(std::move(seen)) {}
  Status open(OperatorContext& context) override {
    context_ = &context;
    const std::lock_guard lock(seen_->mutex);
    seen_->watermarks.resize(static_cast<size_t>(context.parallelism()));
    return ok_status();
  }
  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override {
    const std::lock_guard lock(seen_->mutex);
    const auto& batch = RowBatch<int64_t>::of(*rows.batch);
    for (; cursor < rows.end; ++cursor) {
      seen_->rows.push_back(batch.row(cursor));
      seen_->subtasks.push_back(context_->subtask_index());
      seen_->inputs.push_back(input);
    }
    return Progress::kDone;
  }
  Progress on_watermark(int64_t time_ms) override {
    const std::lock_guard lock(seen_->mutex);
    seen_->watermarks[static_cast<size_t>(context_->subtask_index())].push_back(time_ms);
    return Progress::kDone;
  }
  Progress on_end_of_input(int32_t) override {
    const std::lock_guard lock(seen_->mutex);
    ++seen_->ends;
    return Progress::kDone;
  }
  void close(bool finished) override {
    const std::lock_guard lock(seen_->mutex);
    ++seen_->closes;
    if (finished) { ++seen_->finished_closes; }
  }
  std::span<OutputPort* const> outputs() override { return {}; }

 private:
  std::shared_ptr<Seen> seen_;
  OperatorContext* context_ = nullptr;
};

struct IdentityHash {
  uint32_t operator()(const int64_t& row) const { return static_cast<uint32_t>(row); }
};

// Builds graphs in few words.
class GraphBuilder {
 public:
  template <class Op, class... Args>
  int32_t add(std::string name, int32_t parallelism, Args... args) {
    GraphNode node;
    node.id = static_cast<int32_t>(graph.nodes.size());
    node.name = std::move(name);
    node.parallelism = parallelism;
    node.make = [args...]() -> Result<std::unique_ptr<Operator>> {
      return std::unique_ptr<Operator>(std::make_unique<Op>(args...));
    };
    graph.nodes.push_back(std::move(node));
    return graph.nodes.back().id;
  }
  int32_t numbers(int64_t end, int32_t parallelism = 1, int64_t watermark_every = 0) {
    return mark_source(add<NumberSource>("numbers", parallelism, end, watermark_every));
  }
  int32_t silence(int32_t parallelism = 1) {
    return mark_source(add<SilentSource>("silence", parallelism));
  }
  int32_t map(int32_t from, MapOperator::Map map, int32_t parallelism = 1,
              EdgeKind kind = EdgeKind::kForward, int32_t from_output = 0) {
    const int32_t node = add<MapOperator>("map", parallelism, std::move(map));
    edge(from, node, kind, 0, from_output);
    return node;
  }
  int32_t sink(int32_t from, std::shared_ptr<Seen> seen, int32_t parallelism = 1,
               EdgeKind kind = EdgeKind::kForward, int32_t from_output = 0) {
    const int32_t node = add<SeeingSink>("sink", parallelism, std::move(seen));
    graph.nodes.back().is_sink = true;
    edge(from, node, kind, 0, from_output);
    return node;
  }
  void edge(int32_t from, int32_t to, EdgeKind kind = EdgeKind::kForward, int32_t to_input = 0,
            int32_t from_output = 0) {
    GraphEdge edge;
    edge.from = from;
    edge.to = to;
    edge.kind = kind;
    edge.to_input = to_input;
    edge.from_output = from_output;
    if (kind == EdgeKind::kHash) {
      edge.make_partitioner = [] {
        return std::make_unique<HashPartitioner<int64_t, IdentityHash>>();
      };
    }
    if (kind == EdgeKind::kCustom) {
      const auto choose = [](const int64_t& row, int32_t channels) { return row % channels; };
      edge.make_partitioner = [choose] {
        return std::make_unique<CustomPartitioner<int64_t, decltype(choose)>>(choose);
      };
    }
    graph.edges.push_back(std::move(edge));
  }
  GraphNode& node(int32_t index) { return graph.nodes[static_cast<size_t>(index)]; }

  LogicalGraph graph;

 private:
  int32_t mark_source(int32_t node_index) {
    node(node_index).is_source = true;
    return node_index;
  }
};

inline std::vector<int64_t> numbers_below(int64_t end) {
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < end; ++i) { numbers.push_back(i); }
  return numbers;
}

}  // namespace tidewheel::dataflow_test
