#include "tidewheel/sql/json_path.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace tidewheel::sql {
namespace {

constexpr int32_t kFilterDepthMax = 50;
constexpr size_t kStepsMax = 1000;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
char in_lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

class PathParser {
 public:
  explicit PathParser(std::string_view text) : text_(text) {}

  Result<JsonPath> path() {
    JsonPath path;
    take_mode(path);
    skip_space();
    if (!accept('$')) { return wrong("$"); }
    TIDEWHEEL_RETURN_IF_ERROR(steps(path.steps, path.is_definite));
    skip_space();
    if (at_ != text_.size()) { return wrong("a . or [ or the end"); }
    return path;
  }

 private:
  Status wrong(std::string_view wanted) const {
    if (at_ >= text_.size()) {
      return invalid_argument(ErrorId::kSqlValue, "the JSON path '{}' ends where {} was expected",
                              text_, wanted);
    }
    return invalid_argument(ErrorId::kSqlValue,
                            "the JSON path '{}' is wrong at character {}, '{}': {} was expected",
                            text_, at_ + 1, text_.substr(at_, 10), wanted);
  }

  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) { ++at_; }
  }
  bool at(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool accept(char c) {
    if (!at(c)) { return false; }
    ++at_;
    return true;
  }
  bool accept(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) { return false; }
    at_ += word.size();
    return true;
  }

  // lax or strict, in any case, and a space behind it.
  void take_mode(JsonPath& path) {
    skip_space();
    for (const std::string_view word : {std::string_view("lax"), std::string_view("strict")}) {
      const std::string_view here = text_.substr(at_, word.size());
      const bool is_word = std::equal(here.begin(), here.end(), word.begin(), word.end(),
                                      [](char a, char b) { return in_lower_case(a) == b; });
      if (!is_word || at_ + word.size() >= text_.size() || !is_space(text_[at_ + word.size()])) {
        continue;
      }
      at_ += word.size();
      path.is_lax = word == "lax";
      return;
    }
  }

  Status steps(std::vector<JsonStep>& steps, bool& is_definite) {
    while (at('.') || at('[')) {
      if (steps.size() >= kStepsMax) { return wrong("fewer steps"); }
      JsonStep step;
      if (accept("..")) {
        step.is_deep = true;
      } else if (accept('.')) {
        if (at_ == text_.size()) { return wrong("a name or *"); }
      }
      if (at('[')) {
        TIDEWHEEL_RETURN_IF_ERROR(brackets(step));
      } else {
        TIDEWHEEL_RETURN_IF_ERROR(name(step));
      }
      const bool is_one = step.kind == JsonStep::Kind::kMember ||
                          (step.kind == JsonStep::Kind::kElements && step.elements.size() == 1);
      is_definite = is_definite && is_one && !step.is_deep;
      steps.push_back(std::move(step));
    }
    return {};
  }

  // .a or .*
  Status name(JsonStep& step) {
    if (accept('*')) {
      step.kind = JsonStep::Kind::kAll;
      return {};
    }
    const size_t begin = at_;
    const size_t end =
        std::min(text_.find_first_of(".[]()*,'\"!=<>&|~?@$ \t\n\r", at_), text_.size());
    at_ = end;
    if (begin == end) { return wrong("a name, * or ["); }
    if (at('(')) {
      return unimplemented(ErrorId::kSqlUnsupported,
                           "the JSON path '{}' calls the function {}(): functions in paths are not "
                           "there",
                           text_, text_.substr(begin, end - begin));
    }
    step.name = text_.substr(begin, end - begin);
    return {};
  }

  Status brackets(JsonStep& step) {
    accept('[');
    skip_space();
    if (at('\'') || at('"')) {
      TIDEWHEEL_ASSIGN_OR_RETURN(step.name, quoted());
    } else if (accept('*')) {
      step.kind = JsonStep::Kind::kAll;
    } else if (accept('?')) {
      step.kind = JsonStep::Kind::kFilter;
      skip_space();
      if (!accept('(')) { return wrong("("); }
      TIDEWHEEL_ASSIGN_OR_RETURN(JsonFilter filter, disjunction(0));
      step.filter = std::make_shared<const JsonFilter>(std::move(filter));
      skip_space();
      if (!accept(')')) { return wrong(")"); }
    } else {
      TIDEWHEEL_RETURN_IF_ERROR(elements(step));
    }
    skip_space();
    if (at(',') && step.kind == JsonStep::Kind::kMember) {
      return unimplemented(ErrorId::kSqlUnsupported,
                           "the JSON path '{}' names several members at once: that is not there",
                           text_);
    }
    return accept(']') ? Status() : wrong("]");
  }

  // 1   -1   0,2   1:3   :3   1:
  Status elements(JsonStep& step) {
    step.kind = JsonStep::Kind::kElements;
    const std::optional<int64_t> first = number();
    skip_space();
    if (accept(':')) {
      step.kind = JsonStep::Kind::kSlice;
      step.from = first;
      skip_space();
      step.to = number();
      if (!step.from.has_value() && !step.to.has_value()) { return wrong("a number"); }
      return {};
    }
    if (!first.has_value()) { return wrong("a number, a name in quotes, * or ?(..)"); }
    step.elements.push_back(*first);
    while (accept(',')) {
      skip_space();
      const std::optional<int64_t> next = number();
      if (!next.has_value()) { return wrong("a number"); }
      if (step.elements.size() >= kStepsMax) { return wrong("fewer elements"); }
      step.elements.push_back(*next);
      skip_space();
    }
    return {};
  }

  std::optional<int64_t> number() {
    int64_t value = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc()) { return std::nullopt; }
    at_ += static_cast<size_t>(end - begin);
    return value;
  }

  Result<std::string> quoted() {
    const char quote = text_[at_++];
    std::string out;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) { ++at_; }
      out += text_[at_++];
    }
    if (!accept(quote)) { return wrong("the closing quote"); }
    return out;
  }

  // ---- Filters

  Result<JsonFilter> disjunction(int32_t depth) {
    if (depth > kFilterDepthMax) { return wrong("fewer parentheses"); }
    return joined(JsonFilter::Kind::kOr, "||", [&] {
      return joined(JsonFilter::Kind::kAnd, "&&", [&] { return condition(depth); });
    });
  }

  template <class Part>
  Result<JsonFilter> joined(JsonFilter::Kind kind, std::string_view between, Part part) {
    TIDEWHEEL_ASSIGN_OR_RETURN(JsonFilter first, part());
    skip_space();
    if (!text_.substr(at_).starts_with(between)) { return first; }
    JsonFilter all;
    all.kind = kind;
    all.parts.push_back(std::move(first));
    while (accept(between)) {
      TIDEWHEEL_ASSIGN_OR_RETURN(JsonFilter next, part());
      all.parts.push_back(std::move(next));
      skip_space();
    }
    return all;
  }

  Result<JsonFilter> condition(int32_t depth) {
    skip_space();
    JsonFilter filter;
    if (at('!') && !text_.substr(at_).starts_with("!=")) {
      ++at_;
      if (depth > kFilterDepthMax) { return wrong("fewer parentheses"); }
      TIDEWHEEL_ASSIGN_OR_RETURN(JsonFilter inner, condition(depth + 1));
      filter.kind = JsonFilter::Kind::kNot;
      filter.parts.push_back(std::move(inner));
      return filter;
    }
    if (accept('(')) {
      TIDEWHEEL_ASSIGN_OR_RETURN(filter, disjunction(depth + 1));
      skip_space();
      if (!accept(')')) { return wrong(")"); }
      return filter;
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(filter.left, operand(depth));
    skip_space();
    const std::optional<JsonFilter::Op> op = comparison();
    if (!op.has_value()) {
      const bool is_path = filter.left.kind == JsonOperand::Kind::kElement ||
                           filter.left.kind == JsonOperand::Kind::kRoot;
      if (!is_path || at('=')) { return wrong("a comparison: == != < <= > >= =~ in nin"); }
      return filter;
    }
    filter.kind = JsonFilter::Kind::kCompare;
    filter.op = *op;
    skip_space();
    TIDEWHEEL_ASSIGN_OR_RETURN(filter.right, operand(depth));
    const auto needs = [&](JsonOperand::Kind kind) { return filter.right.kind == kind; };
    if (*op == JsonFilter::Op::kMatches && !needs(JsonOperand::Kind::kRegex)) {
      return wrong("=~ /regular expression/");
    }
    if ((*op == JsonFilter::Op::kIn || *op == JsonFilter::Op::kNotIn) &&
        !needs(JsonOperand::Kind::kList)) {
      return wrong("a list behind in and nin: ['a', 'b']");
    }
    return filter;
  }

  std::optional<JsonFilter::Op> comparison() {
    using Op = JsonFilter::Op;
    static constexpr std::pair<std::string_view, Op> kOps[] = {
        {"==", Op::kEqual},   {"!=", Op::kNotEqual},     {"<=", Op::kLessEqual},
        {"<", Op::kLess},     {">=", Op::kGreaterEqual}, {">", Op::kGreater},
        {"=~", Op::kMatches}, {"in ", Op::kIn},          {"nin ", Op::kNotIn},
    };
    for (const auto& [text, op] : kOps) {
      if (accept(text)) { return op; }
    }
    return std::nullopt;
  }

  Result<JsonOperand> operand(int32_t depth) {
    JsonOperand operand;
    if (at('@') || at('$')) {
      operand.kind = at('@') ? JsonOperand::Kind::kElement : JsonOperand::Kind::kRoot;
      ++at_;
      if (depth > kFilterDepthMax) { return wrong("fewer parentheses"); }
      TIDEWHEEL_RETURN_IF_ERROR(steps_within(operand, depth));
      return operand;
    }
    if (at('\'') || at('"')) {
      operand.kind = JsonOperand::Kind::kText;
      TIDEWHEEL_ASSIGN_OR_RETURN(operand.text, quoted());
      return operand;
    }
    if (at('/')) { return regex(); }
    if (accept('[')) { return list(depth); }
    static constexpr std::pair<std::string_view, JsonOperand::Kind> kWords[] = {
        {"true", JsonOperand::Kind::kTrue},
        {"false", JsonOperand::Kind::kFalse},
        {"null", JsonOperand::Kind::kNull}};
    for (const auto& [word, kind] : kWords) {
      if (!accept(word)) { continue; }
      operand.kind = kind;
      return operand;
    }
    const size_t end = std::min(text_.find_first_not_of("0123456789+-.eE", at_), text_.size());
    JsonDocument document;
    if (!document.parse(text_.substr(at_, end - at_))) {
      return wrong("@, $, a number, a text in quotes, true, false or null");
    }
    operand.kind = JsonOperand::Kind::kNumber;
    operand.text = text_.substr(at_, end - at_);
    at_ = end;
    return operand;
  }

  // Paths in filters may have filters again.
  Status steps_within(JsonOperand& operand, int32_t depth) {
    if (nested_ + depth > kFilterDepthMax) { return wrong("fewer filters in each other"); }
    ++nested_;
    const Status status = steps(operand.steps, operand.is_definite);
    --nested_;
    return status;
  }

  Result<JsonOperand> list(int32_t depth) {
    JsonOperand operand;
    operand.kind = JsonOperand::Kind::kList;
    if (depth >= kFilterDepthMax) { return wrong("fewer lists in each other"); }
    skip_space();
    while (!accept(']')) {
      if (!operand.list.empty()) {
        if (!accept(',')) { return wrong(", or ]"); }
        skip_space();
      }
      TIDEWHEEL_ASSIGN_OR_RETURN(JsonOperand one, this->operand(depth + 1));
      operand.list.push_back(std::move(one));
      skip_space();
    }
    return operand;
  }

  Result<JsonOperand> regex() {
    ++at_;
    std::string pattern;
    while (at_ < text_.size() && text_[at_] != '/') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) { pattern += text_[at_++]; }
      pattern += text_[at_++];
    }
    if (!accept('/')) { return wrong("the / that ends a regular expression"); }
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_case_sensitive(!accept('i'));
    JsonOperand operand;
    operand.kind = JsonOperand::Kind::kRegex;
    auto regex = std::make_shared<re2::RE2>(pattern, options);
    if (!regex->ok()) {
      return invalid_argument(ErrorId::kSqlValue,
                              "the regular expression in the JSON path '{}' is wrong: {}", text_,
                              regex->error());
    }
    operand.regex = std::move(regex);
    return operand;
  }

  const std::string_view text_;
  size_t at_ = 0;
  int32_t nested_ = 0;
};

}  // namespace

Result<JsonPath> JsonPath::parse(std::string_view text) { return PathParser(text).path(); }

// ---- Walking

namespace {

// From one node along steps. Of definite steps it says whether it got there; behind steps that
// lead to many values, those that have no such part are passed over.
class Walker {
 public:
  Walker(const JsonDocument& document, std::vector<uint32_t>& out)
      : document_(document), out_(out) {}

  bool walk(uint32_t node, const std::vector<JsonStep>& steps, size_t index, bool is_definite) {
    if (index == steps.size()) {
      out_.push_back(node);
      return true;
    }
    const JsonStep& step = steps[index];
    const auto on = [&](uint32_t to, bool definite) {
      return walk(to, steps, index + 1, definite);
    };
    if (step.is_deep) {
      deep(node, step, on);
      return true;
    }
    return apply(node, step, is_definite, on);
  }

 private:
  // False when a definite step leads nowhere.
  template <class On>
  bool apply(uint32_t node, const JsonStep& step, bool is_definite, const On& on) {
    const JsonNode& value = document_.node(node);
    switch (step.kind) {
      case JsonStep::Kind::kMember: {
        if (value.kind != JsonKind::kObject) { return !is_definite; }
        const uint32_t member = document_.member(node, step.name);
        return member == UINT32_MAX ? !is_definite : on(member, is_definite);
      }
      case JsonStep::Kind::kElements: return elements(node, step, is_definite, on);
      case JsonStep::Kind::kSlice: {
        if (value.kind != JsonKind::kArray) { return !is_definite; }
        const auto size = static_cast<int64_t>(value.size);
        const auto place = [&](int64_t at) {
          return std::clamp(at < 0 ? at + size : at, int64_t{0}, size);
        };
        const int64_t from = place(step.from.value_or(0));
        const int64_t to = place(step.to.value_or(size));
        int64_t at = 0;
        each_part(node, [&](uint32_t part) {
          if (at >= from && at < to) { static_cast<void>(on(part, false)); }
          ++at;
        });
        return true;
      }
      case JsonStep::Kind::kAll:
        each_part(node, [&](uint32_t part) { static_cast<void>(on(part, false)); });
        return true;
      case JsonStep::Kind::kFilter: break;
    }
    if (value.kind == JsonKind::kObject) {
      if (holds(*step.filter, node)) { static_cast<void>(on(node, false)); }
      return true;
    }
    if (value.kind != JsonKind::kArray) { return !is_definite; }
    each_part(node, [&](uint32_t part) {
      if (holds(*step.filter, part)) { static_cast<void>(on(part, false)); }
    });
    return true;
  }

  template <class On>
  bool elements(uint32_t node, const JsonStep& step, bool is_definite, const On& on) {
    const JsonNode& value = document_.node(node);
    if (value.kind != JsonKind::kArray) { return !is_definite; }
    const bool is_one = step.elements.size() == 1;
    for (const int64_t wanted : step.elements) {
      const int64_t at = wanted < 0 ? wanted + value.size : wanted;
      if (at < 0 || at >= value.size) {
        if (is_one && is_definite) { return false; }
        continue;
      }
      const uint32_t part = document_.element(node, static_cast<uint32_t>(at));
      if (!on(part, is_definite && is_one)) { return false; }
    }
    return true;
  }

  // The value itself, then all that is inside of it.
  template <class On>
  void deep(uint32_t node, const JsonStep& step, const On& on) {
    static_cast<void>(apply(node, step, false, on));
    each_part(node, [&](uint32_t part) {
      if (!document_.node(part).is_scalar()) { deep(part, step, on); }
    });
  }

  template <class F>
  void each_part(uint32_t node, const F& f) {
    const JsonNode& value = document_.node(node);
    if (value.is_scalar()) { return; }
    uint32_t at = JsonDocument::first_of(node);
    for (uint32_t i = 0; i < value.size; ++i) {
      const uint32_t part = value.kind == JsonKind::kObject ? at + 1 : at;
      f(part);
      at = document_.next_of(part);
    }
  }

  // ---- Filters

  bool holds(const JsonFilter& filter, uint32_t element) {
    const auto part_holds = [&](const JsonFilter& part) { return holds(part, element); };
    switch (filter.kind) {
      case JsonFilter::Kind::kAnd:
        return std::all_of(filter.parts.begin(), filter.parts.end(), part_holds);
      case JsonFilter::Kind::kOr:
        return std::any_of(filter.parts.begin(), filter.parts.end(), part_holds);
      case JsonFilter::Kind::kNot: return !holds(filter.parts[0], element);
      case JsonFilter::Kind::kExists: return node_of(filter.left, element).has_value();
      case JsonFilter::Kind::kCompare: break;
    }
    return compares(filter, element);
  }

  // The value that a path in a filter leads to; the first of several.
  std::optional<uint32_t> node_of(const JsonOperand& operand, uint32_t element) {
    std::vector<uint32_t> found;
    Walker walker(document_, found);
    const uint32_t from = operand.kind == JsonOperand::Kind::kRoot ? 0 : element;
    static_cast<void>(walker.walk(from, operand.steps, 0, operand.is_definite));
    return found.empty() ? std::nullopt : std::optional(found[0]);
  }

  // What is compared: of a scalar its kind and text.
  struct Value {
    bool is_there = true;
    JsonKind kind = JsonKind::kNull;
    std::string text;
  };

  Value value_of(const JsonOperand& operand, uint32_t element) {
    switch (operand.kind) {
      case JsonOperand::Kind::kText: return {true, JsonKind::kString, operand.text};
      case JsonOperand::Kind::kNumber: return {true, JsonKind::kNumber, operand.text};
      case JsonOperand::Kind::kTrue: return {true, JsonKind::kTrue, ""};
      case JsonOperand::Kind::kFalse: return {true, JsonKind::kFalse, ""};
      case JsonOperand::Kind::kElement:
      case JsonOperand::Kind::kRoot: break;
      default: return {true, JsonKind::kNull, ""};
    }
    const std::optional<uint32_t> node = node_of(operand, element);
    if (!node.has_value()) { return {false, JsonKind::kNull, ""}; }
    const JsonNode& found = document_.node(*node);
    Value value{true, found.kind, ""};
    std::string buffer;
    if (found.kind == JsonKind::kString) {
      value.text = unescaped(found, buffer);
    } else if (found.kind == JsonKind::kNumber) {
      value.text = found.text;
    } else if (!found.is_scalar()) {
      append_json(value.text, document_, *node);
    }
    return value;
  }

  // -1, 0 or 1; nothing when they can't be compared.
  static std::optional<int> order(const Value& a, const Value& b) {
    if (a.kind != b.kind || !a.is_there || !b.is_there) { return std::nullopt; }
    if (a.kind == JsonKind::kNumber) {
      const double x = std::strtod(a.text.c_str(), nullptr);
      const double y = std::strtod(b.text.c_str(), nullptr);
      return x < y ? -1 : x > y ? 1 : 0;
    }
    return a.text.compare(b.text) < 0 ? -1 : a.text == b.text ? 0 : 1;
  }

  bool compares(const JsonFilter& filter, uint32_t element) {
    using Op = JsonFilter::Op;
    const Value left = value_of(filter.left, element);
    if (filter.op == Op::kMatches) {
      return left.kind == JsonKind::kString && re2::RE2::FullMatch(left.text, *filter.right.regex);
    }
    if (filter.op == Op::kIn || filter.op == Op::kNotIn) {
      const bool is_in = std::any_of(
          filter.right.list.begin(), filter.right.list.end(),
          [&](const JsonOperand& one) { return order(left, value_of(one, element)) == 0; });
      return is_in == (filter.op == Op::kIn);
    }
    const Value right = value_of(filter.right, element);
    const std::optional<int> order = Walker::order(left, right);
    if (filter.op == Op::kEqual) { return order == 0; }
    if (filter.op == Op::kNotEqual) { return order != 0; }
    const bool is_ordered = left.kind == JsonKind::kNumber || left.kind == JsonKind::kString;
    if (!order.has_value() || !is_ordered) { return false; }
    switch (filter.op) {
      case Op::kLess: return *order < 0;
      case Op::kLessEqual: return *order <= 0;
      case Op::kGreater: return *order > 0;
      default: return *order >= 0;
    }
  }

  const JsonDocument& document_;
  std::vector<uint32_t>& out_;
};

}  // namespace

bool JsonMatches::find(const JsonDocument& document, const JsonPath& path) {
  nodes_.clear();
  return Walker(document, nodes_).walk(0, path.steps, 0, true);
}

}  // namespace tidewheel::sql
