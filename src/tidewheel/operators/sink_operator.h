// Runs a sink's writers at the end of a chain, and the two phases of its commits.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/completion_gate.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/operators/record_codec.h"
#include "tidewheel/operators/row_traits.h"
#include "tidewheel/operators/sink.h"

namespace tidewheel {

class Counter;  // base/metrics.h

// The part that knows no row type: what was prepared, by checkpoint, and its way through snapshots
// and to the commit.
//
// A transaction that was prepared is in one of three places: `pending_` under the checkpoint that
// prepared it, until that or a later one is complete; then `committing_` until its commit has
// succeeded; before, for a sink that blocks, in a call that prepares. Every snapshot writes the
// first two, after all calls that prepare have ended: so nothing is lost when a checkpoint fails,
// and what was committed already is at most committed again.
class SinkOperatorBase : public Operator {
 public:
  std::span<OutputPort* const> outputs() final { return {}; }
  Progress on_watermark(int64_t time_ms) final {
    tell_watermark(time_ms);
    return Progress::kDone;
  }
  Progress on_idle(bool) final { return Progress::kDone; }
  Progress on_end_of_input(int32_t input) final;
  Progress on_epoch(int64_t epoch) final;
  Progress on_processing_time(int64_t now_ms) final;
  Progress on_wake() final;
  std::optional<int64_t> waits_until_ns() const final;
  void begin_snapshot(const SnapshotStart& start) final;
  Progress snapshot(SnapshotWriter& writer) final;
  bool snapshots_in_background() const final { return commits_on_pool_; }
  void on_checkpoint_complete(int64_t checkpoint) final;
  void on_checkpoint_aborted(int64_t checkpoint) final;
  bool may_end() final;

 protected:
  static constexpr char kPendingState[] = "pending commits";
  static constexpr char kWriterState[] = "writer";

  // What a sink's type says of it.
  struct Traits {
    bool commits = false;
    bool on_pool = false;
    bool aborts = false;
    bool recovers = false;  // wants to know of everything that the snapshot has
    bool has_state = false;
    bool has_timer = false;
    const std::string* pending_schema = nullptr;
    const std::string* state_schema = nullptr;
  };
  explicit SinkOperatorBase(const Traits& traits)
      : traits_(traits), commits_on_pool_(traits.on_pool) {}

  virtual Status flush_writer() = 0;
  virtual Status flush_epoch(int64_t epoch) = 0;
  virtual Status end_writer() = 0;
  virtual Result<int64_t> tell_time(int64_t wall_ms) = 0;
  virtual void tell_watermark(int64_t time_ms) = 0;
  // What was written since the last call, each as bytes: at once, or by a job for the pool.
  using Encoded = std::vector<std::string>;
  virtual Result<std::function<Result<Encoded>()>> prepare(int64_t checkpoint) = 0;
  virtual Result<Encoded> writer_state(int64_t checkpoint) = 0;
  // Commits in order. May be run on the pool, after the operator is gone.
  virtual std::function<Status(const Encoded&)> committer() = 0;
  virtual Status abort(const std::string& pending) = 0;

  OperatorContext& context() { return *context_; }
  // After the sink was opened. `restored` is this subtask's share of what the snapshot holds.
  Status open_base(OperatorContext& context, Encoded restored);
  void close_base();
  // Whether the sink takes rows now; if not, the task is called again after a wake. What it waits
  // for may be a call that has ended meanwhile: no on_wake comes while rows are refused.
  bool note_ready(bool ready) {
    waits_ = !ready;
    if (!ready) { take_outcome(); }
    return ready;
  }
  void fail_unless_ok(const Status& status, std::string_view call);

 private:
  // What has to be done on the pool, or was done there.
  struct Call {
    bool commits = false;
    int64_t checkpoint = 0;
    std::function<Result<Encoded>()> run;
  };
  struct Outcome {
    std::optional<Result<Encoded>> result;
    std::atomic<bool> done{false};
  };

  void prepare_for(int64_t checkpoint);
  void commit_up_to(int64_t checkpoint);
  void commit(Encoded pending);
  void count_committed(size_t count);
  void start_call(Call call);
  void run_next_call();
  void take_outcome();
  void settle_call(const Call& call, Result<Encoded> result);
  bool calls_are_done() const { return calls_.empty(); }
  void ask_for_time(int64_t wall_ms);

  const Traits traits_;
  const bool commits_on_pool_;
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
  OperatorContext* context_ = nullptr;
  int64_t newest_begun_ = 0;            // checkpoint
  int64_t failed_ = 0;                  // the first one that has failed; for a known bug
  int64_t complete_ = 0;                // newest complete checkpoint that is known
  std::map<int64_t, Encoded> pending_;  // by the checkpoint that prepared it
  std::deque<std::string> committing_;  // handed to the pool, in order
  Encoded frozen_state_;                // of the writer, as it was at the barrier
  std::deque<Call> calls_;              // the first one is on the pool
  std::shared_ptr<Outcome> outcome_;    // of that one
  int64_t preparing_ = 0;               // how many of them prepare
  bool input_ended_ = false;
  bool waits_ = false;  // the latest call was refused: calls are under way, or the sink is full
  Counter* committed_count_ = nullptr;
  Counter* failed_count_ = nullptr;
};

template <class S>
class SinkWriter final : public SinkOperatorBase {
 public:
  using T = typename S::input;
  explicit SinkWriter(S sink)
      : SinkOperatorBase(traits_of()), sink_(std::make_shared<S>(std::move(sink))) {}

  Status open(OperatorContext& context) override {
    sink_context_.emplace(context);
    TIDEWHEEL_RETURN_IF_ERROR(open_sink(context).with_context("sink '{}' (uid {}), subtask {}",
                                                              context.name(), context.uid(),
                                                              context.subtask_index() + 1));
    std::vector<std::string> own;
    if constexpr (TwoPhaseSink<S>) {
      for (const auto& saved : recovery_.pending) {
        if (!kRecovers || belongs_to(saved, context.subtask_index(), context.parallelism())) {
          own.push_back(encode_record(saved.record));
        }
      }
      recovery_ = {};
    }
    return open_base(context, std::move(own));
  }

  Status restore(SnapshotReader& reader) override {
    if constexpr (TwoPhaseSink<S>) {
      recovery_.restored = true;
      TIDEWHEEL_ASSIGN_OR_RETURN(recovery_.pending,
                                 read_saved_records<typename S::Pending>(reader, kPendingState));
      TIDEWHEEL_ASSIGN_OR_RETURN(recovery_.states,
                                 read_saved_records<SinkState<S>>(reader, kWriterState));
    } else {
      static_cast<void>(reader);
    }
    return {};
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const auto& in = RowBatch<T>::of(*rows.batch);
    S& sink = *sink_;
    try {
      if constexpr (sink_detail::WritesBatch<S, T>) {
        if (!sink_takes_rows()) { return Progress::kBlocked; }
        const uint32_t begin = std::exchange(cursor, rows.end);
        const Status status = sink.write_batch(in, begin, rows.end);
        if (!status.ok()) { throw_user_failure(context(), "write_batch", status, ""); }
      } else if constexpr (sink_detail::WritesRows<S, T>) {
        if (!sink_takes_rows()) { return Progress::kBlocked; }
        const uint32_t begin = std::exchange(cursor, rows.end);
        const Status status =
            sink.write_rows(std::span<const T>(in.rows() + begin, rows.end - begin),
                            std::span<const int64_t>(in.timestamps() + begin, rows.end - begin));
        if (!status.ok()) { throw_user_failure(context(), "write_rows", status, ""); }
      } else {
        for (; cursor < rows.end; ++cursor) {
          if (!sink_takes_rows()) { return Progress::kBlocked; }
          write_row(sink, in.row(cursor), in.timestamps()[cursor]);
        }
      }
    } catch (...) {
      rethrow_user_failure(context(), "write",
                           cursor < rows.end ? describe_record(in.row(cursor)) : std::string());
    }
    return Progress::kDone;
  }

  void close(bool finished) override {
    close_base();
    if constexpr (requires {
                    { sink_->close(finished) } -> std::same_as<Status>;
                  }) {
      const Status status = sink_->close(finished);
      // After a failure or a cancellation there is nobody to tell.
      if (finished) { fail_unless_ok(status, "close"); }
    } else if constexpr (requires { sink_->close(finished); }) {
      sink_->close(finished);
    }
    Operator::close(finished);
  }

 protected:
  Status flush_writer() override {
    if constexpr (requires { sink_->flush(); }) {
      return sink_->flush();
    } else {
      return {};
    }
  }
  Status flush_epoch(int64_t epoch) override {
    if constexpr (requires { sink_->flush_epoch(epoch); }) {
      return sink_->flush_epoch(epoch);
    } else {
      static_cast<void>(epoch);
      return {};
    }
  }
  Status end_writer() override {
    if constexpr (requires { sink_->end_of_input(); }) {
      return sink_->end_of_input();
    } else {
      return {};
    }
  }
  Result<int64_t> tell_time(int64_t wall_ms) override {
    if constexpr (requires { sink_->on_time(wall_ms); }) {
      return sink_->on_time(wall_ms);
    } else {
      static_cast<void>(wall_ms);
      return Clock::kNever;
    }
  }
  void tell_watermark(int64_t time_ms) override {
    if constexpr (requires { sink_->on_watermark(time_ms); }) {
      sink_->on_watermark(time_ms);
    } else {
      static_cast<void>(time_ms);
    }
  }
  Result<std::function<Result<Encoded>()>> prepare(int64_t checkpoint) override {
    if constexpr (sink_detail::PreparesOnPool<S>) {
      TIDEWHEEL_ASSIGN_OR_RETURN(PrepareJob<typename S::Pending> job, sink_->prepare(checkpoint));
      return std::function<Result<Encoded>()>([job = std::move(job)]() -> Result<Encoded> {
        TIDEWHEEL_ASSIGN_OR_RETURN(const auto pending, job());
        return encode_all(pending);
      });
    } else if constexpr (TwoPhaseSink<S>) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto pending, sink_->prepare(checkpoint));
      return std::function<Result<Encoded>()>(
          [encoded = encode_all(pending)]() -> Result<Encoded> { return encoded; });
    } else {
      static_cast<void>(checkpoint);
      return std::function<Result<Encoded>()>([]() -> Result<Encoded> { return Encoded(); });
    }
  }
  Result<Encoded> writer_state(int64_t checkpoint) override {
    if constexpr (kHasState) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto states, sink_->snapshot_state(checkpoint));
      return encode_all(states);
    } else {
      static_cast<void>(checkpoint);
      return Encoded();
    }
  }
  std::function<Status(const Encoded&)> committer() override {
    return [sink = sink_](const Encoded& all) -> Status {
      if constexpr (TwoPhaseSink<S>) {
        for (const std::string& bytes : all) {
          TIDEWHEEL_ASSIGN_OR_RETURN(const typename S::Pending pending,
                                     decode_record<typename S::Pending>(bytes));
          TIDEWHEEL_RETURN_IF_ERROR(sink->commit(pending));
        }
      }
      return {};
    };
  }
  Status abort(const std::string& bytes) override {
    if constexpr (kAborts) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const typename S::Pending pending,
                                 decode_record<typename S::Pending>(bytes));
      return sink_->abort(pending);
    } else {
      static_cast<void>(bytes);
      return {};
    }
  }

 private:
  template <class U>
  static constexpr bool recovers() {
    if constexpr (TwoPhaseSink<U>) {
      return requires(U sink, const RecoveryOf<U>& recovery) { sink.recover(recovery); };
    } else {
      return false;
    }
  }
  template <class U>
  static constexpr bool aborts() {
    if constexpr (TwoPhaseSink<U>) {
      return requires(U sink, const typename U::Pending& pending) { sink.abort(pending); };
    } else {
      return false;
    }
  }
  static constexpr bool kRecovers = recovers<S>();
  static constexpr bool kAborts = aborts<S>();
  static constexpr bool kHasState = TwoPhaseSink<S> && requires(S sink) {
    sink.snapshot_state(int64_t{0});
  };
  template <class U>
  struct Recovery {
    struct type {};
  };
  template <TwoPhaseSink U>
  struct Recovery<U> {
    using type = RecoveryOf<U>;
  };

  static Traits traits_of() {
    Traits traits;
    traits.commits = TwoPhaseSink<S>;
    traits.on_pool = sink_detail::PreparesOnPool<S>;
    traits.aborts = kAborts;
    traits.recovers = kRecovers;
    traits.has_state = kHasState;
    traits.has_timer = requires(S sink) { sink.on_time(int64_t{0}); };
    if constexpr (TwoPhaseSink<S>) {
      traits.pending_schema = &encoded_schema<SavedRecord<typename S::Pending>>();
      traits.state_schema = &encoded_schema<SavedRecord<SinkState<S>>>();
    }
    return traits;
  }
  template <class Record>
  static Encoded encode_all(const std::vector<Record>& records) {
    Encoded encoded;
    encoded.reserve(records.size());
    for (const Record& one : records) { encoded.push_back(encode_record(one)); }
    return encoded;
  }

  Status open_sink(OperatorContext& context) {
    if constexpr (requires { sink_->open(*sink_context_); }) {
      TIDEWHEEL_RETURN_IF_ERROR(sink_->open(*sink_context_));
    }
    if constexpr (kRecovers) {
      recovery_.is_restart = context.is_restart();
      TIDEWHEEL_RETURN_IF_ERROR(sink_->recover(recovery_));
    } else {
      static_cast<void>(context);
    }
    return {};
  }
  bool sink_takes_rows() {
    if constexpr (requires {
                    { sink_->ready() } -> std::same_as<bool>;
                  }) {
      return note_ready(sink_->ready());
    } else {
      return true;
    }
  }
  void write_row(S& sink, const T& row, int64_t time_ms) {
    const auto call = [&] {
      if constexpr (sink_detail::WritesTimedRow<S, T>) {
        return sink.write(row, time_ms);
      } else {
        return sink.write(row);
      }
    };
    if constexpr (std::is_same_v<decltype(call()), Status>) {
      const Status status = call();
      if (!status.ok()) [[unlikely]] {
        throw_user_failure(context(), "write", status, describe_record(row));
      }
    } else {
      call();
    }
  }

  const std::shared_ptr<S> sink_;  // shared with calls on the pool
  std::optional<SinkContext> sink_context_;
  typename Recovery<S>::type recovery_;
};

}  // namespace tidewheel
