#include "tidewheel/formats/json/infer.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "tidewheel/formats/json/decoder.h"
#include "tidewheel/formats/json/reader.h"
#include "tidewheel/types/time.h"

namespace tidewheel {
namespace {

using json_detail::JsonCursor;

constexpr int64_t kJsonRecordsMax = 10'000;
constexpr int32_t kNestedMax = 16;  // what is nested deeper is a string

// What the values of one key have been so far.
struct Guess {
  enum class Kind : uint8_t {
    kNothing,
    kBoolean,
    kBigint,
    kDouble,
    kText,
    kArray,
    kObject,
    kMixed
  };
  Kind kind = Kind::kNothing;
  // Of kText: what all of them are.
  bool date = true;
  bool sql_time = true;
  bool iso_time = true;
  bool with_zone = true;
  bool without_zone = true;
  std::vector<std::string> names;  // of kObject
  std::vector<Guess> children;     // of kObject, or the elements of kArray

  void add(Kind seen) {
    const auto is_number = [](Kind one) { return one == Kind::kBigint || one == Kind::kDouble; };
    if (kind == Kind::kNothing) {
      kind = seen;
    } else if (is_number(kind) && is_number(seen)) {
      kind = std::max(kind, seen);
    } else if (kind != seen) {
      kind = Kind::kMixed;
    }
  }
  void add_text(std::string_view text) {
    add(Kind::kText);
    date = date && parse_date(text).has_value();
    const bool zone = text.ends_with('Z');
    const auto is_time = [&](JsonTimestampFormat format) {
      int64_t ms = 0;
      return json_detail::parse_timestamp_ms(text, format, zone, ms);
    };
    sql_time = sql_time && is_time(JsonTimestampFormat::kSql);
    iso_time = iso_time && is_time(JsonTimestampFormat::kIso8601);
    with_zone &= zone;
    without_zone &= !zone;
  }
  Guess& child(const std::string& name) {
    const auto found = std::find(names.begin(), names.end(), name);
    const auto index = static_cast<size_t>(found - names.begin());
    if (found == names.end()) {
      names.push_back(name);
      children.emplace_back();
    }
    return children[index];
  }
  bool is_time(bool iso) const {
    return kind == Kind::kText && !date && (iso ? iso_time : sql_time) &&
           (with_zone || without_zone);
  }
  size_t count_times(bool iso) const {
    size_t count = is_time(iso) ? 1 : 0;
    for (const Guess& one : children) { count += one.count_times(iso); }
    return count;
  }
  LogicalType type(bool iso) const {
    switch (kind) {
      case Kind::kBoolean: return LogicalType::of(TypeKind::kBoolean);
      case Kind::kBigint: return LogicalType::of(TypeKind::kBigint);
      case Kind::kDouble: return LogicalType::of(TypeKind::kDouble);
      case Kind::kText:
        if (date) { return LogicalType::of(TypeKind::kDate); }
        if (!is_time(iso)) { return LogicalType::string(); }
        return LogicalType::with(with_zone ? TypeKind::kTimestampLtz : TypeKind::kTimestamp, 3);
      case Kind::kArray: return LogicalType::array(children[0].type(iso));
      case Kind::kObject: {
        if (names.empty()) { return LogicalType::string(); }
        std::vector<LogicalType> types;
        for (const Guess& one : children) { types.push_back(one.type(iso)); }
        return LogicalType::row(names, std::move(types));
      }
      case Kind::kNothing:
      case Kind::kMixed: break;
    }
    return LogicalType::string();
  }
};

class InferringReader : private json_detail::JsonReaderBase {
 public:
  InferringReader() : JsonReaderBase({}, "the file") {}

  Result<Guess> read(std::string_view sample, bool whole) {
    Guess root;
    root.kind = Guess::Kind::kObject;
    for (int64_t records = 0; records < kJsonRecordsMax; ++records) {
      size_t taken = 0;
      const JsonNext next = begin_record(sample, whole, taken);
      sample.remove_prefix(taken);
      if (next == JsonNext::kEnd || next == JsonNext::kNeedsBytes) { break; }
      if (next == JsonNext::kFailed || end_record(read_object(root, 0)) != JsonNext::kRow) {
        return status();
      }
    }
    return root;
  }

 private:
  bool read_object(Guess& guess, int32_t depth) {
    return json_detail::read_entries(cursor_, [&](size_t) {
      std::string_view key;
      std::string_view raw;
      return cursor_.take_any_key(key, raw) && read_value(guess.child(std::string(key)), depth + 1);
    });
  }

  bool read_value(Guess& guess, int32_t depth) {
    const char first = cursor_.peek();
    const bool nested = first == '{' || first == '[';
    if (nested && depth < kNestedMax) {
      guess.add(first == '{' ? Guess::Kind::kObject : Guess::Kind::kArray);
      if (first == '{') { return read_object(guess, depth); }
      if (guess.children.empty()) { guess.children.emplace_back(); }
      Guess& element = guess.children[0];
      return json_detail::read_elements(cursor_,
                                        [&](size_t) { return read_value(element, depth + 1); });
    }
    const std::string_view token = cursor_.token();
    std::string_view text;
    int64_t whole = 0;
    if (nested) {
      guess.add(Guess::Kind::kMixed);
    } else if (cursor_.raw_string(text)) {
      if (!cursor_.unescaped(text, text)) { return false; }
      guess.add_text(text);
    } else if (token == "true" || token == "false") {
      guess.add(Guess::Kind::kBoolean);
    } else if (json_detail::parse_whole(token, whole)) {
      guess.add(Guess::Kind::kBigint);
    } else if (token != "null") {
      const bool is_whole = token.find_first_of(".eE") == std::string_view::npos;
      guess.add(is_whole ? Guess::Kind::kMixed : Guess::Kind::kDouble);
    }
    return cursor_.skip_value();
  }
};

}  // namespace

Result<JsonInferred> infer_json(std::string_view sample, bool whole) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const Guess root, InferringReader().read(sample, whole));
  if (root.names.empty()) {
    return invalid_argument(ErrorId::kSqlOption,
                            "there is no record of JSON from which the columns could be taken");
  }
  // One form of points in time for all.
  const bool iso = root.count_times(true) > root.count_times(false);
  JsonInferred made;
  for (size_t i = 0; i < root.names.size(); ++i) {
    made.type.add(root.names[i], root.children[i].type(iso));
  }
  if (iso) { made.options["json.timestamp-format.standard"] = "ISO-8601"; }
  return made;
}

}  // namespace tidewheel
