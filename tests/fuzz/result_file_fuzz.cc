// Fuzzes a file of rows that a task has kept: what is not as it was written is refused. Checksums
// would stop most inputs at the door, so that an input with the first byte set is the raw content
// of a block, for which they are made here.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/dataflow/result_file.h"
#include "tidewheel/operators/record_row_codec.h"
#include "tidewheel/types/hash.h"

namespace {

using namespace tidewheel;

struct Row {
  int64_t number = 0;
  Text text;
  std::optional<double> fraction;
};

constexpr ResultId kId{5, 2};

class BytesFile final : public ReadableFile {
 public:
  explicit BytesFile(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<int64_t> read_at(int64_t offset, std::span<char> into) override {
    const size_t at = std::min(static_cast<size_t>(offset), bytes_.size());
    const size_t count = std::min(bytes_.size() - at, into.size());
    std::copy_n(bytes_.data() + at, count, into.data());
    return static_cast<int64_t>(count);
  }
  Result<int64_t> read(std::span<char>) override { return 0; }
  Result<FileInfo> info() override {
    return FileInfo{.size_bytes = static_cast<int64_t>(bytes_.size())};
  }

 private:
  const std::string bytes_;
};

template <class Number>
void put(std::string& out, Number number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

std::string with_checksums(const std::string& raw) {
  std::string bytes;
  put(bytes, uint32_t{0x31525754});
  put(bytes, uint32_t{1});
  put(bytes, kId.attempt);
  put(bytes, kId.channel);
  put(bytes, uint32_t{0});
  std::string header;
  put(header, uint32_t{0});
  put(header, uint8_t{1});
  put(header, uint8_t{0});
  put(header, uint16_t{0});
  put(header, static_cast<uint32_t>(raw.size()));
  put(header, static_cast<uint32_t>(raw.size()));
  put(header, hash_bytes(raw.data(), raw.size()));
  put(header, hash_bytes(header.data(), header.size()));
  return bytes + header + raw;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (!bytes.empty() && bytes[0] == 1) { bytes = with_checksums(bytes.substr(1)); }
  const auto codec = row_codec_of<Row>();
  const auto pool = codec->make_pool(64, nullptr);
  ResultFileReader reader(kId, std::make_unique<BytesFile>(std::move(bytes)),
                          codec->open_reader(codec->schema()).value(), *pool);
  Element last;
  Element element;
  while (true) {
    const Result<bool> more = reader.next(element);
    if (!more.ok()) {
      TIDEWHEEL_CHECK(more.status().id() == ErrorId::kDataFrame, "{}", more.status().to_string());
      return 0;
    }
    if (!*more) { break; }
    last = std::move(element);
  }
  TIDEWHEEL_CHECK(last.kind == Element::Kind::kEndOfInput, "it has ended without an end");
  return 0;
}
