// What the rows in an operator's state are made of, beside them in the snapshot: rows lie there as
// bytes, which mean nothing to another query.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/operators/record_codec.h"

namespace tidewheel::sql {

// "left {id:int64,name:optional<string>} under {..}"
struct RowLayout {
  std::string layout;
};

inline void write_layout(SnapshotWriter& writer, const std::string& layout, int32_t subtask,
                         int32_t parallelism) {
  SavedRecordWriter saved(writer, "layout of rows", StateKind::kUnionList,
                          encoded_schema<SavedRecord<RowLayout>>(), subtask, parallelism);
  saved.add(encode_record(RowLayout{layout}));
}

// `also`: another layout that can be read. Errors: kSchemaMismatch when the state has other rows.
inline Status check_layout(SnapshotReader& reader, const std::string& layout,
                           const std::string& also = {}) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto all,
                             read_saved_records<RowLayout>(reader, "layout of rows"));
  for (const auto& saved : all) {
    if (saved.record.layout == layout) { continue; }
    if (!also.empty() && saved.record.layout == also) { continue; }
    return failed_precondition(ErrorId::kSchemaMismatch,
                               "the state has rows of another query: it has {}, and the query {}",
                               saved.record.layout, layout);
  }
  return {};
}

}  // namespace tidewheel::sql
