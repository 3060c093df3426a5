#include "tidewheel/connectors/datagen/source.h"

#include <algorithm>
#include <utility>

#include "tidewheel/types/hash.h"

namespace tidewheel::datagen {

Result<std::vector<RowSplit>> RowSource::discover(SplitContext& context) {
  const uint64_t seed =
      plan_->seed.value_or(mix64(static_cast<uint64_t>(context.clock().wall_ms())));
  const int64_t block = std::clamp<int64_t>(plan_->rows_per_second / 10, 1, kBlockRowsMax);
  std::vector<RowSplit> splits;
  for (int32_t i = 0; i < context.parallelism(); ++i) {
    splits.push_back({i, context.parallelism(), block, i * block, seed});
  }
  return splits;
}

std::vector<RowSplit> RowSource::divide(const RowSplit& split, int32_t parts) const {
  // The split's blocks are numbers index, index + count, ...; this is which of them comes next.
  const int64_t block = split.next / split.block;
  const int64_t turn = (block - split.index) / split.count;
  std::vector<RowSplit> divided;
  for (int32_t i = 0; i < parts; ++i) {
    const int64_t turns_to_go = (i - turn % parts + parts) % parts;
    RowSplit part = split;
    part.index = split.index + i * split.count;
    part.count = split.count * parts;
    if (turns_to_go > 0) { part.next = (block + turns_to_go * split.count) * split.block; }
    divided.push_back(part);
  }
  return divided;
}

Status RowSource::open(SourceContext& context) {
  clock_ = &context.clock();
  return ok_status();
}

Status RowSource::open_split(RowSplit& split) {
  std::erase_if(starts_, [&](const Start& start) { return start.index == split.index; });
  starts_.push_back({split.index, split.next, clock_->wall_ms()});
  return ok_status();
}

const RowSource::Start& RowSource::start_of(const RowSplit& split) const {
  return *std::find_if(starts_.begin(), starts_.end(),
                       [&](const Start& start) { return start.index == split.index; });
}

int64_t RowSource::due_now(const RowSplit& split) const {
  const Start& start = start_of(split);
  const auto passed_ms = static_cast<double>(clock_->wall_ms() - start.wall_ms);
  // The first row comes at once.
  return start.row + 1 +
         static_cast<int64_t>(passed_ms * static_cast<double>(plan_->rows_per_second) / 1000);
}

int64_t RowSource::time_due(const RowSplit& split) const {
  const Start& start = start_of(split);
  const auto count = static_cast<double>(split.next - start.row);
  return start.wall_ms +
         static_cast<int64_t>(count * 1000 / static_cast<double>(plan_->rows_per_second)) + 1;
}

ReadResult RowSource::read(RowSplit& split, SourceOut<ColumnRow>& out) {
  const int64_t end = plan_->rows >= 0 ? plan_->rows : INT64_MAX / 2;
  const int64_t due = std::min(end, due_now(split));
  ColumnBatch& batch = out.batch();
  if (batch.size() == 0) { batch.set_types(plan_->types); }
  while (split.next < due && out.room() > 0) {
    const int64_t block_end = (split.next / split.block + 1) * split.block;
    const int64_t count = std::min<int64_t>(std::min(block_end, due) - split.next, out.room());
    write(split, static_cast<uint32_t>(count), batch);
    split.next += count;
    if (split.next == block_end) { split.next += (split.count - 1) * split.block; }
  }
  if (split.next >= end) { return ReadResult::end(); }
  return split.next < due ? ReadResult::more() : ReadResult::wait_until(time_due(split));
}

void RowSource::write(const RowSplit& split, uint32_t count, ColumnBatch& batch) {
  ids_.resize(count);
  for (uint32_t i = 0; i < count; ++i) { ids_[i] = static_cast<uint64_t>(split.next) + i; }
  const Moment moment{split.seed, clock_->wall_ms(), &batch.arena()};
  batch.ensure_room(count);
  for (size_t i = 0; i < plan_->makers.size(); ++i) {
    plan_->makers[i]->fill(ids_, moment, batch.column(i), batch.size());
  }
  batch.set_size(batch.size() + count);
}

}  // namespace tidewheel::datagen
