#include "tidewheel/sim_cluster/counting_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "tidewheel/api/env.h"
#include "tidewheel/api/keyed.h"
#include "tidewheel/api/stream.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/options.h"

namespace tidewheel {
namespace {

struct PacedNumbers {
  using output = int64_t;
  struct Split {
    int64_t next = 0;
    int64_t end = 0;
  };
  CountingJob job;
  Clock* clock = nullptr;  // of a reader

  Result<std::vector<Split>> discover(SplitContext&) {
    return std::vector<Split>{{0, job.rows / 2}, {job.rows / 2, job.rows}};
  }
  Status open(SourceContext& context) {
    clock = &context.clock();
    return ok_status();
  }
  ReadResult read(Split& split, SourceOut<int64_t>& out) {
    for (int64_t i = 0; i < job.burst && split.next < split.end; ++i) { out.emit(split.next++); }
    if (split.next >= split.end) { return ReadResult::end(); }
    return ReadResult::wait_until(clock->wall_ms() + job.pause_ms);
  }
};

class OwnTableSink {
 public:
  using input = sim::Row;
  using Pending = sim::LedgerSinkBase::Pending;

  OwnTableSink(std::shared_ptr<sim::LedgerClient> client, const std::string& table,
               std::function<void(int32_t subtask)> commit_work)
      : client_(client),
        table_(table),
        sink_(std::move(client), table),
        commit_work_(std::move(commit_work)) {}

  Status open(SinkContext& context) {
    subtask_ = context.subtask_index();
    return sink_.open(context);
  }
  Status write_rows(std::span<const sim::Row> rows, std::span<const int64_t> times_ms) {
    return sink_.write_rows(rows, times_ms);
  }
  Result<std::vector<Pending>> prepare(int64_t checkpoint) { return sink_.prepare(checkpoint); }
  Status commit(const Pending& pending) {
    if (!is_own(pending)) { return {}; }
    commit_work_(subtask_);
    return sink_.commit(pending);
  }
  Status abort(const Pending& pending) { return is_own(pending) ? sink_.abort(pending) : Status(); }
  Status recover(const SinkRecovery<Pending>& recovery) { return sink_.recover(recovery); }
  Status close(bool finished) { return sink_.close(finished); }

 private:
  bool is_own(const Pending& pending) const {
    return client_->ledger.transaction(pending.id).table == table_;
  }

  std::shared_ptr<sim::LedgerClient> client_;
  std::string table_;
  sim::TidyLedgerSink sink_;
  std::function<void(int32_t subtask)> commit_work_;
  int32_t subtask_ = 0;
};

// What has come of one digit, and the count that the last of it had.
struct Recount {
  int64_t rows = 0;
  int64_t counted = 0;
};

}  // namespace

Result<LogicalGraph> counting_graph(World& world, const Config& config, const CountingJob& job,
                                    std::shared_ptr<sim::LedgerClient> ledger) {
  const std::string table = config.get(options::kPipelineName);
  Env env(world, config);
  env.from("numbers", PacedNumbers{.job = job})
      .uid("numbers")
      .key_by([](int64_t number) { return number % kCountedDigits; })
      .running(int64_t{0}, [](int64_t& n, int64_t) { ++n; })
      .uid("counts")
      .map([](const std::pair<int64_t, int64_t>& counted) {
        return sim::Row{.origin = counted.first, .number = counted.second, .note = ""};
      })
      .uid("rows")
      .to(OwnTableSink(std::move(ledger), table, job.commit_work))
      .uid("ledger");
  return env.graph()->finish(table);
}

Result<LogicalGraph> staged_counting_graph(World& world, const Config& config,
                                           const CountingJob& job,
                                           std::shared_ptr<sim::LedgerClient> ledger) {
  using Counted = std::pair<int64_t, int64_t>;
  const std::string table = config.get(options::kPipelineName);
  Env env(world, config);
  env.from("numbers", PacedNumbers{.job = job})
      .uid("numbers")
      .rebalance()
      .map([work = job.work](int64_t number) {
        work();
        return number;
      })
      .uid("spread")
      .key_by([](int64_t number) { return number % kCountedDigits; })
      .running(int64_t{0},
               [work = job.work](int64_t& n, int64_t) {
                 work();
                 ++n;
               })
      .uid("counts")
      .key_by([](const Counted& counted) { return counted.first; })
      .running(Recount{},
               [work = job.work](Recount& again, const Counted& counted) {
                 work();
                 ++again.rows;
                 again.counted = counted.second;
               })
      .uid("recounts")
      .map([](const std::pair<int64_t, Recount>& again) {
        return sim::Row{.origin = again.first,
                        .number = again.second.rows,
                        .value = again.second.counted,
                        .note = ""};
      })
      .uid("rows")
      .to(OwnTableSink(std::move(ledger), table, job.commit_work))
      .uid("ledger");
  return env.graph()->finish(table);
}

std::string check_staged(const sim::Ledger& ledger, const std::string& table,
                         const CountingJob& job, bool is_whole) {
  std::vector<std::set<int64_t>> counts(kCountedDigits);  // by digit
  for (const sim::TimedRow& row : ledger.committed(table)) {
    const int64_t digit = row.row.origin;
    const int64_t count = row.row.number;
    if (count != row.row.value) {
      return fmt::format("'{}': the count {} of digit {} has come as number {}", table,
                         row.row.value, digit, count);
    }
    if (!counts[static_cast<size_t>(digit)].insert(count).second) {
      return fmt::format("'{}': the count {} of digit {} is there twice", table, count, digit);
    }
  }
  for (size_t digit = 0; digit < counts.size(); ++digit) {
    const std::set<int64_t>& of_digit = counts[digit];
    if (of_digit.empty() && !is_whole) { continue; }
    const int64_t rows = count_of(job, static_cast<int64_t>(digit));
    // Each of the numbers from 1 to the last is there when there are so many.
    if (static_cast<int64_t>(of_digit.size()) == rows && *of_digit.begin() == 1 &&
        *of_digit.rbegin() == rows) {
      continue;
    }
    return fmt::format("'{}': {} counts of digit {} of {}", table, of_digit.size(), digit, rows);
  }
  return {};
}

CountedRanges read_counts(const sim::Ledger& ledger, const std::string& table,
                          std::string& failure) {
  std::vector<std::vector<int64_t>> counts(kCountedDigits);
  for (const sim::TimedRow& row : ledger.committed(table)) {
    counts[static_cast<size_t>(row.row.origin)].push_back(row.row.number);
  }
  CountedRanges ranges(kCountedDigits);
  for (size_t digit = 0; digit < counts.size(); ++digit) {
    std::vector<int64_t>& of_digit = counts[digit];
    if (of_digit.empty()) { continue; }
    std::sort(of_digit.begin(), of_digit.end());
    ranges[digit] = {of_digit.front(), of_digit.back()};
    for (size_t i = 1; i < of_digit.size() && failure.empty(); ++i) {
      if (of_digit[i] == of_digit[i - 1] + 1) { continue; }
      failure = of_digit[i] == of_digit[i - 1]
                    ? fmt::format("'{}': the count {} of digit {} is there twice", table,
                                  of_digit[i], digit)
                    : fmt::format("'{}': counts {} to {} of digit {} are missing", table,
                                  of_digit[i - 1] + 1, of_digit[i] - 1, digit);
    }
  }
  return ranges;
}

int64_t count_of(const CountingJob& job, int64_t digit) {
  return job.rows / kCountedDigits + (digit < job.rows % kCountedDigits ? 1 : 0);
}

std::string check_begin(const CountedRanges& ranges) {
  for (size_t digit = 0; digit < ranges.size(); ++digit) {
    if (ranges[digit].first != 1) {
      return fmt::format("the counts of digit {} begin with {}", digit, ranges[digit].first);
    }
  }
  return {};
}

std::string check_end(const CountedRanges& ranges, const CountingJob& job) {
  for (size_t digit = 0; digit < ranges.size(); ++digit) {
    const int64_t last = count_of(job, static_cast<int64_t>(digit));
    if (ranges[digit].last != last) {
      return fmt::format("the counts of digit {} end with {}, not {}", digit, ranges[digit].last,
                         last);
    }
  }
  return {};
}

CountedRanges join(const CountedRanges& before, const CountedRanges& next, std::string& failure) {
  CountedRanges joined = before;
  for (size_t digit = 0; digit < before.size(); ++digit) {
    if (next[digit].last < next[digit].first) { continue; }
    joined[digit].last = next[digit].last;
    if (next[digit].first != before[digit].last + 1 && failure.empty()) {
      failure = fmt::format("the counts of digit {} go to {}, and on from {}", digit,
                            before[digit].last, next[digit].first);
    }
  }
  return joined;
}

}  // namespace tidewheel
