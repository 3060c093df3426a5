#include "tidewheel/sql/json_path.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tidewheel::sql {
namespace {

// ---- Documents

std::string again(std::string_view text) {
  JsonDocument document;
  if (!document.parse(text)) { return "no JSON"; }
  std::string out;
  append_json(out, document, 0);
  return out;
}

TEST(JsonDocument, what_is_read_is_written_compactly_with_keys_in_order) {
  EXPECT_EQ(again(R"( { "b" : [ 1 , true , null ] , "a" : { } } )"),
            R"({"a":{},"b":[1,true,null]})");
  EXPECT_EQ(again(R"({"a":1,"a":2})"), R"({"a":2})");
  EXPECT_EQ(again("[]"), "[]");
  EXPECT_EQ(again("\"\""), "\"\"");
}

TEST(JsonDocument, numbers_are_written_as_big_decimals_are) {
  EXPECT_EQ(again("[0.10,1e10,1E-7,0.0000001,123e-2,-0.0,-0,1.5e3,100,12345678901234567890]"),
            "[0.10,1E+10,1E-7,1E-7,1.23,0.0,0,1.5E+3,100,12345678901234567890]");
  EXPECT_EQ(again("[12e999999999,12e99999999999]"), "[1.2E+1000000000,12e99999999999]");
  EXPECT_EQ(again("[1.2E+1000000000]"), "[1.2E+1000000000]");
}

TEST(JsonDocument, escapes_mean_their_characters) {
  EXPECT_EQ(again(R"("\u0041\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\")"),
            "\"A\xC3\xA9\xF0\x9F\x98\x80/\\b\\f\\n\\r\\t\\\"\\\\\"");
  EXPECT_EQ(again(R"("\ud83d")"), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(again(R"("\u0001")"), R"("\u0001")");
}

TEST(JsonDocument, what_is_not_all_json_is_none) {
  for (const char* const text :
       {"",    "{",       "[",         "[1,]",     "[1 2]", "{\"a\"}", "{\"a\":}",   "{a:1}",
        "01",  "1.",      ".5",        "+1",       "1e",    "-",       "tru",        "nulll",
        "\"a", "\"\\x\"", "\"\\u12\"", "\"a\nb\"", "[1]]",  "1 2",     "{\"a\":1,}", "\"\\"}) {
    EXPECT_EQ(again(text), "no JSON") << text;
  }
}

TEST(JsonDocument, long_strings_end_where_their_quote_is) {
  for (size_t length = 0; length < 40; ++length) {
    const std::string text(length, 'x');
    EXPECT_EQ(again("[\"" + text + "\",\"" + text + "\\n\"]"),
              "[\"" + text + "\",\"" + text + "\\n\"]");
    EXPECT_EQ(again("\"" + text + "\x01\""), "no JSON");
  }
}

TEST(JsonDocument, nesting_has_a_limit) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_EQ(again(nested(JsonDocument::kDepthMax)), nested(JsonDocument::kDepthMax));
  EXPECT_EQ(again(nested(JsonDocument::kDepthMax + 1)), "no JSON");
  EXPECT_EQ(again(std::string(1'000'000, '[')), "no JSON");
}

// ---- Paths

constexpr char kStore[] = R"({"store":{
  "book":[{"title":"A","price":8.95,"tags":["x"]},{"title":"B","price":12.99},
          {"title":"C","isbn":"1"}],
  "bike":{"price":19.95,"colour":null}},"a.b":[0.998,0.996],"n":10})";

// The values that a path leads to, with spaces between; "none" when it leads nowhere.
std::string found(std::string_view path_text, std::string_view text = kStore) {
  const Result<JsonPath> path = JsonPath::parse(path_text);
  if (!path.ok()) { return std::string(path.status().message()); }
  JsonDocument document;
  EXPECT_TRUE(document.parse(text));
  JsonMatches matches;
  if (!matches.find(document, *path)) { return "none"; }
  std::string out;
  for (const uint32_t node : matches.nodes()) {
    if (!out.empty()) { out += ' '; }
    append_json(out, document, node);
  }
  return out;
}

struct PathCase {
  const char* path;
  const char* values;
};

TEST(JsonPath, paths_lead_to_values) {
  const PathCase cases[] = {
      {"$.n", "10"},
      {"  lax  $ .n",
       "the JSON path '  lax  $ .n' is wrong at character 10, '.n': a . or [ or the "
       "end was expected"},
      {"lax $.n", "10"},
      {"STRICT\t$['n']", "10"},
      {"$[\"a.b\"][0]", "0.998"},
      {"$.[\"a.b\"][-1]", "0.996"},
      {"$.store.book[1].title", "\"B\""},
      {"$.store.book[*].price", "8.95 12.99"},
      {"$.store.book[*].tags[0]", "\"x\""},
      {"$.store.book[0,2].title", "\"A\" \"C\""},
      {"$.store.book[1:].title", "\"B\" \"C\""},
      {"$.store.book[:-1].title", "\"A\" \"B\""},
      {"$.store.book[-2:-1].title", "\"B\""},
      {"$.store.bike.*", "19.95 null"},
      {"$..price", "8.95 12.99 19.95"},
      {"$..book[0].title", "\"A\""},
      {"$..[0]", "{\"price\":8.95,\"tags\":[\"x\"],\"title\":\"A\"} \"x\" 0.998"},
      {"$.store.bike.colour", "null"},
      {"$.missing", "none"},
      {"$.n.m", "none"},
      {"$.n[0]", "none"},
      {"$.store.book[7]", "none"},
      {"$.store.book[-4]", "none"},
      {"$.store.book[7,8]", ""},
      {"$.missing[*]", "none"},
      {"$..missing", ""},
  };
  for (const PathCase& one : cases) { EXPECT_EQ(found(one.path), one.values) << one.path; }
}

TEST(JsonPath, filters_choose_elements) {
  const PathCase cases[] = {
      {"$.store.book[?(@.price > 10)].title", "\"B\""},
      {"$.store.book[?(@.price <= 8.95)].title", "\"A\""},
      {"$.store.book[?(@.isbn)].title", "\"C\""},
      {"$.store.book[?(!(@.isbn))].title", "\"A\" \"B\""},
      {"$.store.book[?(!@.isbn && @.price)].title", "\"A\" \"B\""},
      {"$.store.book[?(@.title == 'A' || @.title == \"C\")].title", "\"A\" \"C\""},
      {"$.store.book[?((@.title != 'A') && (@.title != 'C'))].title", "\"B\""},
      {"$.store.book[?(@.title =~ /[ab]/i)].title", "\"A\" \"B\""},
      {"$.store.book[?(@.title =~ /[ab]/)].title", ""},
      {"$.store.book[?(@.title in ['A', 'C', 1])].title", "\"A\" \"C\""},
      {"$.store.book[?(@.title nin ['A', 'C'])].title", "\"B\""},
      {"$.store.book[?(@.price > $.n)].title", "\"B\""},
      {"$.store.book[?(@.tags[0] == 'x')].title", "\"A\""},
      {"$.store.book[?(@.missing == null)].title", ""},
      {"$.store.book[?(@.title > 'A')].title", "\"B\" \"C\""},
      {"$.store.book[?(@.title > 1)].title", ""},
      {"$.store.bike[?(@.price > 1)].price", "19.95"},
      {"$['a.b'][?(@ < 0.997)]", "0.996"},
  };
  for (const PathCase& one : cases) { EXPECT_EQ(found(one.path), one.values) << one.path; }
}

TEST(JsonPath, what_is_no_path_is_told_with_its_place) {
  const PathCase cases[] = {
      {"", "the JSON path '' ends where $ was expected"},
      {"a.b", "character 1, 'a.b': $ was expected"},
      {"$.", "ends where a name or * was expected"},
      {"$.a[", "a number, a name in quotes, * or ?(..) was expected"},
      {"$.a[1", "ends where ] was expected"},
      {"$.a['b]", "the closing quote was expected"},
      {"$.a[?(@.b = 1)]", "a comparison"},
      {"$.a[?(@.b == )]", "@, $, a number, a text in quotes, true, false or null was expected"},
      {"$.a[?(@.b =~ 'x')]", "=~ /regular expression/"},
      {"$.a[?(@.b =~ /(/)]", "the regular expression in the JSON path"},
      {"$.a[?(@.b in 1)]", "a list behind in and nin"},
      {"$.a.length()", "calls the function length()"},
      {"$['a','b']", "names several members at once"},
      {"$.a b", "a . or [ or the end"},
  };
  for (const PathCase& one : cases) {
    EXPECT_NE(found(one.path).find(one.values), std::string::npos) << found(one.path);
  }
}

TEST(JsonPath, nesting_of_filters_has_a_limit) {
  std::string path = "$";
  for (int i = 0; i < 200; ++i) { path += "[?(@"; }
  EXPECT_NE(found(path).find("fewer"), std::string::npos);
  EXPECT_NE(found("$[?(" + std::string(100'000, '(')).find("fewer parentheses"), std::string::npos);
  EXPECT_NE(found("$[?(" + std::string(100'000, '!')).find("fewer parentheses"), std::string::npos);
}

}  // namespace
}  // namespace tidewheel::sql
