// Random jobs of the typed API: sources, maps, windows, joins and process functions as a job's
// author writes them, each beside the plain computation of what must come out.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/collect.h"
#include "tidewheel/api/env.h"
#include "tidewheel/api/stream.h"
#include "tidewheel/sim/model.h"
#include "tidewheel/sim/random_job.h"
#include "tidewheel/sim/script.h"

namespace tidewheel::sim {

// A stream of the job, and what it must hold.
struct TypedFlow {
  Stream<Row> stream;
  Rows rows;
  bool timed = true;        // rows come before the watermark of their time
  bool times_known = true;  // rows' times follow from the data alone
  bool ordered = false;     // rows of one origin come in the order of their numbers
};

// A job while it is drawn. The operators are in files of their own, because each costs compile
// time.
class TypedJob final : public RandomJob {
 public:
  static constexpr size_t kRowsMax = 4000;
  using Check = std::function<std::string()>;

  explicit TypedJob(JobDraw draw);
  ~TypedJob() override;
  Result<std::unique_ptr<JobHandle>> start() override;
  std::string check(bool complete) override;

  // ---- For the operators.
  Random& random() { return random_; }
  Env& env() { return env_; }
  bool has_flow() const { return !flows_.empty(); }
  // Takes one of the flows to go on with; sometimes it stays, so that two operators read it.
  TypedFlow take();
  // A new source, for operators that want one of their own.
  TypedFlow make_source(int64_t rows_max);
  void give_back(TypedFlow flow) { flows_.push_back(std::move(flow)); }
  // Spreads the rows over the subtasks of what reads them, by a drawn rule. For operators without
  // keys.
  void spread(TypedFlow& flow, int32_t readers);
  int32_t draw_parallelism() { return 1 + static_cast<int32_t>(places().below(4)); }
  // Draws chaining and the like for the operator that made the stream.
  template <class S>
  S settle(const S& stream, int32_t parallelism) {
    S settled = stream.parallelism(parallelism);
    if (plan().chance(0.15)) { settled = settled.disable_chaining(); }
    if (plan().chance(0.15)) { settled = settled.start_new_chain(); }
    if (rebuild() != nullptr) { settled = settled.uid("op-" + std::to_string(next_uid_++)); }
    return settled;
  }
  void add(TypedFlow flow, std::string what);
  void add_check(Check check) { checks_.push_back(std::move(check)); }
  // Ends the stream; what it gives is called after the job, and gives all its rows.
  struct Kept {
    std::function<Rows()> rows;
    bool with_times = true;
  };
  Kept keep(const Stream<Row>& stream, int32_t readers);
  // Null: the job is built once.
  Rebuild* rebuild() const { return draw_.rebuild.get(); }

 private:
  void add_step();
  void add_end(const TypedFlow& flow);
  Random& places() { return rebuild() != nullptr ? rebuild()->places : random_; }
  Random& plan() { return rebuild() != nullptr ? rebuild()->plan : random_; }
  Kept keep_in_files(const Stream<Row>& stream, int32_t readers);
  Stream<Row> with_probe(Stream<Row> stream, int32_t parallelism);
  Stream<Row> with_extra(const Stream<Row>& stream);

  JobDraw draw_;
  Random random_;
  int64_t next_uid_ = 0;
  int64_t next_probe_ = 0;
  int64_t next_extra_ = 0;
  int64_t next_table_ = 0;
  int64_t source_count_ = 0;
  Env env_;
  std::vector<TypedFlow> flows_;
  std::vector<Check> checks_;
  int64_t next_origin_ = 0;
};

// Each takes flows of the job and adds what it makes of them, or leaves them as they are.
void add_typed_map(TypedJob& job);
void add_typed_filter(TypedJob& job);
void add_typed_flat_map(TypedJob& job);
void add_typed_split(TypedJob& job);  // a side output
void add_typed_union(TypedJob& job);
void add_typed_running(TypedJob& job);
void add_typed_thrower(TypedJob& job);
void add_typed_grid_window(TypedJob& job);
void add_typed_session(TypedJob& job);
void add_typed_count_window(TypedJob& job);
void add_typed_window_all(TypedJob& job);
void add_typed_text_window(TypedJob& job);
void add_typed_late_window(TypedJob& job);
void add_typed_interval_join(TypedJob& job);
void add_typed_window_join(TypedJob& job);
void add_typed_co_group(TypedJob& job);
void add_typed_timers(TypedJob& job);  // event timers and a map
void add_typed_hold(TypedJob& job);    // timers of the clock and a list
void add_typed_distinct(TypedJob& job);
void add_typed_connect(TypedJob& job);
void add_typed_rules(TypedJob& job);  // broadcast state
void add_typed_count_at_end(TypedJob& job);
void add_typed_async(TypedJob& job);
void add_typed_order(TypedJob& job);  // rows of a key keep their order, and come once

// Rows that break their order, or come twice, are not as they should be behind this.
void check_order(TypedJob& job, TypedFlow& flow);
// The same rows, from an operator with state.
Stream<Row> remembered(const Stream<Row>& stream);

}  // namespace tidewheel::sim
