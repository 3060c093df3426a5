// Other forms of strings: hexadecimal, Base64, URLs, character sets.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace tidewheel::sql {

std::string to_hex(std::string_view bytes, bool capitals);
std::string to_base64(std::string_view bytes);
// Nothing when it is none.
std::optional<std::string> from_base64(std::string_view text);

// application/x-www-form-urlencoded
std::string url_encoded(std::string_view text);
std::optional<std::string> url_decoded(std::string_view text);
// HOST, PATH, QUERY, REF, PROTOCOL, FILE, AUTHORITY or USERINFO; nothing when the URL has none.
std::optional<std::string_view> url_part(std::string_view url, std::string_view part);
std::optional<std::string_view> query_value(std::string_view query, std::string_view key);

// UTF-8 from and to US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE and UTF-16. Nothing when there
// is no such character set. What it lacks becomes "?".
std::optional<std::string> encoded(std::string_view text, std::string_view charset);
std::optional<std::string> decoded(std::string_view bytes, std::string_view charset);
std::string unknown_charset(std::string_view charset);

}  // namespace tidewheel::sql
