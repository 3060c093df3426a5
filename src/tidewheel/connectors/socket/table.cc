#include "tidewheel/connectors/socket/table.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/dead_letters.h"
#include "tidewheel/api/env.h"
#include "tidewheel/base/metrics.h"
#include "tidewheel/connectors/socket/line_connection.h"
#include "tidewheel/connectors/socket/socket.h"
#include "tidewheel/dataflow/column_batch.h"

namespace tidewheel::socket {
namespace {

struct SocketPlan {
  NetworkAddress address;
  SocketOptions options;
  std::vector<LogicalType> types;
  MakeDecoder make_decoder;
  BadRecordPolicy bad_records = BadRecordPolicy::kFail;
};

// Each line is a message.
class ColumnSource {
 public:
  using output = ColumnRow;
  using Split = SocketSplit;
  static constexpr int32_t fixed_parallelism = 1;
  static constexpr bool is_bounded() { return false; }

  explicit ColumnSource(std::shared_ptr<const SocketPlan> plan) : plan_(std::move(plan)) {}

  Result<std::vector<Split>> discover(SplitContext&) {
    TIDEWHEEL_RETURN_IF_ERROR(plan_->options.validate());
    return std::vector<Split>(1);
  }
  Status open(SourceContext& context) {
    connection_ = std::make_shared<LineConnection>(context, plan_->address, plan_->options);
    if (plan_->bad_records == BadRecordPolicy::kFail) {
      decoder_ = plan_->make_decoder();
    } else {
      const size_t letters =
          plan_->bad_records == BadRecordPolicy::kDeadLetter ? kDeadLetterColumns : 0;
      passing_ = std::make_shared<BadRecordDecoder>(plan_->make_decoder(), plan_->bad_records,
                                                    plan_->types.size() - letters);
      decoder_ = passing_;
    }
    errors_ = &context.metrics().counter("numRecordsInErrors");
    return ok_status();
  }
  void close() { connection_.reset(); }

  ReadResult read(Split& split, SourceOut<ColumnRow>& out) {
    constexpr int64_t kBatchBytesMax = 1 << 20;
    ColumnBatch& batch = out.batch();
    if (batch.size() == 0) { batch.set_types(plan_->types); }
    int64_t bytes = 0;
    std::string_view line;
    while (out.room() > 0 && bytes < kBatchBytesMax) {
      switch (connection_->next(line)) {
        case LineConnection::Next::kLine: break;
        case LineConnection::Next::kEnd: return ReadResult::end();
        case LineConnection::Next::kWait: return ReadResult::wait();
        case LineConnection::Next::kWaitUntil:
          return ReadResult::wait_until(connection_->retry_at_ms());
        case LineConnection::Next::kFailed: return connection_->status();
      }
      bytes += std::ssize(line);
      batch.ensure_room(1);
      if (passing_ != nullptr) {
        passing_->name_message(plan_->address.to_string(), split.records + 1);
      }
      const Result<bool> appended = decoder_->decode(Text(line), batch);
      if (!appended.ok()) {
        return appended.status().with_context("{}, record {}", plan_->address.to_string(),
                                              split.records + 1);
      }
      ++split.records;
      errors_->add(decoder_->skipped() - std::exchange(skipped_, decoder_->skipped()));
      if (*appended) { out.share_arena(connection_->chunk()); }
    }
    return ReadResult::more();
  }

 private:
  std::shared_ptr<const SocketPlan> plan_;
  // Of this copy, from `open` to `close`.
  std::shared_ptr<LineConnection> connection_;
  std::shared_ptr<RowDecoder> decoder_;
  std::shared_ptr<BadRecordDecoder> passing_;  // the same, where a policy is followed; else null
  Counter* errors_ = nullptr;
  int64_t skipped_ = 0;
};

class SocketTable final : public TableSource {
 public:
  SocketTable(const TableDefinition& table, TableOptions options, const TableFormat& format,
              SocketPlan plan)
      : options_(std::move(options)), format_(format), plan_(std::move(plan)) {
    for (const TableColumn& column : table.columns) { message_.add(column.name, column.type); }
    columns_.resize(message_.size());
    for (size_t i = 0; i < columns_.size(); ++i) { columns_[i] = i; }
  }
  Status prepare() {
    DecodedRow row{message_, {}};
    plan_.types.clear();
    for (size_t i = 0; i < columns_.size(); ++i) {
      row.wanted.push_back({columns_[i], i});
      plan_.types.push_back(message_.types[columns_[i]]);
    }
    if (plan_.bad_records == BadRecordPolicy::kDeadLetter) {
      for (const LogicalType& type : dead_letter_columns().types) { plan_.types.push_back(type); }
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(plan_.make_decoder, format_.decoder(row, options_));
    return options_.finish();
  }
  bool is_bounded() const override { return false; }
  bool project(const std::vector<size_t>& columns) override {
    columns_ = columns;
    return true;
  }
  Result<Stream<ColumnRow>> add_to(Env& env, const std::string& name,
                                   const std::string& uid) override {
    TIDEWHEEL_RETURN_IF_ERROR(prepare());
    return env.add_source(name, ColumnSource(std::make_shared<const SocketPlan>(plan_))).uid(uid);
  }

 private:
  TableOptions options_;
  const TableFormat& format_;  // of the registry, which outlives the planner
  SocketPlan plan_;
  RowType message_;
  std::vector<size_t> columns_;  // of the message, those that are read
};

class SocketConnector final : public TableConnector {
 public:
  std::string_view name() const override { return "socket"; }
  bool can_write() const override { return false; }
  std::vector<TableOption> options() const override {
    std::vector<TableOption> options = bad_record_options();
    options.insert(
        options.begin(),
        {{"hostname", true, "", "of the server"},
         {"port", true, "", "of the server"},
         {"byte-delimiter", false, "10", "the byte that ends a record"},
         {"reconnects.max", false, "0", "how often in a row it connects again; -1: no limit"},
         {"reconnects.after", false, "500 ms", "how long it waits before"}});
    return options;
  }
  Result<std::unique_ptr<TableSource>> source(const TableContext& context) const override {
    TableOptions options(context.table, this->options());
    TIDEWHEEL_ASSIGN_OR_RETURN(const TableFormat* const format,
                               context.registry.format_of(options));
    SocketPlan plan;
    plan.address.host = options.text("hostname");
    plan.address.port = static_cast<uint16_t>(options.number("port", 1, 1, 65535));
    plan.options.delimiter = static_cast<char>(options.number("byte-delimiter", '\n', 0, 255));
    plan.options.reconnects_max =
        static_cast<int32_t>(options.number("reconnects.max", 0, -1, INT32_MAX));
    plan.options.reconnect_after = options.duration("reconnects.after", Duration(500));
    plan.bad_records = read_bad_record_policy(options, context.table);
    auto source =
        std::make_unique<SocketTable>(context.table, std::move(options), *format, std::move(plan));
    TIDEWHEEL_RETURN_IF_ERROR(source->prepare());
    return source;
  }
};

}  // namespace

std::unique_ptr<TableConnector> table_connector() { return std::make_unique<SocketConnector>(); }

}  // namespace tidewheel::socket
