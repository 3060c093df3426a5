#include "tidewheel/sql/lexer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace tidewheel::sql {

namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Bytes of characters beyond ASCII are letters.
bool begins_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_in_word(char c) { return begins_word(c) || is_digit(c); }
char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

int hex_digit(char c) {
  if (is_digit(c)) { return c - '0'; }
  c = to_upper(c);
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void append_utf8(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // some editors begin files with it
// Longer ones first.
constexpr std::array<std::string_view, 26> kSymbols = {
    "<>", "<=", ">=", "!=", "||", "=>", "{-", "-}", "(", ")", "[", "]", "{",
    "}",  ",",  ".",  ";",  ":",  "=",  "<",  ">",  "+", "-", "*", "/", "%"};
// What patterns of MATCH_RECOGNIZE have besides.
constexpr std::array<std::string_view, 4> kPatternSymbols = {"?", "|", "^", "&"};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> run() {
    if (text_.size() > kSqlBytesMax) {
      return invalid_argument(ErrorId::kSqlSyntax, "the text has {} bytes, at most {} are taken",
                              text_.size(), kSqlBytesMax);
    }
    if (text_.starts_with(kByteOrderMark)) { at_ = kByteOrderMark.size(); }
    for (;;) {
      TIDEWHEEL_RETURN_IF_ERROR(skip_blanks());
      begin_ = at_;
      if (at_ == text_.size()) { break; }
      TIDEWHEEL_RETURN_IF_ERROR(next());
    }
    if (hint_begin_.has_value()) {
      return error({*hint_begin_, *hint_begin_ + 3}, "this hint has no end '*/'");
    }
    add(TokenKind::kEnd, {});
    return std::move(tokens_);
  }

 private:
  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool looking_at(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  Span span_from(size_t begin) const {
    return {static_cast<uint32_t>(begin), static_cast<uint32_t>(at_)};
  }
  Status error(Span span, std::string message) const {
    return error_at(text_, span, ErrorId::kSqlSyntax, std::move(message));
  }
  void add(TokenKind kind, std::string text) {
    tokens_.push_back({kind, span_from(begin_), std::move(text), {}});
  }

  Status skip_blanks() {
    for (;;) {
      while (is_space(peek()) && at_ < text_.size()) { ++at_; }
      if (looking_at("--")) {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (looking_at("/*") && !looking_at("/*+")) {
        const size_t end = text_.find("*/", at_ + 2);
        if (end == std::string_view::npos) {
          const auto begin = static_cast<uint32_t>(at_);
          return error({begin, begin + 2}, "this comment has no end '*/'");
        }
        at_ = end + 2;
      } else {
        return {};
      }
    }
  }

  Status next() {
    const char c = peek();
    if (looking_at("/*+")) {
      if (hint_begin_.has_value()) {
        at_ += 3;
        return error(span_from(begin_), "a hint can't be within a hint");
      }
      hint_begin_ = static_cast<uint32_t>(at_);
      at_ += 3;
      add(TokenKind::kHintBegin, "/*+");
      return {};
    }
    if (hint_begin_.has_value() && looking_at("*/")) {
      hint_begin_.reset();
      at_ += 2;
      add(TokenKind::kHintEnd, "*/");
      return {};
    }
    if (c == '\'') { return string(TokenKind::kString); }
    if (c == '`') { return quoted('`', "name", TokenKind::kQuotedName); }
    if ((c == 'x' || c == 'X') && peek(1) == '\'') { return bytes(); }
    if ((c == 'u' || c == 'U') && peek(1) == '&' && peek(2) == '\'') { return unicode_string(); }
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) { return number(); }
    if (begins_word(c)) { return word(); }
    return symbol();
  }

  Status word() {
    while (is_in_word(peek())) { ++at_; }
    Token token{
        TokenKind::kWord, span_from(begin_), std::string(text_.substr(begin_, at_ - begin_)), {}};
    token.upper = in_capitals(token.text);
    tokens_.push_back(std::move(token));
    return {};
  }

  // Up to the closing quote; a doubled one stands for itself.
  Result<std::string> unquote(char quote, std::string_view what) {
    const auto open = static_cast<uint32_t>(at_);
    ++at_;
    std::string out;
    for (;;) {
      const size_t end = text_.find(quote, at_);
      if (end == std::string_view::npos) {
        return error({open, open + 1}, fmt::format("this {} has no closing {}", what, quote));
      }
      out.append(text_.substr(at_, end - at_));
      at_ = end + 1;
      if (peek() != quote) { return out; }
      out += quote;
      ++at_;
    }
  }
  Status quoted(char quote, std::string_view what, TokenKind kind) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::string inner, unquote(quote, what));
    if (kind == TokenKind::kQuotedName && inner.empty()) {
      return error(span_from(begin_), "a name can't be empty");
    }
    add(kind, std::move(inner));
    return {};
  }
  Status string(TokenKind kind) { return quoted('\'', "string", kind); }

  Status bytes() {
    ++at_;
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string digits, unquote('\'', "string of bytes"));
    std::string out;
    const bool is_whole = digits.size() % 2 == 0;
    for (size_t i = 0; is_whole && i < digits.size(); i += 2) {
      const int high = hex_digit(digits[i]);
      const int low = hex_digit(digits[i + 1]);
      if (high < 0 || low < 0) { break; }
      out += static_cast<char>(high * 16 + low);
    }
    if (out.size() * 2 != digits.size()) {
      return error(span_from(begin_), "X'..' takes hexadecimal digits, two a byte");
    }
    add(TokenKind::kBytes, std::move(out));
    return {};
  }

  // U&'\263A': four digits after a backslash, which is doubled to stand for itself.
  Status unicode_string() {
    at_ += 2;
    TIDEWHEEL_ASSIGN_OR_RETURN(const std::string raw, unquote('\'', "string"));
    std::string out;
    for (size_t i = 0; i < raw.size();) {
      if (raw[i] != '\\') {
        out += raw[i++];
      } else if (i + 1 < raw.size() && raw[i + 1] == '\\') {
        out += '\\';
        i += 2;
      } else {
        uint32_t code = 0;
        size_t digits = 0;
        while (digits < 4 && i + 1 + digits < raw.size() && hex_digit(raw[i + 1 + digits]) >= 0) {
          code = code * 16 + static_cast<uint32_t>(hex_digit(raw[i + 1 + digits++]));
        }
        if (digits < 4 || (code >= 0xd800 && code < 0xe000)) {
          return error(span_from(begin_),
                       "U&'..' takes four hexadecimal digits of a character "
                       "after each backslash");
        }
        append_utf8(code, out);
        i += 5;
      }
    }
    add(TokenKind::kString, std::move(out));
    return {};
  }

  Status number() {
    TokenKind kind = TokenKind::kInteger;
    while (is_digit(peek())) { ++at_; }
    if (peek() == '.') {
      kind = TokenKind::kDecimal;
      ++at_;
      while (is_digit(peek())) { ++at_; }
    }
    const size_t sign = peek(1) == '+' || peek(1) == '-' ? 2 : 1;
    if ((peek() == 'e' || peek() == 'E') && is_digit(peek(sign))) {
      kind = TokenKind::kDouble;
      at_ += sign;
      while (is_digit(peek())) { ++at_; }
    }
    if (is_in_word(peek())) {
      while (is_in_word(peek())) { ++at_; }
      return error(span_from(begin_),
                   "this is neither a number nor a name; a name that begins "
                   "with a digit stands in back-ticks");
    }
    add(kind, std::string(text_.substr(begin_, at_ - begin_)));
    return {};
  }

  Status symbol() {
    for (const auto& symbol : kSymbols) {
      if (looking_at(symbol)) {
        at_ += symbol.size();
        add(TokenKind::kSymbol, std::string(symbol));
        return {};
      }
    }
    for (const auto& symbol : kPatternSymbols) {
      if (looking_at(symbol)) {
        at_ += symbol.size();
        add(TokenKind::kSymbol, std::string(symbol));
        return {};
      }
    }
    ++at_;
    if (text_[begin_] == '"') {
      return error(span_from(begin_), "names are quoted with back-ticks, strings with '");
    }
    return error(span_from(begin_), "this character has no meaning here");
  }

  const std::string_view text_;
  size_t at_ = 0;
  size_t begin_ = 0;  // of the token at work
  std::optional<uint32_t> hint_begin_;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view text) { return Lexer(text).run(); }

// Only words without which a statement could be read in two ways: a word that is reserved in
// Flink's parser and is not here may be used as a name too.
const std::vector<std::string_view>& reserved_words() {
  static const std::vector<std::string_view> words = {"ALL",          "AND",
                                                      "ANY",          "ARRAY",
                                                      "AS",           "ASC",
                                                      "BETWEEN",      "BY",
                                                      "CASE",         "CAST",
                                                      "CROSS",        "CURRENT_DATE",
                                                      "CURRENT_TIME", "CURRENT_TIMESTAMP",
                                                      "DESC",         "DISTINCT",
                                                      "ELSE",         "END",
                                                      "ESCAPE",       "EXCEPT",
                                                      "EXISTS",       "FALSE",
                                                      "FETCH",        "FOR",
                                                      "FROM",         "FULL",
                                                      "GROUP",        "HAVING",
                                                      "IN",           "INNER",
                                                      "INSERT",       "INTERSECT",
                                                      "INTERVAL",     "INTO",
                                                      "IS",           "JOIN",
                                                      "LATERAL",      "LEFT",
                                                      "LIKE",         "LIMIT",
                                                      "LOCALTIME",    "LOCALTIMESTAMP",
                                                      "MAP",          "MATCH_RECOGNIZE",
                                                      "MINUS",        "MULTISET",
                                                      "NATURAL",      "NOT",
                                                      "NULL",         "OFFSET",
                                                      "ON",           "OR",
                                                      "ORDER",        "OUTER",
                                                      "PARTITION",    "RIGHT",
                                                      "ROW",          "SELECT",
                                                      "SIMILAR",      "SOME",
                                                      "TABLE",        "THEN",
                                                      "TRUE",         "TRY_CAST",
                                                      "UNION",        "UNKNOWN",
                                                      "UNNEST",       "USING",
                                                      "VALUES",       "WHEN",
                                                      "WHERE",        "WINDOW",
                                                      "WITH"};
  return words;
}

bool is_reserved(std::string_view upper) {
  const auto& words = reserved_words();
  return std::binary_search(words.begin(), words.end(), upper);
}

std::string in_capitals(std::string_view word) {
  std::string upper(word);
  std::transform(upper.begin(), upper.end(), upper.begin(), to_upper);
  return upper;
}

std::string quoted_name(std::string_view name) {
  const bool is_plain = !name.empty() && begins_word(name[0]) &&
                        std::all_of(name.begin(), name.end(), is_in_word) &&
                        !is_reserved(in_capitals(name));
  return is_plain ? std::string(name) : in_back_ticks(name);
}

std::string in_back_ticks(std::string_view name) {
  std::string out = "`";
  for (const char c : name) { out.append(c == '`' ? 2 : 1, c); }
  return out + "`";
}

std::string quoted_string(std::string_view text) {
  std::string out = "'";
  for (const char c : text) { out.append(c == '\'' ? 2 : 1, c); }
  return out + "'";
}

}  // namespace tidewheel::sql
