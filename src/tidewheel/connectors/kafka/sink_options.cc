#include "tidewheel/connectors/kafka/sink_options.h"

#include <algorithm>

namespace tidewheel::kafka {
namespace {

constexpr size_t kTopicBytesMax = 249;
// Ids and groups are the prefix and some forty bytes, and at most 32767 bytes long.
constexpr size_t kPrefixBytesMax = 1024;

bool is_topic(const std::string& name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kTopicBytesMax && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), fits);
}

template <class... Args>
Status wrong(fmt::format_string<Args...> format, Args&&... args) {
  return invalid_argument(ErrorId::kConnectorOption, "a Kafka sink {}",
                          fmt::vformat(format, fmt::make_format_args(args...)));
}

void set_default(Properties& properties, const std::string& key, std::string value) {
  properties.emplace(key, std::move(value));
}

}  // namespace

Status SinkOptions::validate() const {
  if (!is_topic(topic)) {
    return wrong(
        "writes to one topic, whose name has up to 249 letters, digits, '.', '_' and '-', "
        "not '{}'",
        topic);
  }
  if (brokers.empty() && !properties.contains("bootstrap.servers")) {
    return wrong("needs brokers, such as 'host:9092'");
  }
  if (properties.contains("transactional.id")) {
    return wrong("makes the property transactional.id itself: set transactional_id_prefix");
  }
  if (to_ms(transaction_timeout) < 1'000 || to_ms(request_timeout) < 1'000 || kept_bytes_max < 1) {
    return wrong(
        "accepts transaction_timeout and request_timeout of 1 s or more and "
        "kept_bytes_max above 0, not {} ms, {} ms and {}",
        to_ms(transaction_timeout), to_ms(request_timeout), kept_bytes_max);
  }
  if (guarantee != DeliveryGuarantee::kExactlyOnce) { return ok_status(); }
  if (transactional_id_prefix.empty() || transactional_id_prefix.size() > kPrefixBytesMax) {
    return wrong(
        "that writes exactly once needs a transactional_id_prefix of its own, of up to {} "
        "bytes: no other job may have it",
        kPrefixBytesMax);
  }
  if (const auto idempotence = properties.find("enable.idempotence");
      idempotence != properties.end() && idempotence->second != "true") {
    return wrong("that writes exactly once needs the property enable.idempotence to be true");
  }
  return WireSettings::from(producer_properties()).status();
}

Properties SinkOptions::producer_properties() const {
  Properties all = properties;
  if (!brokers.empty()) { all["bootstrap.servers"] = brokers; }
  // Where Kafka's own client would put a key, so that tables can be joined by partition.
  set_default(all, "partitioner", "murmur2_random");
  if (guarantee != DeliveryGuarantee::kNone && !all.contains("acks") &&
      !all.contains("request.required.acks")) {
    // Repeats after a lost answer would be doubles, and out of order.
    set_default(all, "enable.idempotence", "true");
  }
  set_default(all, "linger.ms", "5");
  if (!all.contains("queue.buffering.max.kbytes")) {
    set_default(all, "queue.buffering.max.kbytes", "65536");
  }
  return all;
}

}  // namespace tidewheel::kafka
