// What a command line that could not be understood is answered with: what is wrong, what may have
// been meant, and where help is.
#pragma once
#include <span>
#include <string>

#include "tidewheel/base/status.h"

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace tidewheel {

class Config;  // base/config.h

// `error`: what parsing by `app` has thrown. `command`: as it is typed, "tidewheel" and what `app`
// is behind it. Gives kUsage.
Status usage_error(const CLI::App& app, const std::string& command, const CLI::ParseError& error);

// What -D says, into `config`. Errors: kUsage, with the setting.
Status apply_settings(std::span<const std::string> settings, Config& config);

}  // namespace tidewheel
