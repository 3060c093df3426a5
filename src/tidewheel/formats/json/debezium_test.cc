// The format debezium-json.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tidewheel/formats/json/table.h"
#include "tidewheel/testing/column_rows.h"

namespace tidewheel {
namespace {

using namespace test;
using Options = std::map<std::string, std::string>;
using Texts = std::vector<std::string>;
#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

NamedTypes columns() {
  return {{"id", LogicalType::of(TypeKind::kInt, false)},
          {"name", LogicalType::string()},
          {"weight", LogicalType::of(TypeKind::kFloat)}};
}

// A table of the format, by hand.
class Debezium {
 public:
  explicit Debezium(const Options& options = {}, const Texts& metadata = {})
      : row_(row_of(columns())), shown_(row_), format_(debezium_json_table_format()) {
    Options all = options;
    all["connector"] = "test";
    TableOptions read(table_of(columns(), all), format_->options());
    DecodedRow wanted = DecodedRow::all(row_);
    const RowType known = format_->metadata();
    for (const std::string& key : metadata) {
      wanted.metadata.push_back({key, shown_.size()});
      shown_.add(key, known.types[known.find(key)]);
    }
    auto decoder = format_->decoder(wanted, read);
    status_ = decoder.ok() ? read.finish() : decoder.status();
    if (status_.ok()) { make_decoder_ = *decoder; }
  }
  Texts decode(const Texts& messages) {
    ColumnRows rows(shown_);
    const auto decoder = make_decoder_();
    for (const std::string& message : messages) {
      const auto done = decoder->decode(Text(message), rows.batch());
      if (!done.ok()) { status_ = done.status(); }
    }
    skipped_ = decoder->skipped();
    return rows.texts();
  }
  Texts read(std::string_view lines, uint32_t batch_rows) {
    Texts texts;
    const auto decoder = make_decoder_();
    auto next = RowDecoder::Next::kFull;
    while (next == RowDecoder::Next::kFull) {
      ColumnRows rows(shown_);
      size_t taken = 0;
      next = decoder->read(lines, true, taken, rows.batch(), batch_rows);
      lines.remove_prefix(taken);
      for (std::string& text : rows.texts()) { texts.push_back(std::move(text)); }
    }
    status_ = decoder->status();
    return texts;
  }
  // Reads changes, and writes them again.
  std::string round_trip(const Texts& messages) {
    TableOptions options(table_of(columns(), {{"connector", "test"}}), format_->options());
    const auto make = format_->encoder(row_, all_of(row_), options);
    EXPECT_TRUE(make.ok());
    ColumnRows rows(row_);
    const auto decoder = make_decoder_();
    for (const std::string& message : messages) {
      EXPECT_TRUE(decoder->decode(Text(message), rows.batch()).ok());
    }
    std::string out;
    for (uint32_t row = 0; row < rows.sealed().size(); ++row) {
      EXPECT_TRUE((*make)()->encode(rows.batch(), row, out).ok());
      out += '\n';
    }
    return out;
  }
  const Status& status() const { return status_; }
  int64_t skipped() const { return skipped_; }

 private:
  RowType row_;
  RowType shown_;
  std::unique_ptr<TableFormat> format_;
  MakeDecoder make_decoder_;
  Status status_;
  int64_t skipped_ = 0;
};

constexpr char kCreate[] =
    R"({"before":null,"after":{"id":111,"name":"scooter","weight":5.18},"op":"c","ts_ms":1})";
constexpr char kUpdate[] = R"({"op":"u","after":{"id":111,"name":"Scooter","weight":5.15},)"
                           R"("before":{"id":111,"name":"scooter","weight":5.18}})";
constexpr char kDelete[] = R"({"before":{"id":111},"after":null,"op":"d"})";

TEST(DebeziumJson, changes_become_rows_of_their_kinds) {
  Debezium format;
  EXPECT_EQ(format.decode({kCreate, kUpdate, kDelete, "", R"({"after":{"id":1},"op":"r"})"}),
            (Texts{"+I[111, scooter, 5.18]", "-U[111, scooter, 5.18]", "+U[111, Scooter, 5.15]",
                   "-D[111, NULL, NULL]", "+I[1, NULL, NULL]"}));
  EXPECT_TRUE(format.status().ok()) << format.status().to_string();
}

TEST(DebeziumJson, lines_are_read_with_batches_of_any_size) {
  const std::string lines = std::string(kCreate) + "\n" + kUpdate + "\n\n" + kDelete + "\n";
  Debezium format;
  const Texts all = format.read(lines, 100);
  EXPECT_EQ(all.size(), 4U);
  for (const uint32_t rows : {1U, 2U, 3U}) { EXPECT_EQ(format.read(lines, rows), all); }
}

TEST(DebeziumJson, updates_are_written_as_deletions_and_insertions) {
  Debezium format;
  EXPECT_EQ(format.round_trip({kUpdate}),
            "{\"before\":{\"id\":111,\"name\":\"scooter\",\"weight\":5.18},\"after\":null,"
            "\"op\":\"d\"}\n{\"before\":null,\"after\":{\"id\":111,\"name\":\"Scooter\","
            "\"weight\":5.15},\"op\":\"c\"}\n");
}

TEST(DebeziumJson, the_schema_may_be_included_and_is_metadata_as_the_source_is) {
  const std::string payload =
      R"({"op":"c","ts_ms":1589355606100,"after":{"id":1},"source":{"db":"shop",)"
      R"("ts_ms":1589355606000,"table":"t","pos":5,"snapshot":null}})";
  Debezium plain({}, {"source.database", "ingestion-timestamp", "source.timestamp", "source.schema",
                      "source.properties", "schema"});
  EXPECT_EQ(
      plain.decode({payload, kCreate}),
      (Texts{"+I[1, NULL, NULL, shop, 2020-05-13 07:40:06.100, 2020-05-13 07:40:06.000, "
             "NULL, {db=shop, ts_ms=1589355606000, table=t, pos=5, snapshot=NULL}, NULL]",
             "+I[111, scooter, 5.18, NULL, 1970-01-01 00:00:00.001, NULL, NULL, NULL, NULL]"}));
  EXPECT_TRUE(plain.status().ok()) << plain.status().to_string();
  Debezium included(Options{{"debezium-json.schema-include", "true"}}, {"schema"});
  EXPECT_EQ(included.decode({"{\"schema\":{\"a\":[1]},\"payload\":" + payload + "}"}),
            Texts{"+I[1, NULL, NULL, {\"a\":[1]}]"});
  included.decode({kCreate});
  EXPECT_CONTAINS(included.status().message(), "payload");
}

TEST(DebeziumJson, what_is_no_change_is_malformed_and_can_be_left_out) {
  const Texts bad = {R"({"after":{"id":1}})",
                     R"({"op":"x","after":{"id":1}})",
                     R"({"op":"u","before":null,"after":{"id":1}})",
                     R"({"op":"d"})",
                     R"({"op":"c","after":{"id":null}})",
                     R"({"op":"c","after":5})",
                     R"({"op":"u","before":{"id":1},"after":{"id":"x"}})",
                     R"({"op":"c","after":{"id":1})",
                     R"([1])",
                     "x"};
  for (const std::string& message : bad) {
    Debezium strict;
    EXPECT_EQ(strict.decode({message}), Texts()) << message;
    EXPECT_EQ(strict.status().id(), ErrorId::kRecordMalformed) << message;
  }
  Debezium format;
  format.decode({bad[2]});
  EXPECT_CONTAINS(format.status().message(), "REPLICA IDENTITY FULL");
  Debezium lenient(Options{{"debezium-json.ignore-parse-errors", "true"}});
  Texts all = bad;
  all.insert(all.begin() + 3, kCreate);
  EXPECT_EQ(lenient.decode(all), Texts{"+I[111, scooter, 5.18]"});
  EXPECT_EQ(lenient.skipped(), static_cast<int64_t>(bad.size()));
  EXPECT_TRUE(lenient.status().ok());
}

TEST(DebeziumJson, a_message_that_is_cut_short_is_malformed_at_every_byte) {
  const std::string message = kUpdate;
  for (size_t size = 1; size < message.size(); ++size) {
    Debezium format;
    EXPECT_EQ(format.decode({message.substr(0, size)}), Texts());
    EXPECT_FALSE(format.status().ok()) << size;
  }
}

}  // namespace
}  // namespace tidewheel
