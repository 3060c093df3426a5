#include "tidewheel/sql/functions.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/config.h"
#include "tidewheel/sql/expression.h"
#include "tidewheel/sql/function_table.h"
#include "tidewheel/sql/typing.h"

namespace tidewheel::sql {
namespace {

std::string in_capitals(std::string_view name) {
  std::string out(name);
  for (char& c : out) { c = static_cast<char>(std::toupper(static_cast<unsigned char>(c))); }
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') { text.remove_prefix(1); }
  while (!text.empty() && text.back() == ' ') { text.remove_suffix(1); }
  return text;
}

// ---- The words of signatures

std::optional<LogicalType> type_of_word(std::string_view word) {
  using L = LogicalType;
  if (word == "string") { return L::string(); }
  if (word == "bytes") { return L::with(TypeKind::kVarbinary, L::kMaxLength); }
  if (word == "boolean") { return L::of(TypeKind::kBoolean); }
  if (word == "int" || word == "integer" || word == "exact" || word == "numeric") {
    return L::of(TypeKind::kInt);
  }
  if (word == "bigint") { return L::of(TypeKind::kBigint); }
  if (word == "double") { return L::of(TypeKind::kDouble); }
  if (word == "float") { return L::of(TypeKind::kFloat); }
  if (word == "decimal") { return L::decimal(10, 0); }
  if (word == "date") { return L::of(TypeKind::kDate); }
  if (word == "time") { return L::with(TypeKind::kTime, 0); }
  if (word == "timestamp(0)") { return L::with(TypeKind::kTimestamp, 0); }
  if (word == "timestamp" || word == "timestamp(3)") { return L::with(TypeKind::kTimestamp, 3); }
  if (word == "ltz" || word == "ltz(3)") { return L::with(TypeKind::kTimestampLtz, 3); }
  if (word == "months") { return L::of(TypeKind::kIntervalMonth); }
  if (word == "seconds") { return L::of(TypeKind::kIntervalSecond); }
  return std::nullopt;
}

bool is_kind(std::string_view word, const LogicalType& type) {
  if (word == "any") { return true; }
  if (word == "string") { return type.is_character(); }
  if (word == "bytes") { return type.is_bytes(); }
  if (word == "integer") { return type.is_integer(); }
  if (word == "exact") { return type.is_integer() || type.kind == TypeKind::kDecimal; }
  if (word == "numeric") { return type.is_numeric(); }
  if (word == "array") { return type.kind == TypeKind::kArray; }
  if (word == "map") { return type.kind == TypeKind::kMap; }
  if (word == "row") { return type.kind == TypeKind::kRow; }
  if (word == "multiset") { return type.kind == TypeKind::kMultiset; }
  const auto exact = type_of_word(word);
  return exact && exact->kind == type.kind;
}

// What an argument has to be to fit the word; nothing when it does not.
std::optional<LogicalType> fitted(std::string_view word, const LogicalType& type) {
  if (type.kind != TypeKind::kNull && is_kind(word, type)) { return type; }
  if (type.kind == TypeKind::kNull) {
    const auto exact = type_of_word(word);
    return exact ? *exact : type;
  }
  if (word == "int" || word == "bigint" || word == "double") {
    LogicalType wanted = *type_of_word(word);
    if (!type.is_numeric() || !can_cast_implicitly(type, wanted)) { return std::nullopt; }
    wanted.nullable = type.nullable;
    return wanted;
  }
  return std::nullopt;
}

struct Parameter {
  std::string word;
  bool optional = false;
  bool repeated = false;
};

struct ParsedOverload {
  std::vector<Parameter> parameters;
  std::string result;
  bool never_null = false;
  bool always_nullable = false;
  KernelMaker make;

  // What the arguments have to be.
  std::optional<std::vector<LogicalType>> match(std::span<const LogicalType> arguments) const {
    std::vector<LogicalType> types;
    size_t p = 0;
    for (const LogicalType& argument : arguments) {
      if (p == parameters.size()) { return std::nullopt; }
      auto type = fitted(parameters[p].word, argument);
      if (!type) { return std::nullopt; }
      types.push_back(std::move(*type));
      if (!parameters[p].repeated) { ++p; }
    }
    for (; p < parameters.size(); ++p) {
      if (!parameters[p].optional && !parameters[p].repeated) { return std::nullopt; }
    }
    return types;
  }
};

ParsedOverload parse_overload(std::string_view signature, KernelMaker make) {
  ParsedOverload overload;
  overload.make = std::move(make);
  const size_t arrow = signature.find("->");
  std::string_view parameters = trimmed(signature.substr(0, arrow));
  std::string_view result = trimmed(signature.substr(arrow + 2));
  if (result.back() == '!') { overload.never_null = true; }
  if (result.back() == '?') { overload.always_nullable = true; }
  if (overload.never_null || overload.always_nullable) { result.remove_suffix(1); }
  overload.result = result;
  while (!parameters.empty()) {
    const size_t comma = std::min(parameters.find(','), parameters.size());
    std::string_view word = trimmed(parameters.substr(0, comma));
    Parameter parameter;
    parameter.optional = word.back() == '?';
    parameter.repeated = word.back() == '*';
    if (parameter.optional || parameter.repeated) { word.remove_suffix(1); }
    parameter.word = word;
    overload.parameters.push_back(std::move(parameter));
    parameters.remove_prefix(std::min(comma + 1, parameters.size()));
  }
  return overload;
}

// "STRING, INT [, INT]"
std::string usage_of(const ParsedOverload& overload) {
  std::string out;
  std::string closing;
  for (const Parameter& parameter : overload.parameters) {
    std::string word = in_capitals(parameter.word);
    if (word == "LTZ") { word = "TIMESTAMP_LTZ"; }
    if (word == "MONTHS") { word = "INTERVAL YEAR TO MONTH"; }
    if (word == "SECONDS") { word = "INTERVAL DAY TO SECOND"; }
    if (parameter.optional) {
      out += out.empty() ? "[" : " [";
      closing += ']';
      if (out.size() > 1) { out += ", "; }
    } else if (!out.empty()) {
      out += ", ";
    }
    out += word;
    if (parameter.repeated) { out += ", ..."; }
  }
  return out + closing;
}

class WordedFunction final : public ScalarFunction {
 public:
  WordedFunction(std::string name, FunctionTraits traits, std::vector<ParsedOverload> overloads)
      : ScalarFunction(std::move(name), traits), overloads_(std::move(overloads)) {}

  Result<Signature> resolve(std::span<const Argument> arguments) const override {
    std::vector<LogicalType> types;
    for (const Argument& argument : arguments) { types.push_back(argument.type); }
    for (const ParsedOverload& overload : overloads_) {
      auto matched = overload.match(types);
      if (!matched) { continue; }
      Signature signature{.result = {}, .arguments = std::move(*matched)};
      signature.result =
          overload.result == "$0" ? signature.arguments[0] : type_of_word(overload.result).value();
      signature.result.time = TimeAttribute::kNone;
      signature.result.nullable =
          overload.always_nullable || (!overload.never_null && any_nullable(arguments));
      return signature;
    }
    std::string usage;
    for (const ParsedOverload& overload : overloads_) {
      usage += (usage.empty() ? "" : " or ") + name() + "(" + usage_of(overload) + ")";
    }
    return wrong_arguments(name(), arguments, usage);
  }

  Result<std::unique_ptr<Kernel>> make_kernel(const KernelSetup& setup) const override {
    for (const ParsedOverload& overload : overloads_) {
      if (overload.match(setup.arguments)) { return overload.make(setup); }
    }
    return internal_error(ErrorId::kSqlType, "{} was not resolved", name());
  }

 private:
  std::vector<ParsedOverload> overloads_;
};

class RuledFunction final : public ScalarFunction {
 public:
  RuledFunction(std::string name, FunctionTraits traits, std::string usage, SignatureRule rule,
                KernelMaker maker)
      : ScalarFunction(std::move(name), traits),
        usage_(std::move(usage)),
        rule_(std::move(rule)),
        maker_(std::move(maker)) {}

  Result<Signature> resolve(std::span<const Argument> arguments) const override {
    auto signature = rule_(arguments);
    if (!signature.ok() && signature.status().message().empty()) {
      return wrong_arguments(name(), arguments, usage_);
    }
    return signature;
  }
  Result<std::unique_ptr<Kernel>> make_kernel(const KernelSetup& setup) const override {
    return maker_(setup);
  }

 private:
  std::string usage_;
  SignatureRule rule_;
  KernelMaker maker_;
};

}  // namespace

// ---- FunctionTable

void FunctionTable::define(std::string name, FunctionTraits traits,
                           std::vector<std::string_view> signatures,
                           std::vector<KernelMaker> makers) {
  TIDEWHEEL_CHECK(makers.size() == 1 || makers.size() == signatures.size(),
                  "a maker of kernels is missing");
  std::vector<ParsedOverload> overloads;
  for (size_t i = 0; i < signatures.size(); ++i) {
    overloads.push_back(parse_overload(signatures[i], makers[makers.size() == 1 ? 0 : i]));
  }
  registry_.add(std::make_shared<WordedFunction>(std::move(name), traits, std::move(overloads)));
}

void FunctionTable::define(std::string name, FunctionTraits traits, std::string usage,
                           SignatureRule rule, KernelMaker maker) {
  registry_.add(std::make_shared<RuledFunction>(std::move(name), traits, std::move(usage),
                                                std::move(rule), std::move(maker)));
}

void FunctionTable::alias(std::string_view name, std::string_view of) {
  registry_.add_alias(name, of);
}

std::string argument_types_text(std::span<const Argument> arguments) {
  std::string out = "(";
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (i > 0) { out += ", "; }
    out += arguments[i].type.as_nullable().to_string();
  }
  return out + ")";
}

Status wrong_arguments(std::string_view name, std::span<const Argument> arguments,
                       std::string_view usage) {
  return invalid_argument(ErrorId::kSqlType, "{} takes no {}: it may be {}", name,
                          argument_types_text(arguments), usage);
}

Result<Signature> not_these() {
  return Status(StatusCode::kInvalidArgument, ErrorId::kSqlType, "");
}

bool any_nullable(std::span<const Argument> arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [](const Argument& argument) {
    return argument.type.nullable || argument.type.kind == TypeKind::kNull;
  });
}

// ---- FunctionRegistry

Result<Resolved> FunctionRegistry::resolve(std::string_view name,
                                           std::span<const Argument> arguments) const {
  FunctionRef function = find(name);
  if (function == nullptr) { return unknown(Name{{{std::string(name), {}}}}); }
  return resolve(std::move(function), arguments);
}

Result<Resolved> FunctionRegistry::resolve(FunctionRef function,
                                           std::span<const Argument> arguments) {
  TIDEWHEEL_ASSIGN_OR_RETURN(Signature signature, function->resolve(arguments));
  return Resolved{std::move(function), std::move(signature.result), std::move(signature.arguments)};
}

Status FunctionRegistry::unknown(const Name& name) const {
  const std::vector<std::string> all = all_names();
  const std::vector<std::string_view> views(all.begin(), all.end());
  const std::string nearest = nearest_text(in_capitals(name.parts.back().name), views);
  std::string text;
  for (const Identifier& part : name.parts) { text += (text.empty() ? "" : ".") + part.name; }
  return not_found(ErrorId::kSqlName, "there is no function {}{}", text,
                   nearest.empty() ? "" : "; did you mean " + nearest + "?");
}

Result<Resolved> FunctionRegistry::resolve(std::string_view name,
                                           std::span<const LogicalType> arguments) const {
  std::vector<Argument> list;
  for (const LogicalType& type : arguments) { list.push_back({type, nullptr}); }
  return resolve(name, list);
}

FunctionRef FunctionRegistry::find(std::string_view name) const {
  const auto found = functions_.find(in_capitals(name));
  return found == functions_.end() ? nullptr : found->second;
}

std::vector<std::string> FunctionRegistry::names() const {
  std::vector<std::string> names;
  for (const auto& [name, function] : functions_) {
    const bool is_word = std::isalpha(static_cast<unsigned char>(name[0])) != 0 &&
                         name.find(' ') == std::string::npos;
    if (is_word) { names.push_back(name); }
  }
  std::sort(names.begin(), names.end());
  return names;
}

void FunctionRegistry::add(std::shared_ptr<const ScalarFunction> function) {
  std::string name = in_capitals(function->name());
  functions_[std::move(name)] = std::move(function);
}

void FunctionRegistry::add_alias(std::string_view name, std::string_view of) {
  const auto found = functions_.find(in_capitals(of));
  TIDEWHEEL_CHECK(found != functions_.end(), "an alias of no function");
  const std::shared_ptr<const ScalarFunction> function = found->second;
  functions_[in_capitals(name)] = function;
}

// ---- Functions of users

void FunctionRegistry::set_current(std::string catalog, std::string database) {
  catalog_ = std::move(catalog);
  database_ = std::move(database);
}

Result<std::string> FunctionRegistry::path_of(FunctionLayer layer, const Name& name) const {
  const std::string function = in_capitals(name.parts.back().name);
  const size_t parts = name.parts.size();
  if (layer == FunctionLayer::kTemporarySystem) {
    if (parts == 1) { return function; }
    return invalid_argument(ErrorId::kSqlCatalog,
                            "a system function belongs to no database: its name has one part");
  }
  if (parts > 3) {
    return invalid_argument(ErrorId::kSqlCatalog, "a name has three parts at most");
  }
  const std::string& database = parts > 1 ? name.parts[parts - 2].name : database_;
  const std::string& catalog = parts > 2 ? name.parts[0].name : catalog_;
  return catalog + "." + database + "." + function;
}

NamedFunction FunctionRegistry::find_user(FunctionLayer layer, const std::string& path) const {
  const auto& users = users_[static_cast<size_t>(layer)];
  const auto found = users.find(path);
  return found == users.end() ? NamedFunction() : found->second;
}

NamedFunction FunctionRegistry::look_up(const Name& name) const {
  if (name.parts.size() == 1) {
    const std::string simple = in_capitals(name.parts[0].name);
    if (NamedFunction found = find_user(FunctionLayer::kTemporarySystem, simple)) { return found; }
    if (FunctionRef builtin = find(simple)) { return {std::move(builtin), nullptr}; }
  }
  const Result<std::string> path = path_of(FunctionLayer::kTemporary, name);
  if (!path.ok()) { return {}; }
  if (NamedFunction found = find_user(FunctionLayer::kTemporary, *path)) { return found; }
  return find_user(FunctionLayer::kPermanent, *path);
}

bool FunctionRegistry::add_user(FunctionLayer layer, const std::string& path,
                                NamedFunction function) {
  return users_[static_cast<size_t>(layer)].emplace(path, std::move(function)).second;
}

bool FunctionRegistry::drop_user(FunctionLayer layer, const std::string& path) {
  return users_[static_cast<size_t>(layer)].erase(path) > 0;
}

bool FunctionRegistry::has_user(FunctionLayer layer, const std::string& path) const {
  return users_[static_cast<size_t>(layer)].contains(path);
}

std::vector<std::string> FunctionRegistry::user_names() const {
  const std::string prefix = catalog_ + "." + database_ + ".";
  std::vector<std::string> names;
  for (const auto& layer : users_) {
    for (const auto& [path, function] : layer) {
      if (path.find('.') == std::string::npos) {
        names.push_back(path);
      } else if (path.starts_with(prefix)) {
        names.push_back(path.substr(prefix.size()));
      }
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::vector<std::string> FunctionRegistry::all_names() const {
  std::vector<std::string> all = names();
  for (const char* const name : {"ARRAY_AGG",
                                 "AVG",
                                 "APPROX_COUNT_DISTINCT",
                                 "COLLECT",
                                 "COUNT",
                                 "CUME_DIST",
                                 "DENSE_RANK",
                                 "FIRST_VALUE",
                                 "GROUPING",
                                 "GROUPING_ID",
                                 "GROUP_ID",
                                 "JSON_ARRAYAGG",
                                 "JSON_OBJECTAGG",
                                 "LAG",
                                 "LAST_VALUE",
                                 "LEAD",
                                 "LISTAGG",
                                 "MAX",
                                 "MIN",
                                 "NTILE",
                                 "PERCENT_RANK",
                                 "RANK",
                                 "ROW_NUMBER",
                                 "STDDEV",
                                 "STDDEV_POP",
                                 "STDDEV_SAMP",
                                 "SUM",
                                 "VARIANCE",
                                 "VAR_POP",
                                 "VAR_SAMP"}) {
    all.emplace_back(name);
  }
  for (std::string& name : user_names()) { all.push_back(std::move(name)); }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

FunctionRegistry builtin_functions() {
  FunctionRegistry registry;
  FunctionTable table(registry);
  add_comparisons(table);
  add_logic(table);
  add_arithmetic(table);
  add_mathematics(table);
  add_strings(table);
  add_printf(table);
  add_regular_expressions(table);
  add_digests(table);
  add_times(table);
  add_time_texts(table);
  add_clocks(table);
  add_conditionals(table);
  add_collections(table);
  add_json(table);
  return registry;
}

}  // namespace tidewheel::sql
