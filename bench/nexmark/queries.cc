// The table of the queries.
#include "bench/nexmark/queries.h"

namespace tidewheel::bench {

namespace {
constexpr Query kQueries[] = {
    {"q0", "pass through", build_q0},
    {"q1", "currency conversion", build_q1},
    {"q2", "selection", build_q2},
    {"q3", "local item suggestion (incremental join)", build_q3},
    {"q4", "average price for a category", build_q4},
    {"q5", "hot items (sliding window)", build_q5},
    {"q7", "highest bid (tumbling window)", build_q7},
    {"q8", "monitor new users (window join)", build_q8},
    {"q9", "winning bids", build_q9},
    {"q11", "user sessions", build_q11},
    {"q12", "bids of a user in a processing-time window", build_q12},
    {"q17", "auction statistics by day", build_q17},
    {"q18", "last bid of each bidder on each auction", build_q18},
    {"q19", "ten highest bids of each auction", build_q19},
    {"q20", "bids expanded with their auction", build_q20},
};
}  // namespace

std::span<const Query> all_queries() { return kQueries; }

}  // namespace tidewheel::bench
