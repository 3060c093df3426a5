#include "tidewheel/connectors/kafka/jaas.h"

#include <array>
#include <optional>
#include <string>

namespace tidewheel::kafka {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t'; }

size_t skip_spaces(std::string_view line, size_t at) {
  while (at < line.size() && is_space(line[at])) { ++at; }
  return at;
}

// What stands at `at`: in quotes, or up to a space or a semicolon.
std::string value_at(std::string_view line, size_t at) {
  std::string value;
  if (at == line.size()) { return value; }
  const char quote = line[at];
  if (quote != '"' && quote != '\'') {
    while (at < line.size() && !is_space(line[at]) && line[at] != ';') { value += line[at++]; }
    return value;
  }
  for (++at; at < line.size() && line[at] != quote; ++at) {
    if (line[at] == '\\' && at + 1 < line.size()) { ++at; }
    value += line[at];
  }
  return value;
}

std::optional<std::string> field(std::string_view line, std::string_view name) {
  for (size_t at = line.find(name); at != std::string_view::npos; at = line.find(name, at + 1)) {
    if (at > 0 && !is_space(line[at - 1])) { continue; }
    const size_t equals = skip_spaces(line, at + name.size());
    if (equals == line.size() || line[equals] != '=') { continue; }
    return value_at(line, skip_spaces(line, equals + 1));
  }
  return std::nullopt;
}

struct Field {
  std::string_view name;
  std::string_view property;
};
constexpr std::array<Field, 2> kPassword = {
    {{"username", "sasl.username"}, {"password", "sasl.password"}}};
constexpr std::array<Field, 2> kTicket = {
    {{"principal", "sasl.kerberos.principal"}, {"keyTab", "sasl.kerberos.keytab"}}};

}  // namespace

Result<Properties> read_jaas(std::string_view line) {
  const bool by_password = line.find("PlainLoginModule") != std::string_view::npos ||
                           line.find("ScramLoginModule") != std::string_view::npos;
  if (!by_password && line.find("Krb5LoginModule") == std::string_view::npos) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "'sasl.jaas.config' names no login module that is known here "
                            "(PlainLoginModule, ScramLoginModule, Krb5LoginModule)");
  }
  Properties found;
  for (const Field& one : by_password ? kPassword : kTicket) {
    const std::optional<std::string> value = field(line, one.name);
    if (!value.has_value()) {
      return invalid_argument(ErrorId::kConnectorOption, "'sasl.jaas.config' has no '{}'",
                              one.name);
    }
    found[std::string(one.property)] = *value;
  }
  return found;
}

}  // namespace tidewheel::kafka
