// How far event time was when a snapshot was taken: a restored operator goes on from there, so that
// rows which were late stay late.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/dataflow/element.h"
#include "tidewheel/operators/record_codec.h"

namespace tidewheel {

// Of one subtask.
struct SavedEventTime {
  int64_t time_ms = kMinWatermark;
  bool idle = false;
};
inline constexpr char kSavedEventTimeState[] = "watermark";

// What a subtask goes on from: its own. At another parallelism nobody is as far as the slowest was:
// rows that were on time stay so.
inline std::optional<SavedEventTime> share_of(const std::vector<SavedRecord<SavedEventTime>>& all,
                                              int32_t subtask, int32_t parallelism) {
  std::optional<SavedEventTime> share;
  for (const SavedRecord<SavedEventTime>& saved : all) {
    if (saved.parallelism == parallelism) {
      if (saved.subtask == subtask) { return saved.record; }
      continue;
    }
    if (!share.has_value()) { share.emplace(SavedEventTime{kMaxWatermark, false}); }
    share->time_ms = std::min(share->time_ms, saved.record.time_ms);
  }
  return share;
}

// `form`: "list", or kEventTimeForm of an operator that has no other state.
inline void write_event_time(SnapshotWriter& writer, const SavedEventTime& time, int32_t subtask,
                             int32_t parallelism, std::string_view form) {
  SavedRecordWriter saved(writer, kSavedEventTimeState, StateKind::kUnionList,
                          encoded_schema<SavedRecord<SavedEventTime>>(), subtask, parallelism,
                          std::string(form));
  saved.add(encode_record(time));
}

}  // namespace tidewheel
