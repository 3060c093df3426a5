// Columns as users' functions see them when they write values (api/function_abi.h).
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tidewheel/api/function_abi.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/column.h"

namespace tidewheel::sql {

// The sink of one column, with those of its children. Made anew for each call.
class ColumnSink {
 public:
  // Both outlive the sink.
  ColumnSink(tidewheel::Column& column, Arena& arena);
  ColumnSink(const ColumnSink&) = delete;
  ColumnSink& operator=(const ColumnSink&) = delete;

  abi::ValueSink make();
  // Tells the column what was written: the numbers of lists' elements.
  void finish(const abi::ValueSink& sink);

 private:
  static ColumnSink& of(abi::ValueSink* sink) { return *static_cast<ColumnSink*>(sink->column); }
  static void ensure(abi::ValueSink* sink, uint32_t rows);
  static void make_validity(abi::ValueSink* sink);
  static char* allocate(abi::ValueSink* sink, size_t bytes);
  static const abi::SinkCalls kCalls;
  // Brings the pointers up to date.
  void refresh(abi::ValueSink& sink);

  tidewheel::Column& column_;
  Arena& arena_;
  std::vector<std::unique_ptr<ColumnSink>> children_;
  std::vector<abi::ValueSink> child_sinks_;
};

}  // namespace tidewheel::sql
