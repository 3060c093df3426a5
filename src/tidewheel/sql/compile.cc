// From expressions to steps: common parts are found by what they are made of, branches get contexts
// of their own, constants are folded before.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/sql/cast.h"
#include "tidewheel/sql/datum_column.h"
#include "tidewheel/sql/program.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::sql {
namespace {

using Op = ProgramStep::Op;
using Rule = RowContext::Rule;

// Stand for the functions of steps that are casts.
constexpr char kCastMark = 0;
constexpr char kTryCastMark = 0;

constexpr size_t kTextBytesMax = 200;

bool holds_text(const LogicalType& type) {
  return type.physical() == Physical::kText ||
         std::any_of(type.children.begin(), type.children.end(), holds_text);
}

// 0.0 equals -0.0, but is another literal.
bool same_literal(const Datum& a, const Datum& b) {
  const auto* const x = std::get_if<double>(&a.value);
  const auto* const y = std::get_if<double>(&b.value);
  if (x != nullptr && y != nullptr && std::signbit(*x) != std::signbit(*y)) { return false; }
  return a == b;
}

uint64_t literal_hash(const Datum& literal) {
  const auto of_value = [](const auto& value) -> uint64_t {
    using Value = std::decay_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, std::monostate>) {
      return 0;
    } else if constexpr (std::is_same_v<Value, Int128>) {
      return static_cast<uint64_t>(value) ^ static_cast<uint64_t>(value >> 64);
    } else if constexpr (std::is_same_v<Value, Datum::List>) {
      uint64_t hash = value.size();
      for (const Datum& one : value) { hash = mix64(hash ^ literal_hash(one)); }
      return hash;
    } else {
      return std::hash<Value>()(value);
    }
  };
  return mix64(std::visit(of_value, literal.value));
}

// Whether what the expression computes must not be computed for other rows.
bool is_careful(const Bound& bound) {
  if (bound.kind == Bound::Kind::kCall &&
      (bound.function->traits().is_careful || bound.function->traits().varies_by_row)) {
    return true;
  }
  if ((bound.kind == Bound::Kind::kCast || bound.kind == Bound::Kind::kTryCast) &&
      is_careful_cast(bound.arguments[0].type, bound.type)) {
    return true;
  }
  return std::any_of(bound.arguments.begin(), bound.arguments.end(), is_careful);
}

// Behind the last of them that is careful.
size_t careful_end(const std::vector<Bound>& bounds) {
  const auto last = std::find_if(bounds.rbegin(), bounds.rend(), is_careful);
  return static_cast<size_t>(bounds.rend() - last);
}

class Describer {
 public:
  explicit Describer(const EvalOptions& options) : options_(options) {}

  std::string describe(const Bound& bound) {
    append(bound);
    if (out_.size() > kTextBytesMax) {
      out_.resize(kTextBytesMax);
      out_ += "...";
    }
    return std::move(out_);
  }

 private:
  void append(const Bound& bound) {
    if (out_.size() > kTextBytesMax) { return; }
    switch (bound.kind) {
      case Bound::Kind::kOuter: out_ += "outer column " + std::to_string(bound.column + 1); return;
      case Bound::Kind::kColumn: {
        const auto index = static_cast<size_t>(bound.column);
        out_ += index < options_.column_names.size() ? options_.column_names[index]
                                                     : "column " + std::to_string(index + 1);
        return;
      }
      case Bound::Kind::kLiteral: return append_literal(bound);
      case Bound::Kind::kCall: return append_call(bound);
      case Bound::Kind::kCase: return append_list("CASE", bound);
      case Bound::Kind::kAnd: return append_infix(" AND ", bound);
      case Bound::Kind::kOr: return append_infix(" OR ", bound);
      case Bound::Kind::kCoalesce: return append_list("COALESCE", bound);
      case Bound::Kind::kField:
        append(bound.arguments[0]);
        out_ += '.';
        out_ += bound.arguments[0].type.names[static_cast<size_t>(bound.column)];
        return;
      case Bound::Kind::kCast:
      case Bound::Kind::kTryCast:
        out_ += bound.kind == Bound::Kind::kCast ? "CAST(" : "TRY_CAST(";
        append(bound.arguments[0]);
        out_ += " AS " + bound.type.as_nullable().to_string() + ")";
        return;
    }
  }
  void append_literal(const Bound& bound) {
    const std::string text = datum_to_text(bound.literal, bound.type);
    const bool quoted = bound.type.is_character() && !bound.literal.is_null();
    out_ += quoted ? "'" + text + "'" : text;
  }
  void append_call(const Bound& bound) {
    const std::string& name = bound.function->name();
    const bool is_operator = std::isalpha(static_cast<unsigned char>(name[0])) == 0;
    if (is_operator && name != "[]" && bound.arguments.size() == 2) {
      return append_infix((" " + name + " ").c_str(), bound);
    }
    append_list(name, bound);
  }
  void append_list(const std::string& name, const Bound& bound) {
    out_ += name + "(";
    for (size_t i = 0; i < bound.arguments.size(); ++i) {
      if (i > 0) { out_ += ", "; }
      append(bound.arguments[i]);
    }
    out_ += ")";
  }
  void append_infix(const char* between, const Bound& bound) {
    out_ += "(";
    for (size_t i = 0; i < bound.arguments.size(); ++i) {
      if (i > 0) { out_ += between; }
      append(bound.arguments[i]);
    }
    out_ += ")";
  }

  const EvalOptions& options_;
  std::string out_;
};

class Compiler {
 public:
  explicit Compiler(Evaluator::Program& program) : program_(program) {
    program_.contexts.emplace_back();  // of all rows
  }

  // The number of the step that has the values, for the rows of `context` at least.
  Result<uint32_t> add(const Bound& bound, uint32_t context) {
    switch (bound.kind) {
      case Bound::Kind::kColumn: return add_column(bound);
      case Bound::Kind::kOuter:
        return internal_error(ErrorId::kSqlQuery, "a column of a query around has stayed");
      case Bound::Kind::kLiteral: return add_constant(bound.literal, bound.type);
      case Bound::Kind::kCall: return add_call(bound, context);
      case Bound::Kind::kCast:
      case Bound::Kind::kTryCast: return add_cast(bound, context);
      case Bound::Kind::kCase: return add_case(bound, context);
      case Bound::Kind::kAnd: return add_chain(bound, Op::kAnd, Rule::kNotFalse, context);
      case Bound::Kind::kOr: return add_chain(bound, Op::kOr, Rule::kNotTrue, context);
      case Bound::Kind::kCoalesce: return add_chain(bound, Op::kCoalesce, Rule::kNull, context);
      case Bound::Kind::kField: return add_field(bound, context);
    }
    return uint32_t{0};
  }

 private:
  Result<uint32_t> add_column(const Bound& bound) {
    const auto index = static_cast<size_t>(bound.column);
    if (index >= program_.input.size() ||
        program_.input[index].physical() != bound.type.physical()) {
      return internal_error(ErrorId::kSqlType, "the input has no column {} of type {}",
                            bound.column, bound.type.to_string());
    }
    ProgramStep step;
    step.op = Op::kInput;
    step.type = bound.type;
    step.column = bound.column;
    step.borrows_input = holds_text(bound.type);
    return put(std::move(step));
  }

  uint32_t add_constant(const Datum& value, const LogicalType& type) {
    ProgramStep step;
    step.op = Op::kConstant;
    step.type = type;
    step.literal = value;
    return put(std::move(step));
  }

  bool is_null_constant(uint32_t step) const {
    return program_.steps[step].op == Op::kConstant && program_.steps[step].literal.is_null();
  }

  Result<uint32_t> add_call(const Bound& bound, uint32_t context) {
    const FunctionForm form = bound.function->traits().form;
    if (form != FunctionForm::kKernel) {
      Bound choice = bound;
      choice.kind = form == FunctionForm::kCase ? Bound::Kind::kCase : Bound::Kind::kCoalesce;
      return add(choice, context);
    }
    ProgramStep step;
    step.op = Op::kKernel;
    step.type = bound.type;
    step.traits = bound.function->traits();
    step.identity = bound.function.get();
    step.function = bound.function;
    std::vector<LogicalType> types;
    std::vector<const Datum*> literals;
    for (const Bound& argument : bound.arguments) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t index, add(argument, context));
      if (step.traits.is_strict && is_null_constant(index)) {
        return add_constant({}, bound.type.as_nullable());
      }
      step.arguments.push_back(index);
      types.push_back(argument.type);
      literals.push_back(argument.is_literal() ? &argument.literal : nullptr);
    }
    set_context(step, context);
    if (const auto known = find(step)) { return *known; }
    const KernelSetup setup{types, literals, bound.type, program_.options};
    TIDEWHEEL_ASSIGN_OR_RETURN(step.kernel, bound.function->make_kernel(setup));
    remember_strings(step);
    return finish_kernel(std::move(step), bound);
  }

  // What a regular expression gives for a string is looked up where it can be. Other functions of
  // strings cost less than it takes to remember them, or hardly more.
  void remember_strings(ProgramStep& step) {
    if (!step.traits.is_careful || !step.function->name().starts_with("REGEXP") ||
        !LastingMemo::can_hold(step.type)) {
      return;
    }
    std::optional<size_t> varying;
    for (size_t i = 0; i < step.arguments.size(); ++i) {
      const ProgramStep& argument = program_.steps[step.arguments[i]];
      if (argument.op == Op::kConstant) { continue; }
      if (varying || argument.type.physical() != Physical::kText) { return; }
      varying = i;
    }
    if (!varying) { return; }
    step.kernel = std::make_unique<LastingMemo>(std::move(step.kernel), *varying, program_.tables);
  }

  Result<uint32_t> add_cast(const Bound& bound, uint32_t context) {
    const Bound& argument = bound.arguments[0];
    TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t index, add(argument, context));
    if (is_null_constant(index)) { return add_constant({}, bound.type.as_nullable()); }
    if (is_same_in_memory(argument.type, bound.type)) { return index; }
    const bool is_try = bound.kind == Bound::Kind::kTryCast;
    ProgramStep step;
    step.op = Op::kKernel;
    step.type = bound.type;
    step.traits.is_careful = is_careful_cast(argument.type, bound.type);
    step.identity = is_try ? &kTryCastMark : &kCastMark;
    step.arguments.push_back(index);
    set_context(step, context);
    if (const auto known = find(step)) { return *known; }
    TIDEWHEEL_ASSIGN_OR_RETURN(step.kernel,
                               make_cast(argument.type, bound.type, is_try, program_.options));
    return finish_kernel(std::move(step), bound);
  }

  uint32_t finish_kernel(ProgramStep step, const Bound& bound) {
    step.text = Describer(program_.options).describe(bound);
    step.borrows_input = holds_text(step.type) && any_borrows(step.arguments);
    return put(std::move(step));
  }

  // AND, OR, COALESCE: each operand for the rows that those before have left open.
  Result<uint32_t> add_chain(const Bound& bound, Op op, Rule rule, uint32_t context) {
    ProgramStep step;
    step.op = op;
    step.type = bound.type;
    uint32_t inner = context;
    const size_t end = careful_end(bound.arguments);
    for (size_t i = 0; i < bound.arguments.size(); ++i) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t index, add(bound.arguments[i], inner));
      step.arguments.push_back(index);
      if (i + 1 < end) { inner = narrowed(inner, rule, index); }
    }
    return finish_choice(std::move(step), context);
  }

  Result<uint32_t> add_case(const Bound& bound, uint32_t context) {
    ProgramStep step;
    step.op = Op::kCase;
    step.type = bound.type;
    const size_t count = bound.arguments.size();
    uint32_t rest = context;
    const size_t end = careful_end(bound.arguments);
    for (size_t i = 0; i + 1 < count; i += 2) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t when, add(bound.arguments[i], rest));
      const bool careful_value = is_careful(bound.arguments[i + 1]);
      const uint32_t branch = careful_value ? narrowed(rest, Rule::kTrue, when) : rest;
      TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t then, add(bound.arguments[i + 1], branch));
      step.arguments.push_back(when);
      step.arguments.push_back(then);
      if (i + 2 < end) { rest = narrowed(rest, Rule::kNotTrue, when); }
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t otherwise, add(bound.arguments[count - 1], rest));
    step.arguments.push_back(otherwise);
    return finish_choice(std::move(step), context);
  }

  // Branches' own contexts are narrower; the choice has a value for all rows of `context`, or where
  // all that it needs is there.
  uint32_t finish_choice(ProgramStep step, uint32_t context) {
    for (const uint32_t argument : step.arguments) {
      const uint32_t other = program_.steps[argument].context;
      if (is_within(other, context)) {
        step.context = context;
      } else if (program_.contexts[other].depth > program_.contexts[step.context].depth) {
        step.context = other;
      }
    }
    step.borrows_input = holds_text(step.type) && any_borrows(step.arguments);
    if (const auto known = find(step)) { return *known; }
    return put(std::move(step));
  }

  Result<uint32_t> add_field(const Bound& bound, uint32_t context) {
    ProgramStep step;
    step.op = Op::kField;
    step.type = bound.type;
    step.column = bound.column;
    TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t index, add(bound.arguments[0], context));
    if (is_null_constant(index)) { return add_constant({}, bound.type.as_nullable()); }
    step.arguments.push_back(index);
    set_context(step, context);
    step.borrows_input = holds_text(step.type) && any_borrows(step.arguments);
    if (const auto known = find(step)) { return *known; }
    return put(std::move(step));
  }

  // ---- Contexts

  bool is_within(uint32_t inner, uint32_t outer) const {
    while (program_.contexts[inner].depth > program_.contexts[outer].depth) {
      inner = program_.contexts[inner].parent;
    }
    return inner == outer;
  }

  // Careful steps are run in the context that asks, others as far out as their arguments are there.
  void set_context(ProgramStep& step, uint32_t context) {
    if (step.traits.is_careful || step.traits.varies_by_row) {
      step.context = context;
      return;
    }
    for (const uint32_t argument : step.arguments) {
      const uint32_t other = program_.steps[argument].context;
      if (program_.contexts[other].depth > program_.contexts[step.context].depth) {
        step.context = other;
      }
    }
  }

  uint32_t narrowed(uint32_t parent, Rule rule, uint32_t step) {
    for (uint32_t i = 1; i < program_.contexts.size(); ++i) {
      const RowContext& known = program_.contexts[i];
      if (known.parent == parent && known.rule == rule && known.step == step) { return i; }
    }
    RowContext context;
    context.parent = parent;
    context.depth = program_.contexts[parent].depth + 1;
    context.rule = rule;
    context.step = step;
    const auto index = static_cast<uint32_t>(program_.contexts.size());
    program_.contexts.push_back(std::move(context));
    ProgramStep narrow;
    narrow.op = Op::kNarrow;
    narrow.column = static_cast<int32_t>(index);
    narrow.context = parent;
    program_.steps.push_back(std::move(narrow));
    return index;
  }

  // ---- Common parts

  bool any_borrows(const std::vector<uint32_t>& steps) const {
    return std::any_of(steps.begin(), steps.end(),
                       [&](uint32_t index) { return program_.steps[index].borrows_input; });
  }

  static uint64_t hash_of(const ProgramStep& step) {
    uint64_t hash = mix64(static_cast<uint64_t>(step.op) * 31 + static_cast<uint64_t>(step.column));
    hash = mix64(hash ^ reinterpret_cast<uintptr_t>(step.identity));
    hash = mix64(hash ^ static_cast<uint64_t>(step.type.kind) ^ literal_hash(step.literal));
    for (const uint32_t argument : step.arguments) { hash = mix64(hash ^ argument); }
    return hash;
  }

  std::optional<uint32_t> find(const ProgramStep& step) const {
    if (step.traits.varies_by_row) { return std::nullopt; }
    const auto [first, last] = known_.equal_range(hash_of(step));
    for (auto at = first; at != last; ++at) {
      const ProgramStep& other = program_.steps[at->second];
      if (other.op == step.op && other.column == step.column && other.identity == step.identity &&
          other.type.same_type(step.type) && other.arguments == step.arguments &&
          same_literal(other.literal, step.literal) && is_within(step.context, other.context)) {
        return at->second;
      }
    }
    return std::nullopt;
  }

  uint32_t put(ProgramStep step) {
    if (const auto known = find(step)) { return *known; }
    const auto index = static_cast<uint32_t>(program_.steps.size());
    known_.emplace(hash_of(step), index);
    program_.steps.push_back(std::move(step));
    return index;
  }

  Evaluator::Program& program_;
  std::unordered_multimap<uint64_t, uint32_t> known_;
};

void make_constants(Evaluator::Program& program) {
  for (ProgramStep& step : program.steps) {
    if (step.op != Op::kConstant) { continue; }
    step.own = std::make_unique<Column>(step.type);
    put_datum(step.literal, *step.own, 0, *program.constants);
    step.view = step.own->view();
    step.view.is_constant = true;
  }
  program.constants->mark_lasting();
}

}  // namespace

Result<std::unique_ptr<Evaluator::Program>> Evaluator::Program::compile(
    const std::vector<Bound>& outputs, const std::vector<LogicalType>& input,
    const EvalOptions& options) {
  auto program = std::make_unique<Program>();
  program->options = options;
  program->input = input;
  program->constants = Arena::create();
  Compiler compiler(*program);
  for (const Bound& output : outputs) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t step, compiler.add(output, 0));
    program->outputs.push_back(step);
  }
  make_constants(*program);
  for (const ProgramStep& step : program->steps) {
    if (step.op == ProgramStep::Op::kInput) { program->input_columns.push_back(step.column); }
    auto* const memo = dynamic_cast<LastingMemo*>(step.kernel.get());
    if (memo != nullptr) { program->memos.push_back(memo); }
  }
  return program;
}

}  // namespace tidewheel::sql
