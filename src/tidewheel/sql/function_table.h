// How the built-in functions are written down: their arguments in words, and what makes a kernel.
// For the files that define functions.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/kernel.h"
#include "tidewheel/sql/row_kernel_inl.h"

namespace tidewheel::sql {

using KernelMaker = std::function<Result<std::unique_ptr<Kernel>>(const KernelSetup&)>;
// The result's type and, changed in place, what the arguments have to be.
using SignatureRule = std::function<Result<Signature>(std::span<const Argument>)>;

inline constexpr FunctionTraits kStrict{};                       // cheap, can't fail
inline constexpr FunctionTraits kCareful{true, true, true};      // strict
inline constexpr FunctionTraits kNullAware{true, false, false};  // looks at NULLs itself
inline constexpr FunctionTraits kCarefulNullAware{true, false, true};
inline constexpr FunctionTraits kClock{false, true, false};          // the same for a batch
inline constexpr FunctionTraits kVolatile{false, true, true, true};  // another one for each row

class FunctionTable {
 public:
  explicit FunctionTable(FunctionRegistry& registry) : registry_(registry) {}

  // `signatures` are written "string, int, int? -> string"; the first that fits is taken, and
  // `makers` has one maker for each, or one for all.
  // Parameters: "string", "bytes", "boolean", "int", "bigint", "double" (what can be cast to it
  // implicitly), "integer", "exact", "numeric", "decimal", "float", "date", "time", "timestamp",
  // "ltz", "months", "seconds", "array", "map", "row", "multiset" (as they are), "any"; behind it
  // "?" for one that may be left out, "*" for any number.
  // Results: the same words, "$0" for the type of the first argument, "timestamp(3)" and the like;
  // a "!" behind it: never NULL; a "?": NULL even without NULL arguments.
  void define(std::string name, FunctionTraits traits, std::vector<std::string_view> signatures,
              std::vector<KernelMaker> makers);
  // With a rule of its own. `usage` is what errors say would be accepted.
  void define(std::string name, FunctionTraits traits, std::string usage, SignatureRule rule,
              KernelMaker maker);
  void alias(std::string_view name, std::string_view of);

 private:
  FunctionRegistry& registry_;
};

// Makers of kernels that are all alike: a copy of `f` in each.
template <class F>
KernelMaker by_row(F f) {
  return [f](const KernelSetup&) -> Result<std::unique_ptr<Kernel>> { return row_kernel(F(f)); };
}
template <class R, class... A, class F>
KernelMaker by_value(F f) {
  return [f](const KernelSetup&) -> Result<std::unique_ptr<Kernel>> {
    return value_kernel<R, A...>(F(f));
  };
}

// "(INT, STRING)"
std::string argument_types_text(std::span<const Argument> arguments);
Status wrong_arguments(std::string_view name, std::span<const Argument> arguments,
                       std::string_view usage);
// What a SignatureRule gives when the arguments are wrong: the error is made from the usage.
Result<Signature> not_these();
bool any_nullable(std::span<const Argument> arguments);

// FLOOR and CEIL of numbers: they share their names with those of times.
Result<Signature> whole_number_signature(const LogicalType& type);
Result<std::unique_ptr<Kernel>> whole_number_kernel(const KernelSetup& setup, bool up);

// By subject.
void add_comparisons(FunctionTable& table);
void add_logic(FunctionTable& table);
void add_arithmetic(FunctionTable& table);
void add_mathematics(FunctionTable& table);
void add_strings(FunctionTable& table);
void add_printf(FunctionTable& table);
void add_regular_expressions(FunctionTable& table);
void add_digests(FunctionTable& table);
void add_times(FunctionTable& table);
void add_time_texts(FunctionTable& table);
void add_clocks(FunctionTable& table);
void add_conditionals(FunctionTable& table);
void add_collections(FunctionTable& table);
void add_json(FunctionTable& table);

}  // namespace tidewheel::sql
