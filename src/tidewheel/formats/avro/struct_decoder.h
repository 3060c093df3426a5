// Reads values of Avro into structs. A decoder is put together for the struct at compile time, and
// is told once, by `compile`, what the writer's schema has for each of its fields: fields are found
// by their names, numbers may be wider than they were, and what the struct does not have is passed
// over.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/formats/avro/schema.h"
#include "tidewheel/formats/avro/struct_schema.h"
#include "tidewheel/formats/avro/wire.h"
#include "tidewheel/types/arena.h"

namespace tidewheel::avro {

struct StructOptions {
  // JSON; empty: the one that follows from the struct. Of messages: files have their own.
  std::string writer_schema = {};
  // Fields that the writer does not have get their default value; else they must be optional.
  bool allow_missing_fields = false;
};

namespace struct_detail {

// What reading needs besides the bytes; and what went wrong.
struct ReadState {
  const Schema* writer = nullptr;
  Arena* arena = nullptr;
  int64_t empty_left = 0;  // elements that take no bytes
  std::string fault;
  bool no(std::string_view path, std::string_view why) {
    fault.assign(path).append(": ").append(why);
    return false;
  }
};
struct CompileContext {
  const Schema& writer;
  bool allow_missing_fields = false;
};

// Passes over a value. False: the bytes end too early.
bool skip_value(const Schema& schema, NodeIndex type, WireReader& in, int64_t& empty_left,
                int32_t depth);
Status misfit(const CompileContext& context, NodeIndex type, const std::string& path,
              std::string_view wanted);
// The head of a block of elements. False: it says more than there is.
bool read_block(WireReader& in, bool is_empty, int64_t& empty_left, int64_t& count);
bool takes_no_bytes(const Schema& schema, NodeIndex type);
// A decimal as bytes or fixed.
bool read_unscaled(WireReader& in, const Node& node, Int128& value);
// How many units of the node's points in time a millisecond has.
int64_t units_per_ms(Logical logical);

template <class T>
class Body;  // of a value that is no union on the writer's side

// A value, of a union or not.
template <class T>
class StructReader {
 public:
  Status compile(const CompileContext& context, NodeIndex type, const std::string& path) {
    const Node& node = context.writer.node(type);
    path_ = path;
    if (node.type != Type::kUnion) { return add(context, type); }
    is_union_ = true;
    Status first_failure;
    size_t good = 0;
    for (const NodeIndex branch : node.children) {
      Status status = add(context, branch);
      fits_.push_back(status.ok());
      good += status.ok() ? 1 : 0;
      if (!status.ok() && first_failure.ok()) { first_failure = std::move(status); }
    }
    return good > 0 ? Status() : first_failure;
  }
  bool read(WireReader& in, T& value, ReadState& state) {
    if (!is_union_) { return bodies_[0].read(in, value, state); }
    int64_t branch = 0;
    if (!in.read_long(branch) || branch < 0 || branch >= std::ssize(bodies_)) {
      return state.no(path_, "the union has no such branch");
    }
    const auto index = static_cast<size_t>(branch);
    if (!fits_[index]) { return state.no(path_, "a value of this branch does not fit the field"); }
    return bodies_[index].read(in, value, state);
  }

 private:
  Status add(const CompileContext& context, NodeIndex type) {
    return bodies_.emplace_back().compile(context, type, path_);
  }

  bool is_union_ = false;
  std::vector<Body<T>> bodies_;
  std::vector<bool> fits_;
  std::string path_;
};

// ---- Leaves

template <class T>
requires tidewheel::detail::kIsLeaf<T>
class Body<T> {
 public:
  Status compile(const CompileContext& context, NodeIndex type, const std::string& path) {
    type_ = type;
    path_ = path;
    const Node& node = context.writer.node(type);
    kind_ = node.type;
    if (fits(node)) { return {}; }
    return misfit(context, type, path, type_name(schema_for<T>().node(0).type));
  }
  bool read(WireReader& in, T& value, ReadState& state) {
    return read_as(in, value, state) ||
           (state.fault.empty() ? state.no(path_, "the bytes end too early, or are no such value")
                                : false);
  }

 private:
  static constexpr bool kIsTime = std::is_same_v<T, Timestamp> || std::is_same_v<T, LocalTimestamp>;

  bool fits(const Node& node) {
    const bool is_whole = node.type == Type::kInt || node.type == Type::kLong;
    if constexpr (std::is_same_v<T, bool>) {
      return node.type == Type::kBoolean;
    } else if constexpr (NamedEnum<T>) {
      for (const std::string& symbol : node.symbols) {
        std::optional<T>& found = enums_.emplace_back();
        for (const auto& [one, name] : enum_names<T>::value) {
          if (name == symbol) { found = one; }
        }
      }
      return node.type == Type::kEnum || is_whole;
    } else if constexpr (std::is_floating_point_v<T>) {
      return is_whole || node.type == Type::kFloat ||
             (node.type == Type::kDouble && sizeof(T) == sizeof(double));
    } else if constexpr (kIsString<T> || std::is_same_v<T, Bytes>) {
      return node.type == Type::kString || node.type == Type::kBytes ||
             (node.type == Type::kFixed && std::is_same_v<T, Bytes>) ||
             (node.type == Type::kEnum && kIsString<T>);
    } else if constexpr (kinds::kDecimal<T>) {
      return is_whole || node.logical == Logical::kDecimal;
    } else if constexpr (std::is_same_v<T, Date>) {
      return node.type == Type::kInt;
    } else if constexpr (std::is_same_v<T, Time>) {
      return node.type == Type::kInt || node.logical == Logical::kTimeMicros;
    } else if constexpr (kIsTime) {
      units_ = units_per_ms(node.logical);
      return node.type == Type::kLong;
    } else {
      return is_whole;
    }
  }

  bool read_as(WireReader& in, T& value, ReadState& state) {
    int64_t whole = 0;
    if constexpr (std::is_same_v<T, bool>) {
      uint8_t byte = 0;
      if (!in.read_fixed(byte) || byte > 1) { return false; }
      value = byte != 0;
      return true;
    } else if constexpr (std::is_floating_point_v<T>) {
      return read_real(in, value);
    } else if constexpr (kIsString<T> || std::is_same_v<T, Bytes>) {
      return read_text(in, value, state);
    } else if constexpr (kinds::kDecimal<T>) {
      Int128 unscaled = 0;
      const Node& node = state.writer->node(type_);
      if (!read_unscaled(in, node, unscaled)) { return false; }
      const auto scaled =
          tidewheel::detail::rescale_decimal(unscaled, node.scale, T::scale, T::precision);
      if (!scaled.has_value()) { return state.no(path_, "the number has too many digits"); }
      value = T::of_unscaled(static_cast<typename T::Storage>(*scaled));
      return true;
    } else if constexpr (NamedEnum<T>) {
      if (!in.read_long(whole)) { return false; }
      if (kind_ != Type::kEnum) {
        value = static_cast<T>(whole);
        return true;
      }
      if (whole < 0 || whole >= std::ssize(enums_)) { return false; }
      const std::optional<T>& found = enums_[static_cast<size_t>(whole)];
      if (!found.has_value()) { return state.no(path_, "the enum here has no such symbol"); }
      value = *found;
      return true;
    } else {
      return in.read_long(whole) && put_whole(whole, value, state);
    }
  }
  bool put_whole(int64_t whole, T& value, ReadState& state) {
    const auto narrow = [&]<class N>(N& to) {
      to = static_cast<N>(whole);
      return static_cast<int64_t>(to) == whole && (std::is_signed_v<N> || whole >= 0);
    };
    bool good = true;
    if constexpr (std::is_same_v<T, Date>) {
      int32_t days = 0;
      good = narrow(days);
      value = Date(days);
    } else if constexpr (std::is_same_v<T, Time>) {
      const int64_t ms = kind_ == Type::kLong ? floor_divided(whole, 1000) : whole;
      constexpr int64_t kDayMs = 86'400'000;
      good = ms >= 0 && ms < kDayMs;
      value = Time(static_cast<int32_t>(ms));
    } else if constexpr (kIsTime) {
      value = T(floor_divided(whole, units_));
    } else if constexpr (kinds::kDuration<T>) {
      value = T(static_cast<typename T::rep>(whole));
    } else if constexpr (std::is_enum_v<T>) {
      std::underlying_type_t<T> number{};
      good = narrow(number);
      value = static_cast<T>(number);
    } else {
      good = narrow(value);
    }
    return good || state.no(path_, "this number does not fit: " + std::to_string(whole));
  }
  bool read_real(WireReader& in, T& value) {
    int64_t whole = 0;
    float single = 0;
    switch (kind_) {
      case Type::kFloat:
        if (!in.read_fixed(single)) { return false; }
        value = static_cast<T>(single);
        return true;
      case Type::kDouble: return in.read_fixed(value);
      default:
        if (!in.read_long(whole)) { return false; }
        value = static_cast<T>(whole);
        return true;
    }
  }
  bool read_text(WireReader& in, T& value, ReadState& state) {
    std::string_view bytes;
    if (kind_ == Type::kString || kind_ == Type::kBytes) {
      if (!in.read_bytes(bytes)) { return false; }
    } else {
      const Node& node = state.writer->node(type_);
      if (kind_ == Type::kFixed) {
        bytes = {in.at(), node.size};
        if (!in.skip(node.size)) { return false; }
      } else {
        int64_t index = 0;
        if (!in.read_long(index) || index < 0 || index >= std::ssize(node.symbols)) {
          return false;
        }
        bytes = node.symbols[static_cast<size_t>(index)];
        if constexpr (std::is_same_v<T, Text>) { bytes = state.arena->copy(bytes); }
      }
    }
    if constexpr (std::is_same_v<T, Text>) {
      value = Text(bytes);
    } else if constexpr (std::is_same_v<T, Bytes>) {
      value.storage().assign(bytes);
    } else {
      value.assign(bytes);
    }
    return true;
  }

  NodeIndex type_ = 0;
  Type kind_ = Type::kNull;
  int64_t units_ = 1;
  std::vector<std::optional<T>> enums_;  // by the writer's symbols
  std::string path_;
};

// ---- Optionals and variants

template <class T>
class Body<std::optional<T>> {
 public:
  Status compile(const CompileContext& context, NodeIndex type, const std::string& path) {
    is_null_ = context.writer.node(type).type == Type::kNull;
    return is_null_ ? Status() : inner_.compile(context, type, path);
  }
  bool read(WireReader& in, std::optional<T>& value, ReadState& state) {
    if (is_null_) {
      value.reset();
      return true;
    }
    return inner_.read(in, value ? *value : value.emplace(), state);
  }

 private:
  bool is_null_ = false;
  StructReader<T> inner_;
};

template <>
class Body<std::monostate> {
 public:
  Status compile(const CompileContext& context, NodeIndex type, const std::string& path) {
    if (context.writer.node(type).type == Type::kNull) { return {}; }
    return misfit(context, type, path, "null");
  }
  bool read(WireReader&, std::monostate&, ReadState&) { return true; }
};

// The first alternative that the writer's branch fits exactly, or else fits.
template <class... T>
class Body<std::variant<T...>> {
 public:
  Status compile(const CompileContext& context, NodeIndex type, const std::string& path) {
    Status failure;
    kinds::for_each_index<sizeof...(T)>([&]<size_t kIndex>() {
      using One = std::variant_alternative_t<kIndex, std::variant<T...>>;
      Status status = std::get<kIndex>(readers_).compile(context, type, path);
      if (!status.ok()) {
        failure = std::move(status);
        return;
      }
      const bool exact = is_alike<One>(context.writer.node(type));
      if (chosen_ < 0 || (exact && !chosen_exactly_)) {
        chosen_ = static_cast<int32_t>(kIndex);
        chosen_exactly_ = exact;
      }
    });
    return chosen_ >= 0 ? Status() : failure;
  }
  bool read(WireReader& in, std::variant<T...>& value, ReadState& state) {
    bool good = false;
    kinds::for_each_index<sizeof...(T)>([&]<size_t kIndex>() {
      if (static_cast<int32_t>(kIndex) != chosen_) { return; }
      auto* const there = std::get_if<kIndex>(&value);
      good = std::get<kIndex>(readers_).read(
          in, there != nullptr ? *there : value.template emplace<kIndex>(), state);
    });
    return good;
  }

 private:
  template <class One>
  static bool is_alike(const Node& node) {
    const Schema schema = schema_for_alternative<One>();
    const Node& own = schema.node(schema.root());
    return own.type == node.type &&
           (!own.is_named() || short_name(own.name) == short_name(node.name));
  }
  template <class One>
  static Schema schema_for_alternative() {
    if constexpr (std::is_same_v<One, std::monostate>) {
      Schema schema;
      schema.set_root(schema.add(Node{.type = Type::kNull}));
      return schema;
    } else {
      return schema_for<One>();
    }
  }
  std::tuple<Body<T>...> readers_;
  int32_t chosen_ = -1;
  bool chosen_exactly_ = false;
};

// ---- Arrays and maps

template <class T>
requires(kinds::kVector<T> || kinds::kArray<T> || kinds::kMap<T>) class Body<T> {
  static constexpr bool kIsMap = kinds::kMap<T>;

 public:
  Status compile(const CompileContext& context, NodeIndex type, const std::string& path) {
    const Node& node = context.writer.node(type);
    path_ = path;
    if (node.type != (kIsMap ? Type::kMap : Type::kArray)) {
      return misfit(context, type, path, kIsMap ? "map" : "array");
    }
    is_empty_ = !kIsMap && takes_no_bytes(context.writer, node.children[0]);
    return element_.compile(context, node.children[0], path + "[]");
  }
  bool read(WireReader& in, T& value, ReadState& state) {
    size_t size = 0;
    if constexpr (kIsMap) { value.clear(); }
    while (true) {
      int64_t count = 0;
      if (!read_block(in, is_empty_, state.empty_left, count)) {
        return state.no(path_, "the bytes end too early, or there are too many elements");
      }
      if (count == 0) { break; }
      for (int64_t i = 0; i < count; ++i) {
        if (!read_one(in, value, size++, state)) { return false; }
      }
    }
    if constexpr (kinds::kVector<T>) { value.resize(size); }
    if constexpr (kinds::kArray<T>) {
      if (size != value.size()) {
        return state.no(path_, "the array has another number of elements");
      }
    }
    return true;
  }

 private:
  bool read_one(WireReader& in, T& value, size_t index, ReadState& state) {
    if constexpr (kIsMap) {
      std::string_view bytes;
      if (!in.read_bytes(bytes)) { return state.no(path_, "the bytes end too early"); }
      typename T::key_type key(bytes);
      typename T::mapped_type mapped{};
      if (!element_.read(in, mapped, state)) { return false; }
      value.insert_or_assign(std::move(key), std::move(mapped));
      return true;
    } else if constexpr (kinds::kArray<T>) {
      if (index >= value.size()) {
        return state.no(path_, "the array has another number of elements");
      }
      return element_.read(in, value[index], state);
    } else if constexpr (std::is_same_v<typename T::value_type, bool>) {
      bool one = false;
      if (!element_.read(in, one, state)) { return false; }
      value.resize(index);
      value.push_back(one);
      return true;
    } else {
      // Elements of the row before are used again, with the memory that they have.
      return element_.read(in, index < value.size() ? value[index] : value.emplace_back(), state);
    }
  }
  template <class C>
  struct ElementOf {
    using type = typename C::value_type;
  };
  template <class C>
  requires kinds::kMap<C>
  struct ElementOf<C> {
    using type = typename C::mapped_type;
  };

  StructReader<typename ElementOf<T>::type> element_;
  bool is_empty_ = false;
  std::string path_;
};

// ---- Structs and tuples

// By the names that schema_for gives fields.
template <class T>
struct FieldsOf {
  static constexpr size_t kCount = refl::count<T>();
  template <size_t kIndex>
  using Type = refl::FieldType<T, kIndex>;
  template <size_t kIndex>
  static auto& field(T& value) {
    return refl::field<kIndex>(value);
  }
  static std::string name(size_t index) { return std::string(refl::field_names<T>()[index]); }
};
template <class T>
requires kinds::kTuple<T>
struct FieldsOf<T> {
  static constexpr size_t kCount = std::tuple_size_v<T>;
  template <size_t kIndex>
  using Type = std::tuple_element_t<kIndex, T>;
  template <size_t kIndex>
  static auto& field(T& value) {
    return std::get<kIndex>(value);
  }
  static std::string name(size_t index) { return "f" + std::to_string(index); }
};

template <class T>
requires((kinds::kTuple<T> || refl::Reflected<T>)&&!std::is_same_v<T, std::monostate> &&
         !tidewheel::detail::kIsLeaf<T>) class Body<T> {
  using Fields = FieldsOf<T>;
  static constexpr size_t kCount = Fields::kCount;
  static constexpr size_t kSkipped = SIZE_MAX;

 public:
  Status compile(const CompileContext& context, NodeIndex type, const std::string& path) {
    const Node& node = context.writer.node(type);
    path_ = path;
    if (node.type != Type::kRecord) { return misfit(context, type, path, "record"); }
    std::array<bool, kCount> found{};
    for (const Field& field : node.fields) {
      size_t index = kSkipped;
      for (size_t i = 0; i < kCount; ++i) {
        if (Fields::name(i) == field.name) { index = i; }
      }
      steps_.push_back({index, field.type});
      if (index == kSkipped) { continue; }
      found[index] = true;
      TIDEWHEEL_RETURN_IF_ERROR(compile_field(context, index, field));
    }
    return note_missing(context, found);
  }

  bool read(WireReader& in, T& value, ReadState& state) {
    for (const Step& step : steps_) {
      if (step.field == kSkipped) {
        if (!skip_value(*state.writer, step.type, in, state.empty_left, 0)) {
          return state.no(path_, "the bytes end too early in a field that is not read");
        }
      } else if (!kReads[step.field](*this, in, value, state)) {
        return false;
      }
    }
    if (!missing_.empty()) [[unlikely]] { put_defaults(value); }
    return true;
  }

 private:
  struct Step {
    size_t field;
    NodeIndex type;
  };
  using ReadField = bool (*)(Body&, WireReader&, T&, ReadState&);

  template <size_t... kIndex>
  static std::tuple<StructReader<typename Fields::template Type<kIndex>>...> readers_of(
      std::index_sequence<kIndex...>);
  template <size_t kIndex>
  static bool read_field(Body& body, WireReader& in, T& value, ReadState& state) {
    return std::get<kIndex>(body.readers_).read(in, Fields::template field<kIndex>(value), state);
  }
  template <size_t... kIndex>
  static constexpr std::array<ReadField, kCount> reads_of(std::index_sequence<kIndex...>) {
    return {&read_field<kIndex>...};
  }
  static constexpr std::array<ReadField, kCount> kReads =
      reads_of(std::make_index_sequence<kCount>());

  Status compile_field(const CompileContext& context, size_t index, const Field& field) {
    Status status;
    kinds::for_each_index<kCount>([&]<size_t kIndex>() {
      if (kIndex == index) {
        status = std::get<kIndex>(readers_).compile(context, field.type, path_ + "." + field.name);
      }
    });
    return status;
  }
  Status note_missing(const CompileContext& context, const std::array<bool, kCount>& found) {
    Status status;
    kinds::for_each_index<kCount>([&]<size_t kIndex>() {
      if (found[kIndex]) { return; }
      missing_.push_back(kIndex);
      constexpr bool kIsOptional = kinds::kOptional<typename Fields::template Type<kIndex>>;
      if (!kIsOptional && !context.allow_missing_fields && status.ok()) {
        status = invalid_argument(
            ErrorId::kFormatSchema,
            "schema of Avro: {}.{}: the writer has no such field; make it an std::optional, or "
            "set allow_missing_fields",
            path_, Fields::name(kIndex));
      }
    });
    return status;
  }
  void put_defaults(T& value) {
    T fresh{};
    kinds::for_each_index<kCount>([&]<size_t kIndex>() {
      for (const size_t missing : missing_) {
        if (missing == kIndex) {
          Fields::template field<kIndex>(value) = std::move(Fields::template field<kIndex>(fresh));
        }
      }
    });
  }

  std::vector<Step> steps_;
  std::vector<size_t> missing_;
  decltype(readers_of(std::make_index_sequence<kCount>())) readers_;
  std::string path_;
};

}  // namespace struct_detail

// Reads values of T that one schema has written. One thread.
template <class T>
class StructDecoder {
 public:
  // Errors: kFormatSchema, naming the field.
  static Result<StructDecoder> make(std::shared_ptr<const Schema> writer,
                                    bool allow_missing_fields = false) {
    check_record<T>();
    StructDecoder made;
    made.writer_ = std::move(writer);
    TIDEWHEEL_RETURN_IF_ERROR(
        made.reader_.compile({*made.writer_, allow_missing_fields}, made.writer_->root(), "$"));
    return made;
  }
  // Text points into the bytes, or into `arena`, which structs without Text don't need. False:
  // fault().
  bool read(WireReader& in, T& value, Arena* arena) {
    constexpr int64_t kEmptyElementsMax = 65536;
    state_.writer = writer_.get();
    state_.arena = arena;
    state_.empty_left = kEmptyElementsMax;
    state_.fault.clear();
    return reader_.read(in, value, state_);
  }
  const std::string& fault() const { return state_.fault; }

 private:
  std::shared_ptr<const Schema> writer_;
  struct_detail::StructReader<T> reader_;
  struct_detail::ReadState state_;
};

}  // namespace tidewheel::avro
