// What two processes owe each other: messages cut into numbered parts, which are kept until the
// peer has acknowledged them, and sent again over the next connection.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/rpc/frame.h"

namespace tidewheel::rpc {

class Session {
 public:
  explicit Session(int64_t message_bytes_max)
      : message_bytes_max_(static_cast<size_t>(message_bytes_max)) {}

  // ---- This side's messages.
  void send(std::string message);
  // Puts parts that were not yet written, until the writer has `bytes_max` to send or none is left.
  void write_to(FrameWriter& writer, size_t bytes_max);
  bool has_unwritten() const { return next_ < parts_.size(); }
  int64_t unacknowledged_bytes() const { return unacknowledged_bytes_; }
  // Errors: kRpcMessage, also of `resume`: the peer speaks of parts that were never sent.
  [[nodiscard]] Status acknowledge(uint64_t sequence);
  // There is another connection: what the peer has not received is to be written again.
  [[nodiscard]] Status resume(uint64_t received);

  // ---- The peer's. True: `message` is whole. Errors: kRpcMessage.
  Result<bool> take_part(std::string_view body, bool is_last, std::string& message);
  uint64_t received() const { return received_; }
  // So much has come since the peer was last told that it should be.
  bool owes_acknowledgement() const { return unacknowledged_in_ >= kAcknowledgeBytes; }
  // What goes into a beat.
  uint64_t acknowledgement() {
    unacknowledged_in_ = 0;
    return received_;
  }

 private:
  static constexpr size_t kPartBytes = size_t{64} << 10;
  static constexpr size_t kPartHeaderBytes = 16;
  static constexpr size_t kAcknowledgeBytes = size_t{128} << 10;
  // What a part costs besides its bytes, so that many small ones count too.
  static constexpr size_t kPartCost = 128;

  struct Part {
    std::shared_ptr<const std::string> message;
    size_t begin = 0;
    size_t end = 0;
  };

  const size_t message_bytes_max_;
  std::deque<Part> parts_;  // not acknowledged
  uint64_t first_ = 1;      // the number of parts_[0]
  size_t next_ = 0;         // in parts_: the first that was not written to this connection
  int64_t unacknowledged_bytes_ = 0;
  uint64_t received_ = 0;
  size_t unacknowledged_in_ = 0;
  std::string incoming_;  // the parts of a message that is not yet whole
};

}  // namespace tidewheel::rpc
