// A session's functions of users: CREATE and DROP FUNCTION, and those that a program brings.
#include <fmt/format.h>

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

Status Session::create_function(std::string_view text, const CreateFunction& statement) {
  TIDEWHEEL_RETURN_IF_ERROR(check_language(text, statement));
  const FunctionLayer layer = layer_of(statement.temporary, statement.system);
  const Result<std::string> path = functions_.path_of(layer, statement.name);
  if (!path.ok()) { return at_name(text, statement.name, path.status()); }
  if (functions_.has_user(layer, *path)) {
    if (statement.if_not_exists) { return ok_status(); }
    return at_name(text, statement.name,
                   invalid_argument(ErrorId::kSqlCatalog, "there is a function {} already", *path));
  }
  if (statement.libraries.size() != 1) {
    return error_at(text, statement.name.span(), ErrorId::kSqlUnsupported,
                    "a function is in one library: AS 'name' LANGUAGE CPP USING LIBRARY 'path.so'");
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
  functions_.add_user(layer, *path, std::move(*function));
  return ok_status();
}

Status Session::drop_function(const Drop& statement) {
  const FunctionLayer layer = layer_of(statement.temporary, statement.system);
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::string path, functions_.path_of(layer, statement.name));
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
  for (const std::string& name : functions.names()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(NamedFunction function, functions.find(name));
    if (!functions_.add_user(FunctionLayer::kTemporarySystem, in_capitals(name),
                             std::move(function))) {
      return invalid_argument(ErrorId::kSqlCatalog, "there is a function {} already", name);
    }
  }
  return ok_status();
}

}  // namespace tidewheel::sql
