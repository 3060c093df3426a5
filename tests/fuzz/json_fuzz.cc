// Fuzzes the reader of JSON: any bytes are rows or rejects, whatever pieces they come in, and rows
// survive being written and read again.
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/formats/json/json.h"

namespace {

using namespace tidewheel;

struct Inner {
  double real = 0;
  std::vector<std::optional<std::string>> texts;
  friend bool operator==(const Inner& a, const Inner& b) {
    return (a.real == b.real || (std::isnan(a.real) && std::isnan(b.real))) && a.texts == b.texts;
  }
};
struct Row {
  std::string name;
  std::optional<int32_t> number;
  std::optional<Timestamp> at;
  std::optional<Inner> inner;
  std::optional<std::map<std::string, uint64_t>> map;
  std::optional<Decimal<12, 4>> money;
  std::optional<std::variant<bool, Inner>> either;
  std::optional<Bytes> bytes;
  friend bool operator==(const Row&, const Row&) = default;
};

std::vector<Row> read_all(std::string_view text, const JsonOptions& options, std::size_t piece) {
  auto reader = JsonReader<Row>::open(options, "fuzz");
  TIDEWHEEL_CHECK(reader.ok());
  std::vector<Row> rows;
  std::string kept;
  while (true) {
    Row row;
    std::size_t taken = 0;
    const bool ended = text.empty();
    const JsonNext next = reader->next(kept, ended, taken, row);
    kept.erase(0, taken);
    if (next == JsonNext::kRow) { rows.push_back(std::move(row)); }
    if (next == JsonNext::kEnd) { return rows; }
    TIDEWHEEL_CHECK(next != JsonNext::kFailed, "{}", reader->status().message());
    if (next == JsonNext::kNeedsBytes) {
      TIDEWHEEL_CHECK(!ended);
      const std::size_t count = std::min(piece, text.size());
      kept.append(text.substr(0, count));
      text.remove_prefix(count);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size == 0) { return 0; }
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const JsonOptions options{.ignore_parse_errors = (data[0] & 2) == 0,
                            .on_malformed = JsonOnMalformed::kReject,
                            .record_bytes_max = (data[0] & 1) == 0 ? 1000 : 20};
  const std::vector<Row> rows = read_all(text, options, SIZE_MAX);
  TIDEWHEEL_CHECK(read_all(text, options, 1 + data[0] / 16U) == rows);
  const auto writer = JsonWriter::open({});
  std::string written;
  for (const Row& row : rows) { writer->append_row(written, row); }
  TIDEWHEEL_CHECK(read_all(written, {}, SIZE_MAX) == rows);
  return 0;
}
