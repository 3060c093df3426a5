#include "tidewheel/dataflow/operator.h"

namespace tidewheel {

bool Operator::outputs_ready() {
  for (const OutputPort* port : outputs()) {
    if (!port->ready()) { return false; }
  }
  return true;
}

namespace {

// A port that refuses keeps what it is sent, so that once begun the element reaches all of them.
Progress send_to_all(Operator& op, const Element& element) {
  if (!op.outputs_ready()) { return Progress::kBlocked; }
  for (OutputPort* port : op.outputs()) { static_cast<void>(port->send(element)); }
  return Progress::kDone;
}

}  // namespace

Progress Operator::on_watermark(int64_t time_ms) {
  return send_to_all(*this, Element::watermark(time_ms));
}

Progress Operator::on_idle(bool idle) {
  return send_to_all(*this, Element::control(idle ? Element::Kind::kIdle : Element::Kind::kActive));
}

Progress Operator::on_latency_marker(const Element& marker) { return send_to_all(*this, marker); }

void Operator::on_input_watermark(int32_t, int64_t) {}
Progress Operator::on_processing_time(int64_t) { return Progress::kDone; }
Progress Operator::on_wake() { return Progress::kDone; }
Progress Operator::on_end_of_input(int32_t) { return Progress::kDone; }
Progress Operator::on_epoch(int64_t) { return Progress::kDone; }
void Operator::on_coordinator_event(std::string_view) {}
void Operator::begin_snapshot(const SnapshotStart&) {}
void Operator::on_checkpoint_complete(int64_t) {}
void Operator::on_checkpoint_aborted(int64_t) {}
void Operator::close(bool) {}

// Operators without state.
Progress Operator::snapshot(SnapshotWriter&) { return Progress::kDone; }
Status Operator::restore(SnapshotReader&) { return ok_status(); }

}  // namespace tidewheel
