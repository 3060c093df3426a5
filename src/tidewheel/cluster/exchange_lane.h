// The two ends of a channel between workers, as the exchange works on them. A sending task pushes
// into the channel of an OutLane; the exchange takes from there as the receiver's credits allow,
// and pushes into the channel of an InLane in the other worker, where the receiving task finds it.
// Positions in both channels are the same.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/completion_gate.h"
#include "tidewheel/cluster/exchange.h"
#include "tidewheel/cluster/exchange_frames.h"
#include "tidewheel/cluster/exchange_writer.h"
#include "tidewheel/dataflow/channel.h"
#include "tidewheel/dataflow/row_codec.h"
#include "tidewheel/dataflow/wake_target.h"

namespace tidewheel {

class BatchPool;   // dataflow/batch_pool.h
class MemoryPool;  // base/memory_pool.h

namespace exchange {

class Lane;

// What a receiver has room for, beyond what it has said before.
struct Grant {
  uint32_t count = 0;  // elements
  int64_t bytes = 0;   // of batches, as frames have them; the last one may take more
  bool is_empty() const { return count == 0 && bytes == 0; }
};

// Whoever works on lanes: told, on any thread, that one has something to do.
class LaneWorker {
 public:
  virtual void on_woken(Lane& lane) = 0;
  // Some sender has announced a barrier.
  virtual void on_alert() = 0;

 protected:
  ~LaneWorker() = default;
};

// Lives on the exchange's thread, but for the waking. Tasks are touched between `enter` and `leave`
// only, so that the end's owner can close it at any time.
class Lane : public WakeTarget, public std::enable_shared_from_this<Lane> {
 public:
  Lane(LaneWorker& worker, ExchangeChannelId id, EdgeInfoRef edge, bool sends)
      : worker_(worker), id_(id), edge_(std::move(edge)), sends_(sends) {}
  ~Lane() override = default;

  [[nodiscard]] bool enter() { return gate_->enter(); }
  void leave() { gate_->leave(); }
  Channel& channel() { return *channel_; }
  // The owner's thread: the task is gone, and with it all that the channel holds.
  void close();
  // From here on wakes count again; to be followed by a look at what may have woken it.
  void settle() { rest(); }

  ExchangeChannelId id() const { return id_; }
  const EdgeInfo& edge() const { return *edge_; }
  bool is_out() const { return sends_; }

  Lane* next_woken = nullptr;
  // Among the woken. Credits may have it at work, and let it rest, before it is taken from there:
  // then another wake must not put it there twice.
  std::atomic<bool> is_woken{false};
  uint64_t link = 0;       // the connection; 0: none yet
  uint32_t number = 0;     // on it
  bool finished = false;   // the end of input has gone through
  bool given_up = false;   // by this side or the other, or it has failed
  bool has_share = false;  // of the network's memory

 protected:
  void on_scheduled(bool) override { worker_.on_woken(*this); }
  virtual void drop() {}

  LaneWorker& worker_;
  std::unique_ptr<Channel> channel_;

 private:
  const ExchangeChannelId id_;
  const EdgeInfoRef edge_;
  const bool sends_;
  const std::shared_ptr<CompletionGate> gate_ = CompletionGate::create();
};

// What came of sending for a while.
enum class Sent : uint8_t {
  kMore,      // call again
  kEmpty,     // the channel was empty: it rests
  kNoCredit,  // credits or an announcement make it go on
  kFinished,  // nothing follows
};

class OutLane final : public Lane {
 public:
  OutLane(LaneWorker& worker, ExchangeChannelId id, const RemoteChannelSpec& spec,
          WakeTarget& sender);
  void alert() override {
    wake();
    worker_.on_alert();
  }
  void add_credits(const Grant& grant) {
    credits_ += grant.count;
    room_bytes_ += grant.bytes;
  }
  bool is_in_queue = false;  // of its connection

  struct Options {
    ExchangeCompression compression = ExchangeCompression::kNone;
    const CheckpointPlans* plans = nullptr;
    uint32_t body_bytes_max = 0;
    size_t ahead_bytes_max = 0;  // in the writer
  };
  // Puts up to `elements_max` elements into the writer. Errors: kDataFrame for a batch that is too
  // large.
  Result<Sent> send(RowFrameWriter& writer, const Options& options, int elements_max);
  int64_t elements() const { return elements_; }

 private:
  bool may_send(const Channel::Announcement& announcement) const;
  void send_announcement(RowFrameWriter& writer, const Options& options,
                         const Channel::Announcement& announcement);
  Status send_element(RowFrameWriter& writer, const Options& options, Element element);
  Status send_batch(RowFrameWriter& writer, const Options& options, Element rows);
  size_t send_compressed(RowFrameWriter& writer, const Options& options, const Element& rows);

  const int64_t credits_max_;
  // Below 0: what an overtaking barrier has sent before it without credit.
  int64_t credits_ = 0;
  int64_t room_bytes_ = 0;  // the same for bytes, and what the last batch took beyond them
  uint32_t position_ = 0;   // elements sent
  int64_t announced_ = 0;   // the newest checkpoint whose announcement was sent
  int64_t elements_ = 0;
  // ---- For compression.
  EncodedRows plain_;
  std::string compressed_;
};

// How much its batches may take is the lane's share of the network's memory: what waits here and
// what the sender may still send are together no more, but for one batch, which may always move.
class InLane final : public Lane {
 public:
  // `network`: the account of which the lane's is a part; null: `spec.memory` is charged.
  InLane(LaneWorker& worker, ExchangeChannelId id, const RemoteChannelSpec& spec,
         WakeTarget& receiver, int64_t debloat_target_ms, MemoryPool* network);

  // ---- What came. Errors: kDataFrame, and what the codec says. In between enter and leave.
  // `placed`: what `place_body` has made, when the body lies in there.
  [[nodiscard]] Status take_batch(uint8_t flags, std::string_view body, BatchRef placed);
  [[nodiscard]] Status take_control(const Control& control);
  [[nodiscard]] Status take_announcement(const Announcement& announcement);

  // A batch with room in its arena for a body of `size` bytes, and the room.
  std::pair<BatchRef, char*> place_body(size_t size);

  // What to tell the sender now, if anything. In between enter and leave.
  Grant take_grant(int64_t now_ns, int64_t share_bytes);
  uint32_t window() const { return window_.load(std::memory_order_relaxed); }  // any thread

 private:
  [[nodiscard]] Status push(Element element, int64_t bytes);
  Grant owed();
  bool sender_runs_low() const;
  bool is_short_of_bytes() const;
  void count_popped();
  int64_t target_bytes() const;
  Batch* acquire(int64_t bytes);
  void note_batch(int64_t frame_bytes, int64_t memory_bytes);
  void adapt_window(int64_t now_ns);
  void drop() override;

  const uint32_t credits_max_;
  const int64_t debloat_target_ns_;
  const std::unique_ptr<RowReader> reader_;
  const uint32_t batch_rows_;
  std::unique_ptr<MemoryPool> account_;  // null: not limited
  MemoryPool* const memory_;             // of the pool
  std::shared_ptr<BatchPool> pool_;
  // Of elements that were granted and are not yet popped.
  std::atomic<uint32_t> window_;
  uint32_t granted_ = 0;  // counted from the start, as positions are
  int64_t adapted_ns_ = 0;
  uint32_t adapted_popped_ = 0;
  // ---- Bytes.
  int64_t share_bytes_ = INT64_MAX;
  int64_t room_bytes_ = 0;  // granted and not used up, as the sender knows it
  int64_t held_bytes_ = 0;  // of batches that wait in the channel
  bool has_come_ = false;   // a batch
  int64_t batch_bytes_;     // about the largest of late, in memory
  // What is on its way is known in bytes of frames; in memory it takes the mean of late.
  double mean_memory_;
  double mean_frame_;
  uint32_t counted_ = 0;  // elements popped of which `held_bytes_` knows
  // Of elements that wait and are of a pool that is gone; they come before `pool_begin_`.
  int64_t carried_bytes_ = 0;
  uint32_t pool_begin_ = 0;
  std::vector<int64_t> sizes_;  // by position: bytes of what waits
  std::string scratch_;
};

}  // namespace exchange
}  // namespace tidewheel
