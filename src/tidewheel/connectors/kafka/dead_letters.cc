#include "tidewheel/connectors/kafka/dead_letters.h"

#include <utility>

namespace tidewheel::kafka {

Result<std::unique_ptr<DeadLetters>> DeadLetters::open(const Client& client,
                                                       const Properties& properties,
                                                       const ClientContext& context,
                                                       std::string topic, std::string source) {
  // Reading waits for each letter, so that none waits for others.
  Properties all = properties;
  for (const char* const of_consumers :
       {"group.id", "auto.offset.reset", "enable.partition.eof", "isolation.level"}) {
    all.erase(of_consumers);
  }
  all["linger.ms"] = "0";
  all["acks"] = "all";
  TIDEWHEEL_ASSIGN_OR_RETURN(std::unique_ptr<Producer> producer, client.producer(all, context));
  return std::unique_ptr<DeadLetters>(
      new DeadLetters(std::move(producer), std::move(topic), std::move(source)));
}

Result<bool> DeadLetters::send(const TopicPartition& place, const Message& message,
                               std::span<const Header> headers, const Status& error) {
  const std::string id = fmt::format("TW{}", static_cast<int>(error.id()));
  const std::string partition = std::to_string(place.partition);
  const std::string offset = std::to_string(message.offset);
  std::vector<Header> all(headers.begin(), headers.end());
  all.push_back({"tidewheel.error", error.message()});
  all.push_back({"tidewheel.error.id", id});
  all.push_back({"tidewheel.source", source_});
  all.push_back({"tidewheel.topic", place.topic});
  all.push_back({"tidewheel.partition", partition});
  all.push_back({"tidewheel.offset", offset});
  OutgoingMessage letter;
  if (message.has_key) { letter.key = message.key; }
  if (message.has_value) { letter.value = message.value; }
  letter.timestamp_ms = message.timestamp_ms;
  letter.headers = all;
  return producer_->produce(topic_, letter).with_context("a record that can't be read");
}

Result<bool> DeadLetters::all_written() {
  const Deliveries deliveries = producer_->deliveries();
  if (deliveries.failed > 0) {
    return deliveries.first_failure.with_context("writing a record that can't be read");
  }
  return producer_->in_flight() == 0;
}

}  // namespace tidewheel::kafka
