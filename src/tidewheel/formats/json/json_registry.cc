// The format `json-registry`: JSON with the id of its schema before it, as Confluent's serializers
// write it. Reading needs no schema; what is written is registered as a JSON Schema.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/json/column_decoder.h"
#include "tidewheel/formats/json/column_encoder.h"
#include "tidewheel/formats/json/json_schema.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/formats/json/table_options.h"
#include "tidewheel/registry/framed_encoder.h"
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
  registry::Framing framing;
};

class FramedJsonEncoder final : public registry::FramedEncoder {
 public:
  explicit FramedJsonEncoder(std::shared_ptr<const FramedPlan> plan)
      : FramedEncoder(plan->framing), plan_(std::move(plan)) {}

 private:
  Status append(const ColumnBatch& rows, uint32_t row, std::string& message) override {
    return plan_->encoder.append(rows, row, message);
  }

  const std::shared_ptr<const FramedPlan> plan_;
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
    auto plan = std::make_shared<const FramedPlan>(
        FramedPlan{RowObjectEncoder(message, columns, parsed),
                   registry::make_framing(kJsonRegistry, std::move(settings),
                                          {"JSON", {json_detail::json_schema_of(message)}},
                                          "Record", options)});
    return MakeEncoder([plan]() -> std::unique_ptr<RowEncoder> {
      return std::make_unique<FramedJsonEncoder>(plan);
    });
  }
};

}  // namespace

std::unique_ptr<TableFormat> json_registry_table_format() {
  return std::make_unique<JsonRegistryTableFormat>();
}

}  // namespace tidewheel
