// Where `tidewheel sql` gets statements from when none are on its command line: a person at a
// terminal, with line editing, history and completion, or standard input as a whole.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tidewheel/base/status.h"

namespace tidewheel::sql {
class Session;  // sql/session.h
}

namespace tidewheel {

bool output_is_terminal();
bool error_is_terminal();
// Lines of the terminal that output goes to.
int32_t terminal_lines();
// Columns of the one that failures go to.
int32_t error_terminal_columns();

// What a person typed: statements that end with `;`, or a command of the shell such as `\x`.
struct ShellInput {
  std::string text;
  bool is_command = false;
};

// One at a time in a process (the terminal's settings are global). The session outlives it.
class SqlTerminal {
 public:
  explicit SqlTerminal(sql::Session& session);
  ~SqlTerminal();
  SqlTerminal(const SqlTerminal&) = delete;
  SqlTerminal& operator=(const SqlTerminal&) = delete;

  bool is_interactive() const { return is_interactive_; }
  // Nothing when there is no more. Of standard input all of it at once. Ctrl-C drops what was typed
  // so far.
  std::optional<ShellInput> next();
  // Why there is no more of standard input, unless it has ended.
  const Status& failure() const { return failure_; }
  // Asks, and says whether the answer begins with `y`. At the end of the input: yes.
  bool confirm(const std::string& question);

 private:
  struct Editor;
  std::optional<ShellInput> read_rest();

  const bool is_interactive_;
  bool is_over_ = false;
  Status failure_;
  std::unique_ptr<Editor> editor_;
};

// Whether statements end here: with `;` outside of quotes and comments, and no statement set that
// is still open.
bool is_complete_input(const std::string& text);

}  // namespace tidewheel
