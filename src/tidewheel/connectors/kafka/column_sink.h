// Writes rows of columns as messages, for SQL.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/connectors/kafka/message_writer.h"
#include "tidewheel/connectors/kafka/sink.h"
#include "tidewheel/connectors/kafka/sink_options.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/sink.h"

namespace tidewheel::kafka {

struct ColumnSinkPlan {
  SinkOptions options;
  MakeEncoder make_value;
  MakeEncoder make_key;      // null: messages have no key
  bool needs_world = false;  // the encoders have to be opened
  // Rows are upserts of their key: a deletion is a message without a value.
  bool upserts = false;
  // Columns of the batch that are metadata.
  struct MetadataSource {
    size_t column = 0;
    LogicalType type;
  };
  std::optional<MetadataSource> timestamp;
  std::optional<MetadataSource> headers;
  // Of upserts: the last row of each key waits until there are so many, or for so long, or for a
  // checkpoint. 0: none waits.
  int64_t waiting_rows_max = 0;
  int64_t waiting_ms_max = 0;
};

class ColumnSink {
 public:
  using input = ColumnRow;
  using Pending = PendingTransaction;
  static constexpr bool blocking_commits = true;

  explicit ColumnSink(std::shared_ptr<const ColumnSinkPlan> plan) : plan_(std::move(plan)) {}

  Status open(SinkContext& context);
  Status recover(const MessageWriter::Recovery& recovery) {
    writer_->recover(recovery);
    return ok_status();
  }
  bool ready();
  Status write_batch(const ColumnBatch& rows, uint32_t begin, uint32_t end);
  Result<int64_t> on_time(int64_t wall_ms);
  // Of waiting rows. Only then are there some: no row waits while the writer is not ready, because
  // its state changes by `prepare` only, which comes after this.
  Status flush();
  Status end_of_input() {
    writer_->end_of_input();
    return ok_status();
  }
  Result<PrepareJob<Pending>> prepare(int64_t checkpoint) { return writer_->prepare(checkpoint); }
  Status commit(const Pending& pending) const { return writer_->committer()->commit(pending); }
  Status close(bool) {
    if (writer_ != nullptr) { writer_->close(); }
    return ok_status();
  }

 private:
  // Of this copy, from `open` on.
  struct Encoders {
    std::unique_ptr<RowEncoder> value;
    std::unique_ptr<RowEncoder> key;
  };
  bool waits_for_more() const { return plan_->waiting_rows_max > 0; }
  Status open_one(RowEncoder* encoder, SinkContext& context);
  Status put_message(const ColumnBatch& rows, uint32_t row, RowKind kind);
  void put_headers(const ColumnBatch& rows, uint32_t row);

  std::shared_ptr<const ColumnSinkPlan> plan_;
  std::shared_ptr<Encoders> encoders_;
  std::shared_ptr<MessageWriter> writer_;
  MessageBuilder message_;
  std::map<std::string, MessageBuilder> waiting_;  // by key
  Status failure_;                                 // of an encoder, given by the next call that can
};

}  // namespace tidewheel::kafka
