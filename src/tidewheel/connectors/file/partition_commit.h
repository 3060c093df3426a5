// Which partitions (folders "name=value/..") of a sink are complete, and so are announced by a file
// within them: when event time has passed them, or a time after their first row. A partition that
// gets a row afterwards is announced again.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/base/time_zone.h"

namespace tidewheel::file {

struct PartitionCommitOptions {
  bool by_event_time = false;  // else by the clock
  int64_t delay_ms = 0;
  // Of the time of a partition: "$day $hour:00:00", with the values for their names; empty: the
  // value of the first name.
  std::string time_pattern;
  std::string zone = "UTC";  // in which that time is meant
  std::string file_name = "_SUCCESS";
};

// One thread.
class PartitionCommits {
 public:
  // Errors: kBadParameter.
  static Result<PartitionCommits> make(const PartitionCommitOptions& options);

  // A row was written into a partition. Errors: kConnectorOption when its time can't be read.
  Status note(std::string_view partition, int64_t wall_ms);
  void advance(int64_t watermark_ms) { watermark_ms_ = watermark_ms; }
  // Those that are complete, in order; they are forgotten. All of them when the input has ended.
  std::vector<std::string> take_due(int64_t wall_ms, bool ended);
  // Those that are not announced yet, with the time of their first row.
  struct Open {
    std::string partition;
    int64_t begun_ms = 0;
  };
  std::vector<Open> open() const;
  const std::string& file_name() const { return options_.file_name; }

 private:
  explicit PartitionCommits(PartitionCommitOptions options, TimeZone zone)
      : options_(std::move(options)), zone_(zone) {}
  // Milliseconds of UTC. Errors: kConnectorOption.
  Result<int64_t> time_of(std::string_view partition);

  struct Times {
    int64_t begun_ms = 0;
    int64_t due_ms = 0;
  };
  PartitionCommitOptions options_;
  TimeZone zone_;
  std::map<std::string, Times, std::less<>> open_;
  std::string last_;  // was noted last
  int64_t watermark_ms_ = INT64_MIN;
};

}  // namespace tidewheel::file
