// The job of simulated clusters: numbers, counted by their last digit, into a ledger; and what the
// ledger has to look like.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/dataflow/graph.h"
#include "tidewheel/sim/ledger.h"

namespace tidewheel {

class Config;  // base/config.h
class World;   // base/world.h

// The numbers below `rows`, read in two halves, `burst` at a time and then a pause.
struct CountingJob {
  int64_t rows = 10'000;
  int64_t burst = 20;
  int64_t pause_ms = 10;
  // For a job that runs stage by stage: called for each row in every stage but the first, which
  // takes its time anyway.
  std::function<void()> work = nullptr;
  // The same, for each commit of a subtask: commits are to have their share of the faults.
  std::function<void(int32_t subtask)> commit_work = [](int32_t) {};
};
inline constexpr int64_t kCountedDigits = 10;

// The table is the job's name (pipeline.name). A job that goes on from another one's savepoint has
// a table of its own, and leaves the other's transactions alone: they are for that one to commit.
Result<LogicalGraph> counting_graph(World& world, const Config& config, const CountingJob& job,
                                    std::shared_ptr<sim::LedgerClient> ledger);

// The same in four stages: the numbers are spread, counted, and what was counted is counted again.
// A row has both counts: `number` and `value`.
Result<LogicalGraph> staged_counting_graph(World& world, const Config& config,
                                           const CountingJob& job,
                                           std::shared_ptr<sim::LedgerClient> ledger);
// What is wrong with the table of such a job. Of a digit all rows are there, once each, or none.
std::string check_staged(const sim::Ledger& ledger, const std::string& table,
                         const CountingJob& job, bool is_whole);

// The counts of one table: which one of each digit is its first, and its last. Those in between are
// there once each.
struct CountedRange {
  int64_t first = 1;
  int64_t last = 0;  // nothing: less than first
};
using CountedRanges = std::vector<CountedRange>;  // by digit

// Reads a table. `failure` says what is wrong with it: a count that is there twice, or a gap.
CountedRanges read_counts(const sim::Ledger& ledger, const std::string& table,
                          std::string& failure);
// How many of the numbers below `rows` end in `digit`.
int64_t count_of(const CountingJob& job, int64_t digit);
// Whether a table begins with the first count of each digit, and ends with its last one. Empty:
// yes.
std::string check_begin(const CountedRanges& ranges);
std::string check_end(const CountedRanges& ranges, const CountingJob& job);
// Both as one: `next` has to go on where `before` ends.
CountedRanges join(const CountedRanges& before, const CountedRanges& next, std::string& failure);

}  // namespace tidewheel
