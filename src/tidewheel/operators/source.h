// What the author of a source writes: a struct that finds splits, and reads one split at a time.
//
//   struct Lines {
//     using output = std::string;
//     struct Split { std::string path; int64_t offset = 0; };             // a record: the position
//     Result<std::vector<Split>> discover(SplitContext& context);         // which splits there are
//     ReadResult read(Split& split, SourceOut<std::string>& out);         // reads some, advances
//     split
//   };
//
// `discover` runs once for the job, on the blocking pool, in a copy of the struct of its own;
// readers ask for splits and get them. `read` runs in a copy of the struct for each subtask, on the
// subtask's thread. Splits are in the snapshot, as they were after the last `read`.
//
// Members that a source may have besides:
//
//   // Before the first read, in every subtask; at its end, also after a failure.
//   Status open(SourceContext& context);
//   void close();
//   // When a split has come to a reader; when it has ended.
//   Status open_split(Split& split);
//   void close_split(Split& split);
//   // Tells splits found again from new ones. Default: all fields of the split as discovered.
//   std::string split_id(const Split& split) const;
//   // Above 0: unbounded, and `discover` is called again and again.
//   int64_t discovery_interval_ms() const;
//   // Whether it ends by itself. Default: yes, unless it is discovered again and again. One that
//   // does not is refused where execution.runtime-mode is BATCH.
//   bool is_bounded() const;
//   SplitAssignment assignment() const;  // default: kOnRequest
//   // A checkpoint is complete, in which this subtask had these splits. Best effort: for telling
//   // others how far the job is.
//   void checkpoint_complete(std::span<const Split> splits);
//   // What is left of a split, in about so many splits: after a restore with more subtasks than
//   // splits, so that each has something to read. The rows are the same, in any order.
//   std::vector<Split> divide(const Split& split, int32_t parts) const;
//   // `read` may block: it runs on the blocking pool.
//   static constexpr bool blocking = true;
//   // The only parallelism that it can have.
//   static constexpr int32_t fixed_parallelism = 1;
#pragma once
#include <atomic>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/batch.h"
#include "tidewheel/dataflow/coordinator.h"
#include "tidewheel/dataflow/operator.h"

namespace tidewheel {

// How splits come to readers.
enum class SplitAssignment : uint8_t {
  kOnRequest,  // one at a time, to the reader that has finished its last: for splits that end
  kSpread,     // all at once, evenly: for splits that do not end (partitions of a log)
};

// What `read` answers.
class ReadResult {
 public:
  enum class Next : uint8_t {
    kMore,    // there is more to read now
    kWait,    // nothing until SourceContext::wake(), or the wall time `wake_at_ms`
    kEnd,     // this split has ended
    kFailed,  // the job fails with `status`
  };

  static ReadResult more() { return ReadResult(Next::kMore); }
  static ReadResult wait() { return ReadResult(Next::kWait); }
  static ReadResult wait_until(int64_t wall_ms) {
    ReadResult result(Next::kWait);
    result.wake_at_ms_ = wall_ms;
    return result;
  }
  static ReadResult end() { return ReadResult(Next::kEnd); }
  ReadResult(Status failure)  // NOLINT: implicit, so that TIDEWHEEL_RETURN_IF_ERROR works in `read`
      : next_(Next::kFailed), status_(std::move(failure)) {}

  Next next() const { return next_; }
  int64_t wake_at_ms() const { return wake_at_ms_; }
  const Status& status() const { return status_; }

 private:
  explicit ReadResult(Next next) : next_(next) {}
  Next next_;
  int64_t wake_at_ms_ = Clock::kNever;
  Status status_;
};

// What `discover` may use.
class SplitContext {
 public:
  SplitContext(CoordinatorContext& context, bool first)
      : parallelism_(context.parallelism()),
        first_(first),
        clock_(&context.clock()),
        files_(&context.files()),
        network_(&context.network()) {}
  int32_t parallelism() const { return parallelism_; }
  // False when the source is asked again after its interval.
  bool is_first() const { return first_; }
  Clock& clock() { return *clock_; }
  FileSystem& files() { return *files_; }
  Network& network() { return *network_; }

 private:
  // Parts of the world, which outlives the job: a call may last longer than the coordinator.
  int32_t parallelism_;
  bool first_;
  Clock* clock_;
  FileSystem* files_;
  Network* network_;
};

// What a reader or a writer may know and use, from `open` to `close`.
class ConnectorContext {
 public:
  // `woken` (may be null) is set by wake(), for the operator to see.
  explicit ConnectorContext(OperatorContext& context, std::atomic<bool>* woken = nullptr)
      : context_(&context), woken_(woken) {}
  const std::string& name() const { return context_->name(); }
  int32_t subtask_index() const { return context_->subtask_index(); }
  int32_t parallelism() const { return context_->parallelism(); }
  uint32_t batch_rows() const { return context_->batch_rows(); }
  // A last checkpoint comes after the end of the input.
  bool takes_final_checkpoint() const { return context_->takes_final_checkpoint(); }
  Clock& clock() { return context_->clock(); }
  Random& random() { return context_->random(); }
  Executor& executor() { return context_->executor(); }
  FileSystem& files() { return context_->files(); }
  Network& network() { return context_->network(); }
  MemoryPool& memory() { return context_->memory(); }
  MetricGroup& metrics() { return context_->metrics(); }
  const Config& config() const { return context_->config(); }
  OperatorContext& operator_context() { return *context_; }
  // Has `read` called again soon for splits that wait. Any thread, until `close` has returned.
  void wake() {
    if (woken_ != nullptr) { woken_->store(true, std::memory_order_release); }
    context_->wake();
  }

 private:
  OperatorContext* context_;
  std::atomic<bool>* woken_;
};
using SourceContext = ConnectorContext;

// Where `read` puts rows: straight into the batch that will be sent. One call of `read` should emit
// room() rows at most; more are taken, in a batch that grows.
template <class T>
class SourceOut {
 public:
  SourceOut(RowBatch<T>& batch, uint32_t batch_rows) : batch_(&batch), batch_rows_(batch_rows) {}

  // Adds a row with its event time in ms, or without one. Returns the row in the batch.
  template <class U>
  T& emit(U&& row, int64_t timestamp_ms = kNoTimestamp) {
    return batch_->append(std::forward<U>(row), timestamp_ms);
  }
  // Rows that still fit; 0 is a good moment to return.
  uint32_t room() const { return batch_->size() < batch_rows_ ? batch_rows_ - batch_->size() : 0; }
  // The batch itself, for loops that construct rows in place: ensure_room(), rows() + size(),
  // timestamps() + size(), set_size(). It may hold rows from before: never touch those.
  RowBatch<T>& batch() { return *batch_; }
  // Copies bytes so that they live as long as the rows.
  Text intern(std::string_view bytes) { return batch_->arena().copy(bytes); }
  // Rows emitted by this call point into `arena`: it lives as long as they do.
  void share_arena(const ArenaRef& arena) { batch_->share_arena(arena); }
  // States that no more rows with a time <= `time_ms` come from this split; used when no watermark
  // strategy was given. Takes effect after the rows of this call.
  void watermark(int64_t time_ms) {
    if (time_ms > watermark_) { watermark_ = time_ms; }
  }
  int64_t split_watermark() const { return watermark_; }

 private:
  RowBatch<T>* batch_;
  uint32_t batch_rows_;
  int64_t watermark_ = kMinWatermark;
};

// A type that can be given to Env::from.
template <class S>
concept Source = std::copy_constructible<S> &&
    requires(S source, SplitContext& context, typename S::Split& split,
             SourceOut<typename S::output>& out) {
  { source.discover(context) } -> std::same_as<Result<std::vector<typename S::Split>>>;
  { source.read(split, out) } -> std::same_as<ReadResult>;
};

}  // namespace tidewheel
