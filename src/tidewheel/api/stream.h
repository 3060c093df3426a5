// Streams: what a job's author builds a pipeline of. A stream is a cheap value that names the
// output of an operator; calling a method adds an operator to the job.
#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "tidewheel/api/functions.h"
#include "tidewheel/api/job_graph.h"
#include "tidewheel/dataflow/row_partitioner.h"
#include "tidewheel/operators/async_options.h"
#include "tidewheel/operators/event_time.h"
#include "tidewheel/operators/map.h"
#include "tidewheel/operators/record_row_codec.h"
#include "tidewheel/operators/sink_operator.h"
#include "tidewheel/operators/watermark.h"
#include "tidewheel/types/hash.h"
#include "tidewheel/types/record.h"

namespace tidewheel {

template <class T>
class Stream;
template <class K, class T, class Select>
class Keyed;  // api/keyed.h
template <class A, class B>
class Connected;  // api/connected.h
template <class A, class B>
class BroadcastConnected;  // api/connected.h
template <class T>
class Collected;  // api/collect.h

// The event time of a source's splits, set by event_time directly behind it.
template <class T>
struct SourceEventTime {
  std::unique_ptr<EventClock<T>> clock;
};

// The operator that ends a pipeline.
class SinkEnd : public NodeSettings<SinkEnd> {
 public:
  SinkEnd(std::shared_ptr<JobGraph> graph, int32_t node) : graph_(std::move(graph)), node_(node) {}
  const std::shared_ptr<JobGraph>& graph() const { return graph_; }
  int32_t node_id() const { return node_; }

 private:
  std::shared_ptr<JobGraph> graph_;
  int32_t node_;
};

// A stream that every reader's subtasks get all of: for `connect`.
template <class T>
class BroadcastStream {
 public:
  explicit BroadcastStream(Stream<T> stream) : stream_(std::move(stream)) {}
  const Stream<T>& stream() const { return stream_; }
  // As an ordinary stream, each row of which every subtask gets.
  operator Stream<T>() const { return stream_; }  // NOLINT

 private:
  Stream<T> stream_;
};

template <class T>
class Stream : public NodeSettings<Stream<T>> {
 public:
  using value_type = T;

  Stream(std::shared_ptr<JobGraph> graph, StreamEnds ends,
         std::shared_ptr<SourceEventTime<T>> source = nullptr)
      : graph_(std::move(graph)), ends_(std::move(ends)), source_(std::move(source)) {
    for (StreamEnd& end : ends_) {
      if (end.row_codec == nullptr) { end.row_codec = row_codec_of<T>(); }
    }
  }

  // ---- One row at a time ----

  // One row for each: `To f(const T&)`, or `To f(const T&, tw::Arena&)` to make Text in the arena.
  template <class F>
  requires CallableWith<F, const T&> || CallableWith<F, const T&, Arena&>
  auto map(F function) const {
    using To = typename MapResult<F>::type;
    if constexpr (CallableWith<F, const T&>) {
      check_function_is_const<F, const T&>();
    } else {
      check_function_is_const<F, const T&, Arena&>();
    }
    check_map_result<To>();
    return transform<To>("map", [function](std::shared_ptr<const NodeLinks> links) {
      return std::make_unique<MapOperator<T, To, F>>(function, std::move(links));
    });
  }

  template <class F>
  requires(!CallableWith<F, const T&> && !CallableWith<F, const T&, Arena&>) void map(F) const {
    static_assert(kNever<F>, "map needs a function of a row of this stream: To f(const T&)");
  }

  // The rows for which `bool f(const T&)` is true.
  template <class F>
  requires CallableWith<F, const T&> Stream filter(F function)
  const {
    check_function_is_const<F, const T&>();
    check_predicate_result<std::invoke_result_t<F&, const T&>>();
    return transform<T>("filter", [function](std::shared_ptr<const NodeLinks> links) {
      return std::make_unique<FilterOperator<T, F>>(function, std::move(links));
    });
  }

  template <class F>
  requires(!CallableWith<F, const T&>) void filter(F) const {
    static_assert(kNever<F>, "filter needs a function of a row of this stream: bool f(const T&)");
  }

  // Any number of rows for each: `void f(const T&, tw::Out<To>&)`.
  template <class To, class F>
  requires CallableWith < F, const T&, Out<To>
  & > Stream<To> flat_map(F function) const {
    check_function_is_const<F, const T&, Out<To>&>();
    check_flat_map_result<To>();
    return transform<To>("flat_map", [function](std::shared_ptr<const NodeLinks> links) {
      return std::make_unique<FlatMapOperator<T, To, F>>(function, std::move(links));
    });
  }

  template <class To, class F>
  requires(!CallableWith<F, const T&, Out<To>&>) void flat_map(F) const {
    static_assert(kNever<F>,
                  "flat_map<To> needs a function of a row of this stream and of an output: "
                  "void f(const T&, tw::Out<To>&)");
  }

  // A process function (operators/process.h): `output`, on_element, optional open, close, state.
  template <class P>
  auto process(P function) const;

  // Asynchronous calls: `tw::Async<To> f(T row)` (operators/async_map.h). `fallback(const T&)`
  // gives the result of a row whose time is out; without it a timeout fails the job.
  template <class F, class Fallback = NoTimeoutFallback>
  auto async_map(F function, AsyncOptions options = {}, Fallback fallback = {}) const;

  // ---- Several streams ----

  // The rows of all of them. Their orders are kept, not the order between them.
  template <class... Others>
  requires(std::same_as<Others, Stream>&&...) Stream union_with(const Others&... others)
  const {
    StreamEnds ends = ends_;
    (ends.insert(ends.end(), others.ends_.begin(), others.ends_.end()), ...);
    return Stream(graph_, std::move(ends));
  }
  // Two streams with one function that sees both: on_left, on_right.
  template <class U>
  Connected<Stream, Stream<U>> connect(const Stream<U>& other) const;
  // A stream and one that all subtasks get: on_element, on_broadcast.
  template <class U>
  BroadcastConnected<Stream, U> connect(const BroadcastStream<U>& rules) const;

  // ---- Keys ----

  // By a member (`&Trade::symbol`) or a function of the row that gives a key.
  template <class F>
  requires CallableWith<const F, const T&>
  auto key_by(F select) const {
    using K = Selected<F, T>;
    check_key<K>();
    return Keyed<K, T, F>(*this, std::move(select));
  }

  // ---- Windows over the whole stream, in one subtask (api/windowed_stream.h) ----

  template <class Assigner>
  auto window_all(Assigner assigner) const;

  template <class F>
  requires(!CallableWith<const F, const T&>) void key_by(F) const {
    static_assert(kNever<F>,
                  "key_by needs a member of this stream's rows, or a const function K f(const T&)");
  }

  // ---- How rows are spread over the subtasks of what follows ----

  Stream rebalance() const { return spread(EdgeKind::kRebalance); }
  Stream rescale() const { return spread(EdgeKind::kRescale); }
  Stream shuffle() const { return spread(EdgeKind::kShuffle); }
  Stream global() const { return spread(EdgeKind::kGlobal); }
  Stream forward() const { return spread(EdgeKind::kForward); }
  BroadcastStream<T> broadcast() const { return BroadcastStream<T>(spread(EdgeKind::kBroadcast)); }
  // `int f(const T&, int32_t subtasks)` chooses the subtask, from 0.
  template <class F>
  requires CallableWith<F, const T&, int32_t> Stream partition_custom(F choose)
  const {
    check_function_is_const<F, const T&, int32_t>();
    return spread(EdgeKind::kCustom,
                  [choose] { return std::make_unique<CustomPartitioner<T, F>>(choose); });
  }

  // ---- Event time ----

  // Gives rows the time of a member or function, and the stream watermarks. Directly behind a
  // source each split has watermarks of its own.
  template <class Extract, WatermarkStrategy Strategy>
  Stream event_time(Extract extract, Strategy strategy) const {
    static_assert(TimestampExtractor<T, Extract>,
                  "event_time needs a member or function giving tw::Timestamp");
    return with_event_time(std::make_unique<EventClockOf<T, Extract, Strategy>>(
        std::move(extract), std::move(strategy)));
  }
  // For rows that have a time already.
  template <WatermarkStrategy Strategy>
  Stream event_time(Strategy strategy) const {
    return event_time(KeepTimestamps(), std::move(strategy));
  }

  // ---- Ends ----

  // The side output `tag` of the operator that made this stream.
  template <class S>
  Stream<S> side(const OutputTag<S>& tag) const {
    const Result<int32_t> port = graph_->links(node_id()).listen_to(tag);
    if (!port.ok()) { graph_->fail(port.status()); }
    return Stream<S>(graph_, {{.node = node_id(), .port = port.ok() ? *port : 0}});
  }

  template <Sink S>
  requires std::same_as<typename S::input, T> SinkEnd to(S sink)
  const { return add_sink(std::move(sink)); }
  // A sink for any type, such as tw::print().
  template <SinkMakerFor<T> M>
  requires(!Sink<M>) SinkEnd to(M maker)
  const { return add_sink(maker.template bind<T>()); }
  template <class S>
  requires(!SinkMakerFor<S, T> && !(Sink<S> && requires {
    requires std::same_as<typename S::input, T>;
  })) void to(S) const {
    static_assert(
        kNever<S>,
        "the sink does not take rows of this stream: its `input` must be the stream's type, "
        "with write(const input&) or write_rows");
  }
  // Prints each row on a line (defined in tidewheel.h).
  SinkEnd print() const;
  SinkEnd print(std::string prefix) const;
  // Keeps all rows for the caller, who finds them there once the job has ended.
  Collected<T> collect() const;

  // ---- For operators defined elsewhere ----

  // Adds an operator that reads this stream; `make(links)` gives a std::unique_ptr of it.
  template <class To, class Make>
  Stream<To> transform(std::string name, Make make, bool stateful = false) const {
    check_record<To>();
    GraphNode node;
    node.name = std::move(name);
    node.stateful = stateful;
    return add_node<To>(std::move(node), std::move(make));
  }
  template <class To, class Make>
  Stream<To> add_node(GraphNode node, Make make) const {
    const int32_t id = graph_->add_node(
        std::move(node),
        [make = std::move(make)](std::shared_ptr<const NodeLinks> links)
            -> Result<std::unique_ptr<Operator>> { return make(std::move(links)); });
    graph_->connect(ends_, id, 0);
    return Stream<To>(graph_, {{.node = id}});
  }
  // The same rows, spread in another way.
  Stream spread(EdgeKind kind,
                std::function<std::unique_ptr<Partitioner>()> make_partitioner = nullptr) const {
    Stream result = *this;
    result.source_ = nullptr;
    for (StreamEnd& end : result.ends_) {
      end.kind = kind;
      end.kind_chosen = true;
      end.make_partitioner = make_partitioner;
    }
    return result;
  }
  const std::shared_ptr<JobGraph>& graph() const { return graph_; }
  const StreamEnds& ends() const { return ends_; }
  int32_t node_id() const { return ends_.front().node; }

 private:
  template <class F>
  struct MapResult {
    static auto test() {
      if constexpr (CallableWith<F, const T&>) {
        return std::type_identity<std::remove_cvref_t<std::invoke_result_t<F&, const T&>>>();
      } else {
        return std::type_identity<
            std::remove_cvref_t<std::invoke_result_t<F&, const T&, Arena&>>>();
      }
    }
    using type = typename decltype(test())::type;
  };

  Stream with_event_time(std::unique_ptr<EventClock<T>> clock) const {
    if (source_ != nullptr && source_->clock == nullptr && !graph_->is_read(node_id())) {
      source_->clock = std::move(clock);
      return *this;
    }
    if (!clock->options().alignment_group.empty()) {
      graph_->fail(invalid_argument(
          ErrorId::kGraphEdge,
          "event_time(...).align works directly behind a source, which it can pause; the stream of "
          "'{}' is none",
          graph_->node(node_id()).name));
    }
    const std::shared_ptr<const EventClock<T>> prototype = std::move(clock);
    return transform<T>("event_time", [prototype](std::shared_ptr<const NodeLinks> links) {
      return std::make_unique<EventTimeOperator<T>>(prototype->clone(), std::move(links));
    });
  }

  template <class S>
  SinkEnd add_sink(S sink) const {
    GraphNode node;
    node.name = "sink";
    node.is_sink = true;
    if constexpr (requires { S::fixed_parallelism; }) {
      node.fixed_parallelism = S::fixed_parallelism;
    }
    node.stateful = TwoPhaseSink<S>;
    const int32_t id = graph_->add_node(
        std::move(node),
        [sink = std::move(sink)](const std::shared_ptr<const NodeLinks>&)
            -> Result<std::unique_ptr<Operator>> { return std::make_unique<SinkWriter<S>>(sink); });
    graph_->connect(ends_, id, 0);
    graph_->links(id).row_type_key = &kTypeKey<T>;
    return SinkEnd(graph_, id);
  }

  std::shared_ptr<JobGraph> graph_;
  StreamEnds ends_;
  std::shared_ptr<SourceEventTime<T>> source_;  // of a stream directly behind a source
};

}  // namespace tidewheel
