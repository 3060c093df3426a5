// The Nexmark queries as jobs in the C++ API, as a user would write them: each names the fields
// that it reads, and the source makes only those.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "bench/nexmark/result_sink.h"
#include "tidewheel/connectors/nexmark/options.h"

namespace tidewheel {
class Env;  // api/env.h
}

namespace tidewheel::bench {

// What a query is built with.
struct QueryRun {
  Env& env;
  nexmark::Options options;
  std::shared_ptr<RunTotals> totals;
  bool check = false;                    // hash the result instead of only consuming it
  std::shared_ptr<void> kept = nullptr;  // what the job uses, until it has ended
};

struct Query {
  std::string_view name;
  std::string_view what;
  void (*build)(QueryRun& run);
};

// In the order of their numbers.
std::span<const Query> all_queries();

void build_q0(QueryRun& run);
void build_q1(QueryRun& run);
void build_q2(QueryRun& run);
void build_q3(QueryRun& run);
void build_q4(QueryRun& run);
void build_q5(QueryRun& run);
void build_q7(QueryRun& run);
void build_q8(QueryRun& run);
void build_q9(QueryRun& run);
void build_q11(QueryRun& run);
void build_q12(QueryRun& run);
void build_q17(QueryRun& run);
void build_q18(QueryRun& run);
void build_q19(QueryRun& run);
void build_q20(QueryRun& run);

}  // namespace tidewheel::bench
