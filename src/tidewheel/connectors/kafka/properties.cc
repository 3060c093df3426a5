// Properties of Kafka clients as users write them, for librdkafka.
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tidewheel/connectors/kafka/native.h"

namespace tidewheel::kafka {
namespace {

struct Pair {
  std::string_view name;
  std::string_view value;
};

// CRCs are checked as Kafka's own client does; a job that finds its group's offsets, or none, or
// none any more, is told so and decides itself.
constexpr Pair kConsumerDefaults[] = {{"enable.auto.commit", "false"},
                                      {"auto.offset.reset", "error"},
                                      {"check.crcs", "true"},
                                      {"isolation.level", "read_committed"},
                                      {"client.id", "tidewheel"}};
constexpr Pair kProducerDefaults[] = {{"client.id", "tidewheel"}};

// Names of Kafka's own client that librdkafka knows under another name.
constexpr Pair kTranslated[] = {{"fetch.max.wait.ms", "fetch.wait.max.ms"}};

// Those that have no counterpart, and what to do instead.
constexpr Pair kRefused[] = {
    {"key.deserializer", "formats read messages: 'key.format'"},
    {"value.deserializer", "formats read messages: 'value.format'"},
    {"key.serializer", "formats write messages: 'key.format'"},
    {"value.serializer", "formats write messages: 'value.format'"},
    {"max.poll.records", "batches have the engine's size"},
    {"max.block.ms", "nothing blocks; see 'delivery.timeout.ms'"},
    {"default.api.timeout.ms", "use 'socket.timeout.ms'"},
    {"buffer.memory", "use 'queue.buffering.max.kbytes'"},
    {"partitioner.class", "use 'partitioner', or the partitioner of the sink"},
    {"interceptor.classes", "there are no classes of Java"},
    {"metric.reporters", "there are no classes of Java"},
    {"ssl.truststore.password", "a PEM file has none: 'ssl.ca.location'"},
    {"ssl.truststore.certificates", "use 'ssl.ca.pem'"},
    {"ssl.keystore.certificate.chain", "use 'ssl.certificate.pem'"},
    {"ssl.keystore.key", "use 'ssl.key.pem'"},
    {"sasl.login.callback.handler.class", "there are no classes of Java"},
    {"sasl.client.callback.handler.class", "there are no classes of Java"}};

Status set_one(rd_kafka_conf_t* conf, std::string_view name, std::string_view value) {
  std::array<char, 512> text{};
  const rd_kafka_conf_res_t result = rd_kafka_conf_set(
      conf, std::string(name).c_str(), std::string(value).c_str(), text.data(), text.size());
  if (result == RD_KAFKA_CONF_OK) { return {}; }
  return invalid_argument(ErrorId::kConnectorOption,
                          "property '{}' of the Kafka client can't be '{}': {}", name, value,
                          text.data());
}

// The value of `name="value";` in a JAAS line.
std::optional<std::string> jaas_field(std::string_view line, std::string_view name) {
  size_t at = 0;
  while ((at = line.find(name, at)) != std::string_view::npos) {
    const bool starts = at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t';
    size_t next = at + name.size();
    at = next;
    if (!starts) { continue; }
    while (next < line.size() && line[next] == ' ') { ++next; }
    if (next >= line.size() || line[next] != '=') { continue; }
    ++next;
    while (next < line.size() && line[next] == ' ') { ++next; }
    if (next >= line.size()) { return std::nullopt; }
    std::string value;
    if (const char quote = line[next]; quote == '"' || quote == '\'') {
      for (++next; next < line.size() && line[next] != quote; ++next) {
        if (line[next] == '\\' && next + 1 < line.size()) { ++next; }
        value += line[next];
      }
    } else {
      while (next < line.size() && line[next] != ' ' && line[next] != ';') {
        value += line[next++];
      }
    }
    return value;
  }
  return std::nullopt;
}

// "org.apache.kafka.common.security.plain.PlainLoginModule required username="a" password="b";"
Status set_jaas(rd_kafka_conf_t* conf, const std::string& line) {
  const bool by_password = line.find("PlainLoginModule") != std::string::npos ||
                           line.find("ScramLoginModule") != std::string::npos;
  const bool by_ticket = line.find("Krb5LoginModule") != std::string::npos;
  const Pair fields[] = {
      {by_ticket ? "principal" : "username",
       by_ticket ? "sasl.kerberos.principal" : "sasl.username"},
      {by_ticket ? "keyTab" : "password", by_ticket ? "sasl.kerberos.keytab" : "sasl.password"}};
  if (!by_password && !by_ticket) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "'sasl.jaas.config' names no login module that is known here "
                            "(PlainLoginModule, ScramLoginModule, Krb5LoginModule)");
  }
  for (const Pair& field : fields) {
    const std::optional<std::string> value = jaas_field(line, field.name);
    if (!value.has_value()) {
      return invalid_argument(ErrorId::kConnectorOption, "'sasl.jaas.config' has no '{}'",
                              field.name);
    }
    TIDEWHEEL_RETURN_IF_ERROR(set_one(conf, field.value, *value));
  }
  return {};
}

Status set_trust_store(rd_kafka_conf_t* conf, const Properties& properties,
                       const std::string& path) {
  const auto type = properties.find("ssl.truststore.type");
  const bool is_pem = type != properties.end() && (type->second == "PEM" || type->second == "pem");
  if (!is_pem && !path.ends_with(".pem") && !path.ends_with(".crt")) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "'ssl.truststore.location' must be a PEM file of certificates, not a "
                            "store of Java's: {}",
                            path);
  }
  return set_one(conf, "ssl.ca.location", path);
}

const Pair* find_pair(std::span<const Pair> pairs, std::string_view name) {
  const auto found = std::find_if(pairs.begin(), pairs.end(),
                                  [name](const Pair& pair) { return pair.name == name; });
  return found == pairs.end() ? nullptr : &*found;
}

}  // namespace

Status apply_properties(const Properties& properties, HandleKind kind, rd_kafka_conf_s* conf) {
  if (kind == HandleKind::kConsumer) {
    for (const Pair& pair : kConsumerDefaults) {
      TIDEWHEEL_RETURN_IF_ERROR(set_one(conf, pair.name, pair.value));
    }
  } else {
    for (const Pair& pair : kProducerDefaults) {
      TIDEWHEEL_RETURN_IF_ERROR(set_one(conf, pair.name, pair.value));
    }
  }
  if (!properties.contains("bootstrap.servers") && !properties.contains("metadata.broker.list")) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "a Kafka client needs 'bootstrap.servers', as in 'host:9092'");
  }
  for (const auto& [name, value] : properties) {
    if (name == "auto.offset.reset") { continue; }  // the source itself does what it says
    if (name == "ssl.truststore.type" || name == "ssl.keystore.type") {
      if (value != "PEM" && value != "pem" && value != "PKCS12") {
        return invalid_argument(ErrorId::kConnectorOption, "'{}' can be PEM or PKCS12, not '{}'",
                                name, value);
      }
      continue;
    }
    if (name == "sasl.jaas.config") {
      TIDEWHEEL_RETURN_IF_ERROR(set_jaas(conf, value));
      continue;
    }
    if (name == "ssl.truststore.location") {
      TIDEWHEEL_RETURN_IF_ERROR(set_trust_store(conf, properties, value));
      continue;
    }
    if (name == "ssl.endpoint.identification.algorithm" && value.empty()) {
      TIDEWHEEL_RETURN_IF_ERROR(set_one(conf, name, "none"));
      continue;
    }
    if (const Pair* const refused = find_pair(kRefused, name)) {
      return invalid_argument(ErrorId::kConnectorOption,
                              "property '{}' of Kafka's Java client can't be used: {}", name,
                              refused->value);
    }
    const Pair* const translated = find_pair(kTranslated, name);
    TIDEWHEEL_RETURN_IF_ERROR(
        set_one(conf, translated == nullptr ? name : std::string(translated->value), value));
  }
  return {};
}

}  // namespace tidewheel::kafka
