// What the adaptors of Kafka's source and sink have in common.
#pragma once
#include <string>
#include <vector>

namespace tidewheel::certification {

// Options that may have any value.
inline std::vector<std::string> kafka_free_options() {
  return {"topic",
          "topic-pattern",
          "key.fields-prefix",
          "properties.bootstrap.servers",
          "properties.group.id",
          "scan.watermark.alignment.group",
          "sink.transactional-id-prefix"};
}

}  // namespace tidewheel::certification
