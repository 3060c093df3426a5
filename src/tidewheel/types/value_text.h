// Values as text when only their schema is known: what snapshots hold, for people.
#pragma once
#include <string>
#include <string_view>

#include "tidewheel/types/schema.h"

namespace tidewheel {

// `{path: "a.csv", offset: 12}`; hexadecimal bytes when they are not what the schema says.
std::string value_text(const Schema& schema, std::string_view bytes);
// The same for a schema as it is kept; without one, hexadecimal bytes.
std::string value_text(std::string_view encoded_schema, std::string_view bytes);

}  // namespace tidewheel
