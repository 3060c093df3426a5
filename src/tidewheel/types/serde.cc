#include "tidewheel/types/serde.h"

namespace tidewheel {

void Writer::grow(size_t size) {
  const size_t capacity = std::max({size_ + size, capacity_ * 2, size_t{64}});
  // Not value-initialised: all of it is written before it is read.
  std::unique_ptr<char[]> bytes(new char[capacity]);
  if (size_ != 0) { std::memcpy(bytes.get(), bytes_.get(), size_); }
  bytes_ = std::move(bytes);
  capacity_ = capacity;
}

uint64_t Reader::long_varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (at_ == end_) {
      fail("the bytes end too early");
      return 0;
    }
    const auto byte = static_cast<uint64_t>(static_cast<unsigned char>(*at_++));
    if (shift == 63 && byte > 1) { break; }
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) { return value; }
  }
  fail("a varint has more than 64 bits");
  return 0;
}

const char* Reader::enter(size_t size) {
  const char* outer_end = end_;
  if (size > remaining()) {
    fail("a size reaches beyond the end");
    return outer_end;
  }
  end_ = at_ + size;
  return outer_end;
}

void Reader::leave(const char* outer_end) {
  if (ok() && at_ != end_) { fail("a value has not used all of its bytes"); }
  end_ = outer_end;
  if (!ok()) { at_ = end_; }
}

Status Reader::status() const {
  if (ok()) { return {}; }
  return data_loss(ErrorId::kSerializedData, "serialized bytes are damaged: {}, at byte {} of {}",
                   what_, failed_at_, end_ - begin_);
}

Status Reader::finish() {
  if (ok() && at_ != end_) { fail("bytes are left over"); }
  return status();
}

}  // namespace tidewheel
