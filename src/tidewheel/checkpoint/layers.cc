#include "tidewheel/checkpoint/layers.h"

#include <utility>
#include <vector>

#include "tidewheel/base/fault.h"

namespace tidewheel {
namespace {

bool is_shared(const SegmentRef& segment) {
  return segment.place.file.empty() || segment.place.file.starts_with("shared/");
}

// The layers of a state of a subtask.
std::vector<SegmentRef> layers_of(const Manifest& base, const OperatorSnapshot& subtask,
                                  std::string_view state) {
  std::vector<SegmentRef> layers;
  const ManifestOperator* const op = base.find(subtask.uid);
  if (op == nullptr) { return layers; }
  for (const OperatorSnapshot& before : op->subtasks) {
    if (before.subtask != subtask.subtask || before.parallelism != subtask.parallelism) {
      continue;
    }
    for (const SegmentRef& segment : before.segments) {
      if (segment.meta.name == state) { layers.push_back(segment); }
    }
  }
  return layers;
}

// Leaves out layers whose groups newer ones have whole; the oldest that is left is whole then.
void drop_dead(std::vector<SegmentRef>& layers) {
  std::vector<bool> covered;
  const auto cover = [&covered](KeyGroupRange range) {
    for (int32_t group = range.first; group <= range.last; ++group) {
      const auto index = static_cast<size_t>(group);
      if (covered.size() <= index) { covered.resize(index + 1); }
      covered[index] = true;
    }
  };
  const auto is_covered = [&covered](KeyGroupRange range) {
    for (int32_t group = range.first; group <= range.last; ++group) {
      if (static_cast<size_t>(group) >= covered.size() || !covered[static_cast<size_t>(group)]) {
        return false;
      }
    }
    return true;
  };
  std::vector<SegmentRef> alive;  // newest first
  for (size_t i = layers.size(); i-- > 0;) {
    SegmentRef& layer = layers[i];
    if (i + 1 < layers.size() && is_covered(layer.groups)) {
      TIDEWHEEL_MARK("checkpoint.layer_left_out");
      continue;
    }
    for (const KeyGroupRange range : layer.whole_groups) { cover(range); }
    alive.push_back(std::move(layer));
  }
  layers.assign(std::make_move_iterator(alive.rbegin()), std::make_move_iterator(alive.rend()));
  if (!layers.empty()) {
    layers.front().content = StateContent::kAll;
    layers.front().base_checkpoint = 0;
    layers.front().whole_groups.clear();
  }
}

Status put_on_base(const Manifest& base, OperatorSnapshot& subtask) {
  std::vector<SegmentRef> all;
  for (SegmentRef& segment : subtask.segments) {
    if (segment.content == StateContent::kAll || segment.base_checkpoint != base.checkpoint) {
      all.push_back(std::move(segment));
      continue;
    }
    std::vector<SegmentRef> layers = layers_of(base, subtask, segment.meta.name);
    if (layers.empty()) {
      return data_loss(ErrorId::kSnapshotFormat,
                       "operator {} has written changes of state {} to checkpoint {}, which does "
                       "not have it",
                       subtask.uid, segment.meta.name, base.checkpoint);
    }
    for (const SegmentRef& layer : layers) {
      if (!is_shared(layer)) {
        return data_loss(ErrorId::kSnapshotFormat,
                         "operator {} has written changes of state {} to checkpoint {}, which is "
                         "not to be shared",
                         subtask.uid, segment.meta.name, base.checkpoint);
      }
    }
    const bool has_none =
        segment.entries == 0 && segment.erased == 0 && segment.whole_groups.empty();
    if (!has_none) { layers.push_back(std::move(segment)); }
    drop_dead(layers);
    for (SegmentRef& layer : layers) { all.push_back(std::move(layer)); }
  }
  subtask.segments = std::move(all);
  return ok_status();
}

}  // namespace

Status put_on_base(const Manifest& base, Manifest& manifest) {
  for (ManifestOperator& op : manifest.operators) {
    for (OperatorSnapshot& subtask : op.subtasks) {
      TIDEWHEEL_RETURN_IF_ERROR(put_on_base(base, subtask));
    }
  }
  return ok_status();
}

}  // namespace tidewheel
