// Event time of splits whose rows have their watermark in the batch's timestamps.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/watermark.h"

namespace tidewheel::kafka {

class RowTimeClock final : public EventClock<ColumnRow> {
 public:
  explicit RowTimeClock(WatermarkOptions options) : options_(std::move(options)) {}

  std::unique_ptr<EventClock> clone() const override {
    return std::make_unique<RowTimeClock>(options_);
  }
  const WatermarkOptions& options() const override { return options_; }
  uint32_t advance(const ColumnRow*, int64_t* timestamps, uint32_t begin, uint32_t end,
                   uint32_t&) override {
    for (uint32_t row = begin; row < end; ++row) {
      if (timestamps[row] <= watermark_) { continue; }
      watermark_ = timestamps[row];
      if (options_.per_record) { return row + 1; }
    }
    return end;
  }
  int64_t watermark() override { return watermark_; }
  void go_on_from(int64_t watermark) override { watermark_ = std::max(watermark_, watermark); }

 private:
  const WatermarkOptions options_;
  int64_t watermark_ = kMinWatermark;
};

}  // namespace tidewheel::kafka
