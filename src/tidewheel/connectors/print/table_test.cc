#include "tidewheel/connectors/print/table.h"

#include <gtest/gtest.h>

#include <string>

#include "tidewheel/api/env.h"
#include "tidewheel/base/world.h"
#include "tidewheel/testing/table_harness.h"

namespace tidewheel {
namespace {

const test::NamedTypes kColumns = {{"id", LogicalType::of(TypeKind::kBigint)},
                                   {"name", LogicalType::string()},
                                   {"at", LogicalType::with(TypeKind::kTimestamp, 3)},
                                   {"ok", LogicalType::of(TypeKind::kBoolean)}};

void four_changes(ColumnBatch& rows) {
  rows.ensure_room(4);
  RowKind* const kinds = rows.make_kinds(4);
  for (uint32_t i = 0; i < 4; ++i) {
    kinds[i] = static_cast<RowKind>(i);
    rows.column(0).values<int64_t>()[i] = i;
    rows.column(1).values<Text>()[i] = "word";
    rows.column(2).values<int64_t>()[i] = 1'000 * i;
    rows.column(3).values<uint8_t>()[i] = static_cast<uint8_t>(i % 2);
  }
  rows.column(1).set_null(3);
  rows.set_size(4);
}

// What a job with this table prints.
std::string printed(std::map<std::string, std::string> options) {
  options["connector"] = "print";
  const auto connector = print_table_connector();
  const TableDefinition table = test::table_of(kColumns, std::move(options));
  const TableRegistry registry;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  RealWorldOptions quiet;
  quiet.log_level = LogLevel::kError;
  const auto world = make_real_world(quiet);
  Env env(*world, Config());
  std::vector<LogicalType> types;
  for (const auto& [name, type] : kColumns) { types.push_back(type); }
  const auto sink = connector->sink({table, registry});
  EXPECT_TRUE(sink.ok()) << sink.status().to_string();
  const auto rows = env.add_source("rows", test::FilledSource(types, four_changes)).uid("rows");
  EXPECT_TRUE((*sink)->add_to(env, rows, "table", "table").ok());
  EXPECT_EQ((*sink)->changelog(), ChangelogKinds::kRetract);
  const auto result = env.execute("print");
  EXPECT_TRUE(result.ok()) << result.status().to_string();
  const std::string to_error = ::testing::internal::GetCapturedStderr();
  return ::testing::internal::GetCapturedStdout() + (to_error.empty() ? "" : "error: " + to_error);
}

TEST(PrintTable, writes_a_line_for_each_change) {
  EXPECT_EQ(printed({}),
            "+I[0, word, 1970-01-01T00:00, false]\n"
            "-U[1, word, 1970-01-01T00:00:01, true]\n"
            "+U[2, word, 1970-01-01T00:00:02, false]\n"
            "-D[3, null, 1970-01-01T00:00:03, true]\n");
}

TEST(PrintTable, names_itself_and_its_subtask) {
  EXPECT_TRUE(printed({{"print-identifier", "late"}}).starts_with("late> +I[0, "));
  const std::string lines = printed({{"print-identifier", "late"}, {"sink.parallelism", "2"}});
  EXPECT_TRUE(lines.starts_with("late:1> ") || lines.starts_with("late:2> ")) << lines;
}

TEST(PrintTable, can_use_the_error_stream) {
  EXPECT_TRUE(printed({{"standard-error", "true"}}).starts_with("error: +I[0, "));
}

TEST(PrintTable, refuses_options_that_make_no_sense) {
  for (const auto& [key, value] : std::map<std::string, std::string>{
           {"standard-error", "maybe"}, {"sink.parallelism", "0"}, {"prefix", "x"}}) {
    const auto table = test::table_of(kColumns, {{"connector", "print"}, {key, value}});
    EXPECT_EQ(print_table_connector()->sink({table, TableRegistry()}).status().id(),
              ErrorId::kSqlOption)
        << key;
  }
}

}  // namespace
}  // namespace tidewheel
