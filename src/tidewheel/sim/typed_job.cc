#include "tidewheel/sim/typed_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

#include "tidewheel/api/keyed.h"
#include "tidewheel/connectors/file/sink.h"
#include "tidewheel/state/snapshot.h"

namespace tidewheel::sim {
namespace {

// Plays a script: one of its splits is one split of the source.
struct ScriptSource {
  using output = Row;
  struct Split {
    int64_t index = 0;
    int64_t next = 0;
    int64_t resume_at_ms = INT64_MIN;  // of the pause before `next`; the minimum: it was not begun
  };

  std::shared_ptr<const Script> script;
  SplitAssignment how = SplitAssignment::kSpread;
  Clock* clock = nullptr;
  Random* random = nullptr;

  SplitAssignment assignment() const { return how; }
  Result<std::vector<Split>> discover(SplitContext&) {
    std::vector<Split> splits;
    for (size_t i = 0; i < script->splits.size(); ++i) {
      splits.push_back({static_cast<int64_t>(i)});
    }
    return splits;
  }
  Status open(SourceContext& context) {
    clock = &context.clock();
    random = &context.random();
    return {};
  }
  ReadResult read(Split& split, SourceOut<Row>& out) {
    const std::vector<ScriptStep>& steps = script->splits[static_cast<size_t>(split.index)];
    uint64_t count = 1 + random->below(std::max<uint64_t>(out.room(), 1));
    for (; count > 0 && split.next < static_cast<int64_t>(steps.size()); --count) {
      const ScriptStep& step = steps[static_cast<size_t>(split.next)];
      if (step.pause_ms > 0) {
        if (split.resume_at_ms == INT64_MIN) {
          split.resume_at_ms = clock->wall_ms() + step.pause_ms;
        }
        if (clock->wall_ms() <= split.resume_at_ms) {
          return ReadResult::wait_until(split.resume_at_ms);
        }
        split.resume_at_ms = INT64_MIN;
      }
      out.emit(step.row.row, step.row.time_ms);
      ++split.next;
    }
    return split.next < static_cast<int64_t>(steps.size()) ? ReadResult::more() : ReadResult::end();
  }
};

// For a run that is made smaller.
std::shared_ptr<const Script> shortened(const Script& script, const Rebuild& rebuild,
                                        int64_t source) {
  auto shorter = std::make_shared<Script>(script);
  for (auto& split : shorter->splits) {
    const auto most = static_cast<size_t>(source < rebuild.sources_max ? rebuild.rows_max : 0);
    if (split.size() > most) { split.resize(most); }
  }
  return shorter;
}

// Passes rows on as they are. Throws where the run says so, and sees to it that the runtime keeps
// its promises: barriers and watermarks go up, and a checkpoint is said to be complete when it is.
class Probe final : public OutputOperator<Row> {
 public:
  Probe(std::shared_ptr<Rebuild> rebuild, int64_t number, std::shared_ptr<const NodeLinks> links)
      : OutputOperator<Row>(std::move(links)),
        rebuild_(std::move(rebuild)),
        row_ns_(rebuild_->row_ns(number)) {}

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const auto& in = RowBatch<Row>::of(*rows.batch);
    for (; cursor < rows.end; ++cursor) {
      if (!ready()) { return Progress::kBlocked; }
      rebuild_->spend_ns(row_ns_);
      if (rebuild_->dooms()) { throw std::runtime_error("row of doom"); }
      output().emit(in.row(cursor), in.timestamps()[cursor]);
    }
    return Progress::kDone;
  }
  Progress on_watermark(int64_t time_ms) override {
    if (!watermark_in_hand_ && time_ms <= watermark_) {
      report(fmt::format("watermark {} comes after {}", time_ms, watermark_));
    }
    watermark_ = time_ms;
    const Progress progress = Operator::on_watermark(time_ms);
    watermark_in_hand_ = progress == Progress::kBlocked;
    return progress;
  }
  void begin_snapshot(const SnapshotStart& start) override {
    if (start.checkpoint <= newest_) {
      report(fmt::format("barrier {} comes after {}", start.checkpoint, newest_));
    }
    newest_ = start.checkpoint;
  }
  void on_checkpoint_complete(int64_t checkpoint) override {
    if (rebuild_->ledger->can_be_lost(checkpoint)) {
      report(
          fmt::format("checkpoint {} is said to be complete before it is so on disk", checkpoint));
    }
    complete_ = std::max(complete_, checkpoint);
  }
  void on_checkpoint_aborted(int64_t checkpoint) override {
    if (checkpoint == complete_) {
      report(fmt::format("checkpoint {} is aborted after it was complete", checkpoint));
    }
  }

 private:
  void report(std::string what) {
    rebuild_->ledger->report(
        fmt::format("{} {}: {}", context().name(), context().subtask_index(), std::move(what)));
  }

  const std::shared_ptr<Rebuild> rebuild_;
  const int64_t row_ns_;
  int64_t watermark_ = kMinWatermark;
  bool watermark_in_hand_ = false;
  int64_t newest_ = 0;
  int64_t complete_ = 0;
};

}  // namespace

TypedJob::TypedJob(JobDraw draw)
    : draw_(std::move(draw)), random_(draw_.random), env_(draw_.world, draw_.config) {}
TypedJob::~TypedJob() = default;

Result<std::unique_ptr<JobHandle>> TypedJob::start() {
  const uint64_t sources = 1 + random_.below(3);
  for (uint64_t i = 0; i < sources; ++i) { flows_.push_back(make_source(400)); }
  const uint64_t steps = random_.below(8);
  for (uint64_t i = 0; i < steps; ++i) {
    // A step draws from a stream of its own, so that those after it are the same without it.
    const Random before = random_.fork();
    if (rebuild() == nullptr) {
      add_step();
    } else if (!rebuild()->without_steps.contains(static_cast<int64_t>(i))) {
      const Random after = std::exchange(random_, before);
      add_step();
      random_ = after;
    }
  }
  if (draw_.ending == Ending::kThrow && has_flow()) { add_typed_thrower(*this); }
  for (TypedFlow& flow : flows_) {
    const bool checks_order = rebuild() != nullptr && random_.chance(0.5);
    if (checks_order && flow.ordered && !rebuild()->at_least_once) { check_order(*this, flow); }
    add_end(flow);
  }
  if (rebuild() == nullptr) { return env_.execute_async("random job"); }
  TIDEWHEEL_ASSIGN_OR_RETURN(LogicalGraph graph, env_.graph()->finish("random job"));
  return LocalJobRunner(draw_.world).start(std::move(graph), env_.config(), rebuild()->start);
}

std::string TypedJob::check(bool complete) {
  if (!complete) { return {}; }
  for (const Check& check : checks_) {
    std::string difference = check();
    if (!difference.empty()) { return difference; }
  }
  return {};
}

TypedFlow TypedJob::take() {
  const size_t index = static_cast<size_t>(random_.below(flows_.size()));
  TypedFlow flow = flows_[index];
  if (!random_.chance(0.2)) { flows_.erase(flows_.begin() + static_cast<std::ptrdiff_t>(index)); }
  return flow;
}

void TypedJob::add(TypedFlow flow, std::string what) {
  flow.ordered = false;
  note(fmt::format("{} from {}: {} rows{}{}", flow.stream.node_id(), what, flow.rows.size(),
                   flow.timed ? "" : ", may be late", flow.times_known ? "" : ", times unknown"));
  flows_.push_back(std::move(flow));
}

// A row as a line, and back. What is no such line gives a row that no job has.
void append_line(std::string& out, const Row& row) {
  out += fmt::format("{},{},{},{},{}\n", row.origin, row.number, row.key, row.value, row.note);
}
Row row_of_line(std::string_view line) {
  Row row;
  for (int64_t* const field : {&row.origin, &row.number, &row.key, &row.value}) {
    const size_t comma = std::min(line.find(','), line.size());
    const Result<int64_t> number = parse_int(line.substr(0, comma));
    if (!number.ok() || comma == line.size()) { return {.note = "no row: " + std::string(line)}; }
    *field = *number;
    line.remove_prefix(comma + 1);
  }
  row.note = line;
  return row;
}

TypedJob::Kept TypedJob::keep_in_files(const Stream<Row>& stream, int32_t readers) {
  const std::string table = fmt::format("files-{}", next_table_++);
  file::WriteOptions options;
  options.part_bytes_max = one_of<int64_t>(random_, {50, 2'000, int64_t{1} << 20});
  options.roll_on_checkpoint = random_.chance(0.3);
  options.idle_time_max = Duration(one_of<int64_t>(random_, {0, 10, 60'000}));
  options.merge_parts = one_of<int32_t>(random_, {0, 0, 2, 4});
  with_probe(stream, readers)
      .to(file::write("/data/out/" + table, append_line, options))
      .name(table)
      .uid(table)
      .parallelism(readers);
  const auto rows = [table, read_files = rebuild()->read_files] {
    Rows rows_of_table;
    for (const std::string& file : read_files("/data/out/" + table)) {
      for (size_t begin = 0; begin < file.size();) {
        const size_t end = std::min(file.find('\n', begin), file.size());
        rows_of_table.push_back(
            {row_of_line(std::string_view(file).substr(begin, end - begin)), 0});
        begin = end + 1;
      }
    }
    return rows_of_table;
  };
  return {rows, false};
}

TypedJob::Kept TypedJob::keep(const Stream<Row>& stream, int32_t readers) {
  if (rebuild() != nullptr) {
    if (random_.chance(0.5) && rebuild()->writes_files) { return keep_in_files(stream, readers); }
    const std::string table = fmt::format("table-{}", next_table_++);
    const bool tidy = random_.chance(0.5);
    const Stream<Row> probed = with_probe(stream, readers);
    const SinkEnd end = tidy ? probed.to(TidyLedgerSink(rebuild()->ledger, table))
                             : probed.to(LedgerSink(rebuild()->ledger, table));
    end.name(table).uid(table).parallelism(readers);
    return {[table, client = rebuild()->ledger] { return client->ledger.committed(table); }};
  }
  const Collected<Row> collected = stream.collect().parallelism(readers);
  return {[collected] {
    const std::vector<Row> rows = collected.get();
    const std::vector<int64_t> times = collected.timestamps();
    Rows timed;
    for (size_t i = 0; i < rows.size(); ++i) { timed.push_back({rows[i], times[i]}); }
    return timed;
  }};
}

// An operator with state more in this life of the job, and perhaps not in the next.
Stream<Row> TypedJob::with_extra(const Stream<Row>& stream) {
  if (rebuild() == nullptr) { return stream; }
  const int64_t number = next_extra_++;
  const int32_t parallelism = draw_parallelism();
  if (!plan().chance(0.2)) { return stream; }
  return remembered(stream).uid(fmt::format("extra-{}", number)).parallelism(parallelism);
}

// An operator more that watches, as above.
Stream<Row> TypedJob::with_probe(Stream<Row> stream, int32_t parallelism) {
  if (rebuild() == nullptr) { return stream; }
  const int64_t number = next_probe_++;
  if (!plan().chance(0.5)) { return stream; }
  Stream<Row> probed =
      stream
          .transform<Row>(
              "probe",
              [rebuild = draw_.rebuild, number](std::shared_ptr<const NodeLinks> links) {
                return std::make_unique<Probe>(rebuild, number, std::move(links));
              })
          .uid(fmt::format("probe-{}", number))
          .parallelism(parallelism);
  return plan().chance(0.3) ? probed.disable_chaining() : probed;
}

void TypedJob::spread(TypedFlow& flow, int32_t readers) {
  const char* rule = "forward";
  switch (random_.below(9)) {
    case 0:
      flow.stream = flow.stream.rebalance();
      rule = "rebalance";
      break;
    case 1:
      flow.stream = flow.stream.rescale();
      rule = "rescale";
      break;
    case 2:
      flow.stream = flow.stream.shuffle();
      rule = "shuffle";
      break;
    case 3:
      flow.stream = flow.stream.global();
      rule = "global";
      break;
    case 4:
      flow.stream = flow.stream.partition_custom([](const Row& row, int32_t subtasks) {
        return static_cast<int32_t>(static_cast<uint64_t>(row.value) %
                                    static_cast<uint64_t>(subtasks));
      });
      rule = "custom";
      break;
    case 5: {
      if (flow.rows.size() * 4 > kRowsMax) { break; }
      // How many rows there are would depend on the parallelism.
      if (rebuild() != nullptr && !rebuild()->fixed_places) { break; }
      flow.stream = flow.stream.broadcast();
      const Rows once = flow.rows;
      for (int32_t i = 1; i < readers; ++i) {
        flow.rows.insert(flow.rows.end(), once.begin(), once.end());
      }
      rule = "broadcast";
      break;
    }
    default: break;
  }
  note(fmt::format("{} is spread by {} over {}", flow.stream.node_id(), rule, readers));
}

TypedFlow TypedJob::make_source(int64_t rows_max) {
  ScriptOptions options{.first_origin = next_origin_, .rows_max = rows_max};
  if (rebuild() != nullptr) {
    options.rows_max = std::min(rows_max, rebuild()->rows_drawn_max);
    options.paced = true;
    options.round_times = rebuild()->round_times;
    options.few_pauses = rebuild()->few_pauses;
  }
  std::shared_ptr<const Script> script = draw_script(random_, options);
  if (rebuild() != nullptr) { script = shortened(*script, *rebuild(), source_count_++); }
  next_origin_ += 10;
  ScriptSource source;
  source.script = script;
  source.how = random_.chance(0.7) ? SplitAssignment::kSpread : SplitAssignment::kOnRequest;
  auto strategy = bounded_lateness(Duration(script->disorder_ms));
  const bool per_record = random_.chance(0.3);
  if (per_record) { strategy = std::move(strategy).per_record(); }
  const int32_t parallelism = draw_parallelism();
  Stream<Row> stream = settle(env_.from("source", source, strategy), parallelism);
  TypedFlow flow{with_extra(with_probe(std::move(stream), parallelism)), script->all_rows()};
  flow.ordered = true;
  // Splits that come one after the other begin anew in time.
  flow.timed = source.how == SplitAssignment::kSpread;
  note(fmt::format("{} source, {} splits, {} rows, disorder {} ms{}{}", flow.stream.node_id(),
                   script->splits.size(), flow.rows.size(), script->disorder_ms,
                   per_record ? ", per record" : "", flow.timed ? "" : ", may be late"));
  return flow;
}

void TypedJob::add_step() {
  using Step = void (*)(TypedJob&);
  static constexpr Step kSteps[] = {
      add_typed_map,         add_typed_filter,        add_typed_flat_map,     add_typed_split,
      add_typed_union,       add_typed_running,       add_typed_grid_window,  add_typed_grid_window,
      add_typed_session,     add_typed_count_window,  add_typed_window_all,   add_typed_text_window,
      add_typed_late_window, add_typed_interval_join, add_typed_window_join,  add_typed_co_group,
      add_typed_timers,      add_typed_timers,        add_typed_hold,         add_typed_distinct,
      add_typed_connect,     add_typed_rules,         add_typed_count_at_end, add_typed_async,
  };
  if (!has_flow()) { return; }
  Step step = one_of(random_, kSteps);
  // What counts in members is counted anew after a failure.
  if (rebuild() != nullptr && step == add_typed_count_at_end) { step = add_typed_order; }
  step(*this);
}

void TypedJob::add_end(const TypedFlow& given) {
  TypedFlow flow = given;
  flow.stream = with_extra(flow.stream);
  const int32_t readers = draw_parallelism();
  spread(flow, readers);
  const bool at_least_once = rebuild() != nullptr && rebuild()->at_least_once;
  const bool of_source = given.ordered;
  add_check([kept = keep(flow.stream, readers), flow, at_least_once, of_source] {
    const bool with_times = flow.times_known && kept.with_times;
    const std::string difference = !at_least_once ? compare_rows(flow.rows, kept.rows(), with_times)
                                   : of_source && kept.with_times
                                       ? missing_rows(flow.rows, kept.rows())
                                       : std::string();
    return difference.empty() ? difference
                              : fmt::format("rows of {}: {}", flow.stream.node_id(), difference);
  });
}

// ---- Operators without keys

void add_typed_map(TypedJob& job) {
  TypedFlow flow = job.take();
  const int32_t readers = job.draw_parallelism();
  job.spread(flow, readers);
  flow.stream = job.settle(flow.stream.map([](const Row& row) {
    Row made = row;
    made.value = row.value * 3 + 1;
    return made;
  }),
                           readers);
  for (TimedRow& row : flow.rows) { row.row.value = row.row.value * 3 + 1; }
  job.add(std::move(flow), "map");
}

void add_typed_filter(TypedJob& job) {
  TypedFlow flow = job.take();
  const int32_t readers = job.draw_parallelism();
  job.spread(flow, readers);
  flow.stream =
      job.settle(flow.stream.filter([](const Row& row) { return row.number % 3 != 1; }), readers);
  std::erase_if(flow.rows, [](const TimedRow& row) { return row.row.number % 3 == 1; });
  job.add(std::move(flow), "filter");
}

void add_typed_flat_map(TypedJob& job) {
  TypedFlow flow = job.take();
  if (flow.rows.size() * 3 > TypedJob::kRowsMax) {
    job.give_back(std::move(flow));
    return;
  }
  const int32_t readers = job.draw_parallelism();
  job.spread(flow, readers);
  const auto copies = [](const Row& row) { return (row.number % 4 + 4) % 4; };
  flow.stream = job.settle(flow.stream.flat_map<Row>([copies](const Row& row, Out<Row>& out) {
    for (int64_t i = 0; i < copies(row); ++i) {
      Row made = row;
      made.value += i;
      out(std::move(made));
    }
  }),
                           readers);
  Rows made;
  for (const TimedRow& row : flow.rows) {
    for (int64_t i = 0; i < copies(row.row); ++i) {
      made.push_back(row);
      made.back().row.value += i;
    }
  }
  flow.rows = std::move(made);
  job.add(std::move(flow), "flat_map");
}

void add_typed_split(TypedJob& job) {
  TypedFlow flow = job.take();
  const int32_t readers = job.draw_parallelism();
  job.spread(flow, readers);
  const OutputTag<Row> odd{"odd"};
  flow.stream = job.settle(flow.stream.flat_map<Row>([odd](const Row& row, Out<Row>& out) {
    if (row.value % 2 == 0) {
      out(row);
    } else {
      out.side(odd, row);
    }
  }),
                           readers);
  TypedFlow side = flow;
  side.stream = flow.stream.side(odd);
  std::erase_if(flow.rows, [](const TimedRow& row) { return row.row.value % 2 != 0; });
  std::erase_if(side.rows, [](const TimedRow& row) { return row.row.value % 2 == 0; });
  job.add(std::move(flow), "split");
  job.add(std::move(side), "split, side output");
}

void add_typed_union(TypedJob& job) {
  TypedFlow first = job.take();
  if (!job.has_flow()) {
    job.give_back(std::move(first));
    return;
  }
  TypedFlow second = job.take();
  if (first.rows.size() + second.rows.size() > TypedJob::kRowsMax) {
    job.give_back(std::move(first));
    job.give_back(std::move(second));
    return;
  }
  const int32_t readers = job.draw_parallelism();
  job.spread(first, readers);
  job.spread(second, readers);
  first.rows.insert(first.rows.end(), second.rows.begin(), second.rows.end());
  first.timed = first.timed && second.timed;
  first.times_known = first.times_known && second.times_known;
  const int32_t other = second.stream.node_id();
  first.stream = job.settle(
      first.stream.union_with(second.stream).map([](const Row& row) { return row; }), readers);
  job.add(std::move(first), fmt::format("union with {}", other));
}

void add_typed_thrower(TypedJob& job) {
  TypedFlow flow = job.take();
  const int64_t fatal = static_cast<int64_t>(job.random().below(50));
  flow.stream = job.settle(flow.stream
                               .map([fatal](const Row& row) {
                                 if (row.number >= fatal) {
                                   throw std::runtime_error("row of doom");
                                 }
                                 return row;
                               })
                               .name("thrower"),
                           job.draw_parallelism());
  job.add(std::move(flow), "thrower");
}

// ---- By key

// (key, 1), (key, 2), ... for each key; which row comes when is not known.
void add_typed_running(TypedJob& job) {
  TypedFlow flow = job.take();
  std::map<int64_t, int64_t> counts;
  Rows made;
  for (const TimedRow& row : flow.rows) {
    Row result;
    result.key = row.row.key;
    result.value = ++counts[row.row.key];
    made.push_back({result, 0});
  }
  auto running = job.settle(
      flow.stream.key_by(&Row::key).running(int64_t{0}, [](int64_t& n, const Row&) { ++n; }),
      job.draw_parallelism());
  flow.stream = job.settle(running.map([](const std::pair<int64_t, int64_t>& pair) {
    Row row;
    row.key = pair.first;
    row.value = pair.second;
    return row;
  }),
                           job.draw_parallelism());
  flow.rows = std::move(made);
  flow.timed = false;
  flow.times_known = false;
  job.add(std::move(flow), "running count");
}

std::unique_ptr<RandomJob> make_typed_job(JobDraw draw) {
  return std::make_unique<TypedJob>(std::move(draw));
}

}  // namespace tidewheel::sim
