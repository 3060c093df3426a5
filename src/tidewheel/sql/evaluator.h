// Computes expressions for many rows at a time.
//
// Expressions are compiled into a list of steps, each a loop over all rows. What occurs twice is
// computed once, what depends on no column is computed when it is compiled. Steps that may fail or
// cost much are run for those rows only whose values are asked for: the branch that CASE takes, the
// right side of AND where the left one is not false.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/bound.h"
#include "tidewheel/sql/kernel.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/column.h"

namespace tidewheel {
class Batch;  // dataflow/batch.h
}  // namespace tidewheel

namespace tidewheel::sql {

// The values of one output.
struct Evaluated {
  ColumnView view;
  // The column of the input that this is, unchanged: row `i` of the range [begin, end) is row
  // begin + i of `view`. -1: computed, row `i` of the range is row i of `view`.
  int32_t input_column = -1;
};

// Of one thread. Expressions' functions outlive it.
class Evaluator {
 public:
  // Errors: kSqlValue when a constant part can't be computed, kSqlType when a column is not what
  // the input has.
  static Result<std::unique_ptr<Evaluator>> compile(const std::vector<Bound>& outputs,
                                                    const std::vector<LogicalType>& input,
                                                    const EvalOptions& options);
  ~Evaluator();

  // Computes all outputs for rows [begin, end) of the input. `targets` has a column for each
  // output: computed ones are written there, rows from 0 on, what the column held is forgotten. A
  // null one, or an empty `targets`: into the evaluator's own memory, valid until the next call.
  // (Then an output that is constant has a constant view.) Plain columns of the input are not
  // copied: see Evaluated. `results` has room for all outputs.
  // New strings go into `arena`. Others point into the input, or where `keep_strings` says, which
  // have to be kept for as long as the results.
  // Errors: kSqlValue with the expression and the value.
  Status run(std::span<const ColumnView> input, uint32_t begin, uint32_t end,
             std::span<tidewheel::Column* const> targets, Arena& arena,
             std::span<Evaluated> results);

  // The same for the listed rows of the input. All outputs are written to `targets`, plain columns
  // too.
  Status run_selected(std::span<const ColumnView> input, std::span<const uint32_t> rows,
                      std::span<tidewheel::Column* const> targets, Arena& arena,
                      std::span<Evaluated> results);

  // For one output, a truth value: appends the rows of [begin, end) for which it is TRUE, in
  // order, by their number in the input.
  Status run_filter(std::span<const ColumnView> input, uint32_t begin, uint32_t end, Arena& arena,
                    std::vector<uint32_t>& rows);

  // What CURRENT_WATERMARK gives from now on; INT64_MIN: there is none yet.
  void set_watermark_ms(int64_t watermark_ms);

  // Has `batch` keep the strings that results of the last run point to: of literals, and what is
  // remembered.
  void keep_strings(Batch& batch) const;
  // Notes lasting tables (types/lasting_text.h) that rows of the batch may point into: what costly
  // functions make of their strings is remembered.
  void see_tables(const Batch& batch);
  // Whether output `index` may hold strings that point into the input.
  bool borrows_input(size_t index) const;
  size_t output_count() const;
  // Columns of the input that are looked at.
  const std::vector<int32_t>& input_columns() const;

  struct Program;  // sql/program.h

 private:
  explicit Evaluator(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

// Replaces what depends on no column, and always gives the same, by its value; TRUE and FALSE in
// AND, OR and CASE are seen through. What can't be computed stays, to fail when a row gets there.
Bound fold(Bound expression, const EvalOptions& options);

}  // namespace tidewheel::sql
