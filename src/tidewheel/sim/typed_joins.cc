// Random joins of the typed API, and what they must give.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include "tidewheel/api/joined_stream.h"
#include "tidewheel/sim/typed_job.h"

namespace tidewheel::sim {
namespace {

Row pair_of(const Row& left, const Row& right) {
  return {left.origin * 1000 + right.origin, left.number * 100'000 + right.number, left.key,
          left.value + 7 * right.value, left.note + right.note};
}

int64_t floor_to(int64_t time, int64_t step) {
  const int64_t rest = time % step;
  return time - (rest < 0 ? rest + step : rest);
}

// Two flows to join; the same one twice when there is no other. False: there is none, or their rows
// may be late.
bool take_two(TypedJob& job, TypedFlow& left, TypedFlow& right) {
  left = job.take();
  right = job.has_flow() ? job.take() : left;
  if (left.timed && right.timed) { return true; }
  const bool same = left.stream.node_id() == right.stream.node_id();
  job.give_back(left);
  if (!same) { job.give_back(right); }
  return false;
}

// Gives both back when their join would have too many rows.
bool too_many(TypedJob& job, const TypedFlow& left, const TypedFlow& right, const Rows& pairs) {
  if (pairs.size() <= TypedJob::kRowsMax) { return false; }
  job.give_back(left);
  job.give_back(right);
  return true;
}

// Calls each(left, right) for pairs with one key, until it answers false.
template <class Each>
void for_pairs(const Rows& left, const Rows& right, Each each) {
  std::map<int64_t, std::vector<const TimedRow*>> by_key;
  for (const TimedRow& row : right) { by_key[row.row.key].push_back(&row); }
  for (const TimedRow& row : left) {
    for (const TimedRow* other : by_key[row.row.key]) {
      if (!each(row, *other)) { return; }
    }
  }
}

}  // namespace

void add_typed_interval_join(TypedJob& job) {
  TypedFlow left = job.take();
  TypedFlow right = left;
  job.give_back(left);
  if (!take_two(job, left, right)) { return; }
  const int64_t lower = one_of<int64_t>(job.random(), {-1000, -3, 0, 5});
  const int64_t upper = lower + one_of<int64_t>(job.random(), {0, 10, 2000});
  Rows pairs;
  for_pairs(left.rows, right.rows, [&](const TimedRow& a, const TimedRow& b) {
    const int64_t distance = b.time_ms - a.time_ms;
    if (distance >= lower && distance <= upper) {
      pairs.push_back({pair_of(a.row, b.row), std::max(a.time_ms, b.time_ms)});
    }
    return pairs.size() <= TypedJob::kRowsMax;
  });
  if (too_many(job, left, right, pairs)) { return; }
  const int32_t other = right.stream.node_id();
  left.stream =
      job.settle(left.stream.key_by(&Row::key).interval_join(
                     right.stream.key_by(&Row::key), Duration(lower), Duration(upper), pair_of),
                 job.draw_parallelism());
  left.rows = std::move(pairs);
  job.add(std::move(left), fmt::format("interval join with {}, {} to {} ms", other, lower, upper));
}

void add_typed_window_join(TypedJob& job) {
  TypedFlow left = job.take();
  TypedFlow right = left;
  job.give_back(left);
  if (!take_two(job, left, right)) { return; }
  const int64_t size = one_of<int64_t>(job.random(), {10, 1000, 60'000});
  Rows pairs;
  for_pairs(left.rows, right.rows, [&](const TimedRow& a, const TimedRow& b) {
    const int64_t start = floor_to(a.time_ms, size);
    if (floor_to(b.time_ms, size) == start) {
      pairs.push_back({pair_of(a.row, b.row), start + size - 1});
    }
    return pairs.size() <= TypedJob::kRowsMax;
  });
  if (too_many(job, left, right, pairs)) { return; }
  const int32_t other = right.stream.node_id();
  left.stream = job.settle(left.stream.key_by(&Row::key)
                               .join(right.stream.key_by(&Row::key))
                               .window(tumbling(Duration(size)))
                               .apply(pair_of),
                           job.draw_parallelism());
  left.rows = std::move(pairs);
  job.add(std::move(left), fmt::format("window join with {}, {} ms", other, size));
}

void add_typed_co_group(TypedJob& job) {
  TypedFlow left = job.take();
  TypedFlow right = left;
  job.give_back(left);
  if (!take_two(job, left, right)) { return; }
  const int64_t size = one_of<int64_t>(job.random(), {10, 1000, 60'000});
  std::map<std::pair<int64_t, int64_t>, std::pair<int64_t, int64_t>> counts;
  for (const TimedRow& row : left.rows) {
    ++counts[{floor_to(row.time_ms, size), row.row.key}].first;
  }
  for (const TimedRow& row : right.rows) {
    ++counts[{floor_to(row.time_ms, size), row.row.key}].second;
  }
  Rows made;
  for (const auto& [where, sides] : counts) {
    made.push_back(
        {{0, 0, where.second, sides.first * 10'000 + sides.second, ""}, where.first + size - 1});
  }
  const int32_t other = right.stream.node_id();
  left.stream = job.settle(left.stream.key_by(&Row::key)
                               .co_group(right.stream.key_by(&Row::key))
                               .window(tumbling(Duration(size)))
                               .apply<Row>([](const int64_t& key, std::span<const Row> a,
                                              std::span<const Row> b, auto& out) {
                                 const auto left_count = static_cast<int64_t>(a.size());
                                 const auto right_count = static_cast<int64_t>(b.size());
                                 out(Row{0, 0, key, left_count * 10'000 + right_count, ""});
                               }),
                           job.draw_parallelism());
  left.rows = std::move(made);
  job.add(std::move(left), fmt::format("co_group with {}, {} ms", other, size));
}

}  // namespace tidewheel::sim
