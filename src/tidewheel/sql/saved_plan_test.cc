#include "tidewheel/sql/saved_plan.h"

#include <gtest/gtest.h>

#include <string>

namespace tidewheel::sql {
namespace {

SavedPlan example() {
  SavedPlan plan;
  plan.version = "1.2";
  plan.catalog = "c";
  plan.database = "d";
  plan.statement = "INSERT INTO `a \"b\"` SELECT 'x\ny'";
  plan.settings = {{"consistency", "epoch"}, {"table.exec.state.ttl", "0 ms"}};
  plan.objects = {{{"c", "d", "t"}, "CREATE TABLE t (a INT)"}, {{"c", "d", "ü"}, "CREATE VIEW"}};
  plan.functions = {"CREATE FUNCTION f AS 'g'"};
  plan.operators = {{"Source: t", "sql-source-1", {}},
                    {"Source: u", "sql-source-2", {}},
                    {"Join", "sql-join-3", {{0, 0, 0}, {1, 2, 1}}}};
  return plan;
}

TEST(SavedPlan, what_is_written_is_read_again) {
  const Result<SavedPlan> read = parse_saved_plan(to_json(example()));
  ASSERT_TRUE(read.ok()) << read.status().to_string();
  EXPECT_EQ(*read, example());
  const Result<SavedPlan> empty = parse_saved_plan(to_json({}));
  ASSERT_TRUE(empty.ok()) << empty.status().to_string();
  EXPECT_EQ(*empty, SavedPlan());
}

TEST(SavedPlan, a_file_that_is_cut_short_is_no_plan) {
  const std::string json = to_json(example());
  for (size_t size = 0; size + 2 < json.size(); ++size) {
    const Result<SavedPlan> read = parse_saved_plan(json.substr(0, size));
    ASSERT_FALSE(read.ok()) << size;
    EXPECT_EQ(read.status().id(), ErrorId::kSqlQuery);
  }
}

std::string failure_of(std::string json, const std::string& from, const std::string& to) {
  json.replace(json.find(from), from.size(), to);
  const Result<SavedPlan> read = parse_saved_plan(json);
  return read.ok() ? "" : std::string(read.status().message());
}

TEST(SavedPlan, what_is_wrong_is_named) {
  const std::string json = to_json(example());
  EXPECT_NE(failure_of(json, "\"tidewheelPlan\": 1", "\"tidewheelPlan\": 2")
                .find("the form 2, written by version 1.2; this version reads the form 1"),
            std::string::npos);
  EXPECT_NE(failure_of(json, "\"catalog\"", "\"catalogue\"").find("no member 'catalog'"),
            std::string::npos);
  EXPECT_NE(failure_of(json, "\"0 ms\"", "0").find("a member of 'settings'"), std::string::npos);
  EXPECT_NE(failure_of(json, "[1, 2, 1]", "[1, 2]").find("three numbers"), std::string::npos);
  EXPECT_NE(failure_of(json, "[1, 2, 1]", "[1, -2, 1]").find("a number"), std::string::npos);
  EXPECT_NE(failure_of(json, "[1, 2, 1]", "[2, 2, 1]").find("one that comes later"),
            std::string::npos);
}

TEST(SavedPlan, ids_may_be_others_and_operators_may_not) {
  const SavedPlan plan = example();
  std::vector<SavedPlan::Operator> made = plan.operators;
  made[2].uid = "sql-join-4";
  EXPECT_TRUE(check_operators(plan, made).ok());
  made[2].inputs[1][0] = 0;
  EXPECT_NE(check_operators(plan, made)
                .message()
                .find("operator 2 was 'Join' behind 0 and 1 and is 'Join' behind 0 and 0"),
            std::string::npos);
  made = plan.operators;
  made[2].name = "MultiJoin";
  EXPECT_EQ(check_operators(plan, made).id(), ErrorId::kSqlQuery);
  made.pop_back();
  EXPECT_NE(check_operators(plan, made).message().find("it had 3 operators and has 2"),
            std::string::npos);
}

}  // namespace
}  // namespace tidewheel::sql
