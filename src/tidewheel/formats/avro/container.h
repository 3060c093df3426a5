// Object container files: a schema, and blocks of values that are written by it.
//
//   "Obj" 1     4 bytes
//   map         of bytes: "avro.schema", "avro.codec", and what else somebody has put there
//   marker      16 bytes
//   blocks      long: how many values; long: how many bytes; the bytes, by the codec; the marker
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tidewheel/base/status.h"
#include "tidewheel/types/arena.h"

namespace tidewheel::avro {

enum class Codec : uint8_t {
  kNull,     // as they are
  kDeflate,  // RFC 1951
  kSnappy,   // with a CRC-32 of the values behind
  kZstandard,
};
std::string_view codec_name(Codec codec);
inline constexpr size_t kMarkerBytes = 16;
using Marker = std::array<char, kMarkerBytes>;

struct ContainerHead {
  std::string schema;  // JSON
  Codec codec = Codec::kNull;
  Marker marker{};
  size_t bytes = 0;  // of the head itself
};

// A block as it lies in the file.
struct ContainerBlock {
  int64_t count = 0;
  std::string_view stored;  // by the codec
  size_t bytes = 0;         // of all of it, with the marker
};

inline constexpr size_t kHeadBytesMax = size_t{16} << 20;
inline constexpr size_t kBlockBytesMax = size_t{512} << 20;  // stored, and unpacked

// The head at the start of `bytes`; nothing when more bytes are needed. Errors: kRecordMalformed.
Result<std::optional<ContainerHead>> read_head(std::string_view bytes);
std::string make_head(std::string_view schema, Codec codec, const Marker& marker);

// The block at the start of `bytes`; nothing when more bytes are needed. Errors: kRecordMalformed.
Result<std::optional<ContainerBlock>> read_block(std::string_view bytes, const Marker& marker);
// What a block holds: what is stored, or what it becomes, in the arena. Errors: kCompressedData.
Result<std::string_view> unpack(Codec codec, std::string_view stored, Arena& arena);
// Appends a block of `count` values to `out`. Errors: kCompressedData.
Status append_block(Codec codec, const Marker& marker, int64_t count, std::string_view values,
                    std::string& out);

}  // namespace tidewheel::avro
