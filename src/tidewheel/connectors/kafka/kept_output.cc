#include "tidewheel/connectors/kafka/kept_output.h"

#include <lz4.h>

#include <cstring>
#include <utility>
#include <vector>

namespace tidewheel::kafka {
namespace {

constexpr size_t kBlockBytes = 256 * 1024;
// A message may be as large as a string in a snapshot; LZ4 takes 2 GB at most.
constexpr size_t kCompressedBytesMax = LZ4_MAX_INPUT_SIZE;
constexpr size_t kBlockHeadBytes = 8;
// LZ4 makes 255 bytes of one at most: a block that promises more is damaged.
constexpr size_t kGrowthMax = 256;

enum Flags : uint8_t { kHasKey = 1, kHasValue = 2, kHasPartition = 4, kHasTime = 8 };

void append_uint32(std::string& out, size_t value) {
  const auto bytes = static_cast<uint32_t>(value);
  char raw[sizeof bytes];
  std::memcpy(raw, &bytes, sizeof bytes);
  out.append(raw, sizeof raw);
}

Status damaged(const char* what) {
  return data_loss(ErrorId::kSerializedData, "kept output of a Kafka transaction is damaged: {}",
                   what);
}

// Reads the block at the start of `kept`, of which it cuts it off.
Result<std::string_view> open_block(std::string_view& kept, std::string& buffer) {
  uint32_t sizes[2];
  if (kept.size() < kBlockHeadBytes) { return damaged("a block has no head"); }
  std::memcpy(sizes, kept.data(), sizeof sizes);
  kept.remove_prefix(kBlockHeadBytes);
  const size_t raw_size = sizes[0];
  const size_t stored_size = sizes[1];
  if (stored_size > kept.size()) { return damaged("a block ends too early"); }
  const std::string_view stored = kept.substr(0, stored_size);
  kept.remove_prefix(stored_size);
  if (raw_size == stored_size) { return stored; }
  if (raw_size > kCompressedBytesMax || raw_size / kGrowthMax > stored_size) {
    return damaged("a block is too large");
  }
  buffer.resize(raw_size);
  const int done = LZ4_decompress_safe(stored.data(), buffer.data(), static_cast<int>(stored_size),
                                       static_cast<int>(raw_size));
  if (done < 0 || static_cast<size_t>(done) != raw_size) { return damaged("LZ4"); }
  return std::string_view(buffer);
}

void read_message(Reader& in, OutgoingMessage& message, std::vector<Header>& headers) {
  const auto flags = in.fixed<uint8_t>();
  message = {};
  if ((flags & kHasPartition) != 0) { message.partition = in.fixed<int32_t>(); }
  if ((flags & kHasTime) != 0) { message.timestamp_ms = in.fixed<int64_t>(); }
  if ((flags & kHasKey) != 0) { message.key = in.bytes_view(); }
  if ((flags & kHasValue) != 0) { message.value = in.bytes_view(); }
  headers.clear();
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    Header header;
    header.name = in.bytes_view();
    if (in.fixed<uint8_t>() != 0) { header.value = in.bytes_view(); }
    headers.push_back(header);
  }
  message.headers = headers;
}

}  // namespace

void KeptOutput::add(const OutgoingMessage& message) {
  ++message_count_;
  const auto flag = [](bool is_set, Flags which) { return is_set ? which : 0; };
  block_.fixed(static_cast<uint8_t>(flag(message.key.has_value(), kHasKey) |
                                    flag(message.value.has_value(), kHasValue) |
                                    flag(message.partition != kAnyPartition, kHasPartition) |
                                    flag(message.timestamp_ms != kNoMessageTime, kHasTime)));
  if (message.partition != kAnyPartition) { block_.fixed(message.partition); }
  if (message.timestamp_ms != kNoMessageTime) { block_.fixed(message.timestamp_ms); }
  if (message.key.has_value()) { block_.text(*message.key); }
  if (message.value.has_value()) { block_.text(*message.value); }
  block_.varint(message.headers.size());
  for (const Header& header : message.headers) {
    block_.text(header.name);
    block_.fixed(static_cast<uint8_t>(header.value.has_value() ? 1 : 0));
    if (header.value.has_value()) { block_.text(*header.value); }
  }
  if (block_.size() >= kBlockBytes) { close_block(); }
}

void KeptOutput::close_block() {
  const size_t raw_size = block_.size();
  append_uint32(blocks_, raw_size);
  const size_t size_at = blocks_.size();
  append_uint32(blocks_, raw_size);
  const size_t begin = blocks_.size();
  if (raw_size <= kCompressedBytesMax) {
    const int bound = LZ4_compressBound(static_cast<int>(raw_size));
    blocks_.resize(begin + static_cast<size_t>(bound));
    const int stored = LZ4_compress_default(block_.view().data(), blocks_.data() + begin,
                                            static_cast<int>(raw_size), bound);
    if (stored > 0 && static_cast<size_t>(stored) < raw_size) {
      blocks_.resize(begin + static_cast<size_t>(stored));
      const auto size = static_cast<uint32_t>(stored);
      std::memcpy(blocks_.data() + size_at, &size, sizeof size);
      block_.clear();
      return;
    }
  }
  blocks_.resize(begin);
  blocks_ += block_.view();
  block_.clear();
}

std::string KeptOutput::take() {
  if (block_.size() > 0) { close_block(); }
  message_count_ = 0;
  return std::exchange(blocks_, {});
}

Status for_each_message(std::string_view kept,
                        const std::function<Status(const OutgoingMessage&)>& use) {
  std::string buffer;
  std::vector<Header> headers;
  while (!kept.empty()) {
    TIDEWHEEL_ASSIGN_OR_RETURN(std::string_view block, open_block(kept, buffer));
    Reader in(block);
    while (in.ok() && in.remaining() > 0) {
      OutgoingMessage message;
      read_message(in, message, headers);
      if (!in.ok()) { break; }
      TIDEWHEEL_RETURN_IF_ERROR(use(message));
    }
    TIDEWHEEL_RETURN_IF_ERROR(in.status());
  }
  return ok_status();
}

}  // namespace tidewheel::kafka
