#include "tidewheel/sql/user_function.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/api/function_library.h"
#include "tidewheel/sql/datum_column.h"
#include "tidewheel/sql/evaluator.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::sql {
namespace {

struct Point {
  int32_t x = 0;
  std::optional<std::string> name;
};

std::shared_ptr<FunctionLibrary> library_of_all_types() {
  auto library = std::make_shared<FunctionLibrary>();
  library->function("same_bool", [](bool x) { return x; });
  library->function("same_tiny", [](int8_t x) { return x; });
  library->function("same_big", [](int64_t x) { return x; });
  library->function("same_float", [](float x) { return x; });
  library->function("same_text", [](const std::string& x) { return x; });
  library->function("same_view", [](std::string_view x) { return x; });
  library->function("same_bytes", [](const Bytes& x) { return x; });
  library->function("same_decimal", [](Decimal<10, 2> x) { return x; });
  library->function("same_wide", [](Decimal<30, 4> x) { return x; });
  library->function("same_time", [](Timestamp x) { return x; });
  library->function("same_local", [](LocalTimestamp x) { return x; });
  library->function("same_date", [](Date x) { return x; });
  library->function("same_list", [](std::vector<std::optional<int32_t>> x) { return x; });
  library->function("same_nested", [](std::vector<std::vector<std::string>> x) { return x; });
  library->function("same_map", [](std::map<std::string, std::optional<double>> x) { return x; });
  library->function("same_point", [](Point x) { return x; });
  library->function("same_points", [](std::vector<Point> x) { return x; });
  library->function("same_maybe", [](std::optional<Point> x) { return x; });
  return library;
}

// What a function gives for one row of literals, as text; its error when it fails.
std::string called(const UserFunctions& functions, const std::string& name,
                   std::vector<std::pair<LogicalType, Datum>> values) {
  const Result<NamedFunction> found = functions.find(name);
  if (!found.ok()) { return std::string(found.status().message()); }
  std::vector<Argument> arguments;
  for (const auto& [type, value] : values) { arguments.push_back({type, nullptr}); }
  Result<Resolved> resolved = FunctionRegistry::resolve(found->scalar, arguments);
  if (!resolved.ok()) { return std::string(resolved.status().message()); }
  Bound call;
  call.kind = Bound::Kind::kCall;
  call.function = resolved->function;
  call.type = resolved->result;
  const ArenaRef arena = Arena::create();
  std::vector<LogicalType> types;
  std::vector<tidewheel::Column> columns;
  for (size_t i = 0; i < values.size(); ++i) {
    types.push_back(values[i].first);
    columns.emplace_back(values[i].first);
    // The value stands in row 1, behind a NULL.
    put_datum({}, columns[i], 0, *arena);
    put_datum(values[i].second, columns[i], 1, *arena);
    call.arguments.push_back(Bound::of_column(static_cast<int32_t>(i), values[i].first));
  }
  auto evaluator = Evaluator::compile({call}, types, {});
  if (!evaluator.ok()) { return std::string(evaluator.status().message()); }
  std::vector<ColumnView> views;
  for (const tidewheel::Column& column : columns) { views.push_back(column.view()); }
  Evaluated evaluated;
  const Status status = (*evaluator)->run(views, 0, 2, {}, *arena, {&evaluated, 1});
  if (!status.ok()) { return std::string(status.message()); }
  return value_to_text(call.type, evaluated.view, 1);
}

TEST(UserFunction, values_of_all_types_come_in_and_go_out) {
  using L = LogicalType;
  const UserFunctionsRef functions = UserFunctions::of(library_of_all_types()).value();
  const LogicalType point = L::row({"x", "name"}, {L::of(TypeKind::kInt), L::string()});
  const Datum a_point{Datum::List{{int64_t{7}}, {std::string("p")}}};
  const Datum no_name{Datum::List{{int64_t{8}}, {}}};
  const auto same = [&](const char* name, const LogicalType& type, Datum value) {
    return called(*functions, name, {{type, std::move(value)}});
  };
  EXPECT_EQ(same("same_bool", L::of(TypeKind::kBoolean), {int64_t{1}}), "TRUE");
  EXPECT_EQ(same("same_tiny", L::of(TypeKind::kTinyint), {int64_t{-5}}), "-5");
  EXPECT_EQ(same("same_big", L::of(TypeKind::kBigint), {int64_t{1} << 60}), "1152921504606846976");
  EXPECT_EQ(same("same_float", L::of(TypeKind::kFloat), {0.5}), "0.5");
  EXPECT_EQ(same("same_text", L::string(), {std::string("abc")}), "abc");
  EXPECT_EQ(same("same_view", L::string(), {std::string("a longer text than that")}),
            "a longer text than that");
  EXPECT_EQ(same("same_decimal", L::decimal(10, 2), {Int128{1250}}), "12.50");
  EXPECT_EQ(same("same_wide", L::decimal(30, 4), {Int128{-12345}}), "-1.2345");
  EXPECT_EQ(same("same_time", L::with(TypeKind::kTimestampLtz, 3), {int64_t{1500}}),
            "1970-01-01 00:00:01.500");
  EXPECT_EQ(same("same_local", L::with(TypeKind::kTimestamp, 3), {int64_t{1500}}),
            "1970-01-01 00:00:01.500");
  EXPECT_EQ(same("same_date", L::of(TypeKind::kDate), {int64_t{366}}), "1971-01-02");
  EXPECT_EQ(same("same_list", L::array(L::of(TypeKind::kInt)),
                 {Datum::List{{int64_t{1}}, {}, {int64_t{3}}}}),
            "[1, NULL, 3]");
  EXPECT_EQ(same("same_nested", L::array(L::array(L::string())),
                 {Datum::List{{Datum::List{{std::string("a")}, {std::string("b")}}},
                              {Datum::List{}},
                              {Datum::List{{std::string("c")}}}}}),
            "[[a, b], [], [c]]");
  EXPECT_EQ(same("same_map", L::map(L::string(), L::of(TypeKind::kDouble)),
                 {Datum::List{{std::string("a")}, {1.5}, {std::string("b")}, {}}}),
            "{a=1.5, b=NULL}");
  EXPECT_EQ(same("same_point", point, a_point), "(7, p)");
  EXPECT_EQ(same("same_point", point, no_name), "(8, NULL)");
  EXPECT_EQ(same("same_points", L::array(point), {Datum::List{a_point, no_name}}),
            "[(7, p), (8, NULL)]");
  EXPECT_EQ(same("same_maybe", point, {}), "NULL");
  EXPECT_EQ(same("same_big", L::of(TypeKind::kBigint), {}), "NULL");
}

TEST(UserFunction, what_is_thrown_is_the_error_with_the_functions_name) {
  auto library = std::make_shared<FunctionLibrary>();
  library->function("fails", [](int64_t x) -> int64_t {
    if (x > 1) { throw std::runtime_error("too large"); }
    throw 7;
  });
  const UserFunctionsRef functions = UserFunctions::of(library).value();
  const LogicalType bigint = LogicalType::of(TypeKind::kBigint);
  EXPECT_NE(called(*functions, "fails", {{bigint, {int64_t{2}}}})
                .find("the function fails has failed: too large"),
            std::string::npos);
  EXPECT_NE(called(*functions, "fails", {{bigint, {int64_t{1}}}})
                .find("an exception that is no std::exception"),
            std::string::npos);
}

TEST(UserFunction, overloads_are_chosen_by_their_arguments) {
  auto library = std::make_shared<FunctionLibrary>();
  library->function("kind", [](double) { return std::string("double"); });
  library->function("kind", [](int64_t) { return std::string("bigint"); });
  library->function("kind", [](std::string_view, int32_t) { return std::string("two"); });
  const UserFunctionsRef functions = UserFunctions::of(library).value();
  EXPECT_EQ(called(*functions, "kind", {{LogicalType::of(TypeKind::kBigint), {int64_t{1}}}}),
            "bigint");
  EXPECT_EQ(called(*functions, "kind", {{LogicalType::of(TypeKind::kDouble), {1.0}}}), "double");
  EXPECT_EQ(called(*functions, "kind",
                   {{LogicalType::string(), {std::string("a")}},
                    {LogicalType::of(TypeKind::kInt), {int64_t{1}}}}),
            "two");
  const std::string error =
      called(*functions, "kind", {{LogicalType::string(), {std::string("a")}}});
  EXPECT_NE(error.find("kind takes no (STRING): it may be kind(DOUBLE) or kind(BIGINT) or "
                       "kind(STRING, INT)"),
            std::string::npos)
      << error;
}

TEST(UserFunction, a_library_that_can_not_be_understood_is_refused) {
  const auto message = [](const std::shared_ptr<FunctionLibrary>& library) {
    const auto made = UserFunctions::of(library);
    return made.ok() ? std::string() : std::string(made.status().message());
  };
  auto mixed = std::make_shared<FunctionLibrary>();
  mixed->function("f", [](int64_t x) { return x; });
  mixed->function("f", [](std::optional<double> x) { return x; });
  EXPECT_NE(message(mixed).find("some take NULLs"), std::string::npos);
  auto kinds = std::make_shared<FunctionLibrary>();
  kinds->function("f", [](int64_t x) { return x; });
  kinds->table_function("f", [](int64_t, TableOut<int64_t>&) {});
  EXPECT_NE(message(kinds).find("as functions of several kinds"), std::string::npos);
  abi::FunctionTable newer;
  newer.abi = abi::kFunctionAbi + 1;
  EXPECT_EQ(UserFunctions::read(newer, nullptr).status().id(), ErrorId::kJobLibrary);
  EXPECT_NE(UserFunctions::of(library_of_all_types())
                .value()
                ->find("same_bull")
                .status()
                .message()
                .find("did you mean 'same_bool'?"),
            std::string::npos);
}

// Functions of numbers that can't fail get a loop of their own; constants are no columns there.
TEST(UserFunction, whole_columns_and_loops_without_branches_take_constants) {
  auto library = std::make_shared<FunctionLibrary>();
  library->function("plus", [](int64_t a, int64_t b) noexcept { return a + b; });
  library->vectorized(
      "times", [](std::span<const int64_t> a, std::span<const int64_t> b, std::span<int64_t> out) {
        for (size_t i = 0; i < out.size(); ++i) { out[i] = a[i] * b[i]; }
      });
  const UserFunctionsRef functions = UserFunctions::of(library).value();
  const LogicalType bigint = LogicalType::of(TypeKind::kBigint);
  for (const auto& [name, expected] : {std::pair("plus", std::string("7 NULL 9")),
                                       std::pair("times", std::string("10 NULL 20"))}) {
    const FunctionRef function = functions->find(name).value().scalar;
    Bound call;
    call.kind = Bound::Kind::kCall;
    call.function = function;
    call.type = bigint;
    call.arguments.push_back(Bound::of_column(0, bigint));
    call.arguments.push_back(Bound::of_literal({int64_t{5}}, bigint));
    tidewheel::Column column(bigint);
    column.ensure(3);
    column.values<int64_t>()[0] = 2;
    column.values<int64_t>()[2] = 4;
    column.set_null(1);
    const ColumnView view = column.view();
    const ArenaRef arena = Arena::create();
    auto evaluator = Evaluator::compile({call}, {bigint}, {}).value();
    Evaluated evaluated;
    ASSERT_TRUE(evaluator->run({&view, 1}, 0, 3, {}, *arena, {&evaluated, 1}).ok());
    std::string out;
    for (uint32_t row = 0; row < 3; ++row) {
      out += (row > 0 ? " " : "") + value_to_text(bigint, evaluated.view, row);
    }
    EXPECT_EQ(out, expected) << name;
  }
}

}  // namespace
}  // namespace tidewheel::sql
