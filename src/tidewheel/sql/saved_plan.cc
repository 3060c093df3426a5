#include "tidewheel/sql/saved_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "tidewheel/base/json_text.h"
#include "tidewheel/types/json_document.h"

namespace tidewheel::sql {
namespace {

// Text by text, with a comma between them.
template <class All, class Each>
void append_list(std::string& out, const All& all, Each each) {
  bool is_first = true;
  for (const auto& one : all) {
    out += is_first ? "\n    " : ",\n    ";
    is_first = false;
    each(one);
  }
  if (!is_first) { out += "\n  "; }
}

Status damaged(const std::string& what) {
  return invalid_argument(ErrorId::kSqlQuery, "this is no plan that COMPILE PLAN has written: {}",
                          what);
}

// Members of a JSON text by their names, and what they have to be.
class Reader {
 public:
  explicit Reader(const JsonDocument& document) : document_(document) {}

  const JsonNode& node(uint32_t index) const { return document_.node(index); }

  Result<uint32_t> member(uint32_t object, const char* key, JsonKind kind) const {
    const uint32_t found = document_.member(object, key);
    if (found == UINT32_MAX) { return damaged(fmt::format("it has no member '{}'", key)); }
    if (node(found).kind != kind) {
      return damaged(fmt::format("the member '{}' is of another type", key));
    }
    return found;
  }
  Result<std::string> text(uint32_t object, const char* key) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t found, member(object, key, JsonKind::kString));
    return string(found);
  }
  std::string string(uint32_t index) const {
    std::string buffer;
    return std::string(unescaped(node(index), buffer));
  }
  Result<int32_t> number(uint32_t index) const {
    const std::string_view text = node(index).text;
    int32_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (node(index).kind != JsonKind::kNumber || failed != std::errc() ||
        end != text.data() + text.size() || value < 0) {
      return damaged("a number of an operator is none");
    }
    return value;
  }
  // each(index) of the elements of the array `key`, which are of one kind.
  template <class Each>
  Status elements(uint32_t object, const char* key, JsonKind kind, Each each) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t array, member(object, key, JsonKind::kArray));
    uint32_t at = JsonDocument::first_of(array);
    for (uint32_t i = 0; i < node(array).size; ++i, at = document_.next_of(at)) {
      if (node(at).kind != kind) {
        return damaged(fmt::format("an element of '{}' is of another type", key));
      }
      TIDEWHEEL_RETURN_IF_ERROR(each(at));
    }
    return {};
  }
  // each(key, value) of the members of the object `key`, which are strings.
  template <class Each>
  Status members(uint32_t object, const char* key, Each each) const {
    TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t found, member(object, key, JsonKind::kObject));
    uint32_t at = JsonDocument::first_of(found);
    for (uint32_t i = 0; i < node(found).size; ++i) {
      const uint32_t value = document_.next_of(at);
      if (node(value).kind != JsonKind::kString) {
        return damaged(fmt::format("a member of '{}' is of another type", key));
      }
      each(string(at), string(value));
      at = document_.next_of(value);
    }
    return {};
  }

 private:
  const JsonDocument& document_;
};

Result<SavedPlan::Operator> read_operator(const Reader& reader, uint32_t at, int32_t number) {
  SavedPlan::Operator made;
  TIDEWHEEL_ASSIGN_OR_RETURN(made.name, reader.text(at, "name"));
  TIDEWHEEL_ASSIGN_OR_RETURN(made.uid, reader.text(at, "uid"));
  TIDEWHEEL_RETURN_IF_ERROR(
      reader.elements(at, "inputs", JsonKind::kArray, [&](uint32_t array) -> Status {
        SavedPlan::Operator::Input input{};
        if (reader.node(array).size != input.size()) {
          return damaged("an input is three numbers: operator, output, port");
        }
        uint32_t element = JsonDocument::first_of(array);
        for (int32_t& part : input) {
          TIDEWHEEL_ASSIGN_OR_RETURN(part, reader.number(element));
          ++element;  // numbers have nothing in them
        }
        if (input[0] >= number) {
          return damaged(fmt::format("operator {} reads one that comes later", number));
        }
        made.inputs.push_back(input);
        return {};
      }));
  return made;
}

std::string described(const SavedPlan::Operator& one) {
  std::string out = "'" + one.name + "'";
  for (size_t i = 0; i < one.inputs.size(); ++i) {
    out += fmt::format("{}{}", i == 0 ? " behind " : " and ", one.inputs[i][0]);
  }
  return out;
}

}  // namespace

std::string to_json(const SavedPlan& plan) {
  std::string out = fmt::format("{{\n  \"tidewheelPlan\": {}", SavedPlan::kForm);
  const auto member = [&](const char* key, const std::string& text) {
    out += fmt::format(",\n  \"{}\": ", key);
    append_json_text(out, text);
  };
  member("version", plan.version);
  member("catalog", plan.catalog);
  member("database", plan.database);
  member("statement", plan.statement);
  out += ",\n  \"settings\": {";
  append_list(out, plan.settings, [&](const auto& setting) {
    out += json_text(setting.first) + ": " + json_text(setting.second);
  });
  out += "},\n  \"objects\": [";
  append_list(out, plan.objects, [&](const SavedPlan::Object& object) {
    out += fmt::format(R"({{"catalog": {}, "database": {}, "name": {}, "statement": {}}})",
                       json_text(object.path.catalog), json_text(object.path.database),
                       json_text(object.path.object), json_text(object.statement));
  });
  out += "],\n  \"functions\": [";
  append_list(out, plan.functions,
              [&](const std::string& function) { append_json_text(out, function); });
  out += "],\n  \"operators\": [";
  append_list(out, plan.operators, [&](const SavedPlan::Operator& one) {
    out += fmt::format(R"({{"name": {}, "uid": {}, "inputs": [)", json_text(one.name),
                       json_text(one.uid));
    for (size_t i = 0; i < one.inputs.size(); ++i) {
      const auto& [from, output, port] = one.inputs[i];
      out += fmt::format("{}[{}, {}, {}]", i == 0 ? "" : ", ", from, output, port);
    }
    out += "]}";
  });
  return out + "]\n}\n";
}

Result<SavedPlan> parse_saved_plan(std::string_view text) {
  JsonDocument document;
  if (!document.parse(text) || document.node(0).kind != JsonKind::kObject) {
    return damaged("it is no JSON object");
  }
  const Reader reader(document);
  TIDEWHEEL_ASSIGN_OR_RETURN(const uint32_t form_at,
                             reader.member(0, "tidewheelPlan", JsonKind::kNumber));
  SavedPlan plan;
  TIDEWHEEL_ASSIGN_OR_RETURN(plan.version, reader.text(0, "version"));
  const Result<int32_t> form = reader.number(form_at);
  if (!form.ok() || *form != SavedPlan::kForm) {
    return invalid_argument(ErrorId::kSqlQuery,
                            "the plan has the form {}, written by version {}; this version reads "
                            "the form {}",
                            reader.node(form_at).text, plan.version, SavedPlan::kForm);
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(plan.catalog, reader.text(0, "catalog"));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan.database, reader.text(0, "database"));
  TIDEWHEEL_ASSIGN_OR_RETURN(plan.statement, reader.text(0, "statement"));
  TIDEWHEEL_RETURN_IF_ERROR(reader.members(
      0, "settings",
      [&](const std::string& key, const std::string& value) { plan.settings[key] = value; }));
  TIDEWHEEL_RETURN_IF_ERROR(
      reader.elements(0, "objects", JsonKind::kObject, [&](uint32_t at) -> Status {
        SavedPlan::Object& object = plan.objects.emplace_back();
        TIDEWHEEL_ASSIGN_OR_RETURN(object.path.catalog, reader.text(at, "catalog"));
        TIDEWHEEL_ASSIGN_OR_RETURN(object.path.database, reader.text(at, "database"));
        TIDEWHEEL_ASSIGN_OR_RETURN(object.path.object, reader.text(at, "name"));
        TIDEWHEEL_ASSIGN_OR_RETURN(object.statement, reader.text(at, "statement"));
        return {};
      }));
  TIDEWHEEL_RETURN_IF_ERROR(
      reader.elements(0, "functions", JsonKind::kString, [&](uint32_t at) -> Status {
        plan.functions.push_back(reader.string(at));
        return {};
      }));
  TIDEWHEEL_RETURN_IF_ERROR(
      reader.elements(0, "operators", JsonKind::kObject, [&](uint32_t at) -> Status {
        TIDEWHEEL_ASSIGN_OR_RETURN(
            SavedPlan::Operator one,
            read_operator(reader, at, static_cast<int32_t>(plan.operators.size())));
        plan.operators.push_back(std::move(one));
        return {};
      }));
  return plan;
}

std::vector<SavedPlan::Operator> operators_of(const LogicalGraph& graph) {
  std::vector<SavedPlan::Operator> all;
  for (const GraphNode& node : graph.nodes) { all.push_back({node.name, node.uid, {}}); }
  for (const GraphEdge& edge : graph.edges) {
    all[static_cast<size_t>(edge.to)].inputs.push_back(
        {edge.from, edge.from_output, edge.to_input});
  }
  for (SavedPlan::Operator& one : all) { std::sort(one.inputs.begin(), one.inputs.end()); }
  return all;
}

Status check_operators(const SavedPlan& plan, const std::vector<SavedPlan::Operator>& made) {
  const auto refuse = [&](const std::string& how) {
    return failed_precondition(
        ErrorId::kSqlQuery,
        "the plan of version {} can't be executed with its state, since this version makes another "
        "job of its statement: {}; COMPILE PLAN makes a new plan, whose operators begin anew where "
        "they differ",
        plan.version, how);
  };
  const size_t both = std::min(plan.operators.size(), made.size());
  for (size_t i = 0; i < both; ++i) {
    const SavedPlan::Operator& was = plan.operators[i];
    if (was.name == made[i].name && was.inputs == made[i].inputs) { continue; }
    return refuse(
        fmt::format("operator {} was {} and is {}", i, described(was), described(made[i])));
  }
  if (plan.operators.size() == made.size()) { return {}; }
  return refuse(fmt::format("it had {} operators and has {}", plan.operators.size(), made.size()));
}

}  // namespace tidewheel::sql
