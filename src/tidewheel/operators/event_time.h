// Gives a stream event time in the middle of a job. Directly after a source the source does it
// itself, for each split apart (operators/source_operator.h).
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/options.h"
#include "tidewheel/dataflow/forgettable_state.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/row_traits.h"
#include "tidewheel/operators/saved_event_time.h"
#include "tidewheel/operators/watermark.h"

namespace tidewheel {

// Rows are not copied: when nobody else reads the batch its timestamps are overwritten, and it goes
// on as it is. Watermarks from upstream are replaced, but for the last one. A snapshot has how far
// event time was, and whether it was idle.
template <class T>
class EventTimeOperator final : public OutputOperator<T> {
 public:
  EventTimeOperator(std::unique_ptr<EventClock<T>> clock, std::shared_ptr<const NodeLinks> links)
      : OutputOperator<T>(std::move(links)), clock_(std::move(clock)) {}

  Status restore(SnapshotReader& reader) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(saved_,
                               read_saved_records<SavedEventTime>(reader, kSavedEventTimeState));
    return {};
  }

  Status open(OperatorContext& context) override {
    pacer_ = WatermarkPacer(context.config().get(options::kAutoWatermarkInterval));
    last_row_ns_ = context.clock().now_ns();
    TIDEWHEEL_RETURN_IF_ERROR(OutputOperator<T>::open(context));
    restored_ = share_of(saved_, context.subtask_index(), context.parallelism());
    saved_.clear();
    if (restored_.has_value()) {
      clock_->go_on_from(restored_->time_ms);
      timer_asked_ = true;
      context.wake_at_wall_ms(context.clock().wall_ms());
    } else {
      ask_for_timer(last_row_ns_);
    }
    return {};
  }

  Progress snapshot(SnapshotWriter& writer) override {
    if (!writer.ready()) { return Progress::kBlocked; }
    const SavedEventTime now = restored_.value_or(SavedEventTime{pacer_.reached(), idle_});
    write_event_time(writer, now, this->context().subtask_index(), this->context().parallelism(),
                     kEventTimeForm);
    return Progress::kDone;
  }

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const bool owned =
        this->links() != nullptr && this->links()->owns_input && rows.batch->is_unique();
    auto& batch = const_cast<RowBatch<T>&>(RowBatch<T>::of(*rows.batch));
    while (cursor < rows.end) {
      if (!this->output().ready()) { return Progress::kBlocked; }
      if (restored_.has_value()) { send_restored(); }
      wake_up();
      const uint32_t begin = cursor;
      cursor = owned ? forward(rows, batch, begin) : copy(rows, batch, begin);
      pacer_.add_rows(cursor - begin);
      pacer_.offer(clock_->watermark());
      const int64_t now_ns = this->context().clock().now_ns();
      last_row_ns_ = now_ns;
      if (clock_->options().per_record ? pacer_.has_news() : pacer_.is_due(now_ns, false)) {
        send_watermark(now_ns);
      }
    }
    if (pacer_.has_news() && !timer_asked_) { ask_for_timer(last_row_ns_); }
    return Progress::kDone;
  }

  Progress on_watermark(int64_t time_ms) override {
    if (time_ms != kMaxWatermark) { return Progress::kDone; }
    if (!this->output().ready()) { return Progress::kBlocked; }
    ended_ = true;
    // The port keeps what it can't deliver: sending it again would double it.
    static_cast<void>(this->output().send(Element::watermark(kMaxWatermark)));
    return Progress::kDone;
  }
  Progress on_idle(bool) override { return Progress::kDone; }

  Progress on_processing_time(int64_t) override {
    if (ended_) { return Progress::kDone; }  // nothing comes behind the last watermark
    const int64_t now_ns = this->context().clock().now_ns();
    if (!this->output().ready()) { return Progress::kBlocked; }
    if (restored_.has_value()) { send_restored(); }
    timer_asked_ = false;
    pacer_.offer(clock_->watermark());
    if (pacer_.is_due(now_ns, true)) { send_watermark(now_ns); }
    const int64_t idle_ns = clock_->options().idle_after_ms * 1'000'000;
    if (idle_ns > 0 && !idle_ && now_ns - last_row_ns_ >= idle_ns) {
      idle_ = true;
      static_cast<void>(this->output().send(Element::control(Element::Kind::kIdle)));
    }
    ask_for_timer(now_ns);
    return Progress::kDone;
  }

 private:
  uint32_t forward(const Element& rows, RowBatch<T>& batch, uint32_t begin) {
    Element part = rows;
    part.begin = begin;
    part.end = advance(batch.rows(), batch.timestamps(), begin, rows.end);
    static_cast<void>(this->output().forward(part));
    return part.end;
  }

  // Somebody else reads the batch too.
  uint32_t copy(const Element& rows, const RowBatch<T>& in, uint32_t begin) {
    RowBatch<T>& out = this->output().current();
    const uint32_t count = std::min(rows.end - begin, this->output().room());
    if constexpr (has_text_v<T>) { out.share_arenas(*rows.batch); }
    const uint32_t from = out.size();
    for (uint32_t i = 0; i < count; ++i) {
      out.append(in.row(begin + i), in.timestamps()[begin + i]);
    }
    const uint32_t end = advance(out.rows(), out.timestamps(), from, from + count);
    while (out.size() > end) { drop_last(out); }
    this->output().commit();
    return begin + (end - from);
  }
  static void drop_last(RowBatch<T>& out) {
    out.rows()[out.size() - 1].~T();
    out.set_size(out.size() - 1);
  }

  uint32_t advance(const T* rows, int64_t* timestamps, uint32_t begin, uint32_t end) {
    uint32_t failed_row = begin;
    try {
      return clock_->advance(rows, timestamps, begin, end, failed_row);
    } catch (...) {
      rethrow_user_failure(this->context(), "event_time", describe_record(rows[failed_row]));
    }
  }

  // What is behind this operator goes on from the same time.
  void send_restored() {
    const SavedEventTime saved = *std::exchange(restored_, std::nullopt);
    pacer_.offer(saved.time_ms);
    if (pacer_.has_news()) { send_watermark(this->context().clock().now_ns()); }
    if (!saved.idle || clock_->options().idle_after_ms <= 0) { return; }
    idle_ = true;
    static_cast<void>(this->output().send(Element::control(Element::Kind::kIdle)));
  }
  void wake_up() {
    if (!idle_) { return; }
    idle_ = false;
    static_cast<void>(this->output().send(Element::control(Element::Kind::kActive)));
    ask_for_timer(this->context().clock().now_ns());
  }
  void send_watermark(int64_t now_ns) {
    static_cast<void>(this->output().send(Element::watermark(pacer_.take(now_ns))));
  }
  // The timer brings out the last watermark when rows stop coming, and notices idleness.
  void ask_for_timer(int64_t now_ns) {
    int64_t in_ms = Clock::kNever;
    if (pacer_.has_news() && pacer_.interval_ms() > 0) { in_ms = pacer_.interval_ms(); }
    if (clock_->options().idle_after_ms > 0 && !idle_) {
      const int64_t passed_ms = (now_ns - last_row_ns_) / 1'000'000;
      in_ms = std::min(in_ms, std::max<int64_t>(1, clock_->options().idle_after_ms - passed_ms));
    }
    if (in_ms != Clock::kNever) {
      timer_asked_ = true;
      this->context().wake_at_wall_ms(this->context().clock().wall_ms() + in_ms);
    }
  }

  const std::unique_ptr<EventClock<T>> clock_;
  std::vector<SavedRecord<SavedEventTime>> saved_;  // from `restore` to `open`
  std::optional<SavedEventTime> restored_;          // until it is sent on
  WatermarkPacer pacer_{200};
  int64_t last_row_ns_ = 0;
  bool idle_ = false;
  bool timer_asked_ = false;
  bool ended_ = false;
};

}  // namespace tidewheel
