#include "tidewheel/state/key_group.h"

#include <algorithm>
#include <bit>

namespace tidewheel {

int32_t default_max_parallelism(int32_t parallelism) {
  const auto room = static_cast<uint32_t>(parallelism) + static_cast<uint32_t>(parallelism / 2);
  const uint32_t rounded = std::bit_ceil(std::max<uint32_t>(room, 1));
  return static_cast<int32_t>(
      std::clamp<uint32_t>(rounded, 128, static_cast<uint32_t>(kMaxParallelismLimit)));
}

}  // namespace tidewheel
