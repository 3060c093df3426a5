// A failure in the form in which Flink's Java clients read it: they deserialize an object of theirs
// from the answer, and fail themselves when there is none.
#pragma once
#include <string>
#include <string_view>

namespace tidewheel {

// Base64 of a serialized org.apache.flink.util.SerializedThrowable without a cause.
std::string serialized_throwable(std::string_view class_name, std::string_view message);

}  // namespace tidewheel
