// Keys of the field that are known here, but for which there is nothing to choose: the one value
// that says what is so anyway is taken, and every other is refused with the reason.
#pragma once
#include <span>
#include <string_view>

namespace tidewheel {

struct FixedOption {
  std::string_view key;
  std::string_view value;  // that is so anyway; empty: none is
  std::string_view why;
  std::string_view former_key = {};
};

std::span<const FixedOption> fixed_options();

}  // namespace tidewheel
