#include "tidewheel/sql/correlate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tidewheel/api/function_library.h"
#include "tidewheel/base/random.h"
#include "tidewheel/dataflow/operator.h"
#include "tidewheel/sql/operator_testing.h"
#include "tidewheel/sql/user_function.h"

namespace tidewheel::sql {
namespace {

using testing::bigint;
using testing::columns;
using testing::Lines;
using testing::SqlHarness;
using testing::SqlHarnessOptions;

// The numbers from 1 to its argument, of which it gives as many as are wanted, and goes on later.
class CountKernel final : public TableKernel {
 public:
  Status run(TableCall& call) override {
    std::vector<int64_t> numbers;
    while (call.row < call.end && numbers.size() < call.rows_max) {
      const ColumnView& limit = call.arguments[0];
      const int64_t last = limit.is_null(call.row) ? 0 : limit.at<int64_t>(call.row);
      while (given_ < last && numbers.size() < call.rows_max) {
        numbers.push_back(++given_);
        call.origins->push_back(call.row);
      }
      if (given_ < last) { break; }
      given_ = 0;
      ++call.row;
    }
    if (Column* const to = call.outputs[0]; to != nullptr) {
      to->ensure(static_cast<uint32_t>(numbers.size()));
      std::copy(numbers.begin(), numbers.end(), to->values<int64_t>());
    }
    return ok_status();
  }

 private:
  int64_t given_ = 0;
};

class CountFunction final : public TableFunction {
 public:
  CountFunction() : TableFunction("COUNT_TO") {}
  Result<TableSignature> resolve(std::span<const Argument>) const override {
    return TableSignature{{bigint()}, columns({{"i", bigint(false)}})};
  }
  Result<std::unique_ptr<TableKernel>> make_kernel(const std::vector<LogicalType>&) const override {
    return std::unique_ptr<TableKernel>(std::make_unique<CountKernel>());
  }
};

CorrelateSpec count_spec(bool is_left) {
  CorrelateSpec spec;
  spec.function = std::make_shared<CountFunction>();
  spec.input = {LogicalType::string(), bigint()};
  spec.arguments = {1};
  spec.passed = {0, 1};
  spec.given = {0};
  spec.is_left = is_left;
  return spec;
}

SqlHarness harness_of(const CorrelateSpec& spec, SqlHarnessOptions options = {}) {
  RowType output;
  const std::vector<LogicalType> types = correlate_output(spec).value();
  for (const LogicalType& type : types) { output.add("c", type); }
  RowType input;
  for (const LogicalType& type : spec.input) { input.add("c", type); }
  return SqlHarness([spec] { return make_correlate(spec).value(); }, {input}, output, options);
}

TEST(Correlate, each_row_comes_with_those_made_of_it) {
  SqlHarness harness = harness_of(count_spec(false));
  harness.push({"+I a,2", "+I b,0", "+I c,NULL", "+I d,1"});
  EXPECT_EQ(harness.take(), (Lines{"+I a,2,1", "+I a,2,2", "+I d,1,1"}));
}

TEST(Correlate, of_a_left_join_rows_without_a_table_have_nulls) {
  SqlHarness harness = harness_of(count_spec(true));
  harness.push({"+I a,0", "+I b,2", "+I c,NULL", "+I d,1", "+I e,0"});
  EXPECT_EQ(harness.take(), (Lines{"+I a,0,NULL", "+I b,2,1", "+I b,2,2", "+I c,NULL,NULL",
                                   "+I d,1,1", "+I e,0,NULL"}));
}

TEST(Correlate, what_is_taken_back_takes_back_its_table) {
  CorrelateSpec spec = count_spec(true);
  SqlHarness harness = harness_of(spec);
  harness.push({"-U a,2", "+U a,0"});
  EXPECT_EQ(harness.take(), (Lines{"-D a,2,1", "-D a,2,2", "+I a,0,NULL"}));
  spec.emits_before = true;
  SqlHarness both = harness_of(spec);
  both.push({"-U a,2", "+U a,0", "-D b,1"});
  EXPECT_EQ(both.take(), (Lines{"-U a,2,1", "-U a,2,2", "+U a,0,NULL", "-D b,1,1"}));
}

TEST(Correlate, columns_that_nobody_needs_are_not_made) {
  CorrelateSpec spec = count_spec(false);
  spec.passed = {0};
  spec.given = {};
  SqlHarness harness = harness_of(spec);
  harness.push({"+I a,2", "+I b,1"});
  EXPECT_EQ(harness.take(), (Lines{"+I a", "+I a", "+I b"}));
}

// Batches that are smaller than a row's table, outputs that refuse: nothing is lost or comes twice.
TEST(Correlate, random_tables_are_those_of_a_loop) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    const bool is_left = random.chance(0.5);
    SqlHarnessOptions options;
    options.seed = seed;
    options.refusal = random.chance(0.5) ? 0.3 : 0;
    options.batch_rows = 1 + static_cast<uint32_t>(random.below(9));
    SqlHarness harness = harness_of(count_spec(is_left), options);
    Lines rows;
    Lines expected;
    for (int i = 0; i < 50; ++i) {
      const auto count = static_cast<int64_t>(random.below(4) == 0 ? 0 : random.below(20));
      const std::string row = "r" + std::to_string(i) + "," + std::to_string(count);
      rows.push_back("+I " + row);
      for (int64_t n = 1; n <= count; ++n) {
        expected.push_back("+I " + row + "," + std::to_string(n));
      }
      if (count == 0 && is_left) { expected.push_back("+I " + row + ",NULL"); }
    }
    harness.push(rows);
    EXPECT_EQ(harness.take(), expected) << "seed " << seed;
  }
}

// ---- A user's table function

TEST(Correlate, a_users_function_is_called_for_rows_without_nulls) {
  struct Piece {
    std::string text;
    std::optional<int64_t> number;
  };
  auto library = std::make_shared<FunctionLibrary>();
  library->table_function("pieces", [](std::string_view text, int64_t count, TableOut<Piece>& out) {
    for (int64_t i = 0; i < count; ++i) {
      out({std::string(text) + "!", i == 0 ? std::nullopt : std::optional(i)});
    }
  });
  CorrelateSpec spec = count_spec(true);
  spec.function = UserFunctions::of(library).value()->find("pieces").value().table;
  spec.arguments = {0, 1};
  spec.passed = {0};
  spec.given = {0, 1};
  library.reset();  // the function keeps what it is made of
  SqlHarness harness = harness_of(spec);
  harness.push({"+I a,2", "+I NULL,3", "+I b,0"});
  EXPECT_EQ(harness.take(),
            (Lines{"+I a,a!,NULL", "+I a,a!,1", "+I NULL,NULL,NULL", "+I b,NULL,NULL"}));
}

}  // namespace
}  // namespace tidewheel::sql
