// Tests of the folder of plug-ins, with libraries that have a note and nothing else; those that
// can be loaded are in tests/plugins.
#include "tidewheel/plugins/plugin_folder.h"

#include <gtest/gtest.h>

#include <utility>

#include "tidewheel/base/plugin_options.h"
#include "tidewheel/base/version.h"
#include "tidewheel/plugins/library_testing.h"
#include "tidewheel/plugins/table_plugin.h"
#include "tidewheel/sim/sim_world.h"

namespace tidewheel {
namespace {

using namespace test;

class NamedConnector final : public TableConnector {
 public:
  explicit NamedConnector(std::string name) : name_(std::move(name)) {}
  std::string_view name() const override { return name_; }
  std::vector<TableOption> options() const override { return {}; }

 private:
  std::string name_;
};

// A library with a note of ours; without a text, with none.
std::string library_of(const std::string& text) {
  return elf_library(text.empty() ? std::string() : elf_note(kNoteOwner, text));
}

struct NoteOptions {
  std::string connectors = {};
  std::string formats = {};
  std::string engine = engine_fingerprint();
  int32_t abi = kPluginAbi;
};
std::string note_of(const NoteOptions& options) {
  return fmt::format(
      "abi={}\nversion=0.1.0\ncompiler=g++ 12.2.0\nplugin=p\nconnectors={}\nformats={}\nengine={}\n"
      "build={}\n",
      options.abi, options.connectors, options.formats, options.engine, engine_build());
}

class PluginFolderTest : public ::testing::Test {
 protected:
  PluginFolderTest() : machine_({.seed = 1}) {
    built_in_.add(std::make_unique<NamedConnector>("kafka"));
  }
  FileSystem& files() { return machine_.world.files(); }
  void put(const std::string& path, const std::string& bytes) {
    ASSERT_TRUE(files().make_directories(parent_path(path)).ok());
    ASSERT_TRUE(write_all_durably(files(), path, bytes).ok());
  }
  void put_plugin(const std::string& path, const NoteOptions& options) {
    put(path, library_of(note_of(options)));
  }
  // Loading is noted, and makes what the note says.
  PluginFolder folder() {
    return PluginFolder(
        files(), [this] { return directory_; }, built_in_,
        [this](const LibraryNote& note,
               const std::string& path) -> Result<std::unique_ptr<TableRegistry>> {
          TIDEWHEEL_RETURN_IF_ERROR(check_table_plugin(note, path));
          loaded_.push_back(path);
          auto tables = std::make_unique<TableRegistry>();
          for (const std::string& name : note.connectors) {
            tables->add(std::make_unique<NamedConnector>(name));
          }
          return tables;
        });
  }

  SimMachine machine_;
  TableRegistry built_in_;
  std::string directory_ = "/plugins";
  std::vector<std::string> loaded_;
};

TEST_F(PluginFolderTest, without_a_folder_there_are_no_plugins) {
  PluginFolder plugins = folder();
  EXPECT_EQ(plugins.connector("queue").value(), nullptr);
  EXPECT_TRUE(plugins.connector_names().empty());
  EXPECT_EQ(plugins.troubles(), "");
}

TEST_F(PluginFolderTest, a_plugin_is_loaded_when_its_name_is_asked_for_and_once) {
  put_plugin("/plugins/queue/libqueue.so", {.connectors = "queue,fast-queue"});
  put_plugin("/plugins/other/libother.so", {.connectors = "other", .formats = "odd"});
  PluginFolder plugins = folder();
  EXPECT_EQ(plugins.connector_names(), (std::vector<std::string>{"fast-queue", "other", "queue"}));
  EXPECT_EQ(plugins.format_names(), (std::vector<std::string>{"odd"}));
  EXPECT_EQ(plugins.connector("kafka").value(), nullptr);
  EXPECT_TRUE(loaded_.empty());
  EXPECT_EQ(plugins.connector("queue").value()->name(), "queue");
  EXPECT_EQ(plugins.connector("fast-queue").value()->name(), "fast-queue");
  EXPECT_EQ(loaded_, (std::vector<std::string>{"/plugins/queue/libqueue.so"}));
}

TEST_F(PluginFolderTest, a_name_that_two_have_is_refused_and_names_both) {
  put_plugin("/plugins/a/liba.so", {.connectors = "queue"});
  put_plugin("/plugins/b/libb.so", {.connectors = "queue,kafka"});
  PluginFolder plugins = folder();
  const Status twice = plugins.connector("queue").status();
  EXPECT_EQ(twice.id(), ErrorId::kJobLibrary);
  EXPECT_NE(twice.message().find("/plugins/a/liba.so and /plugins/b/libb.so"), std::string::npos);
  const Status built_in = plugins.connector("kafka").status();
  EXPECT_EQ(built_in.id(), ErrorId::kJobLibrary);
  EXPECT_NE(built_in.message().find("this program and /plugins/b/libb.so"), std::string::npos);
  EXPECT_TRUE(loaded_.empty());
}

TEST_F(PluginFolderTest, one_for_another_engine_is_refused_in_words_and_the_others_work) {
  put_plugin("/plugins/old/libold.so", {.connectors = "old", .engine = "0123456789abcdef"});
  put_plugin("/plugins/abi/libabi.so", {.connectors = "abi", .abi = kPluginAbi + 1});
  put_plugin("/plugins/good/libgood.so", {.connectors = "good"});
  PluginFolder plugins = folder();
  for (const std::string name : {"old", "abi"}) {
    const Status refused = plugins.connector(name).status();
    EXPECT_EQ(refused.id(), ErrorId::kJobLibrary) << name;
    EXPECT_NE(refused.message().find("/plugins/" + name + "/lib" + name + ".so"), std::string::npos)
        << refused.message();
    EXPECT_NE(plugins.troubles().find("lib" + name + ".so"), std::string::npos);
  }
  EXPECT_TRUE(plugins.connector("good").ok());
}

TEST_F(PluginFolderTest, what_is_no_plugin_is_told_when_a_name_is_not_found) {
  put("/plugins/broken/libbroken.so", "SELECT 1;");
  put("/plugins/empty/README", "nothing");
  put("/plugins/libloose.so", library_of(note_of({.connectors = "loose"})));
  // A library that a plug-in brings along is none, and no trouble.
  put("/plugins/good/libneeded.so", library_of(""));
  put_plugin("/plugins/good/libgood.so", {.connectors = "good"});
  auto tables = std::make_unique<TableRegistry>();
  tables->add(std::make_unique<NamedConnector>("kafka"));
  tables->extend(std::make_unique<PluginFolder>(folder()));
  const Status unknown = tables->connector("goods").status();
  EXPECT_EQ(unknown.id(), ErrorId::kSqlOption);
  for (const char* part : {"did you mean 'good'?", "good, kafka", "libbroken.so", "/plugins/empty",
                           "/plugins/libloose.so is passed over"}) {
    EXPECT_NE(unknown.message().find(part), std::string::npos) << part << "\n" << unknown.message();
  }
  EXPECT_EQ(unknown.message().find("libneeded.so"), std::string::npos);
}

TEST_F(PluginFolderTest, another_folder_is_looked_into_when_it_is_set) {
  put_plugin("/plugins/a/liba.so", {.connectors = "a"});
  put_plugin("/more/b/libb.so", {.connectors = "b"});
  PluginFolder plugins = folder();
  const TableConnector* const before = plugins.connector("a").value();
  directory_ = "/more";
  EXPECT_EQ(plugins.connector_names(), (std::vector<std::string>{"b"}));
  EXPECT_EQ(before->name(), "a");  // what was loaded lives on
}

TEST_F(PluginFolderTest, the_folder_is_that_of_the_option_else_of_the_environment) {
  Config config;
  machine_.world.set_environment("TIDEWHEEL_PLUGINS_DIR", "/of/environment");
  EXPECT_EQ(plugin_directory(machine_.world, config), "/of/environment");
  config.set(options::kPluginsDirectory, std::string("/of/option"));
  EXPECT_EQ(plugin_directory(machine_.world, config), "/of/option");
  machine_.world.set_environment("TIDEWHEEL_PLUGINS_DIR", "");
  EXPECT_TRUE(plugin_directory(machine_.world, Config()).ends_with("/plugins"));
}

}  // namespace
}  // namespace tidewheel
