// The scalar functions and operators of SQL: found by name and the types of arguments, and turned
// into kernels (sql/kernel.h) when expressions are compiled (sql/evaluator.h).
//
// Operators have names too: + - * / % = <> < <= > >= ||, "NOT", "IS NULL", "IS NOT NULL",
// "IS TRUE", "IS NOT TRUE", "IS FALSE", "IS NOT FALSE", "IS UNKNOWN", "IS NOT UNKNOWN",
// "IS DISTINCT FROM", "IS NOT DISTINCT FROM", "LIKE" and "SIMILAR TO" (with the escape as a third
// argument), "IN" (a value and those it may be one of), "[]", "ARRAY", "MAP", "ROW". -x is "-" of
// one argument; (a, b) OVERLAPS (c, d) is OVERLAPS(a, b, c, d). AND, OR, CASE and CAST are no
// functions: Bound has kinds for them. IF, IFNULL and COALESCE may be calls: they become CASE and
// COALESCE when they are folded or compiled.
//
// Units of time are string literals: EXTRACT('YEAR', t), FLOOR(t, 'HOUR'), TIMESTAMPADD('DAY', n,
// t), TIMESTAMPDIFF('DAY', a, b). TRIM takes its side as one: TRIM('BOTH', characters, text).
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/datum.h"
#include "tidewheel/types/logical_type.h"

namespace tidewheel::sql {

class Kernel;          // sql/kernel.h
struct KernelSetup;    // sql/kernel.h
struct Name;           // sql/expression.h
class TableFunction;   // sql/table_function.h
class UserAggregates;  // sql/user_aggregate.h
class ScalarFunction;
using FunctionRef = std::shared_ptr<const ScalarFunction>;
using TableFunctionRef = std::shared_ptr<const TableFunction>;
using UserAggregatesRef = std::shared_ptr<const UserAggregates>;

// An argument as resolution sees it.
struct Argument {
  LogicalType type;
  const Datum* literal = nullptr;  // of a constant; some results' types depend on it
};

struct Signature {
  LogicalType result;
  // What the arguments have to be cast to (without being asked: can_cast_implicitly).
  std::vector<LogicalType> arguments;
};

struct Resolved {
  FunctionRef function;
  LogicalType result;
  std::vector<LogicalType> argument_types;
};

// What an expression does with a function.
enum class FunctionForm : uint8_t {
  kKernel,
  // Stands for CASE, or COALESCE, with the same arguments, of which not all are computed: IF,
  // COALESCE, IFNULL. It has no kernel.
  kCase,
  kCoalesce,
};

struct FunctionTraits {
  // Gives the same for the same arguments: may be folded, and computed once for two places.
  bool is_deterministic = true;
  // NULL when an argument is NULL. The evaluator sees to it; the kernel may make more rows NULL.
  bool is_strict = true;
  // May fail, or costs much: only called for rows whose value is asked for.
  bool is_careful = false;
  // Another value for each row even of the same arguments: RAND, UUID.
  bool varies_by_row = false;
  FunctionForm form = FunctionForm::kKernel;
};

// A function of rows' values. Immutable.
class ScalarFunction {
 public:
  ScalarFunction(std::string name, FunctionTraits traits)
      : name_(std::move(name)), traits_(traits) {}
  virtual ~ScalarFunction() = default;
  ScalarFunction(const ScalarFunction&) = delete;
  ScalarFunction& operator=(const ScalarFunction&) = delete;

  const std::string& name() const { return name_; }
  const FunctionTraits& traits() const { return traits_; }
  bool is_deterministic() const { return traits_.is_deterministic; }

  // The result's type, and what the arguments have to be. Errors: kSqlType, with what was given and
  // what would be accepted.
  virtual Result<Signature> resolve(std::span<const Argument> arguments) const = 0;
  // What computes it for arguments of the types that `resolve` gave. One for each place and each
  // subtask, so it may keep state.
  virtual Result<std::unique_ptr<Kernel>> make_kernel(const KernelSetup& setup) const = 0;

 private:
  std::string name_;
  FunctionTraits traits_;
};

// What a name stands for: one of them.
struct NamedFunction {
  FunctionRef scalar;
  TableFunctionRef table;
  UserAggregatesRef aggregate = nullptr;
  explicit operator bool() const {
    return scalar != nullptr || table != nullptr || aggregate != nullptr;
  }
};

// Where a user's function has its name. A simple name means: a temporary system function, else one
// that is built in, else a temporary one of the current database, else a permanent one of it.
enum class FunctionLayer : uint8_t { kTemporarySystem, kTemporary, kPermanent };

// Functions by name. Immutable once it is shared.
class FunctionRegistry {
 public:
  // What a name in a query means; nothing: no function. Names of functions are case-insensitive.
  NamedFunction look_up(const Name& name) const;
  // "there is no function F; did you mean G?", with the place left out.
  Status unknown(const Name& name) const;
  // Casts and types of a call. Errors: kSqlType.
  static Result<Resolved> resolve(FunctionRef function, std::span<const Argument> arguments);

  // Names of functions are case-insensitive. Errors: kSqlName with the nearest name, kSqlType.
  Result<Resolved> resolve(std::string_view name, std::span<const Argument> arguments) const;
  // The same without literals.
  Result<Resolved> resolve(std::string_view name, std::span<const LogicalType> arguments) const;
  // One that is built in; null when there is none.
  FunctionRef find(std::string_view name) const;
  // In capitals and in order, operators left out.
  std::vector<std::string> names() const;

  // Adds a function, or has it stand for the one of the same name.
  void add(std::shared_ptr<const ScalarFunction> function);
  void add_alias(std::string_view name, std::string_view of);

  // ---- Functions of users. A path is "catalog.database.name", of system functions "name".

  // Where simple names, and those with a database only, are looked up.
  void set_current(std::string catalog, std::string database);
  // The path of a name of this layer. Errors: kSqlCatalog when a system function's has several
  // parts.
  Result<std::string> path_of(FunctionLayer layer, const Name& name) const;
  // False when there is one of this path.
  bool add_user(FunctionLayer layer, const std::string& path, NamedFunction function);
  bool drop_user(FunctionLayer layer, const std::string& path);
  bool has_user(FunctionLayer layer, const std::string& path) const;
  // Names without their paths, in order: system functions, and those of the current database.
  std::vector<std::string> user_names() const;
  // Those, and what is built in, with aggregates and what stands before OVER.
  std::vector<std::string> all_names() const;

 private:
  NamedFunction find_user(FunctionLayer layer, const std::string& path) const;

  std::unordered_map<std::string, FunctionRef> functions_;
  // By layer; names in capitals.
  std::map<std::string, NamedFunction> users_[3];
  std::string catalog_ = "default_catalog";
  std::string database_ = "default_database";
};

// All built-in functions. A copy shares them, and may be given more.
FunctionRegistry builtin_functions();

}  // namespace tidewheel::sql
