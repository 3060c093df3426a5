// A snapshot's files on a FileSystem: which it has, whether they are there, and deleting them in an
// order in which a crash leaves the whole snapshot or none.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/file_system.h"
#include "tidewheel/checkpoint/ended_job.h"
#include "tidewheel/checkpoint/manifest.h"

namespace tidewheel {

inline constexpr std::string_view kMetadataName = "_metadata";
inline constexpr std::string_view kSharedName = "shared";
inline constexpr std::string_view kTaskOwnedName = "taskowned";
inline constexpr std::string_view kLockName = "_lock";  // of the process that has a job's folder

// The path of a file that the manifest in the folder `snapshot` names.
std::string path_of_file(const std::string& snapshot, const std::string& file);
// All files that a manifest names, with their sizes.
std::map<std::string, uint64_t> files_of(const Manifest& manifest);
// The mark of the job's end in its folder.
Result<EndedJob> read_ended(FileSystem& files, const std::string& folder);
// One of the marks that an EndedJob is written as.
Result<EndedJob> read_mark(FileSystem& files, const std::string& folder, std::string_view name);
// The number of a folder "chk-<n>"; 0 for other names.
int64_t checkpoint_of_name(std::string_view name);

// What is to go: first the folder's _metadata, durably, so that nothing refers to the rest.
struct Deletion {
  std::string directory;  // with all that is in it; empty: only `files`
  std::vector<std::string> files;
};
// May be tried again after an error. Blocks.
Status carry_out(FileSystem& files, const Deletion& deletion);

}  // namespace tidewheel
