// Fuzzes values of Avro: any bytes are a row or malformed, by the schema that wrote them and by
// another one; and rows survive being written and read again.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/formats/avro/column_decoder.h"
#include "tidewheel/formats/avro/column_encoder.h"
#include "tidewheel/formats/avro/sql_schema.h"
#include "tidewheel/testing/column_rows.h"

namespace {

using namespace tidewheel;

// What the writer has, and what is read of it: an empty text is the writer's own.
struct Case {
  std::string_view writer;
  std::string_view reader;
};
constexpr std::array<Case, 4> kCases = {{
    {R"({"type":"record","name":"R","fields":[
      {"name":"a","type":["null","int"]},{"name":"b","type":"string"},
      {"name":"c","type":{"type":"array","items":{"type":"record","name":"E","fields":[
        {"name":"x","type":"long"},{"name":"y","type":["double","null"]}]}}},
      {"name":"d","type":{"type":"map","values":["null","bytes"]}},
      {"name":"e","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":3}},
      {"name":"f","type":{"type":"enum","name":"K","symbols":["A","B"]}},
      {"name":"g","type":{"type":"fixed","name":"F","size":3}},
      {"name":"h","type":{"type":"long","logicalType":"timestamp-micros"}},
      {"name":"i","type":"float"},{"name":"j","type":"boolean"},
      {"name":"k","type":{"type":"int","logicalType":"time-millis"}}]})",
     ""},
    {R"({"type":"record","name":"R","fields":[{"name":"skip","type":["R","int","null"]},
      {"name":"a","type":["int","string","null","float"]},
      {"name":"b","type":{"type":"array","items":"null"}},
      {"name":"c","type":{"type":"map","values":{"type":"array","items":"R"}}},
      {"name":"d","type":"int"}]})",
     R"({"type":"record","name":"R","fields":[{"name":"d","type":"double"},
      {"name":"new","type":"string","default":"x"},{"name":"a","type":["null","double"]},
      {"name":"z","type":{"type":"array","items":"int"},"default":[1,2]}]})"},
    {R"(["null",{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array",
      "items":{"type":"array","items":["null","int"]}}}]}])",
     R"({"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array",
      "items":{"type":"array","items":["null","long"]}}}]})"},
    {R"({"type":"array","items":{"type":"map","values":"string"}})",
     R"({"type":"record","name":"R","fields":[{"name":"v","type":{"type":"array",
      "items":{"type":"map","values":"string"}}}]})"},
}};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size == 0) { return 0; }
  const Case& one = kCases[data[0] % kCases.size()];
  const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
  const avro::Schema writer = *avro::Schema::parse(one.writer);
  const avro::Schema reader = one.reader.empty() ? writer : *avro::Schema::parse(one.reader);
  const RowType row = *avro::row_type_of(reader);
  auto decoder = avro::ColumnDecoder::compile(writer, reader, DecodedRow::all(row));
  TIDEWHEEL_CHECK(decoder.ok(), "{}", decoder.status().message());
  auto skipper = avro::ColumnDecoder::compile(writer, reader, {row, {}});
  TIDEWHEEL_CHECK(skipper.ok());

  test::ColumnRows rows(row);
  const auto decode = [&](avro::ColumnDecoder& with, std::string_view bytes) {
    rows.batch().ensure_room(1);
    with.bind(rows.batch());
    avro::WireReader in(bytes);
    const uint32_t at = rows.batch().size();
    if (!with.decode(in, at)) {
      with.drop_row(rows.batch(), at);
      return false;
    }
    rows.batch().set_size(at + 1);
    return true;
  };
  if (!decode(*decoder, message)) { return 0; }
  const auto encoder = avro::ColumnEncoder::make(reader, row, test::all_of(row));
  TIDEWHEEL_CHECK(encoder.ok(), "{}", encoder.status().message());
  std::string written;
  const Status status = encoder->append(rows.sealed().views(), 0, written);
  TIDEWHEEL_CHECK(status.ok(), "{}", status.message());
  auto own = avro::ColumnDecoder::compile(reader, reader, DecodedRow::all(row));
  TIDEWHEEL_CHECK(own.ok() && decode(*own, written), "{}", own->fault());
  const std::vector<std::string> texts = rows.texts();
  TIDEWHEEL_CHECK(texts[0] == texts[1], "{} {}", texts[0], texts[1]);
  return 0;
}
