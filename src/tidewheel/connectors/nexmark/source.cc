#include "tidewheel/connectors/nexmark/source.h"

namespace tidewheel::nexmark {

std::vector<EventSplit> divide_events(const EventSplit& split, int32_t parts) {
  // The split's blocks are numbers `index`, index + count, ...; this is which of them comes next.
  const int64_t block = split.next / kBlockEvents;
  const int64_t turn = (block - split.index) / split.count;
  std::vector<EventSplit> divided;
  for (int32_t i = 0; i < parts; ++i) {
    const int64_t turns_to_go = (i - turn % parts + parts) % parts;
    EventSplit part;
    part.index = split.index + i * split.count;
    part.count = split.count * parts;
    part.next = turns_to_go == 0 ? split.next : (block + turns_to_go * split.count) * kBlockEvents;
    divided.push_back(part);
  }
  return divided;
}

}  // namespace tidewheel::nexmark
