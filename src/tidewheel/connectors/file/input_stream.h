// The bytes of a file, decompressed when its name says that it is compressed.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tidewheel/base/file_system.h"

namespace tidewheel::file {

enum class Compression : uint8_t {
  kByName,  // .gz is gzip, .zst is Zstandard, anything else is not compressed
  kNone,
  kGzip,
  kZstd,
};
Compression compression_of(std::string_view path, Compression asked);

// Blocks. One thread at a time. Errors name the file and where in it.
class InputStream {
 public:
  // From `offset` of the (decompressed) bytes on; fewer bytes than that are as if the end was
  // reached.
  static Result<std::unique_ptr<InputStream>> open(FileSystem& files, const std::string& path,
                                                   Compression compression, int64_t offset);
  virtual ~InputStream() = default;
  // Fills some of `into`, which is not empty; 0 at the end. A plain file that has grown since can
  // be read on. Errors: kCompressedData when the data is damaged or ends too early.
  virtual Result<int64_t> read(std::span<char> into) = 0;
  virtual Result<FileInfo> info() = 0;
};

}  // namespace tidewheel::file
