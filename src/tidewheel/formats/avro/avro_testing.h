// For tests: rows of columns, given and shown as text.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/formats/avro/schema.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/testing/table_harness.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::test {

inline RowType row_of(const NamedTypes& columns) {
  RowType row;
  for (const auto& [name, type] : columns) { row.add(name, type); }
  return row;
}
inline std::vector<size_t> all_of(const RowType& row) {
  std::vector<size_t> all;
  for (size_t i = 0; i < row.size(); ++i) { all.push_back(i); }
  return all;
}

// A batch of rows of these types.
class Rows {
 public:
  explicit Rows(const RowType& row)
      : row_(row), pool_(BatchPool::create_for<ColumnRow>(64, nullptr)) {
    batch_ = static_cast<ColumnBatch*>(pool_->acquire());
    batch_->set_types(row.types);
  }
  ~Rows() { batch_->release(); }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  // Adds lines of JSON.
  void add(std::string_view lines) {
    const auto format = json_table_format();
    TableOptions options(table_of({}, {{"connector", "test"}}), format->options());
    const auto make = format->decoder(DecodedRow::all(row_), options);
    ASSERT_TRUE(make.ok()) << make.status().to_string();
    const auto decoder = (*make)();
    size_t taken = 0;
    decoder->read(batch_->arena().copy(lines), true, taken, *batch_, 1 << 20);
    ASSERT_TRUE(decoder->status().ok()) << decoder->status().to_string();
  }
  ColumnBatch& batch() { return *batch_; }
  ColumnBatch& sealed() {
    batch_->seal();
    return *batch_;
  }
  std::vector<std::string> texts() {
    std::vector<std::string> texts;
    sealed();
    for (uint32_t row = 0; row < batch_->size(); ++row) {
      std::string text =
          batch_->kinds() == nullptr ? "[" : std::string(row_kind_text(batch_->kind(row))) + "[";
      for (size_t i = 0; i < row_.size(); ++i) {
        if (i > 0) { text += ", "; }
        append_value_text(text, row_.types[i], batch_->view(i), row);
      }
      texts.push_back(text + "]");
    }
    return texts;
  }

 private:
  RowType row_;
  std::shared_ptr<BatchPool> pool_;
  ColumnBatch* batch_;
};

inline LogicalType of(TypeKind kind, int32_t precision = 0) {
  return LogicalType::with(kind, precision);
}
// A column of each type that Avro has a form for, whatever the options.
inline NamedTypes every_type() {
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
inline constexpr const char kEveryValue[] =
    "{\"boolean\":true,\"tinyint\":-128,\"smallint\":-300,\"int_\":-2147483648,"
    "\"bigint\":9223372036854775807,\"float_\":0.1,\"double_\":1.0E10,\"decimal_\":-1.50,"
    "\"large\":-123456789012345678901234567890.00,\"text\":\"\xc3\xa4\xc3\xb6\",\"bytes\":\"QUJD\","
    "\"day\":\"2020-02-29\",\"time_\":\"10:00:01.5\",\"ms\":\"1969-12-31 23:59:59.999\","
    "\"list\":[[1,null],[],null],\"map_\":{\"k\":[1],\"l\":null},\"multiset_\":{\"e\":2},"
    "\"row_\":{\"x\":null,\"y\":[\"a\",\"b\"]}}\n"
    "{\"int_\":0}\n"
    "{\"int_\":1,\"list\":[],\"map_\":{},\"row_\":{},\"large\":0,\"decimal_\":999.99}\n";

}  // namespace tidewheel::test
