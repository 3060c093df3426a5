// EXPLAIN: what a statement would do, or, with ANALYZE, what it does.
#include <fmt/format.h>

#include <unordered_set>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/base/world.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/sql/build.h"
#include "tidewheel/sql/job_analysis.h"
#include "tidewheel/sql/plan_estimate.h"
#include "tidewheel/sql/plan_keys.h"
#include "tidewheel/sql/read_settings.h"
#include "tidewheel/sql/result.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/sql/table_definition.h"

namespace tidewheel::sql {
namespace {

// Calls f(plan) for each node, inputs last; for one that several read, once.
template <class F>
void for_each_node(const Plan& plan, const F& f, std::unordered_set<const Plan*>& seen) {
  if (!seen.insert(&plan).second) { return; }
  f(plan);
  for (const PlanRef& input : plan.inputs) { for_each_node(*input, f, seen); }
}
template <class F>
void for_each_node(const Plan& plan, const F& f) {
  std::unordered_set<const Plan*> seen;
  for_each_node(plan, f, seen);
}

bool has(const Explain& statement, Explain::Detail detail) {
  for (const Explain::Detail one : statement.details) {
    if (one == detail) { return true; }
  }
  return false;
}

// The end of a query whose rows nobody wants to see.
class DiscardedResult {
 public:
  using input = ColumnRow;
  static constexpr int32_t fixed_parallelism = 1;
  Status write_batch(const ColumnBatch&, uint32_t, uint32_t) { return ok_status(); }
};

std::string sink_line(const TableDefinition& sink) { return "Sink(table=[" + sink.path + "])"; }

// What is said of a node behind its properties. `estimates`: null: nothing of costs.
std::vector<std::string> notes_of(const Plan& plan, const ReadSettings& settings,
                                  const Config& config, PlanEstimates* estimates) {
  std::vector<std::string> notes;
  const auto parallelism = static_cast<int32_t>(config.get(options::kParallelism));
  if (has_local_windows(plan, settings.phases(), parallelism)) { notes.emplace_back("phases=[2]"); }
  if (std::string cost = estimates == nullptr ? "" : estimates->text(plan); !cost.empty()) {
    notes.push_back(std::move(cost));
  }
  return notes;
}

// What may be unwise, of which the settings could be others.
std::vector<std::string> advice(const Plan& plan, int64_t ttl_ms, bool mini_batch) {
  std::vector<std::string> all;
  bool grows = false;
  bool aggregates = false;
  for_each_node(plan, [&](const Plan& node) {
    const std::string state = state_text(node, ttl_ms);
    grows = grows || (!node.is_bounded && state.find("for ever") != std::string::npos);
    aggregates = aggregates || std::holds_alternative<AggregateNode>(node.node);
  });
  if (grows) {
    all.emplace_back(
        "the input does not end, and state is kept for ever: it grows with the number of keys; SET "
        "'table.exec.state.ttl' = '1 d' forgets keys that are not used for so long");
  }
  if (aggregates && !mini_batch) {
    all.emplace_back(
        "an aggregate gives a change for each row; SET 'table.exec.mini-batch.enabled' = 'true', "
        "'.allow-latency' and '.size' have it give one a key for many rows, "
        "'table.exec.fold-batches.enabled' for those that come together");
  }
  return all;
}

}  // namespace

// What is explained: plans, with the tables that they are inserted into.
auto Session::explained(std::string_view text, const Explain& statement)
    -> Result<std::vector<Prepared>> {
  std::vector<Prepared> all;
  const Statement& inner = *statement.statement;
  if (const auto* query = std::get_if<Query>(&inner.node)) {
    Prepared prepared;
    TIDEWHEEL_ASSIGN_OR_RETURN(prepared.bound, bind_query(environment(), text, *query));
    TIDEWHEEL_ASSIGN_OR_RETURN(prepared.plan, this->plan(text, *query, true));
    all.push_back(std::move(prepared));
    share_inputs(all);
    return all;
  }
  std::vector<Insert> inserts;
  if (const auto* insert = std::get_if<Insert>(&inner.node)) { inserts.push_back(*insert); }
  if (const auto* set = std::get_if<StatementSet>(&inner.node)) { inserts = set->inserts; }
  for (const Insert& one : inserts) {
    TIDEWHEEL_ASSIGN_OR_RETURN(Prepared prepared, prepare_insert(text, one));
    all.push_back(std::move(prepared));
  }
  if (const auto* create = std::get_if<CreateTable>(&inner.node);
      create != nullptr && create->query.has_value()) {
    Prepared prepared;
    TIDEWHEEL_ASSIGN_OR_RETURN(prepared.bound, bind_query(environment(), text, *create->query));
    CatalogObject object;
    object.path = catalog_.path_of(create->name);
    TIDEWHEEL_ASSIGN_OR_RETURN(object.definition, merge_query(text, *create, prepared.bound->type));
    TIDEWHEEL_ASSIGN_OR_RETURN(object, rewritten(std::move(object)));
    TIDEWHEEL_RETURN_IF_ERROR(check_table(object));
    std::vector<Identifier> columns;
    for (const std::string& name : prepared.bound->type.names) {
      columns.push_back({name, create->query->span});
    }
    TIDEWHEEL_RETURN_IF_ERROR(plan_insert(text, *create->query, object, {}, columns, {}, prepared));
    all.push_back(std::move(prepared));
  }
  share_inputs(all);
  if (all.empty()) {
    return invalid_argument(ErrorId::kSqlQuery,
                            "EXPLAIN takes a query, an INSERT, a statement set, or CREATE TABLE .. "
                            "AS");
  }
  return all;
}

Result<StatementResult> Session::explain(std::string_view text, const Explain& statement) {
  using Detail = Explain::Detail;
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::vector<Prepared> all, explained(text, statement));
  if (has(statement, Detail::kAnalyze)) { return analyze(all, statement); }
  const ReadSettings settings{*this};
  const bool with_changelog = has(statement, Detail::kChangelogMode);
  PlanEstimates estimates(tables(), world_.files());
  const auto note = [&, with_cost = has(statement, Detail::kEstimatedCost)](const Plan& plan) {
    return fmt::format(
        "{}", fmt::join(notes_of(plan, settings, options_.config, with_cost ? &estimates : nullptr),
                        ", "));
  };
  std::string out = "== Abstract Syntax Tree ==\n";
  for (const Prepared& one : all) {
    if (one.sink != nullptr) { out += sink_line(*one.sink) + "\n"; }
    out += plan_text(*one.bound, false);
  }
  out += "\n== Optimized Physical Plan ==\n";
  for (const Prepared& one : all) {
    if (one.sink != nullptr) { out += sink_line(*one.sink) + "\n"; }
    out += plan_text(*one.plan, with_changelog, note);
  }
  const auto build = [&]() -> Result<std::unique_ptr<Env>> {
    std::unique_ptr<Env> env = make_env("explained");
    TIDEWHEEL_RETURN_IF_ERROR(build_explained(*env, all, false, nullptr));
    return env;
  };
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<Env> env, build());
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string execution, env->explain());
  out += "\n== Optimized Execution Plan ==\n" + execution;
  const int64_t ttl_ms = settings.ms("table.exec.state.ttl");
  out += "\n== State ==\n";
  std::string states;
  PlanKeys keys(true);
  std::unordered_set<int32_t> told;
  for (const Prepared& one : all) {
    for_each_node(*one.plan, [&](const Plan& plan) {
      const std::string state = state_text(plan, ttl_ms);
      if (state.empty() || !told.insert(keys.number(plan)).second) { return; }
      const std::string line = node_text(plan, false);
      states += line.substr(0, line.find('(')) + " " + state + "\n";
    });
  }
  out += states.empty() ? "nothing is kept but how far the sources are\n" : states;
  if (const EpochOptions epochs = settings.epochs(); epochs.interval_ms > 0) {
    out += fmt::format(
        "\n== Consistency ==\nepoch: each {} the net changes from one exact answer to the next; "
        "checkpoints are aligned\n",
        format_duration_ms(epochs.interval_ms));
  }
  if (has(statement, Detail::kPlanAdvice)) {
    out += "\n== Advice ==\n";
    bool any = false;
    for (const Prepared& one : all) {
      for (const std::string& line :
           advice(*one.plan, ttl_ms, settings.build(world_, false).mini_batch)) {
        out += "- " + line + "\n";
        any = true;
      }
    }
    if (!any) { out += "nothing to say\n"; }
  }
  if (has(statement, Detail::kJsonExecutionPlan)) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<Env> again, build());
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string json, again->explain_json());
    out += "\n== Physical Execution Plan ==\n" + json;
  }
  return StatementResult(text_listing(out));
}

// `names`: of operators, when they are unique.
Status Session::build_explained(Env& env, const std::vector<Prepared>& all, bool unique_names,
                                std::map<const Plan*, std::string>* names) {
  bool is_bounded = true;
  for (const Prepared& one : all) { is_bounded = is_bounded && one.plan->is_bounded; }
  BuildOptions options = ReadSettings{*this}.build(world_, is_bounded);
  options.unique_names = unique_names;
  JobBuilder builder(env, tables(), std::move(options));
  for (const Prepared& one : all) {
    if (one.sink != nullptr) {
      TIDEWHEEL_RETURN_IF_ERROR(builder.insert(*one.plan, *one.sink));
    } else {
      RunningQuery shown;
      const PlanRef plan = take_order(one.plan, shown);
      TIDEWHEEL_RETURN_IF_ERROR(builder.show(*plan, DiscardedResult()));
    }
    if (names == nullptr) { continue; }
    for_each_node(*one.plan, [&](const Plan& plan) {
      if (std::string name = builder.name_of(plan); !name.empty()) {
        (*names)[&plan] = std::move(name);
      }
    });
  }
  return ok_status();
}

Result<StatementResult> Session::analyze(const std::vector<Prepared>& all,
                                         const Explain& statement) {
  RunningInsert running;
  running.env = make_env("analyzed");
  // An operator by itself has times of its own.
  running.env->disable_chaining();
  std::map<const Plan*, std::string> names;
  TIDEWHEEL_RETURN_IF_ERROR(build_explained(*running.env, all, true, &names));
  std::vector<JobAnalysis::Part> parts;
  for (const Prepared& one : all) {
    parts.push_back({one.sink == nullptr ? "" : sink_line(*one.sink), one.plan});
  }
  running.analysis = std::make_shared<const JobAnalysis>(
      std::move(parts), std::move(names), has(statement, Explain::Detail::kJsonExecutionPlan));
  running.waits = true;
  TIDEWHEEL_ASSIGN_OR_RETURN(running.job, running.env->execute_async());
  return StatementResult(std::move(running));
}

}  // namespace tidewheel::sql
