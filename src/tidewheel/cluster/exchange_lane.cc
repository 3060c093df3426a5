#include "tidewheel/cluster/exchange_lane.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "tidewheel/base/fault.h"
#include "tidewheel/base/memory_pool.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/row_codec.h"

namespace tidewheel::exchange {
namespace {

constexpr int64_t kAdaptEveryNs = 100'000'000;
constexpr size_t kUncompressedMax = size_t{1} << 30;
// What a batch is taken to need before one has come, in memory and in its frame.
constexpr int64_t kBatchBytesFirst = 64 << 10;
constexpr int64_t kFrameBytesFirst = 16 << 10;
// Of a size of late, what the newest one weighs.
constexpr int64_t kFade = 8;

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
  return overtakes ? credits_ > -credits_max_ : credits_ > 0 && room_bytes_ > 0;
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
  room_bytes_ -= static_cast<int64_t>(bytes);
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
               WakeTarget& receiver, int64_t debloat_target_ms, MemoryPool* network)
    : Lane(worker, channel_id, spec.edge, false),
      credits_max_(credits_of(spec)),
      debloat_target_ns_(debloat_target_ms * 1'000'000),
      reader_(spec.edge->codec->open_reader(spec.edge->codec->schema()).value()),
      batch_rows_(spec.batch_rows),
      account_(network == nullptr ? nullptr : network->make_child(spec.edge->name)),
      memory_(network == nullptr ? spec.memory : account_.get()),
      pool_(spec.edge->codec->make_pool(batch_rows_, memory_)),
      window_(credits_max_),
      batch_bytes_(kBatchBytesFirst),
      mean_memory_(kBatchBytesFirst),
      mean_frame_(kFrameBytesFirst),
      sizes_(std::bit_ceil(size_t{2} * credits_max_)) {
  channel_ = std::make_unique<Channel>(2 * credits_max_, false, *this, receiver);
}

// The task has gone, so nobody holds batches that the account would have to know of.
void InLane::drop() {
  pool_.reset();
  account_.reset();
}

Status InLane::push(Element element, int64_t bytes) {
  const bool is_end = element.kind == Element::Kind::kEndOfInput;
  const uint32_t position = channel_->next_position();
  const bool fits = !finished && !is_after(position + 1, granted_ + credits_max_);
  if (!fits || !channel_->push(element)) {
    return data_loss(ErrorId::kDataFrame, "an element on '{}' came {}", edge().name,
                     finished ? "after the end of input" : "for which no credit was given");
  }
  finished = is_end;
  // Its place is free: so many credits were given only when what was there had been counted.
  sizes_[position & (sizes_.size() - 1)] = bytes;
  held_bytes_ += bytes;
  return ok_status();
}

// A batch of so many bytes. Where the lane's share is small, idle batches are in the way of others:
// a new pool takes over, and the account keeps what waits of the old one.
Batch* InLane::acquire(int64_t bytes) {
  if (account_ != nullptr && account_->used_bytes() + bytes > target_bytes()) {
    count_popped();
    if (account_->used_bytes() - held_bytes_ > std::max(bytes, batch_bytes_)) {
      TIDEWHEEL_MARK("exchange.gives_memory_back");
      account_->reserve(held_bytes_ - carried_bytes_);
      carried_bytes_ = held_bytes_;
      pool_begin_ = channel_->next_position();
      pool_ = edge().codec->make_pool(batch_rows_, memory_);
    }
  }
  return pool_->acquire();
}

std::pair<BatchRef, char*> InLane::place_body(size_t size) {
  Batch* const batch = acquire(static_cast<int64_t>(size));
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
  const auto frame_bytes = static_cast<int64_t>(body.size());
  room_bytes_ -= frame_bytes;
  if (flags != 0) {
    TIDEWHEEL_RETURN_IF_ERROR(
        uncompress(static_cast<ExchangeCompression>(flags), body, kUncompressedMax, scratch_));
    body = scratch_;
    placed.reset();
  }
  const bool is_placed = static_cast<bool>(placed);
  // Nobody else has seen the batch yet.
  Batch* const batch =
      is_placed ? const_cast<Batch*>(placed.get()) : acquire(static_cast<int64_t>(body.size()));
  BatchRef owner = is_placed ? std::move(placed) : BatchRef::adopt(batch);
  const Status status = reader_->read(body, is_placed, *batch);
  if (!status.ok()) { return status.with_context("rows on '{}'", edge().name); }
  const int64_t bytes = batch->memory_bytes();
  pool_->settle(*batch, bytes);
  note_batch(frame_bytes, bytes);
  return push(Element::rows(std::move(owner)), bytes);
}

void InLane::note_batch(int64_t frame_bytes, int64_t memory_bytes) {
  has_come_ = true;
  batch_bytes_ = std::max(memory_bytes, batch_bytes_ - (batch_bytes_ - memory_bytes) / kFade);
  mean_memory_ += (static_cast<double>(memory_bytes) - mean_memory_) / kFade;
  mean_frame_ += (static_cast<double>(frame_bytes) - mean_frame_) / kFade;
}

Status InLane::take_control(const Control& control) { return push(control.element, 0); }

// What came before the announcement is in the ring already, as it is within a process.
Status InLane::take_announcement(const Announcement& announcement) {
  if (is_after(announcement.position, channel_->next_position())) {
    return data_loss(ErrorId::kDataFrame, "a barrier on '{}' is announced before what it overtakes",
                     edge().name);
  }
  channel_->announce(announcement.checkpoint, announcement.position);
  return ok_status();
}

void InLane::count_popped() {
  const uint32_t popped = channel_->popped();
  for (; counted_ != popped; ++counted_) {
    const int64_t bytes = sizes_[counted_ & (sizes_.size() - 1)];
    held_bytes_ -= bytes;
    if (carried_bytes_ > 0 && is_after(pool_begin_, counted_)) {
      carried_bytes_ -= bytes;
      account_->release(bytes);
    }
  }
}

// Of what waits and what may still be sent. No more than the elements that may be there are likely
// to need, so that bytes hold up nobody who has few. At first one batch: when that has come the
// others are there with whom the memory is shared.
int64_t InLane::target_bytes() const {
  const int64_t wanted = has_come_ ? int64_t{2} * credits_max_ * batch_bytes_ : kBatchBytesFirst;
  return std::max<int64_t>(1, std::min(share_bytes_, wanted));
}

// Elements go back by quarters of the window, and bytes by quarters of the target, so that not
// every element costs a frame. A channel that is empty can always take a batch.
Grant InLane::owed() {
  count_popped();
  // Below 0 while the window is smaller than what was granted before.
  const auto elements = static_cast<int32_t>(counted_ + window() - granted_);
  // In frames.
  const double scale = std::min(1.0, mean_frame_ / mean_memory_);
  auto all = static_cast<int64_t>(scale * static_cast<double>(target_bytes() - held_bytes_));
  if (held_bytes_ == 0) { all = std::max<int64_t>(all, 1); }
  const int64_t bytes = all - room_bytes_;
  const bool enough = elements >= static_cast<int32_t>(std::max(window() / 4, 1U)) ||
                      bytes >= std::max<int64_t>(1, all / 4) ||
                      (held_bytes_ == 0 && room_bytes_ <= 0);  // a batch may always move
  if (!enough) { return {}; }
  const Grant grant{static_cast<uint32_t>(std::max(elements, 0)), std::max<int64_t>(bytes, 0)};
  granted_ += grant.count;
  room_bytes_ += grant.bytes;
  return grant;
}

bool InLane::sender_runs_low() const {
  const auto left = static_cast<int32_t>(granted_ - channel_->next_position());
  return left <= static_cast<int32_t>(window() / 4) || is_short_of_bytes();
}

bool InLane::is_short_of_bytes() const {
  const double in_memory = static_cast<double>(room_bytes_) * mean_memory_ / mean_frame_;
  return in_memory <= static_cast<double>(target_bytes()) / 4;
}

// A wake is asked for when the sender has little left: else what it sends next brings the lane here
// anyway.
Grant InLane::take_grant(int64_t now_ns, int64_t share_bytes) {
  if (finished) { return {}; }
  share_bytes_ = share_bytes;
  if (debloat_target_ns_ > 0) { adapt_window(now_ns); }
  Grant grant = owed();
  if (!sender_runs_low()) { return grant; }
  // By bytes, half of what waits now may be too little to be told; then there is another wake.
  channel_->request_wake(is_short_of_bytes() ? channel_->size() / 2 : window() / 2);
  const Grant more = owed();
  grant.count += more.count;
  grant.bytes += more.bytes;
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
