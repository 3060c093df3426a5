// Memory whose pages are those of a file: the system keeps of them in its cache what the machine
// has room for, and writes and reads the others by itself. For data that is larger than what a
// process may hold, and that is worth nothing to the next process.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"

namespace tidewheel {

// One thread. Such pages are the system's to take back: they count as part of a file (RssFile) and
// not as the process's own.
//
// Room on the disk is taken when memory is allocated, so that a full disk is a null pointer there
// and never a signal later. A disk that fails to read or write a page does end the process
// (SIGBUS), as it does for everything that maps files.
class FileMemory {
 public:
  // A file that has no name any more, in `directory`, for up to `bytes_max`. It goes with the
  // object, and with the process however that ends.
  static Result<std::unique_ptr<FileMemory>> open(const std::string& directory, size_t bytes_max);
  ~FileMemory();
  FileMemory(const FileMemory&) = delete;
  FileMemory& operator=(const FileMemory&) = delete;

  // At least `bytes` zeroed bytes, in whole pages; null when the disk has no room, or when more
  // than bytes_max would be taken.
  std::byte* allocate(size_t bytes);
  // Gives back what allocate(bytes) returned, to the disk too.
  void free(std::byte* memory, size_t bytes);
  int64_t bytes() const { return static_cast<int64_t>(taken_); }

 private:
  FileMemory(int file, std::byte* begin, size_t address_bytes, size_t bytes_max)
      : file_(file), begin_(begin), address_bytes_(address_bytes), bytes_max_(bytes_max) {}

  const int file_;
  std::byte* const begin_;  // of all addresses, which are more than may be taken
  const size_t address_bytes_;
  const size_t bytes_max_;
  size_t used_ = 0;                                 // addresses that were ever given away
  size_t taken_ = 0;                                // bytes that are
  std::map<size_t, std::vector<std::byte*>> free_;  // by size
};

}  // namespace tidewheel
