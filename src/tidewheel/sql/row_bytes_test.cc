#include "tidewheel/sql/row_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/column_partitioner.h"
#include "tidewheel/sql/operator_testing.h"
#include "tidewheel/state/key_hash.h"
#include "tidewheel/types/column_text.h"
#include "tidewheel/types/value_text.h"

namespace tidewheel::sql {
namespace {

using testing::bigint;
using testing::columns;
using testing::Lines;
using testing::make_batch;

RowType all_types() {
  return columns({{"a", bigint(false)},
                  {"b", LogicalType::of(TypeKind::kSmallint)},
                  {"c", LogicalType::string()},
                  {"d", LogicalType::decimal(10, 2)},
                  {"e", LogicalType::decimal(30, 3)},
                  {"f", LogicalType::of(TypeKind::kDouble)},
                  {"g", LogicalType::of(TypeKind::kBoolean)},
                  {"h", LogicalType::of(TypeKind::kDate)},
                  {"i", LogicalType::with(TypeKind::kTimestamp, 3)},
                  {"j", LogicalType::of(TypeKind::kFloat, false)}});
}

std::string random_value(Random& random, const LogicalType& type) {
  if (type.nullable && random.chance(0.2)) { return "NULL"; }
  switch (type.kind) {
    case TypeKind::kVarchar:
      return std::string(random.below(5), static_cast<char>('a' + random.below(3)));
    case TypeKind::kBoolean: return random.chance(0.5) ? "TRUE" : "FALSE";
    case TypeKind::kDouble:
    case TypeKind::kFloat: return std::to_string(random.below(4)) + ".5";
    case TypeKind::kDecimal: return "-" + std::to_string(random.below(300)) + ".25";
    default: return std::to_string(static_cast<int64_t>(random.below(2000)) - 1000);
  }
}

Lines random_lines(Random& random, const RowType& type, size_t count) {
  Lines lines;
  for (size_t i = 0; i < count; ++i) {
    std::string line = random.chance(0.2) ? "-D" : "+I";
    for (size_t c = 0; c < type.size(); ++c) {
      line += (c == 0 ? " " : ",") + random_value(random, type.types[c]);
    }
    lines.push_back(line);
  }
  return lines;
}

std::vector<uint32_t> all_rows(const ColumnBatch& batch) {
  std::vector<uint32_t> rows(batch.size());
  for (uint32_t i = 0; i < batch.size(); ++i) { rows[i] = i; }
  return rows;
}

TEST(RowBytes, rows_come_back_and_their_bytes_are_what_the_schema_says) {
  Random random(1);
  const RowType type = all_types();
  const BatchRef owner = make_batch(type, random_lines(random, type, 300));
  const ColumnBatch& batch = ColumnBatch::of(*owner);
  RowBytes bytes(type.types);
  const ArenaRef arena = Arena::create();
  std::vector<Text> rows(batch.size());
  bytes.encode(batch.views(), all_rows(batch), *arena, rows.data());
  std::vector<Column> back(type.types.begin(), type.types.end());
  std::vector<Column*> pointers;
  for (Column& column : back) { pointers.push_back(&column); }
  bytes.decode(rows, pointers, 0);
  const Schema schema = schema_of_row(type);
  for (uint32_t row = 0; row < batch.size(); ++row) {
    EXPECT_TRUE(check_value(schema, rows[row]).ok());
    for (size_t c = 0; c < type.size(); ++c) {
      EXPECT_EQ(value_to_text(type.types[c], batch.view(c), row),
                value_to_text(type.types[c], back[c].view(), row));
    }
  }
}

TEST(RowBytes, a_snapshot_of_rows_can_be_read_by_people) {
  const RowType type = columns({{"item", bigint()}, {"name", LogicalType::string(false)}});
  const BatchRef owner = make_batch(type, {"+I NULL,abc", "+I 7,x"});
  RowBytes bytes(type.types);
  const ArenaRef arena = Arena::create();
  Text rows[2];
  const uint32_t both[] = {0, 1};
  bytes.encode(ColumnBatch::of(*owner).views(), both, *arena, rows);
  EXPECT_EQ(value_text(schema_of_row(type), rows[0]), "{item: null, name: \"abc\"}");
  EXPECT_EQ(value_text(schema_of_row(type), rows[1]), "{item: 7, name: \"x\"}");
}

TEST(RowBytes, lists_and_maps_come_back) {
  const LogicalType list = LogicalType::array(bigint());
  const LogicalType map = LogicalType::map(LogicalType::string(false), bigint());
  Column lists(list);
  Column maps(map);
  lists.ensure(3);
  maps.ensure(3);
  const ArenaRef arena = Arena::create();
  lists.child(0).ensure(3);
  for (int64_t i = 0; i < 3; ++i) { lists.child(0).values<int64_t>()[i] = i; }
  lists.child(0).set_null(1);
  lists.set_child_rows(3);
  maps.child(0).ensure(2);
  maps.child(1).ensure(2);
  maps.child(0).values<Text>()[0] = Text("b");
  maps.child(0).values<Text>()[1] = Text("a");
  maps.child(1).values<int64_t>()[0] = 1;
  maps.child(1).values<int64_t>()[1] = 2;
  maps.set_child_rows(2);
  for (uint32_t row = 0; row <= 3; ++row) {
    lists.offsets()[row] = row == 0 ? 0 : row == 1 ? 2 : 3;
    maps.offsets()[row] = row == 0 ? 0 : 2;
  }
  lists.set_null(1);
  const ColumnView views[] = {lists.view(), maps.view()};
  RowBytes bytes({list, map}, RowBytes::Form::kCanonical);
  Text rows[3];
  const uint32_t all[] = {0, 1, 2};
  bytes.encode(views, all, *arena, rows);
  Column lists_back(list);
  Column maps_back(map);
  Column* const columns[] = {&lists_back, &maps_back};
  bytes.decode(rows, columns, 0);
  for (uint32_t row = 0; row < 3; ++row) {
    EXPECT_EQ(value_to_text(list, lists_back.view(), row), value_to_text(list, lists.view(), row));
  }
  EXPECT_EQ(value_to_text(map, maps_back.view(), 0), "{a=2, b=1}");
}

TEST(KeyReader, keys_are_equal_when_rows_are) {
  const RowType type =
      columns({{"d", LogicalType::of(TypeKind::kDouble)}, {"s", LogicalType::string()}});
  const BatchRef owner = make_batch(type, {"+I 0.0,a", "+I -0.0,a", "+I NaN,a", "+I -NaN,a",
                                           "+I NULL,a", "+I NULL,", "+I NULL,NULL"});
  KeyReader reader(type.types, {0, 1});
  ASSERT_FALSE(reader.is_int());
  const auto keys = reader.text_keys(ColumnBatch::of(*owner), 0, 7);
  EXPECT_EQ(keys[0], keys[1]);
  EXPECT_EQ(keys[2], keys[3]);
  EXPECT_NE(keys[0], keys[2]);
  EXPECT_NE(keys[4], keys[5]);
  EXPECT_NE(keys[5], keys[6]);
}

TEST(KeyReader, a_column_that_is_never_null_gives_the_same_keys) {
  const RowType nullable = columns({{"a", bigint()}, {"s", LogicalType::string()}});
  const RowType never = columns({{"a", bigint(false)}, {"s", LogicalType::string(false)}});
  KeyReader left(nullable.types, {1, 0});
  KeyReader right(never.types, {1, 0});
  const Lines lines = {"+I 5,abc"};
  const BatchRef a = make_batch(nullable, lines);
  const BatchRef b = make_batch(never, lines);
  EXPECT_EQ(left.text_keys(ColumnBatch::of(*a), 0, 1)[0],
            right.text_keys(ColumnBatch::of(*b), 0, 1)[0]);
  EXPECT_EQ(left.describe(), right.describe());
}

TEST(KeyReader, a_string_that_all_rows_share_gives_the_same_keys) {
  const RowType type = columns({{"a", bigint()}, {"s", LogicalType::string()}});
  const ArenaRef arena = Arena::create();
  for (const size_t size : {0, 1, 5, 6, 10, 14, 15, 40, 200}) {
    const std::string word(size, 'w');
    Column numbers(type.types[0]);
    Column shared(type.types[1]);
    Column copies(type.types[1]);
    for (Column* const column : {&numbers, &shared, &copies}) { column->ensure(3); }
    for (uint32_t i = 0; i < 3; ++i) {
      numbers.values<int64_t>()[i] = i;
      shared.values<Text>()[i] = Text(word);
      copies.values<Text>()[i] = arena->copy(word);
    }
    RowBytes bytes(type.types, RowBytes::Form::kCanonical);
    Text fast[3];
    Text slow[3];
    const std::vector<uint32_t> rows{0, 1, 2};
    bytes.encode(std::vector{numbers.view(), shared.view()}, rows, *arena, fast);
    bytes.encode(std::vector{numbers.view(), copies.view()}, rows, *arena, slow);
    for (size_t i = 0; i < 3; ++i) { EXPECT_EQ(fast[i], slow[i]) << size << " bytes"; }
  }
}

// -1, 0 or 1, by the meaning of the columns.
int compare_values(const ColumnView& column, const LogicalType& type, uint32_t a, uint32_t b,
                   const SortColumn& sort) {
  const bool a_null = column.is_null(a);
  const bool b_null = column.is_null(b);
  if (a_null || b_null) {
    if (a_null == b_null) { return 0; }
    return a_null == sort.nulls_first ? -1 : 1;
  }
  int order = 0;
  with_physical(type.physical(), [&]<class T>() {
    const T& left = column.at<T>(a);
    const T& right = column.at<T>(b);
    order = left < right ? -1 : right < left ? 1 : 0;
  });
  return sort.descending ? -order : order;
}

TEST(SortKeyEncoder, bytes_are_in_the_order_of_the_rows) {
  Random random(3);
  const RowType type = all_types();
  const BatchRef owner = make_batch(type, random_lines(random, type, 60));
  const ColumnBatch& batch = ColumnBatch::of(*owner);
  for (int round = 0; round < 40; ++round) {
    std::vector<SortColumn> order;
    for (int i = 0; i < 3; ++i) {
      order.push_back({static_cast<int32_t>(random.below(type.size())), random.chance(0.5),
                       random.chance(0.5)});
    }
    const SortKeyEncoder key(type.types, order);
    std::vector<std::string> keys(batch.size());
    for (uint32_t row = 0; row < batch.size(); ++row) {
      key.encode(batch.views().data(), row, keys[row]);
    }
    for (uint32_t a = 0; a < batch.size(); ++a) {
      for (uint32_t b = 0; b < batch.size(); ++b) {
        int expected = 0;
        for (const SortColumn& sort : order) {
          const auto column = static_cast<size_t>(sort.column);
          if (expected == 0) {
            expected = compare_values(batch.view(column), type.types[column], a, b, sort);
          }
        }
        const int found = keys[a].compare(keys[b]);
        EXPECT_EQ(expected, found < 0 ? -1 : found > 0 ? 1 : 0);
      }
    }
  }
}

TEST(SortKeyEncoder, a_value_comes_back_from_its_key) {
  Random random(4);
  const RowType type = all_types();
  const BatchRef owner = make_batch(type, random_lines(random, type, 40));
  const ColumnBatch& batch = ColumnBatch::of(*owner);
  const ArenaRef arena = Arena::create();
  for (size_t c = 0; c < type.size(); ++c) {
    for (const bool descending : {false, true}) {
      const SortKeyEncoder key(type.types, {{static_cast<int32_t>(c), descending, true}});
      Column back(type.types[c]);
      for (uint32_t row = 0; row < batch.size(); ++row) {
        std::string bytes;
        key.encode(batch.views().data(), row, bytes);
        key.decode_first(Text(bytes), back, row, *arena);
        EXPECT_EQ(value_to_text(type.types[c], back.view(), row),
                  value_to_text(type.types[c], batch.view(c), row));
      }
    }
  }
}

TEST(ColumnPartitioner, rows_go_where_the_store_of_their_key_is) {
  Random random(5);
  const RowType type = all_types();
  for (const std::vector<int32_t>& key_columns :
       {std::vector<int32_t>{0}, std::vector<int32_t>{1}, std::vector<int32_t>{2, 1},
        std::vector<int32_t>{4}, std::vector<int32_t>{}}) {
    const auto partitioner = make_column_partitioner(type.types, key_columns);
    partitioner->open(3, 128, 16, nullptr);
    KeyReader reader(type.types, key_columns);
    std::multiset<std::string> expected;
    std::multiset<std::string> found;
    for (int round = 0; round < 4; ++round) {
      const Lines lines = random_lines(random, type, 50);
      Element element = Element::rows(make_batch(type, lines));
      for (const std::string& line : testing::batch_lines(type.types, element)) {
        expected.insert(line);
      }
      partitioner->split(element);
    }
    for (uint32_t channel = 0; channel < 3; ++channel) {
      const uint32_t gathered = partitioner->gathered(channel);
      if (gathered == 0) { continue; }
      const Element element = Element::rows(partitioner->take(channel));
      EXPECT_EQ(element.end, gathered);
      for (const std::string& line : testing::batch_lines(type.types, element)) {
        found.insert(line);
      }
      const ColumnBatch& batch = ColumnBatch::of(*element.batch);
      for (uint32_t row = 0; row < batch.size(); ++row) {
        const int32_t group = reader.is_int()
                                  ? key_hash(reader.int_keys(batch, row, row + 1)[0], 128).group
                                  : key_hash(reader.text_keys(batch, row, row + 1)[0], 128).group;
        EXPECT_EQ(subtask_of(group, 3, 128), static_cast<int32_t>(channel));
      }
    }
    EXPECT_EQ(found, expected);
  }
}

TEST(ColumnCodec, batches_come_back) {
  Random random(6);
  const RowType type = all_types();
  const auto codec = make_column_codec(type);
  const auto pool = codec->make_pool(64, nullptr);
  for (int round = 0; round < 20; ++round) {
    Element element = Element::rows(make_batch(type, random_lines(random, type, 40)));
    element.begin = static_cast<uint32_t>(random.below(20));
    element.end = element.begin + static_cast<uint32_t>(random.below(20));
    std::string bytes;
    append_rows(*codec, element, bytes);
    auto decoded = codec->decode(codec->schema(), bytes, *pool);
    ASSERT_TRUE(decoded.ok()) << decoded.status().to_string();
    EXPECT_EQ(testing::batch_lines(type.types, Element::rows(std::move(decoded).value())),
              testing::batch_lines(type.types, element));
  }
}

TEST(ColumnCodec, rows_of_another_query_are_refused) {
  const RowType type = all_types();
  RowType other = type;
  other.names[0] = "z";
  const auto pool = make_column_codec(type)->make_pool(64, nullptr);
  std::string bytes;
  append_rows(*make_column_codec(type), Element::rows(make_batch(type, {})), bytes);
  EXPECT_EQ(make_column_codec(other)
                ->decode(make_column_codec(type)->schema(), bytes, *pool)
                .status()
                .id(),
            ErrorId::kSchemaMismatch);
}

TEST(ColumnCodec, damaged_bytes_are_refused_or_read_and_never_more) {
  Random random(7);
  RowType type = all_types();
  type.add("k", LogicalType::array(LogicalType::string()));
  type.add("l", LogicalType::row({"x", "y"}, {bigint(), LogicalType::string()}));
  const auto codec = make_column_codec(type);
  const auto pool = codec->make_pool(64, nullptr);
  RowType flat = all_types();
  const BatchRef made = make_batch(flat, random_lines(random, flat, 30));
  // The nested columns are there with nothing in them.
  auto* const batch = static_cast<ColumnBatch*>(pool->acquire());
  batch->set_types(type.types);
  for (size_t c = 0; c < flat.size(); ++c) {
    batch->share_column(c, ColumnBatch::of(*made).view(c), *made);
  }
  batch->column(flat.size()).ensure(30);
  for (uint32_t i = 0; i <= 30; ++i) { batch->column(flat.size()).offsets()[i] = 0; }
  batch->column(flat.size() + 1).ensure(30);
  batch->set_size(30);
  batch->seal();
  std::string bytes;
  append_rows(*codec, Element::rows(BatchRef::adopt(batch)), bytes);
  ASSERT_TRUE(codec->decode(codec->schema(), bytes, *pool).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(
        codec->decode(codec->schema(), std::string_view(bytes).substr(0, size), *pool).ok());
  }
  for (int round = 0; round < 5000; ++round) {
    std::string damaged = bytes;
    for (uint64_t i = 1 + random.below(4); i > 0; --i) {
      damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
    }
    auto decoded = codec->decode(codec->schema(), damaged, *pool);
    if (decoded.ok()) {
      testing::batch_lines(type.types, Element::rows(std::move(decoded).value()));
    }
  }
}

}  // namespace
}  // namespace tidewheel::sql
