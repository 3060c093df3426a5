// A session's functions of users: CREATE and DROP FUNCTION, and those that a program brings.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tidewheel/sql/catalog.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/session.h"

namespace tidewheel::sql {
namespace {

FunctionLayer layer_of(bool temporary, bool system) {
  return system      ? FunctionLayer::kTemporarySystem
         : temporary ? FunctionLayer::kTemporary
                     : FunctionLayer::kPermanent;
}

Status check_language(std::string_view text, const CreateFunction& statement) {
  if (!statement.language.has_value()) { return ok_status(); }
  const std::string language = in_capitals(statement.language->name);
  if (language == "CPP") { return ok_status(); }
  return error_at(text, statement.language->span, ErrorId::kSqlUnsupported,
                  fmt::format("functions here are written in C++: LANGUAGE CPP, not {}", language));
}

// At the place of the name.
Status at_name(std::string_view text, const Name& name, const Status& status) {
  return error_at(text, name.span(), status.id(), std::string(status.message()));
}

}  // namespace

Result<NamedFunction> Session::load_function(std::string_view text,
                                             CreateFunction& statement) const {
  if (statement.libraries.empty() && !libraries_.empty()) {
    // Of the libraries that were added, the first one that has it.
    for (const std::string& library : libraries_) {
      const Result<UserFunctionsRef> loaded = options_.load_functions(library);
      if (!loaded.ok()) { continue; }  // of connectors
      Result<NamedFunction> function = (*loaded)->find(statement.symbol);
      if (!function.ok()) { continue; }
      statement.libraries = {library};
      return function;
    }
    return error_at(text, statement.name.span(), ErrorId::kSqlCatalog,
                    fmt::format("none of the libraries that were added (SHOW JARS) has the "
                                "function '{}'",
                                statement.symbol));
  }
  if (statement.libraries.size() != 1) {
    return error_at(text, statement.name.span(), ErrorId::kSqlUnsupported,
                    "a function is in one library: AS 'name' LANGUAGE CPP USING LIBRARY 'path.so', "
                    "or ADD JAR 'path.so' before");
  }
  if (options_.load_functions == nullptr) {
    return error_at(text, statement.name.span(), ErrorId::kSqlUnsupported,
                    "no libraries can be loaded here");
  }
  const std::string& library = statement.libraries[0];
  Result<UserFunctionsRef> loaded = options_.load_functions(library);
  if (!loaded.ok()) { return at_name(text, statement.name, loaded.status()); }
  Result<NamedFunction> function = (*loaded)->find(statement.symbol);
  if (!function.ok()) {
    return at_name(text, statement.name, function.status().with_context("{}", library));
  }
  return function;
}

Status Session::create_function(std::string_view text, const CreateFunction& statement) {
  TIDEWHEEL_RETURN_IF_ERROR(check_language(text, statement));
  const FunctionLayer layer = layer_of(statement.temporary, statement.system);
  const Result<std::string> path = functions_.path_of(layer, statement.name);
  if (!path.ok()) { return at_name(text, statement.name, path.status()); }
  const bool is_there = functions_.has_user(layer, *path);
  if (is_there && !statement.alters) {
    if (statement.if_not_exists) { return ok_status(); }
    return at_name(text, statement.name,
                   invalid_argument(ErrorId::kSqlCatalog, "there is a function {} already", *path));
  }
  if (!is_there && statement.alters) {
    if (statement.if_exists) { return ok_status(); }
    return at_name(text, statement.name,
                   not_found(ErrorId::kSqlCatalog, "there is no function {} to be altered{}", *path,
                             near_miss(in_capitals(statement.name.parts.back().name),
                                       functions_.user_names())));
  }
  CreateFunction made = statement;
  TIDEWHEEL_ASSIGN_OR_RETURN(NamedFunction function, load_function(text, made));
  if (statement.alters) { functions_.drop_user(layer, *path); }
  functions_.add_user(layer, *path, std::move(function));
  made.alters = made.if_exists = made.if_not_exists = false;
  std::vector<Identifier>& parts = made.name.parts;
  if (!statement.system) {
    if (parts.size() < 2) { parts.insert(parts.begin(), {catalog_.current_database(), {}}); }
    if (parts.size() < 3) { parts.insert(parts.begin(), {catalog_.current_catalog(), {}}); }
  }
  made_functions_[{layer, *path}] = std::move(made);
  return ok_status();
}

// As a query would find it; null: no statement has made it.
const CreateFunction* Session::made_function(const Name& name) const {
  for (const FunctionLayer layer :
       {FunctionLayer::kTemporarySystem, FunctionLayer::kTemporary, FunctionLayer::kPermanent}) {
    const Result<std::string> path = functions_.path_of(layer, name);
    if (!path.ok()) { continue; }
    const auto it = made_functions_.find({layer, *path});
    if (it != made_functions_.end()) { return &it->second; }
  }
  return nullptr;
}

bool Session::is_built_in(const Name& name) const {
  const std::vector<std::string> all = functions_.all_names();
  return name.parts.size() == 1 && made_function(name) == nullptr &&
         std::find(all.begin(), all.end(), in_capitals(name.parts.back().name)) != all.end();
}

Result<const CreateFunction*> Session::find_function(const Name& name) const {
  if (const CreateFunction* const made = made_function(name)) { return made; }
  const std::string simple = in_capitals(name.parts.back().name);
  if (is_built_in(name)) {
    return not_found(ErrorId::kSqlCatalog, "no statement has made the function {}, it is built in",
                     simple);
  }
  return not_found(ErrorId::kSqlCatalog, "there is no function {}{}", simple,
                   near_miss(simple, functions_.all_names()));
}

Result<StatementResult> Session::describe_function(const Describe& statement) const {
  Listing listing;
  listing.columns = {"info name", "info value"};
  if (is_built_in(statement.name)) {
    listing.rows = {{"name", in_capitals(statement.name.parts.back().name)},
                    {"system function", "TRUE"},
                    {"temporary", "FALSE"}};
    return StatementResult(std::move(listing));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const CreateFunction* const function, find_function(statement.name));
  listing.rows = {{"name", name_text(function->name)},
                  {"symbol", function->symbol},
                  {"language", "CPP"},
                  {"library", function->libraries.front()},
                  {"system function", function->system ? "TRUE" : "FALSE"},
                  {"temporary", function->temporary ? "TRUE" : "FALSE"}};
  return StatementResult(std::move(listing));
}

Status Session::drop_function(const Drop& statement) {
  const FunctionLayer layer = layer_of(statement.temporary, statement.system);
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string path, functions_.path_of(layer, statement.name));
  made_functions_.erase({layer, path});
  if (functions_.drop_user(layer, path) || statement.if_exists) { return ok_status(); }
  for (const FunctionLayer other :
       {FunctionLayer::kTemporarySystem, FunctionLayer::kTemporary, FunctionLayer::kPermanent}) {
    const Result<std::string> elsewhere = functions_.path_of(other, statement.name);
    if (!elsewhere.ok() || !functions_.has_user(other, *elsewhere)) { continue; }
    static constexpr const char* kKinds[] = {"TEMPORARY SYSTEM FUNCTION", "TEMPORARY FUNCTION",
                                             "FUNCTION"};
    return not_found(ErrorId::kSqlCatalog, "{} is dropped by DROP {}",
                     statement.name.parts.back().name, kKinds[static_cast<size_t>(other)]);
  }
  return not_found(
      ErrorId::kSqlCatalog, "there is no function {} to be dropped{}", path,
      near_miss(in_capitals(statement.name.parts.back().name), functions_.user_names()));
}

Status Session::add_functions(const UserFunctions& functions) {
  if (!of_program_.has_value()) { of_program_ = builtin_functions(); }
  for (const std::string& name : functions.names()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(NamedFunction function, functions.find(name));
    if (!functions_.add_user(FunctionLayer::kTemporarySystem, in_capitals(name), function)) {
      return invalid_argument(ErrorId::kSqlCatalog, "there is a function {} already", name);
    }
    of_program_->add_user(FunctionLayer::kTemporarySystem, in_capitals(name), std::move(function));
  }
  return ok_status();
}

}  // namespace tidewheel::sql
