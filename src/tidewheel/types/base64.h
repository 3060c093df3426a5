// Bytes as base64 (RFC 4648), with padding.
#pragma once
#include <string>
#include <string_view>

namespace tidewheel {

// False when `text` is no base64; then `bytes` has anything.
bool parse_base64(std::string_view text, std::string& bytes);
void append_base64(std::string& out, std::string_view bytes);

}  // namespace tidewheel
