#include "tidewheel/registry/table_options.h"

#include <algorithm>
#include <map>
#include <utility>

#include "tidewheel/http/client.h"

namespace tidewheel::registry {
namespace {

constexpr std::string_view kTopicStrategy = "TopicNameStrategy";
constexpr std::string_view kRecordStrategy = "RecordNameStrategy";
constexpr std::string_view kTopicRecordStrategy = "TopicRecordNameStrategy";
constexpr std::string_view kIdentification = "ssl.endpoint.identification.algorithm";

// Strategies are named by Java classes; the package does not matter.
std::string_view class_name(std::string_view name) { return name.substr(name.rfind('.') + 1); }

void read_properties(const std::string& prefix, TableSettings& settings, TableOptions& options) {
  for (const auto& [name, value] : options.with_prefix(prefix)) {
    const std::string key = prefix + name;
    if (name == kIdentification) { continue; }  // read_tls has it
    if (name == "auto.register.schemas") {
      settings.registers = options.flag(key, true);
    } else if (name == "key.subject.name.strategy" || name == "value.subject.name.strategy") {
      const std::string_view strategy = class_name(value);
      if (strategy != kTopicStrategy && strategy != kRecordStrategy &&
          strategy != kTopicRecordStrategy) {
        options.fail(key,
                     "must be TopicNameStrategy, RecordNameStrategy or TopicRecordNameStrategy");
      }
    } else {
      options.fail(key,
                   "is no property of the registry's client that there is: "
                   "auto.register.schemas, key.subject.name.strategy, "
                   "value.subject.name.strategy and ssl.endpoint.identification.algorithm are");
    }
  }
}

void read_authorization(const std::string& format, Options& registry, TableOptions& options) {
  const std::string source = format + ".basic-auth.credentials-source";
  const std::string user = format + ".basic-auth.user-info";
  const std::string bearer = format + ".bearer-auth.credentials-source";
  const std::string token = format + ".bearer-auth.token";
  const bool from_url = options.choice(source, {"USER_INFO", "URL"}, 0) == 1;
  options.choice(bearer, {"STATIC_TOKEN"}, 0);
  if (options.has(source) && !from_url && !options.has(user)) {
    options.fail(user, "goes with basic-auth.credentials-source = USER_INFO");
  }
  if (options.has(user) && options.has(token)) {
    options.fail(token, "can't go with basic-auth.user-info");
  }
  if (options.has(user)) { registry.authorization = basic_authorization(options.text(user)); }
  if (options.has(token)) { registry.authorization = "Bearer " + options.text(token); }
  const auto is_plain = [](char c) { return c >= ' ' && c < '\x7f'; };
  if (!std::all_of(registry.authorization.begin(), registry.authorization.end(), is_plain)) {
    options.fail(token, "has characters that a header can't have");
    registry.authorization.clear();
  }
}

void read_tls(const std::string& format, Options& registry, TableOptions& options) {
  const std::string prefix = format + ".ssl.";
  registry.tls.keystore = options.text(prefix + "keystore.location");
  registry.tls.keystore_password = options.text(prefix + "keystore.password");
  registry.tls.truststore = options.text(prefix + "truststore.location");
  registry.tls.truststore_password = options.text(prefix + "truststore.password");
  const std::string identification =
      options.text(format + ".properties." + std::string(kIdentification), "https");
  registry.tls.verifies_host = !identification.empty();
  if (identification != "https" && !identification.empty()) {
    options.fail(format + ".properties." + std::string(kIdentification),
                 "must be https, or empty: certificates are then believed for any host");
  }
  const bool is_secure =
      std::any_of(registry.servers.begin(), registry.servers.end(),
                  [](const Server& server) { return server.url.starts_with("https://"); });
  for (const char* const store : {"keystore.location", "truststore.location"}) {
    if (options.has(prefix + store) && !is_secure) {
      options.fail(prefix + store, "goes with a URL that begins with https://");
    }
  }
}

}  // namespace

std::vector<TableOption> table_options(const std::string& format) {
  return {
      {format + ".url", true, "", "of the registry, with commas between several servers of it"},
      {format + ".subject", false, "<topic>-value or <topic>-key",
       "under which schemas are registered; {record} stands for the record's name"},
      {format + ".basic-auth.credentials-source", false, "USER_INFO", "USER_INFO or URL"},
      {format + ".basic-auth.user-info", false, "", "user:password"},
      {format + ".bearer-auth.credentials-source", false, "STATIC_TOKEN", "STATIC_TOKEN"},
      {format + ".bearer-auth.token", false, "", "sent with every request"},
      {format + ".ssl.truststore.location", false, "",
       "of https: certificates that are believed, PEM or PKCS#12; without it the machine's own"},
      {format + ".ssl.truststore.password", false, "", "of PKCS#12"},
      {format + ".ssl.keystore.location", false, "",
       "the client's certificate and its key, PEM or PKCS#12, for registries that ask for one"},
      {format + ".ssl.keystore.password", false, "", "of the key, or of PKCS#12"},
  };
}

TableSettings read_table_options(const std::string& format, TableOptions& options) {
  TableSettings settings;
  const std::string url = format + ".url";
  if (options.has(url)) {
    auto servers = parse_servers(options.text(url));
    if (servers.ok()) {
      settings.options.servers = std::move(*servers);
    } else {
      options.fail(url, servers.status().message());
    }
  } else {
    options.fail(url, "is needed");
  }
  read_tls(format, settings.options, options);
  settings.subject = options.text(format + ".subject");
  read_authorization(format, settings.options, options);
  read_properties(format + ".properties.", settings, options);
  return settings;
}

void name_topic(const std::string& format, const std::string& topic, bool of_keys,
                TableOptions& options) {
  if (topic.empty()) { return; }
  const std::string property =
      format + ".properties." + (of_keys ? "key" : "value") + ".subject.name.strategy";
  const std::string named = options.text(property);
  const std::string_view strategy = class_name(named);
  std::string subject = topic + (of_keys ? "-key" : "-value");
  if (strategy == kRecordStrategy) { subject = "{record}"; }
  if (strategy == kTopicRecordStrategy) { subject = topic + "-{record}"; }
  options.set_default(format + ".subject", std::move(subject));
}

std::optional<Framed> unframed(std::string_view message) {
  if (message.size() < kFrameBytes || message[0] != '\0') { return std::nullopt; }
  uint32_t id = 0;
  for (size_t i = 1; i < kFrameBytes; ++i) { id = id << 8 | static_cast<uint8_t>(message[i]); }
  return Framed{static_cast<int32_t>(id), message.substr(kFrameBytes)};
}

void append_frame(std::string& message, int32_t id) {
  message += '\0';
  for (int shift = 24; shift >= 0; shift -= 8) {
    message += static_cast<char>(static_cast<uint32_t>(id) >> shift);
  }
}

}  // namespace tidewheel::registry
