// LIKE: % for any characters, _ for one.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel::sql {

class LikePattern {
 public:
  // `escape`: one character, or empty. Errors: kSqlValue when it stands before what needs none.
  static Result<LikePattern> compile(std::string_view pattern, std::string_view escape);

  bool matches(std::string_view text) const;

 private:
  // Most patterns are one of the first four, which need no search.
  enum class Form : uint8_t { kEqual, kPrefix, kSuffix, kContains, kGeneral };
  // Parts between %: characters, where those listed in `any` stand for any one.
  struct Part {
    std::string text;
    std::vector<uint32_t> any;  // bytes of `text` where a _ stands
  };

  bool matches_general(std::string_view text) const;
  static bool match_here(const Part& part, std::string_view text, size_t& length);
  static bool find_last(const Part& part, std::string_view text);

  Form form_ = Form::kEqual;
  std::string literal_;
  std::vector<Part> parts_;
};

// SIMILAR TO as a regular expression: % and _ of LIKE; | * + ? {m,n} ( ) [ ] as in others.
Result<std::string> similar_to_regex(std::string_view pattern, std::string_view escape);

}  // namespace tidewheel::sql
