// The schemas of structs.
//
//   bool                       boolean                Timestamp       long, timestamp-millis
//   8 to 32 bits, signed, and  int                    LocalTimestamp  long, local-timestamp-millis
//   8 and 16 bits, unsigned                           Date, Time      int, date and time-millis
//   int64_t, uint32_t          long                   duration        long, its count
//   float, double              float, double          Decimal<P, S>   bytes, decimal
//   std::string, Text          string                 optional<T>     union of null and T
//   Bytes                      bytes                  vector, array   array
//   enum with enum_names       enum                   map of strings  map
//   other enums                int or long            variant         union (monostate: null)
//   struct                     record of its name     pair, tuple     record of f0, f1, ..
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "tidewheel/formats/avro/schema.h"
#include "tidewheel/types/print.h"
#include "tidewheel/types/record.h"

namespace tidewheel {

// The name of a struct's record, with its namespace; without it, that of the struct alone.
//   template <> struct tidewheel::avro_name<Order> {
//     static constexpr std::string_view value = "shop.Order";
//   };
template <class T>
struct avro_name {};

namespace avro {
namespace struct_detail {

template <class T>
constexpr std::string_view pretty_type() {
  return __PRETTY_FUNCTION__;
}
// GCC: "... pretty_type() [with T = shop::Order; std::string_view = ...]"; clang: "[T =
// shop::Order]".
template <class T>
constexpr std::string_view name_of() {
  if constexpr (requires { avro_name<T>::value; }) {
    return avro_name<T>::value;
  } else {
    std::string_view pretty = pretty_type<T>();
    pretty = pretty.substr(pretty.find("T = ") + 4);
    pretty = pretty.substr(0, pretty.find_first_of(";]<"));
    return pretty.substr(pretty.rfind(':') + 1);
  }
}
template <class E>
concept NamedEnum = std::is_enum_v<E> && requires {
  enum_names<E>::value;
};
template <class T>
inline constexpr bool kIsString = std::is_same_v<T, std::string> || std::is_same_v<T, Text>;

// Adds the nodes of types, each named one once.
class SchemaBuilder {
 public:
  template <class T>
  Schema build() && {
    schema_.set_root(add<T>());
    return std::move(schema_);
  }

 private:
  template <class T>
  NodeIndex add() {
    if constexpr (NamedEnum<T>) {
      return add_named<T>([this](Node node) {
        node.type = Type::kEnum;
        for (const auto& [value, name] : enum_names<T>::value) { node.symbols.emplace_back(name); }
        return schema_.add(std::move(node));
      });
    } else if constexpr (tidewheel::detail::kIsLeaf<T>) {
      return schema_.add(leaf<T>());
    } else if constexpr (kinds::kOptional<T>) {
      static_assert(
          !kinds::kOptional<typename T::value_type> && !kinds::kVariant<typename T::value_type>,
          "a union can't be in a union: an optional of an optional or variant has no "
          "form in Avro; a variant may have a std::monostate for null");
      const NodeIndex null = schema_.add(Node{.type = Type::kNull});
      return schema_.add(
          Node{.type = Type::kUnion, .children = {null, add<typename T::value_type>()}});
    } else if constexpr (kinds::kVector<T> || kinds::kArray<T>) {
      return schema_.add(Node{.type = Type::kArray, .children = {add<typename T::value_type>()}});
    } else if constexpr (kinds::kMap<T>) {
      static_assert(kIsString<typename T::key_type>, "keys of maps must be strings in Avro");
      return schema_.add(Node{.type = Type::kMap, .children = {add<typename T::mapped_type>()}});
    } else if constexpr (kinds::kVariant<T>) {
      Node node{.type = Type::kUnion};
      kinds::for_each_index<std::variant_size_v<T>>([&]<size_t kIndex>() {
        node.children.push_back(add<std::variant_alternative_t<kIndex, T>>());
      });
      return schema_.add(std::move(node));
    } else if constexpr (std::is_same_v<T, std::monostate>) {
      return schema_.add(Node{.type = Type::kNull});
    } else if constexpr (kinds::kTuple<T>) {
      Node node{.type = Type::kRecord};
      node.name = "tuple" + std::to_string(tuples_++);
      const NodeIndex made = schema_.add(std::move(node));
      std::vector<Field> fields;
      kinds::for_each_index<std::tuple_size_v<T>>([&]<size_t kIndex>() {
        fields.push_back(field<std::tuple_element_t<kIndex, T>>("f" + std::to_string(kIndex)));
      });
      schema_.mutable_node(made).fields = std::move(fields);
      return made;
    } else {
      static_assert(refl::Reflected<T>,
                    "Avro has no form for a type with a serde of its own: map the stream to a "
                    "struct that holds what is to be written");
      return add_named<T>([this](Node node) { return add_struct<T>(std::move(node)); });
    }
  }
  template <class T>
  NodeIndex add_struct(Node node) {
    node.type = Type::kRecord;
    const NodeIndex made = schema_.add(std::move(node));
    std::vector<Field> fields;
    constexpr auto kNames = refl::field_names<T>();
    kinds::for_each_index<refl::count<T>()>([&]<size_t kIndex>() {
      fields.push_back(field<refl::FieldType<T, kIndex>>(std::string(kNames[kIndex])));
    });
    schema_.mutable_node(made).fields = std::move(fields);
    return made;
  }
  template <class T>
  Field field(std::string name) {
    Field made{.name = std::move(name)};
    made.type = add<T>();
    if constexpr (kinds::kOptional<T>) {
      made.has_default = true;
      made.default_json = "null";
      made.default_bytes.assign(1, '\0');
    }
    return made;
  }
  // Two structs of one name, from different namespaces, are told apart by a number.
  template <class T, class Make>
  NodeIndex add_named(const Make& make) {
    static constexpr char kTypeId = 0;
    const auto it = made_.find(&kTypeId);
    if (it != made_.end()) { return it->second; }
    std::string name(name_of<T>());
    const int32_t number = names_[name]++;
    Node node;
    node.name = number == 0 ? name : name + "_" + std::to_string(number + 1);
    const NodeIndex made = make(std::move(node));
    made_[&kTypeId] = made;
    return made;
  }
  template <class T>
  static Node leaf() {
    if constexpr (std::is_same_v<T, bool>) {
      return {.type = Type::kBoolean};
    } else if constexpr (std::is_enum_v<T>) {
      return leaf<std::underlying_type_t<T>>();
    } else if constexpr (std::is_integral_v<T>) {
      static_assert(!std::is_same_v<T, uint64_t>,
                    "Avro has no unsigned numbers of 64 bits: use int64_t or Decimal<20, 0>");
      constexpr bool kIsInt = sizeof(T) < 4 || (sizeof(T) == 4 && std::is_signed_v<T>);
      return {.type = kIsInt ? Type::kInt : Type::kLong};
    } else if constexpr (std::is_same_v<T, float>) {
      return {.type = Type::kFloat};
    } else if constexpr (std::is_same_v<T, double>) {
      return {.type = Type::kDouble};
    } else if constexpr (kIsString<T>) {
      return {.type = Type::kString};
    } else if constexpr (std::is_same_v<T, Bytes>) {
      return {.type = Type::kBytes};
    } else if constexpr (kinds::kDecimal<T>) {
      return {.type = Type::kBytes,
              .logical = Logical::kDecimal,
              .precision = T::precision,
              .scale = T::scale};
    } else if constexpr (std::is_same_v<T, Date>) {
      return {.type = Type::kInt, .logical = Logical::kDate};
    } else if constexpr (std::is_same_v<T, Time>) {
      return {.type = Type::kInt, .logical = Logical::kTimeMillis};
    } else if constexpr (std::is_same_v<T, Timestamp>) {
      return {.type = Type::kLong, .logical = Logical::kTimestampMillis};
    } else if constexpr (std::is_same_v<T, LocalTimestamp>) {
      return {.type = Type::kLong, .logical = Logical::kLocalTimestampMillis};
    } else {
      static_assert(kinds::kDuration<T>);
      return {.type = Type::kLong};
    }
  }

  Schema schema_;
  std::map<const void*, NodeIndex> made_;
  std::map<std::string, int32_t> names_;
  int32_t tuples_ = 0;
};

}  // namespace struct_detail

// The schema of what is written of T.
template <class T>
Schema schema_for() {
  check_record<T>();
  return struct_detail::SchemaBuilder().build<T>();
}

}  // namespace avro
}  // namespace tidewheel
