// Tables of the catalog as plans: what the connector reads, then computed columns, then watermarks.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "tidewheel/sql/binder.h"
#include "tidewheel/sql/expression_binder.h"
#include "tidewheel/sql/lexer.h"
#include "tidewheel/sql/query_binder.h"
#include "tidewheel/sql/typing.h"

namespace tidewheel::sql {
namespace {

LogicalType with_length(TypeKind kind, const DataType& type, int32_t fallback) {
  return LogicalType::with(kind, type.precision.value_or(fallback));
}

Result<LogicalType> bind_interval_type(std::string_view text, const DataType& type) {
  const TimeUnit unit = type.units.from;
  const bool months = unit == TimeUnit::kYear || unit == TimeUnit::kMonth;
  const bool known = months || unit == TimeUnit::kDay || unit == TimeUnit::kHour ||
                     unit == TimeUnit::kMinute || unit == TimeUnit::kSecond;
  if (!known) {
    return error_at(text, type.span, ErrorId::kSqlType, "an interval can't have this unit");
  }
  return LogicalType::of(months ? TypeKind::kIntervalMonth : TypeKind::kIntervalSecond);
}

Result<LogicalType> bind_nested(std::string_view text, const DataType& type) {
  LogicalType bound;
  if (type.kind == DataType::Kind::kRow) {
    bound.kind = TypeKind::kRow;
    for (const DataType::Field& field : type.fields) {
      TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType child, bind_type(text, *field.type));
      bound.names.push_back(field.name.name);
      bound.children.push_back(std::move(child));
    }
    return bound;
  }
  bound.kind = type.kind == DataType::Kind::kArray ? TypeKind::kArray
               : type.kind == DataType::Kind::kMap ? TypeKind::kMap
                                                   : TypeKind::kMultiset;
  for (const DataType& child_type : type.children) {
    TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType child, bind_type(text, child_type));
    bound.children.push_back(std::move(child));
  }
  return bound;
}

Result<LogicalType> bind_type_kind(std::string_view text, const DataType& type) {
  using Kind = DataType::Kind;
  const auto in_range = [&](int32_t least, int32_t most, int32_t fallback) -> Result<int32_t> {
    const int32_t value = type.precision.value_or(fallback);
    if (value >= least && value <= most) { return value; }
    return error_at(text, type.span, ErrorId::kSqlType,
                    fmt::format("the number has to be from {} to {}", least, most));
  };
  switch (type.kind) {
    case Kind::kBoolean: return LogicalType::of(TypeKind::kBoolean);
    case Kind::kTinyint: return LogicalType::of(TypeKind::kTinyint);
    case Kind::kSmallint: return LogicalType::of(TypeKind::kSmallint);
    case Kind::kInt: return LogicalType::of(TypeKind::kInt);
    case Kind::kBigint: return LogicalType::of(TypeKind::kBigint);
    case Kind::kFloat: return LogicalType::of(TypeKind::kFloat);
    case Kind::kDouble: return LogicalType::of(TypeKind::kDouble);
    case Kind::kDecimal: {
      TIDEWHEEL_ASSIGN_OR_RETURN(const int32_t precision, in_range(1, 38, 10));
      const int32_t scale = type.scale.value_or(0);
      if (scale < 0 || scale > precision) {
        return error_at(text, type.span, ErrorId::kSqlType,
                        fmt::format("the scale has to be from 0 to {}", precision));
      }
      return LogicalType::decimal(precision, scale);
    }
    case Kind::kChar: return with_length(TypeKind::kChar, type, 1);
    case Kind::kVarchar: return with_length(TypeKind::kVarchar, type, 1);
    case Kind::kString: return LogicalType::string();
    case Kind::kBinary: return with_length(TypeKind::kBinary, type, 1);
    case Kind::kVarbinary: return with_length(TypeKind::kVarbinary, type, 1);
    case Kind::kBytes: return LogicalType::with(TypeKind::kVarbinary, LogicalType::kMaxLength);
    case Kind::kDate: return LogicalType::of(TypeKind::kDate);
    case Kind::kTime: {
      TIDEWHEEL_ASSIGN_OR_RETURN(const int32_t precision, in_range(0, 9, 0));
      return LogicalType::with(TypeKind::kTime, precision);
    }
    case Kind::kTimestamp:
    case Kind::kTimestampLtz: {
      TIDEWHEEL_ASSIGN_OR_RETURN(const int32_t precision, in_range(0, 9, 6));
      return LogicalType::with(
          type.kind == Kind::kTimestamp ? TypeKind::kTimestamp : TypeKind::kTimestampLtz,
          precision);
    }
    case Kind::kInterval: return bind_interval_type(text, type);
    case Kind::kArray:
    case Kind::kMultiset:
    case Kind::kMap:
    case Kind::kRow: return bind_nested(text, type);
    case Kind::kRaw:
    case Kind::kNamed: break;
  }
  return error_at(text, type.span, ErrorId::kSqlUnsupported, "there are no types of this kind");
}

bool has_key(const CreateTable& table, const std::string& column) {
  if (!table.primary_key.has_value()) { return false; }
  const auto& columns = table.primary_key->columns;
  return std::any_of(columns.begin(), columns.end(),
                     [&](const Identifier& one) { return one.name == column; });
}

// The columns that are stored, or come as metadata.
Status add_columns(const CatalogObject& object, TableDefinition& definition) {
  const CreateTable& table = *object.table();
  for (const Column& column : table.columns) {
    TableColumn made;
    made.name = column_name(column).name;
    if (const auto* physical = std::get_if<PhysicalColumn>(&column)) {
      TIDEWHEEL_ASSIGN_OR_RETURN(made.type, bind_type(*object.text, physical->type));
      if (physical->primary_key) { definition.primary_key.push_back(made.name); }
      if (physical->primary_key || has_key(table, made.name)) { made.type.nullable = false; }
    } else if (const auto* metadata = std::get_if<MetadataColumn>(&column)) {
      TIDEWHEEL_ASSIGN_OR_RETURN(made.type, bind_type(*object.text, metadata->type));
      made.metadata_key = metadata->key.value_or(made.name);
      made.is_virtual = metadata->is_virtual;
    } else {
      continue;
    }
    definition.columns.push_back(std::move(made));
  }
  return ok_status();
}

// A key of metadata that messages of a format have: their connector knows them.
bool is_of_format(const TableColumn& column) { return column.metadata_key.starts_with("value."); }

// The columns with the types that the connector's metadata have: those of another one are cast to
// it. What can't be cast the connector answers for.
TableDefinition with_types_of(const RowType& metadata, const TableDefinition& table) {
  TableDefinition made = table;
  for (TableColumn& column : made.columns) {
    const size_t known =
        column.metadata_key.empty() ? metadata.size() : metadata.find(column.metadata_key);
    if (known == metadata.size()) { continue; }
    const LogicalType& type = metadata.types[known];
    // Both kinds of timestamps are the same number.
    const bool is_taken = type.as_nullable() == column.type.as_nullable() ||
                          (type.is_timestamp() && column.type.is_timestamp() &&
                           type.precision == column.type.precision);
    if (!is_taken && type.children.empty() && can_cast(type, column.type)) { column.type = type; }
  }
  return made;
}

// The columns of a plan, cast to the types that were declared.
PlanRef cast_to_declared(const TableDefinition& table, PlanRef plan) {
  std::vector<Bound> outputs;
  std::vector<std::string> names;
  bool any = false;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const LogicalType& type = plan->type.types[i];
    Bound column = Bound::of_column(static_cast<int32_t>(i), type);
    names.push_back(table.columns[i].name);
    if (type.as_nullable() == table.columns[i].type.as_nullable()) {
      outputs.push_back(std::move(column));
      continue;
    }
    any = true;
    Bound cast;
    cast.kind = Bound::Kind::kCast;
    cast.type = table.columns[i].type;
    cast.arguments.push_back(std::move(column));
    outputs.push_back(std::move(cast));
  }
  if (!any) { return plan; }
  return make_calc(std::move(plan), std::nullopt, std::move(outputs), std::move(names));
}

}  // namespace

Status check_metadata(const TableConnector& connector, const TableDefinition& table) {
  const RowType metadata = connector.metadata();
  for (const TableColumn& column : table.columns) {
    if (column.metadata_key.empty() || is_of_format(column) ||
        metadata.find(column.metadata_key) < metadata.size()) {
      continue;
    }
    return invalid_argument(
        ErrorId::kSqlOption, "column '{}': the connector '{}' has no metadata '{}'; it has {}",
        column.name, connector.name(), column.metadata_key,
        metadata.size() == 0 ? "none" : fmt::format("{}", fmt::join(metadata.names, ", ")));
  }
  return ok_status();
}

Result<LogicalType> bind_type(std::string_view text, const DataType& type) {
  TIDEWHEEL_ASSIGN_OR_RETURN(LogicalType bound, bind_type_kind(text, type));
  bound.nullable = !type.not_null;
  return bound;
}

Result<std::shared_ptr<const TableDefinition>> define_table(const BinderEnvironment&,
                                                            const CatalogObject& object,
                                                            const std::vector<Option>& hints) {
  const CreateTable& table = *object.table();
  auto definition = std::make_shared<TableDefinition>();
  definition->path = object.path.to_string();
  TIDEWHEEL_RETURN_IF_ERROR(add_columns(object, *definition));
  if (table.primary_key.has_value()) {
    for (const Identifier& column : table.primary_key->columns) {
      definition->primary_key.push_back(column.name);
    }
  }
  for (const Identifier& column : table.partitioned_by) {
    definition->partitioned_by.push_back(column.name);
  }
  for (const std::vector<Option>* options : {&table.options, &hints}) {
    for (const Option& option : *options) { definition->options[option.key] = option.value; }
  }
  return std::shared_ptr<const TableDefinition>(std::move(definition));
}

PlanRef make_scan(std::shared_ptr<const TableDefinition> table, bool is_bounded, bool updates) {
  Plan plan;
  ScanNode scan{std::move(table), {}};
  std::vector<int32_t> key;
  for (size_t i = 0; i < scan.table->columns.size(); ++i) {
    const TableColumn& column = scan.table->columns[i];
    scan.columns.push_back(i);
    plan.type.add(column.name, column.type);
    const auto& primary = scan.table->primary_key;
    if (std::find(primary.begin(), primary.end(), column.name) != primary.end()) {
      key.push_back(static_cast<int32_t>(i));
    }
  }
  if (!key.empty()) { plan.unique_keys.push_back(std::move(key)); }
  plan.is_bounded = is_bounded;
  plan.updates = updates;
  plan.node = std::move(scan);
  return std::make_shared<Plan>(std::move(plan));
}

// Computed columns are put where they were declared; they see the others.
Result<PlanRef> QueryBinder::with_computed_columns(const CatalogObject& object, PlanRef plan) {
  const CreateTable& table = *object.table();
  const Scope scope = Scope::of(plan->type, object.path.object);
  ExpressionBinder binder(*object.text, scope, environment_.functions);
  std::vector<Bound> outputs;
  std::vector<std::string> names;
  int32_t next = 0;
  bool any = false;
  for (const Column& column : table.columns) {
    names.push_back(column_name(column).name);
    if (const auto* computed = std::get_if<ComputedColumn>(&column)) {
      TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, binder.bind(computed->value));
      outputs.push_back(std::move(value));
      any = true;
    } else {
      outputs.push_back(Bound::of_column(next, plan->type.types[static_cast<size_t>(next)]));
      ++next;
    }
  }
  if (!any) { return plan; }
  return make_calc(std::move(plan), std::nullopt, std::move(outputs), std::move(names));
}

Result<PlanRef> QueryBinder::with_watermark(const CatalogObject& object, PlanRef plan) {
  const CreateTable& table = *object.table();
  if (!table.watermark.has_value()) { return plan; }
  const std::string_view text = *object.text;
  const Scope scope = Scope::of(plan->type, object.path.object);
  TIDEWHEEL_ASSIGN_OR_RETURN(const Bound column,
                             resolve_column(scope, text, table.watermark->column));
  if (column.kind != Bound::Kind::kColumn || !column.type.is_timestamp() ||
      column.type.precision > 3) {
    return error_at(text, table.watermark->column.span(), ErrorId::kSqlType,
                    fmt::format("a watermark needs a column of type TIMESTAMP(p) or "
                                "TIMESTAMP_LTZ(p) with p up to 3; this is {}",
                                column.type.to_string()));
  }
  Plan made;
  made.type = plan->type;
  made.unique_keys = plan->unique_keys;
  made.updates = plan->updates;
  made.type.types[static_cast<size_t>(column.column)].time = TimeAttribute::kEvent;
  WatermarkNode node;
  node.column = column.column;
  const auto* call = std::get_if<FunctionCall>(&table.watermark->value.node);
  if (call != nullptr && in_capitals(call->name.parts.back().name) == "SOURCE_WATERMARK") {
    made.node = std::move(node);  // without a value: the source's own
  } else {
    ExpressionBinder binder(text, scope, environment_.functions);
    TIDEWHEEL_ASSIGN_OR_RETURN(node.value, binder.bind(table.watermark->value));
    if (node.value.type.kind != column.type.kind || node.value.type.precision > 3) {
      return error_at(text, table.watermark->value.span, ErrorId::kSqlType,
                      fmt::format("the watermark has to be of the type of its column, {}; this is "
                                  "{}",
                                  column.type.to_string(), node.value.type.to_string()));
    }
    node.has_value = true;
    made.node = std::move(node);
  }
  made.inputs.push_back(std::move(plan));
  return make_plan(std::move(made));
}

Result<PlanRef> QueryBinder::scan_definition(std::shared_ptr<const TableDefinition> definition) {
  const auto connector_name = definition->options.find("connector");
  if (connector_name == definition->options.end()) {
    return invalid_argument(ErrorId::kSqlOption,
                            "the table has no option 'connector', so that nobody can read it: {}",
                            definition->path);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(const TableConnector* const connector,
                             environment_.tables.connector(connector_name->second));
  TIDEWHEEL_RETURN_IF_ERROR(check_metadata(*connector, *definition));
  definition = std::make_shared<TableDefinition>(with_types_of(connector->metadata(), *definition));
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<TableSource> source,
                             connector->source({*definition, environment_.tables}));
  return make_scan(std::move(definition), source->is_bounded(),
                   source->changelog() != ChangelogKinds::kAppend);
}

Result<PlanRef> QueryBinder::table(const CatalogObject& object, const std::vector<Option>& hints) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::shared_ptr<const TableDefinition> definition,
                             define_table(environment_, object, hints));
  TIDEWHEEL_ASSIGN_OR_RETURN(PlanRef plan, scan_definition(definition));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, with_dead_letters(std::move(plan)));
  plan = cast_to_declared(*definition, std::move(plan));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, with_computed_columns(object, std::move(plan)));
  return with_watermark(object, std::move(plan));
}

Result<RowType> table_columns(const BinderEnvironment& environment, const CatalogObject& object) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::shared_ptr<const TableDefinition> definition,
                             define_table(environment, object, {}));
  QueryBinder binder(environment, *object.text);
  TIDEWHEEL_ASSIGN_OR_RETURN(
      PlanRef plan, binder.with_computed_columns(object, make_scan(definition, true, false)));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan, binder.with_watermark(object, std::move(plan)));
  return plan->type;
}

}  // namespace tidewheel::sql
