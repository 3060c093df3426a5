// A transaction that was prepared, as checkpoints keep it. Its fields are in snapshots.
#pragma once
#include <cstdint>
#include <string>

namespace tidewheel::kafka {

struct PendingTransaction {
  std::string transactional_id;
  int64_t producer_id = -1;
  int32_t producer_epoch = -1;
  // Where the marker is, and what it says when this transaction, or a later one, was committed.
  std::string marker_group;
  std::string marker_topic;
  int64_t marker_value = 0;
  int32_t parallelism = 1;  // of the sink when it was written: which keys may be in it
  std::string output;       // KeptOutput::take
};

}  // namespace tidewheel::kafka
