#include "tidewheel/dataflow/result_file.h"

#include <algorithm>
#include <cstring>

#include "tidewheel/dataflow/batch_pool.h"
#include "tidewheel/types/hash.h"

namespace tidewheel {
namespace {

constexpr uint32_t kMagic = 0x31525754;  // "TWR1"
constexpr uint32_t kVersion = 1;
constexpr size_t kFileHeaderBytes = 24;
constexpr size_t kBlockHeaderBytes = 32;
constexpr size_t kCheckedBytes = kBlockHeaderBytes - sizeof(uint64_t);
constexpr uint8_t kLastBlock = 1;
// Of a batch, which is never cut in two.
constexpr size_t kRawBytesMax = size_t{1} << 30;

template <class Number>
void put(std::string& out, Number number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

template <class Number>
Number take(std::string_view& bytes) {
  Number number{};
  std::memcpy(&number, bytes.data(), sizeof(number));
  bytes.remove_prefix(sizeof(number));
  return number;
}

uint64_t checksum_of(std::string_view bytes) { return hash_bytes(bytes.data(), bytes.size()); }

bool is_kept(Element::Kind kind) {
  return kind != Element::Kind::kBarrier && kind != Element::Kind::kLatencyMarker;
}

}  // namespace

// ---- Writing

void ResultFileWriter::add(const Element& element) {
  if (!is_kept(element.kind)) { return; }
  put(raw_, static_cast<uint8_t>(element.kind));
  if (element.kind != Element::Kind::kBatch) {
    put(raw_, element.value);
    ended_ = ended_ || element.kind == Element::Kind::kEndOfInput;
    return;
  }
  const size_t length_at = raw_.size();
  put(raw_, uint32_t{0});
  append_rows(codec_, element, raw_);
  const auto length = static_cast<uint32_t>(raw_.size() - length_at - sizeof(uint32_t));
  std::memcpy(raw_.data() + length_at, &length, sizeof(length));
}

Result<std::string_view> ResultFileWriter::take_block() {
  if (raw_.size() > kRawBytesMax) {
    return invalid_argument(ErrorId::kDataFrame,
                            "a batch of rows takes {} bytes, and {} are possible; lower "
                            "taskmanager.batch-rows",
                            raw_.size(), kRawBytesMax);
  }
  bytes_.clear();
  if (blocks_ == 0) {
    put(bytes_, kMagic);
    put(bytes_, kVersion);
    put(bytes_, id_.attempt);
    put(bytes_, id_.channel);
    put(bytes_, uint32_t{0});
  }
  stored_.clear();
  const SegmentBlock block = store_block(raw_, compression_, 0, stored_);
  const size_t begin = bytes_.size();
  put(bytes_, blocks_++);
  put(bytes_, ended_ ? kLastBlock : uint8_t{0});
  put(bytes_, static_cast<uint8_t>(block.codec));
  put(bytes_, uint16_t{0});
  put(bytes_, static_cast<uint32_t>(block.raw_bytes));
  put(bytes_, static_cast<uint32_t>(block.stored_bytes));
  put(bytes_, block.checksum);
  put(bytes_, checksum_of(std::string_view(bytes_).substr(begin)));
  bytes_ += stored_;
  raw_.clear();
  return std::string_view(bytes_);
}

// ---- Reading

Status ResultFileReader::damaged(std::string_view what) const {
  return data_loss(ErrorId::kDataFrame, "the kept rows of channel {}, attempt {}, are damaged: {}",
                   id_.channel, id_.attempt, what);
}

Status ResultFileReader::read_exactly(size_t size, std::string& into) {
  into.resize(size);
  TIDEWHEEL_ASSIGN_OR_RETURN(const int64_t count,
                             file_->read_at(offset_, {into.data(), into.size()}));
  if (static_cast<size_t>(count) != size) { return damaged("the file ends too early"); }
  offset_ += count;
  return ok_status();
}

Status ResultFileReader::read_header() {
  TIDEWHEEL_RETURN_IF_ERROR(read_exactly(kFileHeaderBytes, header_));
  std::string_view in = header_;
  if (take<uint32_t>(in) != kMagic || take<uint32_t>(in) != kVersion) {
    return damaged("it is no such file, or of another version");
  }
  if (take<uint64_t>(in) != id_.attempt || take<uint32_t>(in) != id_.channel) {
    return damaged("the file is another channel's");
  }
  return ok_status();
}

Status ResultFileReader::read_block() {
  if (offset_ == 0) { TIDEWHEEL_RETURN_IF_ERROR(read_header()); }
  TIDEWHEEL_RETURN_IF_ERROR(read_exactly(kBlockHeaderBytes, header_));
  std::string_view in = header_;
  const auto number = take<uint32_t>(in);
  const auto flags = take<uint8_t>(in);
  SegmentBlock block;
  block.codec = static_cast<BlockCodec>(take<uint8_t>(in));
  take<uint16_t>(in);
  block.raw_bytes = take<uint32_t>(in);
  block.stored_bytes = take<uint32_t>(in);
  block.checksum = take<uint64_t>(in);
  block.offset = static_cast<uint64_t>(offset_);
  const std::string_view checked = std::string_view(header_).substr(0, kCheckedBytes);
  if (take<uint64_t>(in) != checksum_of(checked)) {
    return damaged("a block's header does not fit its checksum");
  }
  if (number != blocks_ || flags > kLastBlock || block.codec > BlockCodec::kZstd ||
      block.raw_bytes > kRawBytesMax || block.stored_bytes > block.raw_bytes) {
    return damaged("a block is not the one that follows");
  }
  // No more is taken on the header's word than the file has.
  TIDEWHEEL_ASSIGN_OR_RETURN(const FileInfo info, file_->info());
  if (info.size_bytes - offset_ < static_cast<int64_t>(block.stored_bytes)) {
    return damaged("the file ends too early");
  }
  TIDEWHEEL_RETURN_IF_ERROR(read_exactly(block.stored_bytes, stored_));
  Result<std::string_view> raw = load_block(block, stored_, raw_buffer_);
  if (!raw.ok()) { return damaged(raw.status().message()); }
  raw_ = *raw;
  is_last_ = flags == kLastBlock;
  ++blocks_;
  return ok_status();
}

Status ResultFileReader::take_element(Element& element) {
  if (raw_.size() < 1 + sizeof(uint32_t)) { return damaged("an element is cut off"); }
  const auto kind = take<uint8_t>(raw_);
  if (kind > static_cast<uint8_t>(Element::Kind::kEndOfInput) ||
      !is_kept(static_cast<Element::Kind>(kind))) {
    return damaged(fmt::format("there is no element of kind {}", kind));
  }
  if (static_cast<Element::Kind>(kind) != Element::Kind::kBatch) {
    if (raw_.size() < sizeof(int64_t)) { return damaged("an element is cut off"); }
    element = Element::control(static_cast<Element::Kind>(kind), take<int64_t>(raw_));
    ended_ = element.kind == Element::Kind::kEndOfInput;
    if (ended_ && !(raw_.empty() && is_last_)) { return damaged("there is more behind the end"); }
    return ok_status();
  }
  const auto length = take<uint32_t>(raw_);
  if (length > raw_.size()) { return damaged("a batch is cut off"); }
  Batch* const batch = pool_.acquire();
  BatchRef owner = BatchRef::adopt(batch);
  const Status read = rows_->read(raw_.substr(0, length), /*in_arena=*/false, *batch);
  if (!read.ok()) { return damaged(read.message()); }
  pool_.settle(*batch, batch->memory_bytes());
  raw_.remove_prefix(length);
  element = Element::rows(std::move(owner));
  return ok_status();
}

Result<bool> ResultFileReader::next(Element& element) {
  while (raw_.empty()) {
    if (ended_) { return false; }
    if (is_last_) { return damaged("it ends without the end of input"); }
    TIDEWHEEL_RETURN_IF_ERROR(read_block());
  }
  TIDEWHEEL_RETURN_IF_ERROR(take_element(element));
  return true;
}

}  // namespace tidewheel
