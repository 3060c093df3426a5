// Small records (splits, pending commits) as bytes, for events and snapshots. In a snapshot they
// lie with their schema, so that they can be read after their struct was edited.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/state/codec.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/types/serde.h"

namespace tidewheel {

template <class T>
std::string encode_record(const T& record) {
  Writer writer;
  encode(writer, record);
  return writer.str();
}

template <class T>
Result<T> decode_record(std::string_view bytes) {
  static_assert(!has_text_v<T>, "what outlives the call holds std::string instead of Text");
  Reader reader(bytes);
  T record{};
  decode(reader, record);
  TIDEWHEEL_RETURN_IF_ERROR(reader.finish());
  return record;
}

// A record of a snapshot, and the subtask that wrote it, of how many.
template <class T>
struct SavedRecord {
  int32_t subtask = 0;
  int32_t parallelism = 1;
  T record{};
};

// The share of subtask `subtask` of records that every subtask has read: its own as long as the
// parallelism is what it was.
template <class T>
bool belongs_to(const SavedRecord<T>& saved, int32_t subtask, int32_t parallelism) {
  return saved.parallelism == parallelism ? saved.subtask == subtask
                                          : saved.subtask % parallelism == subtask;
}

// `schema` is encoded_schema<SavedRecord<T>>(), each item of `records` encode_record of a T.
class SavedRecordWriter {
 public:
  SavedRecordWriter(SnapshotWriter& writer, std::string name, StateKind kind,
                    const std::string& schema, int32_t subtask, int32_t parallelism,
                    std::string form = "list");
  void add(std::string_view record);

 private:
  SnapshotWriter& writer_;
  std::string bytes_;
};

// All items of a state that the reader gives this subtask, each a SavedRecord, or a struct that has
// its fields first; none when the snapshot has no such state. Errors: kSchemaMismatch.
template <class Saved>
Result<std::vector<Saved>> read_saved(SnapshotReader& reader, std::string_view name) {
  static_assert(!has_text_v<Saved>, "what outlives the call holds std::string instead of Text");
  std::vector<Saved> records;
  const StateMeta* const meta = reader.find(name);
  if (meta == nullptr) { return records; }
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto decoder,
                             StateDecoder<Saved>::make(*meta, meta->value_schema));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(name));
  StateEntry entry;
  while (true) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool found, entries->next(entry));
    if (!found) { return records; }
    Saved saved;
    TIDEWHEEL_RETURN_IF_ERROR(decoder.decode(entry.value, saved));
    records.push_back(std::move(saved));
  }
}
template <class T>
Result<std::vector<SavedRecord<T>>> read_saved_records(SnapshotReader& reader,
                                                       std::string_view name) {
  return read_saved<SavedRecord<T>>(reader, name);
}

// A record as it was written with `schema`, as encode_record writes it now.
template <class T>
Result<std::string> migrate_record(std::string_view name, const std::string& schema,
                                   std::string_view bytes) {
  if (schema == encoded_schema<T>()) { return std::string(bytes); }
  StateMeta meta;
  meta.name = name;
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto decoder, StateDecoder<T>::make(meta, schema));
  T record{};
  TIDEWHEEL_RETURN_IF_ERROR(decoder.decode(bytes, record));
  return encode_record(record);
}

}  // namespace tidewheel
