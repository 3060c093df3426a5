// The format `avro-confluent`: messages that name their writer's schema by its id in a registry.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/avro/column_decoder.h"
#include "tidewheel/formats/avro/column_encoder.h"
#include "tidewheel/formats/avro/sql_schema.h"
#include "tidewheel/formats/avro/table.h"
#include "tidewheel/registry/client.h"
#include "tidewheel/registry/framed_encoder.h"
#include "tidewheel/registry/known.h"
#include "tidewheel/registry/table_options.h"

namespace tidewheel {
namespace {

using namespace avro;

constexpr char kConfluent[] = "avro-confluent";

struct DecodePlan {
  DecodedRow row;
  Schema reader;
  registry::Options registry;
};

class ConfluentDecoder final : public RowDecoder {
 public:
  explicit ConfluentDecoder(std::shared_ptr<const DecodePlan> plan) : plan_(std::move(plan)) {}

  Status open(const FormatContext& context) override {
    client_ = std::make_unique<registry::Client>(plan_->registry, context);
    return {};
  }

  Result<bool> decode(Text message, ColumnBatch& rows) override {
    if (message.empty()) { return false; }
    const auto framed = registry::unframed(message);
    if (!framed.has_value()) {
      return invalid_argument(ErrorId::kRecordMalformed,
                              "the message does not begin with 0 and the id of a schema, as the "
                              "format avro-confluent has it");
    }
    if (decoder_ == nullptr || framed->id != id_) { TIDEWHEEL_RETURN_IF_ERROR(use(framed->id)); }
    const uint32_t row = rows.size();
    rows.ensure_room(1);
    decoder_->bind(rows);
    WireReader in(framed->value);
    if (!decoder_->decode(in, row)) {
      decoder_->drop_row(rows, row);
      return invalid_argument(ErrorId::kRecordMalformed, "{} (schema {})", decoder_->fault(), id_);
    }
    if (in.left() > 0) {
      decoder_->drop_row(rows, row);
      return invalid_argument(ErrorId::kRecordMalformed,
                              "the message has {} bytes more than schema {} says", in.left(), id_);
    }
    rows.set_size(row + 1);
    return true;
  }

 private:
  Status use(int32_t id) {
    ColumnDecoder* known = decoders_.find(id);
    if (known == nullptr) {
      TIDEWHEEL_CHECK(client_ != nullptr, "a decoder of avro-confluent that was not opened");
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto found, client_->schema_of_record(id, "AVRO"));
      TIDEWHEEL_ASSIGN_OR_RETURN(ColumnDecoder decoder, compile(id, *found));
      known = decoders_.add(id, std::move(decoder));
    }
    decoder_ = known;
    id_ = id;
    return {};
  }
  Result<ColumnDecoder> compile(int32_t id, const registry::RegisteredSchema& found) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(const Schema writer,
                               Schema::parse(found.texts).with_context("schema {}", id));
    return ColumnDecoder::compile(writer, plan_->reader, plan_->row).with_context("schema {}", id);
  }

  const std::shared_ptr<const DecodePlan> plan_;
  std::unique_ptr<registry::Client> client_;
  registry::Known<int32_t, ColumnDecoder> decoders_;
  ColumnDecoder* decoder_ = nullptr;  // of `id_`
  int32_t id_ = 0;
};

struct EncodePlan {
  ColumnEncoder encoder;
  registry::Framing framing;
};

class ConfluentEncoder final : public registry::FramedEncoder {
 public:
  explicit ConfluentEncoder(std::shared_ptr<const EncodePlan> plan)
      : FramedEncoder(plan->framing), plan_(std::move(plan)) {}

 private:
  Status append(const ColumnBatch& rows, uint32_t row, std::string& message) override {
    return plan_->encoder.append(rows.views(), row, message);
  }

  const std::shared_ptr<const EncodePlan> plan_;
};

class ConfluentTableFormat final : public TableFormat {
 public:
  std::string_view name() const override { return kConfluent; }
  std::vector<TableOption> options() const override {
    std::vector<TableOption> options = registry::table_options(kConfluent);
    options.push_back({kSchema, false, "", "JSON, in place of the one that follows from columns"});
    options.push_back({kLegacyTimestamps, false, "true",
                       "TIMESTAMP is timestamp-millis; else local-timestamp-millis or -micros, "
                       "and TIMESTAMP_LTZ has a form too"});
    return options;
  }
  bool needs_world() const override { return true; }
  bool has_streams() const override { return false; }
  void name_topic(const std::string& topic, bool of_keys, TableOptions& options) const override {
    registry::name_topic(kConfluent, topic, of_keys, options);
  }

  Result<MakeDecoder> decoder(const DecodedRow& row, TableOptions& options) const override {
    const registry::TableSettings settings = registry::read_table_options(kConfluent, options);
    TIDEWHEEL_ASSIGN_OR_RETURN(Schema reader, schema_for(row.message, options));
    TIDEWHEEL_RETURN_IF_ERROR(ColumnDecoder::compile(reader, reader, row).status());
    auto plan =
        std::make_shared<const DecodePlan>(DecodePlan{row, std::move(reader), settings.options});
    return MakeDecoder([plan]() -> std::unique_ptr<RowDecoder> {
      return std::make_unique<ConfluentDecoder>(plan);
    });
  }
  Result<MakeEncoder> encoder(const RowType& message, const std::vector<size_t>& columns,
                              TableOptions& options) const override {
    registry::TableSettings settings = registry::read_table_options(kConfluent, options);
    TIDEWHEEL_ASSIGN_OR_RETURN(const Schema schema, schema_for(message, options));
    registry::Framing framing =
        registry::make_framing(kConfluent, std::move(settings), {"AVRO", {schema.to_json()}},
                               schema.node(schema.root()).name, options);
    TIDEWHEEL_ASSIGN_OR_RETURN(ColumnEncoder encoder,
                               ColumnEncoder::make(schema, message, columns));
    auto plan =
        std::make_shared<const EncodePlan>(EncodePlan{std::move(encoder), std::move(framing)});
    return MakeEncoder([plan]() -> std::unique_ptr<RowEncoder> {
      return std::make_unique<ConfluentEncoder>(plan);
    });
  }

 private:
  static constexpr char kSchema[] = "avro-confluent.schema";
  static constexpr char kLegacyTimestamps[] = "avro-confluent.timestamp_mapping.legacy";

  static Result<Schema> schema_for(const RowType& row, TableOptions& options) {
    SqlSchemaOptions how;
    how.legacy_timestamps = options.flag(kLegacyTimestamps, true);
    const std::string text = options.text(kSchema);
    if (text.empty()) { return schema_of(row, how); }
    return Schema::parse(text).with_context("option '{}'", kSchema);
  }
};

}  // namespace

std::unique_ptr<TableFormat> avro_confluent_table_format() {
  return std::make_unique<ConfluentTableFormat>();
}

}  // namespace tidewheel
