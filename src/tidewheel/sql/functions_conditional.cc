// IF, NULLIF, IFNULL, COALESCE, GREATEST, LEAST, IN, TYPEOF.
#include <algorithm>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/text_needle.h"
#include "tidewheel/sql/typing.h"
#include "tidewheel/sql/value_compare.h"

namespace tidewheel::sql {
namespace {

using MadeKernel = Result<std::unique_ptr<Kernel>>;

MadeKernel no_kernel(const KernelSetup&) {
  return internal_error(ErrorId::kSqlType, "a choice is no kernel");
}

// The common type of arguments [first, ...); nothing when there are none.
Result<Signature> common_signature(std::span<const Argument> arguments, size_t first) {
  std::vector<LogicalType> types;
  for (const Argument& argument : arguments.subspan(first)) { types.push_back(argument.type); }
  TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType common, common_type(types));
  common.time = TimeAttribute::kNone;
  Signature signature{common, {}};
  for (size_t i = 0; i < first; ++i) { signature.arguments.push_back(arguments[i].type); }
  for (const LogicalType& type : types) {
    signature.arguments.push_back(
        common.as_nullable(type.nullable || type.kind == TypeKind::kNull));
  }
  return signature;
}

void add_choices(FunctionTable& table) {
  FunctionTraits traits = kNullAware;
  traits.form = FunctionForm::kCase;
  table.define(
      "IF", traits, "IF(BOOLEAN, value, value)",
      [](std::span<const Argument> arguments) -> Result<Signature> {
        if (arguments.size() != 3 || (arguments[0].type.kind != TypeKind::kBoolean &&
                                      arguments[0].type.kind != TypeKind::kNull)) {
          return not_these();
        }
        TIDEWHEEL_ASSIGN_OR_RETURN(Signature signature, common_signature(arguments, 1));
        signature.arguments[0] = LogicalType::of(TypeKind::kBoolean);
        return signature;
      },
      no_kernel);
  traits.form = FunctionForm::kCoalesce;
  const auto coalesce = [](std::span<const Argument> arguments) -> Result<Signature> {
    if (arguments.empty()) { return not_these(); }
    TIDEWHEEL_ASSIGN_OR_RETURN(Signature signature, common_signature(arguments, 0));
    signature.result.nullable = std::all_of(arguments.begin(), arguments.end(),
                                            [](const Argument& one) { return one.type.nullable; });
    return signature;
  };
  table.define("COALESCE", traits, "COALESCE(value, ...)", coalesce, no_kernel);
  table.define(
      "IFNULL", traits, "IFNULL(value, value)",
      [coalesce](std::span<const Argument> arguments) -> Result<Signature> {
        return arguments.size() == 2 ? coalesce(arguments) : not_these();
      },
      no_kernel);
}

// ---- $SINGLE_VALUE(value, count): what a query in the place of a value gives.

class SingleValueKernel final : public Kernel {
 public:
  Status run(const KernelCall& call) override {
    copy_rows(call.arguments[0], 0, call.rows, *call.result, 0);
    const ColumnView& counts = call.arguments[1];
    for (uint32_t row = 0; row < call.rows; ++row) {
      if (call.is_active(row) && counts.at<int64_t>(row) > 1) {
        return invalid_argument(ErrorId::kSqlValue,
                                "a query in the place of a value gives more than one row: {}",
                                counts.at<int64_t>(row));
      }
    }
    return {};
  }
};

void add_single_value(FunctionTable& table) {
  table.define(
      "$SINGLE_VALUE", kCarefulNullAware, "a value and a count",
      [](std::span<const Argument> arguments) -> Result<Signature> {
        if (arguments.size() != 2) { return not_these(); }
        return Signature{arguments[0].type.as_nullable(),
                         {arguments[0].type, LogicalType::of(TypeKind::kBigint, false)}};
      },
      [](const KernelSetup&) -> MadeKernel { return std::make_unique<SingleValueKernel>(); });
}

// ---- NULLIF

// The first argument, NULL where the second is the same.
class NullIfKernel final : public Kernel {
 public:
  explicit NullIfKernel(LogicalType type) : type_(std::move(type)) {}
  Status run(const KernelCall& call) override {
    const ColumnView& a = call.arguments[0];
    const ColumnView& b = call.arguments[1];
    copy_rows(a, 0, call.rows, *call.result, 0);
    for (uint32_t row = 0; row < call.rows; ++row) {
      if (!a.is_null(row) && !b.is_null(row) && values_equal(type_, a, row, b, row)) {
        call.result->set_null(row);
      }
    }
    return {};
  }

 private:
  LogicalType type_;
};

void add_nullif(FunctionTable& table) {
  table.define(
      "NULLIF", kNullAware, "NULLIF(value, value)",
      [](std::span<const Argument> arguments) -> Result<Signature> {
        if (arguments.size() != 2) { return not_these(); }
        TIDEWHEEL_ASSIGN_OR_RETURN(Signature signature, common_signature(arguments, 0));
        signature.result.nullable = true;
        return signature;
      },
      [](const KernelSetup& setup) -> MadeKernel {
        return std::unique_ptr<Kernel>(std::make_unique<NullIfKernel>(setup.arguments[0]));
      });
}

// ---- GREATEST, LEAST

class ExtremeKernel final : public Kernel {
 public:
  ExtremeKernel(LogicalType type, bool greatest) : type_(std::move(type)), greatest_(greatest) {}
  Status run(const KernelCall& call) override {
    copy_rows(call.arguments[0], 0, call.rows, *call.result, 0);
    with_physical(type_.physical(), [&]<class T>() {
      T* const out = call.result->values<T>();
      for (const ColumnView& view : call.arguments.subspan(1)) {
        const T* const values = view.as<T>();
        const size_t stride = view.is_constant ? 0 : 1;
        for (uint32_t i = 0; i < call.rows; ++i) {
          const T& value = values[i * stride];
          const bool better = greatest_ ? is_less(out[i], value) : is_less(value, out[i]);
          out[i] = better ? value : out[i];
        }
      }
    });
    return {};
  }

 private:
  // NaN is greatest.
  template <class T>
  static bool is_less(const T& a, const T& b) {
    if constexpr (std::is_floating_point_v<T>) {
      return a < b || (b != b && a == a);
    } else {
      return a < b;
    }
  }
  LogicalType type_;
  bool greatest_;
};

void define_extreme(FunctionTable& table, const char* name, bool greatest) {
  table.define(
      name, kStrict, std::string(name) + "(value, ...) of one type that has an order",
      [](std::span<const Argument> arguments) -> Result<Signature> {
        if (arguments.empty()) { return not_these(); }
        TIDEWHEEL_ASSIGN_OR_RETURN(Signature signature, common_signature(arguments, 0));
        if (!signature.result.children.empty()) { return not_these(); }
        return signature;
      },
      [greatest](const KernelSetup& setup) -> MadeKernel {
        return std::unique_ptr<Kernel>(std::make_unique<ExtremeKernel>(setup.result, greatest));
      });
}

// ---- IN

// NULL when the value is, or when it is none of a list that has a NULL.
template <class T, class Contains>
void put_membership(const KernelCall& call, bool list_has_null, Contains contains) {
  uint8_t* const __restrict out = call.result->values<uint8_t>();
  const uint32_t rows = call.rows;
  const ColumnView& view = call.arguments[0];
  const T* const values = view.as<T>();
  for (uint32_t i = 0; i < rows; ++i) { out[i] = contains(values[i]) ? 1 : 0; }
  if (view.validity == nullptr && !list_has_null) { return; }
  for (uint32_t i = 0; i < call.rows; ++i) {
    if (view.is_null(i) || (list_has_null && out[i] == 0)) { call.result->set_null(i); }
  }
}

// A short list of literals is compared one by one, for many rows at once.
template <class T>
class ShortListKernel final : public Kernel {
 public:
  ShortListKernel(std::vector<T> list, bool has_null)
      : list_(std::move(list)), has_null_(has_null) {}
  Status run(const KernelCall& call) override {
    put_membership<T>(call, has_null_, [list = std::span(list_)](const T& value) {
      uint8_t found = 0;
      for (const T& one : list) { found |= static_cast<uint8_t>(one == value); }
      return found != 0;
    });
    return {};
  }

 private:
  std::vector<T> list_;
  bool has_null_;
};

// The same of strings.
class ShortTextListKernel final : public Kernel {
 public:
  ShortTextListKernel(std::vector<TextNeedle> list, bool has_null)
      : list_(std::move(list)), has_null_(has_null) {}
  Status run(const KernelCall& call) override {
    put_membership<Text>(call, has_null_, [list = std::span(list_)](const Text& value) {
      bool found = false;
      for (const TextNeedle& one : list) { found |= one.equals(value); }
      return found;
    });
    return {};
  }

 private:
  std::vector<TextNeedle> list_;
  bool has_null_;
};

// A long one is a hash table.
template <class T>
class LongListKernel final : public Kernel {
  using Key = std::conditional_t<std::is_same_v<T, Text>, std::string_view, int64_t>;

 public:
  LongListKernel(const std::vector<T>& list, bool has_null) : has_null_(has_null) {
    for (const T& one : list) { set_.insert(static_cast<Key>(one)); }
  }
  Status run(const KernelCall& call) override {
    put_membership<T>(call, has_null_,
                      [this](const T& value) { return set_.contains(static_cast<Key>(value)); });
    return {};
  }

 private:
  std::unordered_set<Key> set_;
  bool has_null_;
};

// Strings that a kernel's list points to.
class TextListKernel final : public Kernel {
 public:
  TextListKernel(std::vector<std::string> texts, bool has_null) : texts_(std::move(texts)) {
    std::vector<Text> views;
    for (const std::string& text : texts_) { views.push_back(Text(text)); }
    constexpr size_t kShort = 4;
    if (views.size() <= kShort) {
      kernel_ = std::make_unique<ShortTextListKernel>(
          std::vector<TextNeedle>(views.begin(), views.end()), has_null);
    } else {
      kernel_ = std::make_unique<LongListKernel<Text>>(views, has_null);
    }
  }
  Status run(const KernelCall& call) override { return kernel_->run(call); }

 private:
  std::vector<std::string> texts_;
  std::unique_ptr<Kernel> kernel_;
};

// Of all types, and lists that are no literals.
class AnyListKernel final : public Kernel {
 public:
  explicit AnyListKernel(LogicalType type) : type_(std::move(type)) {}
  Status run(const KernelCall& call) override {
    auto* const out = call.result->values<uint8_t>();
    const ColumnView& value = call.arguments[0];
    for (uint32_t row = 0; row < call.rows; ++row) {
      bool found = false;
      bool has_null = value.is_null(row);
      for (size_t i = 1; i < call.arguments.size() && !has_null && !found; ++i) {
        found = !call.arguments[i].is_null(row) &&
                values_equal(type_, value, row, call.arguments[i], row);
      }
      for (size_t i = 1; i < call.arguments.size() && !found; ++i) {
        has_null |= call.arguments[i].is_null(row);
      }
      out[row] = found ? 1 : 0;
      if (!found && has_null) { call.result->set_null(row); }
    }
    return {};
  }

 private:
  LogicalType type_;
};

template <class T>
std::unique_ptr<Kernel> number_list(std::span<const Datum* const> literals, bool has_null) {
  std::vector<T> list;
  for (const Datum* literal : literals) {
    if (!literal->is_null()) { list.push_back(static_cast<T>(literal->integer())); }
  }
  constexpr size_t kShort = 16;
  if (list.size() <= kShort) {
    return std::make_unique<ShortListKernel<T>>(std::move(list), has_null);
  }
  return std::make_unique<LongListKernel<T>>(list, has_null);
}

MadeKernel membership_kernel(const KernelSetup& setup) {
  const LogicalType& type = setup.arguments[0];
  const auto literals = setup.literals.subspan(1);
  bool all_literals = true;
  bool has_null = false;
  for (const Datum* literal : literals) {
    all_literals = all_literals && literal != nullptr;
    has_null = has_null || (literal != nullptr && literal->is_null());
  }
  const bool plain = type.kind != TypeKind::kDecimal;
  if (all_literals && plain) {
    switch (type.physical()) {
      case Physical::kInt8: return number_list<int8_t>(literals, has_null);
      case Physical::kInt16: return number_list<int16_t>(literals, has_null);
      case Physical::kInt32: return number_list<int32_t>(literals, has_null);
      case Physical::kInt64: return number_list<int64_t>(literals, has_null);
      case Physical::kText: {
        std::vector<std::string> texts;
        for (const Datum* literal : literals) {
          if (!literal->is_null()) { texts.push_back(literal->text()); }
        }
        return std::unique_ptr<Kernel>(
            std::make_unique<TextListKernel>(std::move(texts), has_null));
      }
      default: break;
    }
  }
  return std::unique_ptr<Kernel>(std::make_unique<AnyListKernel>(type));
}

bool is_time_point(const LogicalType& type) {
  return type.kind == TypeKind::kDate || type.kind == TypeKind::kTime || type.is_timestamp();
}

Result<Signature> membership_signature(std::span<const Argument> arguments) {
  if (arguments.size() < 2) { return not_these(); }
  std::vector<Argument> same(arguments.begin(), arguments.end());
  // Strings next to dates and times are read as such.
  for (Argument& one : same) {
    if (is_time_point(arguments[0].type) && one.type.is_character()) {
      one.type = arguments[0].type.as_nullable(one.type.nullable);
    }
  }
  auto signature = common_signature(same, 0);
  if (!signature.ok()) { return std::move(signature).with_context("IN").status(); }
  signature->result = LogicalType::of(TypeKind::kBoolean, any_nullable(arguments));
  return signature;
}

// ---- TYPEOF

void add_typeof(FunctionTable& table) {
  const auto rule = [](std::span<const Argument> arguments) -> Result<Signature> {
    if (arguments.empty() || arguments.size() > 2) { return not_these(); }
    Signature signature{LogicalType::string(false), {}};
    for (const Argument& argument : arguments) { signature.arguments.push_back(argument.type); }
    return signature;
  };
  // The second argument asks for types as they print themselves in full, which they do anyway.
  table.define(
      "TYPEOF", kNullAware, "TYPEOF(value [, BOOLEAN])", rule,
      [](const KernelSetup& setup) -> MadeKernel {
        class Named final : public Kernel {
         public:
          explicit Named(std::string name) : name_(std::move(name)) {}
          Status run(const KernelCall& call) override {
            Text* const out = call.result->values<Text>();
            const Text name = call.arena->copy(name_);
            std::fill(out, out + call.rows, name);
            return {};
          }

         private:
          std::string name_;
        };
        return std::unique_ptr<Kernel>(std::make_unique<Named>(setup.arguments[0].to_string()));
      });
}

}  // namespace

void add_conditionals(FunctionTable& table) {
  add_choices(table);
  add_single_value(table);
  add_nullif(table);
  define_extreme(table, "GREATEST", true);
  define_extreme(table, "LEAST", false);
  table.define("IN", kNullAware, "value IN (value, ...) of one type", membership_signature,
               membership_kernel);
  add_typeof(table);
}

}  // namespace tidewheel::sql
