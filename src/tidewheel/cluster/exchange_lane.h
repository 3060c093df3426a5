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

#include "tidewheel/base/completion_gate.h"
#include "tidewheel/cluster/exchange.h"
#include "tidewheel/cluster/exchange_frames.h"
#include "tidewheel/cluster/exchange_writer.h"
#include "tidewheel/dataflow/channel.h"
#include "tidewheel/dataflow/row_codec.h"
#include "tidewheel/dataflow/wake_target.h"

namespace tidewheel {

class BatchPool;  // dataflow/batch_pool.h

namespace exchange {

class Lane;

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
  uint64_t link = 0;      // the connection; 0: none yet
  uint32_t number = 0;    // on it
  bool finished = false;  // the end of input has gone through
  bool given_up = false;  // by this side or the other, or it has failed

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
  void add_credits(uint32_t count) { credits_ += count; }
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
  uint32_t position_ = 0;  // elements sent
  int64_t announced_ = 0;  // the newest checkpoint whose announcement was sent
  int64_t elements_ = 0;
  // ---- For compression.
  EncodedRows plain_;
  std::string compressed_;
};

class InLane final : public Lane {
 public:
  InLane(LaneWorker& worker, ExchangeChannelId id, const RemoteChannelSpec& spec,
         WakeTarget& receiver, int64_t debloat_target_ms);

  // ---- What came. Errors: kDataFrame, and what the codec says. In between enter and leave.
  // `placed`: what `place_body` has made, when the body lies in there.
  [[nodiscard]] Status take_batch(uint8_t flags, std::string_view body, BatchRef placed);
  [[nodiscard]] Status take_control(const Control& control);
  [[nodiscard]] Status take_announcement(const Announcement& announcement);

  // A batch with room in its arena for a body of `size` bytes, and the room.
  std::pair<BatchRef, char*> place_body(size_t size);

  // Credits to tell the sender now; 0: none yet. In between enter and leave.
  uint32_t take_grant(int64_t now_ns);
  uint32_t window() const { return window_.load(std::memory_order_relaxed); }  // any thread

 private:
  [[nodiscard]] Status push(Element element);
  uint32_t owed() const;
  void adapt_window(int64_t now_ns);
  void drop() override { pool_.reset(); }

  const uint32_t credits_max_;
  const int64_t debloat_target_ns_;
  const std::unique_ptr<RowReader> reader_;
  std::shared_ptr<BatchPool> pool_;
  // Of elements that were granted and are not yet popped.
  std::atomic<uint32_t> window_;
  uint32_t granted_ = 0;  // counted from the start, as positions are
  int64_t adapted_ns_ = 0;
  uint32_t adapted_popped_ = 0;
  std::string scratch_;
};

}  // namespace exchange
}  // namespace tidewheel
