// Scripts by which shells complete the commands and flags of `tidewheel`.
#pragma once
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"

namespace CLI {
class App;
}

namespace tidewheel {

// `shell`: bash, zsh or fish. Errors: kUsage.
Result<std::string> completion_script(const CLI::App& app, std::string_view shell);

}  // namespace tidewheel
