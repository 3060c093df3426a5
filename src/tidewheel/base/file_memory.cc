#include "tidewheel/base/file_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "tidewheel/base/posix_file_system.h"

namespace tidewheel {
namespace {

constexpr size_t kPageBytes = 4096;
// Pieces of odd sizes come and go at addresses of their own.
constexpr size_t kAddressesPerByte = 4;

size_t whole_pages(size_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

// A file without a name, where the file system can make one; else it loses its name at once.
int open_nameless(const std::string& directory) {
  const int file = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) { return file; }
  std::string path = directory + "/memory-XXXXXX";
  const int named = ::mkostemp(path.data(), O_CLOEXEC);
  if (named >= 0) { ::unlink(path.c_str()); }
  return named;
}

}  // namespace

Result<std::unique_ptr<FileMemory>> FileMemory::open(const std::string& directory,
                                                     size_t bytes_max) {
  const size_t address_bytes = whole_pages(bytes_max) * kAddressesPerByte;
  const int file = open_nameless(directory);
  if (file < 0) { return status_of_errno(errno, "making a file for memory in", directory); }
  void* mapped = MAP_FAILED;
  if (::ftruncate(file, static_cast<off_t>(address_bytes)) == 0) {
    mapped =
        ::mmap(nullptr, address_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
  }
  if (mapped == MAP_FAILED) {
    const int error = errno;
    ::close(file);
    return status_of_errno(error, "mapping a file for memory in", directory);
  }
  // Where the file system has large pages: a lookup touches two places at random, and each would
  // cost a walk through the page table besides.
  ::madvise(mapped, address_bytes, MADV_HUGEPAGE);
  return std::unique_ptr<FileMemory>(
      new FileMemory(file, static_cast<std::byte*>(mapped), address_bytes, bytes_max));
}

FileMemory::~FileMemory() {
  ::munmap(begin_, address_bytes_);
  ::close(file_);
}

std::byte* FileMemory::allocate(size_t bytes) {
  bytes = whole_pages(bytes);
  if (bytes > bytes_max_ - taken_) { return nullptr; }
  const auto same = free_.find(bytes);
  const bool is_reused = same != free_.end() && !same->second.empty();
  if (!is_reused && bytes > address_bytes_ - used_) { return nullptr; }
  std::byte* const memory = is_reused ? same->second.back() : begin_ + used_;
  if (::fallocate(file_, 0, memory - begin_, static_cast<off_t>(bytes)) != 0) { return nullptr; }
  if (is_reused) {
    same->second.pop_back();
  } else {
    used_ += bytes;
  }
  taken_ += bytes;
  return memory;
}

void FileMemory::free(std::byte* memory, size_t bytes) {
  bytes = whole_pages(bytes);
  // Where there are no holes the room stays taken; what is there is void.
  if (::fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, memory - begin_,
                  static_cast<off_t>(bytes)) != 0) {
    return;
  }
  free_[bytes].push_back(memory);
  taken_ -= bytes;
}

}  // namespace tidewheel
