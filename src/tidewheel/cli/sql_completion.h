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

// `statement` is all that is typed of it, with the cursor behind `cursor` bytes. In quotes:
// settings behind SET and RESET, options of tables and what they may name behind WITH and OPTIONS.
// Else what can stand there: tables behind FROM, columns behind the name or alias of a table and a
// point, .., and in most places keywords, functions, tables and columns. The shell's commands
// behind a backslash.
Completion complete_sql(const sql::Session& session, std::string_view statement, size_t cursor);

// The commands of the shell: `\d` and its like.
const std::vector<std::string>& shell_commands();

}  // namespace tidewheel
