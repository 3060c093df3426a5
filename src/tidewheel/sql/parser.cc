#include "tidewheel/sql/parser.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "tidewheel/base/config.h"
#include "tidewheel/sql/parser_impl.h"

namespace tidewheel::sql {

namespace {

constexpr size_t kExpectedShownMax = 8;

bool is_word(std::string_view what) {
  return !what.empty() && ((what[0] >= 'A' && what[0] <= 'Z') || what[0] == '_');
}

std::string listed(std::initializer_list<std::string_view> what) {
  std::string out;
  size_t i = 0;
  for (const std::string_view each : what) {
    if (i == kExpectedShownMax) { return out + " ..."; }
    if (i > 0) { out += i + 1 == what.size() ? " or " : ", "; }
    out += is_word(each) ? std::string(each) : fmt::format("'{}'", each);
    ++i;
  }
  return out;
}

std::string found(const Token& token, std::string_view text) {
  if (token.kind == TokenKind::kEnd) { return "the end of the text"; }
  return fmt::format("'{}'", text.substr(token.span.begin,
                                         std::min<size_t>(40, token.span.end - token.span.begin)));
}

Result<Parser> open(std::string_view text) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<Token> tokens, tokenize(text));
  return Parser(text, std::move(tokens));
}

}  // namespace

// ---- What may be parsed

Result<std::vector<Statement>> parse_script(std::string_view text) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Parser parser, open(text));
  std::vector<Statement> statements;
  for (;;) {
    while (parser.accept(";")) {}
    if (parser.at_end()) { return statements; }
    TIDEWHEEL_ASSIGN_OR_RETURN(Statement statement, parser.statement());
    statements.push_back(std::move(statement));
    if (!parser.accept(";")) { TIDEWHEEL_RETURN_IF_ERROR(parser.expect_end()); }
  }
}

Result<Statement> parse_statement(std::string_view text) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Parser parser, open(text));
  TIDEWHEEL_ASSIGN_OR_RETURN(Statement statement, parser.statement());
  parser.accept(";");
  TIDEWHEEL_RETURN_IF_ERROR(parser.expect_end());
  return statement;
}

Result<Expression> parse_expression(std::string_view text) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Parser parser, open(text));
  TIDEWHEEL_ASSIGN_OR_RETURN(Expression expression, parser.expression());
  TIDEWHEEL_RETURN_IF_ERROR(parser.expect_end());
  return expression;
}

Result<DataType> parse_data_type(std::string_view text) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Parser parser, open(text));
  TIDEWHEEL_ASSIGN_OR_RETURN(DataType type, parser.data_type());
  TIDEWHEEL_RETURN_IF_ERROR(parser.expect_end());
  return type;
}

// ---- Tokens

bool Parser::at(std::string_view what, size_t ahead) const {
  const Token& token = peek(ahead);
  if (token.kind == TokenKind::kWord) { return token.upper == what; }
  return token.kind == TokenKind::kSymbol && token.text == what;
}

bool Parser::at_all(Words words, size_t ahead) const {
  for (const std::string_view word : words) {
    if (!at(word, ahead++)) { return false; }
  }
  return true;
}

bool Parser::at_name(size_t ahead) const {
  const Token& token = peek(ahead);
  return token.kind == TokenKind::kQuotedName ||
         (token.kind == TokenKind::kWord && !is_reserved(token.upper));
}

bool Parser::accept(std::string_view what) {
  if (!at(what)) { return false; }
  ++at_;
  return true;
}

bool Parser::accept_all(Words words) {
  if (!at_all(words)) { return false; }
  at_ += words.size();
  return true;
}

std::optional<std::string_view> Parser::accept_one(Words words) {
  for (const std::string_view word : words) {
    if (accept(word)) { return word; }
  }
  return std::nullopt;
}

Status Parser::expect(std::string_view what) {
  return accept(what) ? Status() : unexpected(Words{what});
}

Status Parser::expect_all(Words words) {
  for (const std::string_view word : words) { TIDEWHEEL_RETURN_IF_ERROR(expect(word)); }
  return {};
}

Status Parser::expect_end() { return at_end() ? Status() : unexpected("the end of the statement"); }

Span Parser::span_since(Span first) const {
  return span_over(first, at_ == 0 ? first : tokens_[std::min(at_, tokens_.size()) - 1].span);
}

// ---- Errors

Status Parser::error(Span span, std::string message) const {
  return error_at(text_, span, ErrorId::kSqlSyntax, std::move(message));
}

Status Parser::unsupported(Span span, std::string_view what) const {
  return error_at(text_, span, ErrorId::kSqlUnsupported, fmt::format("{} is not supported", what));
}

Status Parser::unexpected(Words expected) const {
  std::string message =
      fmt::format("expected {}, found {}", listed(expected), found(peek(), text_));
  Span span = peek().span;
  std::vector<std::string_view> candidates;
  std::copy_if(expected.begin(), expected.end(), std::back_inserter(candidates), is_word);
  const bool follows_alias = implicit_alias_.has_value() && *implicit_alias_ + 1 == at_;
  for (const size_t index : {at_, follows_alias ? at_ - 1 : at_}) {
    const Token& token = tokens_[std::min(index, tokens_.size() - 1)];
    if (token.kind != TokenKind::kWord) { continue; }
    const std::string nearest = nearest_text(token.upper, candidates);
    if (nearest.empty()) { continue; }
    message += fmt::format("; did you mean {} where '{}' is?", nearest, token.text);
    span = token.span;
    break;
  }
  return error(span, std::move(message));
}

Status Parser::unexpected(std::string_view expected) const {
  const Token& token = peek();
  std::string message = fmt::format("expected {}, found {}", expected, found(token, text_));
  if (token.kind == TokenKind::kWord && is_reserved(token.upper)) {
    message += fmt::format("; a name like this keyword stands in back-ticks: `{}`", token.text);
  }
  return error(token.span, std::move(message));
}

Status Parser::check_nesting() const {
  if (nesting_ <= kNestingMax) { return {}; }
  return error(peek().span, fmt::format("nested deeper than {} levels", kNestingMax));
}

Status Parser::check_height(int32_t height) const {
  if (height <= kTreeHeightMax) { return {}; }
  return error(peek().span, fmt::format("more than {} operators hang on each other here; "
                                        "parentheses in the middle make two parts of them",
                                        kTreeHeightMax));
}

// ---- Small things

Result<Identifier> Parser::identifier(std::string_view what) {
  if (!at_name()) { return unexpected(what); }
  const Token& token = take();
  return Identifier{token.text, token.span};
}

Result<Name> Parser::name(std::string_view what) {
  Name name;
  do {
    TIDEWHEEL_ASSIGN_OR_RETURN(Identifier part, identifier(what));
    name.parts.push_back(std::move(part));
  } while (accept("."));
  return name;
}

Result<std::vector<Identifier>> Parser::identifiers_in_parentheses(std::string_view what) {
  std::vector<Identifier> names;
  TIDEWHEEL_RETURN_IF_ERROR(expect("("));
  TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
    TIDEWHEEL_ASSIGN_OR_RETURN(Identifier each, identifier(what));
    names.push_back(std::move(each));
    return {};
  }));
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return names;
}

Result<std::string> Parser::string(std::string_view what) {
  if (!at_string()) { return unexpected(what); }
  return take().text;
}

Result<int64_t> Parser::integer(std::string_view what) {
  if (peek().kind != TokenKind::kInteger) { return unexpected(what); }
  const Token& token = take();
  int64_t value = 0;
  const auto [end, failed] =
      std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
  if (failed != std::errc()) { return error(token.span, "this number is too large"); }
  return value;
}

Result<Option> Parser::option() {
  Option option;
  option.key_span = peek().span;
  TIDEWHEEL_ASSIGN_OR_RETURN(option.key, string("the key of an option, as in 'key' = 'value'"));
  TIDEWHEEL_RETURN_IF_ERROR(expect("="));
  option.value_span = peek().span;
  TIDEWHEEL_ASSIGN_OR_RETURN(option.value, string("the value of an option, in quotes"));
  return option;
}

Result<std::vector<Option>> Parser::options_in_parentheses() {
  std::vector<Option> options;
  TIDEWHEEL_RETURN_IF_ERROR(expect("("));
  TIDEWHEEL_RETURN_IF_ERROR(list([&]() -> Status {
    TIDEWHEEL_ASSIGN_OR_RETURN(Option each, option());
    const auto same = std::find_if(options.begin(), options.end(),
                                   [&](const Option& other) { return other.key == each.key; });
    if (same != options.end()) {
      return error(each.key_span, fmt::format("the option '{}' is given twice", each.key));
    }
    options.push_back(std::move(each));
    return {};
  }));
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return options;
}

}  // namespace tidewheel::sql
