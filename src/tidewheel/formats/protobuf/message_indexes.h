// Which message of a schema a record is, as registries of schemas have it before the record:
//
//   zigzag varint: how many; then as many: the message's place in the file, then among the messages
//   within that one, and so on. 0 alone stands for [0], the first message.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tidewheel/formats/protobuf/wire.h"

namespace tidewheel::protobuf {

inline constexpr size_t kIndexesMax = 64;

// Whether there are some; `in` is behind them then.
inline bool read_message_indexes(WireReader& in, std::vector<int32_t>& indexes) {
  uint64_t bits = 0;
  if (!in.read_varint(bits)) { return false; }
  const int64_t count = unzigzag(bits);
  if (count < 0 || static_cast<uint64_t>(count) > kIndexesMax) { return false; }
  indexes.clear();
  if (count == 0) { indexes.push_back(0); }
  for (int64_t i = 0; i < count; ++i) {
    if (!in.read_varint(bits)) { return false; }
    const int64_t index = unzigzag(bits);
    if (index < 0 || index > INT32_MAX) { return false; }
    indexes.push_back(static_cast<int32_t>(index));
  }
  return true;
}

}  // namespace tidewheel::protobuf
