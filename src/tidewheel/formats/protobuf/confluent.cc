// The format `protobuf-confluent`: messages with the id of their schema in a registry before them,
// and which of the schema's messages they are:
//
//   0, id in 4 bytes (the highest first), indexes (message_indexes.h), the message
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/protobuf/message_indexes.h"
#include "tidewheel/formats/protobuf/schema.h"
#include "tidewheel/formats/protobuf/sql_schema.h"
#include "tidewheel/formats/protobuf/table.h"
#include "tidewheel/formats/protobuf/table_options.h"
#include "tidewheel/registry/client.h"
#include "tidewheel/registry/framed_encoder.h"
#include "tidewheel/registry/known.h"
#include "tidewheel/registry/table_options.h"

namespace tidewheel {
namespace {

using namespace protobuf;

constexpr char kConfluent[] = "protobuf-confluent";

struct DecodePlan {
  DecodedRow row;
  ReadOptions how;
  registry::Options registry;
  bool skips_malformed = false;
};

// What the registry has, with its imports.
Result<Schema> import_schema(int32_t id, const registry::RegisteredSchema& found,
                             const std::vector<int32_t>& indexes) {
  const std::string file = "schema-" + std::to_string(id) + ".proto";
  const OpenProto open = [&](const std::string& name) -> Result<std::string> {
    if (name == file) { return found.texts.back(); }
    for (size_t i = 0; i + 1 < found.texts.size(); ++i) {
      if (found.names[i] == name) { return found.texts[i]; }
    }
    return not_found(ErrorId::kFormatSchema, "the registry's schema does not refer to such a file");
  };
  return schema_of_proto(file, open, {.name = {}, .indexes = indexes});
}

class ConfluentDecoder final : public RowDecoder {
 public:
  explicit ConfluentDecoder(std::shared_ptr<const DecodePlan> plan) : plan_(std::move(plan)) {}

  Status open(const FormatContext& context) override {
    client_ = std::make_unique<registry::Client>(plan_->registry, context);
    return {};
  }

  Result<bool> decode(Text message, ColumnBatch& rows) override {
    if (message.empty()) { return false; }
    Status status = read(message, rows);
    if (status.ok()) { return true; }
    if (!plan_->skips_malformed || status.id() != ErrorId::kRecordMalformed) { return status; }
    ++skipped_;
    return false;
  }

 private:
  Status read(Text message, ColumnBatch& rows) {
    const auto framed = registry::unframed(message);
    WireReader in(framed.has_value() ? framed->value : std::string_view());
    if (!framed.has_value() || !read_message_indexes(in, indexes_)) {
      return invalid_argument(ErrorId::kRecordMalformed,
                              "the message does not begin with 0, the id of a schema and the "
                              "indexes of a message, as the format protobuf-confluent has it");
    }
    if (decoder_ == nullptr || framed->id != id_ || indexes_ != used_) {
      TIDEWHEEL_RETURN_IF_ERROR(use(framed->id));
    }
    return decode_row(*decoder_, {in.at(), in.left()}, rows).with_context("schema {}", id_);
  }
  Status use(int32_t id) {
    const auto key = std::pair(id, indexes_);
    ColumnDecoder* known = decoders_.find(key);
    if (known == nullptr) {
      TIDEWHEEL_CHECK(client_ != nullptr, "a decoder of protobuf-confluent that was not opened");
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto found, client_->schema_of_record(id, "PROTOBUF"));
      auto schema = import_schema(id, *found, indexes_);
      if (!schema.ok()) { return std::move(schema).status().with_context("schema {}", id); }
      auto made = ColumnDecoder::compile(*schema, plan_->row, plan_->how);
      if (!made.ok()) { return std::move(made).status().with_context("schema {}", id); }
      known = decoders_.add(key, std::move(*made));
    }
    decoder_ = known;
    id_ = id;
    used_ = indexes_;
    return {};
  }

  const std::shared_ptr<const DecodePlan> plan_;
  std::unique_ptr<registry::Client> client_;
  registry::Known<std::pair<int32_t, std::vector<int32_t>>, ColumnDecoder> decoders_;
  ColumnDecoder* decoder_ = nullptr;  // of `id_` and `used_`
  int32_t id_ = 0;
  std::vector<int32_t> used_;
  std::vector<int32_t> indexes_;  // of the message at hand
};

struct EncodePlan {
  ColumnEncoder encoder;
  registry::Framing framing;
  std::string indexes;
};

class ConfluentEncoder final : public registry::FramedEncoder {
 public:
  explicit ConfluentEncoder(std::shared_ptr<const EncodePlan> plan)
      : FramedEncoder(plan->framing), plan_(std::move(plan)) {}

 private:
  Status append(const ColumnBatch& rows, uint32_t row, std::string& message) override {
    message += plan_->indexes;
    return plan_->encoder.append(rows.views(), row, message);
  }

  const std::shared_ptr<const EncodePlan> plan_;
};

class ConfluentTableFormat final : public TableFormat {
 public:
  std::string_view name() const override { return kConfluent; }
  std::vector<TableOption> options() const override {
    std::vector<TableOption> options = registry::table_options(kConfluent);
    options.push_back({kSchema, false, "",
                       "the text of a .proto file whose first message is written, in place of the "
                       "one that follows from the columns"});
    for (TableOption& option : value_options(kConfluent)) { options.push_back(std::move(option)); }
    return options;
  }
  bool needs_world() const override { return true; }
  bool has_streams() const override { return false; }
  void name_topic(const std::string& topic, bool of_keys, TableOptions& options) const override {
    registry::name_topic(kConfluent, topic, of_keys, options);
  }

  Result<MakeDecoder> decoder(const DecodedRow& row, TableOptions& options) const override {
    const registry::TableSettings settings = registry::read_table_options(kConfluent, options);
    static_cast<void>(write_options(kConfluent, options));
    static_cast<void>(options.text(kSchema));
    ReadOptions how = read_options(kConfluent, options);
    how.may_lack = true;  // writers may have had other versions
    auto plan = std::make_shared<const DecodePlan>(
        DecodePlan{row, how, settings.options, ignores_parse_errors(kConfluent, options)});
    return MakeDecoder([plan]() -> std::unique_ptr<RowDecoder> {
      return std::make_unique<ConfluentDecoder>(plan);
    });
  }
  Result<MakeEncoder> encoder(const RowType& message, const std::vector<size_t>& columns,
                              TableOptions& options) const override {
    registry::TableSettings settings = registry::read_table_options(kConfluent, options);
    static_cast<void>(read_options(kConfluent, options));
    static_cast<void>(ignores_parse_errors(kConfluent, options));
    std::string text = options.text(kSchema);
    if (text.empty()) { TIDEWHEEL_ASSIGN_OR_RETURN(text, proto_of(message, "Record")); }
    const OpenProto open = [&](const std::string& name) -> Result<std::string> {
      if (name == kSchema) { return text; }
      return not_found(ErrorId::kFormatSchema, "a schema that is registered imports Google's only");
    };
    TIDEWHEEL_ASSIGN_OR_RETURN(
        const Schema schema,
        schema_of_proto(kSchema, open, {}).with_context("option '{}'", kSchema));
    registry::Framing framing = registry::make_framing(
        kConfluent, std::move(settings), {"PROTOBUF", {text}}, schema.root().name, options);
    TIDEWHEEL_ASSIGN_OR_RETURN(
        ColumnEncoder encoder,
        ColumnEncoder::make(schema, message, columns, write_options(kConfluent, options)));
    // The first message of the file.
    auto plan = std::make_shared<const EncodePlan>(
        EncodePlan{std::move(encoder), std::move(framing), std::string(1, '\0')});
    return MakeEncoder([plan]() -> std::unique_ptr<RowEncoder> {
      return std::make_unique<ConfluentEncoder>(plan);
    });
  }

 private:
  static constexpr char kSchema[] = "protobuf-confluent.schema";
};

}  // namespace

std::unique_ptr<TableFormat> protobuf_confluent_table_format() {
  return std::make_unique<ConfluentTableFormat>();
}

}  // namespace tidewheel
