#include "tidewheel/cluster/exchange_writer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/rpc/frame.h"

namespace tidewheel::exchange {

void RowFrameWriter::Half::clear() {
  bytes.clear();
  batches.clear();
}

void RowFrameWriter::put_header(uint32_t length, uint8_t type, uint8_t flags, uint32_t number) {
  Writer& out = filling_.bytes.writer();
  out.fixed(length);
  out.fixed(type);
  out.fixed(flags);
  out.fixed(uint16_t{0});
  out.fixed(number);
}

std::string& RowFrameWriter::begin(uint8_t type, uint8_t flags, uint32_t number) {
  type_ = type;
  flags_ = flags;
  number_ = number;
  body_.clear();
  return body_;
}

void RowFrameWriter::finish() { add(type_, flags_, number_, body_); }

void RowFrameWriter::add(uint8_t type, uint8_t flags, uint32_t number, std::string_view body) {
  TIDEWHEEL_CHECK(body.size() <= UINT32_MAX, "a frame's length has 32 bits");
  put_header(static_cast<uint32_t>(body.size()), type, flags, number);
  filling_.bytes.writer().raw(body.data(), body.size());
}

EncodedRows& RowFrameWriter::begin_rows(uint8_t type, uint32_t number) {
  frame_own_ = filling_.bytes.own().size();
  frame_pieces_ = filling_.bytes.pieces().size();
  put_header(0, type, 0, number);
  frame_ = filling_.bytes.size();
  return filling_.bytes;
}

void RowFrameWriter::finish_rows(BatchRef batch) {
  TIDEWHEEL_CHECK(row_bytes() <= UINT32_MAX, "a frame's length has 32 bits");
  filling_.bytes.writer().patch(frame_own_, static_cast<uint32_t>(row_bytes()));
  if (filling_.bytes.pieces().size() > frame_pieces_) {
    filling_.batches.push_back(std::move(batch));
  }
}

void RowFrameWriter::abandon_rows() { filling_.bytes.truncate(frame_own_, frame_pieces_); }

std::string_view RowFrameWriter::next(Place& place, size_t bytes_max) const {
  const std::string_view own = flushing_.bytes.own();
  const auto& pieces = flushing_.bytes.pieces();
  const bool has_piece = place.piece < pieces.size();
  if (has_piece && pieces[place.piece].at == place.own) {
    const std::string_view rest = pieces[place.piece].bytes.substr(place.within);
    if (rest.size() <= bytes_max) {
      ++place.piece;
      place.within = 0;
      return rest;
    }
    place.within += bytes_max;
    return rest.substr(0, bytes_max);
  }
  const size_t end = has_piece ? pieces[place.piece].at : own.size();
  const std::string_view part = own.substr(place.own, std::min(end - place.own, bytes_max));
  place.own += part.size();
  return part;
}

size_t RowFrameWriter::gather(std::span<std::string_view> pieces) const {
  Place place = place_;
  size_t count = 0;
  while (count < pieces.size()) {
    const std::string_view part = next(place, SIZE_MAX);
    if (part.empty()) { break; }
    pieces[count++] = part;
  }
  return count;
}

Result<bool> RowFrameWriter::flush(Connection& connection) {
  while (true) {
    if (sent_ == flushing_.bytes.size()) {
      flushing_.clear();
      std::swap(filling_, flushing_);
      place_ = Place();
      sent_ = 0;
      if (flushing_.bytes.size() == 0) { return true; }
    }
    std::array<std::string_view, 64> parts;
    const size_t count = gather(parts);
    TIDEWHEEL_ASSIGN_OR_RETURN(const Transfer put,
                               connection.write_pieces(std::span(parts).first(count)));
    if (put.state != Transfer::State::kMoved) { return false; }
    sent_ += static_cast<size_t>(put.bytes);
    for (auto left = static_cast<size_t>(put.bytes); left > 0;) {
      left -= next(place_, left).size();
    }
  }
}

}  // namespace tidewheel::exchange
