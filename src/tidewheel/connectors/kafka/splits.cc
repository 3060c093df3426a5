#include "tidewheel/connectors/kafka/splits.h"

#include <re2/re2.h>

#include <memory>
#include <span>
#include <utility>

namespace tidewheel::kafka {
namespace {

Result<std::vector<TopicInfo>> find_topics(const SourceOptions& options, Admin& admin, bool first) {
  std::vector<TopicInfo> found;
  if (options.topic_pattern.empty()) {
    for (const std::string& name : options.topics) {
      Result<TopicInfo> info = admin.topic(name);
      if (!info.ok()) {
        if (!first && info.status().id() == ErrorId::kKafkaTopic) { continue; }
        return std::move(info).status();
      }
      found.push_back(std::move(*info));
    }
    return found;
  }
  TIDEWHEEL_ASSIGN_OR_RETURN(std::vector<TopicInfo> all, admin.topics());
  const re2::RE2 pattern(options.topic_pattern);
  for (TopicInfo& info : all) {
    if (re2::RE2::FullMatch(info.name, pattern)) { found.push_back(std::move(info)); }
  }
  if (found.empty() && first && to_ms(options.discovery_every) == 0) {
    return not_found(ErrorId::kKafkaTopic, "no topic matches '{}' at '{}'", options.topic_pattern,
                     options.brokers);
  }
  return found;
}

Status no_group_offset(const SourceOptions& options, const TopicPartition& partition) {
  return failed_precondition(
      ErrorId::kKafkaOffset,
      "the group has no offset for topic '{}', partition {} at '{}': begin elsewhere (earliest, "
      "latest, a time, offsets), or set 'auto.offset.reset' to 'earliest' or 'latest'",
      partition.topic, partition.partition, options.client_properties()["bootstrap.servers"]);
}

// What partitions know of themselves, asked once.
class Places {
 public:
  Places(Admin& admin, std::span<const TopicPartition> partitions)
      : admin_(admin), partitions_(partitions) {}

  Result<const std::vector<Watermarks>*> watermarks() {
    if (watermarks_.empty()) {
      TIDEWHEEL_ASSIGN_OR_RETURN(watermarks_, admin_.watermarks(partitions_));
    }
    return &watermarks_;
  }
  // Ends stand for times that no message has.
  Result<std::vector<int64_t>> at(int64_t timestamp_ms) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto found, admin_.offsets_at(partitions_, timestamp_ms));
    TIDEWHEEL_ASSIGN_OR_RETURN(const auto* const marks, watermarks());
    std::vector<int64_t> offsets;
    for (size_t i = 0; i < found.size(); ++i) {
      offsets.push_back(found[i].offset >= 0 ? found[i].offset : (*marks)[i].end);
    }
    return offsets;
  }
  Result<std::vector<PartitionOffset>> committed() { return admin_.committed(partitions_); }
  std::span<const TopicPartition> partitions() const { return partitions_; }

 private:
  Admin& admin_;
  const std::span<const TopicPartition> partitions_;
  std::vector<Watermarks> watermarks_;
};

Status set_group_starts(const SourceOptions& options, Places& places,
                        std::vector<PartitionSplit>& splits) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto committed, places.committed());
  const OutOfRange otherwise = options.out_of_range_policy();
  for (size_t i = 0; i < splits.size(); ++i) {
    if (committed[i].offset >= 0) {
      splits[i].offset = committed[i].offset;
    } else if (otherwise == OutOfRange::kLatest) {
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto* const marks, places.watermarks());
      splits[i].offset = (*marks)[i].end;
    } else if (otherwise == OutOfRange::kFail) {
      return no_group_offset(options, places.partitions()[i]);
    }
  }
  return {};
}

// A beginning stays kOffsetEarliest, so that retention may go on before the first fetch.
Status set_starts(const SourceOptions& options, Places& places,
                  std::vector<PartitionSplit>& splits) {
  switch (options.start.kind) {
    case Start::Kind::kEarliest: return {};
    case Start::Kind::kGroupOffsets: return set_group_starts(options, places, splits);
    case Start::Kind::kLatest: {
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto* const marks, places.watermarks());
      for (size_t i = 0; i < splits.size(); ++i) { splits[i].offset = (*marks)[i].end; }
      return {};
    }
    case Start::Kind::kTimestamp: {
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto offsets, places.at(options.start.timestamp_ms));
      for (size_t i = 0; i < splits.size(); ++i) { splits[i].offset = offsets[i]; }
      return {};
    }
    case Start::Kind::kOffsets:
      for (PartitionSplit& split : splits) {
        const auto found = options.start.offsets.find(split.place());
        if (found != options.start.offsets.end()) { split.offset = found->second; }
      }
      return {};
  }
  return {};
}

Status set_stops(const SourceOptions& options, Places& places,
                 std::vector<PartitionSplit>& splits) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const auto* const marks, places.watermarks());
  std::vector<int64_t> stops;
  switch (options.stop.kind) {
    case Stop::Kind::kNever: return {};
    case Stop::Kind::kLatest:
      for (const Watermarks& mark : *marks) { stops.push_back(mark.end); }
      break;
    case Stop::Kind::kTimestamp: {
      TIDEWHEEL_ASSIGN_OR_RETURN(stops, places.at(options.stop.timestamp_ms));
      break;
    }
    case Stop::Kind::kGroupOffsets: {
      TIDEWHEEL_ASSIGN_OR_RETURN(const auto committed, places.committed());
      for (const PartitionOffset& one : committed) {
        if (one.offset < 0) { return no_group_offset(options, one.partition); }
        stops.push_back(one.offset);
      }
      break;
    }
    case Stop::Kind::kOffsets:
      for (const TopicPartition& one : places.partitions()) {
        const auto found = options.stop.offsets.find(one);
        if (found == options.stop.offsets.end()) {
          return invalid_argument(ErrorId::kConnectorOption,
                                  "topic '{}', partition {} has no offset at which it ends",
                                  one.topic, one.partition);
        }
        stops.push_back(found->second);
      }
      break;
  }
  for (size_t i = 0; i < splits.size(); ++i) {
    splits[i].stop = stops[i];
    if (splits[i].offset == kOffsetEarliest) { splits[i].offset = (*marks)[i].begin; }
  }
  return {};
}

}  // namespace

Result<std::vector<PartitionSplit>> find_splits(const SourceOptions& options, bool first) {
  TIDEWHEEL_RETURN_IF_ERROR(options.validate());
  const std::shared_ptr<const Client> client = options.client_or_real();
  TIDEWHEEL_ASSIGN_OR_RETURN(const std::unique_ptr<Admin> admin,
                             client->admin(options.client_properties(), options.request_timeout));
  Result<std::vector<TopicInfo>> topics = find_topics(options, *admin, first);
  if (!topics.ok()) {
    // Brokers that are away now are asked again: what is being read goes on meanwhile.
    if (!first && topics.status().code() == StatusCode::kUnavailable) {
      return std::vector<PartitionSplit>();
    }
    return std::move(topics).status();
  }
  std::vector<PartitionSplit> splits;
  std::vector<TopicPartition> partitions;
  for (const TopicInfo& topic : *topics) {
    for (int32_t i = 0; i < topic.partition_count; ++i) {
      splits.push_back({.topic = topic.name, .partition = i});
      partitions.push_back({topic.name, i});
    }
  }
  if (!first || splits.empty()) { return splits; }
  Places places(*admin, partitions);
  TIDEWHEEL_RETURN_IF_ERROR(set_starts(options, places, splits));
  if (options.is_bounded()) { TIDEWHEEL_RETURN_IF_ERROR(set_stops(options, places, splits)); }
  return splits;
}

}  // namespace tidewheel::kafka
