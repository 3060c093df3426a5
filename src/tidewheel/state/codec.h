// How state becomes the bytes of a snapshot, and comes back after its types were edited.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include "tidewheel/base/status.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/types/schema.h"
#include "tidewheel/types/serde.h"

namespace tidewheel {

// The schema of T as bytes, made once.
template <class T>
const std::string& encoded_schema() {
  static const std::string schema = schema_of<T>().encode();
  return schema;
}

// A buffer for the bytes of one value at a time.
class StateBytes {
 public:
  // Valid until the next call.
  template <class T>
  std::string_view encode(const T& value) {
    writer_.clear();
    tidewheel::encode(writer_, value);
    return writer_.view();
  }
  Writer& writer() { return writer_; }

 private:
  Writer writer_;
};

// Reads values of T as some state of a snapshot has them.
template <class T>
class StateDecoder {
 public:
  // `schema` is one of the schemas of `meta`. Errors: kSchemaMismatch, naming the state and the
  // field.
  static Result<StateDecoder> make(const StateMeta& meta, std::string_view schema) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Schema old_schema,
                               Schema::parse(schema).with_context("state {}", meta.name));
    TIDEWHEEL_ASSIGN_OR_RETURN(
        auto decoder,
        SchemaDecoder<T>::open(std::move(old_schema)).with_context("state {}", meta.name));
    return StateDecoder(std::move(decoder));
  }
  // Text in `value` points into `bytes`.
  Status decode(std::string_view bytes, T& value) const {
    Reader reader(bytes);
    decoder_.read(reader, value);
    return reader.finish();
  }
  // One of several values.
  void decode(Reader& reader, T& value) const { decoder_.read(reader, value); }

 private:
  explicit StateDecoder(SchemaDecoder<T> decoder) : decoder_(std::move(decoder)) {}
  SchemaDecoder<T> decoder_;
};

// kSnapshotFormat when a key that was read belongs to another group than its entry says: the hash
// of its type has changed.
Status check_key_group(const StateMeta& meta, int32_t entry_group, int32_t key_group);

// kStateName when the snapshot has the state as something else.
Status check_state_form(const StateMeta& meta, StateKind kind, std::string_view form);

}  // namespace tidewheel
