// Fuzzes messages of Protocol Buffers: any bytes are a row or malformed, and rows survive being
// written and read again; texts of .proto files are a schema or an error; and which message of a
// schema a record is, is told or malformed.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/formats/protobuf/column_decoder.h"
#include "tidewheel/formats/protobuf/column_encoder.h"
#include "tidewheel/formats/protobuf/message_indexes.h"
#include "tidewheel/formats/protobuf/protobuf_testing.h"
#include "tidewheel/testing/column_rows.h"

namespace {

using namespace tidewheel;

void fuzz_schema(std::string_view text) {
  const protobuf::OpenProto open = [&](const std::string& name) -> Result<std::string> {
    if (name == "x.proto") { return std::string(text); }
    return not_found(ErrorId::kFileNotFound, "no such file");
  };
  static_cast<void>(protobuf::schema_of_proto("x.proto", open, {}).ok());
  static_cast<void>(protobuf::schema_of_descriptors(text, "shop.Every").ok());
}

void fuzz_indexes(std::string_view bytes) {
  protobuf::WireReader in(bytes);
  std::vector<int32_t> indexes;
  if (!protobuf::read_message_indexes(in, indexes)) { return; }
  TIDEWHEEL_CHECK(!indexes.empty() && indexes.size() <= protobuf::kIndexesMax);
  std::string written;
  append_varint(written, protobuf::zigzag(std::ssize(indexes)));
  for (const int32_t index : indexes) { append_varint(written, protobuf::zigzag(index)); }
  protobuf::WireReader again(written);
  std::vector<int32_t> read;
  TIDEWHEEL_CHECK(protobuf::read_message_indexes(again, read) && read == indexes);
  TIDEWHEEL_CHECK(again.left() == 0);
}

struct Case {
  explicit Case(const char* text)
      : schema(protobuf::schema_of_text(text, "shop.Every")),
        columns(protobuf::columns_of(schema)) {
    for (size_t i = 0; i < columns.size(); ++i) {
      if (schema.root().fields[i].oneof >= 0) { continue; }
      without_oneofs.add(columns.names[i], columns.types[i]);
    }
  }
  protobuf::Schema schema;
  RowType columns;
  RowType without_oneofs;
};

bool decode(protobuf::ColumnDecoder& with, std::string_view bytes, test::ColumnRows& rows) {
  rows.batch().ensure_room(1);
  with.bind(rows.batch());
  const uint32_t at = rows.batch().size();
  if (!with.decode(bytes, at)) {
    with.drop_row(rows.batch(), at);
    return false;
  }
  rows.batch().set_size(at + 1);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static const std::array<Case, 2> cases = {Case(protobuf::kEveryKind3),
                                            Case(protobuf::kEveryKind2)};
  if (size == 0) { return 0; }
  const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
  fuzz_indexes(message);
  constexpr uint8_t kKinds = 5;
  if (data[0] % kKinds == kKinds - 1) {
    fuzz_schema(message);
    return 0;
  }
  const Case& one = cases[data[0] % 2];
  const bool defaults = data[0] % kKinds >= 2;
  // With defaults for what is absent, a row does not say which field of a oneof there was.
  const RowType& columns = defaults ? one.without_oneofs : one.columns;
  auto decoder = protobuf::ColumnDecoder::compile(one.schema, DecodedRow::all(columns),
                                                  {.defaults = defaults});
  TIDEWHEEL_CHECK(decoder.ok(), "{}", decoder.status().message());
  auto skipper = protobuf::ColumnDecoder::compile(one.schema, {columns, {}}, {});
  TIDEWHEEL_CHECK(skipper.ok());
  test::ColumnRows rows(columns);
  static_cast<void>(decode(*skipper, message, rows));
  rows.batch().set_size(0);
  if (!decode(*decoder, message, rows)) { return 0; }
  const auto encoder =
      protobuf::ColumnEncoder::make(one.schema, columns, test::all_of(columns), {});
  TIDEWHEEL_CHECK(encoder.ok(), "{}", encoder.status().message());
  std::string written;
  const Status status = encoder->append(rows.sealed().views(), 0, written);
  TIDEWHEEL_CHECK(status.ok(), "{}", status.message());
  TIDEWHEEL_CHECK(decode(*decoder, written, rows), "{}", decoder->fault());
  const std::vector<std::string> texts = rows.texts();
  TIDEWHEEL_CHECK(texts[0] == texts[1], "{} {}", texts[0], texts[1]);
  return 0;
}
