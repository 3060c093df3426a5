// The reference of the engine's options, as a page of the guide.
#pragma once
#include <string>

namespace tidewheel {

// Markdown: a table for each group of keys (`execution.checkpointing`, `pipeline`, ...), with
// types, defaults and former keys.
std::string option_reference();

}  // namespace tidewheel
