// Rows of one side of a join that wait for rows of the other, few of them, and for a limited time:
// bids that wait for the maximum of their window. They are not looked up by their keys: they lie
// packed in the order in which they came, and the few that come are looked for among all of them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/sql/row_log.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/logical_type.h"
#include "tidewheel/types/text.h"

namespace tidewheel {
class Batch;           // dataflow/batch.h
class SnapshotWriter;  // state/snapshot.h
class StateMemory;     // state/state_memory.h
}  // namespace tidewheel

namespace tidewheel::sql {

class RowBytes;  // sql/row_bytes.h

// A row matches only what comes before the watermark of the other side has passed its time and
// `after_ms` more. Columns of its side.
struct WaitingSpec {
  size_t side = 0;
  size_t key = 0;   // of 64 bits
  size_t time = 0;  // a timestamp in milliseconds
  int64_t after_ms = 0;
};

// Rows in a snapshot, as RowBytes makes them. Each subtask reads all and takes those of its keys.
struct SavedWaitingRows {
  std::vector<std::string> rows;
};

// One thread.
class WaitingRows {
 public:
  // A row whose key is the one of this index, of those that were looked for.
  struct Match {
    uint32_t key = 0;
    uint32_t block = 0;
    uint32_t row = 0;
  };

  // The memory outlives it.
  WaitingRows(const WaitingSpec& spec, const std::vector<LogicalType>& types, StateMemory& memory);

  // Adds those of the rows of a batch that may match something that is to come. No key is NULL.
  void see_tables(const Batch& batch) { log_.see_tables(batch); }
  void add(std::span<const ColumnView> columns, std::span<const uint32_t> rows);
  // The watermark of the other side. Drops what nothing to come can match.
  void advance(int64_t watermark);
  // The rows whose keys are among these, in the order in which they came. Valid until the next
  // call.
  std::span<const Match> find(std::span<const int64_t> keys);
  // The columns of rows that `find` gave, one after the other. Valid until the next call, with
  // strings that last until one is added or dropped.
  std::span<const ColumnView> decode(std::span<const Match> matches);
  size_t size() const { return size_; }

  // ---- Snapshots. Nothing is dropped until what was there has been written.
  void begin_snapshot();
  // Writes as many blocks as the writer takes; true when there are no more. Then it does nothing.
  bool write(SnapshotWriter& writer, RowBytes& bytes, const std::string& name, int32_t subtask,
             int32_t parallelism);
  void abort_snapshot();

 private:
  struct Block {
    uint32_t number = 0;  // in the log
    int64_t last_time = 0;
  };
  struct Wanted {
    int64_t key = 0;
    uint32_t first = kNone;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  bool is_over(int64_t time) const;
  void drop_ended();
  void account();
  void begin_search(std::span<const int64_t> keys);
  // Where a key that is looked for is, or would be.
  size_t place_of(int64_t key) const;

  const WaitingSpec spec_;
  StateMemory& memory_;
  RowLog log_;
  std::deque<Block> blocks_;
  size_t size_ = 0;
  int64_t watermark_ = INT64_MIN;
  int64_t accounted_bytes_ = 0;
  size_t to_save_ = 0;  // blocks of the snapshot that is written: the first ones
  size_t saved_ = 0;    // of them
  bool is_saving_ = false;
  // Scratch.
  std::vector<uint32_t> rows_;
  std::vector<Wanted> wanted_;  // a hash table
  std::vector<uint32_t> next_;  // of each key that is looked for, an equal one
  std::vector<Match> matches_;
  std::vector<Column> columns_;
  std::vector<Column*> targets_;
  std::vector<ColumnView> views_;
};

}  // namespace tidewheel::sql
