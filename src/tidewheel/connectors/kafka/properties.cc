// Properties of Kafka clients as users write them, for librdkafka.
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "tidewheel/connectors/kafka/jaas.h"
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
      TIDEWHEEL_ASSIGN_OR_RETURN(const Properties read, read_jaas(value));
      for (const auto& [own, text] : read) { TIDEWHEEL_RETURN_IF_ERROR(set_one(conf, own, text)); }
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
