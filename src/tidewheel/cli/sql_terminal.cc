#include "tidewheel/cli/sql_terminal.h"

#include <fcntl.h>
#include <histedit.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "tidewheel/cli/sql_completion.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/session.h"

namespace tidewheel {
namespace {

constexpr int kHistoryLinesMax = 1000;
constexpr int32_t kLinesFallback = 24;
constexpr int32_t kColumnsFallback = 80;
constexpr size_t kShownCandidatesMax = 100;

std::string trimmed(const std::string& text) {
  const auto is_blank = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  const auto begin = std::find_if_not(text.begin(), text.end(), is_blank);
  const auto end = std::find_if_not(text.rbegin(), text.rend(), is_blank).base();
  return begin < end ? std::string(begin, end) : std::string();
}

// Without comments, and with quoted parts as `''`.
std::string skeleton(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = std::string_view(text).substr(i);
    if (rest.starts_with("--")) {
      i = std::min(text.find('\n', i), text.size());
    } else if (rest.starts_with("/*")) {
      const size_t end = text.find("*/", i + 2);
      if (end == std::string::npos) { return out + "'"; }
      i = end + 2;
    } else if (text[i] == '\'' || text[i] == '`' || text[i] == '"') {
      const size_t end = text.find(text[i], i + 1);
      if (end == std::string::npos) { return out + "'"; }
      out += "''";
      i = end + 1;
    } else {
      out += text[i++];
    }
  }
  return out;
}

}  // namespace

bool output_is_terminal() { return isatty(STDOUT_FILENO) != 0; }
bool error_is_terminal() { return isatty(STDERR_FILENO) != 0; }

int32_t terminal_lines() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) { return kLinesFallback; }
  return size.ws_row;
}

int32_t error_terminal_columns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) { return kColumnsFallback; }
  return size.ws_col;
}

bool is_complete_input(const std::string& text) {
  const std::string code = sql::in_capitals(trimmed(skeleton(text)));
  if (!code.ends_with(';')) { return false; }
  // BEGIN STATEMENT SET; INSERT ..; END;
  size_t open = 0;
  size_t cases = 0;  // which have an END of their own
  std::string word;
  std::string before;
  for (const char c : code) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_') {
      word += c;
      continue;
    }
    if (word.empty()) { continue; }
    if (word == "SET" && before == "STATEMENT") { ++open; }
    if (word == "CASE") { ++cases; }
    if (word == "END" && cases > 0) {
      --cases;
    } else if (word == "END" && open > 0) {
      --open;
    }
    before = word;
    word.clear();
  }
  return open == 0;
}

// The line editor of libedit. While a line is edited Ctrl-C is a key like others, and not a signal:
// it drops the line. While a statement runs the terminal is as it was.
struct SqlTerminal::Editor {
  sql::Session& session;
  EditLine* edit = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::string history_path;
  const char* prompt = "";
  std::string before;  // lines of the statement that were typed already
  bool interrupted = false;

  explicit Editor(sql::Session& of) : session(of) {
    edit = el_init("tidewheel", stdin, stdout, stderr);
    el_set(edit, EL_CLIENTDATA, this);
    el_set(edit, EL_PROMPT, &Editor::give_prompt);
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_SIGNAL, 0);
    history = history_init();
    ::history(history, &event, H_SETSIZE, kHistoryLinesMax);
    ::history(history, &event, H_SETUNIQUE, 1);
    el_set(edit, EL_HIST, ::history, history);
    el_set(edit, EL_ADDFN, "tidewheel-complete", "completes a word", &Editor::complete);
    el_set(edit, EL_BIND, "^I", "tidewheel-complete", nullptr);
    el_set(edit, EL_ADDFN, "tidewheel-interrupt", "drops the line", &Editor::interrupt);
    el_set(edit, EL_BIND, "^C", "tidewheel-interrupt", nullptr);
    el_set(edit, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_set(edit, EL_SETTY, "-d", "-isig", nullptr);
    if (const char* const home = std::getenv("HOME")) {
      history_path = std::string(home) + "/.tidewheel_sql_history";
      ::history(history, &event, H_LOAD, history_path.c_str());
    }
  }
  ~Editor() {
    history_end(history);
    el_end(edit);
  }
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  static Editor& of(EditLine* edit) {
    void* data = nullptr;
    el_get(edit, EL_CLIENTDATA, &data);
    return *static_cast<Editor*>(data);
  }
  static const char* give_prompt(EditLine* edit) { return of(edit).prompt; }

  static unsigned char interrupt(EditLine* edit, int) {
    of(edit).interrupted = true;
    std::fputs("^C\n", stdout);
    return CC_NEWLINE;
  }

  static unsigned char complete(EditLine* edit, int) {
    const LineInfo* const line = el_line(edit);
    const std::string typed(line->buffer, line->cursor);
    Editor& self = of(edit);
    const std::string before = self.before + typed;
    const std::string rest(line->cursor, line->lastchar);
    const Completion found = complete_sql(self.session, before + rest, before.size());
    const std::string word = before.substr(found.begin);
    if (found.candidates.empty()) { return CC_REFRESH_BEEP; }
    // As far as all of them agree.
    std::string common = found.candidates.front();
    for (const std::string& one : found.candidates) {
      size_t same = 0;
      while (same < common.size() && same < one.size() &&
             std::tolower(static_cast<unsigned char>(common[same])) ==
                 std::tolower(static_cast<unsigned char>(one[same]))) {
        ++same;
      }
      common.resize(same);
    }
    if (common.size() > word.size() || found.candidates.size() == 1) {
      el_deletestr(edit, static_cast<int>(std::min(word.size(), typed.size())));
      if (found.candidates.size() == 1) { common += found.ending; }
      if (el_insertstr(edit, common.c_str()) != 0) { return CC_REFRESH_BEEP; }
      return CC_REFRESH;
    }
    std::fputc('\n', stdout);
    for (size_t i = 0; i < std::min(found.candidates.size(), kShownCandidatesMax); ++i) {
      std::fprintf(stdout, "%s  ", found.candidates[i].c_str());
    }
    if (found.candidates.size() > kShownCandidatesMax) {
      std::fprintf(stdout, ".. %zu", found.candidates.size());
    }
    std::fputc('\n', stdout);
    return CC_REDISPLAY;
  }

  // Nothing at the end of the input.
  std::optional<std::string> line(const char* with_prompt) {
    prompt = with_prompt;
    interrupted = false;
    int count = 0;
    // Before the prompt is there: el_gets would do it behind it, and a Ctrl-C in between would be a
    // signal, by which the shell ends.
    el_set(edit, EL_PREP_TERM, 1);
    const char* const read = el_gets(edit, &count);
    if (interrupted) { return std::string(); }
    if (read == nullptr || count <= 0) { return std::nullopt; }
    return std::string(read, static_cast<size_t>(count));
  }
  // With its lines as they were typed: a comment ends with its line. Saved at once, so that it
  // outlives a shell that is killed.
  void remember(const std::string& text) {
    ::history(history, &event, H_ENTER, text.c_str());
    if (!history_path.empty()) { save(text); }
  }
  // Adds to what the file has by now: other shells may have it too, which wait meanwhile. What
  // these have typed since this one began is in the file, and not in the history of this one.
  void save(const std::string& text) const {
    const int file = ::open(history_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) { return; }
    if (::flock(file, LOCK_EX) == 0) {
      HistEvent done{};
      History* const whole = history_init();
      ::history(whole, &done, H_SETSIZE, kHistoryLinesMax);
      ::history(whole, &done, H_SETUNIQUE, 1);
      ::history(whole, &done, H_LOAD, history_path.c_str());
      ::history(whole, &done, H_ENTER, text.c_str());
      ::history(whole, &done, H_SAVE, history_path.c_str());
      history_end(whole);
    }
    ::close(file);
  }
};

SqlTerminal::SqlTerminal(sql::Session& session) : is_interactive_(isatty(STDIN_FILENO) != 0) {
  if (!is_interactive_) { return; }
  editor_ = std::make_unique<Editor>(session);
  std::fputs("Tidewheel SQL. HELP; tells more.\n", stdout);
}
SqlTerminal::~SqlTerminal() = default;

std::optional<ShellInput> SqlTerminal::read_rest() {
  if (is_over_) { return std::nullopt; }
  is_over_ = true;
  std::string text;
  char buffer[65536];
  while (const size_t count = std::fread(buffer, 1, sizeof(buffer), stdin)) {
    text.append(buffer, count);
  }
  if (std::ferror(stdin) != 0) {
    failure_ =
        unavailable(ErrorId::kFileIo, "standard input can't be read: {}", std::strerror(errno));
    return std::nullopt;
  }
  return ShellInput{std::move(text), false};
}

std::optional<ShellInput> SqlTerminal::next() {
  if (!is_interactive_) { return read_rest(); }
  std::string& typed = editor_->before;
  typed.clear();
  while (true) {
    const std::optional<std::string> line =
        editor_->line(typed.empty() ? "tidewheel> " : "        -> ");
    if (!line.has_value()) {
      std::fputc('\n', stdout);
      return std::nullopt;
    }
    if (editor_->interrupted) {
      typed.clear();
      continue;
    }
    typed += *line;
    const std::string so_far = trimmed(typed);
    if (so_far.empty()) {
      typed.clear();
      continue;
    }
    std::string command = sql::in_capitals(so_far);
    if (command.ends_with(';')) { command = trimmed(command.substr(0, command.size() - 1)); }
    for (const char* const word : {"QUIT", "EXIT", "HELP", "CLEAR"}) {
      if (command == word) { return ShellInput{command, true}; }
    }
    if (so_far[0] == '\\') {
      editor_->remember(so_far);
      return ShellInput{so_far, true};
    }
    if (is_complete_input(so_far)) {
      editor_->remember(so_far);
      return ShellInput{so_far, false};
    }
  }
}

bool SqlTerminal::confirm(const std::string& question) {
  if (!is_interactive_) { return true; }
  const std::optional<std::string> line = editor_->line(question.c_str());
  return !line.has_value() || line->starts_with('y') || line->starts_with('Y');
}

}  // namespace tidewheel
