// Files of Parquet, written and read again, by hand and by tables.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/api/bulk_format.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/formats/parquet/table.h"
#include "tidewheel/testing/column_rows.h"

namespace tidewheel {
namespace {

using namespace test;
using Options = std::map<std::string, std::string>;
using Texts = std::vector<std::string>;
#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

// A file that is a string.
class TextFile final : public ReadableFile {
 public:
  explicit TextFile(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<int64_t> read_at(int64_t offset, std::span<char> into) override {
    const std::string_view rest =
        std::string_view(bytes_).substr(std::min(bytes_.size(), static_cast<size_t>(offset)));
    return static_cast<int64_t>(rest.copy(into.data(), into.size()));
  }
  Result<int64_t> read(std::span<char> into) override {
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t got, read_at(at_, into));
    at_ += got;
    return got;
  }
  Result<FileInfo> info() override { return FileInfo{.size_bytes = std::ssize(bytes_)}; }

 private:
  const std::string bytes_;
  int64_t at_ = 0;
};
std::unique_ptr<ReadableFile> file_of(const std::string& bytes) {
  return std::make_unique<TextFile>(bytes);
}

LogicalType of(TypeKind kind, int32_t precision = 0) { return LogicalType::with(kind, precision); }
const LogicalType kInt = of(TypeKind::kInt);
const LogicalType kLong = of(TypeKind::kBigint);

NamedTypes every_type() {
  return {
      {"yes", of(TypeKind::kBoolean)},
      {"tiny", of(TypeKind::kTinyint)},
      {"small", of(TypeKind::kSmallint)},
      {"int_", kInt.as_nullable(false)},
      {"big", kLong},
      {"single", of(TypeKind::kFloat)},
      {"real", of(TypeKind::kDouble)},
      {"price", LogicalType::decimal(5, 2)},
      {"large", LogicalType::decimal(38, 2)},
      {"text", LogicalType::string()},
      {"bytes", of(TypeKind::kVarbinary, LogicalType::kMaxLength)},
      {"day", of(TypeKind::kDate)},
      {"time_", of(TypeKind::kTime, 3)},
      {"ms", of(TypeKind::kTimestamp, 3)},
      {"us", of(TypeKind::kTimestamp, 6)},
      {"at", of(TypeKind::kTimestampLtz, 3)},
      {"list", LogicalType::array(LogicalType::array(kInt))},
      {"map_", LogicalType::map(LogicalType::string(), LogicalType::array(kInt))},
      {"row_", LogicalType::row({"x", "y"}, {kInt, LogicalType::array(LogicalType::string())})}};
}
constexpr char kEveryValue[] =
    "{\"yes\":true,\"tiny\":-128,\"small\":-300,\"int_\":-2147483648,\"big\":9223372036854775807,"
    "\"single\":0.1,\"real\":1.0E10,\"price\":-1.50,\"large\":-123456789012345678901234567890.25,"
    "\"text\":\"\xc3\xa4\xc3\xb6\",\"bytes\":\"QUJD\",\"day\":\"2020-02-29\","
    "\"time_\":\"10:00:01.5\","
    "\"ms\":\"1969-12-31 23:59:59.999\",\"us\":\"1969-12-31 23:59:59.999999\","
    "\"at\":\"2024-01-31 05:00:00Z\",\"list\":[[1,null],[],null],\"map_\":{\"k\":[1],\"l\":null},"
    "\"row_\":{\"x\":null,\"y\":[\"a\",\"b\"]}}\n"
    "{\"int_\":0}\n"
    "{\"int_\":1,\"list\":[],\"map_\":{},\"row_\":{},\"large\":0,\"price\":999.99}\n";

class Parquet {
 public:
  explicit Parquet(const NamedTypes& columns, Options options = {}) : row_(row_of(columns)) {
    options["connector"] = "test";
    options_ = options;
    format_ = parquet_table_format();
    bulk_ = as_bulk(*format_);
  }

  // Of rows that are given as lines of JSON, so many a batch.
  std::string file(std::string_view lines, uint32_t batch_rows = 1000) {
    TableOptions read(table_of({}, options_), format_->options());
    const auto make = bulk_->bulk_writer(row_, all_of(row_), read);
    status_ = make.ok() ? read.finish() : make.status();
    if (!status_.ok()) { return {}; }
    auto writer = (*make)();
    EXPECT_TRUE(writer.ok()) << writer.status().message();
    ColumnRows rows(row_);
    rows.add(json_table_format(), lines);
    std::string file;
    for (uint32_t begin = 0; begin < rows.sealed().size(); begin += batch_rows) {
      std::vector<uint32_t> indexes;
      for (uint32_t i = begin; i < std::min(begin + batch_rows, rows.batch().size()); ++i) {
        indexes.push_back(i);
      }
      status_ = (*writer)->write(rows.batch(), indexes, file);
      if (!status_.ok()) { return {}; }
    }
    EXPECT_TRUE((*writer)->finish(file).ok());
    return file;
  }
  Texts read(const std::string& file, const BulkSplit& split = {.path = "f.parquet"},
             const std::vector<BulkFilter>& filters = {}) {
    TableOptions read(table_of({}, options_), format_->options());
    const auto make = bulk_->bulk_reader(DecodedRow::all(row_), filters, read);
    EXPECT_TRUE(make.ok());
    auto reader = (*make)(file_of(file), split);
    status_ = reader.status();
    if (!reader.ok()) { return {}; }
    Texts texts;
    while (true) {
      ColumnRows rows(row_);
      const auto more = (*reader)->read(rows.batch(), 1000);
      status_ = more.status();
      for (std::string& text : rows.texts()) { texts.push_back(std::move(text)); }
      if (!more.ok() || !*more) { return texts; }
    }
  }
  std::string columns_of(const std::string& file) {
    const auto columns = bulk_->columns_of(file_of(file));
    if (!columns.ok()) { return columns.status().message(); }
    std::string text;
    for (size_t i = 0; i < columns->size(); ++i) {
      text += (i == 0 ? "" : ", ") + columns->names[i] + " " + columns->types[i].to_string();
    }
    return text;
  }
  const Status& status() const { return status_; }

 private:
  const RowType row_;
  Options options_;
  std::unique_ptr<TableFormat> format_;
  const BulkTableFormat* bulk_ = nullptr;
  Status status_;
};

Texts shown(const NamedTypes& columns, std::string_view lines) {
  ColumnRows rows(row_of(columns));
  rows.add(json_table_format(), lines);
  return rows.texts();
}

TEST(Parquet, every_type_comes_back) {
  for (const char* const int64 : {"true", "false"}) {
    Parquet table(every_type(), {{"parquet.write.int64.timestamp", int64}});
    const std::string file = table.file(kEveryValue, 2);
    ASSERT_TRUE(table.status().ok()) << table.status().message();
    EXPECT_EQ(file.substr(0, 4), "PAR1");
    EXPECT_EQ(table.read(file), shown(every_type(), kEveryValue));
    EXPECT_TRUE(table.status().ok()) << table.status().message();
  }
}

TEST(Parquet, every_codec_is_read_again) {
  const NamedTypes columns = {{"id", kLong}};
  for (const char* const codec : {"UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "LZ4", "BROTLI"}) {
    Parquet table(columns, {{"parquet.compression", codec}});
    EXPECT_EQ(table.read(table.file("{\"id\":7}\n")), Texts{"[7]"}) << codec;
  }
}

TEST(Parquet, the_files_schema_has_its_columns) {
  Parquet table({{"id", kLong.as_nullable(false)},
                 {"price", LogicalType::decimal(10, 2)},
                 {"tags", LogicalType::array(LogicalType::string())},
                 {"us", of(TypeKind::kTimestamp, 6)}},
                {{"parquet.write.int64.timestamp", "true"}});
  EXPECT_EQ(table.columns_of(table.file("{\"id\":1}\n")),
            "id BIGINT NOT NULL, price DECIMAL(10, 2), tags ARRAY<STRING>, us TIMESTAMP(6)");
}

TEST(Parquet, columns_are_found_by_name_and_may_be_wider) {
  const std::string file = Parquet({{"a", of(TypeKind::kSmallint)}, {"b", LogicalType::string()}})
                               .file("{\"a\":5,\"b\":\"x\"}\n");
  Parquet other({{"new", kInt}, {"b", LogicalType::string()}, {"a", kLong}});
  EXPECT_EQ(other.read(file), Texts{"[NULL, x, 5]"});
  Parquet strict({{"new", kInt.as_nullable(false)}});
  strict.read(file);
  EXPECT_EQ(strict.status().id(), ErrorId::kFormatSchema);
  EXPECT_CONTAINS(strict.status().message(), "f.parquet");
  Parquet misfit({{"b", kInt}});
  misfit.read(file);
  EXPECT_CONTAINS(misfit.status().message(),
                  "column 'b': INT can't be read from the file's string");
  const std::string large = Parquet({{"a", kLong}}).file("{\"a\":70000}\n");
  Parquet narrow({{"a", of(TypeKind::kSmallint)}});
  narrow.read(large);
  EXPECT_CONTAINS(narrow.status().message(), "column 'a': this is no SMALLINT: 70000");
}

TEST(Parquet, splits_have_each_row_once_and_reading_goes_on_in_the_middle) {
  Parquet table({{"id", kLong}});
  std::string lines;
  for (int i = 0; i < 4000; ++i) { lines += "{\"id\":" + std::to_string(i) + "}\n"; }
  const std::string file = table.file(lines);
  const Texts all = table.read(file);
  ASSERT_EQ(all.size(), 4000U);
  const int64_t half = std::ssize(file) / 2;
  EXPECT_EQ(
      table.read(file, {"f", 0, half}).size() + table.read(file, {"f", half, INT64_MAX}).size(),
      4000U);
  const Texts rest = table.read(file, {"f", 0, INT64_MAX, 3990});
  EXPECT_EQ(rest, Texts(all.begin() + 3990, all.end()));
  EXPECT_EQ(table.read(file, {"f", 0, INT64_MAX, 4000}), Texts());
}

TEST(Parquet, groups_that_can_not_have_a_value_are_not_read) {
  Parquet table({{"id", kLong}});
  const std::string file = table.file("{\"id\":5}\n{\"id\":9}\n");
  EXPECT_EQ(table.read(file, {.path = "f"}, {{0, {1, 100}}}), Texts());
  EXPECT_EQ(table.read(file, {.path = "f"}, {{0, {100, 7}}}), (Texts{"[5]", "[9]"}));
}

TEST(Parquet, files_that_are_none_or_damaged_are_errors) {
  Parquet table(every_type());
  const std::string file = table.file(kEveryValue);
  for (const std::string& bad : {std::string(), std::string("PAR1"), std::string("PAR1xxxxPAR1"),
                                 std::string(10'000, 'x'), file.substr(0, file.size() - 1)}) {
    table.read(bad);
    EXPECT_EQ(table.status().id(), ErrorId::kRecordMalformed);
    EXPECT_CONTAINS(table.status().message(), "f.parquet");
  }
  const std::string whole = file;
  for (size_t at = 0; at < whole.size(); at += 3) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    table.read(damaged);  // rows, or an error: no crash
    table.read(whole.substr(0, at));
    EXPECT_FALSE(table.status().ok());
  }
}

TEST(Parquet, options_are_checked) {
  const auto failure = [](const Options& options) {
    Parquet table({{"id", kLong}}, options);
    table.file("{}");
    return table.status().message();
  };
  EXPECT_CONTAINS(failure({{"parquet.compression", "LZMA"}}), "SNAPPY");
  EXPECT_CONTAINS(failure({{"parquet.utc-timezone", "false"}}), "must be true");
  EXPECT_CONTAINS(failure({{"parquet.unknown", "x"}}), "parquet.unknown");
  Parquet interval({{"i", of(TypeKind::kIntervalSecond)}});
  interval.file("{}");
  EXPECT_EQ(interval.status().id(), ErrorId::kSqlType);
}

}  // namespace
}  // namespace tidewheel
