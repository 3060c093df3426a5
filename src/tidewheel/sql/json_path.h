// SQL/JSON paths: [lax | strict] $.a['b'][0][*]..c[?(@.d > 1)], with the syntax of Jayway's
// JsonPath, which Flink has. Without a word in front they are strict.
//
//   $ the root      .a  ['a']  a member       [0]  [-1]  [0,2]  [1:3]  elements, from 0 or the end
//   .*  [*]  all members or elements          ..a  ..*  ..[0]   of all that is inside
//   [?(filter)]  those elements for which it is true: comparisons == != < <= > >= of @ (the
//   element), $ and literals; =~ /regex/i; in and nin [..]; a path alone: it is there; && || ! ( )
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/types/json_document.h"

namespace re2 {
class RE2;
}

namespace tidewheel::sql {

struct JsonPath;
struct JsonFilter;

struct JsonStep {
  enum class Kind : uint8_t { kMember, kElements, kSlice, kAll, kFilter };
  Kind kind = Kind::kMember;
  bool is_deep = false;  // of the value and of all inside of it
  std::string name;
  std::vector<int64_t> elements;
  std::optional<int64_t> from;
  std::optional<int64_t> to;  // the first that is left out
  std::shared_ptr<const JsonFilter> filter;
};

struct JsonOperand {
  enum class Kind : uint8_t {
    kElement,
    kRoot,
    kText,
    kNumber,
    kTrue,
    kFalse,
    kNull,
    kList,
    kRegex
  };
  Kind kind = Kind::kNull;
  std::vector<JsonStep> steps;  // behind @ or $
  bool is_definite = true;
  std::string text;  // of a number as it was written
  std::vector<JsonOperand> list;
  std::shared_ptr<const re2::RE2> regex;
};

struct JsonFilter {
  enum class Kind : uint8_t { kAnd, kOr, kNot, kExists, kCompare };
  enum class Op : uint8_t {
    kEqual,
    kNotEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kMatches,
    kIn,
    kNotIn
  };
  Kind kind = Kind::kExists;
  Op op = Op::kEqual;
  std::vector<JsonFilter> parts;
  JsonOperand left;  // of kExists the path
  JsonOperand right;
};

struct JsonPath {
  bool is_lax = false;
  // Leads to one value at most; else to a list of values.
  bool is_definite = true;
  std::vector<JsonStep> steps;

  // Errors: kSqlValue, with the place in the path and what would be accepted.
  static Result<JsonPath> parse(std::string_view text);
};

// Where a path leads in a document.
class JsonMatches {
 public:
  // False when a definite path leads nowhere, or into a value that has no such parts.
  bool find(const JsonDocument& document, const JsonPath& path);
  // Nodes, in order. Of a definite path one.
  const std::vector<uint32_t>& nodes() const { return nodes_; }

 private:
  std::vector<uint32_t> nodes_;
};

}  // namespace tidewheel::sql
