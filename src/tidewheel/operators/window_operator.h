// What all window operators share: settings, late rows, and the context that a window's function is
// given.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/dataflow/element.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/output_tag.h"
#include "tidewheel/operators/row_traits.h"
#include "tidewheel/operators/user_failure.h"
#include "tidewheel/operators/window.h"
#include "tidewheel/state/state_memory.h"
#include "tidewheel/types/record.h"
#include "tidewheel/types/stored.h"

namespace tidewheel {

// What a job says of its windows besides assigner and function. T: the type of the rows.
template <class T>
struct WindowSettings {
  WindowTime time = WindowTime::kEvent;
  int64_t allowed_lateness_ms = 0;
  std::optional<OutputTag<T>>
      late;  // where rows go that come too late; without it they are dropped
};

Status check_lateness(int64_t allowed_lateness_ms, WindowTime time);

// A value in a table of the operators here, with its Text in a heap beside the table. Not an
// aggregate, so that the table does not look for Text inside.
template <class V>
class Held {
 public:
  Held() : stored_() {}
  V& value() { return stored_.value; }
  const V& value() const { return stored_.value; }
  // After `value` was changed: takes copies of Text that is not in the heap yet.
  void settle(TextHeap& heap) { stored_.settle(heap); }
  void release(TextHeap& heap) { stored_.release(heap); }

 private:
  Stored<V> stored_;
};

// What the function of a window is given to say what comes out. Rows have the window's last
// millisecond as their time.
template <class Out>
class WindowContext {
 public:
  const TimeWindow& window() const { return window_; }
  // Event time, as far as it is known to have come; Timestamp::min() before the first watermark.
  Timestamp watermark() const { return Timestamp(watermark_); }
  // The wall clock.
  Timestamp now() const { return Timestamp(clock_->wall_ms()); }

  void emit(const Out& row) { append(row); }
  void emit(Out&& row) { append(std::move(row)); }
  template <class U>
  void operator()(U&& row) {
    append(std::forward<U>(row));
  }
  // To a side output; dropped when nobody reads it.
  template <class S>
  void side(const OutputTag<S>& tag, const S& row) {
    if (Output<S>* output = sides_->find(tag)) {
      RowBatch<S>& batch = output->current();
      S& slot = batch.append(row, window_.max_timestamp());
      if constexpr (has_text_v<S>) { relocate_texts_into(slot, batch.arena()); }
      output->commit();
    }
  }

  // For operators.
  void bind(Output<Out>& output, SideOutputs& sides, Clock& clock) {
    output_ = &output;
    sides_ = &sides;
    clock_ = &clock;
  }
  void begin(const TimeWindow& window, int64_t watermark) {
    window_ = window;
    watermark_ = watermark;
  }

 private:
  // Text in results may point into state, which is gone sooner than the row.
  template <class U>
  void append(U&& row) {
    RowBatch<Out>& batch = output_->current();
    Out& slot = batch.append(std::forward<U>(row), window_.max_timestamp());
    if constexpr (has_text_v<Out>) { relocate_texts_into(slot, batch.arena()); }
    output_->commit();
  }

  Output<Out>* output_ = nullptr;
  SideOutputs* sides_ = nullptr;
  Clock* clock_ = nullptr;
  TimeWindow window_;
  int64_t watermark_ = kMinWatermark;
};

template <class T, class Out>
class WindowEngine;

// Base of the operators that put rows of type T into windows and emit rows of type Out.
template <class T, class Out>
class WindowOperator : public OutputOperator<Out> {
 public:
  Status open(OperatorContext& context) override {
    TIDEWHEEL_RETURN_IF_ERROR(OutputOperator<Out>::open(context));
    TIDEWHEEL_RETURN_IF_ERROR(check_lateness(settings_.allowed_lateness_ms, settings_.time));
    emitter_.bind(this->output(), this->sides(), context.clock());
    if (settings_.late.has_value()) { late_output_ = this->sides().find(*settings_.late); }
    late_dropped_ = &context.metrics().counter("numLateRecordsDropped");
    return {};
  }

 protected:
  WindowOperator(WindowSettings<T> settings, std::shared_ptr<const NodeLinks> links)
      : OutputOperator<Out>(std::move(links)), settings_(std::move(settings)) {}

  bool is_event_time() const { return settings_.time == WindowTime::kEvent; }
  int64_t lateness() const { return settings_.allowed_lateness_ms; }
  // Time that has come to an end: the watermark, or the last millisecond of the clock that was used
  // up.
  int64_t watermark() const { return watermark_; }
  void set_watermark(int64_t time) { watermark_ = time; }
  WindowContext<Out>& emitter() { return emitter_; }

  // The clock, which never goes back behind windows that have fired.
  int64_t processing_time_now() {
    return std::max(this->context().clock().wall_ms(), saturating_add(watermark_, 1));
  }
  // A row all of whose windows are gone.
  void take_late(const T& row, int64_t time, const Batch& batch) {
    if (saturating_add(time, lateness()) > watermark_) { return; }
    if (late_output_ == nullptr) {
      late_dropped_->add();
      return;
    }
    if constexpr (has_text_v<T>) { late_output_->current().share_arenas(batch); }
    late_output_->emit(row, time);
  }
  void count_dropped() { late_dropped_->add(); }
  void require_timestamp(const T& row, int64_t time) {
    if (time == kNoTimestamp) [[unlikely]] {
      throw_no_timestamp(this->context(), describe_record(row));
    }
  }
  void require_memory(const Status& status) {
    if (!status.ok()) [[unlikely]] {
      throw_user_failure(this->context(), "window state", status, "");
    }
  }

 private:
  friend class WindowEngine<T, Out>;
  const WindowSettings<T> settings_;
  int64_t watermark_ = kMinWatermark;
  WindowContext<Out> emitter_;
  Output<T>* late_output_ = nullptr;
  Counter* late_dropped_ = nullptr;
};

// What does an operator's work when its state is in a backend (stored_*.h): the operator hands all
// calls to it. It uses the operator's outputs, settings and watermark.
template <class T, class Out>
class WindowEngine {
 protected:
  explicit WindowEngine(WindowOperator<T, Out>& host) : host_(host) {}

  OperatorContext& context() { return host_.context(); }
  const OperatorContext& context() const { return host_.context(); }
  Output<Out>& output() { return host_.output(); }
  SideOutputs& sides() { return host_.sides(); }
  bool ready() { return host_.ready(); }
  bool keeps_changes() const { return host_.keeps_changes(); }
  template <class Store>
  Status open_store(Store& store, SnapshotReader* reader) {
    return host_.open_store(store, reader);
  }
  template <class Store>
  Progress snapshot_blocked(const Store& store, const SnapshotWriter& writer) {
    return host_.snapshot_blocked(store, writer);
  }
  bool is_event_time() const { return host_.is_event_time(); }
  int64_t lateness() const { return host_.lateness(); }
  int64_t watermark() const { return host_.watermark(); }
  void set_watermark(int64_t time) { host_.set_watermark(time); }
  WindowContext<Out>& emitter() { return host_.emitter(); }
  int64_t processing_time_now() { return host_.processing_time_now(); }
  void take_late(const T& row, int64_t time, const Batch& batch) {
    host_.take_late(row, time, batch);
  }
  void require_timestamp(const T& row, int64_t time) { host_.require_timestamp(row, time); }
  void require(const Status& status) { host_.require_memory(status); }

 private:
  WindowOperator<T, Out>& host_;
};

}  // namespace tidewheel
