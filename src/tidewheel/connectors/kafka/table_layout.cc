#include "tidewheel/connectors/kafka/table_layout.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace tidewheel::kafka {
namespace {

constexpr char kKeyFields[] = "key.fields";
constexpr char kKeyPrefix[] = "key.fields-prefix";
constexpr char kValueInclude[] = "value.fields-include";

std::vector<std::string> split_names(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t end = std::min(text.find(';'), text.size());
    names.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return names;
}

std::optional<size_t> index_of(const std::vector<size_t>& columns, size_t column) {
  const auto found = std::find(columns.begin(), columns.end(), column);
  if (found == columns.end()) { return std::nullopt; }
  return static_cast<size_t>(found - columns.begin());
}

// A stored column by its name.
std::optional<size_t> find_stored(const TableDefinition& table, const std::string& name) {
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (table.columns[i].name == name && table.columns[i].metadata_key.empty()) { return i; }
  }
  return std::nullopt;
}

void set_keys(const TableDefinition& table, const std::vector<std::string>& names,
              const std::string& prefix, TableOptions& options, TableLayout& layout) {
  for (const std::string& name : names) {
    const std::optional<size_t> column = find_stored(table, name);
    if (!column.has_value()) {
      options.fail(kKeyFields, "must name columns that are stored, and '" + name + "' is none");
      return;
    }
    if (!name.starts_with(prefix)) {
      options.fail(kKeyPrefix,
                   "must be what all columns of the key begin with, as '" + name + "' does not");
      return;
    }
    layout.key_columns.push_back(*column);
    layout.key_message.add(name.substr(prefix.size()), table.columns[*column].type);
  }
}

}  // namespace

Result<NamedFormat> NamedFormat::of(const TableContext& context, TableOptions& options,
                                    const std::string& key) {
  TIDEWHEEL_ASSIGN_OR_RETURN(
      const TableFormat* const format,
      context.registry.format(options.text(key)).with_context("option '{}'", key));
  const std::string prefix = key.substr(0, key.find("format"));
  const std::string begin = prefix + std::string(format->name()) + ".";
  TableDefinition own = context.table;
  own.options.clear();
  own.options["connector"] = options.text("connector");
  for (const auto& [name, value] : options.with_prefix(begin)) {
    own.options[std::string(format->name()) + "." + name] = value;
  }
  std::vector<TableOption> known = format->options();
  for (TableOption& option : known) {
    TableOption named = option;
    named.key = prefix + option.key;
    named.required = false;  // said by the format's own options
    options.add_known({std::move(named)});
  }
  return NamedFormat(format, TableOptions(own, std::move(known)));
}

std::optional<size_t> TableLayout::key_field(size_t column) const {
  return index_of(key_columns, column);
}
std::optional<size_t> TableLayout::value_field(size_t column) const {
  return index_of(value_columns, column);
}

void TableLayout::name_topic(const std::string& topic) {
  if (topic.empty()) { return; }
  value.format().name_topic(topic, /*of_keys=*/false, value.options());
  if (key.has_value()) { key->format().name_topic(topic, /*of_keys=*/true, key->options()); }
}

Status TableLayout::finish() {
  TIDEWHEEL_RETURN_IF_ERROR(value.options().finish());
  return key.has_value() ? key->options().finish() : ok_status();
}

std::vector<TableOption> layout_options() {
  return {{"format", false, "", "how the bytes of a value are read and written"},
          {"value.format", false, "", "the same"},
          {"key.format", false, "", "how the bytes of a key are read and written"},
          {kKeyFields, false, "", "the columns of the key, as in 'a;b'"},
          {kKeyPrefix, false, "", "what their names begin with in the table, and not in the key"},
          {kValueInclude, false, "ALL", "ALL or EXCEPT_KEY: which columns are in the value"}};
}

Result<TableLayout> lay_out(const TableContext& context, TableOptions& options, bool upserts) {
  const TableDefinition& table = context.table;
  if (options.has("format") && options.has("value.format")) {
    options.fail("format", "can't stand beside 'value.format', which is the same");
  }
  const std::string value_key = options.has("format") ? "format" : "value.format";
  if (!options.has(value_key)) {
    options.add_known(
        {{"value.format", true, "", "how the bytes of a value are read and written"}});
    TIDEWHEEL_RETURN_IF_ERROR(options.finish());
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(NamedFormat value, NamedFormat::of(context, options, value_key));
  TableLayout layout{std::move(value), std::nullopt, {}, {}, {}, {}};
  const std::string prefix = options.text(kKeyPrefix);
  const bool without_key = options.choice(kValueInclude, {"ALL", "EXCEPT_KEY"}, 0) == 1;
  if (upserts) {
    if (table.primary_key.empty()) {
      return invalid_argument(ErrorId::kSqlOption,
                              "a table of 'upsert-kafka' needs a PRIMARY KEY (..) NOT ENFORCED, "
                              "which is the key of its messages: {}",
                              table.path);
    }
    if (options.has(kKeyFields)) { options.fail(kKeyFields, "is what the PRIMARY KEY says"); }
    if (!options.has("key.format")) { options.fail("key.format", "is needed"); }
    set_keys(table, table.primary_key, prefix, options, layout);
  } else {
    if (options.has("key.format") != options.has(kKeyFields)) {
      options.fail(options.has("key.format") ? kKeyFields : "key.format",
                   "is needed beside the other: 'key.format' and 'key.fields' go together");
    }
    if (without_key && !options.has(kKeyFields)) {
      options.fail(kValueInclude, "can be EXCEPT_KEY only with 'key.fields'");
    }
    set_keys(table, split_names(options.text(kKeyFields)), prefix, options, layout);
  }
  if (!prefix.empty() && !without_key) {
    options.fail(kKeyPrefix, "needs 'value.fields-include' = 'EXCEPT_KEY'");
  }
  if (options.has("key.format")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(layout.key, NamedFormat::of(context, options, "key.format"));
  }
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const TableColumn& column = table.columns[i];
    if (!column.metadata_key.empty()) { continue; }
    if (without_key && layout.key_field(i).has_value()) { continue; }
    layout.value_columns.push_back(i);
    layout.value_message.add(column.name, column.type);
  }
  return layout;
}

}  // namespace tidewheel::kafka
