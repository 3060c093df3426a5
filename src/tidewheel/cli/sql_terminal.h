// Where `tidewheel sql` gets statements from when none are on its command line: a person at a
// terminal, with line editing, history and completion, or standard input as a whole.
#pragma once
#include <memory>
#include <optional>
#include <string>

namespace tidewheel::sql {
class Session;  // sql/session.h
}

namespace tidewheel {

bool output_is_terminal();

// One at a time in a process (the line editor has global state). The session outlives it.
class SqlTerminal {
 public:
  explicit SqlTerminal(sql::Session& session);
  ~SqlTerminal();
  SqlTerminal(const SqlTerminal&) = delete;
  SqlTerminal& operator=(const SqlTerminal&) = delete;

  bool is_interactive() const { return is_interactive_; }
  // What ends with `;`, or the rest of the input; nothing when there is no more, or QUIT was typed.
  std::optional<std::string> next_statement();

 private:
  struct Editor;
  std::optional<std::string> read_rest();

  const bool is_interactive_;
  bool is_over_ = false;
  std::unique_ptr<Editor> editor_;
};

}  // namespace tidewheel
