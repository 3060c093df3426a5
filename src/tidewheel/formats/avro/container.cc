#include "tidewheel/formats/avro/container.h"

#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "tidewheel/formats/avro/wire.h"

namespace tidewheel::avro {
namespace {

constexpr std::string_view kMagic("Obj\1", 4);
constexpr size_t kChecksumBytes = 4;
constexpr int kRawDeflate = -15;  // no head, 32 KB of history

Status bad_head(const char* why) {
  return invalid_argument(ErrorId::kRecordMalformed, "this is no container file of Avro: {}", why);
}
Status bad_block(const char* why) {
  return invalid_argument(ErrorId::kRecordMalformed, "a block of an Avro file is damaged: {}", why);
}
Status bad_data(Codec codec) {
  return data_loss(ErrorId::kCompressedData, "a block of an Avro file is damaged: it is no {}",
                   codec_name(codec));
}

uint32_t checksum_of(std::string_view bytes) {
  uint32_t value = 0;
  // In pieces, since the length is 32 bits there.
  constexpr size_t kPiece = size_t{1} << 30;
  for (size_t at = 0; at < bytes.size(); at += kPiece) {
    const auto size = static_cast<uInt>(std::min(kPiece, bytes.size() - at));
    value = static_cast<uint32_t>(
        crc32(value, reinterpret_cast<const Bytef*>(bytes.data() + at), size));
  }
  return value;
}

Result<std::string_view> inflate_all(std::string_view stored, Arena& arena) {
  z_stream stream{};
  if (inflateInit2(&stream, kRawDeflate) != Z_OK) { return bad_data(Codec::kDeflate); }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(stored.data()));
  stream.avail_in = static_cast<uInt>(stored.size());
  size_t capacity = std::max<size_t>(stored.size() * 4, 4096);
  std::string unpacked;
  int answer = Z_OK;
  while (answer == Z_OK) {
    const size_t size = unpacked.size();
    if (size >= kBlockBytesMax) { return bad_data(Codec::kDeflate); }
    unpacked.resize(std::min(capacity, kBlockBytesMax));
    capacity *= 2;
    stream.next_out = reinterpret_cast<Bytef*>(unpacked.data() + size);
    stream.avail_out = static_cast<uInt>(unpacked.size() - size);
    answer = inflate(&stream, Z_NO_FLUSH);
    unpacked.resize(unpacked.size() - stream.avail_out);
    if (answer == Z_BUF_ERROR && stream.avail_out == 0) { answer = Z_OK; }
  }
  // Bytes behind the end are left alone: Python's libraries leave a part of a checksum there.
  if (answer != Z_STREAM_END) { return bad_data(Codec::kDeflate); }
  return arena.copy(unpacked).view();
}

Result<std::string_view> unsnap(std::string_view stored, Arena& arena) {
  size_t size = 0;
  if (stored.size() < kChecksumBytes) { return bad_data(Codec::kSnappy); }
  const std::string_view packed = stored.substr(0, stored.size() - kChecksumBytes);
  if (!snappy::GetUncompressedLength(packed.data(), packed.size(), &size) ||
      size > kBlockBytesMax) {
    return bad_data(Codec::kSnappy);
  }
  char* const to = arena.allocate(size);
  if (!snappy::RawUncompress(packed.data(), packed.size(), to)) { return bad_data(Codec::kSnappy); }
  uint32_t expected = 0;
  std::memcpy(&expected, stored.data() + packed.size(), kChecksumBytes);
  if (__builtin_bswap32(expected) != checksum_of({to, size})) { return bad_data(Codec::kSnappy); }
  return std::string_view(to, size);
}

Result<std::string_view> unpack_zstd(std::string_view stored, Arena& arena) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                   ZSTD_freeDCtx);
  std::string unpacked;
  ZSTD_inBuffer in{stored.data(), stored.size(), 0};
  size_t capacity = std::max<size_t>(stored.size() * 4, ZSTD_DStreamOutSize());
  size_t left = 1;
  while (left != 0) {
    const size_t size = unpacked.size();
    if (size >= kBlockBytesMax) { return bad_data(Codec::kZstandard); }
    unpacked.resize(std::min(size + capacity, kBlockBytesMax));
    ZSTD_outBuffer out{unpacked.data(), unpacked.size(), size};
    left = ZSTD_decompressStream(context.get(), &out, &in);
    const bool is_stuck = out.pos == size && in.pos == in.size && left != 0;
    unpacked.resize(out.pos);
    if (ZSTD_isError(left) != 0 || is_stuck) { return bad_data(Codec::kZstandard); }
  }
  if (in.pos != in.size) { return bad_data(Codec::kZstandard); }
  return arena.copy(unpacked).view();
}

Status deflate_all(std::string_view values, std::string& out) {
  z_stream stream{};
  constexpr int kMemory = 8;
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kRawDeflate, kMemory,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return bad_data(Codec::kDeflate);
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, deflateEnd);
  out.resize(deflateBound(&stream, values.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(values.data()));
  stream.avail_in = static_cast<uInt>(values.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) { return bad_data(Codec::kDeflate); }
  out.resize(out.size() - stream.avail_out);
  return {};
}

Status pack(Codec codec, std::string_view values, std::string& out) {
  if (values.size() > kBlockBytesMax) {
    return invalid_argument(ErrorId::kCompressedData, "a block of an Avro file has too many bytes");
  }
  switch (codec) {
    case Codec::kNull: break;
    case Codec::kDeflate: return deflate_all(values, out);
    case Codec::kSnappy: {
      size_t size = 0;
      out.resize(snappy::MaxCompressedLength(values.size()) + kChecksumBytes);
      snappy::RawCompress(values.data(), values.size(), out.data(), &size);
      const uint32_t checksum = __builtin_bswap32(checksum_of(values));
      std::memcpy(out.data() + size, &checksum, kChecksumBytes);
      out.resize(size + kChecksumBytes);
      break;
    }
    case Codec::kZstandard: {
      out.resize(ZSTD_compressBound(values.size()));
      const size_t size =
          ZSTD_compress(out.data(), out.size(), values.data(), values.size(), ZSTD_CLEVEL_DEFAULT);
      if (ZSTD_isError(size) != 0) { return bad_data(codec); }
      out.resize(size);
      break;
    }
  }
  return {};
}

}  // namespace

std::string_view codec_name(Codec codec) {
  constexpr std::array<std::string_view, 4> kNames = {"null", "deflate", "snappy", "zstandard"};
  return kNames[static_cast<size_t>(codec)];
}

Result<std::optional<ContainerHead>> read_head(std::string_view bytes) {
  const std::optional<ContainerHead> more;
  const size_t magic = std::min(bytes.size(), kMagic.size());
  if (bytes.substr(0, magic) != kMagic.substr(0, magic)) {
    return bad_head("it does not begin with 'Obj' and 1");
  }
  if (magic < kMagic.size()) { return more; }
  const bool is_too_long = bytes.size() > kHeadBytesMax;
  const auto need_more = [&]() -> Result<std::optional<ContainerHead>> {
    if (is_too_long) { return bad_head("its head is damaged, or too long"); }
    return more;
  };
  WireReader in(bytes.substr(kMagic.size()));
  ContainerHead head;
  while (true) {
    int64_t count = 0;
    int64_t ignored = 0;
    if (!in.read_long(count)) { return need_more(); }
    if (count == 0) { break; }
    if (count < 0 && !in.read_long(ignored)) { return need_more(); }
    if (count == INT64_MIN) { return bad_head("its head is damaged"); }
    for (int64_t i = 0; i < std::abs(count); ++i) {
      std::string_view key;
      std::string_view value;
      if (!in.read_bytes(key) || !in.read_bytes(value)) { return need_more(); }
      if (key == "avro.schema") { head.schema = value; }
      if (key != "avro.codec") { continue; }
      size_t codec = 0;
      while (codec <= static_cast<size_t>(Codec::kZstandard) &&
             codec_name(static_cast<Codec>(codec)) != value) {
        ++codec;
      }
      if (codec > static_cast<size_t>(Codec::kZstandard)) {
        return unimplemented(ErrorId::kRecordMalformed,
                             "an Avro file is compressed by a codec that is not known; null, "
                             "deflate, snappy and zstandard are: {}",
                             value);
      }
      head.codec = static_cast<Codec>(codec);
    }
  }
  if (in.left() < kMarkerBytes) { return need_more(); }
  if (head.schema.empty()) { return bad_head("its head has no schema"); }
  std::memcpy(head.marker.data(), in.at(), kMarkerBytes);
  head.bytes = static_cast<size_t>(in.at() - bytes.data()) + kMarkerBytes;
  return std::optional<ContainerHead>(std::move(head));
}

std::string make_head(std::string_view schema, Codec codec, const Marker& marker) {
  std::string head(kMagic);
  append_long(head, 2);
  append_bytes(head, "avro.schema");
  append_bytes(head, schema);
  append_bytes(head, "avro.codec");
  append_bytes(head, codec_name(codec));
  append_long(head, 0);
  head.append(marker.data(), marker.size());
  return head;
}

Result<std::optional<ContainerBlock>> read_block(std::string_view bytes, const Marker& marker) {
  constexpr size_t kNumbersBytesMax = 20;
  const std::optional<ContainerBlock> more;
  WireReader in(bytes);
  ContainerBlock block;
  int64_t size = 0;
  if (!in.read_long(block.count) || !in.read_long(size)) {
    if (bytes.size() >= kNumbersBytesMax) { return bad_block("its head is no two numbers"); }
    return more;
  }
  if (block.count < 0 || size < 0 || static_cast<uint64_t>(size) > kBlockBytesMax) {
    return bad_block("its head says too much, or less than nothing");
  }
  const auto stored = static_cast<size_t>(size);
  if (in.left() < stored + kMarkerBytes) { return more; }
  block.stored = {in.at(), stored};
  if (std::string_view(in.at() + stored, kMarkerBytes) !=
      std::string_view(marker.data(), marker.size())) {
    return bad_block("the file's marker is not behind it");
  }
  block.bytes = static_cast<size_t>(in.at() - bytes.data()) + stored + kMarkerBytes;
  return std::optional<ContainerBlock>(block);
}

Result<std::string_view> unpack(Codec codec, std::string_view stored, Arena& arena) {
  switch (codec) {
    case Codec::kNull: return stored;
    case Codec::kDeflate: return inflate_all(stored, arena);
    case Codec::kSnappy: return unsnap(stored, arena);
    case Codec::kZstandard: break;
  }
  return unpack_zstd(stored, arena);
}

Status append_block(Codec codec, const Marker& marker, int64_t count, std::string_view values,
                    std::string& out) {
  std::string packed;
  TIDEWHEEL_RETURN_IF_ERROR(pack(codec, values, packed));
  append_long(out, count);
  append_bytes(out, codec == Codec::kNull ? values : std::string_view(packed));
  out.append(marker.data(), marker.size());
  return {};
}

}  // namespace tidewheel::avro
