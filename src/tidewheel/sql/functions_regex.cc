// LIKE, SIMILAR TO and regular expressions. Those are RE2's, which take time in proportion to the
// text whatever the expression; it has no look-around and no back references.
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>
#include <vector>

#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/like_pattern.h"
#include "tidewheel/sql/plain_regex.h"
#include "tidewheel/sql/regex_hint.h"
#include "tidewheel/sql/text_ops.h"

namespace tidewheel::sql {
namespace {

using MadeKernel = Result<std::unique_ptr<Kernel>>;

constexpr int kGroupsMax = 100;

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

// Java writes named groups as (?<name>...), RE2 as (?P<name>...).
std::string for_re2(std::string_view pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    out += pattern[i];
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      out += pattern[++i];
    } else if (pattern.substr(i).starts_with("(?<") && i + 3 < pattern.size() &&
               std::isalpha(static_cast<unsigned char>(pattern[i + 3])) != 0) {
      out += "?P";
      ++i;
    }
  }
  return out;
}

// The expression of the row before, which is mostly that of all rows.
class CompiledRegex {
 public:
  // Null when the text is no expression: `error` says why.
  const RE2* get(std::string_view pattern) {
    if (regex_ == nullptr || (!is_constant_ && pattern != pattern_)) {
      RE2::Options options;
      options.set_log_errors(false);
      pattern_ = pattern;
      const std::string translated = for_re2(pattern);
      regex_ = std::make_unique<RE2>(piece(translated), options);
      is_good_ = regex_->ok();
      hint_ = is_good_ ? find_regex_hint(translated) : RegexHint();
      plain_ = is_good_ ? PlainRegex::compile(translated) : std::nullopt;
    }
    return is_good_ ? regex_.get() : nullptr;
  }
  // From now on the expression is the one that `get` was given last, whatever it is given.
  void set_constant() { is_constant_ = true; }
  std::string error() const {
    return "'" + pattern_ + "' is no regular expression: " + regex_->error() +
           " (RE2's syntax, without look-around and back references)";
  }
  // The first match of the expression that `get` gave, from byte `from` on. Where it says which
  // string each match has near its beginning, that string is looked for, and the expression tried
  // there: RE2 needs several passes to find where a match begins, and one when it is told.
  bool match(std::string_view text, size_t from, re2::StringPiece* groups, int count) const {
    if (plain_.has_value()) {
      const PlainRegex::Outcome outcome = match_plain(text, from, groups, count);
      if (outcome != PlainRegex::Outcome::kUnknown) {
        return outcome == PlainRegex::Outcome::kMatch;
      }
    }
    if (hint_.literal.empty()) {
      return regex_->Match(piece(text), from, text.size(), RE2::UNANCHORED, groups, count);
    }
    bool found = false;
    for_each_try(text, from, [&](size_t at) {
      found = regex_->Match(piece(text), at, text.size(), RE2::ANCHOR_START, groups, count);
      return !found;
    });
    return found;
  }
  // How many matches there are, one behind the other, when it is a text that is looked for.
  std::optional<int32_t> count_literal(std::string_view text) const {
    if (!plain_.has_value() || plain_->literal().empty()) { return std::nullopt; }
    const std::string& wanted = plain_->literal();
    if (wanted.size() == 1) {
      return static_cast<int32_t>(std::count(text.begin(), text.end(), wanted[0]));
    }
    int32_t count = 0;
    for (size_t at = 0; (at = find_text(text, wanted, at)) != std::string_view::npos;) {
      ++count;
      at += wanted.size();
    }
    return count;
  }

 private:
  static constexpr int kPlainTriesMax = 16;  // beyond, RE2 keeps what a text costs linear

  // f(at), until it gives false: where a match may begin, which is near the hint's literal.
  template <class F>
  void for_each_try(std::string_view text, size_t from, F f) const {
    size_t tried = from;  // matches do not begin before
    for (size_t at = from;; ++at) {
      at = find_text(text, hint_.literal, at);
      if (at == std::string_view::npos) { return; }
      for (tried = std::max(tried, at - std::min(at, hint_.bytes_before_max)); tried <= at;
           ++tried) {
        if (!f(tried)) { return; }
      }
    }
  }
  PlainRegex::Outcome match_plain(std::string_view text, size_t from, re2::StringPiece* groups,
                                  int count) const {
    using Outcome = PlainRegex::Outcome;
    PlainRegex::Groups found{};
    Outcome outcome = Outcome::kNone;
    if (!plain_->literal().empty()) {
      found[0].begin = find_text(text, plain_->literal(), from);
      found[0].end = found[0].begin + plain_->literal().size();
      if (found[0].begin != std::string_view::npos) { outcome = Outcome::kMatch; }
    } else if (hint_.literal.empty()) {
      return Outcome::kUnknown;
    } else {
      int tries = 0;
      for_each_try(text, from, [&](size_t at) {
        outcome = ++tries > kPlainTriesMax ? Outcome::kUnknown : plain_->match_at(text, at, found);
        return outcome == Outcome::kNone;
      });
    }
    for (int i = 0; i < count && outcome == Outcome::kMatch; ++i) {
      const auto group = static_cast<size_t>(i);
      const bool is_there = group <= plain_->group_count();
      groups[i] =
          is_there ? piece(text.substr(found[group].begin, found[group].end - found[group].begin))
                   : re2::StringPiece();
    }
    return outcome;
  }

  std::string pattern_;
  std::unique_ptr<RE2> regex_;
  bool is_good_ = false;
  bool is_constant_ = false;
  RegexHint hint_;
  std::optional<PlainRegex> plain_;  // when it is one
};

// A maker whose second argument is a regular expression. `make_row` gives a function of a row that
// holds the CompiledRegex: a literal is compiled, and refused if it is bad, before anything runs.
template <class F>
KernelMaker with_regex(F make_row) {
  return [make_row](const KernelSetup& setup) -> MadeKernel {
    CompiledRegex regex;
    const Datum* const literal = setup.literals[1];
    if (literal != nullptr && !literal->is_null()) {
      if (regex.get(literal->text()) == nullptr) {
        return invalid_argument(ErrorId::kSqlValue, "{}", regex.error());
      }
      regex.set_constant();
    }
    return row_kernel(make_row(std::move(regex)));
  };
}

// ---- LIKE

class LikeKernel final : public Kernel {
 public:
  Status run(const KernelCall& call) override {
    auto* const out = call.result->values<uint8_t>();
    const ColumnView& texts = call.arguments[0];
    const ColumnView& patterns = call.arguments[1];
    const bool has_escape = call.arguments.size() == 3;
    for (uint32_t row = 0; row < call.rows; ++row) {
      out[row] = 0;
      if (!call.is_active(row)) { continue; }
      const Text escape = has_escape ? call.arguments[2].at<Text>(row) : Text();
      TIDEWHEEL_RETURN_IF_ERROR(compile(patterns.at<Text>(row), escape));
      out[row] = pattern_.matches(texts.at<Text>(row).view()) ? 1 : 0;
    }
    return {};
  }

 private:
  Status compile(Text pattern, Text escape) {
    if (compiled_ && pattern == text_ && escape == escape_) { return {}; }
    TIDEWHEEL_ASSIGN_OR_RETURN(pattern_, LikePattern::compile(pattern.view(), escape.view()));
    text_ = pattern.str();
    escape_ = escape.str();
    compiled_ = true;
    return {};
  }

  LikePattern pattern_;
  std::string text_;
  std::string escape_;
  bool compiled_ = false;
};

MadeKernel like_kernel(const KernelSetup&) {
  return std::unique_ptr<Kernel>(std::make_unique<LikeKernel>());
}

void similar(Out<uint8_t>& out, CompiledRegex& regex, Text text, Text pattern, Text escape) {
  auto translated = similar_to_regex(pattern.view(), escape.view());
  if (!translated.ok()) { return out.fail(translated.status().message()); }
  const RE2* const compiled = regex.get(*translated);
  if (compiled == nullptr) { return out.fail(regex.error()); }
  out.set(RE2::FullMatch(piece(text.view()), *compiled) ? 1 : 0);
}

// ---- Regular expressions

void replace_all(Out<Text>& out, const CompiledRegex& regex, Text text, Text with) {
  const std::string_view view = text.view();
  std::string made;
  size_t at = 0;    // what is copied so far
  size_t from = 0;  // where to search
  bool any = false;
  re2::StringPiece match;
  while (from <= view.size() && regex.match(view, from, &match, 1)) {
    const auto begin = static_cast<size_t>(match.data() - view.data());
    any = true;
    made += view.substr(at, begin - at);
    made += with.view();
    at = begin + match.size();
    from = match.empty() ? at + 1 : at;
  }
  if (!any) { return out.set(text); }
  if (at < view.size()) { made += view.substr(at); }
  out.set_copy(made);
}

void extract(Out<Text>& out, CompiledRegex& regexes, Text text, Text pattern, int64_t group) {
  const RE2* const regex = regexes.get(pattern.view());
  if (regex == nullptr) { return out.fail(regexes.error()); }
  if (group < 0 || group > std::min(regex->NumberOfCapturingGroups(), kGroupsMax)) {
    return out.set_null();
  }
  // Most calls ask for one of the first groups; room for all of them takes long to clear.
  constexpr int64_t kFewGroups = 8;
  std::array<re2::StringPiece, kFewGroups> few;
  std::vector<re2::StringPiece> many;
  if (group >= kFewGroups) { many.resize(static_cast<size_t>(group) + 1); }
  re2::StringPiece* const groups = many.empty() ? few.data() : many.data();
  const bool found = regexes.match(text.view(), 0, groups, static_cast<int>(group) + 1);
  const re2::StringPiece& match = groups[group];
  if (!found || match.data() == nullptr) { return out.set_null(); }
  out.set(Text(match.data(), match.size()));
}

// f(position, size) for each match, until it gives false.
template <class F>
void for_each_match(const CompiledRegex& regex, std::string_view text, F f) {
  size_t from = 0;
  re2::StringPiece match;
  while (from <= text.size() && regex.match(text, from, &match, 1)) {
    const auto begin = static_cast<size_t>(match.data() - text.data());
    if (!f(begin, match.size())) { return; }
    from = begin + std::max<size_t>(match.size(), 1);
  }
}

void add_extractions(FunctionTable& table) {
  table.define("REGEXP_EXTRACT", kCareful,
               {"string, string -> string?", "string, string, bigint -> string?"},
               {with_regex([](CompiledRegex regex) {
                  return
                      [regex = std::move(regex)](Out<Text>& out, Text text, Text pattern) mutable {
                        extract(out, regex, text, pattern, 0);
                      };
                }),
                with_regex([](CompiledRegex regex) {
                  return [regex = std::move(regex)](Out<Text>& out, Text text, Text pattern,
                                                    int64_t group) mutable {
                    extract(out, regex, text, pattern, group);
                  };
                })});
  table.define("REGEXP_REPLACE", kCareful, {"string, string, string -> string"},
               {with_regex([](CompiledRegex regex) {
                 return [regex = std::move(regex)](Out<Text>& out, Text text, Text pattern,
                                                   Text with) mutable {
                   if (regex.get(pattern.view()) == nullptr) { return out.fail(regex.error()); }
                   replace_all(out, regex, text, with);
                 };
               })});
  table.define("REGEXP_SUBSTR", kCareful, {"string, string -> string?"},
               {with_regex([](CompiledRegex regex) {
                 return
                     [regex = std::move(regex)](Out<Text>& out, Text text, Text pattern) mutable {
                       extract(out, regex, text, pattern, 0);
                     };
               })});
}

void add_matches(FunctionTable& table) {
  table.define(
      "REGEXP", kCareful, {"string, string -> boolean"}, {with_regex([](CompiledRegex regex) {
        return [regex = std::move(regex)](Out<uint8_t>& out, Text text, Text pattern) mutable {
          if (pattern.empty()) { return out.set(0); }
          if (regex.get(pattern.view()) == nullptr) { return out.fail(regex.error()); }
          out.set(regex.match(text.view(), 0, nullptr, 0) ? 1 : 0);
        };
      })});
  table.define(
      "REGEXP_COUNT", kCareful, {"string, string -> int"}, {with_regex([](CompiledRegex regex) {
        return [regex = std::move(regex)](Out<int32_t>& out, Text text, Text pattern) mutable {
          if (regex.get(pattern.view()) == nullptr) { return out.fail(regex.error()); }
          if (const auto known = regex.count_literal(text.view())) { return out.set(*known); }
          int32_t count = 0;
          for_each_match(regex, text.view(), [&](size_t, size_t) {
            ++count;
            return true;
          });
          out.set(count);
        };
      })});
  table.define(
      "REGEXP_INSTR", kCareful, {"string, string -> int"}, {with_regex([](CompiledRegex regex) {
        return [regex = std::move(regex)](Out<int32_t>& out, Text text, Text pattern) mutable {
          if (regex.get(pattern.view()) == nullptr) { return out.fail(regex.error()); }
          int64_t position = 0;
          for_each_match(regex, text.view(), [&](size_t at, size_t) {
            position = character_count(text.view().substr(0, at)) + 1;
            return false;
          });
          out.set(static_cast<int32_t>(position));
        };
      })});
}

MadeKernel similar_kernel(const KernelSetup& setup) {
  if (setup.arguments.size() == 3) {
    return row_kernel(
        [regex = CompiledRegex()](Out<uint8_t>& out, Text text, Text pattern, Text escape) mutable {
          similar(out, regex, text, pattern, escape);
        });
  }
  return row_kernel([regex = CompiledRegex()](Out<uint8_t>& out, Text text, Text pattern) mutable {
    similar(out, regex, text, pattern, Text());
  });
}

}  // namespace

void add_regular_expressions(FunctionTable& table) {
  table.define("LIKE", kCareful, {"string, string, string? -> boolean"}, {like_kernel});
  table.define("SIMILAR TO", kCareful, {"string, string, string? -> boolean"}, {similar_kernel});
  add_extractions(table);
  add_matches(table);
}

}  // namespace tidewheel::sql
