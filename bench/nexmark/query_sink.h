// How a query ends: in the light sink when it is timed, in a hashing one when it is checked.
#pragma once
#include "bench/nexmark/queries.h"
#include "tidewheel/tidewheel.h"

namespace tidewheel::bench {

// The result of an append-only query.
template <class T>
void sink_rows(QueryRun& run, Stream<T> rows) {
  if (run.check) {
    rows.to(HashSink<T>(run.totals));
  } else {
    rows.to(LightSink<T>(run.totals));
  }
}

// The changelog of an updating query, whose primary key are the fields number kKey...
template <size_t... kKey, class T>
void sink_changes(QueryRun& run, Stream<T> rows) {
  if (run.check) {
    rows.to(TableSink<T, kKey...>(run.totals));
  } else {
    rows.to(LightSink<T>(run.totals));
  }
}

}  // namespace tidewheel::bench
