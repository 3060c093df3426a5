// A Kafka source of columns, for SQL.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/api/dead_letters.h"
#include "tidewheel/api/split_watermarks.h"
#include "tidewheel/api/table.h"
#include "tidewheel/connectors/kafka/metadata_columns.h"
#include "tidewheel/connectors/kafka/source.h"
#include "tidewheel/dataflow/column_batch.h"

namespace tidewheel::kafka {

// What is made of a message.
struct ColumnPlan {
  std::vector<LogicalType> types;     // of the batch
  MakeDecoder make_value;             // null: no column is in the value
  MakeDecoder make_key;               // null: no column is in the key
  std::vector<size_t> key_columns;    // of the batch, those that `make_key` writes
  std::vector<size_t> value_columns;  // those that `make_value` writes
  std::vector<MetadataColumn> metadata;
  bool key_is_in_value = false;       // of a message with a value the key need not be read
  bool needs_world = false;           // the decoders have to be opened
  MakeRowWatermarks make_watermarks;  // null: nobody wants the splits' watermarks
  // Messages are upserts of their key: updates, or, without a value, deletions.
  bool upserts = false;
  // Messages that can't be read become rows, with the columns of dead letters behind the others.
  bool gives_letters = false;
};

class ColumnDecoder {
 public:
  using output = ColumnRow;
  explicit ColumnDecoder(std::shared_ptr<const ColumnPlan> plan) : plan_(std::move(plan)) {}

  Status open(SourceContext& context);
  Result<bool> read(const MessageView& view, SourceOut<ColumnRow>& out) {
    return plan_->gives_letters ? read_or_give_letter(view, out.batch())
                                : read_rows(view, out.batch());
  }
  // Gives rows the watermarks that they ask for as their times: see RowTimeClock.
  Status finish_read(SourceOut<ColumnRow>& out, uint32_t begin);
  void close() { decoders_.reset(); }  // which wake the source until then

 private:
  struct Decoders {
    std::unique_ptr<RowDecoder> value;
    std::unique_ptr<RowDecoder> key;
    std::unique_ptr<RowWatermarks> watermarks;
    std::optional<DeadLetterColumns> letters;
  };
  Status open_one(RowDecoder* decoder, SourceContext& context);
  Result<bool> read_rows(const MessageView& view, ColumnBatch& batch);
  Result<bool> read_or_give_letter(const MessageView& view, ColumnBatch& batch);
  // Appends the rows of the value; the number of them.
  Result<uint32_t> read_value(const Message& message, ColumnBatch& batch);
  Result<bool> read_key(const Message& message, ColumnBatch& batch, uint32_t begin, uint32_t end);
  void count_skipped();

  std::shared_ptr<const ColumnPlan> plan_;
  std::shared_ptr<Decoders> decoders_;  // of this copy
  Counter* errors_ = nullptr;
  int64_t skipped_ = 0;
  std::vector<Header> headers_;
};

using ColumnSource = KafkaSource<ColumnDecoder>;

}  // namespace tidewheel::kafka
