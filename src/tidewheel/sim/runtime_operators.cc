#include "tidewheel/sim/runtime_operators.h"

#include <fmt/format.h>

#include <algorithm>

#include "tidewheel/base/clock.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/base/random.h"

namespace tidewheel::sim {

namespace {

// More than all windows one behind the other can hold rows back.
constexpr int64_t kLongestWindowsMs = 3'600'000;

// What was refused is kept in order, so the next `ready` says the same.
void ignore_progress(Progress) {}

}  // namespace

template <class Base>
Status RowOperator<Base>::open(OperatorContext& context) {
  context_ = &context;
  out_.open(BatchPool::create_for<Row>(context.batch_rows(), &context.memory()),
            context.batch_rows());
  return {};
}
template class RowOperator<SourceOperator>;
template class RowOperator<Operator>;

// ---- Source

Status ScriptReader::open(OperatorContext& opened) {
  TIDEWHEEL_RETURN_IF_ERROR(RowOperator::open(opened));
  const auto step = static_cast<size_t>(opened.parallelism());
  for (size_t i = static_cast<size_t>(opened.subtask_index()); i < script_->splits.size();
       i += step) {
    splits_.push_back({&script_->splits[i]});
    if (!script_->splits[i].empty()) { ++open_splits_; }
  }
  return {};
}

bool ScriptReader::pause(int64_t ms) {
  wait_until_ms_ = context().clock().wall_ms() + ms;
  context().wake_at_wall_ms(wait_until_ms_);
  return true;
}

bool ScriptReader::send_watermark() {
  int64_t least_ms = kMaxWatermark;
  for (const Split& split : splits_) {
    if (split.next < split.steps->size()) { least_ms = std::min(least_ms, split.newest_ms); }
  }
  if (least_ms == kMaxWatermark || least_ms == kMinWatermark) { return true; }
  const int64_t watermark = least_ms - script_->disorder_ms - 1;
  if (watermark <= watermark_) { return true; }
  watermark_ = watermark;
  return out().send(Element::watermark(watermark)) == Progress::kDone;
}

SourceOperator::Poll ScriptReader::poll() {
  if (!started_) { return Poll::kNothingYet; }
  if (wait_until_ms_ != INT64_MIN) {
    if (context().clock().wall_ms() <= wait_until_ms_) {
      context().wake_at_wall_ms(wait_until_ms_);
      return Poll::kNothingYet;
    }
    wait_until_ms_ = INT64_MIN;
  }
  Random& random = context().random();
  const uint64_t rows_max = 1 + random.below(context().batch_rows() * uint64_t{2});
  for (uint64_t i = 0; i < rows_max && open_splits_ > 0; ++i) {
    if (!out().ready()) { return Poll::kBlocked; }
    Split* split = &splits_[random.below(splits_.size())];
    while (split->next == split->steps->size()) { split = &splits_[random.below(splits_.size())]; }
    const ScriptStep& step = (*split->steps)[split->next];
    if (step.pause_ms > 0 && !split->paused) {
      split->paused = true;
      pause(step.pause_ms);
      return Poll::kNothingYet;
    }
    split->paused = false;
    out().emit(step.row.row, step.row.time_ms);
    split->newest_ms = std::max(split->newest_ms, step.row.time_ms);
    if (++split->next == split->steps->size()) { --open_splits_; }
  }
  if (open_splits_ > 0) { return send_watermark() ? Poll::kMore : Poll::kBlocked; }
  if (script_->tail_pause_ms > 0 && !tail_) {
    // Nothing more is to come, but the end is late: idle, so that nobody waits for it.
    tail_ = true;
    TIDEWHEEL_MARK("sim.idle_source");
    pause(script_->tail_pause_ms);
    // Rows of an idle source may come late, and so may windows that it fires at its end: fire them
    // now.
    int64_t newest_ms = kMinWatermark;
    for (const Split& split : splits_) { newest_ms = std::max(newest_ms, split.newest_ms); }
    if (newest_ms != kMinWatermark) {
      ignore_progress(out().send(Element::watermark(newest_ms + kLongestWindowsMs)));
    }
    return out().send(Element::control(Element::Kind::kIdle)) == Progress::kDone ? Poll::kNothingYet
                                                                                 : Poll::kBlocked;
  }
  return Poll::kEnd;
}

Progress ScriptReader::on_processing_time(int64_t) { return Progress::kDone; }

void ScriptReader::on_coordinator_event(std::string_view event) {
  if (event == "go") {
    context().send_to_coordinator("thanks");
  } else {
    started_ = true;
    context().wake();
  }
}

Status GoCoordinator::start(CoordinatorContext& context) {
  context_ = &context;
  return {};
}

void GoCoordinator::on_subtask_ready(int32_t) {
  if (++ready_ == context_->parallelism()) {
    go_at_ns_ = context_->clock().now_ns() + 1'000'000;
    context_->wake_at_ns(go_at_ns_);
  }
}

void GoCoordinator::on_event(int32_t subtask, std::string_view) {
  context_->send_to_subtask(subtask, "again");
}

void GoCoordinator::on_timer() {
  if (context_->clock().now_ns() < go_at_ns_) {
    context_->wake_at_ns(go_at_ns_);
    return;
  }
  for (int32_t i = 0; i < context_->parallelism(); ++i) { context_->send_to_subtask(i, "go"); }
}

// ---- One row at a time

Progress FunctionOperator::on_rows(int32_t, const Element& rows, uint32_t& cursor) {
  const auto& batch = RowBatch<Row>::of(*rows.batch);
  for (; cursor < rows.end; ++cursor) {
    if (!out().ready()) { return Progress::kBlocked; }
    made_.clear();
    function_({batch.row(cursor), batch.timestamps()[cursor]}, made_);
    for (TimedRow& made : made_) { out().emit(std::move(made.row), made.time_ms); }
  }
  return Progress::kDone;
}

// ---- Windows

int64_t TumblingOperator::start_of(int64_t time_ms, int64_t size_ms) {
  const int64_t rest = time_ms % size_ms;
  return time_ms - (rest < 0 ? rest + size_ms : rest);
}

TimedRow TumblingOperator::result(int64_t start_ms, int64_t size_ms, int64_t key, int64_t sum,
                                  int64_t count) {
  return {{start_ms, count, key, sum, "window"}, start_ms + size_ms - 1};
}

Progress TumblingOperator::on_rows(int32_t, const Element& rows, uint32_t& cursor) {
  const auto& batch = RowBatch<Row>::of(*rows.batch);
  for (; cursor < rows.end; ++cursor) {
    const Row& row = batch.row(cursor);
    const int64_t time_ms = batch.timestamps()[cursor];
    if (time_ms <= watermark_) {
      findings_->add(fmt::format("a row came late, at watermark {}: {}", watermark_,
                                 describe_row({row, time_ms})));
    }
    auto& [sum, count] = windows_[{start_of(time_ms, size_ms_), row.key}];
    sum += row.value;
    ++count;
  }
  return Progress::kDone;
}

Progress TumblingOperator::on_watermark(int64_t time_ms) {
  if (time_ms <= watermark_ && watermark_ != kMinWatermark) {
    // The same call again, after it was refused, has the same time.
    if (time_ms < watermark_) { findings_->add("a watermark went back"); }
  }
  while (!windows_.empty() && windows_.begin()->first.first + size_ms_ - 1 <= time_ms) {
    if (!out().ready()) {
      TIDEWHEEL_MARK("sim.window_refused");
      return Progress::kBlocked;
    }
    const auto& [where, totals] = *windows_.begin();
    TimedRow row = result(where.first, size_ms_, where.second, totals.first, totals.second);
    out().emit(std::move(row.row), row.time_ms);
    windows_.erase(windows_.begin());
  }
  watermark_ = time_ms;
  return Operator::on_watermark(time_ms);
}

// ---- Join

TimedRow JoinOperator::pair(const TimedRow& left, const TimedRow& right) {
  return {{left.row.origin * 1000 + right.row.origin, left.row.number * 100'000 + right.row.number,
           left.row.key, left.row.value + 7 * right.row.value, left.row.note + right.row.note},
          std::max(left.time_ms, right.time_ms)};
}

Progress JoinOperator::on_rows(int32_t input, const Element& rows, uint32_t& cursor) {
  const auto& batch = RowBatch<Row>::of(*rows.batch);
  for (; cursor < rows.end; ++cursor) {
    if (!out().ready()) { return Progress::kBlocked; }
    const TimedRow row{batch.row(cursor), batch.timestamps()[cursor]};
    for (const TimedRow& other : rows_[1 - input][row.row.key]) {
      if (std::abs(other.time_ms - row.time_ms) > bound_ms_) { continue; }
      TimedRow made = input == 0 ? pair(row, other) : pair(other, row);
      out().emit(std::move(made.row), made.time_ms);
    }
    rows_[input][row.row.key].push_back(row);
  }
  return Progress::kDone;
}

// ---- Processing time

Progress DelayOperator::on_rows(int32_t, const Element& rows, uint32_t& cursor) {
  const auto& batch = RowBatch<Row>::of(*rows.batch);
  const int64_t now_ms = context().clock().wall_ms();
  for (; cursor < rows.end; ++cursor) {
    const int64_t due_ms =
        now_ms +
        static_cast<int64_t>(context().random().below(static_cast<uint64_t>(delay_ms_max_) + 1));
    held_.emplace(due_ms, TimedRow{batch.row(cursor), batch.timestamps()[cursor]});
  }
  if (!held_.empty()) { context().wake_at_wall_ms(held_.begin()->first); }
  return Progress::kDone;
}

Progress DelayOperator::emit_until(int64_t time_ms) {
  while (!held_.empty() && held_.begin()->first <= time_ms) {
    if (!out().ready()) { return Progress::kBlocked; }
    TimedRow& row = held_.begin()->second;
    out().emit(std::move(row.row), row.time_ms);
    held_.erase(held_.begin());
  }
  return Progress::kDone;
}

Progress DelayOperator::on_processing_time(int64_t now_ms) {
  if (emit_until(now_ms) == Progress::kBlocked) { return Progress::kBlocked; }
  TIDEWHEEL_MARK("sim.processing_timer_fired");
  if (!held_.empty()) { context().wake_at_wall_ms(held_.begin()->first); }
  return Progress::kDone;
}

Progress DelayOperator::on_end_of_input(int32_t) { return emit_until(INT64_MAX); }

// ---- Elsewhere

Progress BlockingOperator::on_rows(int32_t, const Element& rows, uint32_t& cursor) {
  const auto& batch = RowBatch<Row>::of(*rows.batch);
  for (; cursor < rows.end; ++cursor) {
    ++out_there_;
    OperatorContext& here = context();
    here.executor().run_blocking([this, &here, closed = closed_,
                                  row = TimedRow{batch.row(cursor), batch.timestamps()[cursor]}] {
      if (*closed) { return; }
      here.post([this, &here, row] {
        back_.push_back(row);
        here.wake();
      });
    });
  }
  return Progress::kDone;
}

Progress BlockingOperator::on_wake() {
  while (emitted_ < back_.size()) {
    if (!out().ready()) { return Progress::kBlocked; }
    TimedRow& row = back_[emitted_++];
    out().emit(std::move(row.row), row.time_ms);
    --out_there_;
  }
  back_.clear();
  emitted_ = 0;
  return Progress::kDone;
}

Progress BlockingOperator::on_end_of_input(int32_t) {
  waits_ = false;
  if (on_wake() == Progress::kBlocked) { return Progress::kBlocked; }
  waits_ = out_there_ > 0;
  return waits_ ? Progress::kBlocked : Progress::kDone;
}

void BlockingOperator::close(bool finished) {
  *closed_ = true;
  RowOperator::close(finished);
}

// ---- Sink

Status SinkOperator::open(OperatorContext& context) {
  context_ = &context;
  seen_->parallelism = context.parallelism();
  ++seen_->opens;
  seen_->by_subtask.resize(static_cast<size_t>(context.parallelism()));
  return {};
}

Progress SinkOperator::on_rows(int32_t, const Element& rows, uint32_t& cursor) {
  const auto& batch = RowBatch<Row>::of(*rows.batch);
  Rows& mine = seen_->by_subtask[static_cast<size_t>(context_->subtask_index())];
  if (ended_) { findings_->add("a row came after the end of the input"); }
  for (; cursor < rows.end; ++cursor) {
    if (refuses_for_test()) { return Progress::kBlocked; }
    mine.push_back({batch.row(cursor), batch.timestamps()[cursor]});
  }
  return Progress::kDone;
}

Progress SinkOperator::on_watermark(int64_t time_ms) {
  if (time_ms <= watermark_) {
    findings_->add(fmt::format("a sink got watermark {} after {}", time_ms, watermark_));
  }
  watermark_ = time_ms;
  return Progress::kDone;
}

Progress SinkOperator::on_end_of_input(int32_t) {
  ended_ = true;
  ++seen_->ends;
  if (watermark_ != kMaxWatermark) {
    findings_->add(fmt::format("a sink's input ended at watermark {}", watermark_));
  }
  return Progress::kDone;
}

void SinkOperator::close(bool) { ++seen_->closes; }

}  // namespace tidewheel::sim
