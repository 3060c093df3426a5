// Bytes of a peer as HTTP messages, in portions, and as the body of an upload: never a crash, and
// the same messages whatever the portions are.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/check.h"
#include "tidewheel/http/parser.h"
#include "tidewheel/rest/router.h"
#include "tidewheel/rest/upload.h"

namespace {

using namespace tidewheel;

// What came of the text: the message, or "refused".
std::string parsed(HttpMessageKind kind, std::string_view text, size_t portion) {
  HttpParser parser(kind, {.head_bytes_max = 4096, .fields_max = 20});
  std::string waiting;
  std::string body;
  for (size_t at = 0; at < text.size() && !parser.done(); at += portion) {
    waiting += text.substr(at, portion);
    while (!waiting.empty() && !parser.done()) {
      const Result<size_t> used = parser.put(waiting);
      if (!used.ok()) { return "refused"; }
      TIDEWHEEL_CHECK(*used <= waiting.size(), "more used than given");
      if (*used == 0) { break; }
      waiting.erase(0, *used);
    }
  }
  if (!parser.head_done()) { return "incomplete"; }
  std::string out = parser.method() + " " + parser.target() + fmt::format(" {}", parser.status());
  for (const auto& [name, value] : parser.headers().fields()) { out += name + ":" + value + "\n"; }
  return out + parser.take_body() + (parser.done() ? " done" : "");
}

class CollectingSink final : public MultipartSplitter::Sink {
 public:
  Status begin_part(const MultipartSplitter::Part& part) override {
    text += "<" + part.name + "|" + part.file_name + ">";
    return {};
  }
  Status add(std::string_view bytes) override {
    text += bytes;
    return {};
  }
  Status end_part() override {
    text += "</>";
    return {};
  }
  std::string text;
};

std::string split(std::string_view body, size_t portion) {
  CollectingSink sink;
  MultipartSplitter splitter("xyz", sink);
  for (size_t at = 0; at < body.size(); at += portion) {
    if (!splitter.put(body.substr(at, portion)).ok()) { return "refused"; }
  }
  return sink.text + (splitter.is_complete() ? " complete" : "");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const HttpMessageKind kind : {HttpMessageKind::kRequest, HttpMessageKind::kResponse}) {
    const std::string whole = parsed(kind, text, std::max<size_t>(size, 1));
    for (const size_t portion : {size_t{1}, size_t{3}, size_t{17}}) {
      const std::string in_portions = parsed(kind, text, portion);
      // A limit may be passed before, or after, something else is found to be wrong.
      TIDEWHEEL_CHECK(whole == in_portions || whole == "refused" || in_portions == "refused",
                      "'{}' and '{}' by {}", whole, in_portions, portion);
    }
  }
  TIDEWHEEL_CHECK(split(text, std::max<size_t>(size, 1)) == split(text, 1), "uploads");
  static_cast<void>(MultipartSplitter::boundary_of(text));
  static_cast<void>(HttpUrl::parse(text));
  static_cast<void>(parse_query(text));
  if (const auto segments = path_segments(text); segments.has_value()) {
    for (const std::string& one : *segments) {
      TIDEWHEEL_CHECK(
          one != ".." && one != "." && one.find('/') == std::string::npos && !one.empty(),
          "a path that leads out: {}", one);
    }
  }
  const std::string name = safe_file_name(text);
  TIDEWHEEL_CHECK(!name.empty() && name.find_first_of("/\\") == std::string::npos &&
                      !name.starts_with('.') && name.size() <= 100,
                  "a file name: {}", name);
  return 0;
}
