#include "tidewheel/sql/over_frames.h"

#include <fmt/format.h>

#include <algorithm>

namespace tidewheel::sql {

RowType over_output(const OverSpec& spec) {
  RowType output = spec.input;
  for (size_t i = 0; i < spec.calls.size(); ++i) {
    output.add("$over" + std::to_string(i), spec.calls[i].call.result);
  }
  return output;
}

namespace {

std::string bound_text(int64_t bound, const char* side, const char* other) {
  if (bound == OverFrame::kUnbounded) { return std::string("unbounded ") + side; }
  return fmt::format("{} {}", bound < 0 ? -bound : bound, bound < 0 ? other : side);
}

std::string call_text(const OverCall& call) {
  static constexpr const char* kNames[] = {"",           "shift",        "row number", "rank",
                                           "dense rank", "percent rank", "cume dist",  "ntile"};
  if (call.kind == OverCall::Kind::kAggregate) {
    return fmt::format("{} {} {} to {}", describe_call(call.call),
                       call.frame.by_rows ? "rows" : "range",
                       bound_text(call.frame.preceding, "preceding", "following"),
                       bound_text(call.frame.following, "following", "preceding"));
  }
  std::string text = fmt::format("{} {}", kNames[static_cast<size_t>(call.kind)], call.offset);
  for (const int32_t column : call.call.arguments) { text += " c" + std::to_string(column); }
  return text;
}

}  // namespace

std::string describe_over(const OverSpec& spec) {
  std::string text = "over";
  for (const SortColumn& sort : spec.order_by) {
    text += " " + spec.input.names[static_cast<size_t>(sort.column)];
    text += sort.descending ? " desc" : " asc";
    text += sort.nulls_first ? " nulls first" : " nulls last";
  }
  for (const OverCall& call : spec.calls) { text += "; " + call_text(call); }
  return text;
}

// ---- OverRows

void OverRows::clear() {
  rows_.clear();
  batch_.reset();
  arena_.recycle();
  if (!arena_) { arena_ = Arena::create(); }
}

const ColumnBatch& OverRows::decode() {
  Batch* const made = pool_->acquire();
  batch_ = BatchRef::adopt(made);
  auto& batch = static_cast<ColumnBatch&>(*made);
  batch.set_types(bytes_.types());
  batch.ensure_room(size());
  columns_.clear();
  for (size_t c = 0; c < bytes_.types().size(); ++c) { columns_.push_back(&batch.column(c)); }
  bytes_.decode(rows_, columns_, 0);
  batch.set_size(size());
  batch.seal();
  return batch;
}

// ---- OverFrames

Result<std::unique_ptr<OverFrames>> OverFrames::make(const OverSpec& spec) {
  std::unique_ptr<OverFrames> made(new OverFrames(spec.input.types));
  for (const OverCall& call : spec.calls) {
    made->frame_of_.push_back(0);
    made->index_of_.push_back(0);
    if (call.kind != OverCall::Kind::kAggregate) { continue; }
    auto& frames = made->frames_;
    auto found = std::find_if(frames.begin(), frames.end(),
                              [&](const auto& one) { return one->frame == call.frame; });
    if (found == frames.end()) {
      frames.push_back(std::make_unique<Frame>());
      frames.back()->frame = call.frame;
      found = frames.end() - 1;
    }
    made->frame_of_.back() = static_cast<size_t>(found - frames.begin());
    made->index_of_.back() = (*found)->listed.size();
    AggregateCall named = call.call;
    named.scope = fmt::format("frame {} ", found - frames.begin());
    named.name = named.scope + describe_call(call.call);
    (*found)->listed.push_back(std::move(named));
  }
  for (const auto& frame : made->frames_) {
    TIDEWHEEL_ASSIGN_OR_RETURN(
        AggregateSet set, AggregateSet::make(spec.input.types, frame->listed, frame->retracts(),
                                             /*counts_rows=*/false));
    frame->set.emplace(std::move(set));
  }
  return made;
}

Status OverFrames::declare(KeyedState& state, const std::string& key_form) {
  for (size_t i = 0; i < frames_.size(); ++i) {
    Frame& frame = *frames_[i];
    TIDEWHEEL_ASSIGN_OR_RETURN(
        frame.cell, AggregateCell::declare(state, fmt::format("frame {}", i), key_form, {},
                                           *frame.set, /*has_mark=*/false));
    TIDEWHEEL_ASSIGN_OR_RETURN(
        frame.calls, AggregateCalls::make(state, *frame.set, input_, {}, frame.retracts()));
  }
  return {};
}

void OverFrames::clear() {
  for (const auto& frame : frames_) { frame->steps.clear(); }
}

void OverFrames::begin(Frame& frame, const ColumnBatch& rows) {
  frame.calls->begin(rows, 0, rows.size());
  AggregateChunk& chunk = frame.chunk;
  const auto count = static_cast<uint32_t>(frame.steps.size());
  chunk.clear(count);
  chunk.has_signs = true;
  chunk.is_ascending = false;
  for (uint32_t i = 0; i < count; ++i) {
    const Step& step = frame.steps[i];
    chunk.rows[i] = step.row;
    chunk.cells[i] = step.cell;
    chunk.signs[i] = step.sign;
    chunk.targets[i] = i;
  }
}

// ---- Values of other rows

void put_nulls(Column& column, uint32_t begin, uint32_t end) {
  column.ensure(end);
  for (uint32_t row = begin; row < end; ++row) {
    column.set_null(row);
    if (column.physical() == Physical::kList) {
      uint32_t* const offsets = column.offsets();
      offsets[row] = offsets[row + 1] = column.child_rows();
    }
  }
}

void put_shifted(const OverCall& call, const ColumnBatch& from, std::span<const uint32_t> sources,
                 std::span<const uint32_t> rows, Column& to, uint32_t at, Arena& arena) {
  const std::vector<int32_t>& arguments = call.call.arguments;
  for (size_t begin = 0; begin < sources.size();) {
    const bool is_there = sources[begin] != kNoSource;
    size_t end = begin + 1;
    while (end < sources.size() && (sources[end] != kNoSource) == is_there) { ++end; }
    const uint32_t first = at + static_cast<uint32_t>(begin);
    if (is_there) {
      gather(from.view(static_cast<size_t>(arguments[0])), sources.subspan(begin, end - begin), to,
             first, &arena);
    } else if (arguments.size() > 1) {
      gather(from.view(static_cast<size_t>(arguments[1])), rows.subspan(begin, end - begin), to,
             first, &arena);
    } else {
      put_nulls(to, first, at + static_cast<uint32_t>(end));
    }
    begin = end;
  }
}

}  // namespace tidewheel::sql
