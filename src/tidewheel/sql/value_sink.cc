#include "tidewheel/sql/value_sink.h"

namespace tidewheel::sql {

const abi::SinkCalls ColumnSink::kCalls = {&ColumnSink::ensure, &ColumnSink::make_validity,
                                           &ColumnSink::allocate};

ColumnSink::ColumnSink(Column& column, Arena& arena) : column_(column), arena_(arena) {
  for (size_t i = 0; i < column.child_count(); ++i) {
    children_.push_back(std::make_unique<ColumnSink>(column.child(i), arena));
  }
  child_sinks_.resize(children_.size());
}

abi::ValueSink ColumnSink::make() {
  abi::ValueSink sink;
  for (size_t i = 0; i < children_.size(); ++i) { child_sinks_[i] = children_[i]->make(); }
  sink.calls = &kCalls;
  sink.column = this;
  sink.is_list = column_.physical() == Physical::kList;
  sink.child_count = static_cast<uint32_t>(children_.size());
  sink.child_rows = column_.child_rows();
  refresh(sink);
  return sink;
}

void ColumnSink::refresh(abi::ValueSink& sink) {
  sink.values = const_cast<void*>(column_.view().values);
  sink.validity = column_.has_nulls() ? column_.validity() : nullptr;
  sink.offsets = column_.offsets();
  sink.capacity = column_.capacity();
  sink.children = child_sinks_.data();
  for (size_t i = 0; i < children_.size(); ++i) { children_[i]->refresh(child_sinks_[i]); }
}

void ColumnSink::finish(const abi::ValueSink& sink) {
  if (sink.is_list) { column_.set_child_rows(sink.child_rows); }
  for (size_t i = 0; i < children_.size(); ++i) { children_[i]->finish(child_sinks_[i]); }
}

void ColumnSink::ensure(abi::ValueSink* sink, uint32_t rows) {
  ColumnSink& self = of(sink);
  self.column_.ensure(rows);
  self.refresh(*sink);
}

void ColumnSink::make_validity(abi::ValueSink* sink) {
  sink->validity = of(sink).column_.validity();
}

char* ColumnSink::allocate(abi::ValueSink* sink, size_t bytes) {
  return of(sink).arena_.allocate(bytes);
}

}  // namespace tidewheel::sql
