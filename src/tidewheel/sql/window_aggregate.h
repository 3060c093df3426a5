// GROUP BY over windows: one row for each key and window, once, when event time (or the clock) has
// passed the window's end.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/accumulator.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel {
class NodeLinks;  // operators/node_links.h
}  // namespace tidewheel

namespace tidewheel::sql {

// SESSION is on no grid: a session of a key lasts until no row has come for the gap.
struct GridWindow {
  enum class Kind : uint8_t { kTumble, kHop, kCumulate, kSession };
  Kind kind = Kind::kTumble;
  int64_t size_ms = 0;    // of CUMULATE: the greatest; of SESSION: the gap
  int64_t slide_ms = 0;   // of HOP; the step of CUMULATE
  int64_t offset_ms = 0;  // of the windows' start from the epoch
};
enum class WindowProperty : uint8_t {
  kStart,
  kEnd,   // the first millisecond that is not in it
  kTime,  // the last one that is
};

// The output has the keys, the results, then the properties. Rows of which all windows have fired
// are dropped and counted (numLateRecordsDropped). Windows by the clock that are open when the
// input ends fire then. A window of which all rows were taken back gives nothing.
struct WindowAggregateSpec {
  RowType input;
  std::vector<int32_t> keys;
  std::vector<AggregateCall> calls;
  GridWindow window;
  // Column of timestamps of at most 3 digits, by which rows are put into windows; -1: the clock.
  int32_t time = -1;
  std::vector<WindowProperty> properties;
  bool input_retracts = false;
  std::shared_ptr<const NodeLinks> links = nullptr;  // of the side output kLateRows
  // Rows are what a local aggregate (local_window_aggregate.h) has made of rows of this type, to
  // which `calls` and `time` refer; `keys` are those of `input`. The state is the same.
  std::optional<RowType> partial = std::nullopt;
};

// Errors: kWindowOption, kSqlUnsupported, kSqlType.
Result<std::unique_ptr<Operator>> make_window_aggregate(WindowAggregateSpec spec);
RowType window_aggregate_output(const WindowAggregateSpec& spec);

}  // namespace tidewheel::sql
