#include "tidewheel/formats/avro/avro.h"

namespace tidewheel::avro {

// All files of a schema have the same marker, so that small ones can be merged as they are.
Marker marker_of(std::string_view schema) {
  Marker marker{};
  const uint64_t first = hash_bytes(schema.data(), schema.size());
  const uint64_t second = mix64(first + 1);
  std::memcpy(marker.data(), &first, sizeof first);
  std::memcpy(marker.data() + sizeof first, &second, sizeof second);
  return marker;
}

FileNext FileReaderBase::fail(Status status) {
  status_ = std::move(status).with_context("{}", place_);
  return FileNext::kFailed;
}

FileNext FileReaderBase::read_header(std::string_view bytes, bool ended, size_t& taken) {
  if (ended && bytes.empty()) { return FileNext::kEnd; }
  auto head = read_head(bytes);
  if (!head.ok()) { return fail(std::move(head).status()); }
  if (!head->has_value()) {
    if (!ended) { return FileNext::kNeedsBytes; }
    return fail(invalid_argument(ErrorId::kRecordMalformed, "an Avro file is cut short"));
  }
  head_ = std::move(**head);
  taken += head_->bytes;
  return FileNext::kRow;
}

FileNext FileReaderBase::find_block(std::string_view bytes, bool ended, size_t& taken) {
  while (true) {
    if (in_block_ && rows_left_ > 0) { return FileNext::kRow; }
    if (in_block_) {
      if (!values(bytes).empty()) {
        return fail(invalid_argument(ErrorId::kRecordMalformed,
                                     "a block of an Avro file has bytes behind its rows"));
      }
      taken += block_.bytes;
      bytes.remove_prefix(block_.bytes);
      in_block_ = false;
      line_ = 1;
    }
    auto block = read_block(bytes, head_->marker);
    if (!block.ok()) { return fail(std::move(block).status()); }
    if (!block->has_value()) {
      if (!ended) { return FileNext::kNeedsBytes; }
      if (bytes.empty()) { return FileNext::kEnd; }
      return fail(invalid_argument(ErrorId::kRecordMalformed, "an Avro file is cut short"));
    }
    block_ = **block;
    stored_at_ = static_cast<size_t>(block_.stored.data() - bytes.data());
    if (is_packed()) {
      unpacked_ = Arena::create();
      auto unpacked = unpack(head_->codec, block_.stored, *unpacked_);
      if (!unpacked.ok()) { return fail(std::move(unpacked).status()); }
      packed_values_ = *unpacked;
    }
    in_block_ = true;
    values_at_ = 0;
    rows_left_ = block_.count;
    line_ = 1;
  }
}

std::string_view FileReaderBase::values(std::string_view bytes) const {
  const std::string_view all =
      is_packed() ? packed_values_ : bytes.substr(stored_at_, block_.stored.size());
  return all.substr(values_at_);
}

bool FileReaderBase::row_done(size_t left, size_t size) {
  values_at_ += size - left;
  --rows_left_;
  ++line_;
  if (rows_to_skip_ == 0) { return false; }
  --rows_to_skip_;
  return true;
}

}  // namespace tidewheel::avro
