// Fuzzes the bytes of users' accumulators: what is read must survive being written and read again,
// and anything else is an exception.
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tidewheel/api/function_state.h"
#include "tidewheel/base/check.h"

namespace {

struct Inner {
  std::string name;
  std::optional<double> weight;
};
struct State {
  int64_t count = 0;
  bool seen = false;
  std::vector<Inner> inners;
  std::map<std::string, int32_t> sorted;
  std::unordered_map<int16_t, std::string> hashed;
  tidewheel::Decimal<30, 4> total;
  tidewheel::Timestamp last;
  tidewheel::Bytes bytes;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  using namespace tidewheel::udf;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  State state;
  try {
    state = state_of_bytes<State>(input);
  } catch (const std::runtime_error&) { return 0; }
  std::string written;
  append_state(written, state);
  std::string twice;
  append_state(twice, state_of_bytes<State>(written));
  TIDEWHEEL_CHECK(twice == written, "{} bytes became {} others", written.size(), twice.size());
  return 0;
}
