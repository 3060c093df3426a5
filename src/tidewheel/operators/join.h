// The interval join: a row of the left meets the rows of the right, under the same key, whose time
// lies between bounds around its own. Each side keeps its rows until the watermark says that no
// partner can come any more.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "tidewheel/base/metrics.h"
#include "tidewheel/operators/join_rows.h"
#include "tidewheel/operators/join_store.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/output_tag.h"
#include "tidewheel/operators/row_traits.h"
#include "tidewheel/operators/stored_rows.h"

namespace tidewheel {

// What can be said of an interval join besides its bounds. Rows behind the watermark are late: they
// go to the side output of their side, or are dropped and counted.
template <class L, class R>
struct IntervalJoinOptions {
  bool lower_exclusive = false;
  bool upper_exclusive = false;
  std::optional<OutputTag<L>> late_left = {};
  std::optional<OutputTag<R>> late_right = {};
};

// lower <= right.time - left.time <= upper, both included.
struct IntervalBounds {
  int64_t lower = 0;
  int64_t upper = 0;
};
// Errors: kWindowOption when no time lies between the bounds.
Result<IntervalBounds> make_interval(int64_t lower, int64_t upper, bool lower_exclusive,
                                     bool upper_exclusive);
// How long the buckets are that rows are kept in: a probe looks into few of them, and they are not
// many.
int64_t interval_bucket_ms(const IntervalBounds& bounds);

// `function(left, right)` gives one row for each pair; it has the later one's time.
template <class K, class L, class R, class LeftKey, class RightKey, class F>
class IntervalJoinOperator final
    : public OutputOperator<std::remove_cvref_t<std::invoke_result_t<F&, const L&, const R&>>> {
  using Out = std::remove_cvref_t<std::invoke_result_t<F&, const L&, const R&>>;
  using Base = OutputOperator<Out>;

 public:
  IntervalJoinOperator(IntervalBounds bounds, LeftKey left_key, RightKey right_key, F function,
                       IntervalJoinOptions<L, R> options, std::shared_ptr<const NodeLinks> links)
      : Base(std::move(links)),
        bounds_(bounds),
        left_key_(std::move(left_key)),
        right_key_(std::move(right_key)),
        function_(std::move(function)),
        options_(std::move(options)) {}

  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(Base::open(context));
    if (options_.late_left) { late_left_ = this->sides().find(*options_.late_left); }
    if (options_.late_right) { late_right_ = this->sides().find(*options_.late_right); }
    late_dropped_ = &context.metrics().counter("numLateRecordsDropped");
    watermark_ = saved_watermark_.restored();
    TIDEWHEEL_ASSIGN_OR_RETURN(StateBackend* const backend, context.state_backend());
    SnapshotReader* const reader = std::exchange(reader_, nullptr);
    if (backend != nullptr) { return open_stored(context, *backend, reader); }
    if (reader != nullptr) {
      TIDEWHEEL_RETURN_IF_ERROR(check_readable_without_backend(*reader));
      TIDEWHEEL_RETURN_IF_ERROR(saved_left_.read(*reader));
      TIDEWHEEL_RETURN_IF_ERROR(saved_right_.read(*reader));
    }
    const int64_t quantum = interval_bucket_ms(bounds_);
    left_.emplace(quantum, context.key_groups(), context.max_parallelism(), &context.memory());
    right_.emplace(quantum, context.key_groups(), context.max_parallelism(), &context.memory());
    plan_ = ChangePlan(context.key_groups(), this->keeps_changes());
    return load(context.max_parallelism());
  }

  Progress on_rows(int32_t input, const Element& rows, uint32_t& cursor) override {
    const Progress progress =
        input == 0 ? take<L, true>(rows, cursor) : take<R, false>(rows, cursor);
    if (stored_ != nullptr) {
      require_memory(stored_->settle());
      return progress;
    }
    require_memory(left_->settle_memory());
    require_memory(right_->settle_memory());
    return progress;
  }
  Progress on_watermark(int64_t time_ms) override {
    if (!this->ready()) { return Progress::kBlocked; }
    if (time_ms > watermark_) {
      watermark_ = time_ms;
      // A left row waits for right ones up to its time + upper, a right row for left ones up to its
      // time - lower.
      const int64_t left_from = saturating_subtract(watermark_, bounds_.upper);
      const int64_t right_from = saturating_add(watermark_, bounds_.lower);
      if (stored_ != nullptr) {
        stored_->left.drop_before(stored_->left.bucket_of(left_from));
        stored_->right.drop_before(stored_->right.bucket_of(right_from));
        stored_->store.erase_dropped();
      } else {
        left_->drop_before(left_from);
        right_->drop_before(right_from);
      }
    }
    return Operator::on_watermark(time_ms);
  }

  void begin_snapshot(const SnapshotStart& start) override {
    saved_watermark_.start(watermark_);
    dropped_.start(this->context().key_groups(), watermark_);
    if (stored_ != nullptr) { return stored_->store.begin_snapshot(start); }
    plan_.begin(start);
    left_->begin_snapshot(saved_left_, plan_);
    right_->begin_snapshot(saved_right_, plan_);
    is_saving_ = true;
  }
  Progress snapshot(SnapshotWriter& writer) override {
    if (!is_saving_ && stored_ == nullptr) { return Progress::kDone; }
    if (!writer.ready()) { return Progress::kBlocked; }
    saved_watermark_.write(writer);
    dropped_.write(writer);
    if (stored_ != nullptr) { return snapshot_stored(writer); }
    if (!left_->write(writer, saved_left_) || !right_->write(writer, saved_right_)) {
      return this->snapshot_blocked(writer);
    }
    end_snapshot();
    return Progress::kDone;
  }
  bool snapshots_in_background() const override { return true; }
  void abort_snapshot() override {
    if (stored_ != nullptr) { return stored_->store.abort_snapshot(); }
    end_snapshot();
    plan_.write_all_next();
  }
  Status restore(SnapshotReader& reader) override {
    reader_ = &reader;
    TIDEWHEEL_RETURN_IF_ERROR(saved_watermark_.read(reader));
    return dropped_.read(reader);
  }

 private:
  static constexpr uint32_t kAhead = 32;  // rows whose slots are fetched together

  KeyHash hash_of(const K& key) const { return key_hash(key, this->context().max_parallelism()); }

  // What older layers of the snapshot have in buckets that were dropped already is passed over: a
  // bucket goes when the partners of its last time are over.
  Status load(int32_t max_parallelism) {
    TIDEWHEEL_RETURN_IF_ERROR(
        saved_left_.load(max_parallelism, [&](const K& key, const JoinPlace& place, const L& row) {
          const KeyHash hash = hash_of(key);
          const int64_t last = partners<true>(left_->last_time_with(place.slot)).second;
          if (!dropped_.was_dropped(hash.group, last)) {
            left_->add_restored(key, hash, row, place);
          }
        }));
    TIDEWHEEL_RETURN_IF_ERROR(
        saved_right_.load(max_parallelism, [&](const K& key, const JoinPlace& place, const R& row) {
          const KeyHash hash = hash_of(key);
          const int64_t last = partners<false>(right_->last_time_with(place.slot)).second;
          if (!dropped_.was_dropped(hash.group, last)) {
            right_->add_restored(key, hash, row, place);
          }
        }));
    left_->end_restore();
    right_->end_restore();
    return {};
  }
  void end_snapshot() {
    left_->end_snapshot();
    right_->end_snapshot();
    is_saving_ = false;
  }

  // ---- In front of a backend.

  Status open_stored(OperatorContext& context, StateBackend& backend, SnapshotReader* reader) {
    const JoinBuckets buckets{interval_bucket_ms(bounds_)};
    stored_ = std::make_unique<StoredSides<K, L, R>>(
        backend, [&context] { context.wake(); }, buckets, context.max_parallelism(),
        &context.memory());
    return stored_->open(
        kIntervalRowsForm, buckets.stored_form(), reader,
        [this, buckets](int32_t group, int64_t bucket) {
          return dropped_.was_dropped(group, partners<true>(buckets.last_time_of(bucket)).second);
        },
        [this, buckets](int32_t group, int64_t bucket) {
          return dropped_.was_dropped(group, partners<false>(buckets.last_time_of(bucket)).second);
        });
  }
  Progress snapshot_stored(SnapshotWriter& writer) {
    const Result<bool> done = stored_->store.write(writer);
    require_memory(done.status());
    return *done ? Progress::kDone : this->snapshot_blocked(stored_->store, writer);
  }

  // The times that a row's partners may have.
  template <bool kLeft>
  std::pair<int64_t, int64_t> partners(int64_t time) const {
    if constexpr (kLeft) {
      return {saturating_add(time, bounds_.lower), saturating_add(time, bounds_.upper)};
    } else {
      return {saturating_subtract(time, bounds_.upper), saturating_subtract(time, bounds_.lower)};
    }
  }
  template <class T, bool kLeft>
  Progress take(const Element& rows, uint32_t& cursor) {
    const auto& in = RowBatch<T>::of(*rows.batch);
    KeyHash hashes[kAhead];
    uint32_t at = cursor;
    try {
      while (cursor < rows.end) {
        const uint32_t begin = cursor;
        const uint32_t end = std::min(rows.end, begin + kAhead);
        for (at = begin; at < end; ++at) { hashes[at - begin] = prepare<T, kLeft>(in, at); }
        if (stored_ != nullptr) [[unlikely]] {
          require_memory(stored_->template side<!kLeft>().load());
        }
        for (at = begin; at < end; ++at) {
          if (!this->ready()) {
            cursor = at;
            return Progress::kBlocked;
          }
          take_row<T, kLeft>(in, at, hashes[at - begin]);
        }
        cursor = end;
      }
    } catch (...) {
      rethrow_user_failure(this->context(), "interval_join", describe_record(in.row(at)));
    }
    return Progress::kDone;
  }
  template <class T, bool kLeft>
  decltype(auto) key_of(const T& row) const {
    if constexpr (kLeft) {
      return std::invoke(left_key_, row);
    } else {
      return std::invoke(right_key_, row);
    }
  }
  template <class T, bool kLeft>
  KeyHash prepare(const RowBatch<T>& in, uint32_t at) {
    const int64_t time = in.timestamps()[at];
    if (time == kNoTimestamp) [[unlikely]] {
      throw_no_timestamp(this->context(), describe_record(in.row(at)));
    }
    const K& key = key_of<T, kLeft>(in.row(at));
    const KeyHash hash = hash_of(key);
    const auto [from, to] = partners<kLeft>(time);
    if (stored_ != nullptr) [[unlikely]] {
      if (time >= watermark_) { want<kLeft>(key, hash, from, to); }
    } else if constexpr (kLeft) {
      right_->prefetch(from, to, hash);
      left_->prefetch(time, time, hash);
    } else {
      left_->prefetch(from, to, hash);
      right_->prefetch(time, time, hash);
    }
    return hash;
  }
  template <class T, bool kLeft>
  void take_row(const RowBatch<T>& in, uint32_t at, KeyHash hash) {
    const T& row = in.row(at);
    const int64_t time = in.timestamps()[at];
    if (time < watermark_) [[unlikely]] {
      if constexpr (kLeft) {
        take_late(late_left_, row, time, in);
      } else {
        take_late(late_right_, row, time, in);
      }
      return;
    }
    const K& key = key_of<T, kLeft>(row);
    const auto [from, to] = partners<kLeft>(time);
    if (stored_ != nullptr) [[unlikely]] { return join_stored<T, kLeft>(row, time, key, hash); }
    if constexpr (kLeft) {
      right_->for_each(key, hash, from, to, [&](const R& other, int64_t other_time) {
        emit(std::invoke(function_, row, other), std::max(time, other_time));
      });
    } else {
      left_->for_each(key, hash, from, to, [&](const L& other, int64_t other_time) {
        emit(std::invoke(function_, other, row), std::max(time, other_time));
      });
    }
    // Kept when partners may still come.
    if (to >= watermark_) {
      if constexpr (kLeft) {
        left_->add(key, hash, row, time);
      } else {
        right_->add(key, hash, row, time);
      }
    }
  }
  template <bool kLeft>
  void want(const K& key, KeyHash hash, int64_t from, int64_t to) {
    auto& others = stored_->template side<!kLeft>();
    others.want(others.bucket_of(from), others.bucket_of(to), key, hash);
  }
  template <class T, bool kLeft>
  void join_stored(const T& row, int64_t time, const K& key, KeyHash hash) {
    const int64_t from = partners<kLeft>(time).first;
    const int64_t to = partners<kLeft>(time).second;
    auto& others = stored_->template side<!kLeft>();
    others.for_each(others.bucket_of(from), others.bucket_of(to), key, hash,
                    [&](const auto& other, int64_t other_time) {
                      if (other_time < from || other_time > to) { return; }
                      const int64_t later = std::max(time, other_time);
                      if constexpr (kLeft) {
                        emit(std::invoke(function_, row, other), later);
                      } else {
                        emit(std::invoke(function_, other, row), later);
                      }
                    });
    if (to >= watermark_) {
      auto& own = stored_->template side<kLeft>();
      own.add(own.bucket_of(time), key, hash, row, time);
    }
  }
  template <class T>
  void take_late(Output<T>* output, const T& row, int64_t time, const Batch& batch) {
    if (output == nullptr) {
      late_dropped_->add();
      return;
    }
    if constexpr (has_text_v<T>) { output->current().share_arenas(batch); }
    output->emit(row, time);
  }
  // Text in results may point into rows that are kept here.
  void emit(Out&& row, int64_t time) {
    RowBatch<Out>& batch = this->output().current();
    Out& slot = batch.append(std::move(row), time);
    if constexpr (has_text_v<Out>) { relocate_texts_into(slot, batch.arena()); }
    this->output().commit();
  }
  void require_memory(const Status& status) {
    if (!status.ok()) [[unlikely]] {
      throw_user_failure(this->context(), "interval_join", status, "");
    }
  }

  const IntervalBounds bounds_;
  const LeftKey left_key_;
  const RightKey right_key_;
  F function_;
  const IntervalJoinOptions<L, R> options_;
  SnapshotReader* reader_ = nullptr;              // from `restore` to `open`
  std::unique_ptr<StoredSides<K, L, R>> stored_;  // null: in memory
  std::optional<RowBuckets<K, L>> left_;
  std::optional<RowBuckets<K, R>> right_;
  int64_t watermark_ = kMinWatermark;
  Output<L>* late_left_ = nullptr;
  Output<R>* late_right_ = nullptr;
  Counter* late_dropped_ = nullptr;

  bool is_saving_ = false;
  ChangePlan plan_;
  JoinState<K, L> saved_left_{"left", kIntervalRowsForm};
  JoinState<K, R> saved_right_{"right", kIntervalRowsForm};
  WatermarkState saved_watermark_;
  DroppedUnits dropped_;  // by watermarks: a bucket goes when it is below that of its partners
};

}  // namespace tidewheel
