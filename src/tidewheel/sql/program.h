// What Evaluator compiles expressions into: steps in an order in which each comes after those that
// it needs. For evaluator.cc and compile.cc.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/functions.h"
#include "tidewheel/sql/kernel.h"
#include "tidewheel/sql/lasting_memo.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/lasting_text.h"

namespace tidewheel::sql {

// Which rows are asked for. 0 is the one of all rows; each other one is narrower than its parent:
// the rows for which a truth value (or whether something is NULL) is as `rule` says.
struct RowContext {
  enum class Rule : uint8_t { kTrue, kNotTrue, kNotFalse, kNull };
  uint32_t parent = 0;
  uint32_t depth = 0;
  Rule rule = Rule::kTrue;
  uint32_t step = 0;

  // Of the run.
  bool is_all = true;  // of all rows; then the mask is not filled
  bool is_none = false;
  std::vector<uint8_t> mask;  // a byte for each row; a multiple of 64
};

struct ProgramStep {
  enum class Op : uint8_t {
    kInput,
    kConstant,
    kKernel,
    kCase,
    kAnd,
    kOr,
    kCoalesce,
    kField,
    kNarrow,  // fills the mask of a context
  };
  Op op = Op::kInput;
  LogicalType type;
  uint32_t context = 0;  // where the values are there
  std::vector<uint32_t> arguments;
  int32_t column = -1;  // of the input; the field; of kNarrow: the context to fill
  Datum literal;        // of kConstant
  FunctionTraits traits;
  const void* identity = nullptr;  // the function; of casts a mark of their kind
  FunctionRef function;            // what the kernel's code belongs to
  std::unique_ptr<Kernel> kernel;
  std::string text;  // of the expression, for errors
  bool borrows_input = false;

  // Of the run.
  std::unique_ptr<tidewheel::Column> own;  // made at first use
  std::unique_ptr<tidewheel::Column> null_row;
  tidewheel::Column* target = nullptr;  // instead of `own`
  ColumnView view;
  std::vector<uint64_t> bits;                    // shifted validity
  std::vector<std::vector<ColumnView>> shifted;  // children of views
  std::vector<std::vector<uint64_t>> shifted_bits;
};

struct Evaluator::Program {
  EvalOptions options;
  std::vector<LogicalType> input;
  std::vector<ProgramStep> steps;
  std::vector<RowContext> contexts;
  std::vector<uint32_t> outputs;
  std::vector<int32_t> input_columns;
  ArenaRef constants;
  LastingTexts tables;              // that rows have pointed into
  std::vector<LastingMemo*> memos;  // kernels of steps

  // ---- Of the run.
  uint32_t rows = 0;
  Arena* arena = nullptr;
  int64_t now_ms = 0;
  int64_t watermark_ms = INT64_MIN;
  std::vector<uint8_t> active;      // of a careful step
  std::vector<uint8_t> bytes;       // scratch
  std::vector<uint8_t> more_bytes;  // scratch
  std::vector<uint8_t> taken;       // of COALESCE: rows that have their value
  std::vector<uint32_t> chosen;     // of CASE: the branch of each row
  std::vector<ColumnView> branches;
  std::vector<ColumnView> argument_views;
  std::vector<std::unique_ptr<tidewheel::Column>> gathered;  // of run_selected
  std::vector<ColumnView> gathered_views;

  // compile.cc
  static Result<std::unique_ptr<Program>> compile(const std::vector<Bound>& outputs,
                                                  const std::vector<LogicalType>& input,
                                                  const EvalOptions& options);
  // evaluator.cc
  Status run_steps(std::span<const ColumnView> columns, uint32_t begin);
  Status run_step(ProgramStep& step);
  Status run_kernel(ProgramStep& step);
  void run_case(ProgramStep& step);
  void run_coalesce(ProgramStep& step);
  void run_logic(ProgramStep& step);
  void run_field(ProgramStep& step);
  void narrow(RowContext& context);
  void begin_run();
  tidewheel::Column& room_for(ProgramStep& step, uint32_t count, bool is_constant);
  ColumnView shifted(ProgramStep& step, const LogicalType& type, const ColumnView& view,
                     uint32_t begin);
  void set_null_row(ProgramStep& step);
  bool strict_validity(const ProgramStep& step, tidewheel::Column& result, uint32_t count);
  const uint8_t* active_rows(const ProgramStep& step);
  size_t padded_rows() const { return (size_t{rows} + 63) / 64 * 64; }
};

}  // namespace tidewheel::sql
