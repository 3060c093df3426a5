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

Result<std::vector<EventSplit>> EventReading::discover(int32_t parallelism) const {
  TIDEWHEEL_RETURN_IF_ERROR(valid_);
  std::vector<EventSplit> splits;
  for (int32_t i = 0; i < parallelism; ++i) {
    splits.push_back({i, parallelism, i * kBlockEvents});
  }
  return splits;
}

void EventReading::open_split(const EventSplit& split) {
  starts_.resize(std::max<size_t>(starts_.size(), static_cast<size_t>(split.index) + 1));
  starts_[static_cast<size_t>(split.index)] = {split.next, clock_->wall_ms()};
}

int64_t EventReading::event_due_now(const EventSplit& split) const {
  const Start& start = starts_[static_cast<size_t>(split.index)];
  const auto passed_ms = static_cast<double>(clock_->wall_ms() - start.wall_ms);
  return start.event + static_cast<int64_t>(passed_ms * generator_->options().rate / 1000);
}

int64_t EventReading::time_due(const EventSplit& split) const {
  const Start& start = starts_[static_cast<size_t>(split.index)];
  const auto count = static_cast<double>(split.next + 1 - start.event);
  return start.wall_ms + static_cast<int64_t>(count * 1000 / generator_->options().rate) + 1;
}

}  // namespace tidewheel::nexmark
