// The format `json-registry`: JSON with the id of its schema before it, as Confluent's serializers
// write it. Reading needs no schema; what is written is registered as a JSON Schema.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/json/column_decoder.h"
#include "tidewheel/formats/json/column_encoder.h"
#include "tidewheel/formats/json/json_schema.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/formats/json/table_options.h"
#include "tidewheel/registry/client.h"
#include "tidewheel/registry/table_options.h"

namespace tidewheel {
namespace {

using json_detail::ColumnDecoder;
using json_detail::RowObjectEncoder;

constexpr char kJsonRegistry[] = "json-registry";

class FramedDecoder final : public RowDecoder {
 public:
  FramedDecoder(std::unique_ptr<RowDecoder> inner, bool skips_malformed)
      : inner_(std::move(inner)), skips_malformed_(skips_malformed) {}

  Result<bool> decode(Text message, ColumnBatch& rows) override {
    if (message.empty()) { return false; }
    const auto framed = registry::unframed(message);
    if (!framed.has_value()) {
      if (skips_malformed_) {
        ++unframed_;
        skipped_ = unframed_ + inner_->skipped();
        return false;
      }
      return invalid_argument(ErrorId::kRecordMalformed,
                              "the message does not begin with 0 and the id of a schema, as the "
                              "format json-registry has it");
    }
    auto done = inner_->decode(Text(framed->value), rows);
    skipped_ = unframed_ + inner_->skipped();
    return done;
  }

 private:
  const std::unique_ptr<RowDecoder> inner_;
  const bool skips_malformed_;
  int64_t unframed_ = 0;
};

struct FramedPlan {
  RowObjectEncoder encoder;
  registry::RegisteredSchema schema;
  std::string subject;
  bool registers = true;
  registry::Options registry;
};

class FramedEncoder final : public RowEncoder {
 public:
  explicit FramedEncoder(std::shared_ptr<const FramedPlan> plan) : plan_(std::move(plan)) {}

  Status open(const FormatContext& context) override {
    client_ = std::make_unique<registry::Client>(plan_->registry, context);
    return {};
  }
  Result<bool> ready() override {
    if (id_.has_value()) { return true; }
    TIDEWHEEL_CHECK(client_ != nullptr, "an encoder of json-registry that was not opened");
    const Result<int32_t> id = client_->id_of(plan_->subject, plan_->schema, plan_->registers);
    if (!id.ok() && id.status().id() == ErrorId::kFormatNotYet) { return false; }
    if (!id.ok()) { return id.status(); }
    id_ = *id;
    return true;
  }
  Status encode(const ColumnBatch& rows, uint32_t row, std::string& message) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const bool is_ready, ready());
    if (!is_ready) { return unavailable(ErrorId::kFormatNotYet, "the schema is being registered"); }
    registry::append_frame(message, *id_);
    return plan_->encoder.append(rows, row, message);
  }

 private:
  const std::shared_ptr<const FramedPlan> plan_;
  std::unique_ptr<registry::Client> client_;
  std::optional<int32_t> id_;
};

class JsonRegistryTableFormat final : public TableFormat {
 public:
  std::string_view name() const override { return kJsonRegistry; }
  std::vector<TableOption> options() const override {
    std::vector<TableOption> options = registry::table_options(kJsonRegistry);
    for (TableOption& option : json_detail::table_options(kJsonRegistry, /*of_changes=*/false)) {
      options.push_back(std::move(option));
    }
    return options;
  }
  bool needs_world() const override { return true; }
  bool has_streams() const override { return false; }
  void name_topic(const std::string& topic, bool of_keys, TableOptions& options) const override {
    registry::name_topic(kJsonRegistry, topic, of_keys, options);
  }

  Result<MakeDecoder> decoder(const DecodedRow& row, TableOptions& options) const override {
    static_cast<void>(registry::read_table_options(kJsonRegistry, options));
    const JsonOptions parsed = json_detail::read_table_options(kJsonRegistry, false, options);
    for (const DecodedRow::Wanted& wanted : row.wanted) {
      TIDEWHEEL_RETURN_IF_ERROR(
          ColumnDecoder::check(row.message.types[wanted.field], row.message.names[wanted.field]));
    }
    return MakeDecoder([row, parsed]() -> std::unique_ptr<RowDecoder> {
      return std::make_unique<FramedDecoder>(json_detail::make_row_decoder(row, parsed),
                                             parsed.ignore_parse_errors);
    });
  }
  Result<MakeEncoder> encoder(const RowType& message, const std::vector<size_t>& columns,
                              TableOptions& options) const override {
    registry::TableSettings settings = registry::read_table_options(kJsonRegistry, options);
    const JsonOptions parsed = json_detail::read_table_options(kJsonRegistry, false, options);
    for (size_t i = 0; i < message.size(); ++i) {
      TIDEWHEEL_RETURN_IF_ERROR(ColumnDecoder::check(message.types[i], message.names[i]));
    }
    if (settings.subject.empty()) {
      options.fail(std::string(kJsonRegistry) + ".subject", "is needed to write");
    }
    constexpr std::string_view kRecord = "{record}";
    if (const size_t at = settings.subject.find(kRecord); at != std::string::npos) {
      settings.subject.replace(at, kRecord.size(), "Record");
    }
    auto plan = std::make_shared<const FramedPlan>(
        FramedPlan{RowObjectEncoder(message, columns, parsed),
                   {"JSON", {json_detail::json_schema_of(message)}},
                   settings.subject,
                   settings.registers,
                   settings.options});
    return MakeEncoder(
        [plan]() -> std::unique_ptr<RowEncoder> { return std::make_unique<FramedEncoder>(plan); });
  }
};

}  // namespace

std::unique_ptr<TableFormat> json_registry_table_format() {
  return std::make_unique<JsonRegistryTableFormat>();
}

}  // namespace tidewheel
