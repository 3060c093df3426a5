// The environment of a job: what its author starts from.
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/api/job_args.h"
#include "tidewheel/api/stream.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/options.h"
#include "tidewheel/dataflow/local_job.h"
#include "tidewheel/operators/source_operator.h"

namespace tidewheel {

class Table;  // sql/table.h
class World;  // base/world.h

enum class Guarantee : uint8_t { exactly_once, at_least_once };

// What stays of a job's checkpoints when it ends without having finished.
enum class Retention : uint8_t {
  none,
  on_failure,       // the newest ones, after a failure
  on_cancellation,  // also after a cancellation
};

// `env.checkpoints({.every = 10s, .directory = "/var/checkpoints"})`. What is left out keeps what
// the configuration says.
struct CheckpointOptions {
  Duration every{0};
  std::string directory = {};
  std::optional<Guarantee> mode = {};
  std::optional<Duration> timeout = {};    // a checkpoint that takes longer is given up
  std::optional<Duration> min_pause = {};  // from the end of one to the beginning of the next
  std::optional<int32_t> max_concurrent = {};
  std::optional<int32_t> tolerable_failures = {};  // in a row, before the job fails
  std::optional<bool> unaligned = {};              // barriers overtake rows
  std::optional<Duration> aligned_for = {};  // with `unaligned`: barriers overtake after this time
  std::optional<bool> incremental = {};
  std::optional<Retention> retention = {};
  std::optional<int32_t> retained = {};  // complete checkpoints that are kept
};

// `env.view("clicks", clicks, {.rowtime = "at"})`.
struct ViewOptions {
  // The column by which rows go through event time: a Timestamp of theirs, or one more column,
  // which then has the times that the stream gave its rows. Empty: none is.
  std::string rowtime = {};
  // One more column: the time at which it is read.
  std::string proctime = {};
};

// What is left of a job that has ended.
struct JobResult {
  std::string job_name;
  JobState state = JobState::kFinished;
  int64_t runtime_ns = 0;
  std::map<std::string, int64_t> accumulators;
  CheckpointStatistics checkpoints;
  int64_t restarts = 0;
};

// Runs a job's graph instead of this process, to its end: on a cluster.
using JobRunner = std::function<Status(LogicalGraph graph, const Config& config)>;

// A job while it is put together. One thread. Streams keep its graph alive, not the environment
// itself.
class Env {
 public:
  // With the real world of this process.
  Env();
  explicit Env(Config config, JobArgs args = {});
  // In somebody else's world, which outlives the environment and its jobs.
  Env(World& world, Config config, JobArgs args = {});
  ~Env();
  Env(const Env&) = delete;
  Env& operator=(const Env&) = delete;

  const JobArgs& args() const { return args_; }
  Config& config() { return config_; }
  World& world() { return *world_; }

  // ---- Settings of the whole job ----
  Env& name(std::string name);
  Env& parallelism(int32_t count);
  Env& max_parallelism(int32_t count);
  Env& buffer_timeout(Duration timeout);
  Env& batch_rows(int64_t rows);
  Env& disable_chaining();
  // Takes checkpoints. What the command line or the configuration say goes before.
  Env& checkpoints(const CheckpointOptions& settings);
  int32_t parallelism() const { return static_cast<int32_t>(config_.get(options::kParallelism)); }

  // Has the job go on from its newest complete checkpoint in the folder of checkpoints, when there
  // is one.
  Env& resume(bool resumes = true);
  // What the job is called when nothing else gives it a name.
  Env& default_name(std::string name);

  // ---- Sources ----

  // A stream of what a source gives (operators/source.h).
  template <Source S>
  Stream<typename S::output> from(std::string name, S source) {
    using T = typename S::output;
    const auto replacement = graph_->replacements().template find_source<T>(name);
    if (!replacement.ok()) { graph_->fail(replacement.status()); }
    if (replacement.ok() && *replacement != nullptr) { return (**replacement)(*this, name); }
    return add_source(std::move(name), std::move(source));
  }
  // The same for a source that no test replaces.
  template <Source S>
  Stream<typename S::output> add_source(std::string name, S source);
  // The same with a watermark strategy for rows that come with their time.
  template <Source S, WatermarkStrategy W>
  Stream<typename S::output> from(std::string name, S source, W strategy) {
    return from(std::move(name), std::move(source)).event_time(std::move(strategy));
  }
  // Given rows; defined in tidewheel.h, like those below.
  template <class T>
  Stream<T> from_elements(std::initializer_list<T> rows);
  template <class T>
  Stream<T> from_collection(std::vector<T> rows);
  // The numbers from `first` to `last`, both included.
  Stream<int64_t> sequence(int64_t first, int64_t last);
  // Rows made by `f(int64_t index)`; for ever when no count is given.
  template <class F, class Options>
  auto generate(F function, Options options);
  template <class F>
  auto generate(F function);

  // ---- SQL ----
  // Calls of these link SQL and all connectors into the program; they are defined in
  // tables/env_sql.h, which tidewheel.h includes. Mistakes are reported when the job is run, with
  // the place of the call.

  // One statement, or several with `;` between them. A query gives its table, to be read by
  // `.as<T>()`; INSERTs become parts of this job; CREATE, SET and the like hold for what follows.
  Table sql(std::string_view text, std::source_location where = std::source_location::current());
  // A table or view by its name.
  Table table(std::string_view name, std::source_location where = std::source_location::current());
  // Has SQL see a stream as a table: the fields of its rows are the columns. A stream of
  // tw::Change<T> is a table that is updated.
  template <class T>
  void view(const std::string& name, const Stream<T>& stream, const ViewOptions& options = {},
            std::source_location where = std::source_location::current());

  // ---- Running ----

  // Runs the job to its end. Errors: mistakes in the job (graph, settings), the failure that ended
  // it, kJobCancelled.
  Result<JobResult> execute(std::string_view name = {});
  // Starts the job and returns. The handle cancels it when it is destroyed before the end.
  Result<std::unique_ptr<JobHandle>> execute_async(std::string_view name = {});
  // The plan, as text or JSON, without running.
  Result<std::string> explain();
  Result<std::string> explain_json();

  // From now on `execute` and `execute_async` have the job run by it. They return when it has
  // ended: kJobFinished, or the failure that ended it. The program is to end then.
  void run_with(JobRunner runner) { runner_ = std::move(runner); }

  bool is_empty() const { return graph_->is_empty(); }
  bool was_executed() const { return was_executed_; }
  // Called with every handle that `execute` waits for; so that somebody else can stop the job.
  void on_execute(std::function<void(JobHandle*)> hook) { on_execute_ = std::move(hook); }
  // Called with every job that `execute` has run, when it has ended, however that was.
  void on_end(std::function<void(const JobHandle&)> hook) { on_end_ = std::move(hook); }
  const std::shared_ptr<JobGraph>& graph() const { return graph_; }
  // The job's SQL, made when it is first asked for.
  std::shared_ptr<void>& sql_state() { return sql_state_; }

 private:
  Result<LogicalGraph> finish_graph(std::string_view name);

  std::unique_ptr<World> own_world_;
  World* world_;
  Config config_;
  JobArgs args_;
  std::shared_ptr<JobGraph> graph_ = std::make_shared<JobGraph>();
  std::shared_ptr<void> sql_state_;
  JobRunner runner_;
  std::function<void(JobHandle*)> on_execute_;
  std::function<void(const JobHandle&)> on_end_;
  std::string default_name_ = "tidewheel job";
  bool resumes_ = false;
  bool was_executed_ = false;
};

template <Source S>
Stream<typename S::output> Env::add_source(std::string name, S source) {
  using T = typename S::output;
  check_record<T>();
  check_record<typename S::Split>();
  auto event_time = std::make_shared<SourceEventTime<T>>();
  GraphNode node;
  node.name = name;
  node.is_source = true;
  node.stateful = true;
  if constexpr (requires { S::fixed_parallelism; }) {
    node.fixed_parallelism = S::fixed_parallelism;
  }
  // The graph owns the nodes, so they hold it weakly.
  const std::weak_ptr<JobGraph> graph = graph_;
  auto source_id = std::make_shared<int32_t>(-1);
  node.make_coordinator = [source, name, event_time, graph,
                           source_id]() -> Result<std::unique_ptr<OperatorCoordinator>> {
    EnumeratorOptions options{.name = name, .source_id = *source_id};
    if (event_time->clock != nullptr && !event_time->clock->options().alignment_group.empty()) {
      const WatermarkOptions& watermarks = event_time->clock->options();
      if (const auto owner = graph.lock()) {
        options.alignment = owner->alignment_group(watermarks.alignment_group);
      }
      options.alignment_drift_ms = watermarks.alignment_drift_ms;
    }
    return make_enumerator(source, std::move(options));
  };
  *source_id = graph_->add_node(
      std::move(node),
      [source = std::move(source),
       event_time](const std::shared_ptr<const NodeLinks>&) -> Result<std::unique_ptr<Operator>> {
        auto clock = event_time->clock == nullptr ? nullptr : event_time->clock->clone();
        return std::make_unique<SourceReader<S>>(source, std::move(clock));
      });
  return Stream<T>(graph_, {{.node = *source_id}}, std::move(event_time));
}

}  // namespace tidewheel
