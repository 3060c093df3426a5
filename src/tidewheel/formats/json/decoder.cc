#include "tidewheel/formats/json/decoder.h"

#include <algorithm>

namespace tidewheel::json_detail {

int32_t KeyOrder::look_up(JsonCursor& cursor, size_t position, const std::string_view* names,
                          size_t count) {
  std::string_view key;
  std::string_view raw;
  if (!cursor.take_any_key(key, raw)) { return kFailed; }
  const auto* const found = std::find(names, names + count, key);
  const int32_t index = found == names + count ? kUnknown : static_cast<int32_t>(found - names);
  if (position < kPositionsMax && raw.size() <= kKeyBytesMax) {
    if (position >= expected_.size()) { expected_.resize(position + 1); }
    Expected& expected = expected_[position];
    expected.quoted.assign(1, '"').append(raw).append(1, '"');
    expected.index = index;
  }
  return index;
}

}  // namespace tidewheel::json_detail
