// JSON: texts are looked into with paths (json_path.h), and made of values. What JSON_VALUE and the
// others are asked to do besides comes as literals, put there by the binder (bind_json.cc).
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/sql/cast.h"
#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/json_path.h"
#include "tidewheel/sql/json_value.h"

namespace tidewheel::sql {
namespace {

using MadeKernel = Result<std::unique_ptr<Kernel>>;

std::string_view text_at(const ColumnView& column, uint32_t row) {
  return column.at<Text>(row).view();
}

// The word in a literal argument.
std::string word_of(const KernelSetup& setup, size_t argument) {
  return setup.literals[argument]->text();
}

Status failed(std::string_view what) { return invalid_argument(ErrorId::kSqlValue, "{}", what); }

// A rule by which the arguments at these places have to be words, as the binder makes them.
SignatureRule with_words(std::vector<size_t> places, SignatureRule rule) {
  return [places = std::move(places),
          rule = std::move(rule)](std::span<const Argument> arguments) -> Result<Signature> {
    for (const size_t place : places) {
      const bool is_word = place < arguments.size() && arguments[place].type.is_character() &&
                           arguments[place].literal != nullptr &&
                           !arguments[place].literal->is_null();
      if (!is_word) { return not_these(); }
    }
    return rule(arguments);
  };
}

// Rules for calls that the binder makes: it has given the right arguments.
SignatureRule json_rule(size_t texts, LogicalType result) {
  return [texts, result](std::span<const Argument> arguments) -> Result<Signature> {
    if (arguments.size() < texts) { return not_these(); }
    Signature signature;
    signature.result = result;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const LogicalType& type = arguments[i].type;
      if (i < texts && !type.is_character() && type.kind != TypeKind::kNull) { return not_these(); }
      const bool is_null = i < texts && type.kind == TypeKind::kNull;
      signature.arguments.push_back(is_null ? LogicalType::string() : type);
    }
    return signature;
  };
}

// ---- Looking

// What a path leads to in a row's text.
struct Found {
  bool is_error = false;  // of a strict path: the text is none, or the path leads nowhere
  // It leads to nothing, or to null.
  bool is_empty = false;
  bool is_lax = false;
  bool is_list = false;  // `nodes` are the elements of a list
  std::span<const uint32_t> nodes;
};

class PathKernel : public Kernel {
 public:
  // The path of all rows, when it is a literal. Errors: kSqlValue.
  Status open(const KernelSetup& setup) {
    if (setup.literals[1] == nullptr || setup.literals[1]->is_null()) { return ok_status(); }
    TIDEWHEEL_ASSIGN_OR_RETURN(constant_, JsonPath::parse(setup.literals[1]->text()));
    return ok_status();
  }

 protected:
  bool is_null(const KernelCall& call, uint32_t row) const {
    return call.arguments[0].is_null(row) || call.arguments[1].is_null(row);
  }

  Found find(const KernelCall& call, uint32_t row) {
    Found found;
    const JsonPath* const path = path_of(text_at(call.arguments[1], row));
    if (path == nullptr) {
      found.is_error = true;
      return found;
    }
    found.is_lax = path->is_lax;
    if (!document_.parse(text_at(call.arguments[0], row))) {
      (path->is_lax ? found.is_empty : found.is_error) = true;
      return found;
    }
    const bool leads = matches_.find(document_, *path);
    found.nodes = matches_.nodes();
    found.is_list = !path->is_definite;
    if (!leads && !path->is_lax) { found.is_error = true; }
    if (found.is_list) { return found; }
    found.is_empty = found.nodes.empty() || document_.node(found.nodes[0]).kind == JsonKind::kNull;
    return found;
  }

  const JsonDocument& document() const { return document_; }
  bool is_scalar(const Found& found) const {
    return !found.is_list && document_.node(found.nodes[0]).is_scalar();
  }

 private:
  // Null when the text is no path.
  const JsonPath* path_of(std::string_view text) {
    if (constant_.has_value()) { return &*constant_; }
    if (!row_path_.has_value() || row_text_ != text) {
      row_text_ = text;
      row_path_.reset();
      Result<JsonPath> parsed = JsonPath::parse(text);
      if (!parsed.ok()) { return nullptr; }
      row_path_ = std::move(*parsed);
    }
    return &*row_path_;
  }

  std::optional<JsonPath> constant_;
  std::string row_text_;
  std::optional<JsonPath> row_path_;
  JsonDocument document_;
  JsonMatches matches_;
};

template <class K>
MadeKernel path_kernel(const KernelSetup& setup) {
  auto kernel = std::make_unique<K>(setup);
  TIDEWHEEL_RETURN_IF_ERROR(kernel->open(setup));
  return std::unique_ptr<Kernel>(std::move(kernel));
}

// JSON_EXISTS(json, path, on error)
class ExistsKernel final : public PathKernel {
 public:
  explicit ExistsKernel(const KernelSetup& setup) : on_error_(word_of(setup, 2)) {}

  Status run(const KernelCall& call) override {
    uint8_t* const out = call.result->values<uint8_t>();
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = 0;
      if (!call.is_active(row)) { continue; }
      if (is_null(call, row)) {
        call.result->set_null(row);
        continue;
      }
      const Found found = find(call, row);
      if (!found.is_error) {
        out[row] = found.is_empty ? 0 : 1;
      } else if (on_error_ == "UNKNOWN") {
        call.result->set_null(row);
      } else if (on_error_ == "ERROR") {
        return failed("the text is no JSON, or the path of JSON_EXISTS leads nowhere in it");
      } else {
        out[row] = on_error_ == "TRUE" ? 1 : 0;
      }
    }
    return ok_status();
  }

 private:
  const std::string on_error_;
};

// JSON_VALUE(json, path, on empty, default, on error, default, type of the result)
class ValueKernel final : public PathKernel {
 public:
  explicit ValueKernel(const KernelSetup& setup)
      : on_empty_(word_of(setup, 2)),
        on_error_(word_of(setup, 4)),
        is_whole_(setup.result.is_integer()),
        texts_(LogicalType::string()),
        values_(setup.result) {}

  // Turns texts into what is RETURNING; null: they are that.
  Status set_cast(const KernelSetup& setup) {
    const LogicalType text = LogicalType::string();
    if (is_same_in_memory(text, setup.result)) { return ok_status(); }
    TIDEWHEEL_ASSIGN_OR_RETURN(cast_, make_cast(text, setup.result, true, setup.options));
    return ok_status();
  }

  Status run(const KernelCall& call) override {
    TIDEWHEEL_RETURN_IF_ERROR(read(call));
    if (cast_ != nullptr) { TIDEWHEEL_RETURN_IF_ERROR(convert(call)); }
    const ColumnView values = (cast_ == nullptr ? texts_ : values_).view();
    for (uint32_t row = 0; row < call.rows; ++row) {
      const ColumnView* from = &values;
      switch (states_[row]) {
        case State::kNull: put_null(call, row); continue;
        case State::kValue: break;
        case State::kEmpty:
        case State::kError: {
          const bool is_empty = states_[row] == State::kEmpty;
          const std::string& instead = is_empty ? on_empty_ : on_error_;
          if (instead == "ERROR") {
            return failed(is_empty ? "JSON_VALUE finds no value at its path"
                                   : "JSON_VALUE finds no JSON, nothing at its path, or no scalar "
                                     "of the type that is wanted");
          }
          if (instead == "NULL") {
            put_null(call, row);
            continue;
          }
          from = &call.arguments[is_empty ? 3 : 5];
        }
      }
      copy_rows(*from, row, row + 1, *call.result, row);
    }
    return ok_status();
  }

 private:
  enum class State : uint8_t { kNull, kValue, kEmpty, kError };

  static void put_null(const KernelCall& call, uint32_t row) { call.result->append_null(row); }

  // Finds the scalars, as texts.
  Status read(const KernelCall& call) {
    texts_.clear();
    texts_.ensure(call.rows);
    states_.assign(call.rows, State::kNull);
    Text* const texts = texts_.values<Text>();
    for (uint32_t row = 0; row < call.rows; ++row) {
      texts[row] = Text();
      if (!call.is_active(row) || is_null(call, row)) { continue; }
      const Found found = find(call, row);
      if (found.is_error) {
        states_[row] = State::kError;
      } else if (found.is_empty) {
        states_[row] = State::kEmpty;
      } else if (!is_scalar(found)) {
        states_[row] = found.is_lax ? State::kEmpty : State::kError;
      } else {
        states_[row] = put_text(document().node(found.nodes[0]), texts[row], *call.arena);
      }
    }
    return ok_status();
  }

  // Parts of the row's text are not copied.
  State put_text(const JsonNode& node, Text& out, Arena& arena) {
    buffer_.clear();
    switch (node.kind) {
      case JsonKind::kTrue: out = Text("true"); break;
      case JsonKind::kFalse: out = Text("false"); break;
      case JsonKind::kNumber:
        // A cast would cut off the fraction.
        if (is_whole_ && node.text.find_first_of(".eE") != std::string_view::npos) {
          return State::kError;
        }
        append_json_number(buffer_, node.text);
        out = buffer_ == node.text ? Text(node.text) : arena.copy(buffer_);
        break;
      default: out = node.has_escapes ? arena.copy(unescaped(node, buffer_)) : Text(node.text);
    }
    return State::kValue;
  }

  Status convert(const KernelCall& call) {
    values_.clear();
    values_.ensure(call.rows);
    active_.resize(call.rows);
    for (uint32_t row = 0; row < call.rows; ++row) { active_[row] = states_[row] == State::kValue; }
    const ColumnView texts = texts_.view();
    KernelCall cast = call;
    cast.active = active_.data();
    cast.arguments = {&texts, 1};
    cast.result = &values_;
    TIDEWHEEL_RETURN_IF_ERROR(cast_->run(cast));
    for (uint32_t row = 0; row < call.rows; ++row) {
      if (active_[row] != 0 && values_.is_null(row)) { states_[row] = State::kError; }
    }
    return ok_status();
  }

  const std::string on_empty_;
  const std::string on_error_;
  const bool is_whole_;
  std::unique_ptr<Kernel> cast_;
  Column texts_;
  Column values_;
  std::vector<State> states_;
  std::vector<uint8_t> active_;
  std::string buffer_;
};

MadeKernel value_maker(const KernelSetup& setup) {
  auto kernel = std::make_unique<ValueKernel>(setup);
  TIDEWHEEL_RETURN_IF_ERROR(kernel->open(setup));
  TIDEWHEEL_RETURN_IF_ERROR(kernel->set_cast(setup));
  return std::unique_ptr<Kernel>(std::move(kernel));
}

// JSON_QUERY(json, path, wrapper, on empty, on error, type of the result)
class QueryKernel final : public PathKernel {
 public:
  explicit QueryKernel(const KernelSetup& setup)
      : wrapper_(word_of(setup, 2)),
        on_empty_(word_of(setup, 3)),
        on_error_(word_of(setup, 4)),
        gives_array_(setup.result.kind == TypeKind::kArray) {}

  Status run(const KernelCall& call) override {
    for (uint32_t row = 0; row < call.rows; ++row) {
      if (!call.is_active(row) || is_null(call, row)) {
        call.result->append_null(row);
        continue;
      }
      const Found found = find(call, row);
      bool is_error = found.is_error;
      bool is_empty = !is_error && found.is_empty;
      if (!is_error && !is_empty && wrapper_ == "WITHOUT" && is_scalar(found)) {
        (found.is_lax ? is_empty : is_error) = true;
      }
      if (!is_error && !is_empty && gives_array_ && !put_array(call, row, found)) {
        is_error = true;
      }
      if (is_error || is_empty) {
        TIDEWHEEL_RETURN_IF_ERROR(put_instead(call, row, is_empty ? on_empty_ : on_error_));
      } else if (!gives_array_) {
        put_text(call, row, found);
      }
    }
    return ok_status();
  }

 private:
  bool wraps(const Found& found) const {
    if (wrapper_ == "WITHOUT") { return false; }
    const bool is_array = found.is_list || document().node(found.nodes[0]).kind == JsonKind::kArray;
    return wrapper_ == "UNCONDITIONAL" || !is_array;
  }

  void put_text(const KernelCall& call, uint32_t row, const Found& found) {
    const bool wrapped = wraps(found);
    out_ = wrapped ? "[" : "";
    if (found.is_list) { out_ += '['; }
    for (size_t i = 0; i < found.nodes.size(); ++i) {
      if (i > 0) { out_ += ','; }
      append_json(out_, document(), found.nodes[i]);
    }
    if (found.is_list) { out_ += ']'; }
    if (wrapped) { out_ += ']'; }
    call.result->values<Text>()[row] = call.arena->copy(out_);
  }

  // The elements, scalars as they are and all else as JSON; false when there is no array.
  bool put_array(const KernelCall& call, uint32_t row, const Found& found) {
    std::vector<uint32_t> elements(found.nodes.begin(), found.nodes.end());
    const bool is_array =
        !found.is_list && document().node(found.nodes[0]).kind == JsonKind::kArray;
    if (wrapper_ == "UNCONDITIONAL" && (is_array || found.is_list)) {
      out_.clear();
      std::swap(out_, list_text_);
      append_list_text(found);
      return put_texts(call, row, {list_text_});
    }
    if (is_array) {
      const uint32_t array = elements[0];
      elements.clear();
      uint32_t at = JsonDocument::first_of(array);
      for (uint32_t i = 0; i < document().node(array).size; ++i) {
        elements.push_back(at);
        at = document().next_of(at);
      }
    } else if (!found.is_list && wrapper_ == "WITHOUT") {
      return false;
    }
    std::vector<std::optional<std::string>> texts;
    for (const uint32_t element : elements) { texts.push_back(element_text(element)); }
    return put_texts(call, row, texts);
  }

  void append_list_text(const Found& found) {
    list_text_ = found.is_list ? "[" : "";
    for (size_t i = 0; i < found.nodes.size(); ++i) {
      if (i > 0) { list_text_ += ','; }
      append_json(list_text_, document(), found.nodes[i]);
    }
    if (found.is_list) { list_text_ += ']'; }
  }

  std::optional<std::string> element_text(uint32_t element) {
    const JsonNode& node = document().node(element);
    if (node.kind == JsonKind::kNull) { return std::nullopt; }
    std::string text;
    if (node.kind == JsonKind::kString) { return std::string(unescaped(node, text)); }
    append_json(text, document(), element);
    return text;
  }

  static bool put_texts(const KernelCall& call, uint32_t row,
                        const std::vector<std::optional<std::string>>& texts) {
    Column& list = *call.result;
    Column& child = list.child(0);
    uint32_t at = list.child_rows();
    list.offsets()[row] = at;
    for (const std::optional<std::string>& text : texts) {
      child.ensure(at + 1);
      if (text.has_value()) {
        child.values<Text>()[at] = call.arena->copy(*text);
      } else {
        child.set_null(at);
      }
      ++at;
    }
    list.set_child_rows(at);
    list.offsets()[row + 1] = at;
    return true;
  }

  Status put_instead(const KernelCall& call, uint32_t row, const std::string& instead) {
    if (instead == "ERROR") {
      return failed("JSON_QUERY finds no JSON, or no array or object at its path");
    }
    if (instead == "NULL") {
      call.result->append_null(row);
    } else if (gives_array_) {
      put_texts(call, row, {});
    } else {
      call.result->values<Text>()[row] = Text(instead == "ARRAY" ? "[]" : "{}");
    }
    return ok_status();
  }

  const std::string wrapper_;
  const std::string on_empty_;
  const std::string on_error_;
  const bool gives_array_;
  std::string out_;
  std::string list_text_;
};

// ---- Tests

template <class Test>
KernelMaker json_test(Test test) {
  return by_row([test, document = JsonDocument()](Out<uint8_t>& out, const Text* text) mutable {
    out.set(text != nullptr && document.parse(text->view()) && test(document.node(0).kind) ? 1 : 0);
  });
}

void add_tests(FunctionTable& table) {
  const auto any = [](JsonKind) { return true; };
  table.define("IS JSON", kCarefulNullAware, {"string -> boolean!"}, {json_test(any)});
  table.define("IS JSON VALUE", kCarefulNullAware, {"string -> boolean!"}, {json_test(any)});
  table.define("IS JSON SCALAR", kCarefulNullAware, {"string -> boolean!"},
               {json_test([](JsonKind kind) { return kind < JsonKind::kArray; })});
  table.define("IS JSON ARRAY", kCarefulNullAware, {"string -> boolean!"},
               {json_test([](JsonKind kind) { return kind == JsonKind::kArray; })});
  table.define("IS JSON OBJECT", kCarefulNullAware, {"string -> boolean!"},
               {json_test([](JsonKind kind) { return kind == JsonKind::kObject; })});
}

// ---- Making

class StringKernel final : public Kernel {
 public:
  explicit StringKernel(const KernelSetup& setup) : type_(setup.arguments[0]) {}
  Status run(const KernelCall& call) override {
    Text* const out = call.result->values<Text>();
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = Text();
      if (!call.is_active(row)) { continue; }
      buffer_.clear();
      append_json_value(buffer_, type_, call.arguments[0], row);
      out[row] = call.arena->copy(buffer_);
    }
    return ok_status();
  }

 private:
  const LogicalType type_;
  std::string buffer_;
};

// JSON_OBJECT and JSON_ARRAY(what becomes of NULLs, 'v' or 'j' for each value, keys and values).
// A value of 'j' is JSON already.
class ConstructorKernel final : public Kernel {
 public:
  ConstructorKernel(const KernelSetup& setup, bool is_object)
      : types_(setup.arguments.begin(), setup.arguments.end()),
        keeps_nulls_(word_of(setup, 0) == "NULL"),
        forms_(word_of(setup, 1)),
        is_object_(is_object) {}

  Status run(const KernelCall& call) override {
    Text* const out = call.result->values<Text>();
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = Text();
      if (!call.is_active(row)) { continue; }
      buffer_.clear();
      if (is_object_) {
        TIDEWHEEL_RETURN_IF_ERROR(put_object(call, row));
      } else {
        put_array(call, row);
      }
      out[row] = call.arena->copy(buffer_);
    }
    return ok_status();
  }

 private:
  static constexpr size_t kFirst = 2;

  void append(std::string& out, const KernelCall& call, size_t argument, size_t value,
              uint32_t row) const {
    const ColumnView& column = call.arguments[argument];
    if (forms_[value] == 'j' && !column.is_null(row)) {
      out += text_at(column, row);
    } else {
      append_json_value(out, types_[argument], column, row);
    }
  }
  bool leaves_out(const KernelCall& call, size_t argument, uint32_t row) const {
    return !keeps_nulls_ &&
           (types_[argument].kind == TypeKind::kNull || call.arguments[argument].is_null(row));
  }

  Status put_object(const KernelCall& call, uint32_t row) {
    members_.clear();
    for (size_t i = kFirst; i + 1 < types_.size(); i += 2) {
      if (call.arguments[i].is_null(row)) { return failed("a key of JSON_OBJECT is NULL"); }
      if (leaves_out(call, i + 1, row)) { continue; }
      std::string value;
      append(value, call, i + 1, (i - kFirst) / 2, row);
      members_[std::string(text_at(call.arguments[i], row))] = std::move(value);
    }
    buffer_ = "{";
    for (const auto& [key, value] : members_) {
      if (buffer_.size() > 1) { buffer_ += ','; }
      append_json_string(buffer_, key);
      buffer_ += ':';
      buffer_ += value;
    }
    buffer_ += '}';
    return ok_status();
  }

  void put_array(const KernelCall& call, uint32_t row) {
    buffer_ = "[";
    for (size_t i = kFirst; i < types_.size(); ++i) {
      if (leaves_out(call, i, row)) { continue; }
      if (buffer_.size() > 1) { buffer_ += ','; }
      append(buffer_, call, i, i - kFirst, row);
    }
    buffer_ += ']';
  }

  const std::vector<LogicalType> types_;
  const bool keeps_nulls_;
  const std::string forms_;
  const bool is_object_;
  std::map<std::string, std::string> members_;
  std::string buffer_;
};

// $JSON_MEMBER(what becomes of NULLs, form, key, value): "key":value, or NULL where it is left out.
class MemberKernel final : public Kernel {
 public:
  explicit MemberKernel(const KernelSetup& setup)
      : type_(setup.arguments[3]),
        keeps_nulls_(word_of(setup, 0) == "NULL"),
        is_json_(word_of(setup, 1) == "j") {}

  Status run(const KernelCall& call) override {
    Text* const out = call.result->values<Text>();
    const ColumnView& values = call.arguments[3];
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = Text();
      if (!call.is_active(row)) { continue; }
      if (call.arguments[2].is_null(row)) { return failed("a key of JSON_OBJECTAGG is NULL"); }
      const bool is_null = type_.kind == TypeKind::kNull || values.is_null(row);
      if (is_null && !keeps_nulls_) {
        call.result->set_null(row);
        continue;
      }
      buffer_.clear();
      append_json_string(buffer_, text_at(call.arguments[2], row));
      buffer_ += ':';
      if (is_json_ && !is_null) {
        buffer_ += text_at(values, row);
      } else {
        append_json_value(buffer_, type_, values, row);
      }
      out[row] = call.arena->copy(buffer_);
    }
    return ok_status();
  }

 private:
  const LogicalType type_;
  const bool keeps_nulls_;
  const bool is_json_;
  std::string buffer_;
};

// The end of the string in quotes that a text begins with.
size_t quoted_end(std::string_view text) {
  size_t at = 1;
  while (text[at] != '"') { at += text[at] == '\\' ? 2 : 1; }
  return at + 1;
}

// $JSON_OBJECT_OF(members) and $JSON_ARRAY_OF(elements, what becomes of NULLs)
class WholeKernel final : public Kernel {
 public:
  WholeKernel(const KernelSetup& setup, bool is_object)
      : is_object_(is_object), keeps_nulls_(!is_object && word_of(setup, 1) == "NULL") {}

  Status run(const KernelCall& call) override {
    Text* const out = call.result->values<Text>();
    const ColumnView& lists = call.arguments[0];
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = Text();
      if (!call.is_active(row)) { continue; }
      parts_.clear();
      const uint32_t at = lists.is_constant ? 0 : row;
      for (uint32_t e = lists.offsets[at]; e < lists.offsets[at + 1]; ++e) {
        const bool is_null = lists.children[0].is_null(e);
        if (is_null && !keeps_nulls_) { continue; }
        parts_.push_back(is_null ? "null" : text_at(lists.children[0], e));
      }
      if (is_object_) { TIDEWHEEL_RETURN_IF_ERROR(order_members()); }
      buffer_ = is_object_ ? "{" : "[";
      for (size_t i = 0; i < parts_.size(); ++i) {
        if (i > 0) { buffer_ += ','; }
        buffer_ += parts_[i];
      }
      buffer_ += is_object_ ? '}' : ']';
      out[row] = call.arena->copy(buffer_);
    }
    return ok_status();
  }

 private:
  Status order_members() {
    const auto key_of = [](std::string_view member) {
      return member.substr(1, quoted_end(member) - 2);
    };
    std::sort(parts_.begin(), parts_.end(),
              [&](std::string_view a, std::string_view b) { return key_of(a) < key_of(b); });
    const auto twice = std::adjacent_find(
        parts_.begin(), parts_.end(),
        [&](std::string_view a, std::string_view b) { return key_of(a) == key_of(b); });
    if (twice == parts_.end()) { return ok_status(); }
    return invalid_argument(ErrorId::kSqlValue, "the key '{}' comes twice in JSON_OBJECTAGG",
                            key_of(*twice));
  }

  const bool is_object_;
  const bool keeps_nulls_;
  std::vector<std::string_view> parts_;
  std::string buffer_;
};

void add_aggregate_parts(FunctionTable& table) {
  table.define(
      "$JSON_MEMBER", kCarefulNullAware, "JSON_OBJECTAGG([KEY] key VALUE value)",
      with_words({0, 1},
                 [](std::span<const Argument> arguments) -> Result<Signature> {
                   if (arguments.size() != 4 || !arguments[2].type.is_character()) {
                     return not_these();
                   }
                   return json_rule(2, LogicalType::string())(arguments);
                 }),
      [](const KernelSetup& setup) -> MadeKernel { return std::make_unique<MemberKernel>(setup); });
  const auto whole = [&](const char* name, bool is_object) {
    table.define(
        name, kCareful, "an array of texts",
        [is_object](std::span<const Argument> arguments) -> Result<Signature> {
          if (arguments.size() != (is_object ? 1U : 2U)) { return not_these(); }
          if (arguments[0].type.kind != TypeKind::kArray) { return not_these(); }
          if (!is_object && arguments[1].literal == nullptr) { return not_these(); }
          Signature signature;
          signature.result = LogicalType::string(arguments[0].type.nullable);
          for (const Argument& argument : arguments) {
            signature.arguments.push_back(argument.type);
          }
          return signature;
        },
        [is_object](const KernelSetup& setup) -> MadeKernel {
          return std::make_unique<WholeKernel>(setup, is_object);
        });
  };
  whole("$JSON_OBJECT_OF", true);
  whole("$JSON_ARRAY_OF", false);
}

Result<Signature> object_rule(std::span<const Argument> arguments) {
  if (arguments[1].literal->text().size() * 2 != arguments.size() - 2) { return not_these(); }
  Signature signature;
  signature.result = LogicalType::string(false);
  for (size_t i = 0; i < arguments.size(); ++i) {
    const LogicalType& type = arguments[i].type;
    const bool is_key = i >= 2 && i % 2 == 0;
    if (is_key && !type.is_character()) { return not_these(); }
    signature.arguments.push_back(type);
  }
  return signature;
}

Result<Signature> array_rule(std::span<const Argument> arguments) {
  if (arguments[1].literal->text().size() != arguments.size() - 2) { return not_these(); }
  return json_rule(2, LogicalType::string(false))(arguments);
}

// ASCII with escapes, and \uXXXX for all else.
void append_quoted(std::string& out, std::string_view text) {
  static constexpr std::pair<char, const char*> kEscapes[] = {
      {'"', "\\\""}, {'\\', "\\\\"}, {'/', "\\/"},  {'\b', "\\b"},
      {'\f', "\\f"}, {'\n', "\\n"},  {'\r', "\\r"}, {'\t', "\\t"}};
  const auto append_unit = [&](uint32_t unit) {
    static constexpr char kHex[] = "0123456789abcdef";
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) { out += kHex[(unit >> shift) & 15]; }
  };
  for (size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    if (first < 0x80) {
      const auto* const known =
          std::find_if(std::begin(kEscapes), std::end(kEscapes),
                       [&](const auto& one) { return one.first == text[at]; });
      if (known != std::end(kEscapes)) {
        out += known->second;
      } else if (first < 0x20) {
        append_unit(first);
      } else {
        out += text[at];
      }
      ++at;
      continue;
    }
    const size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    uint32_t code = first & (0xFFU >> (bytes + 1));
    for (size_t i = 1; i < bytes && at + i < text.size(); ++i) {
      code = (code << 6) | (static_cast<unsigned char>(text[at + i]) & 0x3FU);
    }
    at += bytes;
    if (code >= 0x10000) {
      append_unit(0xD800 + ((code - 0x10000) >> 10));
      append_unit(0xDC00 + ((code - 0x10000) & 0x3FF));
    } else {
      append_unit(code);
    }
  }
}

void add_makers(FunctionTable& table) {
  table.define(
      "JSON_STRING", kCareful, "JSON_STRING(value)",
      [](std::span<const Argument> arguments) -> Result<Signature> {
        if (arguments.size() != 1) { return not_these(); }
        return Signature{LogicalType::string(any_nullable(arguments)), {arguments[0].type}};
      },
      [](const KernelSetup& setup) -> MadeKernel { return std::make_unique<StringKernel>(setup); });
  table.define("JSON_OBJECT", kCarefulNullAware, "JSON_OBJECT([KEY key VALUE value, ..])",
               with_words({0, 1}, object_rule), [](const KernelSetup& setup) -> MadeKernel {
                 return std::make_unique<ConstructorKernel>(setup, true);
               });
  table.define("JSON_ARRAY", kCarefulNullAware, "JSON_ARRAY([value, ..])",
               with_words({0, 1}, array_rule), [](const KernelSetup& setup) -> MadeKernel {
                 return std::make_unique<ConstructorKernel>(setup, false);
               });
  table.define("JSON_QUOTE", kCareful, {"string -> string"},
               {by_row([buffer = std::string()](Out<Text>& out, Text text) mutable {
                 buffer = "\"";
                 append_quoted(buffer, text.view());
                 buffer += '"';
                 out.set_copy(buffer);
               })});
  table.define("JSON_UNQUOTE", kCareful, {"string -> string"},
               {by_row([document = JsonDocument(), buffer = std::string()](Out<Text>& out,
                                                                           Text text) mutable {
                 const bool is_string = document.parse(text.view()) &&
                                        document.node(0).kind == JsonKind::kString &&
                                        text.front() == '"' && text.back() == '"';
                 if (!is_string) { return out.set(text); }
                 const JsonNode& node = document.node(0);
                 if (!node.has_escapes) { return out.set(Text(node.text)); }
                 out.set_copy(unescaped(node, buffer));
               })});
}

}  // namespace

void add_json(FunctionTable& table) {
  add_tests(table);
  add_makers(table);
  add_aggregate_parts(table);
  table.define("JSON_EXISTS", kCarefulNullAware, "JSON_EXISTS(STRING, path)",
               with_words({2}, json_rule(3, LogicalType::of(TypeKind::kBoolean))),
               path_kernel<ExistsKernel>);
  const auto returning = [](size_t count, size_t type) {
    return [count, type](std::span<const Argument> arguments) -> Result<Signature> {
      if (arguments.size() != count) { return not_these(); }
      TIDEWHEEL_ASSIGN_OR_RETURN(Signature signature,
                                 json_rule(2, arguments[type].type.as_nullable())(arguments));
      return signature;
    };
  };
  table.define("JSON_VALUE", kCarefulNullAware,
               "JSON_VALUE(STRING, path [RETURNING type] [.. ON EMPTY] [.. ON ERROR])",
               with_words({2, 4}, returning(7, 6)), value_maker);
  table.define("JSON_QUERY", kCarefulNullAware,
               "JSON_QUERY(STRING, path [.. WRAPPER] [.. ON EMPTY] [.. ON ERROR])",
               with_words({2, 3, 4}, returning(6, 5)), path_kernel<QueryKernel>);
}

}  // namespace tidewheel::sql
