// Random process functions, broadcasts and asynchronous calls of the typed API, and their results.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "tidewheel/api/async_stream.h"
#include "tidewheel/api/connected.h"
#include "tidewheel/base/fault.h"
#include "tidewheel/sim/typed_job.h"

namespace tidewheel::sim {
namespace {

int64_t floor_to(int64_t time, int64_t step) {
  const int64_t rest = time % step;
  return time - (rest < 0 ? rest + step : rest);
}

Row pair_of(const Row& left, const Row& right) {
  return {left.origin * 1000 + right.origin, left.number * 100'000 + right.number, left.key,
          left.value + 7 * right.value, left.note + right.note};
}

// Sums up to timers on a grid: windows by hand, with a map and unnamed event timers.
struct SumsByTimer {
  using output = Row;
  int64_t step = 1000;
  int64_t offset = 0;
  Map<int64_t, int64_t> sums{"sums"};

  static int64_t end_of(int64_t time, int64_t step, int64_t offset) {
    return floor_to(time - offset, step) + offset + step;
  }
  void on_element(const Row& row, auto& ctx) {
    const int64_t end = end_of(ctx.timestamp().ms(), step, offset);
    sums.update(end, [&](int64_t& sum) { sum += row.value; });
    ctx.timers().at(Timestamp(end));
  }
  void on_timer(Timestamp when, auto& ctx) {
    const int64_t* const sum = sums.find(when.ms());
    // A timer without a sum would be one that fired twice; the row shows it.
    Row row;
    row.key = ctx.key();
    row.value = sum == nullptr ? -1 : *sum;
    row.number = when.ms();
    ctx.emit(std::move(row));
    sums.erase(when.ms());
  }
};

// Keeps rows until a timer of the clock, or the end of time, lets them go.
struct Hold {
  using output = Row;
  int64_t hold_ms = 10;
  List<Row> held{"held"};

  void on_element(const Row& row, auto& ctx) {
    held.add(row);
    ctx.timers().proc_at(ctx.now() + Duration(row.number % (hold_ms + 1)));
    ctx.timers().at(Timestamp::max());
  }
  void on_timer(Timestamp, auto& ctx) {
    if (ctx.time_domain() == TimeDomain::kProcessing) { TIDEWHEEL_MARK("sim.clock_timer_fired"); }
    for (const Row& row : held.items()) { ctx.emit(row, Timestamp(0)); }
    held.clear();
  }
};

// One row for each value of a key.
struct Distinct {
  using output = Row;
  Value<bool> seen{"seen"};
  void on_element(const Row& row, auto& ctx) {
    if (seen) { return; }
    seen = true;
    Row made;
    made.value = row.value;
    ctx.emit(std::move(made));
  }
};

// All pairs of the rows of two streams with one key.
struct AllPairs {
  using output = Row;
  List<Row> left{"left"};
  List<Row> right{"right"};
  void on_left(const Row& row, auto& ctx) {
    for (const Row& other : right.items()) { ctx.emit(pair_of(row, other)); }
    left.add(row);
  }
  void on_right(const Row& row, auto& ctx) {
    for (const Row& other : left.items()) { ctx.emit(pair_of(other, row)); }
    right.add(row);
  }
};

// All pairs of rows with broadcast ones, whichever comes first.
struct ApplyRules {
  using output = Row;
  List<Row> rows{"rows"};
  Broadcast<std::pair<int64_t, int64_t>, Row> rules{"rules"};
  void on_element(const Row& row, auto& ctx) {
    for (auto [id, rule] : rules.entries()) { ctx.emit(pair_of(row, rule)); }
    rows.add(row);
  }
  void on_broadcast(const Row& rule, auto& ctx) {
    rules.edit(ctx).put({rule.origin, rule.number}, rule);
    ctx.for_each_key([&](const int64_t&) {
      for (const Row& row : rows.items()) { ctx.emit(pair_of(row, rule)); }
    });
  }
};

// Each row once, and those of one origin in the order of their numbers; else the row says so.
struct InOrder {
  using output = Row;
  Map<int64_t, int64_t> newest{"newest"};
  void on_element(const Row& row, auto& ctx) {
    Row made = row;
    const int64_t* const before = newest.find(row.origin);
    if (before != nullptr && *before >= row.number) {
      made.note = fmt::format("comes after number {}", *before);
    }
    newest.update(row.origin, [&](int64_t& number) { number = row.number; });
    ctx.emit(std::move(made));
  }
};

// Passes rows on, and remembers how many a key has had: an operator with state that the job's
// result does not need.
struct Remember {
  using output = Row;
  Value<int64_t> rows{"rows"};
  void on_element(const Row& row, auto& ctx) {
    rows = rows.get_or(0) + 1;
    ctx.emit(row);
  }
};

// How many rows each subtask has had, at the end.
struct CountAtEnd {
  using output = int64_t;
  int64_t rows = 0;
  void on_element(const Row&, auto&) { ++rows; }
  void on_end(auto& ctx) { ctx.emit(rows); }
};

}  // namespace

void add_typed_timers(TypedJob& job) {
  TypedFlow flow = job.take();
  if (!flow.timed) {
    job.give_back(std::move(flow));
    return;
  }
  const int64_t step = one_of<int64_t>(job.random(), {1, 100, 1000, 60'000});
  // With -1 timers are due just at a watermark when the times of rows are round.
  const int64_t offset = one_of<int64_t>(job.random(), {0, -1});
  std::map<std::pair<int64_t, int64_t>, int64_t> sums;
  for (const TimedRow& row : flow.rows) {
    sums[{row.row.key, SumsByTimer::end_of(row.time_ms, step, offset)}] += row.row.value;
  }
  flow.rows.clear();
  for (const auto& [where, sum] : sums) {
    flow.rows.push_back({{0, where.second, where.first, sum, ""}, where.second});
  }
  flow.stream =
      job.settle(flow.stream.key_by(&Row::key).process(SumsByTimer{.step = step, .offset = offset}),
                 job.draw_parallelism());
  job.add(std::move(flow), fmt::format("timers each {} ms", step));
}

void add_typed_hold(TypedJob& job) {
  TypedFlow flow = job.take();
  const int64_t hold_ms = one_of<int64_t>(job.random(), {0, 10, 1000});
  flow.stream = job.settle(flow.stream.key_by(&Row::key).process(Hold{.hold_ms = hold_ms}),
                           job.draw_parallelism());
  flow.timed = false;
  flow.times_known = false;
  job.add(std::move(flow), fmt::format("hold up to {} ms", hold_ms));
}

void add_typed_distinct(TypedJob& job) {
  TypedFlow flow = job.take();
  std::set<int64_t> values;
  for (const TimedRow& row : flow.rows) { values.insert(row.row.value); }
  flow.rows.clear();
  for (const int64_t value : values) { flow.rows.push_back({{0, 0, 0, value, ""}, 0}); }
  flow.stream =
      job.settle(flow.stream.key_by(&Row::value).process(Distinct{}), job.draw_parallelism());
  flow.timed = false;
  flow.times_known = false;
  job.add(std::move(flow), "distinct");
}

void add_typed_connect(TypedJob& job) {
  TypedFlow left = job.take();
  if (!job.has_flow()) {
    job.give_back(std::move(left));
    return;
  }
  TypedFlow right = job.take();
  std::map<int64_t, std::vector<const Row*>> by_key;
  for (const TimedRow& row : right.rows) { by_key[row.row.key].push_back(&row.row); }
  Rows pairs;
  for (const TimedRow& row : left.rows) {
    for (const Row* other : by_key[row.row.key]) { pairs.push_back({pair_of(row.row, *other), 0}); }
    if (pairs.size() > TypedJob::kRowsMax) { break; }
  }
  if (pairs.size() > TypedJob::kRowsMax) {
    job.give_back(std::move(left));
    job.give_back(std::move(right));
    return;
  }
  const int32_t other = right.stream.node_id();
  left.stream = job.settle(
      left.stream.key_by(&Row::key).connect(right.stream.key_by(&Row::key)).process(AllPairs{}),
      job.draw_parallelism());
  left.rows = std::move(pairs);
  left.timed = false;
  left.times_known = false;
  job.add(std::move(left), fmt::format("connected with {}", other));
}

void add_typed_rules(TypedJob& job) {
  TypedFlow flow = job.take();
  const TypedFlow rules = job.make_source(8);
  if (flow.rows.size() * rules.rows.size() > TypedJob::kRowsMax) {
    job.give_back(std::move(flow));
    job.give_back(rules);
    return;
  }
  Rows pairs;
  for (const TimedRow& row : flow.rows) {
    for (const TimedRow& rule : rules.rows) { pairs.push_back({pair_of(row.row, rule.row), 0}); }
  }
  const int32_t other = rules.stream.node_id();
  flow.stream = job.settle(
      flow.stream.key_by(&Row::key).connect(rules.stream.broadcast()).process(ApplyRules{}),
      job.draw_parallelism());
  flow.rows = std::move(pairs);
  flow.timed = false;
  flow.times_known = false;
  job.add(std::move(flow), fmt::format("with broadcast {}", other));
}

void add_typed_count_at_end(TypedJob& job) {
  TypedFlow flow = job.take();
  const int32_t readers = job.draw_parallelism();
  job.spread(flow, readers);
  const auto counts = job.settle(flow.stream.process(CountAtEnd{}), readers)
                          .collect()
                          .parallelism(job.draw_parallelism());
  job.add_check([counts, all = flow.rows.size()]() -> std::string {
    int64_t sum = 0;
    for (const int64_t count : counts.get()) { sum += count; }
    return sum == static_cast<int64_t>(all)
               ? std::string()
               : fmt::format("{} rows were counted at the end, of {}", sum, all);
  });
}

void add_typed_async(TypedJob& job) {
  TypedFlow flow = job.take();
  const int32_t readers = job.draw_parallelism();
  job.spread(flow, readers);
  AsyncOptions options;
  options.capacity = one_of<int32_t>(job.random(), {1, 2, 50});
  options.ordered = job.random().chance(0.5);
  flow.stream = job.settle(flow.stream.async_map(
                               [](Row row) -> Async<Row> {
                                 if (row.number % 3 == 0) {
                                   co_await sleep(Duration(row.number % 7));
                                 }
                                 row.value =
                                     co_await offload([value = row.value] { return value + 5; });
                                 co_return row;
                               },
                               options),
                           readers);
  for (TimedRow& row : flow.rows) { row.row.value += 5; }
  job.add(std::move(flow), fmt::format("async_map, {} at once{}", options.capacity,
                                       options.ordered ? ", ordered" : ""));
}

void add_typed_order(TypedJob& job) {
  TypedFlow flow = job.take();
  if (!flow.ordered) {
    job.give_back(std::move(flow));
    return;
  }
  check_order(job, flow);
  job.add(std::move(flow), "in order");
}

void check_order(TypedJob& job, TypedFlow& flow) {
  flow.stream =
      job.settle(flow.stream.key_by(&Row::key).process(InOrder{}), job.draw_parallelism());
}

Stream<Row> remembered(const Stream<Row>& stream) {
  return stream.key_by(&Row::key).process(Remember{});
}

}  // namespace tidewheel::sim
