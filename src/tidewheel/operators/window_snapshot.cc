#include "tidewheel/operators/window_snapshot.h"

#include "tidewheel/base/mutant.h"

namespace tidewheel {

namespace {
constexpr std::string_view kWatermarkState = "watermark";
constexpr std::string_view kDroppedState = "kept windows";

// A list of records of type T; each subtask gets those of all.
template <class T>
StateMeta list_meta(std::string_view name) {
  return {.name = std::string(name),
          .kind = StateKind::kUnionList,
          .form = "list",
          .key_schema = {},
          .namespace_schema = {},
          .value_schema = encoded_schema<T>()};
}
template <class T>
void write_one(SnapshotWriter& writer, std::string_view name, const T& record) {
  StateBytes bytes;
  writer.begin_state(list_meta<T>(name));
  writer.add({.group = 0, .key = {}, .name_space = {}, .value = bytes.encode(record)});
}
template <class T, class Each>
Status read_each(SnapshotReader& reader, std::string_view name, Each each) {
  const StateMeta* found = reader.find(name);
  if (found == nullptr) { return {}; }
  TIDEWHEEL_RETURN_IF_ERROR(check_state_form(*found, StateKind::kUnionList, "list"));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto decoder,
                             StateDecoder<T>::make(*found, found->value_schema));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(name));
  StateEntry entry;
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
    if (!more) { return {}; }
    T record{};
    TIDEWHEEL_RETURN_IF_ERROR(decoder.decode(entry.value, record));
    each(record);
  }
}

}  // namespace

void WatermarkState::write(SnapshotWriter& writer) {
  if (!started_.has_value()) { return; }
  write_one(writer, kWatermarkState, *started_);
  started_.reset();
}

Status WatermarkState::read(SnapshotReader& reader) {
  return read_each<int64_t>(reader, kWatermarkState, [this](int64_t watermark) {
    if (TIDEWHEEL_MUTANT("window_never_fires_at_restored_time")) { ++watermark; }
    if (TIDEWHEEL_MUTANT("window_fires_twice_at_restored_time")) { --watermark; }
    restored_ = std::min(restored_.value_or(watermark), watermark);
  });
}

void DroppedUnits::write(SnapshotWriter& writer) {
  if (!started_.has_value()) { return; }
  write_one(writer, kDroppedState, *started_);
  started_.reset();
}

Status DroppedUnits::read(SnapshotReader& reader) {
  return read_each<Kept>(reader, kDroppedState,
                         [this](const Kept& kept) { restored_.push_back(kept); });
}

}  // namespace tidewheel
