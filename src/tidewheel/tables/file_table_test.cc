#include "tidewheel/tables/file_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/random.h"
#include "tidewheel/base/world.h"
#include "tidewheel/tables/table_registry.h"

namespace tidewheel {
namespace {

class FileTable : public ::testing::Test {
 protected:
  FileTable() {
    RealWorldOptions quiet;
    quiet.log_level = LogLevel::kError;
    world_ = make_real_world(quiet);
    folder_ = ::testing::TempDir() + "tidewheel_file_table_" +
              std::to_string(world_->fork_random().next());
    EXPECT_TRUE(world_->files().make_directories(folder_).ok());
  }
  ~FileTable() override { ignore(world_->files().remove_all(folder_), "left for a look"); }

  // "name TYPE, ..; option=value, .." of a file with this text.
  std::string table_of(const std::string& name, const std::string& text) {
    const std::string path = join_path(folder_, name);
    EXPECT_TRUE(write_all_durably(world_->files(), path, text).ok());
    return shown(path);
  }
  std::string shown(const std::string& path) {
    const auto table = make_file_table(world_->files(), *tables_, path);
    if (!table.ok()) { return table.status().message(); }
    std::string out;
    for (const TableColumn& column : (*table)->columns) {
      out += (out.empty() ? "" : ", ") + column.name + " " + column.type.to_string();
    }
    out += ";";
    for (const auto& [key, value] : (*table)->options) {
      if (key == "connector" || key == "path") { continue; }
      out += " " + key + "=" + value;
    }
    return out;
  }

  std::unique_ptr<World> world_;
  const std::unique_ptr<TableRegistry> tables_ = make_table_registry();
  std::string folder_;
};

TEST_F(FileTable, types_of_csv_are_those_that_all_values_have) {
  EXPECT_EQ(table_of("a.csv",
                     "n,r,b,d,t,s,zip,mixed,empty\n"
                     "1,1,true,2020-01-01,2013-01-01T10:00:00Z,x,00501,1,\n"
                     "-2,1e3,false,2020-01-02,2013-01-01 10:00:00.5,\"1\",10,x,\n"
                     ",,,,,,,,\n"),
            "n BIGINT, r DOUBLE, b BOOLEAN, d DATE, t TIMESTAMP(3), s STRING, zip STRING, mixed "
            "STRING, empty STRING; csv.header=true format=csv");
}

TEST_F(FileTable, a_word_between_numbers_stands_for_null) {
  EXPECT_EQ(table_of("a.csv", "year,delay,tail\n2013,NA,N1\n2013,4,NA\n"),
            "year BIGINT, delay BIGINT, tail STRING; csv.header=true csv.null-literal=NA "
            "format=csv");
}

TEST_F(FileTable, csv_without_names_gets_some) {
  EXPECT_EQ(table_of("a.csv", "1;x\n2;y\n"),
            "c1 BIGINT, c2 STRING; csv.field-delimiter=; csv.header=false format=csv");
  EXPECT_EQ(table_of("a.tsv", "a\tb, c\n1\tx\n"),
            "a BIGINT, b, c STRING; csv.field-delimiter=\\t csv.header=true format=csv");
}

TEST_F(FileTable, types_of_json_are_those_that_all_values_have) {
  EXPECT_EQ(
      table_of(
          "a.jsonl",
          "{\"n\":1,\"r\":1,\"b\":true,\"d\":\"2020-01-01\",\"t\":\"2020-01-01T00:00:00\"}\n"
          "{\"r\":1.5,\"z\":\"2020-01-01T00:00:00Z\",\"s\":\"x\",\"m\":1}\n"
          "{\"m\":\"x\",\"o\":{\"a\":[1,2.5],\"e\":{}},\"n\":null,\"h\":99999999999999999999}"),
      "n BIGINT, r DOUBLE, b BOOLEAN, d DATE, t TIMESTAMP(3), z TIMESTAMP_LTZ(3), s STRING, m "
      "STRING, o ROW<`a` ARRAY<DOUBLE>, `e` STRING>, h STRING; format=json "
      "json.timestamp-format.standard=ISO-8601");
}

TEST_F(FileTable, a_folder_is_a_table_of_its_files) {
  EXPECT_EQ(table_of("a.json", "{\"a\":1}\n"), "a BIGINT; format=json");
  EXPECT_EQ(shown(folder_),
            "a BIGINT; format=json source.path.regex-pattern=.*[.]json([.]gz|[.]zst)?");
}

TEST_F(FileTable, says_what_is_wrong) {
  EXPECT_NE(table_of("a.xml", "<a/>").find("is told by its ending"), std::string::npos);
  EXPECT_NE(table_of("e.csv", "").find("there is no record"), std::string::npos);
  EXPECT_NE(table_of("e.json", "\n").find("there is no record"), std::string::npos);
  EXPECT_NE(table_of("m.json", "{\"a\":1}\n{\"a\":}\n").find("line 2"), std::string::npos);
  EXPECT_NE(shown(join_path(folder_, "none.csv")).find("none.csv"), std::string::npos);
  // All are in the folder: none is chosen that is hidden.
  EXPECT_NE(shown(join_path(folder_, "none")).find("none"), std::string::npos);
}

}  // namespace
}  // namespace tidewheel
