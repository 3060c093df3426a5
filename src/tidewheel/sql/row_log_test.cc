#include "tidewheel/sql/row_log.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/operator_testing.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::sql {
namespace {

using testing::bigint;
using testing::columns;
using testing::make_batch;

// Rows of all kinds of values, and a log of them.
class RowLogTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kRows = 200;

  RowLogTest() : table_(Arena::create()), log_(type_.types) {
    char* const letters = table_->allocate(1000);
    for (size_t i = 0; i < 1000; ++i) { letters[i] = static_cast<char>('a' + i % 26); }
    letters_ = letters;
    table_->mark_lasting();
    const BatchRef owner = make_batch(columns({{"x", bigint()}}), {"+I 1"});
    const_cast<Batch&>(*owner).share_arena(table_);
    log_.see_tables(*owner);
    for (const LogicalType& type : type_.types) { columns_.emplace_back(type); }
    rows_.resize(kRows);
    std::iota(rows_.begin(), rows_.end(), 0);
  }
  // Numbers of so many bytes; strings that last, or are gone when the next are made.
  void fill(uint32_t bytes, bool lasting) {
    views_.clear();
    strings_.recycle();
    if (!strings_) { strings_ = Arena::create(); }
    for (size_t c = 0; c < type_.size(); ++c) {
      Column& column = columns_[c];
      column.clear();
      column.ensure(kRows);
      for (uint32_t row = 0; row < kRows; ++row) {
        with_physical(column.physical(), [&]<class T>() {
          const uint64_t number = bytes == 0 ? 7 : random_.next() >> (64 - 8 * bytes);
          if constexpr (std::is_same_v<T, Text>) {
            const Text text(letters_ + number % 500, number % 300);
            column.values<T>()[row] = lasting ? text : strings_->copy(text.view());
          } else {
            column.values<T>()[row] = static_cast<T>(number);
          }
        });
        if (type_.types[c].nullable && random_.chance(nulls_)) { column.set_null(row); }
      }
      views_.push_back(column.view());
    }
  }
  std::vector<std::string> texts(std::span<const ColumnView> views) {
    std::vector<std::string> lines(kRows);
    for (uint32_t row = 0; row < kRows; ++row) {
      for (size_t c = 0; c < type_.size(); ++c) {
        lines[row] += value_to_text(type_.types[c], views[c], row) + "|";
      }
    }
    return lines;
  }
  std::vector<std::string> read(uint32_t block) {
    std::vector<Column> back;
    std::vector<Column*> targets;
    std::vector<ColumnView> views;
    for (const LogicalType& type : type_.types) { back.emplace_back(type); }
    for (Column& column : back) { targets.push_back(&column); }
    // In two parts.
    log_.decode(block, std::span(rows_).first(50), targets, 0);
    log_.decode(block, std::span(rows_).subspan(50), targets, 50);
    for (const Column& column : back) { views.push_back(column.view()); }
    return texts(views);
  }

  const RowType type_ = columns({{"a", bigint(false)},
                                 {"b", LogicalType::of(TypeKind::kSmallint)},
                                 {"c", LogicalType::string()},
                                 {"d", LogicalType::decimal(30, 3)},
                                 {"e", LogicalType::string(false)},
                                 {"f", LogicalType::of(TypeKind::kDouble)},
                                 {"g", LogicalType::of(TypeKind::kInt)},
                                 {"h", LogicalType::with(TypeKind::kTimestamp, 3)},
                                 {"i", LogicalType::of(TypeKind::kFloat, false)},
                                 {"j", bigint()}});
  Random random_{7};
  double nulls_ = 0.2;
  ArenaRef table_;
  ArenaRef strings_;
  const char* letters_ = nullptr;
  RowLog log_;
  std::vector<Column> columns_;
  std::vector<ColumnView> views_;
  std::vector<uint32_t> rows_;
};

TEST_F(RowLogTest, rows_come_back_as_they_were) {
  std::vector<std::pair<uint32_t, std::vector<std::string>>> blocks;
  for (const bool lasting : {true, false}) {
    for (const uint32_t bytes : {0, 1, 2, 3, 5, 8}) {
      fill(bytes, lasting);
      blocks.emplace_back(log_.add(views_, rows_), texts(views_));
    }
  }
  for (const auto& [block, lines] : blocks) { EXPECT_EQ(read(block), lines); }
}

TEST_F(RowLogTest, the_least_and_the_greatest_number_are_kept_in_one_block) {
  fill(1, true);
  columns_[0].values<int64_t>()[0] = std::numeric_limits<int64_t>::min();
  columns_[0].values<int64_t>()[1] = std::numeric_limits<int64_t>::max();
  const uint32_t block = log_.add(views_, rows_);
  EXPECT_EQ(read(block), texts(views_));
  std::vector<int64_t> values;
  log_.for_each_value(block, 0, [&](uint32_t row, int64_t value) {
    EXPECT_EQ(row, values.size());
    values.push_back(value);
  });
  EXPECT_EQ(values, std::vector<int64_t>(columns_[0].values<int64_t>(),
                                         columns_[0].values<int64_t>() + kRows));
}

TEST_F(RowLogTest, rows_take_as_many_bytes_as_they_differ) {
  constexpr int64_t kBlocks = 500;
  constexpr int64_t kHead = 300;                // what is in front of a block
  constexpr int64_t kUnused = 4 * 1024 * 1024;  // of the last pieces
  nulls_ = 0;
  fill(0, true);
  for (int64_t i = 0; i < kBlocks; ++i) { log_.add(views_, rows_); }
  const int64_t equal = log_.memory_bytes();
  EXPECT_LT(equal, kBlocks * kHead + kUnused);
  // 2 bytes of each integer, and of each string's place and size; 8 and 4 of the floating ones.
  fill(2, true);
  for (int64_t i = 0; i < kBlocks; ++i) { log_.add(views_, rows_); }
  EXPECT_LT(log_.memory_bytes() - equal, kBlocks * (kRows * 32 + kHead) + kUnused);
}

TEST_F(RowLogTest, memory_is_used_again) {
  fill(8, false);
  std::vector<uint32_t> blocks;
  for (int i = 0; i < 500; ++i) { blocks.push_back(log_.add(views_, rows_)); }
  const int64_t full = log_.memory_bytes();
  for (int i = 0; i < 5000; ++i) {
    log_.drop(blocks[static_cast<size_t>(i) % blocks.size()]);
    blocks[static_cast<size_t>(i) % blocks.size()] = log_.add(views_, rows_);
  }
  EXPECT_LT(log_.memory_bytes(), full + 8 * 1024 * 1024);
  EXPECT_EQ(read(blocks[17]), texts(views_));
  for (const uint32_t block : blocks) { log_.drop(block); }
  EXPECT_LE(log_.memory_bytes(), 12 * 1024 * 1024);
}

}  // namespace
}  // namespace tidewheel::sql
