// All that the author of a job needs: `#include <tidewheel/tidewheel.h>`, `namespace tw =
// tidewheel;`.
#pragma once
#include "tidewheel/api/async_stream.h"
#include "tidewheel/api/collect.h"
#include "tidewheel/api/connected.h"
#include "tidewheel/api/env.h"
#include "tidewheel/api/job.h"
#include "tidewheel/api/joined_stream.h"
#include "tidewheel/api/keyed.h"
#include "tidewheel/api/windowed_stream.h"
#include "tidewheel/connectors/collection/collection.h"
#include "tidewheel/connectors/discard/discard.h"
#include "tidewheel/connectors/file/lines.h"
#include "tidewheel/connectors/file/records.h"
#include "tidewheel/connectors/file/sink.h"
#include "tidewheel/connectors/print/print.h"
#include "tidewheel/connectors/socket/socket.h"
#include "tidewheel/formats/csv/reader.h"
#include "tidewheel/formats/csv/writer.h"
#include "tidewheel/formats/json/json.h"
#include "tidewheel/tables/env_sql.h"

namespace tidewheel {

template <class T>
Stream<T> Env::from_elements(std::initializer_list<T> rows) {
  return from("elements", elements<T>(rows));
}
template <class T>
Stream<T> Env::from_collection(std::vector<T> rows) {
  return from("collection", collection<T>(std::move(rows)));
}
inline Stream<int64_t> Env::sequence(int64_t first, int64_t last) {
  return from("sequence", tidewheel::sequence(first, last));
}
template <class F, class Options>
auto Env::generate(F function, Options options) {
  return from("generator", tidewheel::generate(std::move(function), options));
}
template <class F>
auto Env::generate(F function) {
  return from("generator", tidewheel::generate(std::move(function)));
}

template <class T>
SinkEnd Stream<T>::print() const {
  return to(tidewheel::print()).name("print");
}
template <class T>
SinkEnd Stream<T>::print(std::string prefix) const {
  return to(tidewheel::print({.prefix = std::move(prefix)})).name("print");
}

}  // namespace tidewheel
