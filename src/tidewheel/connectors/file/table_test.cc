#include "tidewheel/connectors/file/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/dead_letters.h"
#include "tidewheel/api/env.h"
#include "tidewheel/base/world.h"
#include "tidewheel/connectors/file/column_reader.h"
#include "tidewheel/formats/csv/table.h"
#include "tidewheel/formats/json/table.h"
#include "tidewheel/formats/raw/table.h"
#include "tidewheel/testing/connector_harness.h"
#include "tidewheel/testing/table_harness.h"

namespace tidewheel::file {
namespace {

using test::NamedTypes;
using test::table_of;
using Rows = std::vector<std::string>;
using Options = std::map<std::string, std::string>;

const LogicalType kInt = LogicalType::of(TypeKind::kInt);
const LogicalType kString = LogicalType::string();
const NamedTypes kTwo = {{"a", kInt}, {"b", kString}};

class FileTableTest : public ::testing::Test {
 protected:
  FileTableTest() {
    RealWorldOptions quiet;
    quiet.log_level = LogLevel::kError;
    world_ = make_real_world(quiet);
    registry_.add(csv_table_format());
    registry_.add(json_table_format());
    registry_.add(raw_table_format());
    const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = ::testing::TempDir() + "tidewheel_" + test.name() + "_" +
              std::to_string(world_->fork_random().next());
    EXPECT_TRUE(world_->files().make_directories(folder_).ok());
  }
  ~FileTableTest() override { ignore(world_->files().remove_all(folder_), "left for a look"); }

  void write(const std::string& name, std::string_view text) {
    const std::string path = join_path(folder_, name);
    ASSERT_TRUE(world_->files().make_directories(path.substr(0, path.rfind('/'))).ok());
    ASSERT_TRUE(write_all_durably(world_->files(), path, text).ok());
  }
  Options with(Options options, const std::string& path = "") const {
    options.insert({{"connector", "filesystem"}, {"path", join_path(folder_, path)}});
    return options;
  }
  Result<Rows> try_read(const TableDefinition& table, const test::Prepare& prepare = nullptr) {
    const auto connector = filesystem_table_connector();
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto source, connector->source({table, registry_}));
    std::vector<LogicalType> types;
    for (const TableColumn& column : table.columns) { types.push_back(column.type); }
    if (prepare) { types = prepare(*source); }
    const auto rows = std::make_shared<Rows>();
    Env env(*world_, Config());
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto stream, source->add_to(env, "table", "table"));
    stream.to(test::RowTextSink(types, rows)).uid("rows").parallelism(1);
    TIDEWHEEL_RETURN_IF_ERROR(env.execute("read").status());
    return *rows;
  }
  Rows read(const TableDefinition& table, const test::Prepare& prepare = nullptr) {
    const auto rows = try_read(table, prepare);
    EXPECT_TRUE(rows.ok()) << rows.status().to_string();
    return rows.ok() ? *rows : Rows();
  }
  Status fill(const TableDefinition& table, const test::FilledSource::Fill& fill_batch) {
    const auto connector = filesystem_table_connector();
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto sink, connector->sink({table, registry_}));
    std::vector<LogicalType> types;
    for (const TableColumn& column : table.columns) { types.push_back(column.type); }
    Env env(*world_, Config());
    const auto rows = env.add_source("rows", test::FilledSource(types, fill_batch)).uid("rows");
    TIDEWHEEL_RETURN_IF_ERROR(sink->add_to(env, rows, "table", "table"));
    return env.execute("write").status();
  }

  std::unique_ptr<World> world_;
  TableRegistry registry_;
  std::string folder_;
};

TEST_F(FileTableTest, reads_the_files_of_a_folder) {
  write("1.csv", "1,x\n2,y\n");
  write("more/2.csv", "3,z");
  write(".hidden.csv", "4,no\n");
  EXPECT_EQ(read(table_of(kTwo, with({{"format", "csv"}}))),
            (Rows{"+I[1, x]", "+I[2, y]", "+I[3, z]"}));
  EXPECT_EQ(
      read(table_of(kTwo, with({{"format", "csv"}, {"source.path.regex-pattern", ".*/2[.]csv"}}))),
      (Rows{"+I[3, z]"}));
}

// What a table with dead letters gives: its own columns, then those of letters.
std::vector<LogicalType> with_letters(std::vector<LogicalType> types) {
  for (const LogicalType& type : dead_letter_columns().types) { types.push_back(type); }
  return types;
}

TEST_F(FileTableTest, records_that_can_not_be_read_are_left_out_or_become_rows) {
  write("1.csv", "1,x\nz,y\n\n3\n4,\"a\nb\"\n5,\"c\" d\n6,e");
  const std::string path = join_path(folder_, "1.csv");
  EXPECT_EQ(read(table_of(kTwo, with({{"format", "csv"}, {"scan.bad-records", "skip"}}))),
            (Rows{"+I[1, x]", "+I[4, a\nb]", "+I[6, e]"}));
  const TableDefinition table = table_of(kTwo, with({{"format", "csv"},
                                                     {"scan.bad-records", "dead-letter"},
                                                     {"scan.dead-letter.table", "letters"}}));
  for (const bool is_projected : {false, true}) {
    const Rows rows = read(table, [&](TableSource& source) {
      if (!is_projected) { return with_letters({kInt, kString}); }
      EXPECT_TRUE(source.project({1}));
      return with_letters({kString});
    });
    const std::string nothing = is_projected ? "NULL" : "NULL, NULL";
    ASSERT_EQ(rows.size(), 6U);
    EXPECT_EQ(rows[0],
              is_projected ? "+I[x, NULL, NULL, NULL, NULL]" : "+I[1, x, NULL, NULL, NULL, NULL]");
    EXPECT_TRUE(std::any_of(rows.begin(), rows.end(), [&](const std::string& row) {
      return row.starts_with("+I[" + nothing + ", ") && row.ends_with(", " + path + ", 4]");
    }));
  }
}

TEST_F(FileTableTest, a_letter_has_the_line_and_not_a_byte_of_others) {
  // Longer than what is read at once, so that lines lie across pieces.
  std::string text;
  for (int i = 0; i < 40'000; ++i) {
    text += i % 100 == 7 ? "no row " + std::to_string(i) + "\n"
                         : "{\"a\":" + std::to_string(i) + ",\"b\":\"x\"}\n";
  }
  write("1.json", text);
  const Rows rows = read(table_of(kTwo, with({{"format", "json"},
                                              {"scan.bad-records", "dead-letter"},
                                              {"scan.dead-letter.table", "letters"}})),
                         [](TableSource&) {
                           std::vector<LogicalType> types = with_letters({kInt, kString});
                           types[2] = kString;  // to be read here
                           return types;
                         });
  ASSERT_EQ(rows.size(), 40'000U);
  size_t letters = 0;
  for (const std::string& row : rows) {
    if (!row.starts_with("+I[NULL, NULL, no row ")) { continue; }
    ++letters;
    const std::string number = row.substr(22, row.find(',', 22) - 22);
    EXPECT_TRUE(row.ends_with(", " + std::to_string(std::stoi(number) + 1) + "]")) << row;
  }
  EXPECT_EQ(letters, 400U);
}

TEST_F(FileTableTest, a_header_that_can_not_be_read_is_no_bad_record) {
  write("1.csv", "c,d,e\n1,x\n");
  const auto rows = try_read(table_of(
      kTwo, with({{"format", "csv"}, {"csv.header", "true"}, {"scan.bad-records", "skip"}})));
  EXPECT_FALSE(rows.ok());
}

TEST_F(FileTableTest, policies_for_bad_records_are_checked) {
  const auto fails_with = [&](Options options, const std::string& part) {
    const auto rows = try_read(table_of(kTwo, with(std::move(options))));
    EXPECT_EQ(rows.status().id(), ErrorId::kSqlOption);
    EXPECT_NE(rows.status().message().find(part), std::string::npos) << rows.status().to_string();
  };
  fails_with({{"format", "csv"}, {"scan.bad-records", "dead-letter"}}, "scan.dead-letter.table");
  fails_with({{"format", "csv"}, {"scan.dead-letter.table", "t"}}, "dead-letter' only");
  fails_with({{"format", "csv"}, {"scan.bad-records", "skip"}, {"csv.ignore-parse-errors", "true"}},
             "csv.ignore-parse-errors");
}

TEST_F(FileTableTest, makes_only_the_columns_asked_for) {
  write("1.json", "{\"a\":1,\"b\":\"x\"}\n{\"b\":\"y\"}\n");
  EXPECT_EQ(read(table_of(kTwo, with({{"format", "json"}})),
                 [](TableSource& source) {
                   EXPECT_TRUE(source.project({1}));
                   return std::vector<LogicalType>{kString};
                 }),
            (Rows{"+I[x]", "+I[y]"}));
}

TEST_F(FileTableTest, has_metadata_of_files) {
  write("in/1.csv", "1\n2\n");
  TableDefinition table = table_of({{"name", LogicalType::string(false)},
                                    {"a", kInt},
                                    {"size", LogicalType::of(TypeKind::kBigint, false)},
                                    {"path", LogicalType::string(false)}},
                                   with({{"format", "csv"}}));
  table.columns[0].metadata_key = "file.name";
  table.columns[2].metadata_key = "file.size";
  table.columns[3].metadata_key = "file.path";
  const std::string path = join_path(folder_, "in/1.csv");
  EXPECT_EQ(read(table), (Rows{"+I[1.csv, 1, 4, " + path + "]", "+I[1.csv, 2, 4, " + path + "]"}));
  EXPECT_EQ(filesystem_table_connector()->metadata().size(), 4U);
}

void six_rows(ColumnBatch& rows) {
  rows.ensure_room(6);
  for (uint32_t i = 0; i < 6; ++i) {
    rows.column(0).values<int32_t>()[i] = static_cast<int32_t>(i);
    rows.column(1).values<Text>()[i] = i % 3 == 0 ? Text("a/b") : Text("c");
  }
  rows.column(1).set_null(5);
  rows.set_size(6);
}

TEST_F(FileTableTest, rows_are_put_into_folders_by_partition_and_read_from_there) {
  for (const std::string format : {"csv", "json"}) {
    TableDefinition table = table_of(kTwo, with({{"format", format}}, format));
    table.partitioned_by = {"b"};
    const Status status = fill(table, six_rows);
    ASSERT_TRUE(status.ok()) << status.to_string();
    EXPECT_TRUE(world_->files().info(join_path(folder_, format + "/b=a%2Fb")).ok());
    Rows rows = read(table);
    std::sort(rows.begin(), rows.end());
    EXPECT_EQ(rows, (Rows{"+I[0, a/b]", "+I[1, c]", "+I[2, c]", "+I[3, a/b]", "+I[4, c]",
                          "+I[5, NULL]"}));
  }
}

TEST_F(FileTableTest, partitions_that_are_complete_get_a_file_which_is_not_read) {
  for (const std::string compaction : {"false", "true"}) {
    TableDefinition table =
        table_of(kTwo, with({{"format", "csv"},
                             {"auto-compaction", compaction},
                             {"sink.partition-commit.policy.kind", "success-file"},
                             {"sink.partition-commit.delay", "1 h"}},
                            "commit" + compaction));
    table.partitioned_by = {"b"};
    const Status status = fill(table, six_rows);
    ASSERT_TRUE(status.ok()) << status.to_string();
    for (const std::string partition : {"a%2Fb", "c", "__DEFAULT_PARTITION__"}) {
      const std::string path = "commit" + compaction + "/b=" + partition + "/_SUCCESS";
      EXPECT_TRUE(world_->files().info(join_path(folder_, path)).ok()) << path;
    }
    EXPECT_EQ(read(table).size(), 6U);
  }
}

TEST_F(FileTableTest, announcing_partitions_takes_partitions_and_one_subtask) {
  TableDefinition table = table_of(
      kTwo, with({{"format", "csv"}, {"sink.partition-commit.policy.kind", "success-file"}}));
  const auto sink_of = [&] {
    return filesystem_table_connector()->sink({table, registry_}).status();
  };
  EXPECT_EQ(sink_of().id(), ErrorId::kSqlOption);
  table.partitioned_by = {"b"};
  EXPECT_TRUE(sink_of().ok());
  table.options["sink.parallelism"] = "2";
  EXPECT_EQ(sink_of().id(), ErrorId::kSqlOption);
  table.options.erase("sink.parallelism");
  table.options["sink.partition-commit.policy.kind"] = "metastore";
  EXPECT_EQ(sink_of().id(), ErrorId::kSqlOption);
}

TEST_F(FileTableTest, a_header_is_written_and_read) {
  const TableDefinition table =
      table_of(kTwo, with({{"format", "csv"}, {"csv.header", "true"}, {"csv.null-literal", "-"}}));
  ASSERT_TRUE(fill(table, six_rows).ok());
  const auto entries = world_->files().list(folder_);
  ASSERT_TRUE(entries.ok());
  std::string text;
  for (const DirectoryEntry& entry : *entries) {
    if (entry.name.starts_with('.')) { continue; }
    EXPECT_TRUE(entry.name.ends_with(".csv"));
    text += *read_all(world_->files(), join_path(folder_, entry.name));
  }
  EXPECT_EQ(text, "a,b\n0,a/b\n1,c\n2,c\n3,a/b\n4,c\n5,-\n");
  const TableDefinition turned =
      table_of({{"b", kString}, {"a", kInt}},
               with({{"format", "csv"}, {"csv.header", "true"}, {"csv.null-literal", "-"}}));
  EXPECT_EQ(read(turned).at(5), "+I[NULL, 5]");
}

TEST_F(FileTableTest, a_malformed_record_fails_the_job_with_its_place) {
  write("1.csv", "1,x\nno,y\n");
  const auto rows = try_read(table_of(kTwo, with({{"format", "csv"}})));
  ASSERT_FALSE(rows.ok());
  EXPECT_NE(rows.status().message().find("1.csv, line 2, column a: \"no\" is no INT"),
            std::string::npos)
      << rows.status().to_string();
}

// Reads a plan's splits, with a new reader for each batch.
Rows read_in_pieces(World& world, std::shared_ptr<const ColumnPlan> plan, uint32_t batch_rows) {
  testing::SourceHarness finder(world, ColumnSource(plan));
  const auto splits = finder.discover();
  EXPECT_TRUE(splits.ok()) << splits.status().to_string();
  Rows rows;
  for (FileSplit split : *splits) {
    for (auto next = ReadResult::Next::kMore; next == ReadResult::Next::kMore;) {
      testing::SourceHarness harness(world, ColumnSource(plan), {.batch_rows = batch_rows});
      EXPECT_TRUE(harness.open().ok());
      const auto some = harness.read(split);
      next = some.result.next();
      EXPECT_NE(next, ReadResult::Next::kFailed) << some.result.status().to_string();
      auto& batch = const_cast<ColumnBatch&>(ColumnBatch::of(*some.batch));
      batch.seal();
      for (uint32_t i = 0; i < batch.size(); ++i) {
        rows.push_back(std::to_string(batch.view(0).at<int32_t>(i)));
      }
    }
  }
  return rows;
}

TEST_F(FileTableTest, each_row_is_read_once_from_splits_and_after_a_restore) {
  std::string json;
  std::string csv = "x,a\n";
  Rows expected;
  for (int i = 0; i < 700; ++i) {
    const std::string filler(static_cast<size_t>(i % 37), 'x');
    json += "{\"a\":" + std::to_string(i) + ",\"x\":\"" + filler + "\"}\n";
    csv += "\"" + filler + "\n\"," + std::to_string(i) + "\n";
    expected.push_back(std::to_string(i));
  }
  write("a.json", json);
  write("a.csv", csv);
  for (const std::string name : {"json", "csv"}) {
    const auto format = registry_.format(name);
    ASSERT_TRUE(format.ok());
    TableDefinition table =
        table_of({}, name == "csv" ? Options{{"csv.header", "true"}} : Options());
    TableOptions options(table, (*format)->options());
    auto plan = std::make_shared<ColumnPlan>();
    plan->types = {kInt};
    DecodedRow row{{{"a", "x"}, {kInt, kString}}, {{0, 0}}};
    plan->make_decoder = (*format)->decoder(row, options).value();
    plan->messages_are_lines = (*format)->messages_are_lines(options);
    EXPECT_EQ(plan->messages_are_lines, name == "json");
    plan->paths = {join_path(folder_, "a." + name)};
    for (const int64_t split_bytes : {0, 1024, 3001}) {
      plan->options.split_bytes = split_bytes;
      for (const uint32_t batch_rows : {1, 7, 1000}) {
        EXPECT_EQ(read_in_pieces(*world_, plan, batch_rows), expected)
            << name << " " << split_bytes << " " << batch_rows;
      }
    }
  }
}

TEST_F(FileTableTest, is_unbounded_when_it_is_watched) {
  const auto table = table_of(kTwo, with({{"format", "csv"}, {"source.monitor-interval", "1 s"}}));
  const auto source = filesystem_table_connector()->source({table, registry_});
  ASSERT_TRUE(source.ok());
  EXPECT_FALSE((*source)->is_bounded());
}

TEST_F(FileTableTest, refuses_what_makes_no_sense) {
  const auto connector = filesystem_table_connector();
  const auto error_of = [&](const Options& options) {
    const auto table = table_of(kTwo, with(options));
    EXPECT_EQ(connector->source({table, registry_}).status().id(),
              connector->sink({table, registry_}).status().id());
    return connector->source({table, registry_}).status();
  };
  EXPECT_EQ(error_of({}).id(), ErrorId::kSqlOption);
  EXPECT_EQ(error_of({{"format", "xml"}}).id(), ErrorId::kSqlOption);
  EXPECT_EQ(error_of({{"format", "csv"}, {"json.x", "1"}}).id(), ErrorId::kSqlOption);
  EXPECT_EQ(error_of({{"format", "raw"}}).id(), ErrorId::kSqlType);
  EXPECT_EQ(error_of({{"format", "csv"}, {"sink.rolling-policy.file-size", "big"}}).id(),
            ErrorId::kSqlOption);
  TableDefinition table =
      table_of({{"a", LogicalType::of(TypeKind::kDouble)}}, with({{"format", "csv"}}));
  table.partitioned_by = {"a"};
  EXPECT_EQ(connector->source({table, registry_}).status().id(), ErrorId::kSqlType);
  const auto pattern =
      table_of(kTwo, with({{"format", "csv"}, {"source.path.regex-pattern", "("}}));
  EXPECT_EQ(connector->source({pattern, registry_}).status().id(), ErrorId::kSqlOption);
}

TEST_F(FileTableTest, standard_output_gets_a_line_for_each_row) {
  const auto table = table_of(kTwo, {{"connector", "stdout"}, {"format", "json"}});
  const auto sink = stdout_table_connector()->sink({table, registry_});
  ASSERT_TRUE(sink.ok()) << sink.status().to_string();
  ::testing::internal::CaptureStdout();
  Env env(*world_, Config());
  const auto rows = env.add_source("rows", test::FilledSource({kInt, kString}, six_rows)).uid("r");
  EXPECT_TRUE((*sink)->add_to(env, rows, "table", "table").ok());
  EXPECT_TRUE(env.execute("write").ok());
  EXPECT_TRUE(::testing::internal::GetCapturedStdout().starts_with(
      "{\"a\":0,\"b\":\"a/b\"}\n{\"a\":1,\"b\":\"c\"}\n"));
}

TEST_F(FileTableTest, standard_input_is_a_table) {
  const auto table = table_of(kTwo, {{"connector", "stdin"}, {"format", "csv"}});
  const auto source = stdin_table_connector()->source({table, registry_});
  ASSERT_TRUE(source.ok()) << source.status().to_string();
  EXPECT_TRUE((*source)->is_bounded());
}

}  // namespace
}  // namespace tidewheel::file
