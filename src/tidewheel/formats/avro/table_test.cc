#include "tidewheel/formats/avro/table.h"

#include <gtest/gtest.h>

#include "tidewheel/formats/avro/container.h"
#include "tidewheel/formats/avro/wire.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/testing/column_rows.h"

namespace tidewheel {
namespace {

using namespace test;

LogicalType of(TypeKind kind, int32_t precision = 0) { return LogicalType::with(kind, precision); }
// A column of each type that Avro has a form for, whatever the options.
NamedTypes every_type() {
  LogicalType multiset = LogicalType::array(LogicalType::string());
  multiset.kind = TypeKind::kMultiset;
  return {{"boolean", of(TypeKind::kBoolean)},
          {"tinyint", of(TypeKind::kTinyint)},
          {"smallint", of(TypeKind::kSmallint)},
          {"int_", of(TypeKind::kInt).as_nullable(false)},
          {"bigint", of(TypeKind::kBigint)},
          {"float_", of(TypeKind::kFloat)},
          {"double_", of(TypeKind::kDouble)},
          {"decimal_", LogicalType::decimal(5, 2)},
          {"large", LogicalType::decimal(38, 2)},
          {"text", LogicalType::string()},
          {"bytes", of(TypeKind::kVarbinary, LogicalType::kMaxLength)},
          {"day", of(TypeKind::kDate)},
          {"time_", of(TypeKind::kTime, 3)},
          {"ms", of(TypeKind::kTimestamp, 3)},
          {"list", LogicalType::array(LogicalType::array(of(TypeKind::kInt)))},
          {"map_", LogicalType::map(LogicalType::string(), LogicalType::array(of(TypeKind::kInt)))},
          {"multiset_", multiset},
          {"row_", LogicalType::row({"x", "y"}, {of(TypeKind::kInt),
                                                 LogicalType::array(LogicalType::string())})}};
}
constexpr char kEveryValue[] =
    "{\"boolean\":true,\"tinyint\":-128,\"smallint\":-300,\"int_\":-2147483648,"
    "\"bigint\":9223372036854775807,\"float_\":0.1,\"double_\":1.0E10,\"decimal_\":-1.50,"
    "\"large\":-123456789012345678901234567890.00,\"text\":\"\xc3\xa4\xc3\xb6\",\"bytes\":\"QUJD\","
    "\"day\":\"2020-02-29\",\"time_\":\"10:00:01.5\",\"ms\":\"1969-12-31 23:59:59.999\","
    "\"list\":[[1,null],[],null],\"map_\":{\"k\":[1],\"l\":null},\"multiset_\":{\"e\":2},"
    "\"row_\":{\"x\":null,\"y\":[\"a\",\"b\"]}}\n"
    "{\"int_\":0}\n"
    "{\"int_\":1,\"list\":[],\"map_\":{},\"row_\":{},\"large\":0,\"decimal_\":999.99}\n";

using Options = std::map<std::string, std::string>;
using Texts = std::vector<std::string>;
#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

// A table of the format, by hand.
class Avro {
 public:
  explicit Avro(const NamedTypes& columns, const Options& options = {})
      : row_(row_of(columns)), format_(avro_table_format()) {
    Options all = options;
    all["connector"] = "test";
    TableOptions read(table_of(columns, all), format_->options());
    auto encoder = format_->encoder(row_, all_of(row_), read);
    auto decoder = format_->decoder(DecodedRow::all(row_), read);
    status_ = !decoder.ok() ? decoder.status() : !encoder.ok() ? encoder.status() : read.finish();
    if (!status_.ok()) { return; }
    make_encoder_ = *encoder;
    make_decoder_ = *decoder;
    head_ = format_->file_head(row_, read);
  }
  const Status& status() const { return status_; }
  const RowType& row() const { return row_; }

  Texts messages(std::string_view lines) {
    ColumnRows rows(row_);
    rows.add(json_table_format(), lines);
    Texts messages;
    const auto encoder = make_encoder_();
    for (uint32_t i = 0; i < rows.sealed().size(); ++i) {
      status_ = encoder->encode(rows.batch(), i, messages.emplace_back());
    }
    return messages;
  }
  Texts decode(const Texts& messages) {
    ColumnRows rows(row_);
    const auto decoder = make_decoder_();
    for (const std::string& message : messages) {
      const auto done = decoder->decode(Text(message), rows.batch());
      if (!done.ok()) { status_ = done.status(); }
    }
    return rows.texts();
  }
  // A file with blocks of so many rows.
  std::string file(std::string_view lines, uint32_t block_rows) {
    ColumnRows rows(row_);
    rows.add(json_table_format(), lines);
    std::string file = head_;
    const auto encoder = make_encoder_();
    EXPECT_TRUE(encoder->writes_blocks());
    for (uint32_t begin = 0; begin < rows.sealed().size(); begin += block_rows) {
      std::vector<uint32_t> indexes;
      for (uint32_t i = begin; i < std::min(begin + block_rows, rows.batch().size()); ++i) {
        indexes.push_back(i);
      }
      EXPECT_TRUE(encoder->encode_block(rows.batch(), indexes, file).ok());
    }
    return file;
  }
  Texts read(const std::string& file, size_t piece = SIZE_MAX, uint32_t batch_rows = 1000) {
    const auto decoder = make_decoder_();
    decoder->name_stream("f.avro");
    return read_on(*decoder, file, piece, batch_rows);
  }
  Texts read_on(RowDecoder& decoder, std::string_view file, size_t piece, uint32_t batch_rows) {
    Texts texts;
    size_t given = 0;
    auto next = RowDecoder::Next::kFull;
    while (next == RowDecoder::Next::kFull) {
      ColumnRows rows(row_);
      std::vector<std::string> kept;  // the bytes live as long as the batch
      kept.reserve(file.size() + 2);
      do {
        kept.emplace_back(file.substr(0, given));
        size_t taken = 0;
        next = decoder.read(kept.back(), given == file.size(), taken, rows.batch(), batch_rows);
        file.remove_prefix(taken);
        given -= taken;
        if (next != RowDecoder::Next::kNeedsBytes) { break; }
        given = file.size() - given < piece ? file.size() : given + piece;
      } while (true);
      for (std::string& text : rows.texts()) { texts.push_back(std::move(text)); }
    }
    status_ = decoder.status();
    return texts;
  }
  MakeDecoder make_decoder() const { return make_decoder_; }

 private:
  RowType row_;
  std::unique_ptr<TableFormat> format_;
  MakeEncoder make_encoder_;
  MakeDecoder make_decoder_;
  std::string head_;
  Status status_;
};

Texts every_row() {
  ColumnRows rows(row_of(every_type()));
  rows.add(json_table_format(), kEveryValue);
  return rows.texts();
}

TEST(AvroTable, messages_of_every_type_are_what_they_were) {
  Avro avro(every_type());
  ASSERT_TRUE(avro.status().ok()) << avro.status().to_string();
  const Texts messages = avro.messages(kEveryValue);
  EXPECT_EQ(avro.decode(messages), every_row());
  EXPECT_TRUE(avro.status().ok()) << avro.status().to_string();
}

TEST(AvroTable, files_of_every_codec_are_read_in_any_pieces) {
  for (const char* codec : {"null", "deflate", "snappy", "zstandard"}) {
    Avro avro(every_type(), {{"avro.codec", codec}});
    for (const uint32_t block_rows : {1U, 2U, 3U}) {
      const std::string file = avro.file(kEveryValue, block_rows);
      for (const size_t piece : {size_t{1}, size_t{7}, SIZE_MAX}) {
        for (const uint32_t batch_rows : {1U, 2U, 1000U}) {
          EXPECT_EQ(avro.read(file, piece, batch_rows), every_row()) << codec;
          EXPECT_TRUE(avro.status().ok()) << avro.status().to_string();
        }
      }
    }
  }
}

TEST(AvroTable, reading_goes_on_in_the_middle_of_a_block) {
  for (const char* codec : {"null", "snappy"}) {
    Avro avro({{"a", of(TypeKind::kInt)}, {"b", LogicalType::string()}}, {{"avro.codec", codec}});
    const std::string file = avro.file(
        "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n{\"a\":3,\"b\":\"z\"}\n{\"a\":4}\n", 3);
    for (uint32_t first_rows = 1; first_rows <= 4; ++first_rows) {
      const auto first = avro.make_decoder()();
      ColumnRows rows(avro.row());
      size_t taken = 0;
      ASSERT_EQ(first->read(file, true, taken, rows.batch(), first_rows), RowDecoder::Next::kFull);
      // As a restored reader does: the head, then what was not taken.
      const auto second = avro.make_decoder()();
      ColumnRows more(avro.row());
      size_t head = 0;
      ASSERT_TRUE(second->needs_header());
      second->read(file, true, head, more.batch(), 0);
      ASSERT_FALSE(second->needs_header());
      second->go_on(first->line());
      EXPECT_EQ(second->line(), first->line());
      Texts all = rows.texts();
      for (const std::string& text :
           avro.read_on(*second, std::string_view(file).substr(taken), SIZE_MAX, 2)) {
        all.push_back(text);
      }
      EXPECT_EQ(all, (Texts{"[1, x]", "[2, y]", "[3, z]", "[4, NULL]"})) << codec << first_rows;
    }
  }
}

TEST(AvroTable, a_file_that_is_cut_short_or_damaged_fails_at_every_byte) {
  for (const char* codec : {"null", "deflate", "snappy", "zstandard"}) {
    Avro avro({{"a", of(TypeKind::kInt)}, {"b", LogicalType::string()}}, {{"avro.codec", codec}});
    const std::string file = avro.file("{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y\"}\n", 1);
    const size_t head = avro.file("", 1).size();
    const size_t block = (file.size() - head) / 2;
    for (size_t size = 1; size < file.size(); ++size) {
      const Texts rows = avro.read(file.substr(0, size));
      EXPECT_LT(rows.size(), 2U);
      EXPECT_EQ(avro.status().ok(), size == head || size == head + block) << codec << size;
      if (!avro.status().ok()) { EXPECT_CONTAINS(avro.status().message(), "f.avro"); }
    }
    for (size_t at = head; at < file.size(); ++at) {
      std::string damaged = file;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
      avro.read(damaged);  // of a codec without a checksum it may be a value all the same
      if (std::string_view(codec) == "snappy") { EXPECT_FALSE(avro.status().ok()) << at; }
    }
  }
  Avro avro({{"a", of(TypeKind::kInt)}});
  EXPECT_EQ(avro.read(""), Texts());
  EXPECT_TRUE(avro.status().ok());
  avro.read("PAR1....");
  EXPECT_CONTAINS(avro.status().message(), "no container file");
}

TEST(AvroTable, files_are_read_by_the_schema_of_whoever_wrote_them) {
  const NamedTypes written = {
      {"id", of(TypeKind::kInt)},
      {"gone", LogicalType::array(
                   LogicalType::row({"p", "q"}, {LogicalType::string(), of(TypeKind::kDouble)}))},
      {"at", of(TypeKind::kTimestamp, 6)},
      {"price", LogicalType::decimal(6, 1)},
      {"name", LogicalType::string()}};
  Avro writer(written, {{"avro.timestamp_mapping.legacy", "false"}});
  const std::string file = writer.file(
      "{\"id\":7,\"gone\":[{\"p\":\"x\",\"q\":1.5},null],\"at\":\"2020-01-01 00:00:00.123456\","
      "\"price\":1.5,\"name\":\"n\"}\n{}\n",
      2);
  Avro reader({{"name", LogicalType::string()},
               {"id", of(TypeKind::kBigint)},
               {"new_", of(TypeKind::kInt)},
               {"price", LogicalType::decimal(10, 3)},
               {"at", of(TypeKind::kTimestamp, 3)}});
  EXPECT_EQ(reader.read(file), (Texts{"[n, 7, NULL, 1.500, 2020-01-01 00:00:00.123]",
                                      "[NULL, NULL, NULL, NULL, NULL]"}));
  EXPECT_TRUE(reader.status().ok()) << reader.status().to_string();
  Avro strict({{"new_", of(TypeKind::kInt).as_nullable(false)}});
  strict.read(file);
  EXPECT_CONTAINS(strict.status().message(), "new_: the writer has no such field");
  Avro other({{"name", of(TypeKind::kInt)}});
  other.read(file);
  EXPECT_CONTAINS(other.status().message(), "name: INT can't be read from string");
}

TEST(AvroTable, a_schema_of_ones_own_may_have_what_columns_have_not) {
  const Options options = {{"avro.schema",
                            R"({"type":"record","name":"R","fields":[
        {"name":"kind","type":{"type":"enum","name":"K","symbols":["A","B"]}},
        {"name":"hash","type":{"type":"fixed","name":"H","size":2}},
        {"name":"either","type":["int","null","string"]},
        {"name":"money","type":{"type":"fixed","name":"M","size":4,"logicalType":"decimal",
          "precision":8,"scale":2}},
        {"name":"more","type":"int","default":5}]})"}};
  Avro avro({{"kind", LogicalType::string()},
             {"hash", of(TypeKind::kVarbinary, 2)},
             {"either", LogicalType::string()},
             {"money", LogicalType::decimal(8, 2)}},
            options);
  // The union has two types, of which a column can have one.
  EXPECT_CONTAINS(avro.status().message(), "either");
  Options narrow = options;
  std::string& text = narrow["avro.schema"];
  text.replace(text.find("\"int\",\"null\""), 12, "\"null\"");
  Avro good({{"money", LogicalType::decimal(8, 2)},
             {"kind", LogicalType::string()},
             {"hash", of(TypeKind::kVarbinary, 2)},
             {"either", LogicalType::string()}},
            narrow);
  ASSERT_TRUE(good.status().ok()) << good.status().to_string();
  const Texts messages =
      good.messages("{\"kind\":\"B\",\"hash\":\"QUI=\",\"either\":\"e\",\"money\":-1.25}\n");
  EXPECT_EQ(messages[0], std::string("\x02"
                                     "AB\x02\x02"
                                     "e\xff\xff\xff\x83\x0a",
                                     11));
  EXPECT_EQ(good.decode(messages), Texts{"[-1.25, B, AB, e]"});
  good.messages("{\"kind\":\"C\",\"hash\":\"QUI=\",\"money\":1}\n");
  EXPECT_CONTAINS(good.status().message(), "column 'kind'");
  good.messages("{\"kind\":\"A\",\"hash\":\"QUI=\"}\n");
  EXPECT_CONTAINS(good.status().message(), "column 'money': there is NULL");
}

TEST(AvroTable, a_message_that_is_cut_short_is_malformed_at_every_byte) {
  Avro avro(every_type());
  const std::string message = avro.messages(kEveryValue)[0];
  for (size_t size = 1; size < message.size(); ++size) {
    EXPECT_EQ(avro.decode({message.substr(0, size)}), Texts()) << size;
    EXPECT_EQ(avro.status().id(), ErrorId::kRecordMalformed);
  }
  avro.decode({message + "x"});
  EXPECT_CONTAINS(avro.status().message(), "1 bytes more");
}

TEST(AvroTable, arrays_that_claim_more_than_there_is_are_malformed) {
  Avro avro({{"a", LogicalType::array(of(TypeKind::kInt))}});
  std::string message("\2", 1);
  avro::append_long(message, int64_t{1} << 40);
  EXPECT_EQ(avro.decode({message}), Texts());
  EXPECT_CONTAINS(avro.status().message(), "column 'a'");
}

TEST(AvroTable, options_are_checked) {
  EXPECT_CONTAINS(Avro({{"a", of(TypeKind::kInt)}}, {{"avro.codec", "lzo"}}).status().message(),
                  "null, deflate, snappy, zstandard");
  EXPECT_CONTAINS(Avro({{"a", of(TypeKind::kInt)}}, {{"avro.encoding", "json"}}).status().message(),
                  "avro.encoding");
  EXPECT_CONTAINS(Avro({{"a", of(TypeKind::kInt)}}, {{"avro.schema", "{"}}).status().message(),
                  "option 'avro.schema'");
  EXPECT_CONTAINS(Avro({{"a b", of(TypeKind::kInt)}}).status().message(), "column 'a b'");
}

}  // namespace
}  // namespace tidewheel
