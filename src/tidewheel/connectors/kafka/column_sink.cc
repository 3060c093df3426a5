#include "tidewheel/connectors/kafka/column_sink.h"

#include <utility>

#include "tidewheel/base/clock.h"

namespace tidewheel::kafka {

Status ColumnSink::open(SinkContext& context) {
  encoders_ = std::make_shared<Encoders>();
  encoders_->value = plan_->make_value();
  if (plan_->make_key) { encoders_->key = plan_->make_key(); }
  TIDEWHEEL_ASSIGN_OR_RETURN(writer_, MessageWriter::open(context, plan_->options));
  TIDEWHEEL_RETURN_IF_ERROR(open_one(encoders_->value.get(), context));
  return open_one(encoders_->key.get(), context);
}

Status ColumnSink::open_one(RowEncoder* encoder, SinkContext& context) {
  if (encoder == nullptr || !plan_->needs_world) { return ok_status(); }
  return encoder->open(
      {&context.network(), &context.executor(), &context.clock(), writer_->waker()});
}

bool ColumnSink::ready() {
  for (RowEncoder* const encoder : {encoders_->value.get(), encoders_->key.get()}) {
    if (encoder == nullptr) { continue; }
    const Result<bool> is_ready = encoder->ready();
    if (!is_ready.ok()) {
      failure_ = is_ready.status();
      return true;
    }
    if (!*is_ready) { return false; }
  }
  return writer_->ready();
}

Status ColumnSink::write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end) {
  TIDEWHEEL_RETURN_IF_ERROR(failure_);
  for (uint32_t row = begin; row < end; ++row) {
    TIDEWHEEL_RETURN_IF_ERROR(put_message(rows, row, rows.kind(row)));
    if (!waits_for_more()) {
      TIDEWHEEL_RETURN_IF_ERROR(writer_->write(message_.finish()));
      continue;
    }
    waiting_.insert_or_assign(message_.key(), message_);
    if (static_cast<int64_t>(waiting_.size()) >= plan_->waiting_rows_max) {
      TIDEWHEEL_RETURN_IF_ERROR(flush());
    }
  }
  return ok_status();
}

Status ColumnSink::put_message(const ColumnBatch& rows, uint32_t row, RowKind kind) {
  message_.begin(writer_->partition_count(), kNoMessageTime);
  if (encoders_->key != nullptr) {
    TIDEWHEEL_RETURN_IF_ERROR(encoders_->key->encode(rows, row, message_.key()));
  }
  // What a row was before comes where the row after it may be filtered out, or have another key.
  const bool goes = kind == RowKind::kDelete || kind == RowKind::kUpdateBefore;
  if (!plan_->upserts || !goes) {
    TIDEWHEEL_RETURN_IF_ERROR(encoders_->value->encode(rows, row, message_.value()));
  }
  if (plan_->timestamp.has_value()) {
    const ColumnView& column = rows.view(plan_->timestamp->column);
    const LogicalType& type = plan_->timestamp->type;
    if (!column.is_null(row)) {
      const int64_t time = column.at<int64_t>(row);
      const int64_t time_ms = type.is_timestamp() ? time / (type.units_per_second() / 1'000) : time;
      if (time_ms < 0) {
        return invalid_argument(ErrorId::kRecordMalformed,
                                "the timestamp of a Kafka message can't be before 1970: {} ms",
                                time_ms);
      }
      message_.timestamp_ms(time_ms);
    }
  }
  if (plan_->headers.has_value()) { put_headers(rows, row); }
  return ok_status();
}

void ColumnSink::put_headers(const ColumnBatch& rows, uint32_t row) {
  const ColumnView& column = rows.view(plan_->headers->column);
  if (column.is_null(row)) { return; }
  const uint32_t at = column.is_constant ? 0 : row;
  for (uint32_t i = column.offsets[at]; i < column.offsets[at + 1]; ++i) {
    const ColumnView& values = column.children[1];
    const std::string_view name = column.children[0].at<Text>(i).view();
    if (values.is_null(i)) {
      message_.header(name, std::nullopt);
    } else {
      message_.header(name, values.at<Text>(i).view());
    }
  }
}

Status ColumnSink::flush() {
  for (auto& [key, message] : std::exchange(waiting_, {})) {
    TIDEWHEEL_RETURN_IF_ERROR(writer_->write(message.finish()));
  }
  return ok_status();
}

Result<int64_t> ColumnSink::on_time(int64_t wall_ms) {
  if (!waits_for_more()) { return Clock::kNever; }
  TIDEWHEEL_RETURN_IF_ERROR(flush());
  return wall_ms + plan_->waiting_ms_max;
}

}  // namespace tidewheel::kafka
