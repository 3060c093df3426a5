#include "tidewheel/sql/lasting_memo.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/test_binder.h"
#include "tidewheel/types/column_text.h"

namespace tidewheel::sql {
namespace {

RowType some_types() {
  RowType type;
  type.add("n", LogicalType::of(TypeKind::kBigint, false));
  type.add("s", LogicalType::string());
  return type;
}

const std::vector<std::string> kTexts = {
    "LOWER(s)",
    "REGEXP_EXTRACT(s, 'B([a-z]*)', 1)",
    "s LIKE '%xyz%'",
    "REGEXP_COUNT(s, 'c')",
    "CASE WHEN n > 1 THEN LOWER(s) WHEN n = 1 THEN REGEXP_EXTRACT(s, 'A[a-z]*') ELSE s END",
    "n > 0 AND s LIKE 'A%'",
};

// Expressions over a number and a string that is mostly in a table that lasts.
class LastingMemoTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kRows = 2000;

  explicit LastingMemoTest(size_t strings = 300, size_t bytes_most = 100) {
    for (size_t i = 0; i < strings; ++i) {
      std::string made;
      for (size_t left = random_.below(bytes_most); left > 0; --left) {
        made += static_cast<char>((random_.chance(0.2) ? 'A' : 'a') + random_.below(26));
      }
      strings_.push_back(table_->copy(made));
    }
    table_->mark_lasting();
    Batch* const batch = BatchPool::create_for<ColumnRow>(1, nullptr)->acquire();
    batch->share_arena(table_);
    owner_ = BatchRef::adopt(batch);
  }
  std::unique_ptr<Evaluator> compiled() {
    std::vector<Bound> bound;
    types_.clear();
    for (const std::string& text : kTexts) {
      bound.push_back(binder_.bind(text).value());
      types_.push_back(bound.back().type);
    }
    return std::move(Evaluator::compile(bound, type_.types, EvalOptions())).value();
  }
  // One batch of rows; `others` are as many strings that are somewhere else.
  void expect_same(Evaluator& plain, Evaluator& remembering, double others) {
    tidewheel::Column numbers(type_.types[0]);
    tidewheel::Column texts(type_.types[1]);
    numbers.ensure(kRows);
    texts.ensure(kRows);
    const ArenaRef arena = Arena::create();
    for (uint32_t row = 0; row < kRows; ++row) {
      numbers.values<int64_t>()[row] = static_cast<int64_t>(random_.below(4));
      const Text text = strings_[random_.below(strings_.size())];
      texts.values<Text>()[row] = random_.chance(others) ? arena->copy(text.view()) : text;
      if (random_.chance(0.1)) { texts.set_null(row); }
    }
    const ColumnView views[] = {numbers.view(), texts.view()};
    std::vector<Evaluated> expected(kTexts.size());
    std::vector<Evaluated> results(kTexts.size());
    ASSERT_TRUE(plain.run(views, 0, kRows, {}, *arena, expected).ok());
    const ArenaRef own = Arena::create();
    ASSERT_TRUE(remembering.run(views, 0, kRows, {}, *own, results).ok());
    for (size_t i = 0; i < kTexts.size(); ++i) {
      for (uint32_t row = 0; row < kRows; ++row) {
        ASSERT_EQ(value_to_text(types_[i], results[i].view, row),
                  value_to_text(types_[i], expected[i].view, row))
            << kTexts[i];
      }
    }
  }

  Random random_{1};
  const RowType type_ = some_types();
  TestBinder binder_{type_};
  std::vector<LogicalType> types_;
  const ArenaRef table_ = Arena::create();
  std::vector<Text> strings_;
  BatchRef owner_;
};

// More than is remembered, and than is kept.
class ManyStringsTest : public LastingMemoTest {
 protected:
  ManyStringsTest() : LastingMemoTest(40'000, 200) {}
};

TEST_F(LastingMemoTest, results_are_those_of_the_function) {
  const auto plain = compiled();
  const auto remembering = compiled();
  remembering->see_tables(*owner_);
  for (int round = 0; round < 20; ++round) { expect_same(*plain, *remembering, round * 0.05); }
}

TEST_F(ManyStringsTest, strings_that_do_not_fit_are_computed_again) {
  const auto plain = compiled();
  const auto remembering = compiled();
  remembering->see_tables(*owner_);
  for (int round = 0; round < 60; ++round) { expect_same(*plain, *remembering, 0.1); }
}

// Gives the size of a string, and counts the rows that it was asked for.
class CountingKernel final : public Kernel {
 public:
  explicit CountingKernel(uint64_t& asked) : asked_(asked) {}
  Status run(const KernelCall& call) override {
    for (uint32_t row = 0; row < call.rows; ++row) {
      if (!call.is_active(row)) { continue; }
      ++asked_;
      call.result->values<int64_t>()[row] =
          static_cast<int64_t>(call.arguments[0].at<Text>(row).size());
    }
    return {};
  }

 private:
  uint64_t& asked_;
};

TEST_F(LastingMemoTest, what_was_computed_is_not_computed_again) {
  LastingTexts tables;
  tables.keep(table_);
  uint64_t asked = 0;
  LastingMemo memo(std::make_unique<CountingKernel>(asked), 0, tables);
  tidewheel::Column texts(LogicalType::string(false));
  tidewheel::Column sizes(LogicalType::of(TypeKind::kBigint, false));
  texts.ensure(3);
  sizes.ensure(3);
  const ArenaRef arena = Arena::create();
  for (uint32_t row = 0; row < 3; ++row) { texts.values<Text>()[row] = strings_[row]; }
  texts.values<Text>()[2] = arena->copy("not in the table");
  const ColumnView view = texts.view();
  KernelCall call;
  call.rows = 3;
  call.arguments = std::span(&view, 1);
  call.result = &sizes;
  call.arena = arena.get();
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(memo.run(call).ok());
    for (uint32_t row = 0; row < 3; ++row) {
      EXPECT_EQ(sizes.values<int64_t>()[row],
                static_cast<int64_t>(texts.values<Text>()[row].size()));
    }
  }
  EXPECT_EQ(asked, 3u + 3u);  // all, then the last of them
  EXPECT_EQ(memo.hits(), 6u);
}

}  // namespace
}  // namespace tidewheel::sql
