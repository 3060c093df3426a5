// Fuzzes what workers and masters of a job say: hostile messages are refused, and what is accepted
// survives being written and read again.
#include <cstddef>
#include <cstdint>
#include <string>

#include "tidewheel/base/check.h"
#include "tidewheel/base/clock.h"
#include "tidewheel/checkpoint/manifest.h"
#include "tidewheel/cluster/worker.pb.h"
#include "tidewheel/cluster/worker_messages.h"

namespace {

using namespace tidewheel;

class StillClock final : public Clock {
 public:
  int64_t now_ns() const override { return 1'000'000'000; }
  int64_t wall_ms() const override { return 1'700'000'000'000; }
};

void read_snapshot(const pb::SnapshotTaken& message) {
  const auto snapshot = from_message({0, 0}, message);
  if (!snapshot.ok()) { return; }
  pb::SnapshotTaken again;
  to_message(*snapshot, again);
  const auto read = from_message({0, 0}, again);
  TIDEWHEEL_CHECK(read.ok(), "what was written can't be read: {}", read.status().to_string());
  TIDEWHEEL_CHECK(read->operators.size() == snapshot->operators.size(), "operators are lost");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const StillClock clock;
  if (pb::HappenedNotice happened; happened.ParseFromString(bytes)) {
    static_cast<void>(from_message(happened.ended().failure()).to_string());
    read_snapshot(happened.snapshot_taken());
  }
  if (pb::TriggerNotice trigger; trigger.ParseFromString(bytes)) {
    static_cast<void>(from_message(trigger.plan(), clock));
  }
  return 0;
}
