// Schemas: what a value's bytes mean, kept beside them, so that state outlives an edit of its
// struct.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/types/serde.h"

namespace tidewheel {

// Fields that have got other names: the old one, then the new one.
//   template <> struct tidewheel::renames<Trade> {
//     static constexpr auto value = tidewheel::rename_list{{"price_cents", "cents"}};
//   };
struct Rename {
  std::string_view from;
  std::string_view to;
};
class rename_list {
 public:
  static constexpr size_t kCountMax = 64;
  consteval rename_list(std::initializer_list<Rename> list) {
    for (const Rename& rename : list) { items_[count_++] = rename; }
  }
  constexpr const Rename* begin() const { return items_; }
  constexpr const Rename* end() const { return items_ + count_; }

 private:
  Rename items_[kCountMax];
  size_t count_ = 0;
};
template <class T>
struct renames {};

// A logical type: a tree of kinds, with the names of fields.
struct Schema {
  struct Former {
    std::string name;   // the old name of
    std::string field;  // this field
  };

  Kind kind = Kind::kRow;
  bool custom = false;  // written by a serde<T>
  int32_t a = 0;        // as Kind says
  int32_t b = 0;
  std::vector<std::string> names;  // of a row's fields
  std::vector<Schema> children;
  std::vector<Former> formers;  // declared renames; not part of the schema's identity

  friend bool operator==(const Schema& left, const Schema& right) {
    return left.kind == right.kind && left.custom == right.custom && left.a == right.a &&
           left.b == right.b && left.names == right.names && left.children == right.children;
  }

  // "{symbol:string,cents:int64,at:timestamp}": equal texts mean equal bytes.
  std::string to_string() const;
  // A hash of that text.
  uint64_t fingerprint() const;
  // For keeping it; `parse` gives it back. Errors: kSerializedData.
  std::string encode() const;
  static Result<Schema> parse(std::string_view bytes);
};

// What becomes of a value of an old schema in a program with a new one.
struct SchemaChange {
  enum class Kind : uint8_t {
    kSame,      // the bytes are read as they are
    kMigrated,  // decode_as reads them, field by field
    kRefused,   // they can't be read
  };
  Kind kind = Kind::kSame;
  // Why it is refused, naming the field: "cents: was int64 and is now string".
  std::string reason;
};
// Fields may be added, removed, reordered and renamed as declared; integers may become wider, float
// double, and T optional<T>; a union may get more alternatives at its end. The rest is refused.
SchemaChange compare_schemas(const Schema& old_schema, const Schema& new_schema);
// OK, or kSchemaMismatch with the reason.
Status check_schema_change(const Schema& old_schema, const Schema& new_schema);

namespace detail {

template <class T>
Schema make_schema();

constexpr Kind integer_kind(size_t bytes, bool is_signed) {
  const int log2 = std::countr_zero(bytes);
  return static_cast<Kind>(static_cast<int>(is_signed ? Kind::kInt8 : Kind::kUint8) + log2);
}

Schema leaf_schema(Kind kind, int32_t a = 0, int32_t b = 0);
Schema parent_schema(Kind kind, std::vector<Schema> children, int32_t a = 0);

template <class T>
Schema scalar_schema() {
  if constexpr (std::is_same_v<T, bool>) {
    return leaf_schema(Kind::kBool);
  } else if constexpr (std::is_same_v<T, float>) {
    return leaf_schema(Kind::kFloat);
  } else if constexpr (std::is_same_v<T, double>) {
    return leaf_schema(Kind::kDouble);
  } else if constexpr (std::is_enum_v<T>) {
    return scalar_schema<std::underlying_type_t<T>>();
  } else if constexpr (std::is_integral_v<T>) {
    return leaf_schema(integer_kind(sizeof(T), std::is_signed_v<T>));
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, Text>) {
    return leaf_schema(Kind::kString);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    return leaf_schema(Kind::kBytes);
  } else if constexpr (std::is_same_v<T, Timestamp>) {
    return leaf_schema(Kind::kTimestamp);
  } else if constexpr (std::is_same_v<T, LocalTimestamp>) {
    return leaf_schema(Kind::kLocalTimestamp);
  } else if constexpr (std::is_same_v<T, Date>) {
    return leaf_schema(Kind::kDate);
  } else if constexpr (std::is_same_v<T, Time>) {
    return leaf_schema(Kind::kTime);
  } else if constexpr (kinds::kDuration<T>) {
    return scalar_schema<typename T::rep>();
  } else {
    static_assert(kinds::kDecimal<T>);
    return leaf_schema(Kind::kDecimal, T::precision, T::scale);
  }
}

template <class T>
Schema row_schema() {
  Schema schema;
  if constexpr (kinds::kTuple<T>) {
    kinds::for_each_index<std::tuple_size_v<T>>([&schema]<size_t kIndex>() {
      schema.names.push_back("f" + std::to_string(kIndex));
      schema.children.push_back(make_schema<std::tuple_element_t<kIndex, T>>());
    });
  } else {
    kinds::for_each_index<refl::count<T>()>([&schema]<size_t kIndex>() {
      schema.names.emplace_back(refl::field_name<T, kIndex>());
      schema.children.push_back(make_schema<refl::FieldType<T, kIndex>>());
    });
    if constexpr (requires { renames<T>::value; }) {
      for (const Rename& rename : renames<T>::value) {
        schema.formers.push_back({std::string(rename.from), std::string(rename.to)});
      }
    }
  }
  return schema;
}

template <class T>
Schema make_schema() {
  if constexpr (serde<T>::value) {
    Schema schema = leaf_schema(serde<T>::logical.kind, serde<T>::logical.a, serde<T>::logical.b);
    schema.custom = true;
    return schema;
  } else if constexpr (kIsLeaf<T>) {
    return scalar_schema<T>();
  } else if constexpr (std::is_same_v<T, Interval>) {
    return leaf_schema(Kind::kInterval);
  } else if constexpr (kinds::kOptional<T>) {
    return parent_schema(Kind::kOptional, {make_schema<typename T::value_type>()});
  } else if constexpr (kinds::kVector<T>) {
    return parent_schema(Kind::kArray, {make_schema<typename T::value_type>()}, -1);
  } else if constexpr (kinds::kArray<T>) {
    return parent_schema(Kind::kArray, {make_schema<typename T::value_type>()},
                         static_cast<int32_t>(std::tuple_size_v<T>));
  } else if constexpr (kinds::kMap<T>) {
    return parent_schema(
        Kind::kMap, {make_schema<typename T::key_type>(), make_schema<typename T::mapped_type>()});
  } else if constexpr (kinds::kVariant<T>) {
    Schema schema = parent_schema(Kind::kUnion, {});
    kinds::for_each_index<std::variant_size_v<T>>([&schema]<size_t kIndex>() {
      schema.children.push_back(make_schema<std::variant_alternative_t<kIndex, T>>());
    });
    return schema;
  } else {
    return row_schema<T>();
  }
}

// Reads a number of `kind`, an old one, as the wider T.
template <class T>
void decode_widened(Reader& reader, Kind kind, T& value) {
  const auto give = [&value](auto number) { value = static_cast<T>(number); };
  switch (kind) {
    case Kind::kInt8: return give(reader.fixed<int8_t>());
    case Kind::kInt16: return give(reader.fixed<int16_t>());
    case Kind::kInt32: return give(reader.fixed<int32_t>());
    case Kind::kInt64: return give(reader.fixed<int64_t>());
    case Kind::kUint8: return give(reader.fixed<uint8_t>());
    case Kind::kUint16: return give(reader.fixed<uint16_t>());
    case Kind::kUint32: return give(reader.fixed<uint32_t>());
    case Kind::kUint64: return give(reader.fixed<uint64_t>());
    case Kind::kFloat: return give(reader.fixed<float>());
    case Kind::kDouble: return give(reader.fixed<double>());
    default: reader.fail("a number has another type than its schema says");
  }
}

// Reads over a value of `schema`.
void skip_value(Reader& reader, const Schema& schema);
// The field of `row` that has this name now; row.names.size() when it was removed.
size_t find_field(const Schema& row, std::string_view old_name);

}  // namespace detail

// The schema of T, made at the first use.
template <Record T>
const Schema& schema_of() {
  static const Schema schema = detail::make_schema<T>();
  return schema;
}

// Reads a value that was written with `old_schema`, which compare_schemas has not refused. Fields
// that the old schema lacks keep the values of their default member initialisers.
template <class T>
void decode_as(Reader& reader, const Schema& old_schema, T& value);

namespace detail {

template <class T>
void decode_row_as(Reader& reader, const Schema& old_schema, T& value) {
  const Schema& new_schema = schema_of<T>();
  if (old_schema.children.empty()) { reader.skip(1); }
  for (size_t i = 0; i < old_schema.children.size() && reader.ok(); ++i) {
    const Schema& child = old_schema.children[i];
    const size_t target = find_field(new_schema, old_schema.names[i]);
    if (target == new_schema.names.size()) {
      skip_value(reader, child);
      continue;
    }
    size_t index = 0;
    const auto decode_target = [&](auto& one) {
      if (index++ == target) { decode_as(reader, child, one); }
    };
    if constexpr (kinds::kTuple<T>) {
      std::apply([&](auto&... element) { (decode_target(element), ...); }, value);
    } else {
      refl::for_each_field(value, decode_target);
    }
  }
}

template <class T>
void decode_elements_as(Reader& reader, const Schema& old_schema, T& value) {
  if constexpr (kinds::kArray<T>) {
    if (value.empty()) { reader.skip(1); }
    for (auto& element : value) { decode_as(reader, old_schema.children[0], element); }
  } else if constexpr (kinds::kVector<T>) {
    value.clear();
    const size_t count = reader.count();
    for (size_t i = 0; i < count && reader.ok(); ++i) {
      typename T::value_type element{};
      decode_as(reader, old_schema.children[0], element);
      value.push_back(std::move(element));
    }
  } else {
    value.clear();
    const size_t count = reader.count();
    for (size_t i = 0; i < count && reader.ok(); ++i) {
      typename T::key_type key{};
      typename T::mapped_type mapped{};
      decode_as(reader, old_schema.children[0], key);
      decode_as(reader, old_schema.children[1], mapped);
      value.emplace_hint(value.end(), std::move(key), std::move(mapped));
    }
  }
}

template <class T, size_t kIndex = 0>
void decode_alternative_as(Reader& reader, const Schema& old_schema, T& value, uint64_t index) {
  if constexpr (kIndex < std::variant_size_v<T>) {
    if (index == kIndex && index < old_schema.children.size()) {
      decode_as(reader, old_schema.children[kIndex], value.template emplace<kIndex>());
    } else {
      decode_alternative_as<T, kIndex + 1>(reader, old_schema, value, index);
    }
  } else {
    reader.fail("a union has an alternative that does not exist");
  }
}

}  // namespace detail

template <class T>
void decode_as(Reader& reader, const Schema& old_schema, T& value) {
  if constexpr (serde<T>::value || std::is_same_v<T, Interval>) {
    decode(reader, value);
  } else if constexpr (kinds::kOptional<T>) {
    if (old_schema.kind != Kind::kOptional) {
      decode_as(reader, old_schema, value.emplace());
    } else if (reader.flag()) {
      decode_as(reader, old_schema.children[0], value.emplace());
    } else {
      value.reset();
    }
  } else if constexpr (detail::kIsNumber<T> && !std::is_same_v<T, bool>) {
    detail::decode_widened(reader, old_schema.kind, value);
  } else if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> number{};
    decode_as(reader, old_schema, number);
    value = static_cast<T>(number);
  } else if constexpr (kinds::kDuration<T>) {
    typename T::rep count{};
    decode_as(reader, old_schema, count);
    value = T(count);
  } else if constexpr (detail::kIsLeaf<T>) {
    decode(reader, value);
  } else if constexpr (kinds::kVariant<T>) {
    detail::decode_alternative_as(reader, old_schema, value, reader.varint());
  } else if constexpr (kinds::kVector<T> || kinds::kArray<T> || kinds::kMap<T>) {
    detail::decode_elements_as(reader, old_schema, value);
  } else {
    detail::decode_row_as(reader, old_schema, value);
  }
}

// Reads values of T that were written with an old schema: compares the schemas once, then takes the
// short way when they are the same.
template <class T>
class SchemaDecoder {
 public:
  // Errors: kSchemaMismatch, naming the field.
  static Result<SchemaDecoder> open(Schema old_schema) {
    const SchemaChange change = compare_schemas(old_schema, schema_of<T>());
    if (change.kind == SchemaChange::Kind::kRefused) {
      return check_schema_change(old_schema, schema_of<T>());
    }
    SchemaDecoder decoder;
    decoder.same_ = change.kind == SchemaChange::Kind::kSame;
    decoder.old_schema_ = std::move(old_schema);
    return decoder;
  }
  void read(Reader& reader, T& value) const {
    if (same_) {
      decode(reader, value);
    } else {
      value = T{};
      decode_as(reader, old_schema_, value);
    }
  }
  bool is_same() const { return same_; }

 private:
  bool same_ = true;
  Schema old_schema_;
};

}  // namespace tidewheel
