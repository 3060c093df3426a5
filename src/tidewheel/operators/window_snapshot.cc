#include "tidewheel/operators/window_snapshot.h"

#include "tidewheel/base/mutant.h"

namespace tidewheel {

namespace {
constexpr std::string_view kWatermarkState = "watermark";
}  // namespace

void WatermarkState::write(SnapshotWriter& writer) {
  if (!started_.has_value()) { return; }
  const int64_t watermark = *started_;
  started_.reset();
  StateBytes bytes;
  writer.begin_state({.name = std::string(kWatermarkState),
                      .kind = StateKind::kUnionList,
                      .form = "list",
                      .key_schema = {},
                      .namespace_schema = {},
                      .value_schema = encoded_schema<int64_t>()});
  writer.add({.group = 0, .key = {}, .name_space = {}, .value = bytes.encode(watermark)});
}

Status WatermarkState::read(SnapshotReader& reader) {
  const StateMeta* found = reader.find(kWatermarkState);
  if (found == nullptr) { return {}; }
  TIDEWHEEL_RETURN_IF_ERROR(check_state_form(*found, StateKind::kUnionList, "list"));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto decoder,
                             StateDecoder<int64_t>::make(*found, found->value_schema));
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto entries, reader.read(kWatermarkState));
  StateEntry entry;
  for (;;) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool more, entries->next(entry));
    if (!more) { return {}; }
    int64_t watermark = 0;
    TIDEWHEEL_RETURN_IF_ERROR(decoder.decode(entry.value, watermark));
    if (TIDEWHEEL_MUTANT("timer_never_at_restored_time")) { ++watermark; }
    restored_ = std::min(restored_.value_or(watermark), watermark);
  }
}

}  // namespace tidewheel
