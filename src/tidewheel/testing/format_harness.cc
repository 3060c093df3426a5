#include "tidewheel/testing/format_harness.h"

#include <algorithm>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/testing/column_rows.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::test {

FormatHarness::FormatHarness(std::unique_ptr<TableFormat> format, const NamedTypes& columns,
                             std::map<std::string, std::string> options, std::vector<size_t> wanted)
    : format_(std::move(format)), pool_(BatchPool::create_for<ColumnRow>(64, nullptr)) {
  options["connector"] = "test";
  TableDefinition table = table_of(columns, std::move(options));
  TableOptions read(table, format_->options());
  for (const auto& [name, type] : columns) { message_.add(name, type); }
  DecodedRow row = DecodedRow::all(message_);
  if (!wanted.empty()) {
    row.wanted.clear();
    for (size_t i = 0; i < wanted.size(); ++i) { row.wanted.push_back({wanted[i], i}); }
  }
  std::vector<size_t> all;
  for (size_t i = 0; i < message_.size(); ++i) { all.push_back(i); }
  for (const DecodedRow::Wanted& one : row.wanted) { types_.push_back(message_.types[one.field]); }
  const auto decoder = format_->decoder(row, read);
  const auto encoder = format_->encoder(message_, all, read);
  status_ = !decoder.ok() ? decoder.status() : !encoder.ok() ? encoder.status() : read.finish();
  if (!status_.ok()) { return; }
  make_decoder_ = *decoder;
  make_encoder_ = *encoder;
}

ColumnBatch* FormatHarness::fresh_batch() {
  auto* const batch = static_cast<ColumnBatch*>(pool_->acquire());
  batch->set_types(types_);
  return batch;
}

void FormatHarness::take_rows(ColumnBatch& batch, std::vector<std::string>& rows) {
  batch.seal();
  for (uint32_t row = 0; row < batch.size(); ++row) {
    std::string text = "[";
    for (size_t i = 0; i < types_.size(); ++i) {
      if (i > 0) { text += ", "; }
      append_value_text(text, types_[i], batch.view(i), row);
    }
    rows.push_back(text + "]");
  }
}

std::vector<std::string> FormatHarness::read(std::string_view text, size_t piece_bytes,
                                             uint32_t batch_rows) {
  TIDEWHEEL_CHECK(status_.ok(), "{}", status_.to_string());
  const std::unique_ptr<RowDecoder> decoder = make_decoder_();
  decoder->name_stream("stream");
  std::vector<std::string> rows;
  // Bytes stay where they are, as those of a connector's chunks do.
  std::vector<std::unique_ptr<std::string>> kept;
  std::string pending;
  bool ended = text.empty();
  auto next = RowDecoder::Next::kFull;
  do {
    ColumnBatch* const batch = fresh_batch();
    do {
      kept.push_back(std::make_unique<std::string>(pending));
      size_t taken = 0;
      next = decoder->read(*kept.back(), ended, taken, *batch, batch_rows);
      pending.erase(0, taken);
      if (next != RowDecoder::Next::kNeedsBytes) { break; }
      const size_t count = std::min(piece_bytes, text.size());
      pending.append(text.substr(0, count));
      text.remove_prefix(count);
      ended = text.empty();
    } while (true);
    take_rows(*batch, rows);
    batch->release();
  } while (next == RowDecoder::Next::kFull);
  failure_ = decoder->status();
  TIDEWHEEL_CHECK(failure_.ok() == (next == RowDecoder::Next::kEnd));
  skipped_ = decoder->skipped();
  return rows;
}

std::vector<std::string> FormatHarness::decode(const std::vector<std::string>& messages) {
  TIDEWHEEL_CHECK(status_.ok(), "{}", status_.to_string());
  const std::unique_ptr<RowDecoder> decoder = make_decoder_();
  ColumnBatch* const batch = fresh_batch();
  failure_ = Status();
  for (const std::string& message : messages) {
    batch->ensure_room(1);
    const uint32_t size = batch->size();
    const Result<bool> appended = decoder->decode(Text(message), *batch);
    if (!appended.ok()) { failure_ = appended.status(); }
    TIDEWHEEL_CHECK(batch->size() == size + (appended.ok() && *appended ? 1 : 0));
  }
  skipped_ = decoder->skipped();
  std::vector<std::string> rows;
  take_rows(*batch, rows);
  batch->release();
  return rows;
}

std::vector<std::string> FormatHarness::messages(const std::unique_ptr<TableFormat>& read_by,
                                                 std::string_view rows) {
  TIDEWHEEL_CHECK(status_.ok(), "{}", status_.to_string());
  ColumnRows read(message_);
  read.add(read_by, rows);
  const std::unique_ptr<RowEncoder> encoder = make_encoder_();
  failure_ = Status();
  std::vector<std::string> messages;
  for (uint32_t row = 0; row < read.sealed().size(); ++row) {
    const Status status = encoder->encode(read.batch(), row, messages.emplace_back());
    if (!status.ok()) { failure_ = status; }
  }
  return messages;
}

std::string FormatHarness::round_trip(std::string_view text) {
  TIDEWHEEL_CHECK(status_.ok(), "{}", status_.to_string());
  const std::unique_ptr<RowDecoder> decoder = make_decoder_();
  const std::unique_ptr<RowEncoder> encoder = make_encoder_();
  ColumnBatch* const batch = fresh_batch();
  size_t taken = 0;
  const auto next = decoder->read(text, true, taken, *batch, 100'000);
  failure_ = decoder->status();
  batch->seal();
  std::string out;
  for (uint32_t row = 0; row < batch->size(); ++row) {
    const Status status = encoder->encode(*batch, row, out);
    if (!status.ok()) { failure_ = status; }
    out += '\n';
  }
  static_cast<void>(next);
  batch->release();
  return out;
}

}  // namespace tidewheel::test
