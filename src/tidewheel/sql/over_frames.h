// Aggregates over frames that move along rows: the accumulators of each frame, and the steps by
// which they get from row to row. Steps of many keys are gathered, then each call has one loop.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/aggregate_calls.h"
#include "tidewheel/sql/over.h"

namespace tidewheel::sql {

// Rows that are read from state for a run, as columns. One thread.
class OverRows {
 public:
  OverRows(std::vector<LogicalType> types) : bytes_(std::move(types)) {}
  void open(MemoryPool& memory) { pool_ = BatchPool::create_for<ColumnRow>(256, &memory); }

  void clear();
  // Its number; `bytes` are copied.
  uint32_t add(const Text& bytes) {
    rows_.push_back(arena_->copy(bytes.view()));
    return static_cast<uint32_t>(rows_.size() - 1);
  }
  uint32_t size() const { return static_cast<uint32_t>(rows_.size()); }
  const Text& bytes(uint32_t row) const { return rows_[row]; }
  Arena& arena() { return *arena_; }
  // All of them as columns, valid until `clear`.
  const ColumnBatch& decode();
  const ColumnBatch& batch() const { return ColumnBatch::of(*batch_); }

 private:
  RowBytes bytes_;
  std::shared_ptr<BatchPool> pool_;
  BatchRef batch_;
  ArenaRef arena_;
  std::vector<Text> rows_;
  std::vector<Column*> columns_;
};

// The aggregates among the calls of a spec, by frame. One thread.
class OverFrames {
 public:
  static Result<std::unique_ptr<OverFrames>> make(const OverSpec& spec);
  // Declares the accumulators. `state` does not outlive this.
  Status declare(KeyedState& state, const std::string& key_form);

  size_t size() const { return frames_.size(); }
  const OverFrame& frame(size_t index) const { return frames_[index]->frame; }
  // The accumulators of the current key, made when there are none.
  std::byte* open(size_t frame, std::byte* row) const {
    bool is_new = false;
    return frames_[frame]->cell->open(row, is_new);
  }

  // ---- Steps.

  void clear();
  // Row `row` of the rows enters (1) or leaves (-1) a frame, or neither (0: of an empty frame).
  // `segment` says of which key.
  void step(size_t frame, uint32_t row, int8_t sign, std::byte* cell, uint32_t segment) {
    frames_[frame]->steps.push_back({row, segment, cell, sign, false});
  }
  // The result that the frame has now is wanted: by its number.
  uint32_t mark(size_t frame) {
    auto& steps = frames_[frame]->steps;
    steps.back().is_wanted = true;
    return static_cast<uint32_t>(steps.size() - 1);
  }
  // Takes all steps. `select(segment)` makes a key current, and gives its row of state.
  template <class Select>
  void run(const ColumnBatch& rows, TextHeap& heap, Select select) {
    for (const auto& frame : frames_) {
      begin(*frame, rows);
      if (frame->calls->has_values()) {
        for (uint32_t i = 0; i < frame->steps.size(); ++i) {
          const Step& step = frame->steps[i];
          std::byte* const row = select(step.segment);
          frame->chunk.count = i + 1;
          frame->calls->add_values(
              row, step.row, frame->chunk,
              step.is_wanted ? AggregateCalls::Wanted::kAfter : AggregateCalls::Wanted::kNone);
        }
      }
      frame->chunk.count = static_cast<uint32_t>(frame->steps.size());
      frame->calls->fold(frame->chunk, heap);
    }
  }
  // Where the results of a call (of the spec) are; result `mark` is in row 2 * mark + 1.
  const Column& column(size_t call) const {
    return frames_[frame_of_[call]]->calls->column(index_of_[call]);
  }
  size_t frame_of(size_t call) const { return frame_of_[call]; }
  // Has a batch keep what results point to.
  void share(ColumnBatch& batch) const {
    for (const auto& frame : frames_) { batch.share_arena(frame->calls->arena()); }
  }

 private:
  struct Step {
    uint32_t row = 0;
    uint32_t segment = 0;
    std::byte* cell = nullptr;
    int8_t sign = 0;
    bool is_wanted = false;
  };
  struct Frame {
    OverFrame frame;
    std::vector<AggregateCall> listed;
    std::optional<AggregateSet> set;
    AggregateCell* cell = nullptr;
    std::unique_ptr<AggregateCalls> calls;
    AggregateChunk chunk;
    std::vector<Step> steps;
    bool retracts() const { return frame.preceding != OverFrame::kUnbounded; }
  };

  explicit OverFrames(std::vector<LogicalType> input) : input_(std::move(input)) {}
  static void begin(Frame& frame, const ColumnBatch& rows);

  const std::vector<LogicalType> input_;
  std::vector<std::unique_ptr<Frame>> frames_;
  std::vector<size_t> frame_of_;  // by call of the spec; those that are no aggregates have 0
  std::vector<size_t> index_of_;
};

// Writes values of other rows (LAG, LEAD) into an output column: of row sources[i], or, where that
// is kNone, the default of row rows[i].
inline constexpr uint32_t kNoSource = UINT32_MAX;
void put_shifted(const OverCall& call, const ColumnBatch& from, std::span<const uint32_t> sources,
                 std::span<const uint32_t> rows, Column& to, uint32_t at, Arena& arena);
void put_nulls(Column& column, uint32_t begin, uint32_t end);

}  // namespace tidewheel::sql
