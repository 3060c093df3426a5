// Joins of which event time says that the rows of one side match only what comes soon, though no
// column of the other side is a time attribute: it has the end of a window.
#pragma once
#include <optional>

#include "tidewheel/sql/plan.h"
#include "tidewheel/sql/waiting_rows.h"

namespace tidewheel::sql {

// Windows by event time give their rows once, when the watermark has passed their end: the ends
// that come behind a watermark are later than it. So in
//   bid JOIN (SELECT MAX(price) .., window_end .. GROUP BY window_start, window_end) AS best
//   ON bid.price = best.price AND bid.dateTime >= best.window_end - INTERVAL '10' SECOND
// a bid matches nothing any more once the watermark of the windows is 10 s later than the bid. Rows
// of windows are kept as ever: late bids match them. `join` is a join that goes by no time. Nothing
// when no side waits, or when so many windows end meanwhile that rows are better looked up.
std::optional<WaitingSpec> find_waiting_side(const Plan& join);

}  // namespace tidewheel::sql
