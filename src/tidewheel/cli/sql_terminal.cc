#include "tidewheel/cli/sql_terminal.h"

#include <editline/readline.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "tidewheel/api/table.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/session.h"

namespace tidewheel {
namespace {

constexpr int kHistoryLinesMax = 1000;
constexpr const char* kPrompt = "tidewheel> ";
constexpr const char* kMorePrompt = "        -> ";

constexpr const char* kHelp =
    "Statements end with ';'. Ctrl-C ends a query, Ctrl-D or QUIT; the shell.\n"
    "  SHOW TABLES;  DESCRIBE t;  EXPLAIN SELECT ..;  SHOW FUNCTIONS;  SET 'key' = 'value';\n"
    "A file is a table: SELECT * FROM 'flights.csv' LIMIT 10;\n";

// What the line editor, whose callbacks know nothing else, completes from.
sql::Session* completed_session = nullptr;

std::vector<std::string> candidates(std::string_view prefix) {
  std::vector<std::string> found;
  const std::string capitals = sql::in_capitals(prefix);
  const auto add = [&](const std::string& name, bool ignores_case) {
    if (ignores_case ? sql::in_capitals(name).starts_with(capitals) : name.starts_with(prefix)) {
      found.push_back(name);
    }
  };
  for (const std::string_view word : sql::reserved_words()) { add(std::string(word), true); }
  for (const std::string& name : completed_session->functions().names()) { add(name, true); }
  for (const std::string& name : completed_session->catalog().objects(true, true)) {
    add(name, false);
  }
  for (const std::string& name : completed_session->column_names()) { add(name, false); }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

char* next_candidate(const char* text, int state) {
  static std::vector<std::string> found;
  static size_t next = 0;
  if (state == 0) {
    found = candidates(text);
    next = 0;
  }
  return next < found.size() ? strdup(found[next++].c_str()) : nullptr;
}

char** complete(const char* text, int, int) {
  rl_attempted_completion_over = 1;
  return rl_completion_matches(text, next_candidate);
}

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    text.pop_back();
  }
  size_t begin = 0;
  while (begin < text.size() && std::isspace(static_cast<unsigned char>(text[begin])) != 0) {
    ++begin;
  }
  return text.substr(begin);
}

}  // namespace

bool output_is_terminal() { return isatty(STDOUT_FILENO) != 0; }

struct SqlTerminal::Editor {
  std::string history_path;

  Editor() {
    rl_readline_name = const_cast<char*>("tidewheel");
    rl_initialize();
    rl_attempted_completion_function = complete;
    using_history();
    stifle_history(kHistoryLinesMax);
    if (const char* const home = std::getenv("HOME")) {
      history_path = std::string(home) + "/.tidewheel_sql_history";
      read_history(history_path.c_str());
    }
  }
  ~Editor() {
    if (!history_path.empty()) { write_history(history_path.c_str()); }
  }
};

SqlTerminal::SqlTerminal(sql::Session& session) : is_interactive_(isatty(STDIN_FILENO) != 0) {
  if (!is_interactive_) { return; }
  completed_session = &session;
  editor_ = std::make_unique<Editor>();
  std::fputs("Tidewheel SQL. HELP; tells more.\n", stdout);
}
SqlTerminal::~SqlTerminal() { completed_session = nullptr; }

std::optional<std::string> SqlTerminal::read_rest() {
  if (is_over_) { return std::nullopt; }
  is_over_ = true;
  std::string text;
  char buffer[65536];
  while (const size_t count = std::fread(buffer, 1, sizeof(buffer), stdin)) {
    text.append(buffer, count);
  }
  return text;
}

std::optional<std::string> SqlTerminal::next_statement() {
  if (!is_interactive_) { return read_rest(); }
  std::string statement;
  while (true) {
    char* const line = readline(statement.empty() ? kPrompt : kMorePrompt);
    if (line == nullptr) {
      std::fputc('\n', stdout);
      return std::nullopt;
    }
    statement += line;
    std::free(line);
    const std::string so_far = trimmed(statement);
    if (so_far.empty()) {
      statement.clear();
      continue;
    }
    const std::string command = sql::in_capitals(so_far);
    if (command == "QUIT;" || command == "EXIT;" || command == "QUIT" || command == "EXIT") {
      return std::nullopt;
    }
    if (command == "HELP;" || command == "HELP") {
      std::fputs(kHelp, stdout);
      statement.clear();
      continue;
    }
    if (so_far.back() == ';') {
      add_history(so_far.c_str());
      return so_far;
    }
    statement += '\n';
  }
}

}  // namespace tidewheel
