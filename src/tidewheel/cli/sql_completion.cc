#include "tidewheel/cli/sql_completion.h"

#include <algorithm>
#include <cctype>

#include "tidewheel/api/table.h"
#include "tidewheel/base/options.h"
#include "tidewheel/sql/catalog.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/session.h"
#include "tidewheel/sql/statement.h"

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

// The words of an unfinished text outside of quotes and comments, names in back-ticks too, and
// other characters but blanks by themselves.
std::vector<std::string> tokens_of(std::string_view text) {
  std::vector<std::string> tokens;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    size_t end = i + 1;
    if (text.substr(i, 2) == "--") {
      end = std::min(text.find('\n', i), text.size());
    } else if (c == '\'' || c == '`') {
      end = std::min(text.find(c, i + 1), text.size() - 1) + 1;
      if (c == '`') { tokens.emplace_back(text.substr(i + 1, end - i - 2)); }
    } else if (is_word(c)) {
      while (end < text.size() && is_word(text[end])) { ++end; }
      tokens.emplace_back(text.substr(i, end - i));
    } else if (std::isspace(static_cast<unsigned char>(c)) == 0) {
      tokens.emplace_back(1, c);
    }
    i = end;
  }
  return tokens;
}

bool is_one_of(const std::string& word, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(), [&](const char* one) { return word == one; });
}

// The table that `name` is an alias of in these words of a statement; or the name itself.
std::string table_of_alias(const std::vector<std::string>& words, const std::string& name) {
  for (size_t i = 0; i + 2 < words.size(); ++i) {
    const std::string before = sql::in_capitals(words[i]);
    if (!is_one_of(before, {"FROM", "JOIN", ","})) { continue; }
    size_t last = i + 1;  // of the name of a table
    while (last + 2 < words.size() && words[last + 1] == ".") { last += 2; }
    size_t alias = last + 1;
    if (alias < words.size() && sql::in_capitals(words[alias]) == "AS") { ++alias; }
    if (alias < words.size() && words[alias] == name) { return words[last]; }
  }
  return name;
}

// Of a table that is declared.
std::vector<std::string> columns_of(const sql::Catalog& catalog, const std::string& table) {
  std::vector<std::string> names;
  const Result<const sql::CatalogObject*> found = catalog.find({{{table, {}}}});
  if (!found.ok() || (*found)->table() == nullptr) { return names; }
  for (const sql::Column& column : (*found)->table()->columns) {
    names.push_back(sql::column_name(column).name);
  }
  return names;
}

// What can stand behind the last of `before`, where only names of one kind, or certain words, can.
// False: it may be anything.
bool add_expected(const sql::Session& session, const std::vector<std::string>& before,
                  const std::vector<std::string>& all_words, std::vector<std::string>& all) {
  const auto back = [&](size_t n) {
    return before.size() < n ? std::string() : sql::in_capitals(before[before.size() - n]);
  };
  const auto add = [&](const std::vector<std::string>& names) {
    all.insert(all.end(), names.begin(), names.end());
    return true;
  };
  const sql::Catalog& catalog = session.catalog();
  if (before.empty() || back(1) == ";") {
    return add({"ADD",  "ALTER",   "BEGIN",   "CLEAR",   "COMPILE", "CREATE", "DESCRIBE",
                "DROP", "EXECUTE", "EXIT",    "EXPLAIN", "HELP",    "INSERT", "LOAD",
                "QUIT", "REMOVE",  "REPLACE", "RESET",   "SELECT",  "SET",    "SHOW",
                "STOP", "UNLOAD",  "USE",     "VALUES",  "WITH"});
  }
  const bool is_first = before.size() == 1 || back(2) == ";";
  if (back(1) == "." && before.size() > 1) {
    const std::string& name = before[before.size() - 2];
    const std::vector<std::string> columns = columns_of(catalog, table_of_alias(all_words, name));
    if (!columns.empty()) { return add(columns); }
    const auto objects =
        catalog.objects({catalog.current_catalog(), name, ""}, /*tables=*/true, /*views=*/true);
    return objects.ok() ? add(*objects) : add(catalog.objects(true, true));
  }
  if (is_one_of(back(1), {"FROM", "JOIN"})) {
    return add({"LATERAL", "TABLE", "UNNEST"}) && add(catalog.objects(true, true));
  }
  if (is_one_of(back(1), {"INTO", "OVERWRITE", "TABLE"})) {
    return add({"IF"}) && add(catalog.objects(true, true));
  }
  if (back(1) == "VIEW") { return add({"IF"}) && add(catalog.objects(false, true)); }
  if (is_first && is_one_of(back(1), {"DESCRIBE", "DESC"})) {
    return add({"CATALOG", "DATABASE", "EXTENDED", "FUNCTION", "JOB"}) &&
           add(catalog.objects(true, true));
  }
  if (back(1) == "EXTENDED") { return add(catalog.objects(true, true)); }
  if (is_first && back(1) == "USE") {
    add({"CATALOG", "MODULES"});
    const auto databases = catalog.databases(catalog.current_catalog());
    return databases.ok() ? add(*databases) : true;
  }
  if (back(1) == "CATALOG") { return add(catalog.catalogs()); }
  if (is_first && back(1) == "SHOW") {
    return add({"CATALOGS", "COLUMNS", "CREATE", "CURRENT", "DATABASES", "FULL", "FUNCTIONS",
                "JARS", "JOBS", "MATERIALIZED", "MODULES", "PARTITIONS", "PROCEDURES", "TABLES",
                "USER", "VIEWS"});
  }
  return false;
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

void add_all(const sql::Session& session, std::vector<std::string>& all) {
  for (const std::string_view word : sql::reserved_words()) { all.emplace_back(word); }
  for (const std::string& name : session.functions().names()) { all.push_back(name); }
  for (const std::string& name : session.catalog().objects(true, true)) { all.push_back(name); }
  for (const std::string& name : session.column_names()) { all.push_back(name); }
}

}  // namespace

const std::vector<std::string>& shell_commands() {
  static const std::vector<std::string> kAll = {"\\?", "\\d",      "\\i", "\\l",
                                                "\\q", "\\timing", "\\x"};
  return kAll;
}

Completion complete_sql(const sql::Session& session, std::string_view statement, size_t cursor) {
  const std::string_view before = statement.substr(0, cursor);
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
      const std::vector<std::string> words = tokens_of(before.substr(0, made.begin));
      if (!add_expected(session, words, tokens_of(statement), all)) { add_all(session, all); }
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
