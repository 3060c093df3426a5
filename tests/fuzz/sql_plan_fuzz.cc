// Fuzzes plans that EXECUTE PLAN reads: nothing ends the process, and what is read is the same when
// it is written and read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tidewheel/base/check.h"
#include "tidewheel/sql/saved_plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace tidewheel;
  const auto plan =
      sql::parse_saved_plan(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!plan.ok()) { return 0; }
  const auto again = sql::parse_saved_plan(to_json(*plan));
  TIDEWHEEL_CHECK(again.ok(), "{}", again.status().to_string());
  TIDEWHEEL_CHECK(to_json(*again) == to_json(*plan), "another plan is read than was written");
  return 0;
}
