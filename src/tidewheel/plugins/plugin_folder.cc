#include "tidewheel/plugins/plugin_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "tidewheel/base/plugin_options.h"
#include "tidewheel/base/process.h"
#include "tidewheel/plugins/table_plugin.h"

namespace tidewheel {

namespace {

// A format that belongs to the engine, in a plug-in because of the libraries that it needs.
constexpr std::string_view kParquet = "parquet";

template <class Map>
std::vector<std::string> keys_of(const Map& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) { keys.push_back(key); }
  return keys;
}

bool is_library_name(const DirectoryEntry& entry) {
  return !entry.is_directory && entry.name.ends_with(".so");
}

}  // namespace

std::string plugin_directory(World& world, const Config& config) {
  if (const std::string named = config.get(options::kPluginsDirectory); !named.empty()) {
    return named;
  }
  const auto named = world.environment("TIDEWHEEL_PLUGINS_DIR");
  if (named.has_value() && !named->empty()) { return *named; }
  const std::string program = make_process_launcher()->own_program();
  return join_path(parent_path(parent_path(program)), "plugins");
}

PluginFolder::PluginFolder(FileSystem& files, Directory directory, const TableRegistry& built_in,
                           Load load)
    : files_(files),
      directory_(std::move(directory)),
      built_in_connectors_(built_in.connector_names()),
      built_in_formats_(built_in.format_names()),
      load_(std::move(load)) {}

void PluginFolder::look_again() {
  const std::string directory = directory_();
  if (directory == looked_in_) { return; }
  looked_in_ = directory;
  connectors_.clear();
  formats_.clear();
  troubles_.clear();
  for (Library* const library : added_) { take_names(library); }
  const Result<bool> exists = files_.exists(directory);
  if (exists.ok() && !*exists) { return; }
  const Result<std::vector<DirectoryEntry>> entries = files_.list(directory);
  if (!entries.ok()) {
    troubles_.push_back(entries.status().to_string());
    return;
  }
  for (const DirectoryEntry& entry : *entries) {
    const std::string path = join_path(directory, entry.name);
    if (entry.is_directory) {
      read_folder(path);
    } else if (is_library_name(entry)) {
      troubles_.push_back(
          fmt::format("{} is passed over: a plug-in lies in a folder of its own, "
                      "{}/NAME/{}",
                      path, directory, entry.name));
    }
  }
}

void PluginFolder::read_folder(const std::string& folder) {
  const Result<std::vector<DirectoryEntry>> entries = files_.list(folder);
  if (!entries.ok()) {
    troubles_.push_back(entries.status().to_string());
    return;
  }
  const size_t troubles = troubles_.size();
  size_t plugins = 0;
  for (const DirectoryEntry& entry : *entries) {
    if (is_library_name(entry) && read_library(join_path(folder, entry.name))) { ++plugins; }
  }
  if (plugins == 0 && troubles_.size() == troubles) {
    troubles_.push_back(fmt::format(
        "{} has no plug-in: it takes a libNAME.so that add_tidewheel_plugin has built", folder));
  }
}

bool PluginFolder::read_library(const std::string& path) {
  const auto read = [&]() -> Result<std::optional<LibraryNote>> {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto file, files_.open_read(path));
    return find_library_note(*file).with_context("{}", path);
  };
  Result<std::optional<LibraryNote>> note = read();
  if (!note.ok()) {
    troubles_.push_back(note.status().to_string());
    return false;
  }
  // Libraries that a plug-in brings along lie beside it.
  if (!note->has_value()) { return false; }
  auto library = std::make_unique<Library>(Library{path, std::move(**note), nullptr});
  take_names(library.get());
  if (const Status usable = check_table_plugin(library->note, path); !usable.ok()) {
    troubles_.push_back(usable.to_string());
  }
  libraries_.push_back(std::move(library));
  return true;
}

void PluginFolder::take_names(Library* library) {
  for (const std::string& name : library->note.connectors) { connectors_[name].push_back(library); }
  for (const std::string& name : library->note.formats) { formats_[name].push_back(library); }
}

Status PluginFolder::add(const std::string& path) {
  look_again();
  TIDEWHEEL_ASSIGN_OR_RETURN(LibraryNote note, read_library_note(files_, path));
  if (note.plugin.empty()) {
    return invalid_argument(ErrorId::kUsage, "{} is no plug-in of connectors and formats", path);
  }
  TIDEWHEEL_RETURN_IF_ERROR(check_table_plugin(note, path));
  const auto is_taken = [](const std::string& name, const Names& names,
                           const std::vector<std::string>& built_in) {
    return names.contains(name) ||
           std::find(built_in.begin(), built_in.end(), name) != built_in.end();
  };
  const auto refuse = [&](const char* kind, const std::string& name) {
    return failed_precondition(ErrorId::kJobLibrary, "{} has the {} '{}', which is there already",
                               path, kind, name);
  };
  for (const std::string& name : note.connectors) {
    if (is_taken(name, connectors_, built_in_connectors_)) { return refuse("connector", name); }
  }
  for (const std::string& name : note.formats) {
    if (is_taken(name, formats_, built_in_formats_)) { return refuse("format", name); }
  }
  auto library = std::make_unique<Library>(Library{path, std::move(note), nullptr});
  take_names(library.get());
  added_.push_back(library.get());
  libraries_.push_back(std::move(library));
  return {};
}

void PluginFolder::remove(const std::string& path) {
  const auto it = std::find_if(added_.begin(), added_.end(),
                               [&](const Library* library) { return library->path == path; });
  if (it == added_.end()) { return; }
  for (Names* const names : {&connectors_, &formats_}) {
    for (auto& [name, libraries] : *names) { std::erase(libraries, *it); }
    std::erase_if(*names, [](const auto& entry) { return entry.second.empty(); });
  }
  added_.erase(it);
}

Result<TableRegistry*> PluginFolder::loaded(const char* kind, const std::string& name,
                                            const Names& names,
                                            const std::vector<std::string>& built_in) {
  const auto found = names.find(name);
  if (found == names.end()) { return nullptr; }
  std::vector<std::string> owners;
  if (std::find(built_in.begin(), built_in.end(), name) != built_in.end()) {
    owners.emplace_back("this program");
  }
  for (const Library* library : found->second) { owners.push_back(library->path); }
  if (owners.size() > 1) {
    return failed_precondition(ErrorId::kJobLibrary,
                               "the {} '{}' is there more than once, in {}: remove the plug-ins "
                               "that are not meant",
                               kind, name, fmt::join(owners, " and "));
  }
  Library& library = *found->second.front();
  if (library.tables == nullptr) {
    TIDEWHEEL_ASSIGN_OR_RETURN(library.tables, load_(library.note, library.path));
  }
  return library.tables.get();
}

Result<const TableConnector*> PluginFolder::connector(const std::string& name) {
  look_again();
  TIDEWHEEL_ASSIGN_OR_RETURN(TableRegistry* const tables,
                             loaded("connector", name, connectors_, built_in_connectors_));
  if (tables == nullptr) { return nullptr; }
  return tables->connector(name);
}

Result<const TableFormat*> PluginFolder::format(const std::string& name) {
  look_again();
  TIDEWHEEL_ASSIGN_OR_RETURN(TableRegistry* const tables,
                             loaded("format", name, formats_, built_in_formats_));
  if (tables == nullptr && name == kParquet) {
    return not_found(ErrorId::kJobLibrary,
                     "the format 'parquet' is in a plug-in, which is not in the folder {}: "
                     "./dev setup --parquet and ./dev build make it in build/release/plugins; "
                     "'plugins.dir' names another folder{}{}",
                     looked_in_, troubles_.empty() ? "" : "; ", fmt::join(troubles_, "\n"));
  }
  if (tables == nullptr) { return nullptr; }
  return tables->format(name);
}

std::vector<std::string> PluginFolder::connector_names() {
  look_again();
  return keys_of(connectors_);
}

std::vector<std::string> PluginFolder::format_names() {
  look_again();
  return keys_of(formats_);
}

std::string PluginFolder::troubles() {
  look_again();
  return fmt::format("{}", fmt::join(troubles_, "\n"));
}

}  // namespace tidewheel
