#include "tidewheel/cli/sql_completion.h"

#include <algorithm>
#include <cctype>

#include "tidewheel/api/table.h"
#include "tidewheel/base/options.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/session.h"

namespace tidewheel {
namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
         (static_cast<unsigned char>(c) & 0x80U) != 0;
}

// Where the string begins that is open at the end, behind its quote; npos: none is.
size_t open_quote(std::string_view text) {
  size_t open = std::string_view::npos;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\'') { open = open == std::string_view::npos ? i + 1 : std::string_view::npos; }
  }
  return open;
}

// The last of `words` that stands outside of quotes in a text in capitals.
std::string last_word_of(const std::string& capitals, std::initializer_list<const char*> words) {
  std::string found;
  bool quoted = false;
  std::string word;
  for (const char c : capitals + " ") {
    if (c == '\'') { quoted = !quoted; }
    if (!quoted && is_word(c)) {
      word += c;
      continue;
    }
    if (std::any_of(words.begin(), words.end(), [&](const char* one) { return word == one; })) {
      found = word;
    }
    word.clear();
  }
  return found;
}

void add_settings(const sql::Session& session, std::vector<std::string>& all) {
  for (const std::string& key : session.setting_keys()) { all.push_back(key); }
  for (const ConfigOption* option : all_options()) { all.emplace_back(option->key); }
}

// Keys of options of tables; or, behind `'connector' =` and `'format' =`, their values.
void add_table_options(const sql::Session& session, std::string_view before,
                       std::vector<std::string>& all) {
  const TableRegistry& tables = session.tables();
  std::string_view lead = before;
  while (!lead.empty() && (std::isspace(static_cast<unsigned char>(lead.back())) != 0)) {
    lead.remove_suffix(1);
  }
  if (lead.ends_with('=')) {
    lead.remove_suffix(1);
    while (!lead.empty() && std::isspace(static_cast<unsigned char>(lead.back())) != 0) {
      lead.remove_suffix(1);
    }
    if (lead.ends_with("'connector'")) { all = tables.connector_names(); }
    if (lead.ends_with("'format'")) { all = tables.format_names(); }
    return;
  }
  all = {"connector", "format"};
  for (const std::string& name : tables.connector_names()) {
    const Result<const TableConnector*> connector = tables.connector(name);
    if (!connector.ok()) { continue; }  // a plug-in that does not fit
    for (const TableOption& option : (*connector)->options()) { all.push_back(option.key); }
  }
  for (const std::string& name : tables.format_names()) {
    const Result<const TableFormat*> format = tables.format(name);
    if (!format.ok()) { continue; }
    for (const TableOption& option : (*format)->options()) { all.push_back(option.key); }
  }
}

}  // namespace

const std::vector<std::string>& shell_commands() {
  static const std::vector<std::string> kAll = {"\\?", "\\d",      "\\i", "\\l",
                                                "\\q", "\\timing", "\\x"};
  return kAll;
}

Completion complete_sql(const sql::Session& session, std::string_view before) {
  Completion made;
  std::vector<std::string> all;
  bool ignores_case = false;
  const size_t quote = open_quote(before);
  if (quote != std::string_view::npos) {
    made.begin = quote;
    made.ending = "'";
    const std::string capitals = sql::in_capitals(before.substr(0, quote - 1));
    const std::string place = last_word_of(capitals, {"SET", "RESET", "WITH", "OPTIONS"});
    const bool is_value = capitals.find_last_not_of(' ') != std::string::npos &&
                          capitals[capitals.find_last_not_of(' ')] == '=';
    if (place == "WITH" || place == "OPTIONS" || sql::in_capitals(before).starts_with("ALTER")) {
      add_table_options(session, before.substr(0, quote - 1), all);
    } else if ((place == "SET" || place == "RESET") && !is_value) {
      add_settings(session, all);
    }
  } else {
    made.begin = before.size();
    while (made.begin > 0 && is_word(before[made.begin - 1])) { --made.begin; }
    if (made.begin > 0 && before[made.begin - 1] == '\\') {
      --made.begin;
      all = shell_commands();
    } else {
      ignores_case = true;
      for (const std::string_view word : sql::reserved_words()) { all.emplace_back(word); }
      for (const char* const word :
           {"HELP", "CLEAR", "QUIT", "EXIT", "SHOW TABLES", "DESCRIBE", "EXPLAIN", "ANALYZE"}) {
        all.emplace_back(word);
      }
      for (const std::string& name : session.functions().names()) { all.push_back(name); }
      for (const std::string& name : session.catalog().objects(true, true)) { all.push_back(name); }
      for (const std::string& name : session.column_names()) { all.push_back(name); }
    }
  }
  const std::string_view word = before.substr(made.begin);
  const std::string capitals = sql::in_capitals(word);
  for (std::string& name : all) {
    if (ignores_case ? sql::in_capitals(name).starts_with(capitals) : name.starts_with(word)) {
      made.candidates.push_back(std::move(name));
    }
  }
  std::sort(made.candidates.begin(), made.candidates.end());
  made.candidates.erase(std::unique(made.candidates.begin(), made.candidates.end()),
                        made.candidates.end());
  return made;
}

}  // namespace tidewheel
