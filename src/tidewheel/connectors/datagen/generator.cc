#include "tidewheel/connectors/datagen/generator.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tidewheel/types/column_text.h"
#include "tidewheel/types/decimal.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::datagen {
namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
constexpr int64_t kTextLength = 100;
constexpr int64_t kTextLengthMax = 1'000'000;
constexpr int64_t kListLength = 3;
constexpr int64_t kListLengthMax = 100'000;
constexpr int64_t kMsPerDay = 86'400'000;

// What a maker knows of its column.
struct Basis {
  LogicalType type;
  uint64_t salt = 0;  // of the column's name
  double null_rate = 0;
};

uint64_t next_draw(uint64_t draw) { return mix64(draw + kGolden); }
uint64_t below(uint64_t random, uint64_t bound) {
  return static_cast<uint64_t>((static_cast<UInt128>(random) * bound) >> 64);
}
// Uniform in [0, 1).
double unit(uint64_t random) { return static_cast<double>(random >> 11) * 0x1.0p-53; }

class RandomMaker : public ValueMaker {
 public:
  explicit RandomMaker(Basis basis) : basis_(std::move(basis)) {}
  void fill(std::span<const uint64_t> ids, const Moment& moment, Column& column,
            uint32_t at) const override {
    const std::vector<uint64_t> draws = draws_of(ids, moment);
    make(draws, moment, column, at);
    put_nulls(draws, column, at);
  }

 protected:
  std::vector<uint64_t> draws_of(std::span<const uint64_t> ids, const Moment& moment) const {
    const uint64_t key = mix64(moment.seed ^ basis_.salt);
    std::vector<uint64_t> draws(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) { draws[i] = mix64(ids[i] * kGolden + key); }
    return draws;
  }
  void put_nulls(const std::vector<uint64_t>& draws, Column& column, uint32_t at) const {
    if (basis_.null_rate <= 0) { return; }
    for (size_t i = 0; i < draws.size(); ++i) {
      if (unit(mix64(~draws[i])) < basis_.null_rate) {
        column.set_null(at + static_cast<uint32_t>(i));
      }
    }
  }
  // One value for each draw.
  virtual void make(std::span<const uint64_t> draws, const Moment& moment, Column& column,
                    uint32_t at) const = 0;
  const LogicalType& type() const { return basis_.type; }

 private:
  const Basis basis_;
};

// Whole numbers, by their bytes: int8_t to int64_t, Int128, truth values.
template <class T>
class IntegerMaker final : public RandomMaker {
 public:
  IntegerMaker(Basis basis, T min, T max)
      : RandomMaker(std::move(basis)),
        min_(min),
        span_(static_cast<UInt128>(static_cast<Int128>(max)) -
              static_cast<UInt128>(static_cast<Int128>(min)) + 1) {}

 protected:
  void make(std::span<const uint64_t> draws, const Moment&, Column& column,
            uint32_t at) const override {
    T* const values = column.values<T>() + at;
    for (size_t i = 0; i < draws.size(); ++i) {
      values[i] = static_cast<T>(static_cast<UInt128>(static_cast<Int128>(min_)) + draw(draws[i]));
    }
  }

 private:
  UInt128 draw(uint64_t random) const {
    if (span_ <= UINT64_MAX) { return below(random, static_cast<uint64_t>(span_)); }
    const UInt128 wide = static_cast<UInt128>(random) << 64 | next_draw(random);
    return span_ == 0 ? wide : wide % span_;
  }
  const T min_;
  const UInt128 span_;
};

template <class T>
class RealMaker final : public RandomMaker {
 public:
  RealMaker(Basis basis, double min, double max)
      : RandomMaker(std::move(basis)), min_(min), max_(max) {}

 protected:
  void make(std::span<const uint64_t> draws, const Moment&, Column& column,
            uint32_t at) const override {
    T* const values = column.values<T>() + at;
    for (size_t i = 0; i < draws.size(); ++i) {
      const double part = unit(draws[i]);
      values[i] = static_cast<T>(min_ * (1 - part) + max_ * part);
    }
  }

 private:
  const double min_;
  const double max_;
};

// Times of the past, as far back as `max_past_ms`; dates and times of day are those of now.
class TimeMaker final : public RandomMaker {
 public:
  TimeMaker(Basis basis, int64_t max_past_ms)
      : RandomMaker(std::move(basis)), past_(static_cast<uint64_t>(max_past_ms) + 1) {}

 protected:
  void make(std::span<const uint64_t> draws, const Moment& moment, Column& column,
            uint32_t at) const override {
    if (!type().is_timestamp()) {
      int32_t* const values = column.values<int32_t>() + at;
      const int64_t value =
          type().kind == TypeKind::kDate ? moment.wall_ms / kMsPerDay : moment.wall_ms % kMsPerDay;
      std::fill_n(values, draws.size(), static_cast<int32_t>(value));
      return;
    }
    const int64_t units_per_ms = type().units_per_second() / 1000;
    int64_t* const values = column.values<int64_t>() + at;
    for (size_t i = 0; i < draws.size(); ++i) {
      values[i] = (moment.wall_ms - static_cast<int64_t>(below(draws[i], past_))) * units_per_ms;
    }
  }

 private:
  const uint64_t past_;
};

// Hexadecimal digits, or bytes.
class TextMaker final : public RandomMaker {
 public:
  TextMaker(Basis basis, int64_t length_min, int64_t length_max)
      : RandomMaker(std::move(basis)),
        length_min_(static_cast<size_t>(length_min)),
        length_max_(static_cast<size_t>(length_max)) {}

 protected:
  void make(std::span<const uint64_t> draws, const Moment& moment, Column& column,
            uint32_t at) const override {
    Text* const texts = column.values<Text>() + at;
    const bool is_bytes = type().is_bytes();
    for (size_t i = 0; i < draws.size(); ++i) {
      uint64_t random = draws[i];
      const size_t length = length_min_ + below(random, length_max_ - length_min_ + 1);
      char* const bytes = moment.arena->allocate(length);
      size_t left = 0;
      for (size_t k = 0; k < length; ++k, --left) {
        if (left == 0) {
          random = next_draw(random);
          left = is_bytes ? 8 : 16;
        }
        bytes[k] = is_bytes ? static_cast<char>(random >> 8 * (left - 1))
                            : "0123456789abcdef"[random >> 4 * (left - 1) & 15];
      }
      texts[i] = Text(bytes, length);
    }
  }

 private:
  const size_t length_min_;
  const size_t length_max_;
};

using Makers = std::vector<std::shared_ptr<const ValueMaker>>;

// Fields of the same row numbers, so that they may be sequences.
class RowMaker final : public RandomMaker {
 public:
  RowMaker(Basis basis, Makers fields)
      : RandomMaker(std::move(basis)), fields_(std::move(fields)) {}

  std::optional<int64_t> rows() const override {
    std::optional<int64_t> least;
    for (const auto& field : fields_) {
      const std::optional<int64_t> rows = field->rows();
      if (rows.has_value()) { least = std::min(*rows, least.value_or(*rows)); }
    }
    return least;
  }
  void fill(std::span<const uint64_t> ids, const Moment& moment, Column& column,
            uint32_t at) const override {
    for (size_t i = 0; i < fields_.size(); ++i) {
      fields_[i]->fill(ids, moment, column.child(i), at);
    }
    put_nulls(draws_of(ids, moment), column, at);
  }

 protected:
  void make(std::span<const uint64_t>, const Moment&, Column&, uint32_t) const override {}

 private:
  const Makers fields_;
};

// Arrays: as many elements as asked for. Maps and multisets: fewer when the same key is drawn
// twice; keys that are lists or rows are not compared.
class ListMaker final : public RandomMaker {
 public:
  ListMaker(Basis basis, int64_t length, Makers elements)
      : RandomMaker(std::move(basis)),
        length_(static_cast<uint32_t>(length)),
        elements_(std::move(elements)) {}

 protected:
  void make(std::span<const uint64_t> draws, const Moment& moment, Column& column,
            uint32_t at) const override {
    for (size_t i = 0; i < draws.size(); ++i) {
      if (type().kind == TypeKind::kArray) {
        make_array(draws[i], moment, column);
      } else {
        make_distinct(draws[i], moment, column);
      }
      column.offsets()[at + i + 1] = column.child_rows();
    }
  }

 private:
  void make_array(uint64_t draw, const Moment& moment, Column& column) const {
    std::vector<uint64_t> ids(length_);
    for (uint64_t& id : ids) { id = draw = next_draw(draw); }
    const uint32_t begin = column.child_rows();
    column.child(0).ensure(begin + length_);
    elements_[0]->fill(ids, moment, column.child(0), begin);
    column.set_child_rows(begin + length_);
  }
  void make_distinct(uint64_t draw, const Moment& moment, Column& column) const {
    std::vector<uint64_t> seen;
    for (uint32_t i = 0; i < length_; ++i) {
      const uint64_t id = draw = next_draw(draw);
      const uint32_t end = column.child_rows();
      Column& keys = column.child(0);
      keys.ensure(end + 1);
      elements_[0]->fill({&id, 1}, moment, keys, end);
      if (keys.type().children.empty()) {
        uint64_t hash = 0;
        hash_rows(keys.type(), keys.view(), end, end + 1, false, &hash);
        if (std::find(seen.begin(), seen.end(), hash) != seen.end()) { continue; }
        seen.push_back(hash);
      }
      Column& values = column.child(1);
      values.ensure(end + 1);
      if (elements_.size() > 1) {
        elements_[1]->fill({&id, 1}, moment, values, end);
      } else {
        values.values<int32_t>()[end] = 1;  // how often a multiset has it
      }
      column.set_child_rows(end + 1);
    }
  }
  const uint32_t length_;
  const Makers elements_;  // or keys and values
};

// start, start + 1, .. end, once.
class SequenceMaker final : public ValueMaker {
 public:
  SequenceMaker(LogicalType type, int64_t start, int64_t end)
      : type_(std::move(type)), start_(start), end_(end) {}

  std::optional<int64_t> rows() const override {
    return start_ > end_ ? 0 : saturated_count(start_, end_);
  }
  void fill(std::span<const uint64_t> ids, const Moment& moment, Column& column,
            uint32_t at) const override {
    if (column.physical() == Physical::kText) {
      char buffer[kScalarTextBytesMax];
      for (size_t i = 0; i < ids.size(); ++i) {
        const char* const end = write_integer_text(buffer, value(ids[i]));
        column.values<Text>()[at + i] =
            moment.arena->copy({buffer, static_cast<size_t>(end - buffer)});
      }
      return;
    }
    const Int128 scale = detail::power_of_ten(type_.scale);
    with_physical(column.physical(), [&]<class T>() {
      if constexpr (!std::is_same_v<T, Text>) {
        T* const values = column.values<T>() + at;
        for (size_t i = 0; i < ids.size(); ++i) {
          values[i] = static_cast<T>(value(ids[i]) * scale);
        }
      }
    });
  }

 private:
  static int64_t saturated_count(int64_t start, int64_t end) {
    const Int128 count = static_cast<Int128>(end) - start + 1;
    return count > INT64_MAX ? INT64_MAX : static_cast<int64_t>(count);
  }
  int64_t value(uint64_t id) const {
    return static_cast<int64_t>(static_cast<uint64_t>(start_) + id);
  }
  const LogicalType type_;
  const int64_t start_;
  const int64_t end_;
};

// ---- From options

using MakerRef = std::shared_ptr<const ValueMaker>;

struct Range {
  int64_t least;
  int64_t most;
};
Range range_of(const LogicalType& type) {
  switch (type.kind) {
    case TypeKind::kTinyint: return {INT8_MIN, INT8_MAX};
    case TypeKind::kSmallint: return {INT16_MIN, INT16_MAX};
    case TypeKind::kInt:
    case TypeKind::kIntervalMonth: return {INT32_MIN, INT32_MAX};
    case TypeKind::kDecimal: {
      const Int128 limit = detail::power_of_ten(std::min(type.precision - type.scale, 18)) - 1;
      return {-static_cast<int64_t>(limit), static_cast<int64_t>(limit)};
    }
    case TypeKind::kBoolean: return {0, 1};
    default: return {INT64_MIN, INT64_MAX};
  }
}

// Reads the options of one column.
class MakerReader {
 public:
  MakerReader(const std::string& prefix, const LogicalType& type, bool in_list,
              TableOptions& options)
      : prefix_(prefix), type_(type), in_list_(in_list), options_(options) {}

  // After an error, which is noted, any maker.
  MakerRef read_or_any() {
    MakerRef made = read();
    return made != nullptr ? made : std::make_shared<SequenceMaker>(type_, 0, 0);
  }

 private:
  MakerRef read() {
    know({"kind"});
    if (options_.choice(key("kind"), {"random", "sequence"}, 0) == 1) { return sequence(); }
    know({"null-rate"});
    const double null_rate = options_.real(key("null-rate"), 0);
    if (!(null_rate >= 0 && null_rate <= 1)) {
      options_.fail(key("null-rate"), "must be from 0 to 1");
    } else if (null_rate > 0 && !type_.nullable) {
      options_.fail(key("null-rate"), "the column is NOT NULL");
    }
    basis_ = {type_, hash64(std::string_view(prefix_)), null_rate};
    return random();
  }
  std::string key(const std::string& name) const { return prefix_ + "." + name; }
  void know(const std::vector<std::string>& names) {
    for (const std::string& name : names) { options_.add_known({{key(name)}}); }
  }

  // Of an element or a field.
  MakerRef maker_of(const std::string& name, const LogicalType& type, bool in_list) {
    return MakerReader(name, type, in_list, options_).read_or_any();
  }

  MakerRef sequence() {
    if (in_list_) {
      options_.fail(key("kind"), "elements can't be a sequence");
      return nullptr;
    }
    if (!type_.is_numeric() && !type_.is_character()) {
      options_.fail(key("kind"),
                    "a sequence is for numbers and strings; the column is " + type_.to_string());
      return nullptr;
    }
    options_.add_known({{key("start"), true}, {key("end"), true}});
    const Range range = range_of(type_);
    const int64_t start = options_.number(key("start"), 0, range.least, range.most);
    const int64_t end = options_.number(key("end"), 0, range.least, range.most);
    return std::make_shared<SequenceMaker>(type_, start, end);
  }

  MakerRef random() {
    switch (type_.kind) {
      case TypeKind::kBoolean: return std::make_shared<IntegerMaker<uint8_t>>(basis_, 0, 1);
      case TypeKind::kTinyint: return integer<int8_t>();
      case TypeKind::kSmallint: return integer<int16_t>();
      case TypeKind::kInt: return integer<int32_t>();
      case TypeKind::kBigint: return integer<int64_t>();
      case TypeKind::kIntervalMonth: return integer<int32_t>(0, 120'000);
      case TypeKind::kIntervalSecond: return integer<int64_t>(0, 36'525 * kMsPerDay);
      case TypeKind::kFloat: return real<float>();
      case TypeKind::kDouble: return real<double>();
      case TypeKind::kDecimal: return decimal();
      case TypeKind::kChar:
      case TypeKind::kBinary:
        return std::make_shared<TextMaker>(basis_, type_.precision, type_.precision);
      case TypeKind::kVarchar:
      case TypeKind::kVarbinary: return text();
      case TypeKind::kDate:
      case TypeKind::kTime: return std::make_shared<TimeMaker>(basis_, 0);
      case TypeKind::kTimestamp:
      case TypeKind::kTimestampLtz: return timestamp();
      case TypeKind::kArray:
      case TypeKind::kMultiset:
      case TypeKind::kMap: return list();
      case TypeKind::kRow: return row();
      case TypeKind::kNull: break;
    }
    options_.fail(key("kind"), "columns of type " + type_.to_string() + " can't be made");
    return nullptr;
  }

  template <class T>
  MakerRef integer() {
    const Range range = range_of(type_);
    return integer<T>(range.least, range.most);
  }
  template <class T>
  MakerRef integer(int64_t least, int64_t most) {
    know({"min", "max"});
    const Range range = range_of(type_);
    const int64_t min = options_.number(key("min"), least, range.least, range.most);
    const int64_t max = options_.number(key("max"), most, range.least, range.most);
    if (min > max) { options_.fail(key("min"), "must not be above the maximum"); }
    return std::make_shared<IntegerMaker<T>>(basis_, static_cast<T>(min), static_cast<T>(max));
  }
  template <class T>
  MakerRef real() {
    know({"min", "max"});
    constexpr double kMost = std::numeric_limits<T>::max();
    const double min = options_.real(key("min"), -kMost);
    const double max = options_.real(key("max"), kMost);
    if (!(min <= max) || !(std::abs(min) <= kMost) || !(std::abs(max) <= kMost)) {
      options_.fail(key("min"), "must be a finite number, not above the maximum");
    }
    return std::make_shared<RealMaker<T>>(basis_, min, max);
  }
  MakerRef decimal() {
    know({"min", "max"});
    const Int128 most = detail::power_of_ten(type_.precision) - 1;
    const Int128 min = decimal_option("min", -most);
    const Int128 max = decimal_option("max", most);
    if (min > max) { options_.fail(key("min"), "must not be above the maximum"); }
    if (type_.physical() == Physical::kInt64) {
      return std::make_shared<IntegerMaker<int64_t>>(basis_, static_cast<int64_t>(min),
                                                     static_cast<int64_t>(max));
    }
    return std::make_shared<IntegerMaker<Int128>>(basis_, min, max);
  }
  Int128 decimal_option(const std::string& name, Int128 fallback) {
    if (!options_.has(key(name))) { return fallback; }
    const std::string text = options_.text(key(name));
    const auto value = detail::parse_decimal(text, type_.precision, type_.scale);
    if (!value.has_value()) { options_.fail(key(name), "must be a " + type_.to_string()); }
    return value.value_or(fallback);
  }
  MakerRef text() {
    know({"length", "var-len"});
    const int64_t most = std::min<int64_t>(type_.precision, kTextLengthMax);
    const int64_t length = options_.number(key("length"), std::min(most, kTextLength), 1, most);
    const bool varies = options_.flag(key("var-len"), false);
    return std::make_shared<TextMaker>(basis_, varies ? 1 : length, length);
  }
  MakerRef timestamp() {
    know({"max-past"});
    const int64_t past_ms = options_.duration(key("max-past"), Duration(0)).count();
    return std::make_shared<TimeMaker>(basis_, std::max<int64_t>(past_ms, 0));
  }
  MakerRef list() {
    know({"length"});
    const int64_t length = options_.number(key("length"), kListLength, 0, kListLengthMax);
    Makers elements;
    if (type_.kind == TypeKind::kMap) {
      elements.push_back(maker_of(key("key"), type_.children[0], true));
      elements.push_back(maker_of(key("value"), type_.children[1], true));
    } else {
      elements.push_back(maker_of(key("element"), type_.children[0], true));
    }
    return std::make_shared<ListMaker>(basis_, length, std::move(elements));
  }
  MakerRef row() {
    Makers fields;
    for (size_t i = 0; i < type_.children.size(); ++i) {
      fields.push_back(maker_of(key(type_.names[i]), type_.children[i], in_list_));
    }
    return std::make_shared<RowMaker>(basis_, std::move(fields));
  }

  const std::string& prefix_;
  const LogicalType& type_;
  const bool in_list_;  // its ids are no row numbers
  TableOptions& options_;
  Basis basis_;
};

}  // namespace

std::shared_ptr<const ValueMaker> make_maker(const std::string& name, const LogicalType& type,
                                             TableOptions& options) {
  return MakerReader(name, type, false, options).read_or_any();
}

}  // namespace tidewheel::datagen
