#include "tidewheel/cluster/exchange_lane.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/fault.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/row_codec.h"

namespace tidewheel::exchange {
namespace {

constexpr int64_t kAdaptEveryNs = 100'000'000;
constexpr size_t kUncompressedMax = size_t{1} << 30;

uint32_t credits_of(const RemoteChannelSpec& spec) { return std::max(spec.credits, 1U); }

// Whether position `a` comes after `b`; they are counted modulo 2^32.
bool is_after(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) > 0; }

CheckpointPlanRef find_plan(const CheckpointPlans* plans, int64_t checkpoint) {
  return plans == nullptr ? nullptr : plans->find(checkpoint);
}

}  // namespace

void Lane::close() {
  gate_->close();
  channel_.reset();
  drop();
}

// ---- The sender's side

OutLane::OutLane(LaneWorker& worker, ExchangeChannelId channel_id, const RemoteChannelSpec& spec,
                 WakeTarget& sender)
    : Lane(worker, channel_id, spec.edge, true), credits_max_(credits_of(spec)) {
  channel_ = std::make_unique<Channel>(credits_of(spec), false, sender, *this);
}

// An announced barrier, and what is before it, goes beyond credit, but by no more than one ring:
// the receiver has room for twice its credits.
bool OutLane::may_send(const Channel::Announcement& announcement) const {
  const bool overtakes = announcement.checkpoint > announced_;
  return credits_ > (overtakes ? -credits_max_ : 0);
}

Result<Sent> OutLane::send(RowFrameWriter& writer, const Options& options, int elements_max) {
  for (int i = 0; i < elements_max && writer.unsent_bytes() < options.ahead_bytes_max; ++i) {
    const Channel::Announcement announcement = channel_->announcement();
    if (announcement.checkpoint > announced_ && !is_after(announcement.position, position_)) {
      send_announcement(writer, options, announcement);
      continue;
    }
    if (!may_send(announcement)) { return Sent::kNoCredit; }
    Element element;
    if (!channel_->pop(element)) {
      settle();
      if (channel_->empty() && channel_->announcement().checkpoint <= announced_) {
        return Sent::kEmpty;
      }
      // It came in between; whoever brought it may have seen that the lane was at work.
      wake_from_own_slot();
      return Sent::kEmpty;
    }
    if (credits_ <= 0) { TIDEWHEEL_MARK("exchange.beyond_credit"); }
    --credits_;
    ++position_;
    ++elements_;
    const bool is_end = element.kind == Element::Kind::kEndOfInput;
    TIDEWHEEL_RETURN_IF_ERROR(send_element(writer, options, std::move(element)));
    if (is_end) {
      finished = true;
      return Sent::kFinished;
    }
  }
  return Sent::kMore;
}

void OutLane::send_announcement(RowFrameWriter& writer, const Options& options,
                                const Channel::Announcement& announcement) {
  const CheckpointPlanRef plan = find_plan(options.plans, announcement.checkpoint);
  put_announcement(writer.begin(static_cast<uint8_t>(FrameType::kAnnouncement), 0, number),
                   announcement.checkpoint, announcement.position, plan.get());
  writer.finish();
  announced_ = announcement.checkpoint;
}

Status OutLane::send_element(RowFrameWriter& writer, const Options& options, Element element) {
  if (element.kind == Element::Kind::kBatch) {
    return send_batch(writer, options, std::move(element));
  }
  CheckpointPlanRef plan;
  if (element.kind == Element::Kind::kBarrier) { plan = find_plan(options.plans, element.value); }
  put_control(writer.begin(static_cast<uint8_t>(FrameType::kControl), 0, number), element,
              plan.get());
  writer.finish();
  return ok_status();
}

Status OutLane::send_batch(RowFrameWriter& writer, const Options& options, Element rows) {
  size_t bytes = 0;
  if (options.compression != ExchangeCompression::kNone) {
    bytes = send_compressed(writer, options, rows);
  } else {
    edge().codec->encode(rows, writer.begin_rows(static_cast<uint8_t>(FrameType::kBatch), number));
    bytes = writer.row_bytes();
    if (bytes <= options.body_bytes_max) {
      writer.finish_rows(std::move(rows.batch));
    } else {
      writer.abandon_rows();
    }
  }
  if (bytes <= options.body_bytes_max) { return ok_status(); }
  return invalid_argument(ErrorId::kDataFrame,
                          "{} rows on '{}' take {} bytes, and a batch may have {}; lower "
                          "taskmanager.batch-rows",
                          rows.end - rows.begin, edge().name, bytes, options.body_bytes_max);
}

// Returns the length, and sends nothing when that is too much.
size_t OutLane::send_compressed(RowFrameWriter& writer, const Options& options,
                                const Element& rows) {
  plain_.clear();
  edge().codec->encode(rows, plain_);
  std::string_view body = plain_.own();
  compressed_.clear();
  const ExchangeCompression how = compress(options.compression, body, compressed_);
  if (how != ExchangeCompression::kNone) { body = compressed_; }
  if (body.size() <= options.body_bytes_max) {
    writer.add(static_cast<uint8_t>(FrameType::kBatch), static_cast<uint8_t>(how), number, body);
  }
  return body.size();
}

// ---- The receiver's side

InLane::InLane(LaneWorker& worker, ExchangeChannelId channel_id, const RemoteChannelSpec& spec,
               WakeTarget& receiver, int64_t debloat_target_ms)
    : Lane(worker, channel_id, spec.edge, false),
      credits_max_(credits_of(spec)),
      debloat_target_ns_(debloat_target_ms * 1'000'000),
      reader_(spec.edge->codec->open_reader(spec.edge->codec->schema()).value()),
      pool_(spec.edge->codec->make_pool(spec.batch_rows, spec.memory)),
      window_(credits_max_) {
  channel_ = std::make_unique<Channel>(2 * credits_max_, false, *this, receiver);
}

Status InLane::push(Element element) {
  const bool is_end = element.kind == Element::Kind::kEndOfInput;
  const bool fits = !finished && !is_after(channel_->next_position() + 1, granted_ + credits_max_);
  if (!fits || !channel_->push(element)) {
    return data_loss(ErrorId::kDataFrame, "an element on '{}' came {}", edge().name,
                     finished ? "after the end of input" : "for which no credit was given");
  }
  finished = is_end;
  return ok_status();
}

std::pair<BatchRef, char*> InLane::place_body(size_t size) {
  Batch* const batch = pool_->acquire();
  BatchRef owner = BatchRef::adopt(batch);
  char* const room = batch->arena().allocate(size);
  pool_->settle(*batch, batch->memory_bytes());
  return {std::move(owner), room};
}

Status InLane::take_batch(uint8_t flags, std::string_view body, BatchRef placed) {
  if (flags > static_cast<uint8_t>(ExchangeCompression::kSnappy)) {
    return data_loss(ErrorId::kDataFrame, "a batch on '{}' has unknown flags {}", edge().name,
                     flags);
  }
  if (flags != 0) {
    TIDEWHEEL_RETURN_IF_ERROR(
        uncompress(static_cast<ExchangeCompression>(flags), body, kUncompressedMax, scratch_));
    body = scratch_;
    placed.reset();
  }
  const bool is_placed = static_cast<bool>(placed);
  // Nobody else has seen the batch yet.
  Batch* const batch = is_placed ? const_cast<Batch*>(placed.get()) : pool_->acquire();
  BatchRef owner = is_placed ? std::move(placed) : BatchRef::adopt(batch);
  const Status status = reader_->read(body, is_placed, *batch);
  if (!status.ok()) { return status.with_context("rows on '{}'", edge().name); }
  pool_->settle(*batch, batch->memory_bytes());
  return push(Element::rows(std::move(owner)));
}

Status InLane::take_control(const Control& control) { return push(control.element); }

// What came before the announcement is in the ring already, as it is within a process.
Status InLane::take_announcement(const Announcement& announcement) {
  if (is_after(announcement.position, channel_->next_position())) {
    return data_loss(ErrorId::kDataFrame, "a barrier on '{}' is announced before what it overtakes",
                     edge().name);
  }
  channel_->announce(announcement.checkpoint, announcement.position);
  return ok_status();
}

// Below 0 while the window is smaller than what was granted before.
uint32_t InLane::owed() const {
  const auto owed = static_cast<int32_t>(channel_->popped() + window() - granted_);
  return static_cast<uint32_t>(std::max(owed, 0));
}

// Credits go back by quarters of the window, so that not every element costs a frame. A wake is
// asked for when the sender has few left: else what it sends next brings the lane here anyway.
uint32_t InLane::take_grant(int64_t now_ns) {
  if (finished) { return 0; }
  if (debloat_target_ns_ > 0) { adapt_window(now_ns); }
  const uint32_t least = std::max(window() / 4, 1U);
  uint32_t grant = owed();
  if (grant < least) { grant = 0; }
  granted_ += grant;
  const auto left = static_cast<int32_t>(granted_ - channel_->next_position());
  if (left > static_cast<int32_t>(window() / 4)) { return grant; }
  channel_->request_wake(window() / 2);
  if (const uint32_t more = owed(); more >= least) {
    granted_ += more;
    grant += more;
  }
  return grant;
}

// As many elements as the task takes in the target time. A channel that has run empty gets more,
// whatever the measurement says: it may have been the window that held the sender up.
void InLane::adapt_window(int64_t now_ns) {
  if (now_ns - adapted_ns_ < kAdaptEveryNs) { return; }
  const uint32_t popped = channel_->popped();
  const uint32_t taken = popped - adapted_popped_;
  if (channel_->size() == 0) {
    window_.store(std::min(2 * window(), credits_max_), std::memory_order_relaxed);
  } else if (adapted_ns_ != 0) {
    const double per_ns = static_cast<double>(taken) / static_cast<double>(now_ns - adapted_ns_);
    const double wanted = per_ns * static_cast<double>(debloat_target_ns_);
    const auto least = std::min<uint32_t>(2, credits_max_);
    const auto target = static_cast<uint32_t>(
        std::clamp(wanted, static_cast<double>(least), static_cast<double>(credits_max_)));
    // Half way, so that one odd measurement does little.
    window_.store((window() + target + 1) / 2, std::memory_order_relaxed);
  }
  adapted_ns_ = now_ns;
  adapted_popped_ = popped;
}

}  // namespace tidewheel::exchange
