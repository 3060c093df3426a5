// The items of an edge, in order: batches of rows, and the control elements between them.
#pragma once
#include <cstdint>
#include <utility>

#include "tidewheel/dataflow/batch.h"

namespace tidewheel {

inline constexpr int64_t kMinWatermark = INT64_MIN;
inline constexpr int64_t kMaxWatermark = INT64_MAX;  // the end of event time: all windows close

struct Element {
  enum class Kind : uint8_t {
    kBatch,      // rows [begin, end) of `batch`
    kWatermark,  // no more rows with a timestamp <= value are expected
    kIdle,       // the channel says nothing about event time until kActive or the next watermark
    kActive,
    kBarrier,        // value: the checkpoint's id (its plan: checkpoint/plan.h)
    kLatencyMarker,  // value: monotonic ns at which `source` made it
    kEndOfData,      // no more rows and watermarks follow, but barriers may
    kEndOfInput,     // nothing follows
  };
  Kind kind = Kind::kBatch;
  uint32_t begin = 0;
  uint32_t end = 0;
  int64_t value = 0;
  uint32_t source = 0;  // kLatencyMarker: index of the source's node
  BatchRef batch;

  static Element rows(BatchRef batch) {
    Element element;
    element.end = batch->size();
    element.batch = std::move(batch);
    return element;
  }
  static Element control(Kind kind, int64_t value = 0) {
    Element element;
    element.kind = kind;
    element.value = value;
    return element;
  }
  static Element watermark(int64_t time_ms) { return control(Kind::kWatermark, time_ms); }
};

}  // namespace tidewheel
