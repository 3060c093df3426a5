// Fuzzes SQL/JSON paths and the JSON that they are looked for in: the first line is a path, the
// rest a text. What is read must survive being written and read again, and a path leads to nodes of
// its document.
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/check.h"
#include "tidewheel/sql/json_path.h"
#include "tidewheel/types/json_document.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace tidewheel;
  using namespace tidewheel::sql;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(input.find('\n'), input.size());
  const std::string_view text = input.substr(std::min(line + 1, input.size()));
  const Result<JsonPath> path = JsonPath::parse(input.substr(0, line));
  JsonDocument document;
  if (!document.parse(text)) { return 0; }
  std::string written;
  append_json(written, document, 0);
  JsonDocument again;
  TIDEWHEEL_CHECK(again.parse(written), "what was written is no JSON: {}", written);
  std::string twice;
  append_json(twice, again, 0);
  TIDEWHEEL_CHECK(twice == written, "{} became {}", written, twice);
  const uint32_t count = document.node(0).next;
  // Deep steps in each other cost the size of the document each.
  const bool is_dear = path.ok() && path->steps.size() > 4;
  if (!path.ok() || is_dear) { return 0; }
  JsonMatches matches;
  const bool found = matches.find(document, *path);
  for (const uint32_t node : matches.nodes()) {
    TIDEWHEEL_CHECK(node < count, "a path leads out of its document");
  }
  TIDEWHEEL_CHECK(!path->is_definite || matches.nodes().size() == (found ? 1 : 0),
                  "a definite path leads to {} values", matches.nodes().size());
  return 0;
}
