#include "tidewheel/sql/row_log.h"

#include <algorithm>
#include <bit>
#include <type_traits>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/base/large_memory.h"
#include "tidewheel/dataflow/batch.h"

namespace tidewheel::sql {
namespace {

// Numbers are read and written as words of 8 bytes, of which some are theirs.
constexpr size_t kWordBytes = sizeof(uint64_t);
constexpr size_t kFlagsEach = 8;  // columns in a lane of flags

uint16_t bytes_of(uint64_t number) {
  return static_cast<uint16_t>((64 - std::countl_zero(number) + 7) / 8);
}
bool has_two_lanes(Physical physical) {
  return physical == Physical::kText || physical == Physical::kInt128;
}

}  // namespace

RowLog::RowLog(const std::vector<LogicalType>& types) {
  size_t lanes = (types.size() + kFlagsEach - 1) / kFlagsEach;
  for (const LogicalType& type : types) {
    columns_.push_back(type.physical());
    first_lanes_.push_back(static_cast<uint32_t>(lanes));
    lanes += has_two_lanes(type.physical()) ? 2 : 1;
  }
  lanes_.resize(lanes);
}

RowLog::~RowLog() {
  for (Piece& piece : pieces_) { free(piece); }
}

void RowLog::see_tables(const Batch& batch) {
  for (const ArenaRef& arena : batch.shared_arenas()) { lasting_.keep(arena); }
}

// ---- Numbers.

std::span<int64_t> RowLog::next_numbers(size_t count) {
  const auto numbers = std::span(numbers_).subspan(numbers_used_, count);
  numbers_used_ += count;
  return numbers;
}

bool RowLog::take_texts(const ColumnView& column, std::span<const uint32_t> rows) {
  const auto numbers = next_numbers(rows.size());
  const auto sizes = next_numbers(rows.size());
  bool all_last = true;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Text& text = column.at<Text>(rows[i]);
    const bool is_empty = text.empty();
    all_last = all_last && (is_empty || lasting_.holds(text));
    numbers[i] = is_empty ? 0 : static_cast<int64_t>(reinterpret_cast<uintptr_t>(text.data()));
    sizes[i] = static_cast<int64_t>(text.size());
  }
  if (all_last) { return true; }
  for (size_t i = 0; i < rows.size(); ++i) {
    numbers[i] = static_cast<int64_t>(text_bytes_);
    texts_.push_back(column.at<Text>(rows[i]));
    text_bytes_ += texts_.back().size();
  }
  return false;
}

void RowLog::take_numbers(std::span<const ColumnView> columns, std::span<const uint32_t> rows) {
  const size_t count = rows.size();
  numbers_.resize(std::max(numbers_.size(), lanes_.size() * count));
  numbers_used_ = 0;
  texts_.clear();
  text_bytes_ = 0;
  const size_t flag_lanes = (columns_.size() + kFlagsEach - 1) / kFlagsEach;
  const auto flags = next_numbers(flag_lanes * count);
  std::fill(flags.begin(), flags.end(), 0);
  for (size_t c = 0; c < columns_.size(); ++c) {
    const ColumnView& column = columns[c];
    lanes_[first_lanes_[c]].is_in_texts = false;
    with_physical(columns_[c], [&]<class T>() {
      if constexpr (std::is_same_v<T, Text>) {
        lanes_[first_lanes_[c]].is_in_texts = !take_texts(column, rows);
      } else if constexpr (sizeof(T) > kWordBytes) {
        static_assert(sizeof(T) == 2 * kWordBytes);
        const auto lower = next_numbers(count);
        const auto upper = next_numbers(count);
        for (size_t i = 0; i < count; ++i) {
          int64_t words[2];
          std::memcpy(words, &column.at<T>(rows[i]), sizeof(words));
          lower[i] = words[0];
          upper[i] = words[1];
        }
      } else if constexpr (std::is_floating_point_v<T>) {
        using Bits = std::conditional_t<sizeof(T) == sizeof(int32_t), int32_t, int64_t>;
        const auto numbers = next_numbers(count);
        for (size_t i = 0; i < count; ++i) {
          numbers[i] = std::bit_cast<Bits>(column.at<T>(rows[i]));
        }
      } else {
        const auto numbers = next_numbers(count);
        for (size_t i = 0; i < count; ++i) { numbers[i] = column.at<T>(rows[i]); }
      }
    });
    if (column.validity == nullptr) { continue; }
    const auto of_column = flags.subspan(c / kFlagsEach * count, count);
    for (size_t i = 0; i < count; ++i) {
      if (column.is_null(rows[i])) { of_column[i] |= int64_t{1} << (c % kFlagsEach); }
    }
  }
}

uint32_t RowLog::plan_lanes(size_t count) {
  auto at = static_cast<uint32_t>(lanes_.size() * sizeof(Lane));
  const uint32_t begin = at;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    const auto numbers = std::span<const int64_t>(numbers_).subspan(i * count, count);
    int64_t least = numbers[0];
    int64_t most = numbers[0];
    for (const int64_t number : numbers) {
      least = std::min(least, number);
      most = std::max(most, number);
    }
    Lane& lane = lanes_[i];
    lane.least = least;
    lane.at = at;
    lane.bytes = bytes_of(static_cast<uint64_t>(most) - static_cast<uint64_t>(least));
    at += lane.bytes;
  }
  return at - begin;
}

// ---- Memory.

void RowLog::free(Piece& piece) {
  if (piece.bytes == nullptr) { return; }
  free_zeroed(std::exchange(piece.bytes, nullptr), piece.size);
  memory_bytes_ -= static_cast<int64_t>(piece.size);
}

void RowLog::add_piece(size_t bytes_min) {
  if (!spare_pieces_.empty() && kPieceBytesMax >= bytes_min) {
    open_piece_ = spare_pieces_.back();
    spare_pieces_.pop_back();
    return;
  }
  Piece piece;
  piece.size = std::max(bytes_min, next_piece_bytes_);
  piece.bytes = static_cast<char*>(allocate_zeroed(piece.size));
  memory_bytes_ += static_cast<int64_t>(piece.size);
  next_piece_bytes_ = std::min(2 * next_piece_bytes_, kPieceBytesMax);
  if (free_pieces_.empty()) {
    open_piece_ = static_cast<uint32_t>(pieces_.size());
    pieces_.push_back(piece);
  } else {
    open_piece_ = free_pieces_.back();
    free_pieces_.pop_back();
    pieces_[open_piece_] = piece;
  }
}

char* RowLog::allocate(size_t bytes) {
  const bool fits = open_piece_ < pieces_.size() &&
                    pieces_[open_piece_].size - pieces_[open_piece_].used >= bytes;
  if (!fits) { add_piece(bytes); }
  Piece& piece = pieces_[open_piece_];
  char* const at = piece.bytes + piece.used;
  piece.used += bytes;
  ++piece.blocks;
  return at;
}

void RowLog::drop(uint32_t block) {
  Block& gone = blocks_[block];
  TIDEWHEEL_DCHECK(gone.rows > 0, "a block was dropped twice");
  gone.rows = 0;
  free_blocks_.push_back(block);
  Piece& piece = pieces_[gone.piece];
  if (--piece.blocks > 0) { return; }
  piece.used = 0;
  if (gone.piece == open_piece_) { return; }
  if (spare_pieces_.size() < kSparePieces && piece.size == kPieceBytesMax) {
    spare_pieces_.push_back(gone.piece);
    return;
  }
  free(piece);
  free_pieces_.push_back(gone.piece);
}

// ---- Rows.

void RowLog::write_rows(const Block& block, const std::vector<Lane>& lanes) {
  std::memcpy(block.bytes, lanes.data(), lanes.size() * sizeof(Lane));
  char* row = block.bytes;
  // Each word is overwritten by those behind it where it is not its own.
  for (uint32_t i = 0; i < block.rows; ++i, row += block.row_bytes) {
    const int64_t* number = numbers_.data() + i;
    for (const Lane& lane : lanes) {
      const uint64_t more = static_cast<uint64_t>(*number) - static_cast<uint64_t>(lane.least);
      std::memcpy(row + lane.at, &more, kWordBytes);
      number += block.rows;
    }
  }
}

uint32_t RowLog::add(std::span<const ColumnView> columns, std::span<const uint32_t> rows) {
  TIDEWHEEL_DCHECK(!rows.empty());
  take_numbers(columns, rows);
  Block block;
  block.rows = static_cast<uint32_t>(rows.size());
  block.row_bytes = plan_lanes(rows.size());
  // The last word may reach out.
  block.texts = static_cast<uint32_t>(lanes_.size() * sizeof(Lane) + rows.size() * block.row_bytes +
                                      kWordBytes);
  block.bytes = allocate((block.texts + text_bytes_ + 7) / 8 * 8);
  block.piece = open_piece_;
  write_rows(block, lanes_);
  char* to = block.bytes + block.texts;
  for (const Text& text : texts_) {
    std::memcpy(to, text.data(), text.size());
    to += text.size();
  }
  if (free_blocks_.empty()) {
    blocks_.push_back(block);
    return static_cast<uint32_t>(blocks_.size() - 1);
  }
  const uint32_t number = free_blocks_.back();
  free_blocks_.pop_back();
  blocks_[number] = block;
  return number;
}

void RowLog::decode(uint32_t block, std::span<const uint32_t> rows,
                    std::span<Column* const> columns, uint32_t at) const {
  const Block& of = blocks_[block];
  const char* const texts = of.bytes + of.texts;
  for (size_t c = 0; c < columns_.size(); ++c) {
    const Lane lane = lane_at(of, first_lanes_[c]);
    const Lane second = has_two_lanes(columns_[c]) ? lane_at(of, first_lanes_[c] + 1) : Lane();
    const Lane flags = lane_at(of, c / kFlagsEach);
    Column& to = *columns[c];
    to.ensure(at + static_cast<uint32_t>(rows.size()));
    with_physical(columns_[c], [&]<class T>() {
      T* const values = to.values<T>() + at;
      for (size_t i = 0; i < rows.size(); ++i) {
        const int64_t number = number_at(of, lane, rows[i]);
        if constexpr (std::is_same_v<T, Text>) {
          const auto size = static_cast<size_t>(number_at(of, second, rows[i]));
          values[i] =
              size == 0 ? Text()
              : lane.is_in_texts
                  ? Text(texts + number, size)
                  : Text(reinterpret_cast<const char*>(static_cast<uintptr_t>(number)), size);
        } else if constexpr (sizeof(T) > kWordBytes) {
          const int64_t words[2] = {number, number_at(of, second, rows[i])};
          std::memcpy(values + i, words, sizeof(words));
        } else {
          std::memcpy(values + i, &number, sizeof(T));
        }
      }
    });
    for (size_t i = 0; i < rows.size(); ++i) {
      if ((number_at(of, flags, rows[i]) >> (c % kFlagsEach) & 1) != 0) {
        to.set_null(at + static_cast<uint32_t>(i));
      }
    }
  }
}

}  // namespace tidewheel::sql
