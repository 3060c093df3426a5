// Turns plans into a job: operators, the edges between them, and the ids by which their state is
// found again.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/stream.h"
#include "tidewheel/api/table.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/correlate.h"
#include "tidewheel/sql/kernel.h"
#include "tidewheel/sql/plan.h"
#include "tidewheel/sql/plan_keys.h"
#include "tidewheel/sql/skew.h"

namespace tidewheel {
class Env;        // api/env.h
class NodeLinks;  // operators/node_links.h
}  // namespace tidewheel

namespace tidewheel::sql {

struct SourcePause;  // sql/values_source.h

// Whether rows on their way into a table with a primary key are spread by it.
enum class KeyedShuffle : uint8_t { kAuto, kForce, kNone };

// 'consistency' = 'epoch': tables and callers are given the net changes of one epoch at a time.
struct EpochOptions {
  int64_t interval_ms = 0;          // 0: 'eventual'
  int64_t buffer_bytes = 64 << 20;  // of what one subtask keeps of an epoch
};

// Mini-batches before aggregates (mini_batch.h).
struct BundleOptions {
  int64_t rows_max = 0;  // 0: there are none
  int64_t latency_ms = 0;
};

struct BuildOptions {
  EvalOptions eval;
  bool watermark_per_record = false;
  int64_t watermark_interval_ms = 200;  // for which first phases hold back watermarks
  int64_t state_ttl_ms = 0;
  bool mini_batch = false;  // aggregates give one change a key for what they are given at once
  BundleOptions bundles = {};
  // Of lookup joins whose hints say nothing else.
  int64_t lookup_capacity = 100;
  int64_t lookup_timeout_ms = 180'000;
  bool lookup_is_ordered = true;
  AsyncCallOptions async_calls = {};
  // Rows with NULL for a column of a table that can't be NULL are left out; else they fail the job.
  bool drops_null_rows = false;
  KeyedShuffle keyed_shuffle = KeyedShuffle::kAuto;
  EpochOptions epochs = {};
  AggregatePhases window_phases = AggregatePhases::kAuto;
  // Of constant rows, for tests; null: there is none.
  std::shared_ptr<SourcePause> pause = nullptr;
  // Operators have names of their own, by which what they did is found (`name_of`).
  bool unique_names = false;
};

// Of one job: parts of plans that are equal are built once. One thread.
class JobBuilder {
 public:
  JobBuilder(Env& env, const TableRegistry& tables, BuildOptions options)
      : env_(env), tables_(tables), options_(std::move(options)) {}

  // For what is built from now on, which then has no parts in common with what was built before.
  void use(BuildOptions options);
  // The plan has its changelog kinds (changelog.h).
  Result<Stream<ColumnRow>> build(const Plan& plan);
  // The same into a table. Errors: kSqlQuery when the table can't take what the query gives.
  Status insert(const Plan& plan, const TableDefinition& table);
  // The plan's rows for a stream of the job that is none of SQL's: by epochs, where there are some.
  Result<Stream<ColumnRow>> give(const Plan& plan) {
    note_aggregates(plan);
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, build(plan));
    return by_epochs(plan, std::move(rows), false);
  }
  // The end of a query whose rows the caller wants: `sink` is in one subtask.
  template <class Sink>
  Status show(const Plan& plan, Sink sink) {
    note_aggregates(plan);
    TIDEWHEEL_ASSIGN_OR_RETURN(Stream<ColumnRow> rows, build(plan));
    by_epochs(plan, std::move(rows), true).to(std::move(sink)).name("result").uid("sql-result");
    return {};
  }
  // With unique names: of the operator that was built for a plan; empty: there is none.
  std::string name_of(const Plan& plan);

 private:
  struct NodeBuilder;
  // Flags of a plan's columns.
  using ReadColumns = std::vector<bool>;
  // `build` for who reads some columns of the plan's rows only.
  Result<Stream<ColumnRow>> build_for(const Plan& plan, const ReadColumns& reads);
  Result<Stream<ColumnRow>> build_node(const Plan& plan);
  // An operator with the rows of `inputs`, each spread by `keys` (of the same index), or as they
  // come. Without keys where there should be some: in one subtask.
  struct Added {
    std::string name;
    std::string uid;
    bool stateful = false;
    bool single = false;  // one subtask
  };
  // The name of the next operator, for `plan`.
  std::string new_name(const Plan& plan, std::string name);
  Stream<ColumnRow> without_nulls(const Plan& plan, const TableDefinition& table,
                                  Stream<ColumnRow> rows);
  // With what stands before a sink where there are epochs. `single`: in one subtask.
  Stream<ColumnRow> by_epochs(const Plan& plan, Stream<ColumnRow> rows, bool single);
  // Has aggregates give their changes by epoch, where there are epochs.
  void note_aggregates(const Plan& plan);
  // Whether a plan gives no more than the net changes of an epoch, at its end, by itself.
  bool is_folded(const Plan& plan);
  Stream<ColumnRow> spread_for_sink(const Plan& plan, const TableDefinition& table,
                                    Stream<ColumnRow> rows);
  using Make = std::function<Result<std::unique_ptr<Operator>>()>;
  using MakeLinked =
      std::function<Result<std::unique_ptr<Operator>>(std::shared_ptr<const NodeLinks>)>;
  Stream<ColumnRow> add(const Plan& plan, Added added, std::vector<Stream<ColumnRow>> inputs,
                        Make make);
  // The same for an operator with side outputs.
  Stream<ColumnRow> add_linked(const Plan& plan, Added added, std::vector<Stream<ColumnRow>> inputs,
                               MakeLinked make);
  Result<std::unique_ptr<TableSink>> sink_of(const TableDefinition& table) const;
  Status write(const Plan& plan, Stream<ColumnRow> rows, const TableDefinition& table,
               TableSink& sink);
  // Writes what a node gives beside its own rows into the table that it is for. `given`: a plan of
  // the columns of `rows`; those for which the condition is true are meant.
  Status write_side(const SideTableNode& side, const std::string& name, PlanRef given,
                    std::optional<Bound> condition, Stream<ColumnRow> rows);
  // `rows`: what the plan gives.
  Status write_late(const Plan& plan, const Stream<ColumnRow>& rows);
  Stream<ColumnRow> by_keys(Stream<ColumnRow> rows, const RowType& type,
                            const std::vector<int32_t>& keys);
  // What the state of an operator is found by: what it does, and which tables it reads.
  std::string uid_of(const Plan& plan, const std::string& kind);
  // The tables that a plan reads, in order, each as often as it is read; of very many the first.
  const std::string& tables_of(const PlanRef& plan);

  Env& env_;
  const TableRegistry& tables_;
  BuildOptions options_;
  PlanKeys keys_{true};
  std::map<int32_t, Stream<ColumnRow>> built_;  // by the plan's number
  // Of plans, by their numbers: the columns that are read by anybody. Operators look when they are
  // made, which is when the job has been built.
  std::map<int32_t, std::shared_ptr<ReadColumns>> read_;
  std::map<std::string, Stream<ColumnRow>> lettered_;  // sources whose dead letters are written
  std::set<int32_t> noted_;                            // plans whose aggregates are in `by_epoch_`
  std::set<int32_t> by_epoch_;                         // aggregates
  std::map<int32_t, bool> folded_;                     // what is_folded has found
  std::map<std::string, int32_t> uids_;                // how often each was given
  std::map<int32_t, std::string> names_;               // by the plan's number
  int32_t names_given_ = 0;
  std::map<const Plan*, std::pair<PlanRef, std::string>> tables_of_;
};

}  // namespace tidewheel::sql
