#include "tidewheel/sql/row_image.h"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/operator_testing.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::sql {
namespace {

using testing::bigint;
using testing::columns;
using testing::make_batch;

RowType some_types() {
  return columns({{"a", bigint(false)},
                  {"b", LogicalType::of(TypeKind::kSmallint)},
                  {"c", LogicalType::string()},
                  {"d", LogicalType::decimal(30, 3)},
                  {"e", LogicalType::string(false)},
                  {"f", LogicalType::of(TypeKind::kDouble)},
                  {"g", LogicalType::of(TypeKind::kBoolean)},
                  {"h", LogicalType::with(TypeKind::kTimestamp, 3)},
                  {"i", LogicalType::string()},
                  {"j", LogicalType::of(TypeKind::kFloat, false)}});
}

// Rows whose strings are partly in a table that lasts.
class ImagesTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kRows = 300;
  static constexpr size_t kLongBytes = 70'000;  // more than what is pointed to

  ImagesTest() : table_(Arena::create()) {
    char* const letters = table_->allocate(2 * kLongBytes);
    for (size_t i = 0; i < 2 * kLongBytes; ++i) { letters[i] = static_cast<char>('a' + i % 26); }
    letters_ = letters;
    table_->mark_lasting();
    for (const LogicalType& type : type_.types) { columns_.emplace_back(type); }
    for (size_t c = 0; c < type_.size(); ++c) { fill(columns_[c], type_.types[c]); }
    for (const Column& column : columns_) { views_.push_back(column.view()); }
    rows_.resize(kRows);
    std::iota(rows_.begin(), rows_.end(), 0);
    owner_ = make_batch(columns({{"x", bigint()}}), {"+I 1"});
    const_cast<Batch&>(*owner_).share_arena(table_);
  }
  // All rows as images, and as snapshots have them.
  std::pair<std::vector<Text>, std::vector<Text>> encode_with(RowImages& images) {
    std::pair<std::vector<Text>, std::vector<Text>> both;
    both.first.resize(kRows);
    both.second.resize(kRows);
    images.encode(views_, rows_, *arena_, both.first.data());
    RowBytes(type_.types).encode(views_, rows_, *arena_, both.second.data());
    return both;
  }
  void fill(Column& column, const LogicalType& type) {
    column.ensure(kRows);
    for (uint32_t row = 0; row < kRows; ++row) {
      with_physical(column.physical(), [&]<class T>() {
        if constexpr (std::is_same_v<T, Text>) {
          column.values<T>()[row] = random_text();
        } else {
          column.values<T>()[row] = static_cast<T>(random_.below(2));
          if (sizeof(T) == 8 && random_.chance(0.05)) {
            column.values<T>()[row] = std::numeric_limits<T>::lowest();
          }
        }
      });
      if (type.nullable && random_.chance(0.2)) { column.set_null(row); }
    }
  }
  Text random_text() {
    const size_t size = random_.chance(0.02) ? kLongBytes : random_.below(200);
    const Text lasting(letters_ + random_.below(kLongBytes), size);
    return random_.chance(0.6) ? lasting : strings_->copy(lasting.view());
  }
  void expect_same(const std::vector<Column>& back, const std::vector<uint32_t>& places) {
    for (uint32_t row = 0; row < kRows; ++row) {
      for (size_t c = 0; c < type_.size(); ++c) {
        EXPECT_EQ(value_to_text(type_.types[c], views_[c], row),
                  value_to_text(type_.types[c], back[c].view(), places[row]));
      }
    }
  }
  std::vector<Column*> empty_columns(std::vector<Column>& back) {
    std::vector<Column*> pointers;
    for (const LogicalType& type : type_.types) { back.emplace_back(type); }
    for (Column& column : back) { pointers.push_back(&column); }
    return pointers;
  }

  Random random_{1};
  const RowType type_ = some_types();
  const ArenaRef table_;
  const char* letters_ = nullptr;
  ArenaRef strings_ = Arena::create();
  std::vector<Column> columns_;
  std::vector<ColumnView> views_;
  std::vector<uint32_t> rows_;
  BatchRef owner_;  // a batch whose rows point into the table
  ArenaRef arena_ = Arena::create();
};

TEST_F(ImagesTest, rows_come_back) {
  RowImages images(type_.types);
  images.see_tables(*owner_);
  std::vector<Text> made(kRows);
  images.encode(views_, rows_, *arena_, made.data());
  std::vector<Column> back;
  images.decode(made, empty_columns(back), 5);
  std::vector<uint32_t> places(kRows);
  std::iota(places.begin(), places.end(), 5);
  expect_same(back, places);
  for (uint32_t row = 0; row < kRows; ++row) { places[row] = (row * 7) % kRows; }
  std::vector<Column> elsewhere;
  images.decode_to(made, empty_columns(elsewhere), places.data(), strings_.get());
  expect_same(elsewhere, places);
}

TEST_F(ImagesTest, strings_of_a_lasting_table_are_not_copied_and_the_table_is_kept) {
  RowImages images(type_.types);
  images.see_tables(*owner_);
  Column& texts = columns_[4];
  for (uint32_t row = 0; row < kRows; ++row) { texts.values<Text>()[row] = Text(letters_, 150); }
  std::vector<Text> made(kRows);
  images.encode(views_, rows_, *arena_, made.data());
  std::vector<Column> back;
  images.decode(made, empty_columns(back), 0, strings_.get());
  EXPECT_EQ(back[4].values<Text>()[0].data(), letters_);
  const BatchRef to = make_batch(columns({{"x", bigint()}}), {"+I 1"});
  images.share_tables(const_cast<Batch&>(*to));
  images.share_tables(const_cast<Batch&>(*to));
  ASSERT_EQ(to->shared_arenas().size(), 1u);
  EXPECT_EQ(to->shared_arenas()[0], table_);
}

TEST_F(ImagesTest, snapshots_have_what_row_bytes_makes_and_rows_come_back_from_it) {
  RowImages images(type_.types);
  images.see_tables(*owner_);
  const auto [made, saved] = encode_with(images);
  const RowImages others(type_.types);
  std::vector<Text> read(kRows);
  for (uint32_t row = 0; row < kRows; ++row) {
    EXPECT_EQ(images.to_bytes(made[row]), saved[row]);
    const uint32_t size = others.image_size(saved[row]);
    ASSERT_GT(size, 0u);
    char* const to = arena_->allocate(size);
    others.write_image(saved[row], to);
    read[row] = Text(to, size);
  }
  std::vector<Column> back;
  others.decode(read, empty_columns(back), 0);
  expect_same(back, rows_);
}

TEST_F(ImagesTest, bytes_that_are_cut_short_or_go_on_are_no_row) {
  RowBytes bytes(type_.types);
  const RowImages images(type_.types);
  Text saved;
  bytes.encode(views_, std::span(rows_).first(1), *arena_, &saved);
  for (size_t size = 0; size < saved.size(); ++size) {
    EXPECT_EQ(images.image_size(saved.substr(0, size)), 0u) << size;
  }
  EXPECT_EQ(images.image_size(saved.str() + "x"), 0u);
}

TEST_F(ImagesTest, a_column_that_is_left_out_is_put_back_in_snapshots) {
  columns_[0].ensure(kRows);
  for (uint32_t row = 0; row < kRows; ++row) {
    columns_[0].values<int64_t>()[row] = int64_t{row} - 100;
  }
  views_[0] = columns_[0].view();
  RowImages all(type_.types);
  RowImages images(type_.types);
  images.leave_out(0);
  EXPECT_TRUE(images.leaves_out(0));
  EXPECT_FALSE(images.leaves_out(1));
  images.see_tables(*owner_);
  const auto [made, saved] = encode_with(images);
  std::vector<Text> read(kRows);
  for (uint32_t row = 0; row < kRows; ++row) {
    images.set_key(int64_t{row} - 100);
    EXPECT_EQ(images.to_bytes(made[row]), saved[row]);
    const uint32_t size = images.image_size(saved[row]);
    EXPECT_LT(size, all.image_size(saved[row]));
    char* const to = arena_->allocate(size);
    images.write_image(saved[row], to);
    read[row] = Text(to, size);
  }
  std::vector<Column> back;
  images.decode(read, empty_columns(back), 0);
  back[0].ensure(kRows);
  std::copy_n(columns_[0].values<int64_t>(), kRows, back[0].values<int64_t>());
  expect_same(back, rows_);
}

TEST(Images, small_numbers_and_times_take_few_bytes) {
  RowImages images({bigint(false), LogicalType::with(TypeKind::kTimestamp, 3), bigint(false)});
  Column numbers(bigint(false));
  Column times(LogicalType::with(TypeKind::kTimestamp, 3));
  const int64_t values[] = {0, UINT32_MAX, int64_t{UINT32_MAX} + 1, -1, 7, 7};
  const int64_t stamps[] = {0, (int64_t{1} << 48) - 1, 5, 5, int64_t{1} << 48, -1};
  const uint32_t sizes[] = {15, 15, 25, 25, 25, 25};
  numbers.ensure(6);
  times.ensure(6);
  std::copy_n(values, 6, numbers.values<int64_t>());
  std::copy_n(stamps, 6, times.values<int64_t>());
  const std::vector<ColumnView> views = {numbers.view(), times.view(), numbers.view()};
  const uint32_t rows[] = {0, 1, 2, 3, 4, 5};
  const ArenaRef arena = Arena::create();
  std::vector<Text> made(6);
  images.encode(views, rows, *arena, made.data());
  Column first(bigint(false));
  Column second(LogicalType::with(TypeKind::kTimestamp, 3));
  Column* const columns[] = {&first, &second, nullptr};
  images.decode(made, columns, 0);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(made[i].size(), sizes[i]) << i;
    EXPECT_EQ(images.size_of(made[i].data()), sizes[i]) << i;
    EXPECT_EQ(first.values<int64_t>()[i], values[i]);
    EXPECT_EQ(second.values<int64_t>()[i], stamps[i]);
  }
}

TEST(Images, rows_without_columns_are_not_empty) {
  RowImages images({});
  const ArenaRef arena = Arena::create();
  const uint32_t row = 0;
  Text made;
  images.encode({}, std::span(&row, 1), *arena, &made);
  EXPECT_FALSE(made.empty());
  RowBytes bytes({});
  Text saved;
  bytes.encode({}, std::span(&row, 1), *arena, &saved);
  EXPECT_EQ(images.to_bytes(made), saved);
  EXPECT_GT(images.image_size(saved), 0u);
}

}  // namespace
}  // namespace tidewheel::sql
