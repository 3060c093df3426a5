// Calls of JSON functions: what they are asked to do, ON EMPTY and the like, becomes literals
// behind the text and the path (functions_json.cc).
#include <fmt/format.h>

#include <utility>

#include "tidewheel/sql/binder.h"
#include "tidewheel/sql/expression_binder.h"
#include "tidewheel/sql/json_path.h"
#include "tidewheel/sql/query.h"
#include "tidewheel/sql/typing.h"

namespace tidewheel::sql {
namespace {

Bound word(std::string text, Span span) {
  const auto length = static_cast<int32_t>(std::max<size_t>(text.size(), 1));
  return Bound::of_literal({std::move(text)}, LogicalType::with(TypeKind::kChar, length, 0, false),
                           span);
}
Bound nothing(LogicalType type, Span span) {
  return Bound::of_literal({}, type.as_nullable(), span);
}

const char* instead_name(JsonCall::Instead instead) {
  using Instead = JsonCall::Instead;
  switch (instead) {
    case Instead::kNull: return "NULL";
    case Instead::kError: return "ERROR";
    case Instead::kDefault: return "DEFAULT";
    case Instead::kEmptyArray: return "ARRAY";
    case Instead::kEmptyObject: return "OBJECT";
    case Instead::kTrue: return "TRUE";
    case Instead::kFalse: return "FALSE";
    case Instead::kUnknown: return "UNKNOWN";
  }
  return "";
}

// What JSON_OBJECT and JSON_ARRAY make is not quoted when it becomes part of another.
bool makes_json(const Expression& value) {
  const auto* call = std::get_if<JsonCall>(&value.node);
  return call != nullptr &&
         (call->kind == JsonCall::Kind::kObject || call->kind == JsonCall::Kind::kArray);
}

// Whether a call may say what it says; `allowed` are the words that it may.
Status check_handler(const ExpressionBinder& binder,
                     const std::optional<JsonCall::Handler>& handler,
                     std::initializer_list<JsonCall::Instead> allowed, const char* function,
                     Span span) {
  if (!handler.has_value()) { return ok_status(); }
  std::string list;
  for (const JsonCall::Instead one : allowed) {
    if (one == handler->instead) { return ok_status(); }
    list += (list.empty() ? "" : ", ") + std::string(instead_name(one));
  }
  return binder.error(span, ErrorId::kSqlQuery,
                      fmt::format("ON EMPTY and ON ERROR of {} take {}", function, list));
}

}  // namespace

Result<Bound> ExpressionBinder::json_default(const std::optional<JsonCall::Handler>& handler,
                                             const LogicalType& type, Span span) {
  if (!handler.has_value() || !handler->value.has_value()) { return nothing(type, span); }
  TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, bind(**handler->value));
  if (value.is_null_literal()) { return nothing(type, span); }
  if (value.type.same_type(type)) { return value; }
  if (value.type.kind == TypeKind::kBoolean && type.is_character()) {
    std::vector<Bound> arguments;  // as JSON writes it: true
    arguments.push_back(std::move(value));
    return call("JSON_STRING", std::move(arguments), span);
  }
  if (!can_cast(value.type, type)) {
    return error(value.span, ErrorId::kSqlType,
                 fmt::format("the default is of type {}, and the result of {}",
                             value.type.to_string(), type.to_string()));
  }
  Bound cast;
  cast.kind = Bound::Kind::kCast;
  cast.type = type.as_nullable(value.type.nullable);
  cast.span = value.span;
  cast.arguments.push_back(std::move(value));
  return cast;
}

// JSON_VALUE, JSON_QUERY and JSON_EXISTS: the text and the path.
Result<std::vector<Bound>> ExpressionBinder::json_input(const JsonCall& json) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<Bound> arguments, bind_all(json.arguments));
  const Bound& path = arguments[1];
  if (path.is_literal() && path.type.is_character() && !path.literal.is_null()) {
    const Result<JsonPath> parsed = JsonPath::parse(path.literal.text());
    if (!parsed.ok()) {
      return error(path.span, parsed.status().id(), std::string(parsed.status().message()));
    }
  }
  return arguments;
}

Result<Bound> ExpressionBinder::json_value(const JsonCall& json, Span span) {
  using Instead = JsonCall::Instead;
  for (const auto* handler : {&json.on_empty, &json.on_error}) {
    TIDEWHEEL_RETURN_IF_ERROR(check_handler(
        *this, *handler, {Instead::kNull, Instead::kError, Instead::kDefault}, "JSON_VALUE", span));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<Bound> arguments, json_input(json));
  LogicalType type = LogicalType::string();
  if (json.returning.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(type, bind_type(text_, *json.returning));
    if (!can_cast(LogicalType::string(), type) || type.kind >= TypeKind::kArray) {
      return error(
          span, ErrorId::kSqlType,
          fmt::format("JSON_VALUE gives scalars, and can't be RETURNING {}", type.to_string()));
    }
  }
  for (const auto* handler : {&json.on_empty, &json.on_error}) {
    const Instead instead = handler->has_value() ? (*handler)->instead : Instead::kNull;
    arguments.push_back(word(instead_name(instead), span));
    TIDEWHEEL_ASSIGN_OR_RETURN(Bound value, json_default(*handler, type, span));
    arguments.push_back(std::move(value));
  }
  arguments.push_back(nothing(type, span));
  return call("JSON_VALUE", std::move(arguments), span);
}

Result<Bound> ExpressionBinder::json_query(const JsonCall& json, Span span) {
  using Instead = JsonCall::Instead;
  for (const auto* handler : {&json.on_empty, &json.on_error}) {
    TIDEWHEEL_RETURN_IF_ERROR(check_handler(
        *this, *handler,
        {Instead::kNull, Instead::kError, Instead::kEmptyArray, Instead::kEmptyObject},
        "JSON_QUERY", span));
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<Bound> arguments, json_input(json));
  LogicalType type = LogicalType::string();
  if (json.returning.has_value()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(type, bind_type(text_, *json.returning));
    const bool is_text = type.same_type(LogicalType::string());
    if (!is_text && !type.same_type(LogicalType::array(LogicalType::string()))) {
      return error(span, ErrorId::kSqlType, "JSON_QUERY can be RETURNING STRING or ARRAY<STRING>");
    }
  }
  static constexpr const char* kWrappers[] = {"WITHOUT", "WITHOUT", "CONDITIONAL", "UNCONDITIONAL"};
  arguments.push_back(word(kWrappers[static_cast<size_t>(json.wrapper)], span));
  for (const auto* handler : {&json.on_empty, &json.on_error}) {
    const Instead instead = handler->has_value() ? (*handler)->instead : Instead::kNull;
    if (instead == Instead::kEmptyObject && type.kind == TypeKind::kArray) {
      return error(span, ErrorId::kSqlQuery,
                   "EMPTY OBJECT is no array: RETURNING ARRAY<STRING> takes EMPTY ARRAY");
    }
    arguments.push_back(word(instead_name(instead), span));
  }
  arguments.push_back(nothing(type, span));
  return call("JSON_QUERY", std::move(arguments), span);
}

// JSON_OBJECT and JSON_ARRAY.
Result<Bound> ExpressionBinder::json_constructor(const JsonCall& json, Span span) {
  const bool is_object = json.kind == JsonCall::Kind::kObject;
  std::string forms;
  for (size_t i = is_object ? 1 : 0; i < json.arguments.size(); i += is_object ? 2 : 1) {
    forms += makes_json(json.arguments[i]) ? 'j' : 'v';
  }
  std::vector<Bound> arguments;
  arguments.push_back(word(json.null_on_null.value_or(is_object) ? "NULL" : "ABSENT", span));
  arguments.push_back(word(std::move(forms), span));
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<Bound> values, bind_all(json.arguments));
  for (Bound& value : values) { arguments.push_back(std::move(value)); }
  return call(is_object ? "JSON_OBJECT" : "JSON_ARRAY", std::move(arguments), span);
}

Result<Bound> ExpressionBinder::bind_node(const JsonCall& json, Span span) {
  using Instead = JsonCall::Instead;
  switch (json.kind) {
    case JsonCall::Kind::kValue: return json_value(json, span);
    case JsonCall::Kind::kQuery: return json_query(json, span);
    case JsonCall::Kind::kObject:
    case JsonCall::Kind::kArray: return json_constructor(json, span);
    case JsonCall::Kind::kExists: {
      TIDEWHEEL_RETURN_IF_ERROR(
          check_handler(*this, json.on_error,
                        {Instead::kTrue, Instead::kFalse, Instead::kUnknown, Instead::kError},
                        "JSON_EXISTS", span));
      TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<Bound> arguments, json_input(json));
      const Instead instead = json.on_error.has_value() ? json.on_error->instead : Instead::kFalse;
      arguments.push_back(word(instead_name(instead), span));
      return call("JSON_EXISTS", std::move(arguments), span);
    }
    case JsonCall::Kind::kObjectAgg:
    case JsonCall::Kind::kArrayAgg: break;
  }
  return error(
      span, ErrorId::kSqlQuery,
      "JSON_OBJECTAGG and JSON_ARRAYAGG can stand in SELECT, HAVING and ORDER BY only, and "
      "not in another aggregate");
}

// ---- Aggregates

bool is_json_aggregate(const JsonCall& json) {
  return json.kind == JsonCall::Kind::kObjectAgg || json.kind == JsonCall::Kind::kArrayAgg;
}

Result<Bound> ExpressionBinder::json_part(const JsonCall& json, Span span) {
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<Bound> values, bind_all(json.arguments));
  const bool is_json = makes_json(json.arguments.back());
  if (json.kind == JsonCall::Kind::kArrayAgg) {
    return is_json ? std::move(values[0]) : call("JSON_STRING", std::move(values), span);
  }
  std::vector<Bound> arguments;
  arguments.push_back(word(json.null_on_null.value_or(true) ? "NULL" : "ABSENT", span));
  arguments.push_back(word(is_json ? "j" : "v", span));
  for (Bound& value : values) { arguments.push_back(std::move(value)); }
  return call("$JSON_MEMBER", std::move(arguments), span);
}

Result<Bound> ExpressionBinder::json_whole(const JsonCall& json, Bound parts, Span span) {
  const bool is_object = json.kind == JsonCall::Kind::kObjectAgg;
  std::vector<Bound> arguments;
  arguments.push_back(std::move(parts));
  if (!is_object) {
    arguments.push_back(word(json.null_on_null.value_or(false) ? "NULL" : "ABSENT", span));
  }
  return call(is_object ? "$JSON_OBJECT_OF" : "$JSON_ARRAY_OF", std::move(arguments), span);
}

}  // namespace tidewheel::sql
