// CREATE TABLE, and what ALTER TABLE adds.
#include <algorithm>
#include <utility>

#include "tidewheel/sql/parser_impl.h"

namespace tidewheel::sql {

Result<Statement> Parser::create_table(CreateTable table) {
  TIDEWHEEL_RETURN_IF_ERROR(expect("TABLE"));
  table.if_not_exists = accept_if_not_exists();
  TIDEWHEEL_ASSIGN_OR_RETURN(table.name, name("the name of the table"));
  if (accept("(")) {
    TIDEWHEEL_RETURN_IF_ERROR(table_elements(table));
    TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  }
  TIDEWHEEL_RETURN_IF_ERROR(table_tail(table));
  if (table.materialization.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(table.materialization, materialization());
    TIDEWHEEL_RETURN_IF_ERROR(expect("AS"));
    TIDEWHEEL_ASSIGN_OR_RETURN(table.query, query());
  } else if (accept("LIKE")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(table.like, like_table());
  } else if (accept("AS")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(table.query, query());
  }
  if (!table.query.has_value()) {
    if (table.replace || table.or_replace) { return unexpected(Words{"AS"}); }
    for (const Column& column : table.columns) {
      if (std::holds_alternative<ColumnReference>(column)) {
        return error(column_name(column).span, "this column has no type");
      }
    }
  }
  Statement statement;
  statement.node = std::move(table);
  return statement;
}

// FRESHNESS = INTERVAL '3' MINUTE [REFRESH_MODE = CONTINUOUS | FULL]
Result<Materialization> Parser::materialization() {
  Materialization made;
  TIDEWHEEL_RETURN_IF_ERROR(expect_all({"FRESHNESS", "="}));
  TIDEWHEEL_ASSIGN_OR_RETURN(made.freshness, interval_literal());
  if (!accept("REFRESH_MODE")) { return made; }
  TIDEWHEEL_RETURN_IF_ERROR(expect("="));
  const auto mode = accept_one({"CONTINUOUS", "FULL"});
  if (!mode.has_value()) { return unexpected(Words{"CONTINUOUS", "FULL"}); }
  made.mode = *mode == "FULL" ? Materialization::Mode::kFull : Materialization::Mode::kContinuous;
  return made;
}

Status Parser::table_elements(CreateTable& table) {
  return list([&]() -> Status {
    const Span place = peek().span;
    if (at_all({"WATERMARK", "FOR"})) {
      if (table.watermark.has_value()) { return error(place, "a table has one watermark"); }
      TIDEWHEEL_ASSIGN_OR_RETURN(table.watermark, watermark());
      return {};
    }
    if (at_all({"PRIMARY", "KEY"}) || at("CONSTRAINT") || at_all({"UNIQUE", "("})) {
      if (at("UNIQUE")) { return unsupported(place, "UNIQUE"); }
      if (table.primary_key.has_value()) { return error(place, "a table has one primary key"); }
      TIDEWHEEL_ASSIGN_OR_RETURN(table.primary_key, primary_key());
      return {};
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(Column each, column(true));
    const std::string& name = column_name(each).name;
    if (std::any_of(table.columns.begin(), table.columns.end(),
                    [&](const Column& other) { return column_name(other).name == name; })) {
      return error(column_name(each).span, fmt::format("there are two columns '{}'", name));
    }
    table.columns.push_back(std::move(each));
    return {};
  });
}

// COMMENT, DISTRIBUTED, PARTITIONED BY, WITH
Status Parser::table_tail(CreateTable& table) {
  TIDEWHEEL_ASSIGN_OR_RETURN(table.comment, optional_comment());
  if (accept("DISTRIBUTED")) { TIDEWHEEL_ASSIGN_OR_RETURN(table.distribution, distribution()); }
  if (accept_all({"PARTITIONED", "BY"})) {
    TIDEWHEEL_ASSIGN_OR_RETURN(table.partitioned_by,
                               identifiers_in_parentheses("the name of a column"));
  }
  if (accept("WITH")) { TIDEWHEEL_ASSIGN_OR_RETURN(table.options, options_in_parentheses()); }
  return {};
}

// name type .., name AS expression, name type METADATA ..; or a name alone.
Result<Column> Parser::column(bool may_be_name) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Identifier column, identifier("the name of a column"));
  if (may_be_name && (at(",") || at(")"))) { return Column(ColumnReference{std::move(column)}); }
  if (accept("AS")) {
    ComputedColumn computed{std::move(column), {}, {}};
    TIDEWHEEL_ASSIGN_OR_RETURN(computed.value, expression());
    TIDEWHEEL_ASSIGN_OR_RETURN(computed.comment, optional_comment());
    return Column(std::move(computed));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(DataType type, data_type());
  if (accept("METADATA")) { return metadata_column(std::move(column), std::move(type)); }
  PhysicalColumn physical{std::move(column), std::move(type), false, {}};
  if (accept_all({"PRIMARY", "KEY"})) {
    physical.primary_key = true;
    TIDEWHEEL_RETURN_IF_ERROR(key_not_enforced());
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(physical.comment, optional_comment());
  return Column(std::move(physical));
}

Result<Column> Parser::metadata_column(Identifier name, DataType type) {
  MetadataColumn column{std::move(name), std::move(type), {}, false, {}};
  if (accept("FROM")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(column.key, string("the key of the metadata in quotes"));
  }
  column.is_virtual = accept("VIRTUAL");
  TIDEWHEEL_ASSIGN_OR_RETURN(column.comment, optional_comment());
  return Column(std::move(column));
}

Result<WatermarkDefinition> Parser::watermark() {
  TIDEWHEEL_RETURN_IF_ERROR(expect_all({"WATERMARK", "FOR"}));
  WatermarkDefinition watermark;
  TIDEWHEEL_ASSIGN_OR_RETURN(watermark.column, name("the column of event time"));
  TIDEWHEEL_RETURN_IF_ERROR(expect("AS"));
  TIDEWHEEL_ASSIGN_OR_RETURN(watermark.value, expression());
  return watermark;
}

Result<PrimaryKey> Parser::primary_key() {
  const Span begin = peek().span;
  PrimaryKey key;
  if (accept("CONSTRAINT")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(key.name, identifier("the name of the constraint"));
  }
  TIDEWHEEL_RETURN_IF_ERROR(expect_all({"PRIMARY", "KEY"}));
  TIDEWHEEL_ASSIGN_OR_RETURN(key.columns, identifiers_in_parentheses("the name of a column"));
  TIDEWHEEL_RETURN_IF_ERROR(key_not_enforced());
  key.span = span_since(begin);
  return key;
}

Status Parser::key_not_enforced() {
  if (accept_all({"NOT", "ENFORCED"})) { return {}; }
  return error(peek().span,
               "a primary key is NOT ENFORCED: the engine trusts that keys are unique, "
               "and does not check it");
}

// [BY] [HASH|RANGE] (columns) [INTO n BUCKETS], or INTO n BUCKETS alone.
Result<Distribution> Parser::distribution() {
  Distribution distribution;
  if (accept("BY")) {
    if (accept("HASH")) { distribution.kind = Distribution::Kind::kHash; }
    if (accept("RANGE")) { distribution.kind = Distribution::Kind::kRange; }
    TIDEWHEEL_ASSIGN_OR_RETURN(distribution.columns,
                               identifiers_in_parentheses("the name of a column"));
  } else if (!at("INTO")) {
    return unexpected(Words{"BY", "INTO"});
  }
  if (accept("INTO")) {
    TIDEWHEEL_ASSIGN_OR_RETURN(distribution.buckets, integer("a number of buckets"));
    TIDEWHEEL_RETURN_IF_ERROR(expect("BUCKETS"));
  }
  return distribution;
}

// source [(INCLUDING ALL, ..)]
Result<LikeTable> Parser::like_table() {
  using Action = LikeTable::Action;
  using Feature = LikeTable::Feature;
  constexpr std::pair<std::string_view, Feature> kFeatures[] = {
      {"ALL", Feature::kAll},
      {"CONSTRAINTS", Feature::kConstraints},
      {"DISTRIBUTION", Feature::kDistribution},
      {"GENERATED", Feature::kGenerated},
      {"METADATA", Feature::kMetadata},
      {"OPTIONS", Feature::kOptions},
      {"PARTITIONS", Feature::kPartitions},
      {"WATERMARKS", Feature::kWatermarks},
  };
  LikeTable like;
  TIDEWHEEL_ASSIGN_OR_RETURN(like.table, name("the name of a table"));
  if (!accept("(")) { return like; }
  while (!accept(")")) {
    const auto action = accept_one({"INCLUDING", "EXCLUDING", "OVERWRITING"});
    if (!action.has_value()) {
      return unexpected(Words{"INCLUDING", "EXCLUDING", "OVERWRITING", ")"});
    }
    LikeTable::Rule rule{*action == "INCLUDING"   ? Action::kIncluding
                         : *action == "EXCLUDING" ? Action::kExcluding
                                                  : Action::kOverwriting,
                         Feature::kAll};
    const auto* const feature =
        std::find_if(std::begin(kFeatures), std::end(kFeatures),
                     [this](const auto& each) { return accept(each.first); });
    if (feature == std::end(kFeatures)) {
      return unexpected(Words{"ALL", "CONSTRAINTS", "DISTRIBUTION", "GENERATED", "METADATA",
                              "OPTIONS", "PARTITIONS", "WATERMARKS"});
    }
    rule.feature = feature->second;
    like.rules.push_back(rule);
    accept(",");
  }
  return like;
}

// ADD or MODIFY, of one element or of several in parentheses.
Result<AlterSchema> Parser::alter_schema(bool modify) {
  AlterSchema action;
  action.modify = modify;
  const auto element = [&]() -> Status {
    if (at_all({"WATERMARK", "FOR"})) {
      TIDEWHEEL_ASSIGN_OR_RETURN(action.watermark, watermark());
      return {};
    }
    if (at_all({"PRIMARY", "KEY"}) || at("CONSTRAINT")) {
      TIDEWHEEL_ASSIGN_OR_RETURN(action.primary_key, primary_key());
      return {};
    }
    if (at_all({"DISTRIBUTION", "BY"}) || at_all({"DISTRIBUTION", "INTO"})) {
      return no_distribution();
    }
    if (at_all({"PARTITION", "("}) || at_all({"IF", "NOT", "EXISTS", "PARTITION"})) {
      return unsupported(peek().span,
                         "ALTER TABLE .. ADD PARTITION; partitions are there when they are "
                         "written: this");
    }
    TIDEWHEEL_ASSIGN_OR_RETURN(Column each, column(false));
    AlterSchema::Placed placed{std::move(each), false, {}};
    placed.first = accept("FIRST");
    if (!placed.first && accept("AFTER")) {
      TIDEWHEEL_ASSIGN_OR_RETURN(placed.after, identifier("the name of a column"));
    }
    action.columns.push_back(std::move(placed));
    return {};
  };
  if (!accept("(")) {
    TIDEWHEEL_RETURN_IF_ERROR(element());
    return action;
  }
  TIDEWHEEL_RETURN_IF_ERROR(list(element));
  TIDEWHEEL_RETURN_IF_ERROR(expect(")"));
  return action;
}

}  // namespace tidewheel::sql
