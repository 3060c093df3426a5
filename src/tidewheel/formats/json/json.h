// The format JSON: one record a line, read and written.
//
//   env.from("trades", tw::file::records<Trade>("trades.jsonl", tw::json()));
//   counts.to(tw::file::write("out/", tw::json(), {.suffix = ".jsonl"}));
#pragma once
#include <utility>

#include "tidewheel/formats/json/options.h"
#include "tidewheel/formats/json/reader.h"
#include "tidewheel/formats/json/writer.h"

namespace tidewheel {

// A format for sources and sinks of rows of any type.
class JsonFormat {
 public:
  explicit JsonFormat(JsonOptions options) : options_(std::move(options)) {}

  // For sources that read rows of T. With std::variant<T, JsonReject> records that can't be read
  // are rows too.
  template <class T>
  JsonRows<T> rows() const {
    return JsonRows<T>(options_);
  }
  // For sinks. Errors: kConnectorOption.
  Result<JsonWriter> open() const { return JsonWriter::open(options_); }

 private:
  JsonOptions options_;
};

inline JsonFormat json(JsonOptions options = {}) { return JsonFormat(std::move(options)); }

}  // namespace tidewheel
