// Frames of a connection between workers (rpc/frame.h), with rows that stay where they are: what
// of a batch needs no encoding is given to the socket from the batch's own memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/network.h"
#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/batch.h"
#include "tidewheel/dataflow/row_codec.h"

namespace tidewheel::exchange {

// One thread. What is begun is finished or abandoned before anything else.
class RowFrameWriter {
 public:
  // A frame's body is what is appended to the answer until `finish`.
  std::string& begin(uint8_t type, uint8_t flags, uint32_t number);
  void finish();
  void add(uint8_t type, uint8_t flags, uint32_t number, std::string_view body);

  // A frame whose body a codec writes. `batch` is held until the frame is sent.
  EncodedRows& begin_rows(uint8_t type, uint32_t number);
  size_t row_bytes() const { return filling_.bytes.size() - frame_; }
  void finish_rows(BatchRef batch);
  void abandon_rows();

  size_t unsent_bytes() const { return filling_.bytes.size() + flushing_.bytes.size() - sent_; }
  // Of these, those that are not in the batches' memory.
  size_t own_bytes() const { return filling_.bytes.own().size() + flushing_.bytes.own().size(); }
  // Writes what it can. True: all is written.
  Result<bool> flush(Connection& connection);

 private:
  // Ranges that are shorter cost more as a piece of their own than as a copy.
  static constexpr size_t kInPlaceBytesMin = 4096;
  // One half is filled while the other one is sent, so that what is left never has to be moved.
  struct Half {
    EncodedRows bytes{kInPlaceBytesMin};
    std::vector<BatchRef> batches;
    void clear();
  };
  // How far `flushing_` is sent.
  struct Place {
    size_t own = 0;    // own bytes
    size_t piece = 0;  // the first piece that is not sent as a whole
    size_t within = 0;
  };

  void put_header(uint32_t length, uint8_t type, uint8_t flags, uint32_t number);
  // What comes next, of up to so many bytes; empty at the end.
  std::string_view next(Place& place, size_t bytes_max) const;
  size_t gather(std::span<std::string_view> pieces) const;

  Half filling_;
  Half flushing_;
  Place place_;
  size_t sent_ = 0;  // bytes of flushing_
  // ---- The frame that was begun.
  std::string body_;
  uint8_t type_ = 0;
  uint8_t flags_ = 0;
  uint32_t number_ = 0;
  size_t frame_ = 0;      // where its body begins, in all bytes of filling_
  size_t frame_own_ = 0;  // where its header begins, in the own ones
  size_t frame_pieces_ = 0;
};

}  // namespace tidewheel::exchange
