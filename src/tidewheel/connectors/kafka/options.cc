#include "tidewheel/connectors/kafka/options.h"

#include <re2/re2.h>

#include <algorithm>

namespace tidewheel::kafka {

Properties SourceOptions::client_properties() const {
  Properties all = properties;
  if (!brokers.empty()) { all["bootstrap.servers"] = brokers; }
  if (!group.empty()) { all["group.id"] = group; }
  // Tells when a partition has been read to its end, though the last offsets hold nothing that is
  // handed out: marks of transactions, or what compaction has left. A bounded reader is done then,
  // and any other has nothing pending.
  all["enable.partition.eof"] = "true";
  return all;
}

std::shared_ptr<const Client> SourceOptions::client_or_real() const {
  return client == nullptr ? real_client() : client;
}

OutOfRange SourceOptions::out_of_range_policy() const {
  if (out_of_range.has_value()) { return *out_of_range; }
  const auto found = properties.find("auto.offset.reset");
  if (found == properties.end()) { return OutOfRange::kFail; }
  return found->second == "earliest" ? OutOfRange::kEarliest
         : found->second == "latest" ? OutOfRange::kLatest
                                     : OutOfRange::kFail;
}

Status SourceOptions::validate() const {
  const auto wrong = [](std::string_view why) {
    return invalid_argument(ErrorId::kConnectorOption, "a Kafka source {}", why);
  };
  if (topics.empty() == topic_pattern.empty()) {
    return wrong("needs either topics or a pattern for their names");
  }
  if (!topic_pattern.empty()) {
    if (const re2::RE2 pattern(topic_pattern, re2::RE2::Quiet); !pattern.ok()) {
      return invalid_argument(ErrorId::kConnectorOption,
                              "the pattern for names of topics is no regular expression: {}: {}",
                              topic_pattern, pattern.error());
    }
  }
  if (std::any_of(topics.begin(), topics.end(),
                  [](const std::string& topic) { return topic.empty(); })) {
    return wrong("has a topic without a name");
  }
  const bool needs_group =
      start.kind == Start::Kind::kGroupOffsets || stop.kind == Stop::Kind::kGroupOffsets;
  if (needs_group && group.empty() && !properties.contains("group.id")) {
    return wrong("needs a group to begin or end at its offsets");
  }
  if (start.kind == Start::Kind::kOffsets && start.offsets.empty()) {
    return wrong("that begins at offsets needs some");
  }
  if (stop.kind == Stop::Kind::kOffsets && stop.offsets.empty()) {
    return wrong("that ends at offsets needs some");
  }
  if (bad_records.kind == BadRecords::Kind::kDeadLetter && bad_records.topic.empty()) {
    return wrong("needs a topic for records that can't be read");
  }
  if (to_ms(discovery_every) < 0) { return wrong("can't look for topics at a negative interval"); }
  const auto reset = properties.find("auto.offset.reset");
  if (reset != properties.end() && reset->second != "earliest" && reset->second != "latest" &&
      reset->second != "none") {
    return invalid_argument(ErrorId::kConnectorOption,
                            "'auto.offset.reset' can be 'earliest', 'latest' or 'none', not '{}'",
                            reset->second);
  }
  return {};
}

}  // namespace tidewheel::kafka
