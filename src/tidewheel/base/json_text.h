// Text as a JSON string (RFC 8259, section 7).
#pragma once
#include <string>
#include <string_view>

namespace tidewheel {

// In quotes, with escapes where they must be. Bytes that are not UTF-8 become U+FFFD.
void append_json_text(std::string& out, std::string_view text);
std::string json_text(std::string_view text);

}  // namespace tidewheel
