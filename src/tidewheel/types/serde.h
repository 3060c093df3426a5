// Values as bytes. The encoding follows from the schema (types/schema.h) alone, little-endian,
// without padding or alignment:
//
//   bool                      1 byte, 0 or 1
//   integers, float, double   their bytes; enums as their integer; a chrono duration as its count
//   Timestamp, LocalTimestamp 8 bytes of milliseconds; Date 4 bytes of days; Time 4 bytes of
//   milliseconds Decimal                   its unscaled value, 8 bytes up to 18 digits, else 16
//   string, Text, Bytes       varint size, then the bytes
//   optional                  1 byte, 0 or 1, then the value
//   vector                    varint count, then the elements
//   array                     the elements
//   map                       varint count, then key and value of each entry, in the order of keys
//   variant                   varint index of the alternative, then its value
//   struct, pair, tuple       the fields in order; 1 byte 0 when there are none
//   serde<T>                  4 bytes of size, then the bytes; without the size for type::bytes(n)
//
// A varint has 7 bits a byte, the low ones first; all but the last byte have the high bit set.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/types/record.h"

namespace tidewheel {

static_assert(std::endian::native == std::endian::little,
              "values are copied as little-endian bytes");

// ---- The logical types, as data ----

enum class Kind : uint8_t {
  kBool = 1,
  kInt8 = 2,
  kInt16 = 3,
  kInt32 = 4,
  kInt64 = 5,
  kUint8 = 6,
  kUint16 = 7,
  kUint32 = 8,
  kUint64 = 9,
  kFloat = 10,
  kDouble = 11,
  kString = 12,
  kBytes = 13,
  kFixedBytes = 14,  // a: size
  kDecimal = 15,     // a: precision, b: scale
  kTimestamp = 16,
  kLocalTimestamp = 17,
  kDate = 18,
  kTime = 19,
  kInterval = 20,
  kOptional = 21,  // child: the value
  kArray = 22,     // a: number of elements, or -1 when it varies; child: the element
  kMap = 23,       // children: key, value
  kUnion = 24,     // children: the alternatives
  kRow = 25,       // children: the fields, with names
};

// What a serde<T> says it is to SQL and formats; its bytes are its own business.
struct SerdeType {
  Kind kind = Kind::kBytes;
  int32_t a = 0;
  int32_t b = 0;
  friend constexpr bool operator==(const SerdeType&, const SerdeType&) = default;
};
namespace type {
constexpr SerdeType boolean() { return {Kind::kBool}; }
constexpr SerdeType int32() { return {Kind::kInt32}; }
constexpr SerdeType int64() { return {Kind::kInt64}; }
constexpr SerdeType real() { return {Kind::kDouble}; }
constexpr SerdeType string() { return {Kind::kString}; }
constexpr SerdeType bytes() { return {Kind::kBytes}; }
// Exactly `size` bytes: serde<T> must write and read that many.
constexpr SerdeType bytes(int32_t size) { return {Kind::kFixedBytes, size}; }
constexpr SerdeType timestamp() { return {Kind::kTimestamp}; }
constexpr SerdeType date() { return {Kind::kDate}; }
}  // namespace type

// ---- Bytes ----

// A growing buffer that values are written to.
class Writer {
 public:
  Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  Writer(Writer&& other) noexcept { swap(other); }
  Writer& operator=(Writer&& other) noexcept {
    swap(other);
    return *this;
  }

  void raw(const void* bytes, size_t size) {
    char* to = claim(size);
    if (size != 0) { std::memcpy(to, bytes, size); }
  }
  // The bytes of a number.
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void fixed(const T& value) { std::memcpy(claim(sizeof(T)), &value, sizeof(T)); }
  void varint(uint64_t value) {
    char* to = reserve(10);
    while (value >= 0x80) {
      *to++ = static_cast<char>(value | 0x80);
      value >>= 7;
    }
    *to++ = static_cast<char>(value);
    size_ = static_cast<size_t>(to - bytes_.get());
  }
  // A varint size and the bytes.
  void text(std::string_view text) {
    varint(text.size());
    raw(text.data(), text.size());
  }
  // Room for `size` bytes, counted as written; filled in by the caller before the next call.
  char* claim(size_t size) {
    char* to = reserve(size);
    size_ += size;
    return to;
  }
  // Overwrites 4 bytes at `offset`, which were claimed before.
  void patch(size_t offset, uint32_t value) {
    std::memcpy(bytes_.get() + offset, &value, sizeof(value));
  }

  size_t size() const { return size_; }
  std::string_view view() const { return {bytes_.get(), size_}; }
  std::string str() const { return std::string(view()); }
  // Forgets what was written; keeps the memory.
  void clear() { size_ = 0; }
  // Forgets what was written after the first `size` bytes.
  void truncate(size_t size) { size_ = size; }
  size_t capacity() const { return capacity_; }

 private:
  char* reserve(size_t size) {
    if (capacity_ - size_ < size) [[unlikely]] { grow(size); }
    return bytes_.get() + size_;
  }
  void grow(size_t size);
  void swap(Writer& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// Reads values back from bytes that may be damaged or hostile: it never reads beyond them, never
// allocates much more than a small multiple of their size, and remembers the first thing that
// was wrong. After that all reads give zeros. `bytes` must outlive the reader.
class Reader {
 public:
  // Text points into `bytes`, or, with an arena, to copies there.
  explicit Reader(std::string_view bytes, Arena* arena = nullptr)
      : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()), arena_(arena) {}

  bool ok() const { return what_ == nullptr; }
  // OK, or kSerializedData with what was wrong and where.
  Status status() const;
  // Fails also when bytes are left.
  Status finish();

  bool raw(void* to, size_t size) {
    if (!take(size)) [[unlikely]] {
      std::memset(to, 0, size);
      return false;
    }
    if (size != 0) { std::memcpy(to, at_ - size, size); }
    return true;
  }
  template <class T>
  requires std::is_trivially_copyable_v<T> T fixed() {
    T value{};
    if (take(sizeof(T))) [[likely]] { std::memcpy(&value, at_ - sizeof(T), sizeof(T)); }
    return value;
  }
  uint64_t varint() {
    if (at_ != end_ && static_cast<unsigned char>(*at_) < 0x80) [[likely]] {
      return static_cast<unsigned char>(*at_++);
    }
    return long_varint();
  }
  // A varint size and as many bytes; a view of the input.
  std::string_view bytes_view() {
    const uint64_t size = varint();
    if (size > remaining()) [[unlikely]] {
      fail("a size reaches beyond the end");
      return {};
    }
    at_ += size;
    return {at_ - size, static_cast<size_t>(size)};
  }
  Text text() {
    const std::string_view view = bytes_view();
    if (view.size() > Text::kSizeMax) [[unlikely]] {
      fail("a text is larger than 4 GB");
      return {};
    }
    return arena_ != nullptr ? arena_->copy(view) : Text(view);
  }
  // A varint count of elements that take at least a byte each.
  size_t count() {
    const uint64_t count = varint();
    if (count > remaining()) [[unlikely]] {
      fail("a count reaches beyond the end");
      return 0;
    }
    return static_cast<size_t>(count);
  }
  bool flag() {
    const auto byte = fixed<uint8_t>();
    if (byte > 1) [[unlikely]] { fail("a flag is neither 0 nor 1"); }
    return byte == 1;
  }
  void skip(size_t size) { static_cast<void>(take(size)); }

  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  size_t position() const { return static_cast<size_t>(at_ - begin_); }
  // What serde<T>::read calls when its bytes mean nothing. `what` is a string literal.
  void fail(const char* what) {
    if (what_ == nullptr) {
      what_ = what;
      failed_at_ = position();
    }
    at_ = end_;
  }
  // Confines reading to the next `size` bytes, until `leave` with the value that this gave.
  const char* enter(size_t size);
  void leave(const char* outer_end);

 private:
  bool take(size_t size) {
    if (remaining() < size) [[unlikely]] {
      fail("the bytes end too early");
      return false;
    }
    at_ += size;
    return true;
  }
  uint64_t long_varint();

  const char* begin_;
  const char* at_;
  const char* end_;
  Arena* arena_;
  const char* what_ = nullptr;
  size_t failed_at_ = 0;
};

// ---- Values ----

namespace detail {

// A type whose memory is its encoding: fixed width, no padding, every bit pattern a value.
template <class T>
constexpr bool is_block() {
  if constexpr (serde<T>::value || std::is_same_v<T, bool> || kinds::kDecimal<T> ||
                !std::is_trivially_copyable_v<T>) {
    return false;
  } else if constexpr (kIsNumber<T> || std::is_enum_v<T> || kIsScalarClass<T>) {
    return true;
  } else if constexpr (kinds::kArray<T>) {
    return sizeof(T) > 0 && std::tuple_size_v<T> > 0 && is_block<typename T::value_type>();
  } else if constexpr (refl::Reflected<T>) {
    if constexpr (refl::count<T>() == 0) {
      return false;
    } else {
      return []<size_t... kIndex>(std::index_sequence<kIndex...>) {
        return (is_block<refl::FieldType<T, kIndex>>() && ...) &&
               (sizeof(refl::FieldType<T, kIndex>) + ...) == sizeof(T);
      }
      (std::make_index_sequence<refl::count<T>()>());
    }
  } else {
    return false;
  }
}
template <class T>
inline constexpr bool kIsBlock = is_block<T>();

// An order of keys that is total, for maps that have none of their own.
template <class T>
bool key_less(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    return std::strong_order(a, b) < 0;
  } else if constexpr (requires {
                         { a < b } -> std::convertible_to<bool>;
                       }) {
    return a < b;
  } else {
    static_assert(refl::Reflected<T>, "the keys of an unordered_map need operator<");
    return refl::with_fields(a, [&b](const auto&... left) {
      return refl::with_fields(b, [&](const auto&... right) {
        bool less = false;
        static_cast<void>(
            ((key_less(left, right) ? (less = true, true) : key_less(right, left)) || ...));
        return less;
      });
    });
  }
}

template <class Map>
auto entries_in_key_order(const Map& map) {
  std::vector<const typename Map::value_type*> entries;
  entries.reserve(map.size());
  for (const auto& entry : map) { entries.push_back(&entry); }
  std::sort(entries.begin(), entries.end(),
            [](const auto* a, const auto* b) { return key_less(a->first, b->first); });
  return entries;
}

}  // namespace detail

template <class T>
void encode(Writer& writer, const T& value);
template <class T>
void decode(Reader& reader, T& value);

namespace detail {

template <class T>
void encode_custom(Writer& writer, const T& value) {
  if constexpr (serde<T>::logical.kind == Kind::kFixedBytes) {
    serde<T>::write(writer, value);
  } else {
    const size_t start = writer.size();
    writer.claim(4);
    serde<T>::write(writer, value);
    writer.patch(start, static_cast<uint32_t>(writer.size() - start - 4));
  }
}
template <class T>
void decode_custom(Reader& reader, T& value) {
  constexpr SerdeType logical = serde<T>::logical;
  const size_t size =
      logical.kind == Kind::kFixedBytes ? static_cast<size_t>(logical.a) : reader.fixed<uint32_t>();
  const char* outer = reader.enter(size);
  value = serde<T>::read(reader);
  reader.leave(outer);
}

template <class T>
void encode_container(Writer& writer, const T& value) {
  if constexpr (kinds::kVector<T>) {
    using Element = typename T::value_type;
    writer.varint(value.size());
    if constexpr (kIsBlock<Element>) {
      writer.raw(value.data(), value.size() * sizeof(Element));
    } else if constexpr (std::is_same_v<Element, bool>) {
      for (const bool element : value) { encode(writer, element); }
    } else {
      for (const auto& element : value) { encode(writer, element); }
    }
  } else if constexpr (kinds::kOrderedMap<T>) {
    writer.varint(value.size());
    for (const auto& [key, mapped] : value) {
      encode(writer, key);
      encode(writer, mapped);
    }
  } else {
    writer.varint(value.size());
    for (const auto* entry : entries_in_key_order(value)) {
      encode(writer, entry->first);
      encode(writer, entry->second);
    }
  }
}

template <class T>
void decode_container(Reader& reader, T& value) {
  const size_t count = reader.count();
  if constexpr (kinds::kVector<T>) {
    using Element = typename T::value_type;
    if constexpr (kIsBlock<Element>) {
      if (count > reader.remaining() / sizeof(Element)) {
        reader.fail("a count reaches beyond the end");
        value.clear();
        return;
      }
      value.resize(count);
      reader.raw(value.data(), count * sizeof(Element));
    } else {
      value.clear();
      // Elements are made one by one: a count that lies is found before much memory is taken.
      value.reserve(std::min<size_t>(count, 64));
      for (size_t i = 0; i < count && reader.ok(); ++i) {
        Element element{};
        decode(reader, element);
        value.push_back(std::move(element));
      }
    }
  } else {
    value.clear();
    for (size_t i = 0; i < count && reader.ok(); ++i) {
      typename T::key_type key{};
      typename T::mapped_type mapped{};
      decode(reader, key);
      decode(reader, mapped);
      value.emplace_hint(value.end(), std::move(key), std::move(mapped));
    }
  }
}

template <class T, size_t kIndex = 0>
void decode_alternative(Reader& reader, T& value, uint64_t index) {
  if constexpr (kIndex < std::variant_size_v<T>) {
    if (index == kIndex) {
      decode(reader, value.template emplace<kIndex>());
    } else {
      decode_alternative<T, kIndex + 1>(reader, value, index);
    }
  } else {
    reader.fail("a union has an alternative that does not exist");
  }
}

template <class T>
void encode_scalar(Writer& writer, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    writer.fixed(static_cast<uint8_t>(value ? 1 : 0));
  } else if constexpr (kinds::kDecimal<T>) {
    writer.fixed(value.unscaled());
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, Text>) {
    writer.text(value);
  } else if constexpr (std::is_same_v<T, Bytes>) {
    writer.text(value.view());
  } else {
    static_assert(kIsBlock<T>);
    writer.fixed(value);
  }
}
template <class T>
void decode_scalar(Reader& reader, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    value = reader.flag();
  } else if constexpr (kinds::kDecimal<T>) {
    const auto unscaled = reader.fixed<typename T::Storage>();
    if (unscaled >= T::kLimit || unscaled <= -T::kLimit) {
      reader.fail("a decimal has too many digits");
      value = T();
    } else {
      value = T::of_unscaled(unscaled);
    }
  } else if constexpr (std::is_same_v<T, std::string>) {
    value = reader.bytes_view();
  } else if constexpr (std::is_same_v<T, Text>) {
    value = reader.text();
  } else if constexpr (std::is_same_v<T, Bytes>) {
    value.storage() = reader.bytes_view();
  } else {
    value = reader.fixed<T>();
  }
}

}  // namespace detail

// Appends the encoding of `value`.
template <class T>
void encode(Writer& writer, const T& value) {
  if constexpr (!Record<T>) {
    check_record<T>();
  } else if constexpr (serde<T>::value) {
    detail::encode_custom(writer, value);
  } else if constexpr (detail::kIsBlock<T>) {
    writer.fixed(value);
  } else if constexpr (detail::kIsLeaf<T>) {
    detail::encode_scalar(writer, value);
  } else if constexpr (kinds::kOptional<T>) {
    writer.fixed(static_cast<uint8_t>(value ? 1 : 0));
    if (value) { encode(writer, *value); }
  } else if constexpr (kinds::kVector<T> || kinds::kMap<T>) {
    detail::encode_container(writer, value);
  } else if constexpr (kinds::kArray<T>) {
    if constexpr (std::tuple_size_v<T> == 0) { writer.fixed(uint8_t{0}); }
    for (const auto& element : value) { encode(writer, element); }
  } else if constexpr (kinds::kTuple<T>) {
    if constexpr (std::tuple_size_v<T> == 0) { writer.fixed(uint8_t{0}); }
    std::apply([&writer](const auto&... element) { (encode(writer, element), ...); }, value);
  } else if constexpr (kinds::kVariant<T>) {
    writer.varint(value.index());
    std::visit([&writer](const auto& alternative) { encode(writer, alternative); }, value);
  } else if constexpr (refl::count<T>() == 0) {
    writer.fixed(uint8_t{0});
  } else {
    refl::for_each_field(value, [&writer](const auto& one) { encode(writer, one); });
  }
}

// Reads a value; look at `reader.ok()` before using it. Text points where the Reader says.
template <class T>
void decode(Reader& reader, T& value) {
  if constexpr (!Record<T>) {
    check_record<T>();
  } else if constexpr (serde<T>::value) {
    detail::decode_custom(reader, value);
  } else if constexpr (detail::kIsBlock<T>) {
    value = reader.fixed<T>();
  } else if constexpr (detail::kIsLeaf<T>) {
    detail::decode_scalar(reader, value);
  } else if constexpr (kinds::kOptional<T>) {
    if (reader.flag()) {
      decode(reader, value.emplace());
    } else {
      value.reset();
    }
  } else if constexpr (kinds::kVector<T> || kinds::kMap<T>) {
    detail::decode_container(reader, value);
  } else if constexpr (kinds::kArray<T>) {
    if constexpr (std::tuple_size_v<T> == 0) { reader.skip(1); }
    for (auto& element : value) { decode(reader, element); }
  } else if constexpr (kinds::kTuple<T>) {
    if constexpr (std::tuple_size_v<T> == 0) { reader.skip(1); }
    std::apply([&reader](auto&... element) { (decode(reader, element), ...); }, value);
  } else if constexpr (kinds::kVariant<T>) {
    detail::decode_alternative(reader, value, reader.varint());
  } else if constexpr (refl::count<T>() == 0) {
    reader.skip(1);
  } else {
    refl::for_each_field(value, [&reader](auto& one) { decode(reader, one); });
  }
}

template <class T>
T decode(Reader& reader) {
  T value{};
  decode(reader, value);
  return value;
}

// The whole of `bytes` as a value. Text points into `bytes` unless an arena is given.
template <class T>
Result<T> decode_all(std::string_view bytes, Arena* arena = nullptr) {
  Reader reader(bytes, arena);
  T value{};
  decode(reader, value);
  Status status = reader.finish();
  if (!status.ok()) { return status; }
  return value;
}

template <class T>
std::string encode_to_string(const T& value) {
  Writer writer;
  encode(writer, value);
  return writer.str();
}

}  // namespace tidewheel
