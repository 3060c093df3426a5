// Makes columns of generated events: only those that are asked for, bids in loops over columns.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/connectors/nexmark/generator.h"
#include "tidewheel/connectors/nexmark/source.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::nexmark {

inline constexpr size_t kKinds = 3;

// What a column has of an event. A row's column has several fields; it and a field are NULL in
// events of another kind.
struct EventColumn {
  LogicalType type;
  bool is_event_type = false;  // the number of the event's kind
  Kind kind = Kind::kBid;
  std::vector<uint32_t> fields = {};  // by index in kBidFields and its kin: one, or the row's
  bool is_row = false;
};

struct EventLayout {
  std::vector<EventColumn> columns;
  std::array<bool, kKinds> wanted = {true, true, true};  // which kinds of events
};

// Immutable: shared by all readers of a source.
class ColumnWriter {
 public:
  explicit ColumnWriter(EventLayout layout);
  // Writes rows behind those of the batch, at most `room`, for events of the wanted kinds before
  // `end`. Moves `place` past the events that were written or not wanted.
  void write(const Generator& generator, Place& place, int64_t end, uint32_t room,
             ColumnBatch& batch) const;

 private:
  // Where one field goes: to a column, or to a child of one.
  struct Target {
    uint32_t field = 0;
    size_t column = 0;
    int32_t child = -1;
    Column& in(ColumnBatch& batch) const {
      Column& whole = batch.column(column);
      return child < 0 ? whole : whole.child(static_cast<size_t>(child));
    }
  };
  struct OfKind {
    std::vector<Target> targets;
    FieldMask mask = 0;
    std::vector<size_t> columns;  // NULL in events of other kinds
  };

  void write_bids(const Generator& generator, const Place& place, int32_t count,
                  ColumnBatch& batch) const;
  void write_persons(const Generator& generator, Place place, int32_t count,
                     ColumnBatch& batch) const;
  void write_auctions(const Generator& generator, Place place, int32_t count,
                      ColumnBatch& batch) const;
  const OfKind& of(Kind kind) const { return kinds_[static_cast<size_t>(kind)]; }

  const std::array<bool, kKinds> wanted_;
  std::vector<LogicalType> types_;
  std::array<OfKind, kKinds> kinds_;
  std::vector<size_t> event_types_;
};

// The source of a table.
class EventColumnSource {
 public:
  using output = ColumnRow;
  using Split = EventSplit;

  EventColumnSource(const Options& options, EventLayout layout)
      : reading_(options), writer_(std::make_shared<const ColumnWriter>(std::move(layout))) {}

  Result<std::vector<Split>> discover(SplitContext& context) {
    return reading_.discover(context.parallelism());
  }
  SplitAssignment assignment() const { return SplitAssignment::kSpread; }
  bool is_bounded() const { return reading_.is_bounded(); }
  std::vector<Split> divide(const Split& split, int32_t parts) const {
    return divide_events(split, parts);
  }
  Status open(SourceContext& context) { return reading_.open(context.clock()); }
  Status open_split(Split& split) {
    reading_.open_split(split);
    return ok_status();
  }
  ReadResult read(Split& split, SourceOut<ColumnRow>& out) {
    return reading_.read(split, out, [&](Place& place, int64_t end) {
      writer_->write(reading_.generator(), place, end, out.room(), out.batch());
    });
  }

 private:
  EventReading reading_;
  std::shared_ptr<const ColumnWriter> writer_;
};

}  // namespace tidewheel::nexmark
