#include "tidewheel/operators/source_operator.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/config.h"
#include "tidewheel/base/executor.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/base/options.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel {

void CutBatch::send(OutputPort& port) {
  uint32_t begin = 0;
  for (const Piece& piece : pieces) {
    Element rows = Element::rows(batch);
    rows.begin = begin;
    rows.end = piece.end;
    begin = piece.end;
    static_cast<void>(port.forward(rows));
    if (piece.watermark != kMinWatermark) {
      static_cast<void>(port.send(Element::watermark(piece.watermark)));
    }
  }
}

void SourceOperatorBase::open_base(OperatorContext& context) {
  context_ = &context;
  pacer_ = WatermarkPacer(context.config().get(options::kAutoWatermarkInterval));
  // There from the start, also for sources that have nothing to count in them.
  static_cast<void>(context.metrics().counter("numRecordsInErrors"));
  static_cast<void>(context.metrics().counter("numSplitsProcessed"));
}

std::optional<int64_t> SourceOperatorBase::combined_watermark() const {
  std::optional<int64_t> least;
  for (const Lane& lane : lanes_) {
    if (!lane.idle) { least = std::min(least.value_or(kMaxWatermark), lane.watermark); }
  }
  return least;
}

SourceOperator::Poll SourceOperatorBase::poll() {
  if (!port_->ready()) { return Poll::kBlocked; }
  for (const RestoredSplit& split : std::exchange(restored_, {})) {
    lanes_.emplace_back().watermark = split.watermark_ms;
    if (const Status status = add_lane(split.bytes, split.watermark_ms); !status.ok()) {
      throw_user_failure(*context_, "open_split", status, "");
    }
  }
  const int64_t now_ns = context_->clock().now_ns();
  if (restored_watermark_ != kMinWatermark) {
    pacer_.go_on_from(std::exchange(restored_watermark_, kMinWatermark));
    static_cast<void>(port_->send(Element::watermark(pacer_.sent())));
  }
  if (!read_one(now_ns)) { return when_dry(now_ns); }
  send_watermark(now_ns, /*dry=*/false);
  report_for_alignment(now_ns);
  return Poll::kMore;
}

bool SourceOperatorBase::is_readable(size_t index, int64_t now_ms, bool woken) {
  Lane& lane = lanes_[index];
  if (is_paused(lane)) { return false; }
  return !lane.waits || woken || now_ms >= lane.wake_at_ms;
}

// Asks the splits in turn until one has rows, or has ended. Returns false when none had.
bool SourceOperatorBase::read_one(int64_t now_ns) {
  const bool woken = woken_.exchange(false, std::memory_order_acquire);
  const int64_t now_ms = context_->clock().wall_ms();
  for (size_t asked = 0, count = lanes_.size(); asked < count; ++asked) {
    if (next_lane_ >= lanes_.size()) { next_lane_ = 0; }
    const size_t index = next_lane_++;
    // Whoever wakes does so once: it counts for a split that is paused too, when it goes on.
    if (woken && is_paused(lanes_[index])) { lanes_[index].waits = false; }
    if (!is_readable(index, now_ms, woken)) { continue; }
    const ReadDone done = read_lane(index);
    after_read(index, done, now_ns);
    if (done.rows > 0 || done.result.next() == ReadResult::Next::kMore ||
        done.result.next() == ReadResult::Next::kEnd) {
      // Splits that were not asked yet are asked in the next polls.
      if (woken && asked + 1 < count) { woken_.store(true, std::memory_order_release); }
      return true;
    }
  }
  return false;
}

void SourceOperatorBase::after_read(size_t index, const ReadDone& done, int64_t now_ns) {
  Lane& lane = lanes_[index];
  if (done.rows > 0) {
    lane.idle = false;
    lane.waits = false;
    has_watermarks_ = has_watermarks_ || lane.watermark != kMinWatermark;
    pacer_.add_rows(done.rows);
    if (sent_idle_) {
      sent_idle_ = false;
      static_cast<void>(port_->send(Element::control(Element::Kind::kActive)));
    }
  }
  if (done.busy) {
    lane.wake_at_ms = Clock::kNever;
    if (!lane.waits) { lane.waits_since_ns = now_ns; }
    lane.waits = true;
    return;
  }
  switch (done.result.next()) {
    case ReadResult::Next::kFailed:
      throw_user_failure(*context_, "read", done.result.status(), describe_lane(index));
    case ReadResult::Next::kMore: lane.waits = false; break;
    case ReadResult::Next::kWait:
      if (!lane.waits) { lane.waits_since_ns = now_ns; }
      lane.waits = true;
      lane.wake_at_ms = done.result.wake_at_ms();
      break;
    case ReadResult::Next::kEnd: {
      // Its watermark still counts once: with nothing else to wait for, event time is that far.
      if (const std::optional<int64_t> combined = combined_watermark()) { pacer_.offer(*combined); }
      remove_lane(index);
      context_->metrics().counter("numSplitsProcessed").add();
      lanes_.erase(lanes_.begin() + static_cast<ptrdiff_t>(index));
      if (next_lane_ > index) { --next_lane_; }
      break;
    }
  }
}

void SourceOperatorBase::update_idleness(int64_t now_ns) {
  if (options_.idle_after_ms <= 0 || lanes_.empty()) { return; }
  bool all_are_idle = true;
  int64_t furthest = kMinWatermark;
  for (Lane& lane : lanes_) {
    if (lane.waits && now_ns - lane.waits_since_ns >= options_.idle_after_ms * 1'000'000) {
      lane.idle = true;
    }
    all_are_idle = all_are_idle && lane.idle;
    furthest = std::max(furthest, lane.watermark);
  }
  // Those that are noticed together count as if they had become idle one after the other, and the
  // one that is ahead last: nothing would move event time that far any more.
  if (all_are_idle && !sent_idle_) { pacer_.offer(furthest); }
}

void SourceOperatorBase::send_watermark(int64_t now_ns, bool dry) {
  if (const std::optional<int64_t> combined = combined_watermark()) { pacer_.offer(*combined); }
  if (pacer_.is_due(now_ns, dry)) {
    const int64_t watermark = pacer_.take(now_ns);
    context_->metrics().gauge("watermarkLag").set(context_->clock().wall_ms() - watermark);
    static_cast<void>(port_->send(Element::watermark(watermark)));
  }
}

void SourceOperatorBase::report_for_alignment(int64_t now_ns) {
  if (options_.alignment_group.empty() || now_ns < next_report_ns_) { return; }
  next_report_ns_ = now_ns + options_.alignment_interval_ms * 1'000'000;
  const int64_t watermark = combined_watermark().value_or(kMaxWatermark);
  context_->send_to_coordinator(encode_event('M', watermark));
  const bool is_known =
      watermark > kMinWatermark && watermark < kMaxWatermark && allowed_watermark_ < kMaxWatermark;
  if (is_known) {
    const int64_t least = saturating_add(allowed_watermark_, -options_.alignment_drift_ms);
    context_->metrics().gauge("watermarkAlignmentDrift").set(saturating_add(watermark, -least));
  }
}

// Nothing can be read now: says how far event time is, and when to look again.
SourceOperator::Poll SourceOperatorBase::when_dry(int64_t now_ns) {
  update_idleness(now_ns);
  send_watermark(now_ns, /*dry=*/true);
  if (lanes_.empty()) {
    if (no_more_splits_) { return Poll::kEnd; }
    if (!requested_) {
      requested_ = true;
      context_->send_to_coordinator("R");
    }
  }
  const bool nothing_counts = !combined_watermark().has_value();
  if (nothing_counts && !sent_idle_ && (!lanes_.empty() || told_to_wait_)) {
    sent_idle_ = true;
    static_cast<void>(port_->send(Element::control(Element::Kind::kIdle)));
  }
  report_for_alignment(now_ns);

  const int64_t now_ms = context_->clock().wall_ms();
  int64_t wake_at_ms = Clock::kNever;
  for (const Lane& lane : lanes_) {
    if (!is_paused(lane)) { wake_at_ms = std::min(wake_at_ms, lane.wake_at_ms); }
    if (options_.idle_after_ms > 0 && lane.waits && !lane.idle) {
      const int64_t waited_ms = (now_ns - lane.waits_since_ns) / 1'000'000;
      wake_at_ms =
          std::min(wake_at_ms, now_ms + std::max<int64_t>(1, options_.idle_after_ms - waited_ms));
    }
  }
  if (!options_.alignment_group.empty()) {
    wake_at_ms = std::min(wake_at_ms, now_ms + (next_report_ns_ - now_ns) / 1'000'000 + 1);
  }
  if (wake_at_ms != Clock::kNever) { context_->wake_at_wall_ms(wake_at_ms); }
  return Poll::kNothingYet;
}

void SourceOperatorBase::on_coordinator_event(std::string_view event) {
  if (event.empty()) { return; }
  switch (event.front()) {
    case 'S': {
      requested_ = false;
      told_to_wait_ = false;
      lanes_.emplace_back();
      if (const Status status = add_lane(event.substr(1), kMinWatermark); !status.ok()) {
        throw_user_failure(*context_, "open_split", status, "");
      }
      break;
    }
    case 'W': told_to_wait_ = true; break;
    case 'N': no_more_splits_ = true; break;
    case 'A': allowed_watermark_ = decode_event_value(event); break;
    default: break;
  }
  context_->wake();
}

// A read that is on the blocking pool belongs behind the barrier: its rows were not sent yet, and
// the split is still as it was before.
Progress SourceOperatorBase::snapshot(SnapshotWriter& writer) {
  if (!writer.ready()) { return Progress::kBlocked; }
  SavedRecordWriter splits(writer, kSplitsState, splits_kind_, splits_schema_,
                           context_->subtask_index(), context_->parallelism());
  for (const RestoredSplit& split : restored_) {
    splits.add(split.bytes + encode_record(split.watermark_ms));
  }
  for (size_t i = 0; i < lanes_.size(); ++i) {
    splits.add(encode_lane(i) + encode_record(lanes_[i].watermark));
  }
  write_event_time(writer, {std::max(pacer_.sent(), restored_watermark_), false},
                   context_->subtask_index(), context_->parallelism(), "list");
  return Progress::kDone;
}

Status SourceOperatorBase::restore_watermark(SnapshotReader& reader) {
  TIDEWHEEL_ASSIGN_OR_RETURN(saved_watermarks_,
                             read_saved_records<SavedEventTime>(reader, kSavedEventTimeState));
  return {};
}

void SourceOperatorBase::take_watermark(int32_t subtask, int32_t parallelism) {
  const auto share = share_of(std::exchange(saved_watermarks_, {}), subtask, parallelism);
  restored_watermark_ = share.has_value() ? share->time_ms : kMinWatermark;
}

}  // namespace tidewheel
