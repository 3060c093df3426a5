// Whether bytes are UTF-8, which strings of proto3 have to be.
#pragma once
#include <string_view>

namespace tidewheel::protobuf {

// Without surrogates, and without longer forms than needed.
bool is_utf8(std::string_view text);

}  // namespace tidewheel::protobuf
