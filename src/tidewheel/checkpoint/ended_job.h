// What a job that has come to its end leaves in its folder: a process that is killed behind that,
// or a supervisor that starts the job once more, does not do everything again. Its file `_ended`:
//
//   "TWENDED1"   8 bytes
//   checksum     8 bytes, little-endian: XXH3-64 of what follows
//   wall_ms      varint: when it ended
//   checkpoint   varint
//   job id, job name, savepoint: each a varint size and its bytes
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"

namespace tidewheel {

class World;  // base/world.h

inline constexpr std::string_view kEndedName = "_ended";
// The same, written before a savepoint that the job is stopped with is completed. If that is whole,
// and no checkpoint is newer, a process that finds the job goes on from it: sinks may have
// committed what it holds.
inline constexpr std::string_view kStoppingName = "_stopping";

struct EndedJob {
  std::string job_id;
  std::string job_name;
  std::string savepoint;  // the one that the job was stopped with; empty: it has done all it had to
  int64_t wall_ms = 0;
  int64_t checkpoint = 0;  // no checkpoint had a higher number; one that has was taken later
};

std::string encode_ended(const EndedJob& ended);
// Errors: kSnapshotFormat, kSnapshotChecksum.
Result<EndedJob> decode_ended(std::string_view bytes);

// The job is begun anew: what runs of it below `directory` that have come to their end have left is
// not to be found any more. Deletes it, but for savepoints, for what a process works on, and for
// the run of the checkpoint `starts_from`, if there is one that the job starts from.
Status forget_ended_jobs(World& world, const std::string& directory, const std::string& job_name,
                         const std::string& starts_from);

}  // namespace tidewheel
