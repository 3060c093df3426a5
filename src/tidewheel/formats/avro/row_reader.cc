#include "tidewheel/formats/avro/row_reader.h"

#include <utility>

#include "tidewheel/dataflow/column_batch.h"

namespace tidewheel::avro {

Result<bool> RowReader::decode(Text message, ColumnBatch& rows) {
  if (message.empty()) { return false; }
  if (!decoder_.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(decoder_,
                               ColumnDecoder::compile(*plan_->writer, *plan_->reader, plan_->row));
  }
  const uint32_t row = rows.size();
  rows.ensure_room(1);
  decoder_->bind(rows);
  WireReader in{message.view()};
  if (!decoder_->decode(in, row)) {
    decoder_->drop_row(rows, row);
    return invalid_argument(ErrorId::kRecordMalformed, "{}", decoder_->fault());
  }
  if (in.left() > 0) {
    decoder_->drop_row(rows, row);
    return invalid_argument(ErrorId::kRecordMalformed,
                            "the message has {} bytes more than its schema", in.left());
  }
  rows.set_size(row + 1);
  return true;
}

RowReader::Next RowReader::fail(Status status) {
  status_ = std::move(status).with_context("{}", place_);
  return Next::kFailed;
}

RowReader::Next RowReader::read_header(std::string_view bytes, bool ended, size_t& taken) {
  if (ended && bytes.empty()) { return Next::kEnd; }  // of a file in which nothing was written
  auto head = read_head(bytes);
  if (!head.ok()) { return fail(std::move(head).status()); }
  if (!head->has_value()) {
    if (!ended) { return Next::kNeedsBytes; }
    return fail(invalid_argument(ErrorId::kRecordMalformed, "an Avro file is cut short"));
  }
  const Result<Schema> writer = Schema::parse((*head)->schema);
  if (!writer.ok()) { return fail(writer.status()); }
  auto decoder = ColumnDecoder::compile(*writer, *plan_->reader, plan_->row);
  if (!decoder.ok()) { return fail(std::move(decoder).status()); }
  decoder_ = std::move(*decoder);
  head_ = std::move(**head);
  taken += head_->bytes;
  return Next::kFull;
}

RowReader::Next RowReader::begin_block(std::string_view bytes, bool ended) {
  auto block = avro::read_block(bytes, head_->marker);
  if (!block.ok()) { return fail(std::move(block).status()); }
  if (!block->has_value()) {
    if (!ended) { return Next::kNeedsBytes; }
    if (bytes.empty()) { return Next::kEnd; }
    return fail(invalid_argument(ErrorId::kRecordMalformed, "an Avro file is cut short"));
  }
  block_ = **block;
  stored_at_ = static_cast<size_t>(block_.stored.data() - bytes.data());
  if (head_->codec != Codec::kNull) {
    unpacked_.recycle();
    if (!unpacked_) { unpacked_ = Arena::create(); }
    auto values = unpack(head_->codec, block_.stored, *unpacked_);
    if (!values.ok()) { return fail(std::move(values).status()); }
    values_ = *values;
  }
  in_block_ = true;
  values_at_ = 0;
  rows_left_ = block_.count;
  line_ = 1;
  return Next::kFull;
}

// `bytes` begin with the block.
Status RowReader::read_rows(std::string_view bytes, ColumnBatch& rows, uint32_t rows_max) {
  const bool is_packed = head_->codec != Codec::kNull;
  if (!is_packed) { values_ = bytes.substr(stored_at_, block_.stored.size()); }
  rows.ensure_room(rows_max - rows.size() + 1);  // one for a row that is skipped
  decoder_->bind(rows);
  WireReader in(values_.substr(values_at_));
  const auto fault = [&](const std::string& why) {
    return invalid_argument(ErrorId::kRecordMalformed, "row {} of a block: {}", line_, why);
  };
  const uint32_t first = rows.size();
  uint32_t row = first;
  while (rows_left_ > 0 && (row < rows_max || rows_to_skip_ > 0)) {
    if (!decoder_->decode(in, row)) [[unlikely]] {
      decoder_->drop_row(rows, row);
      rows.set_size(row);
      return fault(decoder_->fault());
    }
    ++line_;
    --rows_left_;
    if (rows_to_skip_ > 0) [[unlikely]] {
      --rows_to_skip_;
      decoder_->drop_row(rows, row);
    } else {
      ++row;
    }
  }
  rows.set_size(row);
  if (is_packed && row > first) { rows.share_arena(unpacked_); }
  values_at_ = values_.size() - in.left();
  if (rows_left_ == 0 && in.left() > 0) { return fault("the block has bytes behind its rows"); }
  return {};
}

RowReader::Next RowReader::read(std::string_view bytes, bool ended, size_t& taken,
                                ColumnBatch& rows, uint32_t rows_max) {
  taken = 0;
  if (!head_.has_value()) {
    const Next next = read_header(bytes, ended, taken);
    if (next != Next::kFull) { return next; }
  }
  while (rows.size() < rows_max) {
    if (!in_block_) {
      const Next next = begin_block(bytes.substr(taken), ended);
      if (next != Next::kFull) { return next; }
      line_ = 1;
    }
    if (Status status = read_rows(bytes.substr(taken), rows, rows_max); !status.ok()) {
      return fail(std::move(status));
    }
    if (rows_left_ > 0) { break; }
    taken += block_.bytes;
    in_block_ = false;
    line_ = 1;
  }
  return Next::kFull;
}

}  // namespace tidewheel::avro
