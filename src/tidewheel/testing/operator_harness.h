// Runs one subtask of an operator by hand: a test pushes rows, watermarks and time, and looks at
// what comes out. Everything happens on the caller's thread, in virtual time.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/config.h"
#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/element.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/state/snapshot.h"
#include "tidewheel/types/arena.h"

namespace tidewheel::testing {

struct HarnessOptions {
  int32_t subtask_index = 0;
  int32_t parallelism = 1;
  int32_t max_parallelism = 128;
  uint32_t batch_rows = 4;  // of the operator's outputs
  int64_t wall_ms = 0;      // the wall clock at the start
  double refusal = 0.0;     // how often, by chance, whatever takes the output refuses an element
  uint64_t seed = 1;
  std::string name = "operator under test";
  std::string uid = "uid-under-test";
  Config config = {};
  bool takes_final_checkpoint = false;
  bool is_restart = false;
  // For operators that use them; they outlive the harness.
  FileSystem* files = nullptr;
  Network* network = nullptr;
  StateBackend* state_backend = nullptr;  // null: state is in memory
};

template <class T>
struct TimedRow {
  T row;
  int64_t timestamp = kNoTimestamp;
  friend bool operator==(const TimedRow&, const TimedRow&) = default;
};

// The state of an operator: segments of one subtask, or of all of them put together.
using HarnessSnapshot = std::vector<SnapshotSegmentRef>;

// Control elements wait until the gathered rows were flushed, as in a task. Calls open the operator
// when that has not been done yet.
class OperatorHarness {
 public:
  explicit OperatorHarness(std::unique_ptr<Operator> op, HarnessOptions options = {});
  ~OperatorHarness();
  OperatorHarness(const OperatorHarness&) = delete;
  OperatorHarness& operator=(const OperatorHarness&) = delete;

  // Opens the operator, after giving it what `snapshot` holds for this subtask.
  Status open();
  Status open_restored(const HarnessSnapshot& snapshot);

  // Gives rows to input `input`, as one batch.
  template <class T>
  void push(const T& row, int64_t timestamp, int32_t input = 0) {
    const TimedRow<T> rows[] = {{row, timestamp}};
    push_rows<T>(rows, input);
  }
  template <class T>
  void push_rows(std::span<const TimedRow<T>> rows, int32_t input = 0) {
    auto pool = BatchPool::create_for<T>(static_cast<uint32_t>(rows.size() + 1), nullptr);
    auto* batch = static_cast<RowBatch<T>*>(pool->acquire());
    for (const TimedRow<T>& row : rows) { batch->append(row.row, row.timestamp); }
    Element element = Element::rows(BatchRef(batch));
    batch->release();
    push_element(element, input);
  }
  template <class T>
  void push_rows(const std::vector<TimedRow<T>>& rows, int32_t input = 0) {
    push_rows(std::span<const TimedRow<T>>(rows), input);
  }
  void push_element(const Element& rows, int32_t input);

  // Event time of all inputs together (the minimum, as the input gate gives it).
  void watermark(int64_t time_ms);
  void input_watermark(int32_t input, int64_t time_ms);
  void idle(bool idle);
  void latency_marker(const Element& marker);
  // Moves the wall clock and the monotonic clock; fires what is due by then.
  void advance_to_wall_ms(int64_t wall_ms);
  // Runs what the operator has put on the blocking pool, its mails, and wakes it if it asked.
  // Returns false when there was nothing to do.
  bool run_pending();
  // Only the first of these.
  void run_blocking_jobs();
  // An epoch ends (Operator::on_epoch), after what was gathered.
  void epoch(int64_t number);
  // The final watermark, then the end of every input.
  void end_of_input(int32_t inputs = 1);
  void coordinator_event(std::string_view event);
  void checkpoint_complete(int64_t checkpoint);
  void checkpoint_aborted(int64_t checkpoint);
  void close(bool finished = true);
  // The process is gone: nothing more is called, not even `close`, and what was put on the blocking
  // pool is never run.
  void crash();

  // What has come out of a port since the last call, in order. Rows are copied; their Text is valid
  // as long as the harness.
  template <class T>
  std::vector<TimedRow<T>> take_timed(int32_t port = 0) {
    std::vector<TimedRow<T>> out;
    for (const Element& element : take_batches(port)) {
      const auto& batch = RowBatch<T>::of(*element.batch);
      for (uint32_t i = element.begin; i < element.end; ++i) {
        out.push_back({batch.row(i), batch.timestamps()[i]});
      }
    }
    return out;
  }
  template <class T>
  std::vector<T> take(int32_t port = 0) {
    std::vector<T> out;
    for (TimedRow<T>& row : take_timed<T>(port)) { out.push_back(std::move(row.row)); }
    return out;
  }
  // All elements, rows and control, in order.
  std::vector<Element> take_elements(int32_t port = 0);
  // The watermarks among them; drops the rest.
  std::vector<int64_t> take_watermarks(int32_t port = 0);
  // Events sent to the coordinator since the last call.
  std::vector<std::string> take_coordinator_events();

  // This subtask's state. `join_snapshots` makes the operator's of those of all its subtasks. The
  // checkpoint is the one after the last when none is named.
  HarnessSnapshot snapshot(SnapshotStart start = {});
  // The same in small steps; `between` is called after the barrier and after each step, and may
  // give the operator rows and time if that snapshots in the background.
  HarnessSnapshot snapshot_in_steps(uint64_t step_bytes, const std::function<void()>& between,
                                    SnapshotStart start = {});
  // The same in two calls: a barrier has come; the state is written, all of it. False: something
  // has to be done elsewhere first (run_pending).
  void begin_snapshot(SnapshotStart start);
  bool try_snapshot(HarnessSnapshot& into);
  static HarnessSnapshot join_snapshots(const std::vector<HarnessSnapshot>& subtasks);

  // For sources: polls until there is nothing to do for now. Returns true when the source has
  // ended.
  bool poll_all();

  Operator& op();
  OperatorContext& context();

 private:
  struct State;
  std::vector<Element> take_batches(int32_t port);
  std::unique_ptr<State> state_;
};

}  // namespace tidewheel::testing
