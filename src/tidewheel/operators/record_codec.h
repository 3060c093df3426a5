// Small records (splits, pending commits) as bytes, for events and snapshots.
#pragma once
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/types/serde.h"

namespace tidewheel {

template <class T>
std::string encode_record(const T& record) {
  Writer writer;
  encode(writer, record);
  return writer.str();
}

template <class T>
Result<T> decode_record(std::string_view bytes) {
  static_assert(!has_text_v<T>, "what outlives the call holds std::string instead of Text");
  Reader reader(bytes);
  T record{};
  decode(reader, record);
  TIDEWHEEL_RETURN_IF_ERROR(reader.finish());
  return record;
}

}  // namespace tidewheel
