#include "tidewheel/sql/evaluator.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/dataflow/batch.h"
#include "tidewheel/sql/datum_column.h"
#include "tidewheel/sql/program.h"
#include "tidewheel/sql/vector_ops.h"

namespace tidewheel::sql {
namespace {

using Op = ProgramStep::Op;
using Rule = RowContext::Rule;

void grow_to(std::vector<uint8_t>& bytes, size_t size) {
  if (bytes.size() < size) { bytes.resize(size); }
}

// 1 for rows that are not NULL.
void put_valid(const ColumnView& view, uint32_t rows, uint8_t* out) {
  if (view.validity == nullptr) {
    std::fill(out, out + rows, uint8_t{1});
  } else if (view.is_constant) {
    std::fill(out, out + rows, static_cast<uint8_t>(view.is_null(0) ? 0 : 1));
  } else {
    unpack_bits(view.validity, rows, out);
  }
}

// 1 for rows that are TRUE.
void put_true(const ColumnView& view, uint32_t rows, uint8_t* out) {
  const auto* const values = view.as<uint8_t>();
  if (view.is_constant) {
    std::fill(out, out + rows, static_cast<uint8_t>(!view.is_null(0) && values[0] != 0 ? 1 : 0));
    return;
  }
  if (view.validity == nullptr) {
    std::copy(values, values + rows, out);
    return;
  }
  unpack_bits(view.validity, rows, out);
  and_bytes(out, values, rows);
}

// out[i] = pick[i] ? from[i] : out[i]
void blend(const ColumnView& from, const uint8_t* pick, uint32_t rows, Column& to) {
  with_physical(to.physical(), [&]<class T>() {
    T* const __restrict out = to.values<T>();
    const T* const values = from.as<T>();
    if (from.is_constant) {
      const T value = values[0];
      for (uint32_t i = 0; i < rows; ++i) { out[i] = pick[i] != 0 ? value : out[i]; }
    } else {
      for (uint32_t i = 0; i < rows; ++i) { out[i] = pick[i] != 0 ? values[i] : out[i]; }
    }
  });
}

bool is_nested(const Column& column) {
  return column.physical() == Physical::kList || column.physical() == Physical::kStruct;
}

}  // namespace

// ---- The run

void Evaluator::Program::begin_run() {
  now_ms = options.query_start_ms >= 0 ? options.query_start_ms
           : options.clock != nullptr  ? options.clock->wall_ms()
                                       : 0;
}

Status Evaluator::Program::run_steps(std::span<const ColumnView> columns, uint32_t begin) {
  for (ProgramStep& step : steps) {
    switch (step.op) {
      case Op::kInput:
        step.view = shifted(step, step.type, columns[static_cast<size_t>(step.column)], begin);
        break;
      case Op::kConstant: break;
      case Op::kNarrow: narrow(contexts[static_cast<size_t>(step.column)]); break;
      default: TIDEWHEEL_RETURN_IF_ERROR(run_step(step)); break;
    }
  }
  return {};
}

Status Evaluator::Program::run_step(ProgramStep& step) {
  if (contexts[step.context].is_none) {
    set_null_row(step);
    return {};
  }
  switch (step.op) {
    case Op::kCase: run_case(step); break;
    case Op::kCoalesce: run_coalesce(step); break;
    case Op::kAnd:
    case Op::kOr: run_logic(step); break;
    case Op::kField: run_field(step); break;
    default: return run_kernel(step);
  }
  return {};
}

Column& Evaluator::Program::room_for(ProgramStep& step, uint32_t count, bool is_constant) {
  const bool in_target = step.target != nullptr && !is_constant;
  if (!in_target && step.own == nullptr) { step.own = std::make_unique<Column>(step.type); }
  Column& column = in_target ? *step.target : *step.own;
  column.clear();
  column.ensure(count);
  return column;
}

void Evaluator::Program::set_null_row(ProgramStep& step) {
  if (step.null_row == nullptr) {
    step.null_row = std::make_unique<Column>(step.type);
    put_datum({}, *step.null_row, 0, *constants);
  }
  step.view = step.null_row->view();
  step.view.is_constant = true;
}

// The view with row `begin` as row 0.
ColumnView Evaluator::Program::shifted(ProgramStep& step, const LogicalType& type,
                                       const ColumnView& view, uint32_t begin) {
  if (begin == 0 || view.is_constant) { return view; }
  ColumnView out = view;
  const Physical physical = type.physical();
  if (view.validity != nullptr) {
    step.shifted_bits.emplace_back(validity_words(rows) + 1);
    shift_bits(view.validity, begin, rows, step.shifted_bits.back().data());
    out.validity = step.shifted_bits.back().data();
  }
  if (physical == Physical::kList) {
    out.offsets = view.offsets + begin;
  } else if (physical == Physical::kStruct) {
    std::vector<ColumnView> children;
    for (size_t c = 0; c < type.children.size(); ++c) {
      children.push_back(shifted(step, type.children[c], view.children[c], begin));
    }
    step.shifted.push_back(std::move(children));
    out.children = step.shifted.back().data();
  } else {
    out.values = view.as<char>() + begin * physical_bytes(physical);
  }
  return out;
}

void Evaluator::Program::narrow(RowContext& context) {
  const RowContext& parent = contexts[context.parent];
  const ColumnView& view = steps[context.step].view;
  context.is_all = false;
  context.is_none = parent.is_none;
  if (context.is_none) { return; }
  grow_to(context.mask, padded_rows());
  uint8_t* const mask = context.mask.data();
  const uint32_t all = rows;  // bytes that are written could be the member's
  switch (context.rule) {
    case Rule::kTrue: put_true(view, all, mask); break;
    case Rule::kNotTrue:
      put_true(view, all, mask);
      flip_bytes(mask, all);
      break;
    case Rule::kNotFalse: {
      // TRUE, or NULL.
      grow_to(bytes, padded_rows());
      uint8_t* const valid = bytes.data();
      put_valid(view, all, valid);
      put_true(view, all, mask);
      flip_bytes(valid, all);
      or_bytes(mask, valid, all);
      break;
    }
    case Rule::kNull:
      put_valid(view, all, mask);
      flip_bytes(mask, all);
      break;
  }
  if (!parent.is_all) { and_bytes(mask, parent.mask.data(), all); }
  uint32_t count = 0;
  for (uint32_t i = 0; i < all; ++i) { count += mask[i]; }
  context.is_none = count == 0;
  context.is_all = count == all;
}

// Makes NULL what has a NULL argument; whether there is one.
bool Evaluator::Program::strict_validity(const ProgramStep& step, Column& result, uint32_t count) {
  bool any = false;
  for (const uint32_t argument : step.arguments) {
    const ColumnView& view = steps[argument].view;
    if (view.validity == nullptr || view.is_constant) { continue; }  // a constant is no NULL here
    and_bits(result.validity(), view.validity, count);
    any = true;
  }
  return any;
}

Status Evaluator::Program::run_kernel(ProgramStep& step) {
  argument_views.clear();
  bool is_constant = !step.traits.varies_by_row;
  for (const uint32_t argument : step.arguments) {
    const ColumnView& view = steps[argument].view;
    if (step.traits.is_strict && view.is_constant && view.is_null(0)) {
      set_null_row(step);
      return {};
    }
    is_constant = is_constant && view.is_constant;
    argument_views.push_back(view);
  }
  KernelCall call;
  call.rows = is_constant ? 1 : rows;
  call.arguments = argument_views;
  call.arena = arena;
  call.now_ms = now_ms;
  call.watermark_ms = watermark_ms;
  Column& result = room_for(step, call.rows, is_constant);
  call.result = &result;
  const bool has_nulls =
      step.traits.is_strict && !is_constant && strict_validity(step, result, rows);
  const RowContext& context = contexts[step.context];
  if (step.traits.is_careful && !is_constant && (has_nulls || !context.is_all)) {
    if (!has_nulls) {
      call.active = context.mask.data();
    } else {
      grow_to(active, padded_rows());
      unpack_bits(result.validity(), rows, active.data());
      if (!context.is_all) { and_bytes(active.data(), context.mask.data(), rows); }
      call.active = active.data();
    }
  }
  Status status = step.kernel->run(call);
  if (!status.ok()) [[unlikely]] { return std::move(status).with_context("{}", step.text); }
  step.view = result.view();
  step.view.is_constant = is_constant;
  return {};
}

// ---- Choices

namespace {

// Puts together one column from several: each row is taken from one of them.
class Choice {
 public:
  Choice(uint32_t rows, std::vector<uint8_t>& valid) : rows_(rows), valid_(valid) {}

  // The values of rows that nothing is picked for.
  void begin(const ColumnView& rest, Column& to, bool with_nulls) {
    to_ = &to;
    with_nulls_ = with_nulls;
    if (is_nested(to)) {
      views_.push_back(rest);
      from_.assign(rows_, 0);
      return;
    }
    ColumnView values = rest;
    values.validity = nullptr;
    copy_rows(values, 0, rows_, to, 0);
    if (with_nulls) { put_valid(rest, rows_, valid_.data()); }
  }
  void pick(const ColumnView& view, const uint8_t* picked, std::vector<uint8_t>& scratch) {
    if (is_nested(*to_)) {
      for (uint32_t i = 0; i < rows_; ++i) {
        if (picked[i] != 0) { from_[i] = static_cast<uint32_t>(views_.size()); }
      }
      views_.push_back(view);
      return;
    }
    blend(view, picked, rows_, *to_);
    if (!with_nulls_) { return; }
    put_valid(view, rows_, scratch.data());
    for (uint32_t i = 0; i < rows_; ++i) { valid_[i] = picked[i] != 0 ? scratch[i] : valid_[i]; }
  }
  void end() {
    if (is_nested(*to_)) {
      for (uint32_t i = 0; i < rows_; ++i) { copy_rows(views_[from_[i]], i, i + 1, *to_, i); }
    } else if (with_nulls_) {
      pack_bytes(valid_.data(), rows_, to_->validity());
    }
  }

 private:
  uint32_t rows_;
  std::vector<uint8_t>& valid_;
  Column* to_ = nullptr;
  bool with_nulls_ = false;
  std::vector<ColumnView> views_;
  std::vector<uint32_t> from_;
};

}  // namespace

namespace {

// Row i of `to` is that of branches[chosen[i]].
void put_chosen(std::span<const ColumnView> branches, const uint32_t* chosen, uint32_t rows,
                Column& to) {
  if (is_nested(to)) {
    for (uint32_t i = 0; i < rows; ++i) { copy_rows(branches[chosen[i]], i, i + 1, to, i); }
    return;
  }
  with_physical(to.physical(), [&]<class T>() {
    struct Values {
      const T* first;
      size_t stride;
    };
    std::vector<Values> values;
    for (const ColumnView& branch : branches) {
      values.push_back({branch.as<T>(), branch.is_constant ? size_t{0} : size_t{1}});
    }
    T* const out = to.values<T>();
    const Values* const all = values.data();
    for (uint32_t i = 0; i < rows; ++i) {
      const Values& from = all[chosen[i]];
      out[i] = from.first[i * from.stride];
    }
  });
}
// Rows whose byte is 1 take this branch.
void take_branch(const uint8_t* __restrict takes, uint32_t branch, uint32_t rows,
                 uint32_t* __restrict chosen) {
  for (uint32_t i = 0; i < rows; ++i) { chosen[i] = takes[i] != 0 ? branch : chosen[i]; }
}
// Rows that take this branch are as valid as its value.
void take_validity(const uint8_t* __restrict of_branch, uint32_t branch,
                   const uint32_t* __restrict chosen, uint32_t rows, uint8_t* __restrict valid) {
  for (uint32_t i = 0; i < rows; ++i) { valid[i] = chosen[i] == branch ? of_branch[i] : valid[i]; }
}

}  // namespace

// Which branch each row takes, from the last one on, so that an earlier one has its way; then the
// values, in one pass.
void Evaluator::Program::run_case(ProgramStep& step) {
  const size_t last = step.arguments.size() - 1;
  const auto view_of = [&](size_t i) -> const ColumnView& { return steps[step.arguments[i]].view; };
  branches.clear();
  bool with_nulls = view_of(last).validity != nullptr;
  for (size_t i = 1; i < last; i += 2) {
    with_nulls |= view_of(i).validity != nullptr;
    branches.push_back(view_of(i));
  }
  branches.push_back(view_of(last));
  grow_to(bytes, padded_rows());
  chosen.assign(padded_rows(), static_cast<uint32_t>(branches.size() - 1));
  for (size_t branch = branches.size() - 1; branch-- > 0;) {
    put_true(view_of(2 * branch), rows, bytes.data());
    take_branch(bytes.data(), static_cast<uint32_t>(branch), rows, chosen.data());
  }
  Column& result = room_for(step, rows, false);
  put_chosen(branches, chosen.data(), rows, result);
  if (with_nulls && !is_nested(result)) {
    grow_to(more_bytes, padded_rows());
    std::fill(more_bytes.begin(), more_bytes.begin() + rows, uint8_t{1});
    for (uint32_t branch = 0; branch < branches.size(); ++branch) {
      if (branches[branch].validity == nullptr) { continue; }
      put_valid(branches[branch], rows, bytes.data());
      take_validity(bytes.data(), branch, chosen.data(), rows, more_bytes.data());
    }
    pack_bytes(more_bytes.data(), rows, result.validity());
  }
  step.view = result.view();
}

namespace {

// Leaves of `valid` those that have no value yet, and counts them among those that have.
void take_first(uint8_t* __restrict valid, uint8_t* __restrict taken, uint32_t rows) {
  for (uint32_t i = 0; i < rows; ++i) {
    valid[i] &= static_cast<uint8_t>(taken[i] ^ 1);
    taken[i] |= valid[i];
  }
}

}  // namespace

void Evaluator::Program::run_coalesce(ProgramStep& step) {
  const auto view_of = [&](size_t i) -> const ColumnView& { return steps[step.arguments[i]].view; };
  const size_t last = step.arguments.size() - 1;
  for (auto* scratch : {&bytes, &more_bytes, &taken, &active}) { grow_to(*scratch, padded_rows()); }
  Column& result = room_for(step, rows, false);
  Choice choice(rows, more_bytes);
  choice.begin(view_of(last), result, view_of(last).validity != nullptr);
  std::fill(taken.begin(), taken.begin() + rows, uint8_t{0});
  for (size_t i = 0; i < last; ++i) {
    put_valid(view_of(i), rows, bytes.data());
    take_first(bytes.data(), taken.data(), rows);
    choice.pick(view_of(i), bytes.data(), active);
  }
  choice.end();
  step.view = result.view();
}

// AND: TRUE when all are, FALSE when one is. OR: the other way round.
void Evaluator::Program::run_logic(ProgramStep& step) {
  const bool is_and = step.op == Op::kAnd;
  Column& result = room_for(step, rows, false);
  auto* const truth = result.values<uint8_t>();
  bool with_nulls = false;
  for (const uint32_t argument : step.arguments) {
    with_nulls |= steps[argument].view.validity != nullptr;
  }
  for (auto* scratch : {&bytes, &more_bytes, &taken}) { grow_to(*scratch, padded_rows()); }
  uint8_t* const is_true = bytes.data();
  uint8_t* const is_valid = more_bytes.data();
  uint8_t* const known = taken.data();  // FALSE of all so far for AND, of any for OR
  std::fill(truth, truth + rows, static_cast<uint8_t>(is_and ? 1 : 0));
  std::fill(known, known + rows, static_cast<uint8_t>(is_and ? 0 : 1));
  for (const uint32_t argument : step.arguments) {
    const ColumnView& view = steps[argument].view;
    put_true(view, rows, is_true);
    is_and ? and_bytes(truth, is_true, rows) : or_bytes(truth, is_true, rows);
    if (!with_nulls) { continue; }
    put_valid(view, rows, is_valid);
    flip_bytes(is_true, rows);
    and_bytes(is_valid, is_true, rows);  // FALSE
    is_and ? or_bytes(known, is_valid, rows) : and_bytes(known, is_valid, rows);
  }
  if (with_nulls) {
    or_bytes(known, truth, rows);
    pack_bytes(known, rows, result.validity());
  }
  step.view = result.view();
}

void Evaluator::Program::run_field(ProgramStep& step) {
  const ColumnView& row = steps[step.arguments[0]].view;
  ColumnView field = row.children[static_cast<size_t>(step.column)];
  field.is_constant |= row.is_constant;
  if (row.validity != nullptr) {
    const uint32_t count = row.is_constant ? 1 : rows;
    step.bits.assign(validity_words(count), 0);
    std::copy(row.validity, row.validity + validity_words(count), step.bits.begin());
    if (field.validity != nullptr) { and_bits(step.bits.data(), field.validity, count); }
    field.validity = step.bits.data();
  }
  step.view = field;
}

// ---- Evaluator

Evaluator::Evaluator(std::unique_ptr<Program> program) : program_(std::move(program)) {}
Evaluator::~Evaluator() = default;

Result<std::unique_ptr<Evaluator>> Evaluator::compile(const std::vector<Bound>& outputs,
                                                      const std::vector<LogicalType>& input,
                                                      const EvalOptions& options) {
  std::vector<Bound> folded;
  for (const Bound& output : outputs) { folded.push_back(fold(output, options)); }
  TIDEWHEEL_ASSIGN_OR_RETURN(auto program, Program::compile(folded, input, options));
  return std::unique_ptr<Evaluator>(new Evaluator(std::move(program)));
}

Status Evaluator::run(std::span<const ColumnView> input, uint32_t begin, uint32_t end,
                      std::span<Column* const> targets, Arena& arena,
                      std::span<Evaluated> results) {
  Program& program = *program_;
  program.rows = end - begin;
  program.arena = &arena;
  program.begin_run();
  const auto target_of = [&](size_t i) { return i < targets.size() ? targets[i] : nullptr; };
  for (ProgramStep& step : program.steps) {
    step.target = nullptr;
    step.shifted.clear();
    step.shifted_bits.clear();
  }
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    ProgramStep& step = program.steps[program.outputs[i]];
    if (step.target == nullptr) { step.target = target_of(i); }
  }
  if (program.rows > 0) { TIDEWHEEL_RETURN_IF_ERROR(program.run_steps(input, begin)); }
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    ProgramStep& step = program.steps[program.outputs[i]];
    Column* const target = target_of(i);
    if (step.op == Op::kInput) {
      results[i] = {input[static_cast<size_t>(step.column)], step.column};
      continue;
    }
    if (program.rows == 0 && step.op != Op::kConstant) {
      step.view = program.room_for(step, 0, true).view();
    }
    const bool is_there = target != nullptr && step.target == target && !step.view.is_constant &&
                          step.op != Op::kField && program.rows > 0;
    if (target != nullptr && !is_there) {
      target->clear();
      target->ensure(1);
      if (program.rows > 0) { copy_rows(step.view, 0, program.rows, *target, 0); }
    }
    results[i] = {target != nullptr ? target->view() : step.view, -1};
  }
  return {};
}

Status Evaluator::run_selected(std::span<const ColumnView> input, std::span<const uint32_t> rows,
                               std::span<Column* const> targets, Arena& arena,
                               std::span<Evaluated> results) {
  Program& program = *program_;
  program.gathered.resize(input.size());
  program.gathered_views.assign(input.begin(), input.end());
  for (const int32_t column : program.input_columns) {
    const auto index = static_cast<size_t>(column);
    if (input[index].is_constant) { continue; }
    auto& gathered = program.gathered[index];
    if (gathered == nullptr) { gathered = std::make_unique<Column>(program.input[index]); }
    gathered->clear();
    gathered->ensure(1);
    gather(input[index], rows, *gathered, 0);
    program.gathered_views[index] = gathered->view();
  }
  const auto count = static_cast<uint32_t>(rows.size());
  TIDEWHEEL_RETURN_IF_ERROR(run(program.gathered_views, 0, count, targets, arena, results));
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].input_column < 0) { continue; }
    Column& target = *targets[i];
    target.clear();
    target.ensure(1);
    copy_rows(results[i].view, 0, count, target, 0);
    results[i] = {target.view(), -1};
  }
  return {};
}

Status Evaluator::run_filter(std::span<const ColumnView> input, uint32_t begin, uint32_t end,
                             Arena& arena, std::vector<uint32_t>& rows) {
  Program& program = *program_;
  TIDEWHEEL_CHECK(program.outputs.size() == 1, "a filter has one output");
  if (begin == end) { return {}; }
  Evaluated result;
  TIDEWHEEL_RETURN_IF_ERROR(run(input, begin, end, {}, arena, std::span(&result, 1)));
  // What `run` gives for a plain column begins elsewhere.
  const ColumnView& view = program.steps[program.outputs[0]].view;
  if (view.is_constant) {
    if (view.is_null(0) || view.at<uint8_t>(0) == 0) { return {}; }
    const size_t before = rows.size();
    rows.resize(before + (end - begin));
    std::iota(rows.begin() + static_cast<ptrdiff_t>(before), rows.end(), begin);
    return {};
  }
  const uint8_t* selected = view.as<uint8_t>();
  if (view.validity != nullptr) {
    grow_to(program.bytes, program.padded_rows());
    put_true(view, program.rows, program.bytes.data());
    selected = program.bytes.data();
  }
  append_selected(selected, program.rows, begin, rows);
  return {};
}

void Evaluator::set_watermark_ms(int64_t watermark_ms) { program_->watermark_ms = watermark_ms; }
void Evaluator::keep_strings(Batch& batch) const {
  batch.share_arena(program_->constants);
  for (const LastingMemo* const memo : program_->memos) {
    if (memo->strings()) { batch.share_arena(memo->strings()); }
  }
}
void Evaluator::see_tables(const Batch& batch) {
  if (program_->memos.empty()) { return; }
  for (const ArenaRef& arena : batch.shared_arenas()) { program_->tables.keep(arena); }
}
bool Evaluator::borrows_input(size_t index) const {
  return program_->steps[program_->outputs[index]].borrows_input;
}
size_t Evaluator::output_count() const { return program_->outputs.size(); }
const std::vector<int32_t>& Evaluator::input_columns() const { return program_->input_columns; }

}  // namespace tidewheel::sql
