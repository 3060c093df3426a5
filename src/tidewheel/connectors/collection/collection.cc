#include "tidewheel/connectors/collection/collection.h"

#include <cmath>

namespace tidewheel {

Result<std::vector<SequenceSplit>> SequenceSource::discover(SplitContext& context) {
  if (first_ > last_) { return std::vector<SequenceSplit>(); }
  return ranges(first_, last_, context.parallelism());
}

std::vector<SequenceSplit> SequenceSource::ranges(int64_t first, int64_t last_of_all,
                                                  int32_t count) {
  std::vector<SequenceSplit> splits;
  // Unsigned, because the whole range of int64 is one of 2^64 numbers; `rest` is one less than what
  // is left for the splits to come.
  uint64_t rest = static_cast<uint64_t>(last_of_all) - static_cast<uint64_t>(first);
  int64_t next = first;
  for (int32_t left = count; left > 0; --left) {
    const uint64_t span = left == 1 ? rest : rest / static_cast<uint64_t>(left);
    const auto last = static_cast<int64_t>(static_cast<uint64_t>(next) + span);
    splits.push_back({next, last});
    if (last == last_of_all) { break; }
    next = last + 1;
    rest -= span + 1;
  }
  return splits;
}

ReadResult SequenceSource::read(SequenceSplit& split, SourceOut<int64_t>& out) {
  RowBatch<int64_t>& batch = out.batch();
  const uint64_t left = static_cast<uint64_t>(split.last) - static_cast<uint64_t>(split.next);
  const uint32_t room = out.room();
  const bool ends = left < room;  // left + 1 rows fit
  const uint32_t count = ends ? static_cast<uint32_t>(left) + 1 : room;
  batch.ensure_room(count);
  int64_t* const rows = batch.rows() + batch.size();
  int64_t* const timestamps = batch.timestamps() + batch.size();
  for (uint32_t i = 0; i < count; ++i) {
    rows[i] = split.next + i;
    timestamps[i] = kNoTimestamp;
  }
  batch.set_size(batch.size() + count);
  split.next = ends ? split.last : split.next + count;
  return ends ? ReadResult::end() : ReadResult::more();
}

int64_t RateLimit::due_at_ms(int64_t index) const {
  const auto rows = static_cast<double>(index - first_);
  return start_ms_ + static_cast<int64_t>(std::ceil(rows * 1000 / rate_));
}

}  // namespace tidewheel
