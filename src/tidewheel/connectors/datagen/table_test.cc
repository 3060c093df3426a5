#include "tidewheel/connectors/datagen/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tidewheel/connectors/datagen/source.h"
#include "tidewheel/sim/sim_world.h"
#include "tidewheel/testing/connector_harness.h"
#include "tidewheel/testing/table_harness.h"

namespace tidewheel::datagen {
namespace {

using test::NamedTypes;
using test::table_of;

const LogicalType kLong = LogicalType::of(TypeKind::kBigint);
const LogicalType kInt = LogicalType::of(TypeKind::kInt);
const LogicalType kString = LogicalType::string();

class DatagenTable : public ::testing::Test {
 protected:
  std::vector<std::string> read(const NamedTypes& columns,
                                std::map<std::string, std::string> options,
                                const test::ClusterOptions& cluster = {}) {
    options.insert({{"connector", "datagen"}, {"seed", "5"}});
    const auto rows =
        test::read_table(*connector_, table_of(columns, options), registry_, nullptr, cluster);
    EXPECT_TRUE(rows.ok()) << rows.status().to_string();
    return rows.ok() ? *rows : std::vector<std::string>();
  }
  Status status_of(const NamedTypes& columns, std::map<std::string, std::string> options) {
    options["connector"] = "datagen";
    return connector_->source({table_of(columns, options), registry_}).status();
  }
  const std::unique_ptr<TableConnector> connector_ = table_connector();
  TableRegistry registry_;
};

TEST_F(DatagenTable, a_sequence_ends_the_table) {
  EXPECT_EQ(read({{"n", kLong}, {"s", kString}, {"d", LogicalType::decimal(10, 2)}},
                 {{"fields.n.kind", "sequence"},
                  {"fields.n.start", "-1"},
                  {"fields.n.end", "10"},
                  {"fields.s.kind", "sequence"},
                  {"fields.s.start", "7"},
                  {"fields.s.end", "9"},
                  {"fields.d.kind", "sequence"},
                  {"fields.d.start", "1"},
                  {"fields.d.end", "100"}}),
            (std::vector<std::string>{"+I[-1, 7, 1.00]", "+I[0, 8, 2.00]", "+I[1, 9, 3.00]"}));
}

TEST_F(DatagenTable, fields_of_rows_may_be_sequences) {
  EXPECT_EQ(read({{"r", LogicalType::row({"a", "b"}, {kInt, LogicalType::array(kInt)})}},
                 {{"fields.r.a.kind", "sequence"},
                  {"fields.r.a.start", "4"},
                  {"fields.r.a.end", "5"},
                  {"fields.r.b.length", "0"}}),
            (std::vector<std::string>{"+I[(4, [])]", "+I[(5, [])]"}));
}

TEST_F(DatagenTable, values_are_within_their_bounds) {
  const std::vector<std::string> rows =
      read({{"n", kInt}, {"d", LogicalType::decimal(38, 1)}}, {{"number-of-rows", "1000"},
                                                               {"rows-per-second", "1000000"},
                                                               {"fields.n.min", "-1"},
                                                               {"fields.n.max", "1"},
                                                               {"fields.d.min", "0.1"},
                                                               {"fields.d.max", "0.2"}});
  ASSERT_EQ(rows.size(), 1000U);
  const std::set<std::string> distinct(rows.begin(), rows.end());
  EXPECT_EQ(distinct, (std::set<std::string>{"+I[-1, 0.1]", "+I[-1, 0.2]", "+I[0, 0.1]",
                                             "+I[0, 0.2]", "+I[1, 0.1]", "+I[1, 0.2]"}));
}

// The columns of every type there is.
NamedTypes every_type() {
  const auto of = [](TypeKind kind, int32_t precision = 0) {
    return LogicalType::with(kind, precision);
  };
  NamedTypes all = {{"boolean", of(TypeKind::kBoolean)},
                    {"tinyint", of(TypeKind::kTinyint)},
                    {"smallint", of(TypeKind::kSmallint)},
                    {"int", kInt},
                    {"bigint", kLong},
                    {"float", of(TypeKind::kFloat)},
                    {"double", of(TypeKind::kDouble)},
                    {"decimal", LogicalType::decimal(18, 3)},
                    {"large", LogicalType::decimal(38, 10)},
                    {"char", of(TypeKind::kChar, 5)},
                    {"varchar", of(TypeKind::kVarchar, 7)},
                    {"string", kString},
                    {"binary", of(TypeKind::kBinary, 3)},
                    {"bytes", of(TypeKind::kVarbinary, LogicalType::kMaxLength)},
                    {"date", of(TypeKind::kDate)},
                    {"time", of(TypeKind::kTime)},
                    {"timestamp", of(TypeKind::kTimestamp, 9)},
                    {"instant", of(TypeKind::kTimestampLtz, 3)},
                    {"months", of(TypeKind::kIntervalMonth)},
                    {"seconds", of(TypeKind::kIntervalSecond)},
                    {"array", LogicalType::array(LogicalType::array(kInt))},
                    {"map", LogicalType::map(of(TypeKind::kBoolean), kInt)},
                    {"row", LogicalType::row({"a", "b"}, {kInt, LogicalType::array(kString)})}};
  LogicalType multiset = LogicalType::array(kInt);
  multiset.kind = TypeKind::kMultiset;
  all.push_back({"multiset", multiset});
  return all;
}

TEST_F(DatagenTable, makes_values_of_every_type) {
  const std::vector<std::string> rows =
      read(every_type(), {{"number-of-rows", "300"},
                          {"fields.string.length", "20"},
                          {"fields.string.var-len", "true"},
                          {"fields.bytes.length", "4"},
                          {"fields.array.length", "2"},
                          {"fields.array.element.length", "1"},
                          {"fields.array.element.element.max", "3"},
                          {"fields.array.element.element.min", "3"},
                          {"fields.row.b.length", "0"},
                          {"fields.row.a.null-rate", "1"},
                          {"fields.timestamp.max-past", "1 d"}});
  ASSERT_EQ(rows.size(), 300U);
  for (const std::string& row : rows) {
    EXPECT_NE(row.find(", [[3], [3]], {"), std::string::npos) << row;
    EXPECT_NE(row.find(", (NULL, []), {"), std::string::npos) << row;
  }
  EXPECT_EQ(std::set<std::string>(rows.begin(), rows.end()).size(), 300U);
}

TEST_F(DatagenTable, nulls_come_at_their_rate) {
  for (const auto& [name, type] : every_type()) {
    const std::vector<std::string> rows = read(
        {{name, type}}, {{"number-of-rows", "1000"}, {"fields." + name + ".null-rate", "0.25"}});
    const auto nulls = std::count(rows.begin(), rows.end(), "+I[NULL]");
    EXPECT_GT(nulls, 190) << name;
    EXPECT_LT(nulls, 310) << name;
  }
}

TEST_F(DatagenTable, a_seed_gives_the_same_rows_at_any_parallelism) {
  const NamedTypes columns = {{"n", kLong}, {"s", kString}};
  const std::map<std::string, std::string> options = {{"number-of-rows", "2000"},
                                                      {"fields.s.length", "5"}};
  std::vector<std::string> expected = read(columns, options);
  EXPECT_TRUE(read(columns, options, {.batch_rows = 3}) == expected);
  std::sort(expected.begin(), expected.end());
  std::vector<std::string> parallel = read(columns, options, {.parallelism = 3});
  std::sort(parallel.begin(), parallel.end());
  EXPECT_TRUE(parallel == expected);
  auto other = options;
  other["seed"] = "6";
  EXPECT_FALSE(read(columns, other) == expected);
}

class RowSourceTest : public ::testing::Test {
 protected:
  RowSourceTest() : machine_(SimulationOptions()) {}
  static Plan plan(int64_t rows, int64_t rate) {
    TableDefinition table = table_of(
        {},
        {{"fields.n.kind", "sequence"}, {"fields.n.start", "0"}, {"fields.n.end", "1000000000"}});
    TableOptions options(table, {});
    Plan made;
    made.types = {kLong};
    made.makers = {make_maker("fields.n", kLong, options)};
    made.rows = rows;
    made.rows_per_second = rate;
    return made;
  }
  // Reads a split until it waits or ends.
  static ReadResult::Next drain(testing::SourceHarness<RowSource>& harness, RowSplit& split,
                                std::vector<int64_t>& rows) {
    while (true) {
      const auto some = harness.read(split);
      auto& batch = const_cast<ColumnBatch&>(ColumnBatch::of(*some.batch));
      for (uint32_t i = 0; i < batch.size(); ++i) {
        rows.push_back(batch.column(0).values<int64_t>()[i]);
      }
      if (some.result.next() != ReadResult::Next::kMore) { return some.result.next(); }
    }
  }
  SimMachine machine_;
};

TEST_F(RowSourceTest, keeps_its_rate) {
  for (const int64_t rate : {1, 100, 1'000'000}) {
    testing::SourceHarness harness(machine_.world, RowSource(plan(-1, rate)), {.parallelism = 2});
    auto splits = harness.discover();
    ASSERT_TRUE(splits.ok() && harness.open().ok());
    std::vector<int64_t> rows;
    for (RowSplit& split : *splits) {
      ASSERT_TRUE(harness.open_split(split).ok());
      EXPECT_EQ(drain(harness, split, rows), ReadResult::Next::kWait);
    }
    EXPECT_EQ(rows.size(), 2U);
    machine_.world.jump_wall_clock(10'000);
    for (RowSplit& split : *splits) {
      EXPECT_EQ(drain(harness, split, rows), ReadResult::Next::kWait);
    }
    EXPECT_NEAR(static_cast<double>(rows.size()), static_cast<double>(10 * rate),
                std::max(3.0, static_cast<double>(rate) / 5));
  }
}

TEST_F(RowSourceTest, divided_splits_have_the_rows_that_were_left) {
  testing::SourceHarness harness(machine_.world, RowSource(plan(5000, 10'000'000)),
                                 {.parallelism = 2, .batch_rows = 70});
  auto splits = harness.discover();
  ASSERT_TRUE(splits.ok() && harness.open().ok());
  std::vector<int64_t> rows;
  for (const int32_t parts : {3, 2}) {
    std::vector<RowSplit> divided;
    for (RowSplit& split : *splits) {
      ASSERT_TRUE(harness.open_split(split).ok());
      machine_.world.jump_wall_clock(50);
      const auto some = harness.read(split);
      auto& batch = const_cast<ColumnBatch&>(ColumnBatch::of(*some.batch));
      for (uint32_t i = 0; i < batch.size(); ++i) {
        rows.push_back(batch.column(0).values<int64_t>()[i]);
      }
      const auto parts_of = harness.reader().divide(split, parts);
      divided.insert(divided.end(), parts_of.begin(), parts_of.end());
    }
    *splits = divided;
  }
  for (RowSplit& split : *splits) { ASSERT_TRUE(harness.open_split(split).ok()); }
  machine_.world.jump_wall_clock(1000);
  for (RowSplit& split : *splits) {
    EXPECT_EQ(drain(harness, split, rows), ReadResult::Next::kEnd);
  }
  std::sort(rows.begin(), rows.end());
  ASSERT_EQ(rows.size(), 5000U);
  for (size_t i = 0; i < rows.size(); ++i) { ASSERT_EQ(rows[i], static_cast<int64_t>(i)); }
}

TEST_F(DatagenTable, is_bounded_by_rows_or_a_sequence) {
  const auto bounded = [this](std::map<std::string, std::string> options) {
    options["connector"] = "datagen";
    const auto table = table_of({{"n", kLong}}, options);
    const auto source = connector_->source({table, registry_});
    EXPECT_TRUE(source.ok());
    return (*source)->is_bounded();
  };
  EXPECT_FALSE(bounded({}));
  EXPECT_TRUE(bounded({{"number-of-rows", "3"}}));
  EXPECT_TRUE(
      bounded({{"fields.n.kind", "sequence"}, {"fields.n.start", "1"}, {"fields.n.end", "3"}}));
}

TEST_F(DatagenTable, refuses_options_that_make_no_sense) {
  const auto refused = [this](const LogicalType& type, const std::string& key,
                              const std::string& value) {
    const Status status = status_of({{"n", type}}, {{key, value}});
    return status.id() == ErrorId::kSqlOption && status.message().find(key) != std::string::npos;
  };
  EXPECT_TRUE(refused(kInt, "fields.n.min", "3000000000"));
  EXPECT_TRUE(refused(kInt, "fields.n.length", "3"));
  EXPECT_TRUE(refused(kInt, "fields.m.min", "3"));
  EXPECT_TRUE(refused(kInt, "fields.n.kind", "serial"));
  EXPECT_TRUE(refused(kInt, "fields.n.null-rate", "1.5"));
  EXPECT_TRUE(refused(kInt.as_nullable(false), "fields.n.null-rate", "0.5"));
  EXPECT_TRUE(refused(LogicalType::of(TypeKind::kDate), "fields.n.kind", "sequence"));
  EXPECT_TRUE(refused(kString, "fields.n.length", "0"));
  EXPECT_TRUE(refused(LogicalType::array(kInt), "fields.n.element.kind", "sequence"));
  EXPECT_TRUE(refused(LogicalType::decimal(4, 2), "fields.n.max", "100"));
  EXPECT_TRUE(refused(kInt, "rows-per-second", "0"));
  EXPECT_NE(
      status_of({{"n", kInt}}, {{"fields.n.kind", "sequence"}}).message().find("fields.n.end"),
      std::string::npos);
}

}  // namespace
}  // namespace tidewheel::datagen
