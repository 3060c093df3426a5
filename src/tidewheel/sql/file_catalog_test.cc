#include "tidewheel/sql/file_catalog.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/world.h"
#include "tidewheel/sql/catalog.h"
#include "tidewheel/sql/parser.h"
#include "tidewheel/sql/print.h"

namespace tidewheel::sql {
namespace {

class FileCatalog : public testing::Test {
 protected:
  FileCatalog()
      : world_(make_real_world({.log_level = LogLevel::kError})),
        directory_(fmt::format("{}file_catalog_{:016x}", testing::TempDir(),
                               world_->fork_random().next())) {}
  ~FileCatalog() override { ignore(files().remove_all(directory_), "only rubbish"); }

  FileSystem& files() { return world_->files(); }
  // As a process of its own would.
  std::unique_ptr<Catalog> open() {
    auto catalog = std::make_unique<Catalog>(world_.get());
    const Status opened = catalog->keep_default_in(directory_);
    EXPECT_TRUE(opened.ok()) << opened.to_string();
    return catalog;
  }
  static CatalogObject object(const Catalog& catalog, const std::string& sql) {
    CatalogObject made;
    Statement statement = *parse_statement(sql);
    if (auto* table = std::get_if<CreateTable>(&statement.node)) {
      made.path = catalog.path_of(table->name);
      made.definition = *table;
    } else {
      made.path = catalog.path_of(std::get<CreateView>(statement.node).name);
      made.definition = std::get<CreateView>(statement.node);
    }
    made.text = std::make_shared<const std::string>(sql);
    return made;
  }
  static Status create(Catalog& catalog, const std::string& sql) {
    return catalog.create(object(catalog, sql), false, false).status();
  }
  static Name name(std::vector<std::string> parts) {
    Name made;
    for (std::string& part : parts) { made.parts.push_back({std::move(part), {}}); }
    return made;
  }
  std::string file(const std::string& object) const {
    return directory_ + "/default_database/" + object + ".sql";
  }

  const std::unique_ptr<World> world_;
  const std::string directory_;
};

TEST_F(FileCatalog, objects_are_there_in_the_next_process) {
  {
    const auto catalog = open();
    ASSERT_TRUE(create(*catalog, "CREATE TABLE t (a INT, b AS a + 1) WITH ('x' = 'y''z')").ok());
    ASSERT_TRUE(create(*catalog, "CREATE VIEW v AS SELECT a FROM t").ok());
    CreateDatabase database;
    database.name = name({"d"});
    database.comment = "mine";
    database.options = {Option{"k", "v", {}, {}}};
    ASSERT_TRUE(catalog->create_database(database).ok());
  }
  const auto catalog = open();
  const auto found = catalog->find(name({"t"}));
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_EQ(to_sql(statement_of(**found)),
            "CREATE TABLE t (a INT, b AS a + 1) WITH ('x' = 'y''z')");
  EXPECT_EQ(catalog->objects(true, true), (std::vector<std::string>{"t", "v"}));
  EXPECT_EQ(catalog->objects(false, true), std::vector<std::string>{"v"});
  EXPECT_EQ(*catalog->databases("default_catalog"),
            (std::vector<std::string>{"d", "default_database"}));
  const auto database = (*catalog->store("default_catalog"))->database("d");
  ASSERT_TRUE(database.ok() && database->has_value());
  EXPECT_EQ((*database)->comment, "mine");
  EXPECT_EQ((*database)->options.at(0).value, "v");
}

TEST_F(FileCatalog, any_name_is_a_name_of_a_file) {
  const auto catalog = open();
  const std::vector<std::string> names = {"a/b", "..", "ä %", "`", "A", "a", ".hidden", "x.sql"};
  for (const std::string& one : names) {
    CatalogObject made = object(*catalog, "CREATE TABLE t (a INT)");
    made.path.object = one;
    ASSERT_TRUE(catalog->create(made, false, false).ok()) << one;
  }
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(open()->objects(true, true), sorted);
  for (const std::string& one : names) { EXPECT_TRUE(open()->find(name({one})).ok()) << one; }
}

TEST_F(FileCatalog, what_another_process_does_is_seen) {
  const auto one = open();
  const auto other = open();
  ASSERT_TRUE(create(*one, "CREATE TABLE t (a INT)").ok());
  EXPECT_TRUE(other->find(name({"t"})).ok());
  EXPECT_EQ(create(*other, "CREATE TABLE t (b INT)").code(), StatusCode::kAlreadyExists);
  const auto alter = [](CatalogObject now) -> Result<CatalogObject> {
    std::get<CreateTable>(now.definition).options.push_back(Option{"k", "v", {}, {}});
    return rewritten(std::move(now));
  };
  ASSERT_TRUE(other->change(ObjectKind::kTable, name({"t"}), false, alter).ok());
  EXPECT_EQ((*one->find(name({"t"})))->table()->options.size(), 1U);
  ASSERT_TRUE(one->rename(ObjectKind::kTable, name({"t"}), name({"u"}), false).ok());
  EXPECT_FALSE(other->find(name({"t"})).ok());
  EXPECT_EQ((*other->find(name({"u"})))->table()->options.size(), 1U);
  Drop drop;
  drop.name = name({"u"});
  ASSERT_TRUE(other->drop(drop).ok());
  EXPECT_FALSE(one->find(name({"u"})).ok());
}

TEST_F(FileCatalog, no_change_is_lost_when_two_change_one_object) {
  ASSERT_TRUE(create(*open(), "CREATE TABLE t (a INT)").ok());
  constexpr int kChanges = 20;
  const auto add_options = [&](const std::string& who, Event* done) {
    const auto catalog = open();
    for (int i = 0; i < kChanges; ++i) {
      const auto add = [&](CatalogObject now) -> Result<CatalogObject> {
        std::get<CreateTable>(now.definition)
            .options.push_back(Option{fmt::format("{}{}", who, i), "v", {}, {}});
        return rewritten(std::move(now));
      };
      const Status changed = catalog->change(ObjectKind::kTable, name({"t"}), false, add);
      EXPECT_TRUE(changed.ok()) << changed.to_string();
    }
    if (done != nullptr) { done->set(); }
  };
  const std::unique_ptr<Event> done = world_->executor().make_event();
  world_->executor().run_blocking([&] { add_options("other", done.get()); });
  add_options("mine", nullptr);
  done->wait();
  EXPECT_EQ((*open()->find(name({"t"})))->table()->options.size(), size_t{2} * kChanges);
}

TEST_F(FileCatalog, a_damaged_file_is_named_and_spoils_nothing_else) {
  const auto catalog = open();
  ASSERT_TRUE(create(*catalog, "CREATE TABLE good (a INT)").ok());
  ASSERT_TRUE(create(*catalog, "CREATE TABLE bad (a INT) WITH ('path' = '/one')").ok());
  std::string bytes = *read_all(files(), file("bad"));
  const std::string whole = bytes;
  bytes[bytes.find("/one") + 1] = 'x';
  ASSERT_TRUE(write_all_durably(files(), file("bad"), bytes).ok());
  for (const size_t size : {bytes.size(), size_t{0}, size_t{10}, whole.size() - 3}) {
    ASSERT_TRUE(write_all_durably(files(), file("bad"), bytes.substr(0, size)).ok());
    const Status status = catalog->find(name({"bad"})).status();
    EXPECT_EQ(status.id(), ErrorId::kSqlCatalog) << size;
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << size;
    EXPECT_NE(status.message().find(file("bad")), std::string::npos) << status.message();
  }
  EXPECT_TRUE(catalog->find(name({"good"})).ok());
  EXPECT_EQ(catalog->objects(true, true), (std::vector<std::string>{"bad", "good"}));
  EXPECT_EQ(create(*catalog, "CREATE TABLE bad (b INT)").code(), StatusCode::kDataLoss);
  Drop drop;
  drop.name = name({"bad"});
  EXPECT_TRUE(catalog->drop(drop).ok());
  EXPECT_TRUE(create(*catalog, "CREATE TABLE bad (b INT)").ok());
}

TEST_F(FileCatalog, a_file_written_by_hand_needs_no_checksum) {
  const auto catalog = open();
  ASSERT_TRUE(
      write_all_durably(files(), file("mine"), "-- by hand\nCREATE TABLE x (a INT);\n").ok());
  const auto found = catalog->find(name({"mine"}));
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_EQ(to_sql(statement_of(**found)), "CREATE TABLE mine (a INT)");
}

TEST_F(FileCatalog, a_database_goes_with_what_is_in_it) {
  const auto catalog = open();
  CreateDatabase made;
  made.name = name({"d"});
  ASSERT_TRUE(catalog->create_database(made).ok());
  ASSERT_TRUE(create(*catalog, "CREATE TABLE d.t (a INT)").ok());
  Drop drop;
  drop.kind = ObjectKind::kDatabase;
  drop.name = name({"d"});
  EXPECT_EQ(catalog->drop(drop).id(), ErrorId::kSqlCatalog);
  drop.rest = Drop::Rest::kCascade;
  ASSERT_TRUE(catalog->drop(drop).ok());
  EXPECT_EQ(*open()->databases("default_catalog"), std::vector<std::string>{"default_database"});
  EXPECT_EQ(create(*catalog, "CREATE TABLE d.t (a INT)").id(), ErrorId::kSqlCatalog);
}

}  // namespace
}  // namespace tidewheel::sql
