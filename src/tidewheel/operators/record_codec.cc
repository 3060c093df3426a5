#include "tidewheel/operators/record_codec.h"

namespace tidewheel {

SavedRecordWriter::SavedRecordWriter(SnapshotWriter& writer, std::string name, StateKind kind,
                                     const std::string& schema, int32_t subtask,
                                     int32_t parallelism, std::string form)
    : writer_(writer) {
  StateMeta meta;
  meta.name = std::move(name);
  meta.kind = kind;
  meta.form = std::move(form);
  meta.value_schema = schema;
  writer_.begin_state(meta);
  // A struct is its fields one after another (types/serde.h).
  bytes_.append(reinterpret_cast<const char*>(&subtask), sizeof(subtask));
  bytes_.append(reinterpret_cast<const char*>(&parallelism), sizeof(parallelism));
}

void SavedRecordWriter::add(std::string_view record) {
  constexpr size_t kOwnerBytes = 2 * sizeof(int32_t);
  bytes_.resize(kOwnerBytes);
  bytes_.append(record);
  writer_.add({0, {}, {}, bytes_});
}

}  // namespace tidewheel
