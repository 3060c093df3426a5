// Fuzzes schemas of Avro: any text is a schema or refused, what is printed means the same, and a
// schema can be resolved against itself wherever it is a row.
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/check.h"
#include "tidewheel/formats/avro/column_decoder.h"
#include "tidewheel/formats/avro/column_encoder.h"
#include "tidewheel/formats/avro/sql_schema.h"

using namespace tidewheel;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto schema = avro::Schema::parse(text);
  if (!schema.ok()) {
    TIDEWHEEL_CHECK(schema.status().id() == ErrorId::kFormatSchema);
    return 0;
  }
  const std::string printed = schema->to_json();
  const auto again = avro::Schema::parse(printed);
  TIDEWHEEL_CHECK(again.ok(), "{}: {}", printed, again.status().message());
  TIDEWHEEL_CHECK(again->to_json() == printed, "{}", printed);
  TIDEWHEEL_CHECK(again->fingerprint() == schema->fingerprint());
  const auto row = avro::row_type_of(*schema);
  if (!row.ok()) { return 0; }
  const auto decoder = avro::ColumnDecoder::compile(*schema, *schema, DecodedRow::all(*row));
  TIDEWHEEL_CHECK(decoder.ok(), "{}: {}", printed, decoder.status().message());
  static_cast<void>(avro::ColumnDecoder::compile(*schema, *schema, {*row, {}}));
  std::vector<size_t> all;
  for (std::size_t i = 0; i < row->size(); ++i) { all.push_back(i); }
  static_cast<void>(avro::ColumnEncoder::make(*schema, *row, all));
  return 0;
}
