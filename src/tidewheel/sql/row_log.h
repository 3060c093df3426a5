// Rows in the order in which they came, of which few are read again: packed block by block, each
// value in as many bytes as it differs from the least of its block. A bid of five columns takes
// about 20 bytes so.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "tidewheel/types/column.h"
#include "tidewheel/types/lasting_text.h"

namespace tidewheel {
class Batch;  // dataflow/batch.h
}  // namespace tidewheel

namespace tidewheel::sql {

// A block:
//   lanes   16 bytes each: the least number, where it is in the packed row, how many bytes it has
//   rows    the numbers of each row
//   texts   strings that are in no lasting table
// A number is a value or half of one of 16 bytes, the address and the size of a string, where it
// begins instead among the texts, or flags of eight columns that are NULL. One thread.
class RowLog {
 public:
  // Not of nested types.
  explicit RowLog(const std::vector<LogicalType>& types);
  ~RowLog();
  RowLog(const RowLog&) = delete;
  RowLog& operator=(const RowLog&) = delete;

  // Keeps the lasting tables that the rows of `batch` may point into. Before they are added.
  void see_tables(const Batch& batch);
  // Makes a block of at least one row; returns its number, which is used again when it was dropped.
  uint32_t add(std::span<const ColumnView> columns, std::span<const uint32_t> rows);
  void drop(uint32_t block);
  uint32_t rows_of(uint32_t block) const { return blocks_[block].rows; }
  // Calls f(row, value) for the rows of a block, with the values of a column of 64 bits. That of
  // NULL is any.
  template <class F>
  void for_each_value(uint32_t block, size_t column, F f) const {
    const Block& of = blocks_[block];
    const Lane lane = lane_at(of, first_lanes_[column]);
    const uint64_t mask = mask_of(lane.bytes);
    const char* at = of.bytes + lane.at;
    for (uint32_t row = 0; row < of.rows; ++row, at += of.row_bytes) {
      uint64_t number = 0;
      std::memcpy(&number, at, sizeof(number));
      f(row, static_cast<int64_t>((number & mask) + static_cast<uint64_t>(lane.least)));
    }
  }
  // Puts rows of a block into columns, at [at, at + rows.size()). Strings stay where they are.
  void decode(uint32_t block, std::span<const uint32_t> rows, std::span<Column* const> columns,
              uint32_t at) const;

  int64_t memory_bytes() const { return memory_bytes_; }

 private:
  struct Lane {
    int64_t least = 0;
    uint32_t at = 0;  // in the block, of the first row
    uint16_t bytes = 0;
    bool is_in_texts = false;  // of a string: where it begins
  };
  struct Block {
    char* bytes = nullptr;
    uint32_t row_bytes = 0;
    uint32_t rows = 0;
    uint32_t texts = 0;  // where they begin
    uint32_t piece = 0;
  };
  // Memory for some blocks.
  struct Piece {
    char* bytes = nullptr;
    size_t size = 0;
    size_t used = 0;
    uint32_t blocks = 0;
  };

  static constexpr size_t kPieceBytesMin = 64 * 1024;  // of the first; the others double
  static constexpr size_t kPieceBytesMax = 2 * 1024 * 1024;
  static constexpr size_t kSparePieces = 4;

  static uint64_t mask_of(uint32_t bytes) {
    return bytes == sizeof(uint64_t) ? UINT64_MAX : (uint64_t{1} << (bytes * 8)) - 1;
  }
  static Lane lane_at(const Block& block, size_t lane) {
    Lane found;
    std::memcpy(&found, block.bytes + lane * sizeof(Lane), sizeof(found));
    return found;
  }
  static int64_t number_at(const Block& block, const Lane& lane, uint32_t row) {
    uint64_t number = 0;
    std::memcpy(&number, block.bytes + lane.at + size_t{row} * block.row_bytes, sizeof(number));
    return static_cast<int64_t>((number & mask_of(lane.bytes)) + static_cast<uint64_t>(lane.least));
  }

  std::span<int64_t> next_numbers(size_t count);
  void take_numbers(std::span<const ColumnView> columns, std::span<const uint32_t> rows);
  // Returns whether all strings are in lasting tables.
  bool take_texts(const ColumnView& column, std::span<const uint32_t> rows);
  uint32_t plan_lanes(size_t count);
  void write_rows(const Block& block, const std::vector<Lane>& lanes);
  char* allocate(size_t bytes);
  void add_piece(size_t bytes_min);
  void free(Piece& piece);

  std::vector<Physical> columns_;
  std::vector<uint32_t> first_lanes_;  // of each column
  std::vector<Lane> lanes_;            // of the block that is made
  LastingTexts lasting_;
  std::vector<Block> blocks_;
  std::vector<uint32_t> free_blocks_;
  std::vector<Piece> pieces_;
  std::vector<uint32_t> free_pieces_;   // without memory
  std::vector<uint32_t> spare_pieces_;  // with memory that nobody needs
  uint32_t open_piece_ = UINT32_MAX;
  size_t next_piece_bytes_ = kPieceBytesMin;
  int64_t memory_bytes_ = 0;
  // Of the block that is made.
  std::vector<int64_t> numbers_;  // lane after lane
  size_t numbers_used_ = 0;
  std::vector<Text> texts_;  // that are copied
  size_t text_bytes_ = 0;
};

}  // namespace tidewheel::sql
