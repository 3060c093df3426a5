// Fuzzes configuration: YAML files, and each kind of value. What is accepted must survive being
// written and read again.
#include <cstdint>
#include <string_view>

#include "tidewheel/base/check.h"
#include "tidewheel/base/config.h"
#include "tidewheel/base/yaml_settings.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace tidewheel;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Config config;
  ignore(config.load_yaml(text, "fuzz.yaml"), "only a crash is wrong");
  const auto take = [&config](const YamlSetting& setting) {
    ignore(config.set(setting.key, setting.value), "only a crash is wrong");
    return ok_status();
  };
  ignore(read_plain_settings(text, "fuzz.conf", take), "only a crash is wrong");
  ignore(config.set_assignment(text), "only a crash is wrong");
  ignore(parse_bool(text), "only a crash is wrong");
  ignore(parse_int(text), "only a crash is wrong");
  ignore(parse_double(text), "only a crash is wrong");
  if (const Result<int64_t> duration = parse_duration_ms(text); duration.ok()) {
    TIDEWHEEL_CHECK(parse_duration_ms(format_duration_ms(*duration)).value() == *duration, "{}",
                    *duration);
  }
  if (const Result<int64_t> bytes = parse_memory_bytes(text); bytes.ok()) {
    TIDEWHEEL_CHECK(parse_memory_bytes(format_memory_bytes(*bytes)).value() == *bytes, "{}",
                    *bytes);
  }
  return 0;
}
