// Cuts the text of SQL statements into tokens, by the lexical rules of Flink's dialect: names keep
// their case and are quoted with back-ticks, strings with single quotes, comments are `--` and
// `/* */`, hints `/*+ */`.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/sql/source_text.h"

namespace tidewheel::sql {

enum class TokenKind : uint8_t {
  kWord,        // a name or keyword without quotes
  kQuotedName,  // `...`
  kString,      // '...', with its escapes resolved
  kBytes,       // X'...', as bytes
  kInteger,     // 12
  kDecimal,     // 1.5
  kDouble,      // 1e3
  kSymbol,      // an operator or punctuation
  kHintBegin,   // /*+
  kHintEnd,     // */
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Span span;
  // The word as written; the name, string or bytes without quotes; the number or symbol.
  std::string text;
  // The word in capitals when it is one, else empty.
  std::string upper;
};

// The largest text that is taken, in bytes.
inline constexpr size_t kSqlBytesMax = 16 << 20;

// The tokens of a text; the last one is kEnd. Errors: kSqlSyntax.
Result<std::vector<Token>> tokenize(std::string_view text);

// A word as keywords are compared: ASCII letters in capitals.
std::string in_capitals(std::string_view word);
// Whether a word is read as a keyword wherever it stands, so that it is a name only in back-ticks.
// `upper` is in capitals.
bool is_reserved(std::string_view upper);
// All of them, sorted.
const std::vector<std::string_view>& reserved_words();

// `name` as it has to be written: in back-ticks when it is reserved or no plain word.
std::string quoted_name(std::string_view name);
// The same, in back-ticks in any case.
std::string in_back_ticks(std::string_view name);
// 'it''s'
std::string quoted_string(std::string_view text);

}  // namespace tidewheel::sql
