#include "tidewheel/formats/protobuf/table.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/base/posix_file_system.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/protobuf/schema.h"
#include "tidewheel/formats/protobuf/table_options.h"

namespace tidewheel {
namespace protobuf {

std::vector<TableOption> value_options(const std::string& format) {
  return {{format + ".ignore-parse-errors", false, "false",
           "messages that can't be read are left out, and counted"},
          {format + ".read-default-values", false, "false",
           "what is absent is the schema's default, and not NULL"},
          {format + ".write-null-string-literal", false, "",
           "of strings that are NULL within arrays and maps"}};
}
ReadOptions read_options(const std::string& format, TableOptions& options) {
  return {.defaults = options.flag(format + ".read-default-values", false)};
}
WriteOptions write_options(const std::string& format, TableOptions& options) {
  return {.null_text = options.text(format + ".write-null-string-literal")};
}
bool ignores_parse_errors(const std::string& format, TableOptions& options) {
  return options.flag(format + ".ignore-parse-errors", false);
}

Status decode_row(ColumnDecoder& decoder, std::string_view message, ColumnBatch& rows) {
  const uint32_t row = rows.size();
  rows.ensure_room(1);
  decoder.bind(rows);
  if (!decoder.decode(message, row)) {
    decoder.drop_row(rows, row);
    return invalid_argument(ErrorId::kRecordMalformed, "{}", decoder.fault());
  }
  rows.set_size(row + 1);
  return {};
}

}  // namespace protobuf

namespace {

using namespace protobuf;

constexpr char kProtobuf[] = "protobuf";

struct ReadPlan {
  ColumnDecoder decoder;
  bool skips_malformed = false;
};

class ProtobufDecoder final : public RowDecoder {
 public:
  explicit ProtobufDecoder(std::shared_ptr<const ReadPlan> plan)
      : plan_(std::move(plan)), decoder_(plan_->decoder) {}

  Result<bool> decode(Text message, ColumnBatch& rows) override {
    // A message without bytes is one whose fields are all absent, and so a row.
    Status status = decode_row(decoder_, message, rows);
    if (status.ok()) { return true; }
    if (!plan_->skips_malformed) { return status; }
    ++skipped_;
    return false;
  }

 private:
  const std::shared_ptr<const ReadPlan> plan_;
  ColumnDecoder decoder_;
};

class ProtobufEncoder final : public RowEncoder {
 public:
  explicit ProtobufEncoder(std::shared_ptr<const ColumnEncoder> plan) : plan_(std::move(plan)) {}
  Status encode(const ColumnBatch& rows, uint32_t row, std::string& message) override {
    return plan_->append(rows.views(), row, message);
  }

 private:
  const std::shared_ptr<const ColumnEncoder> plan_;
};

class ProtobufTableFormat final : public TableFormat {
 public:
  std::string_view name() const override { return kProtobuf; }
  std::vector<TableOption> options() const override {
    std::vector<TableOption> options = {
        {kMessage, true, "", "the message's full name, such as shop.Order"},
        {kDescriptors, false, "",
         "a file of descriptors: protoc --include_imports "
         "--descriptor_set_out=FILE"},
        {kProtoFile, false, "", "a .proto file; what it imports is looked for from proto-path"},
        {kProtoPath, false, "", "folders with ':' between them; the file's own, if not given"},
        {kSchema, false, "", "the text of a .proto file, which imports Google's own only"}};
    for (TableOption& option : value_options(kProtobuf)) { options.push_back(std::move(option)); }
    return options;
  }
  bool has_streams() const override { return false; }

  Result<MakeDecoder> decoder(const DecodedRow& row, TableOptions& options) const override {
    const ReadOptions how = read_options(kProtobuf, options);
    static_cast<void>(write_options(kProtobuf, options));
    TIDEWHEEL_ASSIGN_OR_RETURN(const Schema schema, schema_for(options));
    TIDEWHEEL_ASSIGN_OR_RETURN(ColumnDecoder decoder, ColumnDecoder::compile(schema, row, how));
    auto plan = std::make_shared<const ReadPlan>(
        ReadPlan{std::move(decoder), ignores_parse_errors(kProtobuf, options)});
    return MakeDecoder([plan]() -> std::unique_ptr<RowDecoder> {
      return std::make_unique<ProtobufDecoder>(plan);
    });
  }
  Result<MakeEncoder> encoder(const RowType& message, const std::vector<size_t>& columns,
                              TableOptions& options) const override {
    static_cast<void>(read_options(kProtobuf, options));
    static_cast<void>(ignores_parse_errors(kProtobuf, options));
    TIDEWHEEL_ASSIGN_OR_RETURN(const Schema schema, schema_for(options));
    TIDEWHEEL_ASSIGN_OR_RETURN(
        ColumnEncoder made,
        ColumnEncoder::make(schema, message, columns, write_options(kProtobuf, options)));
    auto plan = std::make_shared<const ColumnEncoder>(std::move(made));
    return MakeEncoder([plan]() -> std::unique_ptr<RowEncoder> {
      return std::make_unique<ProtobufEncoder>(plan);
    });
  }

 private:
  static constexpr char kMessage[] = "protobuf.message-class-name";
  static constexpr char kDescriptors[] = "protobuf.descriptor-file";
  static constexpr char kProtoFile[] = "protobuf.proto-file";
  static constexpr char kProtoPath[] = "protobuf.proto-path";
  static constexpr char kSchema[] = "protobuf.schema";

  static Result<Schema> schema_for(TableOptions& options) {
    const std::string message = options.text(kMessage);
    const std::string descriptors = options.text(kDescriptors);
    const std::string proto_file = options.text(kProtoFile);
    const std::string path = options.text(kProtoPath);
    const std::string text = options.text(kSchema);
    const int given = int{!descriptors.empty()} + int{!proto_file.empty()} + int{!text.empty()};
    if (given != 1) {
      return invalid_argument(ErrorId::kSqlOption,
                              "the format protobuf has to know the message: one of the options "
                              "'{}', '{}' and '{}' is needed, and {} are given",
                              kDescriptors, kProtoFile, kSchema, given);
    }
    if (message.empty()) {
      return invalid_argument(ErrorId::kSqlOption,
                              "the format protobuf needs the option '{}': the message's full name, "
                              "such as shop.Order",
                              kMessage);
    }
    const auto files = make_posix_file_system();
    if (!descriptors.empty()) {
      TIDEWHEEL_ASSIGN_OR_RETURN(
          const std::string bytes,
          read_all(*files, descriptors).with_context("option '{}'", kDescriptors));
      return schema_of_descriptors(bytes, message).with_context("{}", descriptors);
    }
    const MessageChoice choice{.name = message, .indexes = {}};
    if (!text.empty()) { return schema_of_proto(kSchema, only(text), choice); }
    return read_proto(*files, proto_file, path, choice);
  }
  // Files that import nothing but Google's.
  static OpenProto only(const std::string& text) {
    return [&text](const std::string& name) -> Result<std::string> {
      if (name == kSchema) { return text; }
      return not_found(ErrorId::kFormatSchema,
                       "there is no such file: '{}' is one text; use '{}' for several", kSchema,
                       kProtoFile);
    };
  }
  static Result<Schema> read_proto(FileSystem& files, const std::string& file,
                                   const std::string& path, const MessageChoice& choice) {
    std::vector<std::string> folders;
    for (size_t at = 0; !path.empty() && at <= path.size();) {
      const size_t end = std::min(path.find(':', at), path.size());
      folders.push_back(path.substr(at, end - at));
      at = end + 1;
    }
    if (folders.empty()) { folders.push_back(parent_path(file)); }
    // By the name that others import it by, so that it is not there twice.
    std::string name = path.empty() ? file_name(file) : file;
    for (const std::string& folder : folders) {
      if (!path.empty() && file.starts_with(folder + "/")) {
        name = file.substr(folder.size() + 1);
      }
    }
    const OpenProto open = [&](const std::string& wanted) -> Result<std::string> {
      for (const std::string& folder : folders) {
        const std::string place = join_path(folder, wanted);
        auto text = read_all(files, place);
        if (text.ok() || text.status().code() != StatusCode::kNotFound) { return text; }
      }
      return not_found(ErrorId::kFileNotFound, "there is no such file in {}",
                       path.empty() ? folders[0] : path);
    };
    return schema_of_proto(name, open, choice);
  }
};

}  // namespace

std::unique_ptr<TableFormat> protobuf_table_format() {
  return std::make_unique<ProtobufTableFormat>();
}

}  // namespace tidewheel
