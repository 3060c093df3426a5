// The file in which a task keeps what it sends to one receiver until that reads it, after its end:
//
//   file    magic u32 | version u32 | attempt u64 | channel u32 | 0 u32 | block..
//   block   number u32 | flags u8 | codec u8 | 0 u16 | raw bytes u32 | stored bytes u32 |
//           checksum u64 of the stored bytes | checksum u64 of these 24 bytes | stored bytes
//   raw     of each element: kind u8 | for a batch: length u32, and the rows as the edge's codec
//           writes them | for others: value i64
//
// Numbers count blocks from 0. The last block has flag 1, and the end of input behind all else: a
// file without it is not whole. Checksums are XXH3-64.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tidewheel/base/file_system.h"
#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/element.h"
#include "tidewheel/dataflow/row_codec.h"
#include "tidewheel/state/segment.h"

namespace tidewheel {

// Whose rows a file has.
struct ResultId {
  uint64_t attempt = 0;  // at the sender's region
  uint32_t channel = 0;  // RemoteChannelSpec::number
  auto operator<=>(const ResultId&) const = default;
};

// Turns elements into blocks. One thread.
class ResultFileWriter {
 public:
  ResultFileWriter(ResultId id, const RowCodec& codec, BlockCodec compression)
      : id_(id), codec_(codec), compression_(compression) {}
  // Barriers and latency markers mean nothing to who reads later: they are left out.
  void add(const Element& element);
  // What is gathered is enough for a block, or nothing more comes.
  bool has_block() const { return raw_.size() >= kBlockBytes || ended_; }
  bool ended() const { return ended_; }
  // The bytes that follow in the file. Errors: kDataFrame for a batch that is too large.
  Result<std::string_view> take_block();

 private:
  static constexpr size_t kBlockBytes = size_t{64} << 10;

  const ResultId id_;
  const RowCodec& codec_;
  const BlockCodec compression_;
  std::string raw_;
  std::string stored_;
  std::string bytes_;
  uint32_t blocks_ = 0;
  bool ended_ = false;
};

// Reads them back. One thread. Errors, all of them kDataFrame: what is not as it was written.
class ResultFileReader {
 public:
  ResultFileReader(ResultId id, std::unique_ptr<ReadableFile> file, std::unique_ptr<RowReader> rows,
                   BatchPool& pool)
      : id_(id), file_(std::move(file)), rows_(std::move(rows)), pool_(pool) {}
  // False: the end of input was the last.
  Result<bool> next(Element& element);

 private:
  Status read_exactly(size_t size, std::string& into);
  Status read_header();
  Status read_block();
  Status take_element(Element& element);
  Status damaged(std::string_view what) const;

  const ResultId id_;
  const std::unique_ptr<ReadableFile> file_;
  const std::unique_ptr<RowReader> rows_;
  BatchPool& pool_;
  int64_t offset_ = 0;
  std::string header_;
  std::string stored_;
  SegmentBuffer raw_buffer_;
  std::string_view raw_;  // what is left of the block
  uint32_t blocks_ = 0;
  bool is_last_ = false;  // the block in hand
  bool ended_ = false;
};

}  // namespace tidewheel
