// Reads rows of columns from messages and from container files.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tidewheel/api/table.h"
#include "tidewheel/formats/avro/column_decoder.h"
#include "tidewheel/formats/avro/container.h"
#include "tidewheel/formats/avro/schema.h"

namespace tidewheel::avro {

// What the decoders of a table share.
struct ReadPlan {
  DecodedRow row;
  std::shared_ptr<const Schema> reader;
  // Of messages, which do not say by which schema they were written. Files do.
  std::shared_ptr<const Schema> writer;
};

// One thread. In a file, line() is the number of the row in its block, and what is not taken begins
// with that block, so that reading can go on in the middle of one.
class RowReader final : public RowDecoder {
 public:
  explicit RowReader(std::shared_ptr<const ReadPlan> plan) : plan_(std::move(plan)) {}

  Result<bool> decode(Text message, RowBatch<ColumnRow>& rows) override;

  void go_on(int64_t line) override {
    in_block_ = false;
    rows_to_skip_ = line - 1;
    line_ = line;
  }
  bool needs_header() const override { return !head_.has_value(); }
  Next read(std::string_view bytes, bool ended, size_t& taken, RowBatch<ColumnRow>& rows,
            uint32_t rows_max) override;

 private:
  Next fail(Status status);
  Next read_header(std::string_view bytes, bool ended, size_t& taken);
  Next begin_block(std::string_view bytes, bool ended);
  Status read_rows(std::string_view bytes, RowBatch<ColumnRow>& rows, uint32_t rows_max);

  const std::shared_ptr<const ReadPlan> plan_;
  std::optional<ColumnDecoder> decoder_;
  std::optional<ContainerHead> head_;
  // The block at hand.
  bool in_block_ = false;
  ContainerBlock block_;
  size_t stored_at_ = 0;     // where in the block what is stored begins
  ArenaRef unpacked_;        // holds what a packed block has become
  std::string_view values_;  // of a packed block
  size_t values_at_ = 0;
  int64_t rows_left_ = 0;
  int64_t rows_to_skip_ = 0;
};

}  // namespace tidewheel::avro
