// What the author of a sink writes: a struct that takes rows of one type.
//
//   struct Table {
//     using input = Fare;
//     Status open(SinkContext& context);                      // optional
//     Status write(const Fare& row);                          // or write(row, timestamp_ms), or
//     Status write_rows(std::span<const Fare> rows, std::span<const int64_t> timestamps_ms);  // or
//     Status write_batch(const RowBatch<Fare>& rows, uint32_t begin, uint32_t end);
//     bool ready();                                           // optional: see below
//     Status flush();                                         // optional: see below
//     Status flush_epoch(int64_t epoch);                      // optional: see below
//     Status end_of_input();                                  // optional: no row comes any more
//     Result<int64_t> on_time(int64_t wall_ms);               // optional: see below
//     void on_watermark(int64_t time_ms);                     // optional: no row before it comes
//     Status close(bool finished);                            // optional: also after a failure
//   };
//
// A copy of the struct for each subtask does the writing, on the subtask's thread. `write` may also
// answer void. While `ready` answers false no rows come; it is asked again after
// SinkContext::wake(). `flush` comes before every snapshot and when the input has ended: all rows
// taken so far are to be safe, or visible, then. `flush_epoch` comes where the job has epochs
// (SQL's 'consistency' = 'epoch'): what came since the last one belongs together, and leads from
// the exact answer for one part of the input to that for a longer one. Numbers grow; what comes
// after the last one ends with the input. `on_time` comes after `open`, and then when the wall
// clock has passed what it answered last (Clock::kNever: not any more).
//
// A sink that commits in two phases has besides:
//   struct Pending { std::string upload_id; };             // a record: kept in the checkpoint
//   // What was written since the last call. Rows that come later go into the next transaction.
//   Result<std::vector<Pending>> prepare(int64_t checkpoint);
//   // Idempotent: may come again after a crash. What comes first was prepared first.
//   Status commit(const Pending& pending);
//   // Optional. The rows were prepared for a checkpoint that has failed, and no later one holds
//   // them: the sink takes them back into the current transaction, before those that it has, and
//   // ends this one. Without it, they are committed with the next checkpoint.
//   Status abort(const Pending& pending);
//   // Optional: what a checkpoint keeps besides; comes right after `prepare`.
//   struct State {...};
//   Result<std::vector<State>> snapshot_state(int64_t checkpoint);
//   // Optional: after `open`, and before anything else. All that the restored checkpoint knows,
//   // of all subtasks: what else earlier attempts have left behind was never part of a complete
//   // checkpoint, and is to be aborted. What is pending is committed afterwards, not by this call.
//   Status recover(const SinkRecovery<Pending, State>& recovery);   // State: NoSinkState without
//
// A checkpoint's transactions are committed when it is complete everywhere, or with a later one, or
// after a restore. Without checkpoints what was written is prepared and committed at the end of the
// input, or, in jobs that run stage by stage, by a copy that is opened for that alone, afterwards.
//
// `static constexpr bool blocking_commits = true;` says that preparing and committing wait for
// something outside. They run on the blocking pool then, one at a time and in order, while rows go
// on into the next transaction:
//   Result<PrepareJob<Pending>> prepare(int64_t checkpoint);  // quick: cuts the transaction; the
//                                    job that it gives is run on the pool, and touches nothing that
//                                    the sink uses meanwhile
//   Status commit(const Pending& pending) const;              // on the pool, beside `write`; may
//                                                             // outlast `close` by one call
//
// `static constexpr int32_t fixed_parallelism = 1;` is the only parallelism that a sink can have.
// A sink for rows of any type has `template <class T> auto bind() const`, which gives a sink of T.
#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/operators/record_codec.h"
#include "tidewheel/operators/source.h"

namespace tidewheel {

using SinkContext = ConnectorContext;

template <class Pending>
using PrepareJob = std::function<Result<std::vector<Pending>>()>;

struct NoSinkState {
  bool none = false;
};

// What a sink is told at its start. Each record names the subtask that wrote it.
template <class Pending, class State = NoSinkState>
struct SinkRecovery {
  bool restored = false;    // from a snapshot, that of a checkpoint or a savepoint
  bool is_restart = false;  // an earlier attempt at this job has run, whether or not there is one
  std::vector<SavedRecord<Pending>> pending;
  std::vector<SavedRecord<State>> states;
};

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
// Rows [begin, end) of the batch as it is.
template <class S, class T>
concept WritesBatch = requires(S sink, const RowBatch<T>& batch, uint32_t row) {
  { sink.write_batch(batch, row, row) } -> std::same_as<Status>;
};
template <class S>
concept CommitsOnPool = requires {
  requires S::blocking_commits;
};
template <class S>
concept PreparesAtOnce = requires(S sink, const typename S::Pending& pending) {
  { sink.prepare(int64_t{0}) } -> std::same_as<Result<std::vector<typename S::Pending>>>;
  { sink.commit(pending) } -> std::same_as<Status>;
};
template <class S>
concept PreparesOnPool = requires(S sink, const S& shared, const typename S::Pending& pending) {
  requires CommitsOnPool<S>;
  { sink.prepare(int64_t{0}) } -> std::same_as<Result<PrepareJob<typename S::Pending>>>;
  { shared.commit(pending) } -> std::same_as<Status>;
};

template <class S>
struct StateOf {
  using type = NoSinkState;
};
template <class S>
requires requires { typename S::State; }
struct StateOf<S> {
  using type = typename S::State;
};
}  // namespace sink_detail

// A type that can be given to Stream<S::input>::to.
template <class S>
concept Sink = std::copy_constructible<S> && requires {
  typename S::input;
} &&(sink_detail::WritesRow<S, typename S::input> ||
     sink_detail::WritesTimedRow<S, typename S::input> ||
     sink_detail::WritesRows<S, typename S::input> ||
     sink_detail::WritesBatch<S, typename S::input>);

// A sink that commits in two phases.
template <class S>
concept TwoPhaseSink = Sink<S> &&(sink_detail::PreparesAtOnce<S> || sink_detail::PreparesOnPool<S>);

template <class S>
using SinkState = typename sink_detail::StateOf<S>::type;
template <class S>
using RecoveryOf = SinkRecovery<typename S::Pending, SinkState<S>>;

// A maker of sinks for any row type.
template <class S, class T>
concept SinkMakerFor = requires(const S& maker) {
  { maker.template bind<T>() } -> Sink;
};

}  // namespace tidewheel
