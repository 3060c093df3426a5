// The folder of plug-ins: plugins/NAME/*.so. Its libraries' notes say which connectors and formats
// they have, so that a library is loaded when one of its names is asked for, and else not.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/file_system.h"
#include "tidewheel/base/world.h"
#include "tidewheel/plugins/library_note.h"

namespace tidewheel {

// The folder that `plugins.dir` names, else the variable TIDEWHEEL_PLUGINS_DIR, else `plugins`
// beside the program's `bin`.
std::string plugin_directory(World& world, const Config& config);

// One thread at a time.
class PluginFolder final : public TableExtensions {
 public:
  using Load = std::function<Result<std::unique_ptr<TableRegistry>>(const LibraryNote& note,
                                                                    const std::string& path)>;
  // The folder, asked for at each look-up: when it is another one than before, its plug-ins are
  // those there are. What was loaded before lives on.
  using Directory = std::function<std::string()>;

  // `built_in` has the names that no plug-in may have. `files` outlives the folder. A folder that
  // is not there has no plug-ins.
  PluginFolder(FileSystem& files, Directory directory, const TableRegistry& built_in, Load load);

  // Has one more library among the plug-ins, wherever it lies, until it is taken out. What was
  // loaded lives on. Errors: kUsage when it is no plug-in; kJobLibrary when it can't be used, or
  // has a name that there is already; those of the file.
  Status add(const std::string& path);
  // Nothing happens when it was not added.
  void remove(const std::string& path);

  Result<const TableConnector*> connector(const std::string& name) override;
  Result<const TableFormat*> format(const std::string& name) override;
  std::vector<std::string> connector_names() override;
  std::vector<std::string> format_names() override;
  std::string troubles() override;

 private:
  struct Library {
    std::string path;
    LibraryNote note;
    std::unique_ptr<TableRegistry> tables;  // null: not loaded
  };
  // By connector or format, the libraries that have it.
  using Names = std::map<std::string, std::vector<Library*>>;

  void look_again();
  void read_folder(const std::string& folder);
  // Whether the file is a plug-in; notes what is wrong with it.
  bool read_library(const std::string& path);
  void take_names(Library* library);
  // Null: nobody has the name.
  Result<TableRegistry*> loaded(const char* kind, const std::string& name, const Names& names,
                                const std::vector<std::string>& built_in);

  FileSystem& files_;
  const Directory directory_;
  const std::vector<std::string> built_in_connectors_;
  const std::vector<std::string> built_in_formats_;
  const Load load_;
  std::string looked_in_;
  std::vector<std::unique_ptr<Library>> libraries_;  // those of earlier folders too
  std::vector<Library*> added_;                      // in no folder
  Names connectors_;
  Names formats_;
  std::vector<std::string> troubles_;
};

}  // namespace tidewheel
