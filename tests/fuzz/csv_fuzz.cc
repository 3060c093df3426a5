// Fuzzes the reader of CSV: any bytes are rows or rejects, whatever pieces they come in, and rows
// survive being written and read again.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/formats/csv/reader.h"
#include "tidewheel/formats/csv/writer.h"

namespace {

using namespace tidewheel;

struct Row {
  std::string name;
  std::optional<int32_t> number;
  Timestamp at;
  friend bool operator==(const Row&, const Row&) = default;
};

std::vector<Row> read_all(std::string_view text, const csv::Options& options, std::size_t piece) {
  auto reader = csv::Reader<Row>::open(options, "fuzz");
  TIDEWHEEL_CHECK(reader.ok());
  std::vector<Row> rows;
  std::string kept;
  while (true) {
    Row row;
    std::size_t taken = 0;
    const bool ended = text.empty();
    const csv::Next next = reader->next(kept, ended, taken, row);
    kept.erase(0, taken);
    if (next == csv::Next::kRow) { rows.push_back(std::move(row)); }
    if (next == csv::Next::kEnd) { return rows; }
    TIDEWHEEL_CHECK(next != csv::Next::kFailed, "{}", reader->status().message());
    if (next == csv::Next::kNeedsBytes) {
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
  const csv::Options options{.header = false,
                             .on_malformed = csv::OnMalformed::kReject,
                             .record_bytes_max = (data[0] & 1) == 0 ? 1000 : 20};
  const std::vector<Row> rows = read_all(text, options, SIZE_MAX);
  TIDEWHEEL_CHECK(read_all(text, options, 1 + data[0] / 16U) == rows);
  const auto writer = csv::Writer<Row>::open({.header = false});
  std::string written;
  for (const Row& row : rows) { writer->append_row(written, row); }
  TIDEWHEEL_CHECK(read_all(written, {.header = false}, SIZE_MAX) == rows);
  return 0;
}
