// How wide text is on a terminal.
#pragma once
#include <cstddef>
#include <string_view>

namespace tidewheel {

// Columns that `text` takes: two for characters of East Asia that are wide and for emoji, none for
// marks that join the character before them. Bytes that are not UTF-8 take one each.
size_t text_width(std::string_view text);

// How many bytes at the beginning of `text` take at most `columns`, in whole characters.
size_t bytes_in_width(std::string_view text, size_t columns);

}  // namespace tidewheel
