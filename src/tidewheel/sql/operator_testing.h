// For tests of operators on columns: rows are written and read as text, "+I 1,abc,NULL".
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/dataflow/element.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/state/map_backend.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {
class PairFilter;  // sql/stream_join.h
}

namespace tidewheel::sql::testing {

using Lines = std::vector<std::string>;

// "BIGINT", "STRING NOT NULL", "DECIMAL(10, 2)".. by name.
RowType columns(std::vector<std::pair<std::string, LogicalType>> columns);
LogicalType bigint(bool nullable = true);

// A batch of its own of such rows. Values by type: numbers, strings without commas, TRUE and FALSE;
// timestamps and dates as their numbers.
BatchRef make_batch(const RowType& type, const Lines& rows);
Lines batch_lines(const std::vector<LogicalType>& types, const Element& element);

// The table that a changelog makes, checked: nothing is taken back, or updated, that is not there.
// With keys, an update needs no -U: it takes the place of what has the same keys.
class Changelog {
 public:
  explicit Changelog(size_t key_columns = 0) : key_columns_(key_columns) {}
  void take(const Lines& lines);
  // Rows without their kinds, sorted.
  Lines rows() const;

 private:
  std::string key_of(const std::string& row) const;
  void erase(const std::string& row);
  size_t key_columns_;
  std::map<std::string, int> rows_;
};

// What an operator has in a snapshot.
using Snapshot = std::vector<SnapshotSegmentRef>;

struct SqlHarnessOptions {
  int32_t subtask = 0;
  int32_t parallelism = 1;
  uint32_t batch_rows = 4;  // of the output
  double refusal = 0;       // how often the output refuses, by chance
  uint64_t seed = 1;
  bool incremental = false;
  bool backend = false;
  int64_t backend_cache_bytes = 4096;  // small: rows leave all the time
  uint32_t rows_a_batch = UINT32_MAX;  // of the input
};

// A backend or none, snapshots of changes or whole ones, refusals, and rows of batches, by chance.
SqlHarnessOptions random_options(Random& random, uint64_t seed);

// Runs a test with the seeds from 1 to `count`, until one fails.
void for_seeds(uint64_t count, const std::function<void(uint64_t seed)>& run);

// The operator that was made; a test that could not make one fails, and ends.
std::unique_ptr<Operator> must_make(Result<std::unique_ptr<Operator>> made);

// A pair of rows passes when `less` < `more`, columns of both rows side by side; NULL never does.
std::unique_ptr<PairFilter> less_filter(size_t less, size_t more);

// One subtask of an operator (testing/operator_harness.h).
class SqlHarness {
 public:
  using Make = std::function<std::unique_ptr<Operator>()>;
  SqlHarness(Make make, std::vector<RowType> inputs, RowType output,
             SqlHarnessOptions options = {});
  ~SqlHarness();

  SqlHarness& push(const Lines& rows, int32_t input = 0);
  // Event time of all inputs.
  SqlHarness& watermark(int64_t time_ms);
  SqlHarness& input_watermark(int32_t input, int64_t time_ms);
  SqlHarness& advance_to_wall_ms(int64_t time_ms);
  SqlHarness& epoch(int64_t number);
  SqlHarness& end_of_input(int32_t inputs = 1);
  // What has come out since the last call.
  Lines take();
  Snapshot snapshot();
  // Goes on in a new instance with the state that this one had.
  SqlHarness& restart();
  // A new instance with the state of a snapshot.
  Status open(const Snapshot& snapshot);
  int64_t counter(const std::string& name);

 private:
  struct State;
  void make_harness();
  std::unique_ptr<State> state_;
};

}  // namespace tidewheel::sql::testing
