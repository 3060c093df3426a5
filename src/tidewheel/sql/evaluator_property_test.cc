// Random expressions over random columns: what the evaluator computes for many rows at a time is
// what a plain walk over the tree computes for each.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/base/random.h"
#include "tidewheel/sql/evaluator.h"
#include "tidewheel/sql/test_binder.h"

namespace tidewheel::sql {
namespace {

const std::vector<std::string> kTypes = {"BIGINT",  "INT",    "DOUBLE",
                                         "BOOLEAN", "STRING", "DECIMAL(9, 2)"};

struct Table {
  RowType type;
  std::vector<tidewheel::Column> columns;
  std::vector<std::vector<Datum>> rows;
  ArenaRef arena = Arena::create();

  std::vector<ColumnView> views() const {
    std::vector<ColumnView> out;
    for (const auto& column : columns) { out.push_back(column.view()); }
    return out;
  }
};

Datum random_datum(Random& random, const LogicalType& type) {
  if (type.nullable && random.chance(0.2)) { return {}; }
  const auto small = static_cast<int64_t>(random.below(7)) - 3;
  switch (type.kind) {
    case TypeKind::kBoolean: return {static_cast<int64_t>(random.below(2))};
    case TypeKind::kInt: return {random.chance(0.1) ? int64_t{INT32_MIN} : small};
    case TypeKind::kBigint: return {random.chance(0.1) ? INT64_MIN : small};
    case TypeKind::kDouble: return {static_cast<double>(small) / 2};
    case TypeKind::kDecimal: return {Int128{small * 25}};
    default: return {std::string("ab") + std::string(random.below(3), 'c')};
  }
}

Table random_table(Random& random, uint32_t rows) {
  Table table;
  for (const std::string& text : kTypes) {
    for (const char* suffix : {"", " NOT NULL"}) {
      table.type.add("c" + std::to_string(table.type.size()), TestBinder::type_of(text + suffix));
    }
  }
  for (const LogicalType& type : table.type.types) { table.columns.emplace_back(type); }
  for (uint32_t row = 0; row < rows; ++row) {
    std::vector<Datum> values;
    for (size_t c = 0; c < table.columns.size(); ++c) {
      values.push_back(random_datum(random, table.type.types[c]));
      put_datum(values.back(), table.columns[c], row, *table.arena);
    }
    table.rows.push_back(std::move(values));
  }
  return table;
}

// ---- Random expressions, bound.

class Generator {
 public:
  Generator(Random& random, const RowType& input)
      : random_(random), input_(input), binder_(input) {}

  Bound boolean(int depth) {
    switch (depth <= 0 ? random_.below(2) : random_.below(9)) {
      case 0: return column(TypeKind::kBoolean);
      case 1:
        return Bound::of_literal({static_cast<int64_t>(random_.below(2))},
                                 LogicalType::of(TypeKind::kBoolean, false));
      case 2: return chain(Bound::Kind::kAnd, depth);
      case 3: return chain(Bound::Kind::kOr, depth);
      case 4: return call("NOT", {boolean(depth - 1)});
      case 5: return call(pick({"IS NULL", "IS NOT NULL"}), {any(depth - 1)});
      case 6: return call(pick({"IS TRUE", "IS NOT FALSE"}), {boolean(depth - 1)});
      default: {
        const bool texts = random_.chance(0.3);
        Bound a = texts ? text(depth - 1) : number(depth - 1);
        Bound b = texts ? text(depth - 1) : number(depth - 1);
        return call(
            pick({"=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"}),
            {std::move(a), std::move(b)});
      }
    }
  }

  Bound number(int depth) {
    switch (depth <= 0 ? random_.below(2) : random_.below(8)) {
      case 0:
        return column(
            pick_kind({TypeKind::kBigint, TypeKind::kInt, TypeKind::kDouble, TypeKind::kDecimal}));
      case 1:
        return Bound::of_literal({static_cast<int64_t>(random_.below(5)) - 2},
                                 LogicalType::of(TypeKind::kInt, false));
      case 2: return choice(depth, [this](int d) { return number(d); });
      case 3: return coalesce(depth, [this](int d) { return number(d); });
      case 4: return call("-", {number(depth - 1)});
      default: return call(pick({"+", "-", "*", "/", "%"}), {number(depth - 1), number(depth - 1)});
    }
  }

  Bound text(int depth) {
    switch (depth <= 0 ? random_.below(2) : random_.below(5)) {
      case 0: return column(TypeKind::kVarchar);
      case 1:
        return Bound::of_literal({std::string("abc")},
                                 LogicalType::with(TypeKind::kChar, 3, 0, false));
      case 2: return choice(depth, [this](int d) { return text(d); });
      case 3: return coalesce(depth, [this](int d) { return text(d); });
      default: return call("||", {text(depth - 1), text(depth - 1)});
    }
  }

  Bound any(int depth) {
    return random_.chance(0.3) ? text(depth) : random_.chance(0.3) ? boolean(depth) : number(depth);
  }

 private:
  const char* pick(std::initializer_list<const char*> names) {
    return *(names.begin() + random_.below(names.size()));
  }
  TypeKind pick_kind(std::initializer_list<TypeKind> kinds) {
    return *(kinds.begin() + random_.below(kinds.size()));
  }
  Bound column(TypeKind kind) {
    std::vector<int32_t> fitting;
    for (size_t i = 0; i < input_.size(); ++i) {
      if (input_.types[i].kind == kind) { fitting.push_back(static_cast<int32_t>(i)); }
    }
    const int32_t index = fitting[random_.below(fitting.size())];
    return Bound::of_column(index, input_.types[static_cast<size_t>(index)]);
  }
  Bound call(const std::string& name, std::vector<Bound> arguments) {
    return binder_.call(name, std::move(arguments)).value();
  }
  Bound chain(Bound::Kind kind, int depth) {
    Bound bound;
    bound.kind = kind;
    bound.type = LogicalType::of(TypeKind::kBoolean);
    const uint64_t count = 2 + random_.below(2);
    for (uint64_t i = 0; i < count; ++i) { bound.arguments.push_back(boolean(depth - 1)); }
    return bound;
  }
  // Of one type.
  static Bound unified(Bound bound, const std::vector<size_t>& values) {
    std::vector<LogicalType> types;
    for (const size_t i : values) { types.push_back(bound.arguments[i].type); }
    bound.type = common_type(types).value();
    for (const size_t i : values) {
      bound.arguments[i] = TestBinder::converted(std::move(bound.arguments[i]), bound.type);
    }
    return bound;
  }
  Bound choice(int depth, const std::function<Bound(int)>& value) {
    Bound bound;
    bound.kind = Bound::Kind::kCase;
    std::vector<size_t> values;
    const uint64_t branches = 1 + random_.below(2);
    for (uint64_t i = 0; i < branches; ++i) {
      bound.arguments.push_back(boolean(depth - 1));
      values.push_back(bound.arguments.size());
      bound.arguments.push_back(value(depth - 1));
    }
    values.push_back(bound.arguments.size());
    bound.arguments.push_back(value(depth - 1));
    return unified(std::move(bound), values);
  }
  Bound coalesce(int depth, const std::function<Bound(int)>& value) {
    Bound bound;
    bound.kind = Bound::Kind::kCoalesce;
    bound.arguments = {value(depth - 1), value(depth - 1)};
    return unified(std::move(bound), {0, 1});
  }

  Random& random_;
  const RowType& input_;
  TestBinder binder_;
};

// ---- The reference: one row, one value at a time.

struct Failed {};

class Reference {
 public:
  explicit Reference(const std::vector<Datum>& row) : row_(row) {}

  Datum value(const Bound& bound) {
    switch (bound.kind) {
      case Bound::Kind::kColumn: return row_[static_cast<size_t>(bound.column)];
      case Bound::Kind::kLiteral: return bound.literal;
      case Bound::Kind::kOuter: return {};  // not made here
      case Bound::Kind::kAnd:
      case Bound::Kind::kOr: return logic(bound);
      case Bound::Kind::kCase: return choice(bound);
      case Bound::Kind::kCoalesce:
        for (const Bound& argument : bound.arguments) {
          Datum one = value(argument);
          if (!one.is_null()) { return one; }
        }
        return {};
      case Bound::Kind::kCast: return cast(bound);
      default: return call(bound);
    }
  }

 private:
  Datum logic(const Bound& bound) {
    const bool is_and = bound.kind == Bound::Kind::kAnd;
    bool has_null = false;
    for (const Bound& argument : bound.arguments) {
      const Datum one = value(argument);
      if (!one.is_null() && one.truth() != is_and) { return {int64_t{is_and ? 0 : 1}}; }
      has_null |= one.is_null();
    }
    return has_null ? Datum{} : Datum{int64_t{is_and ? 1 : 0}};
  }
  Datum choice(const Bound& bound) {
    for (size_t i = 0; i + 1 < bound.arguments.size(); i += 2) {
      const Datum when = value(bound.arguments[i]);
      if (!when.is_null() && when.truth()) { return value(bound.arguments[i + 1]); }
    }
    return value(bound.arguments.back());
  }

  Datum cast(const Bound& bound) {
    const Datum one = value(bound.arguments[0]);
    const LogicalType& from = bound.arguments[0].type;
    const LogicalType& to = bound.type;
    if (one.is_null() || to.is_character() || to.kind == TypeKind::kBoolean) { return one; }
    if (to.kind == TypeKind::kDouble) { return {real(one, from)}; }
    if (to.kind == TypeKind::kDecimal) {
      const auto scaled = detail::rescale_decimal(exact(one), scale(from), to.scale, to.precision);
      return scaled ? Datum{*scaled} : Datum{};
    }
    return one;  // an integer to a wider one
  }

  static int32_t scale(const LogicalType& type) {
    return type.kind == TypeKind::kDecimal ? type.scale : 0;
  }
  static Int128 exact(const Datum& value) {
    return std::holds_alternative<Int128>(value.value) ? value.decimal() : value.integer();
  }
  static double real(const Datum& value, const LogicalType& type) {
    if (std::holds_alternative<double>(value.value)) { return value.real(); }
    return std::stod(detail::decimal_to_string(exact(value), scale(type)));
  }

  // Below, at or above 0; NaN is greatest.
  static int order(const Datum& a, const Datum& b) {
    if (std::holds_alternative<double>(a.value)) {
      const double x = a.real();
      const double y = b.real();
      if (std::isnan(x) || std::isnan(y)) { return int{std::isnan(x)} - int{std::isnan(y)}; }
      return x < y ? -1 : x > y ? 1 : 0;
    }
    if (std::holds_alternative<std::string>(a.value)) { return a.text().compare(b.text()); }
    const Int128 x = exact(a);
    const Int128 y = exact(b);
    return x < y ? -1 : y < x ? 1 : 0;
  }

  Datum call(const Bound& bound) {
    const std::string& name = bound.function->name();
    std::vector<Datum> in;
    for (const Bound& argument : bound.arguments) { in.push_back(value(argument)); }
    const auto truth = [](bool is) { return Datum{int64_t{is ? 1 : 0}}; };
    if (name == "IS NULL") { return truth(in[0].is_null()); }
    if (name == "IS NOT NULL") { return truth(!in[0].is_null()); }
    if (name == "IS TRUE") { return truth(!in[0].is_null() && in[0].truth()); }
    if (name == "IS NOT FALSE") { return truth(in[0].is_null() || in[0].truth()); }
    if (name.ends_with("DISTINCT FROM")) {
      const bool same = in[0].is_null() || in[1].is_null() ? in[0].is_null() == in[1].is_null()
                                                           : order(in[0], in[1]) == 0;
      return truth(same == (name == "IS NOT DISTINCT FROM"));
    }
    for (const Datum& one : in) {
      if (one.is_null()) { return {}; }
    }
    if (name == "NOT") { return truth(!in[0].truth()); }
    if (name == "||") { return {in[0].text() + in[1].text()}; }
    if (name == "=") { return truth(order(in[0], in[1]) == 0); }
    if (name == "<>") { return truth(order(in[0], in[1]) != 0); }
    if (name == "<") { return truth(order(in[0], in[1]) < 0); }
    if (name == "<=") { return truth(order(in[0], in[1]) <= 0); }
    if (name == ">") { return truth(order(in[0], in[1]) > 0); }
    if (name == ">=") { return truth(order(in[0], in[1]) >= 0); }
    return arithmetic(bound, in);
  }

  Datum arithmetic(const Bound& bound, const std::vector<Datum>& in) {
    const char op = bound.function->name()[0];
    const LogicalType& type = bound.type;
    if (type.kind == TypeKind::kDouble) { return {real_result(op, in)}; }
    const LogicalType& a_type = bound.arguments[0].type;
    if (in.size() == 1) {
      if (type.kind == TypeKind::kDecimal) { return {-in[0].decimal()}; }
      return wrapped(Int128{0} - in[0].integer(), type);
    }
    const LogicalType& b_type = bound.arguments[1].type;
    const Int128 a = exact(in[0]);
    const Int128 b = exact(in[1]);
    if ((op == '/' || op == '%') && b == 0) { throw Failed(); }
    if (type.kind != TypeKind::kDecimal) {
      switch (op) {
        case '+': return wrapped(a + b, type);
        case '-': return wrapped(a - b, type);
        case '*': return wrapped(a * b, type);
        case '/': return wrapped(a / b, type);
        default: return wrapped(a % b, type);
      }
    }
    return decimal_result(op, a, scale(a_type), b, scale(b_type), type);
  }

  static double real_result(char op, const std::vector<Datum>& in) {
    const double a = in[0].real();
    if (in.size() == 1) { return -a; }
    const double b = in[1].real();
    switch (op) {
      case '+': return a + b;
      case '-': return a - b;
      case '*': return a * b;
      case '/': return a / b;
      default: return std::fmod(a, b);
    }
  }

  // In long double: the values of the tests have few digits, so all are exact enough.
  static Datum decimal_result(char op, Int128 a, int32_t a_scale, Int128 b, int32_t b_scale,
                              const LogicalType& type) {
    const int32_t finer = std::max(a_scale, b_scale);
    const auto up = [&](Int128 value, int32_t from) {
      return static_cast<__float128>(value) * power(finer - from);
    };
    const __float128 x = up(a, a_scale);
    const __float128 y = up(b, b_scale);
    __float128 result = 0;  // times 10^type.scale
    switch (op) {
      case '+': result = (x + y) * power(type.scale - finer); break;
      case '-': result = (x - y) * power(type.scale - finer); break;
      case '*': result = x * y * power(type.scale - 2 * finer); break;
      case '/': result = x / y * power(type.scale); break;
      default: result = (x - y * truncated(x / y)) * power(type.scale - finer); break;
    }
    const __float128 half = result < 0 ? -0.5 : 0.5;
    const __float128 limit = power(type.precision);
    const __float128 whole = truncated(result + half);
    if (whole >= limit || whole <= -limit) { return {}; }
    return {static_cast<Int128>(whole)};
  }
  static __float128 truncated(__float128 value) {
    constexpr __float128 kFar = 1.0e38;
    if (value > kFar || value < -kFar) { return value; }
    return static_cast<__float128>(static_cast<Int128>(value));
  }
  static __float128 power(int32_t exponent) {
    __float128 out = 1;
    for (int32_t i = 0; i < std::abs(exponent); ++i) { out *= 10; }
    return exponent < 0 ? 1 / out : out;
  }

  static Datum wrapped(Int128 value, const LogicalType& type) {
    const auto low = static_cast<int64_t>(value);
    return {type.kind == TypeKind::kInt ? int64_t{static_cast<int32_t>(low)} : low};
  }

  const std::vector<Datum>& row_;
};

bool same_value(const Datum& a, const Datum& b) {
  if (std::holds_alternative<double>(a.value) && std::holds_alternative<double>(b.value)) {
    return a.real() == b.real() || (std::isnan(a.real()) && std::isnan(b.real()));
  }
  if (std::holds_alternative<Int128>(a.value) && std::holds_alternative<Int128>(b.value)) {
    // The reference has 113 bits.
    const Int128 apart = a.decimal() - b.decimal();
    const Int128 size = a.decimal() < 0 ? -a.decimal() : a.decimal();
    return apart == 0 ||
           (size > (Int128{1} << 100) && apart < (size >> 100) && -apart < (size >> 100));
  }
  return a == b;
}

// The values of rows [begin, end); nothing when one can't be computed.
std::optional<std::vector<Datum>> expected(const Table& table, const Bound& bound, uint32_t begin,
                                           uint32_t end) {
  std::vector<Datum> values;
  for (uint32_t row = begin; row < end; ++row) {
    try {
      values.push_back(Reference(table.rows[row]).value(bound));
    } catch (const Failed&) { return std::nullopt; }
  }
  return values;
}

void expect_same(const Table& table, const Bound& bound, uint32_t begin, uint32_t end) {
  auto evaluator = Evaluator::compile({bound}, table.type.types, {});
  ASSERT_TRUE(evaluator.ok()) << evaluator.status().message();
  const ArenaRef arena = Arena::create();
  Evaluated result;
  const auto views = table.views();
  const Status status = (*evaluator)->run(views, begin, end, {}, *arena, std::span(&result, 1));
  const auto wanted = expected(table, bound, begin, end);
  ASSERT_EQ(status.ok(), wanted.has_value()) << status.message();
  if (!wanted) { return; }
  for (uint32_t i = 0; i < end - begin; ++i) {
    const uint32_t row = result.input_column < 0 ? i : begin + i;
    const Datum value = datum_at(bound.type, result.view, row);
    ASSERT_TRUE(same_value(value, (*wanted)[i]))
        << "row " << begin + i << ": " << datum_to_text(value, bound.type) << " instead of "
        << datum_to_text((*wanted)[i], bound.type) << ", " << bound.type.to_string();
  }
}

TEST(evaluator_property, agrees_with_a_walk_over_the_tree) {
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto rows = static_cast<uint32_t>(1 + random.below(150));
    const Table table = random_table(random, rows);
    Generator generator(random, table.type);
    const Bound bound = generator.any(static_cast<int>(1 + random.below(4)));
    const auto begin = static_cast<uint32_t>(random.below(rows));
    const auto end = static_cast<uint32_t>(begin + random.below(rows - begin + 1));
    expect_same(table, bound, begin, end);
    if (HasFatalFailure()) { return; }
  }
}

TEST(evaluator_property, filters_and_selections_agree_with_plain_runs) {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const auto rows = static_cast<uint32_t>(1 + random.below(150));
    const Table table = random_table(random, rows);
    Generator generator(random, table.type);
    const Bound condition = generator.boolean(3);
    const Bound output = generator.any(3);
    auto filter = Evaluator::compile({condition}, table.type.types, {}).value();
    auto project = Evaluator::compile({output}, table.type.types, {}).value();
    const ArenaRef arena = Arena::create();
    std::vector<uint32_t> selected;
    const auto wanted = expected(table, condition, 0, rows);
    ASSERT_EQ(filter->run_filter(table.views(), 0, rows, *arena, selected).ok(),
              wanted.has_value());
    if (!wanted) { continue; }
    std::vector<uint32_t> true_rows;
    for (uint32_t i = 0; i < rows; ++i) {
      if (!(*wanted)[i].is_null() && (*wanted)[i].truth()) { true_rows.push_back(i); }
    }
    ASSERT_EQ(selected, true_rows);
    tidewheel::Column target(output.type);
    tidewheel::Column* const targets[] = {&target};
    Evaluated result;
    const Status status =
        project->run_selected(table.views(), selected, targets, *arena, std::span(&result, 1));
    bool fails = false;
    for (size_t i = 0; i < selected.size(); ++i) {
      const auto one = expected(table, output, selected[i], selected[i] + 1);
      fails |= !one.has_value();
      if (!status.ok() || !one) { continue; }
      ASSERT_TRUE(
          same_value(datum_at(output.type, result.view, static_cast<uint32_t>(i)), (*one)[0]));
    }
    ASSERT_EQ(status.ok(), !fails) << status.message();
  }
}

}  // namespace
}  // namespace tidewheel::sql
