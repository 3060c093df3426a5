// Fuzzes the reader of Parquet files: any bytes are rows or an error.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tidewheel/api/bulk_format.h"
#include "tidewheel/base/check.h"
#include "tidewheel/formats/parquet/table.h"
#include "tidewheel/testing/column_rows.h"

namespace {

using namespace tidewheel;

class BytesFile final : public ReadableFile {
 public:
  explicit BytesFile(std::string_view bytes) : bytes_(bytes) {}
  Result<int64_t> read_at(int64_t offset, std::span<char> into) override {
    const std::string_view rest =
        bytes_.substr(std::min(bytes_.size(), static_cast<size_t>(offset)));
    return static_cast<int64_t>(rest.copy(into.data(), into.size()));
  }
  Result<int64_t> read(std::span<char>) override {
    return unimplemented(ErrorId::kFileIo, "read at a place");
  }
  Result<FileInfo> info() override { return FileInfo{.size_bytes = std::ssize(bytes_)}; }

 private:
  const std::string_view bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  static const std::unique_ptr<TableFormat> format = parquet_table_format();
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const BulkTableFormat& bulk = *as_bulk(*format);
  // By its own schema, as `FROM 'x.parquet'` reads it.
  const auto columns = bulk.columns_of(std::make_unique<BytesFile>(bytes));
  if (!columns.ok() || columns->size() == 0) { return 0; }
  TableOptions options(test::table_of({}, {{"connector", "test"}}), format->options());
  const auto make = bulk.bulk_reader(DecodedRow::all(*columns), {}, options);
  TIDEWHEEL_CHECK(make.ok());
  auto reader = (*make)(std::make_unique<BytesFile>(bytes), {.path = "f"});
  if (!reader.ok()) { return 0; }
  constexpr int kBatchesMax = 100;
  for (int i = 0; i < kBatchesMax; ++i) {
    test::ColumnRows rows(*columns);
    const auto more = (*reader)->read(rows.batch(), 1000);
    static_cast<void>(rows.texts());
    if (!more.ok() || !*more) { return 0; }
  }
  return 0;
}
