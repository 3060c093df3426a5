// Arrays, maps and rows: constructors, access, and functions of arrays and maps. Elements are
// copied by their type's own loops, so that all types of elements are served; NULL is an element
// like others, and equals itself.
#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/sql/datum_column.h"
#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/text_ops.h"
#include "tidewheel/sql/typing.h"
#include "tidewheel/sql/value_compare.h"

namespace tidewheel::sql {
namespace {

using MadeKernel = Result<std::unique_ptr<Kernel>>;

// ---- Signatures

// Parameters as letters: A an array, E an element of it, I an INT, B a BOOLEAN; ? behind it for one
// that may be left out, * for any number. Results: A, E, I or B.
SignatureRule array_rule(std::string parameters, char result) {
  return [parameters, result](std::span<const Argument> arguments) -> Result<Signature> {
    std::vector<char> letters;
    size_t p = 0;
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (p >= parameters.size()) { return not_these(); }
      letters.push_back(parameters[p]);
      const char next = p + 1 < parameters.size() ? parameters[p + 1] : '\0';
      if (next == '*') { continue; }
      p += next == '?' ? 2 : 1;
    }
    if (p < parameters.size() && (p + 1 >= parameters.size() || parameters[p + 1] != '?') &&
        (p + 1 >= parameters.size() || parameters[p + 1] != '*')) {
      return not_these();
    }
    std::vector<LogicalType> elements;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const LogicalType& type = arguments[i].type;
      if (letters[i] == 'E') { elements.push_back(type); }
      if (letters[i] != 'A') { continue; }
      if (type.kind != TypeKind::kArray) { return not_these(); }
      elements.push_back(type.children[0]);
    }
    const auto common = common_type(elements);
    if (!common.ok()) { return not_these(); }
    Signature signature;
    const auto of_letter = [&](char letter, bool nullable) {
      switch (letter) {
        case 'A': return LogicalType::array(*common, nullable);
        case 'E': return common->as_nullable(nullable);
        case 'B': return LogicalType::of(TypeKind::kBoolean, nullable);
        default: return LogicalType::of(TypeKind::kInt, nullable);
      }
    };
    for (size_t i = 0; i < arguments.size(); ++i) {
      const LogicalType& type = arguments[i].type;
      const LogicalType wanted = of_letter(letters[i], type.nullable);
      if ((letters[i] == 'I' || letters[i] == 'B') && !can_cast_implicitly(type, wanted)) {
        return not_these();
      }
      signature.arguments.push_back(wanted);
    }
    signature.result = of_letter(result, any_nullable(arguments) || result == 'E');
    return signature;
  };
}

std::string usage_of(const char* name, const std::string& parameters) {
  std::string out = std::string(name) + "(";
  for (const char letter : parameters) {
    if (letter == '?') {
      out += " (may be left out)";
      continue;
    }
    if (letter == '*') {
      out += ", ...";
      continue;
    }
    if (out.back() != '(') { out += ", "; }
    out += letter == 'A' ? "ARRAY" : letter == 'E' ? "element" : letter == 'B' ? "BOOLEAN" : "INT";
  }
  return out + ")";
}

// ---- Elements

struct Elements {
  const ColumnView* values = nullptr;
  uint32_t begin = 0;
  uint32_t end = 0;
  uint32_t size() const { return end - begin; }
};

Elements elements_at(const ColumnView& array, uint32_t row, size_t child = 0) {
  const uint32_t at = array.is_constant ? 0 : row;
  return {&array.children[child], array.offsets[at], array.offsets[at + 1]};
}

// One element of some column; `column` null: NULL.
struct Item {
  const ColumnView* column = nullptr;
  uint32_t row = 0;
};
using Items = std::vector<Item>;

void add_all(const Elements& elements, Items& items) {
  for (uint32_t e = elements.begin; e < elements.end; ++e) {
    items.push_back({elements.values, e});
  }
}

void copy_item(const Item& item, Column& to, uint32_t at, Arena& arena) {
  if (item.column == nullptr) { return put_datum({}, to, at, arena); }
  copy_rows(*item.column, item.row, item.row + 1, to, at);
}

bool same(const LogicalType& type, const Item& a, const Item& b) {
  return values_equal(type, *a.column, a.row, *b.column, b.row);
}
bool holds(const LogicalType& type, const Items& items, const Item& wanted) {
  return std::any_of(items.begin(), items.end(),
                     [&](const Item& one) { return same(type, one, wanted); });
}

// Writes a row of an array, or of a map with keys and values in turn.
void put_items(const Items& items, Column& list, uint32_t row, Arena& arena) {
  uint32_t at = list.child_rows();
  list.offsets()[row] = at;
  const size_t children = list.child_count();
  for (size_t i = 0; i < items.size(); i += children) {
    for (size_t c = 0; c < children; ++c) { copy_item(items[i + c], list.child(c), at, arena); }
    ++at;
  }
  list.offsets()[row + 1] = at;
  list.set_child_rows(at);
}

// What a function of arrays works with.
struct RowOf {
  const KernelCall& call;
  uint32_t row;
  const LogicalType& element;  // of the first array among the arguments

  Elements array(size_t argument) const { return elements_at(call.arguments[argument], row); }
  Item item(size_t argument) const { return {&call.arguments[argument], row}; }
  bool is_null(size_t argument) const { return call.arguments[argument].is_null(row); }
  template <class T>
  T value(size_t argument) const {
    return call.arguments[argument].at<T>(row);
  }
  size_t arguments() const { return call.arguments.size(); }
};

const LogicalType& element_type(const KernelSetup& setup) {
  for (const LogicalType& type : setup.arguments) {
    if (type.kind == TypeKind::kArray) { return type.children[0]; }
  }
  return setup.arguments.empty() ? setup.result : setup.arguments[0];  // ARRAY[]
}

// f(RowOf, Items&) -> whether it is not NULL.
template <class F>
class ArrayKernel final : public Kernel {
 public:
  ArrayKernel(LogicalType element, F f) : element_(std::move(element)), f_(std::move(f)) {}
  Status run(const KernelCall& call) override {
    for (uint32_t row = 0; row < call.rows; ++row) {
      items_.clear();
      if (call.is_active(row) && !f_(RowOf{call, row, element_}, items_)) {
        items_.clear();
        call.result->set_null(row);
      }
      put_items(items_, *call.result, row, *call.arena);
    }
    return {};
  }

 private:
  LogicalType element_;
  F f_;
  Items items_;
};

// f(RowOf) -> optional<Item>; nothing: NULL.
template <class F>
class ElementKernel final : public Kernel {
 public:
  ElementKernel(LogicalType element, F f) : element_(std::move(element)), f_(std::move(f)) {}
  Status run(const KernelCall& call) override {
    for (uint32_t row = 0; row < call.rows; ++row) {
      Item item;
      if (call.is_active(row)) {
        Status status;
        item = f_(RowOf{call, row, element_}, status);
        TIDEWHEEL_RETURN_IF_ERROR(std::move(status));
      }
      copy_item(item, *call.result, row, *call.arena);
    }
    return {};
  }

 private:
  LogicalType element_;
  F f_;
};

// f(RowOf) -> T
template <class T, class F>
class ArrayValueKernel final : public Kernel {
 public:
  ArrayValueKernel(LogicalType element, F f) : element_(std::move(element)), f_(std::move(f)) {}
  Status run(const KernelCall& call) override {
    T* const out = call.result->values<T>();
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = call.is_active(row) ? static_cast<T>(f_(RowOf{call, row, element_})) : T{};
    }
    return {};
  }

 private:
  LogicalType element_;
  F f_;
};

template <template <class> class K, class F>
KernelMaker made(F f) {
  return [f](const KernelSetup& setup) -> MadeKernel {
    return std::unique_ptr<Kernel>(std::make_unique<K<F>>(element_type(setup), f));
  };
}
template <class T, class F>
KernelMaker made_value(F f) {
  return [f](const KernelSetup& setup) -> MadeKernel {
    return std::unique_ptr<Kernel>(
        std::make_unique<ArrayValueKernel<T, F>>(element_type(setup), f));
  };
}

template <class F>
void define_array(FunctionTable& table, const char* name, FunctionTraits traits,
                  const std::string& parameters, F f) {
  table.define(name, traits, usage_of(name, parameters), array_rule(parameters, 'A'),
               made<ArrayKernel>(f));
}

// ---- Constructors

Result<Signature> array_signature(std::span<const Argument> arguments) {
  std::vector<LogicalType> types;
  for (const Argument& argument : arguments) { types.push_back(argument.type); }
  TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType common, common_type(types));
  common.time = TimeAttribute::kNone;
  Signature signature{LogicalType::array(common, false), {}};
  for (const LogicalType& type : types) {
    signature.arguments.push_back(common.as_nullable(type.nullable));
  }
  return signature;
}

Result<Signature> map_signature(std::span<const Argument> arguments) {
  if (arguments.size() % 2 != 0) { return not_these(); }
  std::vector<LogicalType> sides[2];
  for (size_t i = 0; i < arguments.size(); ++i) { sides[i % 2].push_back(arguments[i].type); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const LogicalType key, common_type(sides[0]));
  TIDEWHEEL_ASSIGN_OR_RETURN(const LogicalType value, common_type(sides[1]));
  Signature signature{LogicalType::map(key, value, false), {}};
  for (size_t i = 0; i < arguments.size(); ++i) {
    signature.arguments.push_back(
        (i % 2 == 0 ? key : value).as_nullable(arguments[i].type.nullable));
  }
  return signature;
}

Result<Signature> row_signature(std::span<const Argument> arguments) {
  if (arguments.empty()) { return not_these(); }
  Signature signature;
  std::vector<std::string> names;
  for (const Argument& argument : arguments) {
    names.push_back("EXPR$" + std::to_string(names.size()));
    signature.arguments.push_back(argument.type);
  }
  signature.result = LogicalType::row(names, signature.arguments, false);
  return signature;
}

// A key that is there already gets the later value.
void put_entry(const LogicalType& key_type, const Item& key, const Item& value, Items& items) {
  for (size_t i = 0; i < items.size(); i += 2) {
    if (same(key_type, items[i], key)) {
      items[i + 1] = value;
      return;
    }
  }
  items.push_back(key);
  items.push_back(value);
}

class MapKernel final : public Kernel {
 public:
  explicit MapKernel(LogicalType key) : key_(std::move(key)) {}
  Status run(const KernelCall& call) override {
    Items items;
    for (uint32_t row = 0; row < call.rows; ++row) {
      items.clear();
      for (size_t i = 0; i < call.arguments.size() && call.is_active(row); i += 2) {
        put_entry(key_, {&call.arguments[i], row}, {&call.arguments[i + 1], row}, items);
      }
      put_items(items, *call.result, row, *call.arena);
    }
    return {};
  }

 private:
  LogicalType key_;
};

class RowKernelOf final : public Kernel {
 public:
  Status run(const KernelCall& call) override {
    for (size_t c = 0; c < call.arguments.size(); ++c) {
      copy_rows(call.arguments[c], 0, call.rows, call.result->child(c), 0);
    }
    return {};
  }
};

void add_constructors(FunctionTable& table) {
  table.define("ARRAY", kCarefulNullAware, "ARRAY[value, ...] of one type", array_signature,
               made<ArrayKernel>([](const RowOf& in, Items& items) {
                 for (size_t i = 0; i < in.arguments(); ++i) { items.push_back(in.item(i)); }
                 return true;
               }));
  table.define(
      "MAP", kCarefulNullAware, "MAP[key, value, ...], keys and values of one type each",
      map_signature, [](const KernelSetup& setup) -> MadeKernel {
        return std::unique_ptr<Kernel>(std::make_unique<MapKernel>(setup.result.children[0]));
      });
  table.define("ROW", kNullAware, "ROW(value, ...)", row_signature,
               [](const KernelSetup&) -> MadeKernel {
                 return std::unique_ptr<Kernel>(std::make_unique<RowKernelOf>());
               });
}

// ---- Access

Result<Signature> subscript_signature(std::span<const Argument> arguments) {
  if (arguments.size() != 2) { return not_these(); }
  const LogicalType& type = arguments[0].type;
  const LogicalType& index = arguments[1].type;
  if (type.kind == TypeKind::kMap) {
    const LogicalType key = type.children[0].as_nullable(index.nullable);
    if (!can_cast_implicitly(index, key)) { return not_these(); }
    return Signature{type.children[1].as_nullable(), {type, key}};
  }
  const LogicalType wanted = LogicalType::of(TypeKind::kInt, index.nullable);
  if (type.kind != TypeKind::kArray || !can_cast_implicitly(index, wanted)) { return not_these(); }
  const Datum* const literal = arguments[1].literal;
  if (literal != nullptr && !literal->is_null() && literal->integer() < 1) {
    return invalid_argument(ErrorId::kSqlType, "an array's elements are counted from 1, not {}",
                            literal->integer());
  }
  return Signature{type.children[0].as_nullable(), {type, wanted}};
}

MadeKernel subscript_kernel(const KernelSetup& setup) {
  if (setup.arguments[0].kind == TypeKind::kArray) {
    return made<ElementKernel>([](const RowOf& in, Status& status) -> Item {
      const Elements elements = in.array(0);
      const auto index = in.value<int32_t>(1);
      if (index < 1) {
        status = invalid_argument(ErrorId::kSqlValue,
                                  "an array's elements are counted from 1, not {}", index);
        return {};
      }
      if (static_cast<uint32_t>(index) > elements.size()) { return {}; }
      return {elements.values, elements.begin + static_cast<uint32_t>(index) - 1};
    })(setup);
  }
  return made<ElementKernel>(
      [key_type = setup.arguments[0].children[0]](const RowOf& in, Status&) -> Item {
        const Elements keys = in.array(0);
        for (uint32_t e = keys.begin; e < keys.end; ++e) {
          if (same(key_type, {keys.values, e}, in.item(1))) {
            return {&in.call.arguments[0].children[1], e};
          }
        }
        return {};
      })(setup);
}

void add_access(FunctionTable& table) {
  table.define("[]", kCareful, "ARRAY[INT], or MAP[key]", subscript_signature, subscript_kernel);
  table.define("CARDINALITY", kCareful, {"array -> int", "map -> int", "multiset -> int"},
               {by_row([](Out<int32_t>& out, ListArgument list) {
                 out.set(static_cast<int32_t>(list.size()));
               })});
  table.define("ELEMENT", kCareful, usage_of("ELEMENT", "A"), array_rule("A", 'E'),
               made<ElementKernel>([](const RowOf& in, Status& status) -> Item {
                 const Elements elements = in.array(0);
                 if (elements.size() == 0) { return {}; }
                 if (elements.size() > 1) {
                   status = invalid_argument(ErrorId::kSqlValue,
                                             "the array has {} elements instead of one",
                                             elements.size());
                   return {};
                 }
                 return {elements.values, elements.begin};
               }));
}

// ---- Arrays from arrays

void add_array_changes(FunctionTable& table) {
  define_array(table, "ARRAY_APPEND", kCarefulNullAware, "AE", [](const RowOf& in, Items& items) {
    if (in.is_null(0)) { return false; }
    add_all(in.array(0), items);
    items.push_back(in.item(1));
    return true;
  });
  define_array(table, "ARRAY_PREPEND", kCarefulNullAware, "AE", [](const RowOf& in, Items& items) {
    if (in.is_null(0)) { return false; }
    items.push_back(in.item(1));
    add_all(in.array(0), items);
    return true;
  });
  define_array(table, "ARRAY_CONCAT", kCareful, "AA*", [](const RowOf& in, Items& items) {
    for (size_t i = 0; i < in.arguments(); ++i) { add_all(in.array(i), items); }
    return true;
  });
  define_array(table, "ARRAY_REVERSE", kCareful, "A", [](const RowOf& in, Items& items) {
    add_all(in.array(0), items);
    std::reverse(items.begin(), items.end());
    return true;
  });
  define_array(table, "ARRAY_REMOVE", kCarefulNullAware, "AE", [](const RowOf& in, Items& items) {
    if (in.is_null(0)) { return false; }
    const Elements elements = in.array(0);
    for (uint32_t e = elements.begin; e < elements.end; ++e) {
      const Item item{elements.values, e};
      if (!same(in.element, item, in.item(1))) { items.push_back(item); }
    }
    return true;
  });
  define_array(table, "ARRAY_SLICE", kCareful, "AII?", [](const RowOf& in, Items& items) {
    const Elements elements = in.array(0);
    const auto size = static_cast<int64_t>(elements.size());
    const auto place = [&](int64_t index) {
      return index < 0 ? std::max<int64_t>(size + index + 1, 1) : std::max<int64_t>(index, 1);
    };
    const int64_t first = place(in.value<int32_t>(1));
    const int64_t last = in.arguments() > 2 ? std::min(place(in.value<int32_t>(2)), size) : size;
    for (int64_t i = first; i <= last; ++i) {
      items.push_back({elements.values, elements.begin + static_cast<uint32_t>(i) - 1});
    }
    return true;
  });
}

// ---- Arrays as sets

void add_distinct(const RowOf& in, size_t argument, Items& items) {
  const Elements elements = in.array(argument);
  for (uint32_t e = elements.begin; e < elements.end; ++e) {
    const Item item{elements.values, e};
    if (!holds(in.element, items, item)) { items.push_back(item); }
  }
}

void add_array_sets(FunctionTable& table) {
  define_array(table, "ARRAY_DISTINCT", kCareful, "A", [](const RowOf& in, Items& items) {
    add_distinct(in, 0, items);
    return true;
  });
  define_array(table, "ARRAY_UNION", kCareful, "AA", [](const RowOf& in, Items& items) {
    add_distinct(in, 0, items);
    add_distinct(in, 1, items);
    return true;
  });
  define_array(table, "ARRAY_INTERSECT", kCareful, "AA", [](const RowOf& in, Items& items) {
    Items other;
    add_all(in.array(1), other);
    add_distinct(in, 0, items);
    std::erase_if(items, [&](const Item& item) { return !holds(in.element, other, item); });
    return true;
  });
  // Each element of the second takes away one that is equal.
  define_array(table, "ARRAY_EXCEPT", kCareful, "AA", [](const RowOf& in, Items& items) {
    Items other;
    add_all(in.array(1), other);
    const Elements elements = in.array(0);
    for (uint32_t e = elements.begin; e < elements.end; ++e) {
      const Item item{elements.values, e};
      const auto taken = std::find_if(other.begin(), other.end(),
                                      [&](const Item& one) { return same(in.element, one, item); });
      if (taken != other.end()) {
        other.erase(taken);
      } else {
        items.push_back(item);
      }
    }
    return true;
  });
  // ARRAY_SORT(array [, ascending [, NULLs first]])
  define_array(table, "ARRAY_SORT", kCareful, "AB?B?", [](const RowOf& in, Items& items) {
    const bool ascending = in.arguments() < 2 || in.value<uint8_t>(1) != 0;
    const bool nulls_first = in.arguments() < 3 ? ascending : in.value<uint8_t>(2) != 0;
    add_all(in.array(0), items);
    std::stable_sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
      const bool a_null = a.column->is_null(a.row);
      const bool b_null = b.column->is_null(b.row);
      if (a_null != b_null) { return a_null == nulls_first; }
      const int order = compare_values(in.element, *a.column, a.row, *b.column, b.row);
      return ascending ? order < 0 : order > 0;
    });
    return true;
  });
}

// ---- Values from arrays

Item extreme_of(const RowOf& in, int sign) {
  const Elements elements = in.array(0);
  Item best;
  for (uint32_t e = elements.begin; e < elements.end; ++e) {
    if (elements.values->is_null(e)) { continue; }
    const Item item{elements.values, e};
    if (best.column == nullptr ||
        sign * compare_values(in.element, *item.column, e, *best.column, best.row) > 0) {
      best = item;
    }
  }
  return best;
}

int32_t index_in(const RowOf& in) {
  const Elements elements = in.array(0);
  for (uint32_t e = elements.begin; e < elements.end; ++e) {
    if (same(in.element, {elements.values, e}, in.item(1))) {
      return static_cast<int32_t>(e - elements.begin) + 1;
    }
  }
  return 0;
}

void add_array_values(FunctionTable& table) {
  table.define("ARRAY_MAX", kCareful, usage_of("ARRAY_MAX", "A"), array_rule("A", 'E'),
               made<ElementKernel>([](const RowOf& in, Status&) { return extreme_of(in, 1); }));
  table.define("ARRAY_MIN", kCareful, usage_of("ARRAY_MIN", "A"), array_rule("A", 'E'),
               made<ElementKernel>([](const RowOf& in, Status&) { return extreme_of(in, -1); }));
  table.define("ARRAY_CONTAINS", kCareful, usage_of("ARRAY_CONTAINS", "AE"), array_rule("AE", 'B'),
               made_value<uint8_t>([](const RowOf& in) { return index_in(in) > 0 ? 1 : 0; }));
  table.define("ARRAY_POSITION", kCareful, usage_of("ARRAY_POSITION", "AE"), array_rule("AE", 'I'),
               made_value<int32_t>(index_in));
}

// ARRAY_JOIN(array, separator [, what stands for NULL])
class ArrayJoinKernel final : public Kernel {
 public:
  Status run(const KernelCall& call) override {
    Text* const out = call.result->values<Text>();
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = Text();
      if (!call.is_active(row)) { continue; }
      joined_.clear();
      bool first = true;
      const Elements elements = elements_at(call.arguments[0], row);
      for (uint32_t e = elements.begin; e < elements.end; ++e) {
        const bool is_null = elements.values->is_null(e);
        if (is_null && call.arguments.size() < 3) { continue; }
        if (!first) { joined_ += call.arguments[1].at<Text>(row).view(); }
        joined_ +=
            (is_null ? call.arguments[2].at<Text>(row) : elements.values->at<Text>(e)).view();
        first = false;
      }
      out[row] = call.arena->copy(joined_);
    }
    return {};
  }

 private:
  std::string joined_;
};

Result<Signature> array_join_signature(std::span<const Argument> arguments) {
  if (arguments.size() < 2 || arguments.size() > 3) { return not_these(); }
  const LogicalType& array = arguments[0].type;
  if (array.kind != TypeKind::kArray || !array.children[0].is_character()) { return not_these(); }
  Signature signature{LogicalType::string(any_nullable(arguments)), {array}};
  for (const Argument& argument : arguments.subspan(1)) {
    if (!argument.type.is_character() && argument.type.kind != TypeKind::kNull) {
      return not_these();
    }
    signature.arguments.push_back(argument.type.is_character() ? argument.type
                                                               : LogicalType::string());
  }
  return signature;
}

// ---- From texts

class SplitKernel final : public Kernel {
 public:
  Status run(const KernelCall& call) override {
    Column& list = *call.result;
    Column& parts = list.child(0);
    uint32_t at = 0;
    for (uint32_t row = 0; row < call.rows; ++row) {
      list.offsets()[row] = at;
      if (!call.is_active(row)) { continue; }
      std::string_view rest = call.arguments[0].at<Text>(row).view();
      const std::string_view separator = call.arguments[1].at<Text>(row).view();
      const auto put = [&](std::string_view part) {
        parts.ensure(at + 1);
        parts.values<Text>()[at++] = Text(part);
      };
      if (separator.empty()) {
        // Every character is a part.
        while (!rest.empty()) {
          const std::string_view before = rest;
          take_character(rest);
          put(before.substr(0, before.size() - rest.size()));
        }
        continue;
      }
      for (size_t end = rest.find(separator); end != std::string_view::npos;
           end = rest.find(separator)) {
        put(rest.substr(0, end));
        rest.remove_prefix(end + separator.size());
      }
      put(rest);
    }
    list.offsets()[call.rows] = at;
    list.set_child_rows(at);
    return {};
  }
};

// STR_TO_MAP(text [, between pairs, between key and value])
class TextToMapKernel final : public Kernel {
 public:
  Status run(const KernelCall& call) override {
    Column& map = *call.result;
    uint32_t at = 0;
    for (uint32_t row = 0; row < call.rows; ++row) {
      map.offsets()[row] = at;
      if (!call.is_active(row)) { continue; }
      const bool told = call.arguments.size() == 3;
      put(call.arguments[0].at<Text>(row).view(),
          told ? call.arguments[1].at<Text>(row).view() : ",",
          told ? call.arguments[2].at<Text>(row).view() : "=", map, at);
    }
    map.offsets()[call.rows] = at;
    map.set_child_rows(at);
    return {};
  }

 private:
  static void put(std::string_view rest, std::string_view between, std::string_view assigns,
                  Column& map, uint32_t& at) {
    const uint32_t first = at;
    while (!rest.empty()) {
      const size_t end = between.empty() ? rest.size() : std::min(rest.find(between), rest.size());
      const std::string_view pair = rest.substr(0, end);
      rest.remove_prefix(std::min(end + between.size(), rest.size()));
      const size_t assign = assigns.empty() ? std::string_view::npos : pair.find(assigns);
      const Text key(pair.substr(0, assign));
      uint32_t to = first;
      while (to < at && map.child(0).values<Text>()[to] != key) { ++to; }
      if (to == at) {
        ++at;
        map.child(0).ensure(at);
        map.child(1).ensure(at);
      }
      map.child(0).values<Text>()[to] = key;
      if (assign == std::string_view::npos) {
        map.child(1).set_null(to);
      } else {
        map.child(1).values<Text>()[to] = Text(pair.substr(assign + assigns.size()));
      }
    }
  }
};

template <class K>
MadeKernel make(const KernelSetup&) {
  return std::unique_ptr<Kernel>(std::make_unique<K>());
}

bool all_texts(std::span<const Argument> arguments) {
  return std::all_of(arguments.begin(), arguments.end(),
                     [](const Argument& one) { return one.type.is_character(); });
}

void add_texts(FunctionTable& table) {
  table.define("ARRAY_JOIN", kCareful, "ARRAY_JOIN(ARRAY<STRING>, STRING [, STRING])",
               array_join_signature, make<ArrayJoinKernel>);
  table.define(
      "SPLIT", kCareful, "SPLIT(STRING, STRING)",
      [](std::span<const Argument> arguments) -> Result<Signature> {
        if (arguments.size() != 2 || !all_texts(arguments)) { return not_these(); }
        return Signature{LogicalType::array(LogicalType::string(false), any_nullable(arguments)),
                         {arguments[0].type, arguments[1].type}};
      },
      make<SplitKernel>);
  table.define(
      "STR_TO_MAP", kCareful, "STR_TO_MAP(STRING [, STRING, STRING])",
      [](std::span<const Argument> arguments) -> Result<Signature> {
        const size_t count = arguments.size();
        if ((count != 1 && count != 3) || !all_texts(arguments)) { return not_these(); }
        Signature signature{LogicalType::map(LogicalType::string(false), LogicalType::string(),
                                             any_nullable(arguments)),
                            {}};
        for (const Argument& one : arguments) { signature.arguments.push_back(one.type); }
        return signature;
      },
      make<TextToMapKernel>);
}

// ---- Maps

SignatureRule map_rule(LogicalType (*result_of)(const LogicalType& map)) {
  return [result_of](std::span<const Argument> arguments) -> Result<Signature> {
    if (arguments.size() != 1 || arguments[0].type.kind != TypeKind::kMap) { return not_these(); }
    const LogicalType& map = arguments[0].type;
    return Signature{result_of(map).as_nullable(map.nullable), {map}};
  };
}

// The keys (child 0) or the values (child 1).
KernelMaker side_maker(size_t side) {
  return made<ArrayKernel>([side](const RowOf& in, Items& items) {
    add_all(elements_at(in.call.arguments[0], in.row, side), items);
    return true;
  });
}

class EntriesKernel final : public Kernel {
 public:
  Status run(const KernelCall& call) override {
    Column& list = *call.result;
    Column& entries = list.child(0);
    uint32_t at = 0;
    for (uint32_t row = 0; row < call.rows; ++row) {
      list.offsets()[row] = at;
      if (!call.is_active(row)) { continue; }
      const ColumnView& map = call.arguments[0];
      const Elements keys = elements_at(map, row);
      entries.ensure(at + keys.size());
      for (size_t side = 0; side < 2; ++side) {
        copy_rows(map.children[side], keys.begin, keys.end, entries.child(side), at);
      }
      at += keys.size();
    }
    list.offsets()[call.rows] = at;
    list.set_child_rows(at);
    return {};
  }
};

Result<Signature> map_from_arrays_signature(std::span<const Argument> arguments) {
  if (arguments.size() != 2 || arguments[0].type.kind != TypeKind::kArray ||
      arguments[1].type.kind != TypeKind::kArray) {
    return not_these();
  }
  const LogicalType& keys = arguments[0].type;
  const LogicalType& values = arguments[1].type;
  return Signature{LogicalType::map(keys.children[0], values.children[0], any_nullable(arguments)),
                   {keys, values}};
}

class MapFromArraysKernel final : public Kernel {
 public:
  explicit MapFromArraysKernel(LogicalType key) : key_(std::move(key)) {}
  Status run(const KernelCall& call) override {
    Items items;
    for (uint32_t row = 0; row < call.rows; ++row) {
      items.clear();
      if (call.is_active(row)) {
        const Elements keys = elements_at(call.arguments[0], row);
        const Elements values = elements_at(call.arguments[1], row);
        if (keys.size() != values.size()) {
          return invalid_argument(ErrorId::kSqlValue, "{} keys can't have {} values", keys.size(),
                                  values.size());
        }
        for (uint32_t i = 0; i < keys.size(); ++i) {
          put_entry(key_, {keys.values, keys.begin + i}, {values.values, values.begin + i}, items);
        }
      }
      put_items(items, *call.result, row, *call.arena);
    }
    return {};
  }

 private:
  LogicalType key_;
};

Result<Signature> map_union_signature(std::span<const Argument> arguments) {
  std::vector<LogicalType> types;
  for (const Argument& argument : arguments) {
    if (argument.type.kind != TypeKind::kMap) { return not_these(); }
    types.push_back(argument.type);
  }
  if (types.empty()) { return not_these(); }
  TIDEWHEEL_ASSIGN_OR_RETURN(const LogicalType common, common_type(types));
  Signature signature{common, {}};
  for (const LogicalType& type : types) {
    signature.arguments.push_back(common.as_nullable(type.nullable));
  }
  return signature;
}

void add_maps(FunctionTable& table) {
  table.define("MAP_KEYS", kCareful, "MAP_KEYS(MAP)",
               map_rule([](const LogicalType& map) { return LogicalType::array(map.children[0]); }),
               side_maker(0));
  table.define("MAP_VALUES", kCareful, "MAP_VALUES(MAP)",
               map_rule([](const LogicalType& map) { return LogicalType::array(map.children[1]); }),
               side_maker(1));
  table.define("MAP_ENTRIES", kCareful, "MAP_ENTRIES(MAP)", map_rule([](const LogicalType& map) {
                 return LogicalType::array(LogicalType::row({"key", "value"}, map.children, false));
               }),
               make<EntriesKernel>);
  table.define("MAP_FROM_ARRAYS", kCareful, "MAP_FROM_ARRAYS(ARRAY, ARRAY)",
               map_from_arrays_signature, [](const KernelSetup& setup) -> MadeKernel {
                 return std::unique_ptr<Kernel>(
                     std::make_unique<MapFromArraysKernel>(setup.result.children[0]));
               });
  table.define(
      "MAP_UNION", kCareful, "MAP_UNION(MAP, ...)", map_union_signature,
      [](const KernelSetup& setup) -> MadeKernel {
        return made<ArrayKernel>([key = setup.result.children[0]](const RowOf& in, Items& items) {
          for (size_t i = 0; i < in.arguments(); ++i) {
            const Elements keys = in.array(i);
            for (uint32_t e = keys.begin; e < keys.end; ++e) {
              put_entry(key, {keys.values, e}, {&in.call.arguments[i].children[1], e}, items);
            }
          }
          return true;
        })(setup);
      });
}

}  // namespace

void add_collections(FunctionTable& table) {
  add_constructors(table);
  add_access(table);
  add_array_changes(table);
  add_array_sets(table);
  add_array_values(table);
  add_texts(table);
  add_maps(table);
}

}  // namespace tidewheel::sql
