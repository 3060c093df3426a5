#include "tidewheel/connectors/kafka/column_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tidewheel::kafka {
namespace {

bool has_column(const std::vector<size_t>& columns, size_t column) {
  return std::find(columns.begin(), columns.end(), column) != columns.end();
}

// Takes back rows from `size` on, of which columns may have been written.
void drop_rows(ColumnBatch& batch, uint32_t size) {
  for (size_t i = 0; i < batch.column_count(); ++i) { batch.column(i).drop_rows(size); }
  batch.set_size(size);
}

std::string place_of(const MessageView& view) {
  return fmt::format("topic '{}', partition {}", view.topic(), view.partition());
}

}  // namespace

Status ColumnDecoder::open(SourceContext& context) {
  decoders_ = std::make_shared<Decoders>();
  if (plan_->make_value) { decoders_->value = plan_->make_value(); }
  if (plan_->make_key) { decoders_->key = plan_->make_key(); }
  if (plan_->make_watermarks) {
    TIDEWHEEL_ASSIGN_OR_RETURN(decoders_->watermarks, plan_->make_watermarks());
  }
  if (plan_->gives_letters) {
    decoders_->letters.emplace(plan_->types.size() - kDeadLetterColumns);
  }
  errors_ = &context.metrics().counter("numRecordsInErrors");
  TIDEWHEEL_RETURN_IF_ERROR(open_one(decoders_->value.get(), context));
  return open_one(decoders_->key.get(), context);
}

Status ColumnDecoder::open_one(RowDecoder* decoder, SourceContext& context) {
  if (decoder == nullptr || !plan_->needs_world) { return {}; }
  return decoder->open({&context.network(), &context.executor(), &context.clock(),
                        [waker = context]() mutable { waker.wake(); }});
}

Result<bool> ColumnDecoder::read_or_give_letter(const MessageView& view, ColumnBatch& batch) {
  if (batch.size() == 0) { batch.set_types(plan_->types); }
  DeadLetterColumns& letters = *decoders_->letters;
  letters.begin(batch);
  const Result<bool> read = read_rows(view, batch);
  if (!read.ok() && read.status().id() == ErrorId::kRecordMalformed) {
    const Message& message = view.message();
    letters.add({message.value, read.status().message(), place_of(view), message.offset}, batch);
    errors_->add();
    return true;
  }
  letters.finish(batch);
  return read;
}

Result<bool> ColumnDecoder::read_rows(const MessageView& view, ColumnBatch& batch) {
  if (batch.size() == 0) { batch.set_types(plan_->types); }
  const Message& message = view.message();
  const uint32_t begin = batch.size();
  const bool deletes = plan_->upserts && !message.has_value;
  if (deletes) {
    batch.ensure_room(1);
    batch.set_size(begin + 1);
  } else {
    TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t rows, read_value(message, batch));
    if (rows == 0) { return false; }
  }
  const uint32_t end = batch.size();
  if (decoders_->key != nullptr && (deletes || !plan_->key_is_in_value)) {
    const Result<bool> read = read_key(message, batch, begin, end);
    if (!read.ok() || !*read) {
      drop_rows(batch, begin);
      return read;
    }
  }
  if (deletes) {
    for (size_t i = 0; i < batch.column_count(); ++i) {
      if (has_column(plan_->value_columns, i) && !has_column(plan_->key_columns, i)) {
        batch.column(i).append_null(begin);
      }
    }
  }
  if (plan_->upserts) {
    RowKind* const kinds = batch.make_kinds(end);
    std::fill(kinds + begin, kinds + end, deletes ? RowKind::kDelete : RowKind::kUpdateAfter);
  }
  for (const MetadataColumn& to : plan_->metadata) {
    for (uint32_t row = begin; row < end; ++row) { put_metadata(to, view, batch, row, headers_); }
  }
  return true;
}

// A message without a value is no row.
Result<uint32_t> ColumnDecoder::read_value(const Message& message, ColumnBatch& batch) {
  const uint32_t begin = batch.size();
  if (!message.has_value) { return 0U; }
  if (decoders_->value == nullptr) {
    batch.ensure_room(1);
    batch.set_size(begin + 1);
    return 1U;
  }
  // Text in columns may point into the message.
  batch.ensure_room(1);
  const Result<bool> read = decoders_->value->decode(batch.arena().copy(message.value), batch);
  count_skipped();
  if (!read.ok()) { return read.status(); }
  return batch.size() - begin;
}

// The columns of the key, for each of the value's rows.
Result<bool> ColumnDecoder::read_key(const Message& message, ColumnBatch& batch, uint32_t begin,
                                     uint32_t end) {
  const Text key = batch.arena().copy(message.key);
  bool is_row = true;
  for (uint32_t row = begin; row < end && is_row; ++row) {
    if (!message.has_key) {
      if (plan_->upserts) {
        return invalid_argument(ErrorId::kRecordMalformed, "the message has no key");
      }
      for (const size_t column : plan_->key_columns) { batch.column(column).append_null(row); }
      continue;
    }
    batch.set_size(row);
    TIDEWHEEL_ASSIGN_OR_RETURN(is_row, decoders_->key->decode(key, batch));
  }
  batch.set_size(end);
  count_skipped();
  return is_row;
}

Status ColumnDecoder::finish_read(SourceOut<ColumnRow>& out, uint32_t begin) {
  ColumnBatch& batch = out.batch();
  if (decoders_->watermarks == nullptr || begin == batch.size()) { return {}; }
  int64_t* const times = batch.make_timestamps(batch.size());
  batch.seal();
  return decoders_->watermarks->fill(batch, begin, batch.size(), times);
}

void ColumnDecoder::count_skipped() {
  int64_t skipped = 0;
  if (decoders_->value != nullptr) { skipped += decoders_->value->skipped(); }
  if (decoders_->key != nullptr) { skipped += decoders_->key->skipped(); }
  if (skipped != skipped_) { errors_->add(skipped - std::exchange(skipped_, skipped)); }
}

}  // namespace tidewheel::kafka
