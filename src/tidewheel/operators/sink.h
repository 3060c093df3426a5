// What the author of a sink writes: a struct that takes rows of one type.
//
//   struct Table {
//     using input = Fare;
//     Status open(SinkContext& context);                      // optional
//     Status write(const Fare& row);                          // or write(row, timestamp_ms), or
//     Status write_rows(std::span<const Fare> rows, std::span<const int64_t> timestamps_ms);
//     Status flush();                                         // optional: see below
//     Status close(bool finished);                            // optional: also after a failure
//   };
//
// A copy of the struct for each subtask does the writing, on the subtask's thread. `write` may also
// answer void. `flush` comes before every snapshot and when the input has ended: all rows taken so
// far are to be safe, or visible, then.
//
// A sink that commits in two phases has besides:
//   struct Pending { std::string upload_id; };             // a record: kept in the checkpoint
//   Result<std::vector<Pending>> prepare(int64_t checkpoint);  // what was written since the last
//   call Status commit(const Pending& pending);                 // idempotent: may come again after
//   a crash Status abort(const Pending& pending);                  // optional: of a checkpoint
//   that failed
// When the input ends and no further checkpoint comes, the runtime prepares and commits at once.
//
// `static constexpr int32_t fixed_parallelism = 1;` is the only parallelism that a sink can have.
// A sink for rows of any type has `template <class T> auto bind() const`, which gives a sink of T.
#pragma once
#include <concepts>
#include <cstdint>
#include <span>

#include "tidewheel/base/status.h"
#include "tidewheel/operators/source.h"

namespace tidewheel {

using SinkContext = ConnectorContext;

namespace sink_detail {
template <class S, class T>
concept WritesRow = requires(S sink, const T& row) {
  sink.write(row);
};
template <class S, class T>
concept WritesTimedRow = requires(S sink, const T& row, int64_t time) {
  sink.write(row, time);
};
template <class S, class T>
concept WritesRows = requires(S sink, std::span<const T> rows, std::span<const int64_t> times) {
  { sink.write_rows(rows, times) } -> std::same_as<Status>;
};
}  // namespace sink_detail

// A type that can be given to Stream<S::input>::to.
template <class S>
concept Sink = std::copy_constructible<S> && requires {
  typename S::input;
} &&(sink_detail::WritesRow<S, typename S::input> ||
     sink_detail::WritesTimedRow<S, typename S::input> ||
     sink_detail::WritesRows<S, typename S::input>);

// A sink that commits in two phases.
template <class S>
concept TwoPhaseSink = Sink<S> && requires(S sink, const typename S::Pending& pending) {
  { sink.prepare(int64_t{0}) } -> std::same_as<Result<std::vector<typename S::Pending>>>;
  { sink.commit(pending) } -> std::same_as<Status>;
};

// A maker of sinks for any row type.
template <class S, class T>
concept SinkMakerFor = requires(const S& maker) {
  { maker.template bind<T>() } -> Sink;
};

}  // namespace tidewheel
