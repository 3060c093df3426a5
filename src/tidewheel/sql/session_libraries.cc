// Libraries and modules of a session: ADD, REMOVE and SHOW JARS; LOAD, UNLOAD, USE and SHOW
// MODULES.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/session.h"

namespace tidewheel::sql {
namespace {

// The one module there is: what is built in.
constexpr std::string_view kCore = "core";

}  // namespace

// ---- Libraries

Result<StatementResult> Session::change_libraries(std::string_view text,
                                                  const LibraryStatement& statement) {
  const std::string& path = statement.path;
  const auto refuse = [&](ErrorId id, std::string why) {
    return error_at(text, statement.path_span, id, std::move(why));
  };
  const auto at = std::find(libraries_.begin(), libraries_.end(), path);
  if (statement.removes) {
    if (at == libraries_.end()) {
      return refuse(ErrorId::kSqlCatalog,
                    fmt::format("no such library was added; SHOW JARS lists those there are{}",
                                near_miss(path, libraries_)));
    }
    if (options_.change_plugins) { TIDEWHEEL_RETURN_IF_ERROR(options_.change_plugins(path, true)); }
    libraries_.erase(at);
    return StatementResult(Done{});
  }
  if (path.ends_with(".jar")) {
    return refuse(ErrorId::kSqlUnsupported,
                  "functions and connectors here are written in C++ and not in Java: ADD JAR takes "
                  "the libNAME.so that add_tidewheel_functions or add_tidewheel_plugin has built");
  }
  if (at != libraries_.end()) { return StatementResult(Done{}); }
  if (options_.load_functions == nullptr) {
    return refuse(ErrorId::kSqlUnsupported, "no libraries can be loaded here");
  }
  // It is one of functions, or else one of connectors and formats.
  Status added = options_.load_functions(path).status();
  if (!added.ok() && added.id() == ErrorId::kJobLibrary && options_.change_plugins) {
    if (const Status plugin = options_.change_plugins(path, false); plugin.ok()) {
      added = ok_status();
    } else if (plugin.id() != ErrorId::kUsage) {  // a plug-in that can't be used
      added = plugin;
    }
  }
  if (!added.ok()) { return refuse(added.id(), std::string(added.message())); }
  libraries_.push_back(path);
  return StatementResult(Done{});
}

// ---- Modules

Status Session::change_modules(std::string_view text, const ModuleStatement& statement) const {
  using Action = ModuleStatement::Action;
  const auto refuse = [&](const Identifier& module, ErrorId id, std::string why) {
    return error_at(text, module.span, id, std::move(why));
  };
  size_t cores = 0;
  for (const Identifier& module : statement.modules) {
    if (module.name != kCore) {
      return refuse(module, ErrorId::kSqlCatalog,
                    "there is the module core only, of what is built in; functions of users are in "
                    "libraries: CREATE FUNCTION .. USING LIBRARY 'path.so'");
    }
    if (++cores > 1) { return refuse(module, ErrorId::kSqlCatalog, "this module is named twice"); }
  }
  const Identifier& first = statement.modules.front();
  if (statement.action == Action::kLoad) {
    return refuse(first, ErrorId::kSqlCatalog, "this module is loaded already");
  }
  if (statement.action == Action::kUnload) {
    return refuse(first, ErrorId::kSqlUnsupported,
                  "queries are made of what is in this module, so that it stays");
  }
  return {};
}

Listing Session::show_modules(bool full) const {
  Listing listing;
  listing.columns = {"module name"};
  listing.rows.push_back({std::string(kCore)});
  if (!full) { return listing; }
  listing.columns.emplace_back("used");
  listing.rows[0].emplace_back("TRUE");
  return listing;
}

}  // namespace tidewheel::sql
