// Fuzzes the reader of serialized values and of schemas: hostile bytes are refused or give a value
// that can be written and read again.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/types/schema.h"

namespace {

using namespace tidewheel;

struct Inner {
  int32_t number = 0;
  Text note;
};
struct Value {
  std::string name;
  bool flag = false;
  std::optional<double> maybe;
  std::vector<Inner> inners;
  std::vector<int64_t> numbers;
  std::map<std::string, int32_t> ordered;
  std::unordered_map<int32_t, Text> unordered;
  std::variant<int64_t, Text, Inner> either;
  Decimal<10, 2> money;
  std::array<uint16_t, 2> two{};
};

void fuzz_value(std::string_view bytes) {
  const Result<Value> value = decode_all<Value>(bytes);
  if (!value.ok()) { return; }
  const std::string written = encode_to_string(*value);
  const Result<Value> again = decode_all<Value>(written);
  TIDEWHEEL_CHECK(again.ok() && encode_to_string(*again) == written);
}

void fuzz_schema(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, bytes.size() / 2);
  const Result<Schema> schema = Schema::parse(head);
  if (!schema.ok()) { return; }
  TIDEWHEEL_CHECK(Schema::parse(schema->encode()).value() == *schema);
  Reader skipping(bytes.substr(head.size()));
  detail::skip_value(skipping, *schema);
  const auto decoder = SchemaDecoder<Value>::open(*schema);
  if (!decoder.ok()) { return; }
  Reader reader(bytes.substr(head.size()));
  Value value;
  decoder->read(reader, value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size == 0) { return 0; }
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 1) == 0) {
    fuzz_value(bytes);
  } else {
    fuzz_schema(bytes);
  }
  return 0;
}
