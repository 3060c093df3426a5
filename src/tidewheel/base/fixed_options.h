// Keys of the field that are known here, but for which there is nothing to choose.
#pragma once
#include <span>
#include <string_view>

namespace tidewheel {

// The one value that says what is so anyway is taken, and every other is refused with the reason:
// who sets it counts on something that does not happen.
struct FixedOption {
  std::string_view key;
  std::string_view value;  // that is so anyway; empty: none is
  std::string_view why;
  std::string_view former_key = {};
};

std::span<const FixedOption> fixed_options();

// A key of what is not there, such as a Java virtual machine: no value of it changes what a job
// does. Files have many of these, so that there they are passed over with a warning; on a command
// line they are an error, as unknown keys are.
struct MeaninglessOption {
  std::string_view key;  // ends in a '*' when all keys that begin so are meant
  std::string_view why;
};

std::span<const MeaninglessOption> meaningless_options();

}  // namespace tidewheel
