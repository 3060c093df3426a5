// How the columns of a Kafka table lie in messages: in the key, in the value, or as metadata.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tidewheel/api/table.h"

namespace tidewheel::kafka {

// A format with options of its own: those of the table that begin with its name, behind "key." or
// "value." when it was named so.
class NamedFormat {
 public:
  // `key`: the option that names it: "format", "value.format" or "key.format". Its options become
  // known to `options`. Errors: kSqlOption.
  static Result<NamedFormat> of(const TableContext& context, TableOptions& options,
                                const std::string& key);

  const TableFormat& format() const { return *format_; }
  TableOptions& options() { return options_; }

 private:
  NamedFormat(const TableFormat* format, TableOptions options)
      : format_(format), options_(std::move(options)) {}
  const TableFormat* format_;  // of the registry, which outlives the planner
  TableOptions options_;
};

struct TableLayout {
  NamedFormat value;
  std::optional<NamedFormat> key;  // nothing: messages have no key, or nobody looks at it
  // Columns of the definition, in the order of the fields of the messages.
  std::vector<size_t> value_columns;
  std::vector<size_t> key_columns;
  RowType value_message;
  RowType key_message;  // names are without 'key.fields-prefix'

  // Field of the key that column `column` of the definition is; nothing: it is none.
  std::optional<size_t> key_field(size_t column) const;
  std::optional<size_t> value_field(size_t column) const;
  // Tells formats of the topic, and checks that none of their options is unknown or missing.
  // Errors: kSqlOption.
  void name_topic(const std::string& topic);
  Status finish();
};

// Those that a layout is read from; a table has them besides its own.
std::vector<TableOption> layout_options();
// `upserts`: the primary key is the key. Errors: kSqlOption, kSqlType.
Result<TableLayout> lay_out(const TableContext& context, TableOptions& options, bool upserts);

}  // namespace tidewheel::kafka
