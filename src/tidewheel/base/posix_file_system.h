// The machine's files.
#pragma once
#include <memory>

#include "tidewheel/base/file_system.h"

namespace tidewheel {

std::unique_ptr<FileSystem> make_posix_file_system();

// What a failed system call means: `place` is the path or address, `doing` the verb ("reading").
Status status_of_errno(int error, std::string_view doing, std::string_view place);
// That of FileSystem::lock. `holder`: what the lock's file says; empty: nothing.
Status locked_by(const std::string& path, std::string_view holder);

}  // namespace tidewheel
