// Writes messages that can't be read to a topic of their own.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/connectors/kafka/client.h"

namespace tidewheel::kafka {

// Key, value and time of a letter are those of the message; its headers are the message's own, and
//   tidewheel.error             what is wrong
//   tidewheel.error.id          "TW1601"
//   tidewheel.source            the source that could not read it
//   tidewheel.topic, tidewheel.partition, tidewheel.offset    where the message is
// One for each subtask, on its thread.
class DeadLetters {
 public:
  static Result<std::unique_ptr<DeadLetters>> open(const Client& client,
                                                   const Properties& properties,
                                                   const ClientContext& context, std::string topic,
                                                   std::string source);

  // False: there is no room, and the context is woken when there is.
  Result<bool> send(const TopicPartition& place, const Message& message,
                    std::span<const Header> headers, const Status& error);
  // Whether all letters are with the brokers; if not, the context is woken when they are. Errors:
  // one could not be written.
  Result<bool> all_written();

 private:
  DeadLetters(std::unique_ptr<Producer> producer, std::string topic, std::string source)
      : producer_(std::move(producer)), topic_(std::move(topic)), source_(std::move(source)) {}

  const std::unique_ptr<Producer> producer_;
  const std::string topic_;
  const std::string source_;
};

}  // namespace tidewheel::kafka
