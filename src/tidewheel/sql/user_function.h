// Functions that users write in C++ (api/function_library.h), as functions of SQL.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/api/function_abi.h"
#include "tidewheel/base/status.h"
#include "tidewheel/sql/functions.h"

namespace tidewheel {
class FunctionLibrary;  // api/function_library.h
}

namespace tidewheel::sql {

// The functions of a library, or of a program, by name.
class UserFunctions {
 public:
  // `owner` keeps what the entries point to. Entries of one name are overloads. Errors: kJobLibrary
  // when the table, a type of an entry, or overloads that do not go together can't be understood.
  static Result<std::shared_ptr<const UserFunctions>> read(const abi::FunctionTable& table,
                                                           std::shared_ptr<const void> owner);

  // Those of a program.
  static Result<std::shared_ptr<const UserFunctions>> of(
      std::shared_ptr<const FunctionLibrary> library);

  // By the name that it was given in C++: case counts. Errors: kSqlName with the near miss.
  Result<NamedFunction> find(std::string_view name) const;
  std::vector<std::string> names() const;

 private:
  std::map<std::string, NamedFunction, std::less<>> functions_;
};

using UserFunctionsRef = std::shared_ptr<const UserFunctions>;
// Loads the library behind a path.
using FunctionLoader = std::function<Result<UserFunctionsRef>(const std::string& path)>;

}  // namespace tidewheel::sql
