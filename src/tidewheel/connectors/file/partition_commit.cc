#include "tidewheel/connectors/file/partition_commit.h"

#include <algorithm>
#include <utility>

#include "tidewheel/types/time.h"

namespace tidewheel::file {
namespace {

int hex_digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// What a name or a value was before it became a part of a path: %2F is '/'.
std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

struct NameAndValue {
  std::string name;
  std::string value;
};
std::vector<NameAndValue> values_of(std::string_view partition) {
  std::vector<NameAndValue> values;
  while (!partition.empty()) {
    const size_t end = std::min(partition.find('/'), partition.size());
    const std::string_view one = partition.substr(0, end);
    const size_t equals = std::min(one.find('='), one.size());
    values.push_back({unescaped(one.substr(0, equals)),
                      unescaped(one.substr(std::min(equals + 1, one.size())))});
    partition.remove_prefix(std::min(end + 1, partition.size()));
  }
  return values;
}

}  // namespace

Result<PartitionCommits> PartitionCommits::make(const PartitionCommitOptions& options) {
  TIDEWHEEL_ASSIGN_OR_RETURN(const TimeZone zone, TimeZone::find(options.zone));
  return PartitionCommits(options, zone);
}

Result<int64_t> PartitionCommits::time_of(std::string_view partition) {
  std::vector<NameAndValue> values = values_of(partition);
  std::string text = options_.time_pattern;
  if (text.empty()) {
    text = values.front().value;
  } else {
    // A name that another one begins with comes later.
    std::sort(values.begin(), values.end(), [](const NameAndValue& a, const NameAndValue& b) {
      return a.name.size() > b.name.size();
    });
    for (const NameAndValue& one : values) {
      const std::string variable = "$" + one.name;
      for (size_t at = text.find(variable); at != std::string::npos;
           at = text.find(variable, at + one.value.size())) {
        text.replace(at, variable.size(), one.value);
      }
    }
  }
  const auto space = text.find(' ');
  // A day alone is its beginning.
  const std::string full = space == std::string::npos ? text + " 00:00:00" : text;
  const std::optional<LocalTimestamp> local = parse_local_timestamp(full);
  if (!local.has_value()) {
    return invalid_argument(ErrorId::kConnectorOption,
                            "the time of the partition {} can't be read: '{}' is no time such as "
                            "2026-01-31 08:00:00; see 'partition.time-extractor.timestamp-pattern'",
                            partition, text);
  }
  int64_t utc_ms = local->ms() - zone_.offset_ms(local->ms());
  utc_ms = local->ms() - zone_.offset_ms(utc_ms);
  return utc_ms;
}

Status PartitionCommits::note(std::string_view partition, int64_t wall_ms) {
  if (partition == last_ && !last_.empty()) { return {}; }
  last_ = partition;
  if (open_.contains(partition)) { return {}; }
  Times times{wall_ms, wall_ms + options_.delay_ms};
  if (options_.by_event_time) {
    TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t begins_ms, time_of(partition));
    times.due_ms = begins_ms + options_.delay_ms;
  }
  open_.emplace(partition, times);
  return {};
}

std::vector<std::string> PartitionCommits::take_due(int64_t wall_ms, bool ended) {
  std::vector<std::string> due;
  const int64_t now_ms = options_.by_event_time ? watermark_ms_ : wall_ms;
  for (auto it = open_.begin(); it != open_.end();) {
    const int64_t due_ms = it->second.due_ms;
    const bool is_due = ended || (options_.by_event_time ? now_ms > due_ms : now_ms >= due_ms);
    if (!is_due) {
      ++it;
      continue;
    }
    due.push_back(it->first);
    it = open_.erase(it);
  }
  if (!due.empty()) { last_.clear(); }
  return due;
}

std::vector<PartitionCommits::Open> PartitionCommits::open() const {
  std::vector<Open> all;
  for (const auto& [partition, times] : open_) { all.push_back({partition, times.begun_ms}); }
  return all;
}

}  // namespace tidewheel::file
