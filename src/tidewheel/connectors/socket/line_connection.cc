#include "tidewheel/connectors/socket/line_connection.h"

#include <utility>

namespace tidewheel::socket {
namespace {

constexpr size_t kSocketChunkBytes = 64 * 1024;

}  // namespace

Status SocketOptions::validate() const {
  if (reconnects_max < -1 || to_ms(reconnect_after) < 0 || to_ms(connect_timeout) <= 0 ||
      record_bytes_max < 1) {
    return invalid_argument(
        ErrorId::kConnectorOption,
        "a socket accepts reconnects_max of -1 or more, reconnect_after of 0 or more, "
        "connect_timeout and record_bytes_max above 0; not {}, {} ms, {} ms and {}",
        reconnects_max, to_ms(reconnect_after), to_ms(connect_timeout), record_bytes_max);
  }
  return ok_status();
}

LineConnection::LineConnection(SourceContext& context, NetworkAddress address,
                               const SocketOptions& options)
    : context_(context),
      address_(std::move(address)),
      options_(options),
      cutter_({.delimiter = options.delimiter,
               .cut_carriage_return = options.delimiter == '\n',
               .bytes_max = options.record_bytes_max},
              kSocketChunkBytes) {}

LineConnection::Next LineConnection::next(std::string_view& line) {
  while (true) {
    switch (cutter_.next(line)) {
      case LineCutter::Next::kLine: return Next::kLine;
      case LineCutter::Next::kTooLong:
        return fail(invalid_argument(
            ErrorId::kRecordMalformed,
            "a line is longer than record_bytes_max, {} bytes: {} at byte {} of the connection; "
            "raise the option if such lines are meant",
            options_.record_bytes_max, address_.to_string(), cutter_.chunks().offset()));
      case LineCutter::Next::kNeedsBytes: break;
    }
    if (ended_) { return cutter_.take_rest(line) ? Next::kLine : after_end(); }
    if (connection_ == nullptr) {
      if (context_.clock().wall_ms() < retry_at_ms_) { return Next::kWaitUntil; }
      connect();
    }
    const Result<Transfer> transfer = connection_->read(cutter_.chunks().room());
    if (!transfer.ok()) { return after_failure(transfer.status()); }
    if (transfer->state == Transfer::State::kWouldBlock) { return Next::kWait; }
    if (transfer->state == Transfer::State::kEnd) {
      ended_ = true;
      continue;
    }
    cutter_.chunks().add(static_cast<size_t>(transfer->bytes));
    attempts_ = 0;
  }
}

void LineConnection::connect() {
  ended_ = false;
  cutter_.restart(0);
  connection_ = context_.network().connect(address_, to_ms(options_.connect_timeout) * 1'000'000,
                                           [context = context_]() mutable { context.wake(); });
}

LineConnection::Next LineConnection::after_end() { return may_retry() ? retry() : Next::kEnd; }

// The part of a line that has come is dropped: its rest will not come.
LineConnection::Next LineConnection::after_failure(Status status) {
  if (may_retry()) { return retry(); }
  return fail(std::move(status));
}

LineConnection::Next LineConnection::retry() {
  connection_.reset();
  ended_ = false;
  cutter_.restart(0);
  ++attempts_;
  retry_at_ms_ = context_.clock().wall_ms() + to_ms(options_.reconnect_after);
  return Next::kWaitUntil;
}

LineConnection::Next LineConnection::fail(Status status) {
  status_ = std::move(status);
  return Next::kFailed;
}

}  // namespace tidewheel::socket
