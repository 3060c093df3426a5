#include "tidewheel/types/column.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tidewheel/types/hash.h"

namespace tidewheel {
namespace {

Column ints(const std::vector<int>& values) {
  Column column(LogicalType::of(TypeKind::kInt));
  column.ensure(static_cast<uint32_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) { column.values<int32_t>()[i] = values[i]; }
  return column;
}

std::vector<uint64_t> hashes(const Column& column, uint32_t rows) {
  std::vector<uint64_t> out(rows);
  hash_rows(column.type(), column.view(), 0, rows, false, out.data());
  return out;
}

TEST(logical_type, is_written_as_sql_has_it) {
  const auto type = LogicalType::row(
      {"a", "b`c"}, {LogicalType::decimal(10, 2, false),
                     LogicalType::map(LogicalType::string(), LogicalType::of(TypeKind::kBigint))});
  EXPECT_EQ(type.to_string(), "ROW<`a` DECIMAL(10, 2) NOT NULL, `b``c` MAP<STRING, BIGINT>>");
  EXPECT_TRUE(type.same_type(type.as_nullable(false)));
  EXPECT_FALSE(LogicalType::decimal(10, 2).same_type(LogicalType::decimal(10, 3)));
}

TEST(column, keeps_its_values_when_it_grows) {
  Column column(LogicalType::string());
  Text word("word");
  for (uint32_t i = 0; i < 1000; ++i) {
    column.ensure(i + 1);
    if (i % 7 == 3) {
      column.set_null(i);
    } else {
      column.values<Text>()[i] = word;
    }
  }
  for (uint32_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(column.is_null(i), i % 7 == 3);
    EXPECT_EQ(column.view().at<Text>(i), i % 7 == 3 ? "" : "word");
  }
  column.clear();
  EXPECT_FALSE(column.has_nulls());
}

TEST(column, gathers_rows_with_their_nulls) {
  Column from = ints({1, 2, 3, 4});
  from.set_null(2);
  Column to(from.type());
  gather(from.view(), std::vector<uint32_t>{3, 2, 0, 0}, to, 0);
  copy_rows(from.view(), 1, 3, to, 4);
  EXPECT_EQ(to.view().at<int32_t>(0), 4);
  EXPECT_TRUE(to.is_null(1));
  EXPECT_EQ(to.view().at<int32_t>(3), 1);
  EXPECT_EQ(to.view().at<int32_t>(4), 2);
  EXPECT_TRUE(to.is_null(5));
}

// NULLs of many rows come by words of 64, which begin at any row.
TEST(column, nulls_of_many_rows_are_where_the_rows_are) {
  constexpr uint32_t kRows = 300;
  Column from = ints(std::vector<int32_t>(kRows, 5));
  for (uint32_t row = 0; row < kRows; ++row) {
    if (row * row % 7 < 3) { from.set_null(row); }
  }
  for (const uint32_t at : {0U, 1U, 63U, 64U, 100U}) {
    for (const uint32_t step : {1U, 2U, 3U}) {
      std::vector<uint32_t> rows;
      for (uint32_t row = 0; row < kRows; row += step) { rows.push_back(row); }
      Column to(from.type());
      to.ensure(at + 1);
      gather(from.view(), rows, to, at);
      copy_rows(from.view(), 17, kRows, to, at + static_cast<uint32_t>(rows.size()));
      for (uint32_t row = 0; row < at; ++row) { ASSERT_FALSE(to.is_null(row)); }
      for (uint32_t i = 0; i < rows.size(); ++i) {
        ASSERT_EQ(to.is_null(at + i), from.is_null(rows[i])) << at << " and " << i;
      }
      for (uint32_t row = 17; row < kRows; ++row) {
        const auto place = at + static_cast<uint32_t>(rows.size()) + row - 17;
        ASSERT_EQ(to.is_null(place), from.is_null(row)) << at << " and row " << row;
      }
    }
  }
}

TEST(column, a_constant_stands_for_all_rows) {
  const Column one = ints({7});
  ColumnView view = one.view();
  view.is_constant = true;
  Column to(one.type());
  gather(view, std::vector<uint32_t>{5, 9}, to, 0);
  copy_rows(view, 3, 5, to, 2);
  for (uint32_t i = 0; i < 4; ++i) { EXPECT_EQ(to.view().at<int32_t>(i), 7); }
}

TEST(column, gathers_lists) {
  Column from(LogicalType::array(LogicalType::of(TypeKind::kInt)));
  from.ensure(3);
  from.child(0).ensure(5);
  for (int i = 0; i < 5; ++i) { from.child(0).values<int32_t>()[i] = i; }
  const std::vector<uint32_t> ends{2, 2, 5};
  for (uint32_t i = 0; i < 3; ++i) { from.offsets()[i + 1] = ends[i]; }
  from.set_child_rows(5);
  from.set_null(1);
  Column to(from.type());
  gather(from.view(), std::vector<uint32_t>{2, 1, 0}, to, 0);
  gather(from.view(), std::vector<uint32_t>{0}, to, 3);
  EXPECT_EQ(to.child_rows(), 7u);
  EXPECT_TRUE(to.is_null(1));
  const ColumnView view = to.view();
  std::string all;
  for (uint32_t row = 0; row < 4; ++row) {
    for (uint32_t e = view.offsets[row]; e < view.offsets[row + 1]; ++e) {
      all += std::to_string(view.children[0].at<int32_t>(e));
    }
    all += ';';
  }
  EXPECT_EQ(all, "234;;01;01;");
}

TEST(column, copies_text_when_there_is_an_arena) {
  Column from(LogicalType::string());
  from.ensure(1);
  std::string bytes = "short lived";
  from.values<Text>()[0] = Text(bytes);
  const ArenaRef arena = Arena::create();
  Column to(from.type());
  copy_rows(from.view(), 0, 1, to, 0, arena.get());
  bytes.assign(bytes.size(), 'x');
  EXPECT_EQ(to.view().at<Text>(0), "short lived");
}

TEST(column, hashes_do_not_depend_on_the_width) {
  Column wide(LogicalType::of(TypeKind::kBigint));
  wide.ensure(2);
  wide.values<int64_t>()[0] = -5;
  wide.values<int64_t>()[1] = 9;
  wide.set_null(1);
  Column narrow = ints({-5, 8});
  narrow.set_null(1);
  EXPECT_EQ(hashes(wide, 2), hashes(narrow, 2));
  EXPECT_NE(hashes(wide, 2)[0], hashes(wide, 2)[1]);
}

TEST(column, hashes_are_those_of_the_snapshot_format) {
  EXPECT_EQ(hashes(ints({42}), 1)[0], mix64(42));
  Column text(LogicalType::string());
  text.ensure(1);
  text.values<Text>()[0] = Text("tide");
  EXPECT_EQ(hashes(text, 1)[0], hash64(Text("tide")));
}

TEST(column, ranges_of_rows_are_made_null_with_their_children) {
  Column column(LogicalType::row({"a"}, {LogicalType::of(TypeKind::kInt)}));
  column.ensure(300);
  for (uint32_t i = 0; i < 300; ++i) { column.child(0).values<int32_t>()[i] = 7; }
  column.set_nulls(10, 10);
  EXPECT_FALSE(column.has_nulls());
  column.set_nulls(63, 64);
  column.set_nulls(70, 200);
  column.set_nulls(256, 290);
  for (uint32_t i = 0; i < 300; ++i) {
    const bool expected = i == 63 || (i >= 70 && i < 200) || (i >= 256 && i < 290);
    ASSERT_EQ(column.is_null(i), expected) << i;
    ASSERT_EQ(column.child(0).is_null(i), expected) << i;
    ASSERT_EQ(column.child(0).values<int32_t>()[i], expected ? 0 : 7) << i;
  }
}

TEST(column, rows_that_were_dropped_leave_nothing_behind) {
  const LogicalType list = LogicalType::array(LogicalType::of(TypeKind::kInt));
  Column column(LogicalType::row({"a"}, {list}));
  Column& lists = column.child(0);
  column.ensure(4);
  const auto append = [&](uint32_t row, uint32_t elements) {
    for (uint32_t i = 0; i < elements; ++i) {
      lists.child(0).ensure(lists.child_rows() + 1);
      lists.child(0).append_null(lists.child_rows());
      lists.set_child_rows(lists.child_rows() + 1);
    }
    lists.offsets()[row + 1] = lists.child_rows();
  };
  append(0, 2);
  append(1, 3);
  column.append_null(2);
  EXPECT_EQ(lists.offsets()[3], 5U);
  EXPECT_TRUE(column.is_null(2) && lists.is_null(2));
  column.drop_rows(1);
  EXPECT_FALSE(column.is_null(2) || lists.is_null(2));
  EXPECT_EQ(lists.child_rows(), 2U);
  EXPECT_TRUE(lists.child(0).is_null(1));
  EXPECT_FALSE(lists.child(0).is_null(2));
  column.append_null(1);
  EXPECT_EQ(lists.offsets()[2], 2U);
}

}  // namespace
}  // namespace tidewheel
