// Decoders of records in JSON into columns: what the formats of rows and of changes have in common.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidewheel/api/dead_letters.h"
#include "tidewheel/api/table.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/json/column_decoder.h"
#include "tidewheel/formats/json/options.h"
#include "tidewheel/formats/json/reader.h"

namespace tidewheel::json_detail {

// `Derived` has `static constexpr uint32_t kRowsOfRecord`, the most rows that a record gives, and
//   bool read_rows(ColumnBatch& rows, uint32_t& count)
// which reads the record at the cursor into the columns behind the batch's rows, and says how many;
// false, with a fault noted, when it can't be read.
template <class Derived>
class JsonRowsDecoder : public RowDecoder, public ResumableDecoder, protected JsonReaderBase {
 public:
  Result<bool> decode(Text message, ColumnBatch& rows) final {
    begin_place("message");
    take_all_as_one();
    size_t taken = 0;
    const uint32_t size = rows.size();
    const Next next = read(message, /*ended=*/true, taken, rows, size + 1);
    if (next == Next::kFailed) { return std::exchange(RowDecoder::status_, Status()); }
    return rows.size() > size;
  }

  void name_stream(std::string place) final { begin_place(std::move(place)); }
  void go_on(int64_t line) final { set_line(line); }
  int64_t line() const final { return JsonReaderBase::line(); }
  Failed pass_failed() final {
    static_cast<void>(take_status());
    RowDecoder::status_ = Status();
    // Blank lines before it were taken with it.
    std::string_view record = failed_;
    if (record.ends_with('\n')) { record.remove_suffix(1); }
    record.remove_prefix(record.rfind('\n') + 1);
    return {record, JsonReaderBase::line() - 1};
  }

  // The last record may give more rows than `rows_max` leaves room for.
  Next read(std::string_view bytes, bool ended, size_t& taken, ColumnBatch& rows,
            uint32_t rows_max) final {
    taken = 0;
    cursor_.set_arena(&rows.arena());
    if (rows.size() < rows_max) {
      rows.ensure_room(rows_max - rows.size() + Derived::kRowsOfRecord - 1);
    }
    for (size_t i = 0; i < targets_.size(); ++i) { columns_[i] = &rows.column(targets_[i]); }
    while (rows.size() < rows_max) {
      size_t took = 0;
      JsonNext next = begin_record(bytes.substr(taken), ended, took);
      failed_ = bytes.substr(taken, took);
      taken += took;
      if (next == JsonNext::kRow) {
        const uint32_t first = rows.size();
        uint32_t count = 0;
        next = end_record(static_cast<Derived*>(this)->read_rows(rows, count));
        if (next == JsonNext::kRow) [[likely]] {
          rows.set_size(first + count);
          continue;
        }
        for (const size_t column : written_) { rows.column(column).drop_rows(first); }
      }
      if (next == JsonNext::kReject) { continue; }
      skipped_ = malformed_count();
      if (next == JsonNext::kNeedsBytes) { return Next::kNeedsBytes; }
      if (next == JsonNext::kEnd) { return Next::kEnd; }
      RowDecoder::status_ = JsonReaderBase::status();
      return Next::kFailed;
    }
    skipped_ = malformed_count();
    return Next::kFull;
  }

 protected:
  JsonRowsDecoder(const DecodedRow& row, const JsonOptions& options)
      : JsonReaderBase(options, "message"), decoder_(row.message, fields_of(row)) {
    for (const DecodedRow::Wanted& wanted : row.wanted) { targets_.push_back(wanted.column); }
    columns_.resize(targets_.size());
    written_ = targets_;
    for (const DecodedRow::WantedMetadata& one : row.metadata) { written_.push_back(one.column); }
  }

  // Reads the object at the cursor into the columns of a row.
  bool read_fields(uint32_t row) { return decoder_.read_record(cursor_, columns_.data(), row); }

 private:
  static std::vector<size_t> fields_of(const DecodedRow& row) {
    std::vector<size_t> fields;
    for (const DecodedRow::Wanted& wanted : row.wanted) { fields.push_back(wanted.field); }
    return fields;
  }

  ColumnDecoder decoder_;
  std::vector<size_t> targets_;   // columns of the batch that the record's fields go to
  std::vector<size_t> written_;   // those, and the ones of metadata
  std::vector<Column*> columns_;  // targets_ of the batch at hand
  std::string_view failed_;       // what was taken last
};

}  // namespace tidewheel::json_detail
