// What the shell offers when Tab is pressed.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace tidewheel::sql {
class Session;  // sql/session.h
}

namespace tidewheel {

struct Completion {
  size_t begin = 0;  // of the word that is completed, in the text before the cursor
  std::vector<std::string> candidates;  // whole words, sorted; each begins as the word does
  std::string ending = " ";             // what comes behind the only one: a blank, or the quote
};

// `before`: all of the statement before the cursor. In quotes: settings behind SET and RESET,
// options of tables and what they may name behind WITH and OPTIONS; else keywords, functions,
// tables and columns, and the shell's commands behind a backslash.
Completion complete_sql(const sql::Session& session, std::string_view before);

// The commands of the shell: `\d` and its like.
const std::vector<std::string>& shell_commands();

}  // namespace tidewheel
