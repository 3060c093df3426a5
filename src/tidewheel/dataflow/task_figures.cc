#include "tidewheel/dataflow/task_figures.h"

#include <algorithm>

#include "tidewheel/dataflow/channel.h"
#include "tidewheel/dataflow/row_codec.h"

namespace tidewheel {
namespace {

constexpr uint32_t kMeasuredRows = 64;
// The first batches are measured at 0, 1, 2, 4 .. and then each of these.
constexpr uint32_t kMeasuredEach = 256;

}  // namespace

void RecentValues::add(int64_t value) {
  const uint32_t added = added_.load(std::memory_order_relaxed);
  values_[added % kKept].store(value, std::memory_order_relaxed);
  // Never back to where fewer are there: 2 * kKept stands for "all are".
  added_.store(added + 1 == 2 * kKept ? kKept : added + 1, std::memory_order_release);
}

std::vector<int64_t> RecentValues::sorted() const {
  const uint32_t count = std::min(added_.load(std::memory_order_acquire), kKept);
  std::vector<int64_t> values(count);
  for (uint32_t i = 0; i < count; ++i) { values[i] = values_[i].load(std::memory_order_relaxed); }
  std::sort(values.begin(), values.end());
  return values;
}

void RowSize::measure(const Element& rows, const RowCodec* codec) {
  next_ = batches_ < kMeasuredEach ? std::max(1U, 2 * batches_) : batches_ + kMeasuredEach;
  const uint32_t count = std::min(rows.end - rows.begin, kMeasuredRows);
  if (count == 0) { return; }
  if (codec == nullptr) {
    const uint32_t held = std::max(rows.batch->capacity(), rows.batch->size());
    bytes_per_row_ = static_cast<double>(rows.batch->memory_bytes()) / held;
    return;
  }
  Element first = rows;
  first.end = first.begin + count;
  EncodedRows bytes(/*in_place_bytes_min=*/0);  // ranges are counted, not copied
  codec->encode(first, bytes);
  bytes_per_row_ = static_cast<double>(bytes.size()) / count;
}

void add_queue(const Channel& channel, QueueLength& length) {
  length.capacity += channel.capacity();
  // Two reads that are not of one moment: one that was overtaken is no length.
  const uint32_t size = channel.size();
  if (size <= channel.capacity()) { length.elements += size; }
}

}  // namespace tidewheel
