// Runs a source's readers as the head of a chain: takes splits from the enumerator, reads them in
// turn, gives rows their event time, and sends watermarks and idleness.
#pragma once
#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <exception>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/completion_gate.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/operators/node_links.h"
#include "tidewheel/operators/record_codec.h"
#include "tidewheel/operators/row_traits.h"
#include "tidewheel/operators/saved_event_time.h"
#include "tidewheel/operators/source.h"
#include "tidewheel/operators/split_enumerator.h"
#include "tidewheel/operators/watermark.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

// A batch that watermarks cut into pieces. Sent at once, whatever the port says: it keeps what it
// can't deliver, and a batch that was read must not wait here when the source is told to stop.
struct CutBatch {
  struct Piece {
    uint32_t end;
    int64_t watermark;  // after the rows before `end`; kMinWatermark: none
  };
  BatchRef batch;
  std::vector<Piece> pieces;

  void send(OutputPort& port);
};

// A split of a snapshot as SavedRecord has it, and how far its event time was.
template <class Split>
struct SavedSplit {
  int32_t subtask = 0;
  int32_t parallelism = 1;
  Split record{};
  int64_t watermark_ms = kMinWatermark;
};

// The part that does not know the rows' type.
class SourceOperatorBase : public SourceOperator {
 public:
  Poll poll() final;
  void on_coordinator_event(std::string_view event) final;
  Progress snapshot(SnapshotWriter& writer) final;
  std::span<OutputPort* const> outputs() final { return {&port_, 1}; }

 protected:
  static constexpr char kSplitsState[] = "splits";

  SourceOperatorBase(const WatermarkOptions& options, StateKind splits_kind,
                     const std::string& splits_schema)
      : options_(options), splits_kind_(splits_kind), splits_schema_(splits_schema) {}

  // A split at work.
  struct Lane {
    int64_t watermark = kMinWatermark;
    bool waits = false;  // `read` had nothing
    bool idle = false;   // does not hold back the watermark
    int64_t waits_since_ns = 0;
    int64_t wake_at_ms = Clock::kNever;
  };
  // What one call of `read` has done.
  struct ReadDone {
    ReadResult result;
    int64_t rows = 0;
    bool busy = false;  // it is still running on the blocking pool
  };

  virtual ReadDone read_lane(size_t index) = 0;
  // Decodes and opens a split.
  virtual Status add_lane(std::string_view bytes, int64_t watermark_ms) = 0;
  virtual void remove_lane(size_t index) = 0;  // closes it
  virtual std::string encode_lane(size_t index) = 0;
  virtual std::string describe_lane(size_t index) = 0;

  void open_base(OperatorContext& context);
  // The watermark of the snapshot: the first poll sends it again, so that what was late stays late.
  Status restore_watermark(SnapshotReader& reader);
  void take_watermark(int32_t subtask, int32_t parallelism);
  // A split of the snapshot, which is opened by the first poll.
  void add_restored(std::string bytes, int64_t watermark_ms) {
    restored_.push_back({std::move(bytes), watermark_ms});
  }
  OperatorContext& context() { return *context_; }
  std::atomic<bool>& woken() { return woken_; }
  const WatermarkOptions& options() const { return options_; }
  std::vector<Lane>& lanes() { return lanes_; }
  // The least watermark of the splits that count; nothing when none does.
  std::optional<int64_t> combined_watermark() const;
  WatermarkPacer& pacer() { return pacer_; }
  OutputPort* port_ = nullptr;

 private:
  struct RestoredSplit {
    std::string bytes;
    int64_t watermark_ms = kMinWatermark;
  };

  bool is_readable(size_t index, int64_t now_ms, bool woken);
  bool is_paused(const Lane& lane) const { return lane.watermark > allowed_watermark_; }
  bool read_one(int64_t now_ns);
  void after_read(size_t index, const ReadDone& done, int64_t now_ns);
  void update_idleness(int64_t now_ns);
  void send_watermark(int64_t now_ns, bool dry);
  void report_for_alignment(int64_t now_ns);
  Poll when_dry(int64_t now_ns);

  const WatermarkOptions options_;
  const StateKind splits_kind_;
  const std::string& splits_schema_;
  OperatorContext* context_ = nullptr;
  std::atomic<bool> woken_{false};
  std::vector<Lane> lanes_;
  std::vector<RestoredSplit> restored_;                        // until the first poll
  std::vector<SavedRecord<SavedEventTime>> saved_watermarks_;  // from `restore` to `open`
  int64_t restored_watermark_ = kMinWatermark;                 // until the first poll
  size_t next_lane_ = 0;
  bool requested_ = false;  // the enumerator owes an answer
  bool told_to_wait_ = false;
  bool no_more_splits_ = false;
  bool sent_idle_ = false;
  bool has_watermarks_ = false;  // some split has had one
  int64_t allowed_watermark_ = kMaxWatermark;
  int64_t next_report_ns_ = 0;
  WatermarkPacer pacer_{200};
};

// The source itself, and what a read on the blocking pool leaves behind. Owned by the reader and by
// the job that runs.
template <class S>
struct PooledRead {
  explicit PooledRead(S prototype) : source(std::move(prototype)) {}
  S source;
  typename S::Split split;
  RowBatch<typename S::output>* batch = nullptr;
  std::optional<ReadResult> result;
  std::exception_ptr thrown;
  int64_t split_watermark = kMinWatermark;
  std::atomic<bool> done{false};
  ~PooledRead() {
    if (batch != nullptr) { batch->release(); }
  }
};

template <class S>
inline constexpr bool kReadBlocks = requires {
  requires S::blocking;
};
template <class S>
inline constexpr bool kHearsOfCheckpoints = requires(S& source,
                                                     std::span<const typename S::Split> splits) {
  source.checkpoint_complete(splits);
};
template <class S>
inline constexpr bool kDivides = requires(const S& source, const typename S::Split& split) {
  { source.divide(split, int32_t{2}) } -> std::same_as<std::vector<typename S::Split>>;
};

// One subtask of the source S.
template <class S>
class SourceReader final : public SourceOperatorBase {
 public:
  using T = typename S::output;
  using Split = typename S::Split;

  // `clock` (may be null) is the prototype of the splits' event time.
  SourceReader(S source, std::unique_ptr<EventClock<T>> clock)
      : SourceOperatorBase(clock == nullptr ? WatermarkOptions() : clock->options(),
                           kDivides<S> ? StateKind::kUnionList : StateKind::kSplitList,
                           encoded_schema<SavedSplit<Split>>()),
        clock_(std::move(clock)),
        core_(std::make_shared<PooledRead<S>>(std::move(source))) {
    port_ = &output_;
  }

  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(saved_, read_saved<SavedSplit<Split>>(reader, kSplitsState));
    return restore_watermark(reader);
  }

  Status open(OperatorContext& context) override {
    open_base(context);
    take_share(context.subtask_index(), context.parallelism());
    take_watermark(context.subtask_index(), context.parallelism());
    auto pool = BatchPool::create_for<T>(context.batch_rows(), &context.memory());
    pool_ = pool;
    output_.open(std::move(pool), context.batch_rows());
    source_context_.emplace(context, &woken());
    if constexpr (requires { core_->source.open(*source_context_); }) {
      try {
        return core_->source.open(*source_context_);
      } catch (...) { return failure_of_open(); }
    }
    return {};
  }

  void begin_snapshot(const SnapshotStart& start) override {
    if constexpr (kHearsOfCheckpoints<S>) {
      std::vector<Split>& splits = begun_[start.checkpoint];
      for (const Entry& entry : entries_) { splits.push_back(entry.split); }
    }
    Operator::begin_snapshot(start);
  }
  void on_checkpoint_complete(int64_t checkpoint) override {
    if constexpr (kHearsOfCheckpoints<S>) {
      const auto end = begun_.upper_bound(checkpoint);
      if (end == begun_.begin()) { return; }
      core_->source.checkpoint_complete(std::span<const Split>(std::prev(end)->second));
      begun_.erase(begun_.begin(), end);
    } else {
      static_cast<void>(checkpoint);
    }
  }

  void close(bool finished) override {
    gate_->close();
    if (!reading_ || core_->done.load(std::memory_order_acquire)) { close_source(core_->source); }
    Operator::close(finished);
  }

 protected:
  Status add_lane(std::string_view bytes, int64_t watermark_ms) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(Split split, decode_record<Split>(bytes));
    Entry entry{std::move(split), clock_ == nullptr ? nullptr : clock_->clone()};
    if (entry.clock != nullptr) { entry.clock->go_on_from(watermark_ms); }
    if constexpr (requires { core_->source.open_split(entry.split); }) {
      TIDEWHEEL_RETURN_IF_ERROR(core_->source.open_split(entry.split));
    }
    entries_.push_back(std::move(entry));
    return {};
  }
  void remove_lane(size_t index) override {
    if constexpr (requires { core_->source.close_split(entries_[index].split); }) {
      core_->source.close_split(entries_[index].split);
    }
    entries_.erase(entries_.begin() + static_cast<ptrdiff_t>(index));
  }
  std::string encode_lane(size_t index) override { return encode_record(entries_[index].split); }
  std::string describe_lane(size_t index) override {
    return "split " + describe_record(entries_[index].split);
  }
  ReadDone read_lane(size_t index) override {
    if constexpr (kReadBlocks<S>) {
      return read_on_pool(index);
    } else if (options().per_record) {
      return read_cut(index);
    } else {
      return read_into_output(index);
    }
  }

 private:
  struct Entry {
    Split split;
    std::unique_ptr<EventClock<T>> clock;
  };

  // Which of the snapshot's splits are this subtask's. When there are fewer than subtasks now, they
  // are divided, so that everybody has something to read.
  void take_share(int32_t subtask, int32_t parallelism) {
    const std::vector<SavedSplit<Split>> all = std::exchange(saved_, {});
    if constexpr (kDivides<S>) {
      const bool same = std::all_of(all.begin(), all.end(), [parallelism](const auto& saved) {
        return saved.parallelism == parallelism;
      });
      const auto count = static_cast<int32_t>(all.size());
      const int32_t parts = same || count >= parallelism ? 1 : (parallelism + count - 1) / count;
      int32_t next = 0;
      for (const auto& saved : all) {
        if (same) {
          if (saved.subtask == subtask) {
            add_restored(encode_record(saved.record), saved.watermark_ms);
          }
          continue;
        }
        for (const Split& part : parts == 1 ? std::vector<Split>{saved.record}
                                            : core_->source.divide(saved.record, parts)) {
          if (next++ % parallelism == subtask) {
            add_restored(encode_record(part), saved.watermark_ms);
          }
        }
      }
    } else {
      static_cast<void>(subtask);
      static_cast<void>(parallelism);
      for (const auto& saved : all) {
        add_restored(encode_record(saved.record), saved.watermark_ms);
      }
    }
  }

  ReadResult call_read(size_t index, SourceOut<T>& out) {
    try {
      return core_->source.read(entries_[index].split, out);
    } catch (...) { rethrow_user_failure(context(), "read", describe_lane(index)); }
  }

  ReadDone read_into_output(size_t index) {
    RowBatch<T>& batch = output_.current();
    const uint32_t begin = batch.size();
    SourceOut<T> out(batch, context().batch_rows());
    ReadDone done{call_read(index, out)};
    done.rows = batch.size() - begin;
    note_watermark(index, out.split_watermark());
    if (Entry& entry = entries_[index]; entry.clock != nullptr && done.rows > 0) {
      advance(index, batch, begin, batch.size());
      lanes()[index].watermark = entry.clock->watermark();
    }
    output_.commit();
    return done;
  }

  // For per_record: rows go to a batch that is sent in pieces.
  ReadDone read_cut(size_t index) {
    auto* batch = static_cast<RowBatch<T>*>(pool_->acquire());
    const BatchRef owner = BatchRef::adopt(batch);
    SourceOut<T> out(*batch, context().batch_rows());
    ReadDone done{call_read(index, out)};
    done.rows = batch->size();
    note_watermark(index, out.split_watermark());
    cut_up(index, owner, *batch);
    return done;
  }

  ReadDone read_on_pool(size_t index) {
    if (!reading_) {
      begin_pooled_read(index);
      return {ReadResult::wait(), 0, true};
    }
    if (pooled_index_ != index || !core_->done.load(std::memory_order_acquire)) {
      return {ReadResult::wait(), 0, true};
    }
    reading_ = false;
    entries_[index].split = core_->split;
    if (core_->thrown != nullptr) {
      try {
        std::rethrow_exception(std::exchange(core_->thrown, nullptr));
      } catch (...) { rethrow_user_failure(context(), "read", describe_lane(index)); }
    }
    ReadDone done{*core_->result};
    RowBatch<T>* batch = std::exchange(core_->batch, nullptr);
    const BatchRef owner = BatchRef::adopt(batch);
    done.rows = batch->size();
    note_watermark(index, core_->split_watermark);
    cut_up(index, owner, *batch);
    return done;
  }

  void begin_pooled_read(size_t index) {
    reading_ = true;
    pooled_index_ = index;
    core_->split = entries_[index].split;
    core_->batch = static_cast<RowBatch<T>*>(pool_->acquire());
    core_->done.store(false, std::memory_order_relaxed);
    context().executor().run_blocking([core = core_, gate = gate_, rows = context().batch_rows(),
                                       source_context = *source_context_]() mutable {
      SourceOut<T> out(*core->batch, rows);
      try {
        core->result = core->source.read(core->split, out);
      } catch (...) { core->thrown = std::current_exception(); }
      core->split_watermark = out.split_watermark();
      if (!gate->enter()) {
        close_source(core->source);
        return;
      }
      core->done.store(true, std::memory_order_release);
      source_context.wake();
      gate->leave();
    });
  }

  void note_watermark(size_t index, int64_t watermark) {
    Lane& lane = lanes()[index];
    lane.watermark = std::max(lane.watermark, watermark);
  }

  uint32_t advance(size_t index, RowBatch<T>& batch, uint32_t begin, uint32_t end) {
    uint32_t failed_row = begin;
    try {
      return entries_[index].clock->advance(batch.rows(), batch.timestamps(), begin, end,
                                            failed_row);
    } catch (...) {
      rethrow_user_failure(context(), "event_time", describe_record(batch.row(failed_row)));
    }
  }

  void cut_up(size_t index, const BatchRef& owner, RowBatch<T>& batch) {
    if (batch.size() == 0) { return; }
    seal_batch(batch);
    pool_->settle(batch, batch.memory_bytes());
    CutBatch cut;
    cut.batch = owner;
    int64_t sent = pacer().sent();
    uint32_t at = 0;
    while (at < batch.size()) {
      const uint32_t next =
          entries_[index].clock == nullptr ? batch.size() : advance(index, batch, at, batch.size());
      if (entries_[index].clock != nullptr) {
        lanes()[index].watermark = entries_[index].clock->watermark();
        lanes()[index].idle = false;
      }
      const std::optional<int64_t> combined = combined_watermark();
      const bool news = options().per_record && combined.has_value() && *combined > sent;
      if (news) { sent = *combined; }
      if (news || next == batch.size()) {
        cut.pieces.push_back({next, news ? sent : kMinWatermark});
      }
      at = next;
    }
    pacer().offer(sent);
    if (options().per_record && pacer().has_news()) { pacer().take(context().clock().now_ns()); }
    cut.send(output_);
  }

  Status failure_of_open() {
    try {
      rethrow_user_failure(context(), "open", "");
    } catch (const OperatorFailure& failure) { return failure.status(); }
  }
  static void close_source(S& source) {
    if constexpr (requires { source.close(); }) { source.close(); }
  }

  const std::unique_ptr<EventClock<T>> clock_;
  const std::shared_ptr<PooledRead<S>> core_;
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
  std::optional<SourceContext> source_context_;
  std::vector<Entry> entries_;            // beside lanes()
  std::vector<SavedSplit<Split>> saved_;  // from `restore` to `open`
  // The splits of snapshots that are not complete yet, by checkpoint; only for a source that wants
  // to hear of them.
  std::map<int64_t, std::vector<Split>> begun_;
  std::shared_ptr<BatchPool> pool_;
  Output<T> output_;
  bool reading_ = false;  // a read is on the blocking pool, or done and not taken
  size_t pooled_index_ = 0;
};

}  // namespace tidewheel
