// Rows as bytes of which many are one and the same: the row of an auction that comes with each of
// its bids. Each is then decoded once.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/sql/row_image.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/text.h"

namespace tidewheel::sql {

// Columns of which rows are taken more than once. One thread.
class GatheredColumns {
 public:
  explicit GatheredColumns(const std::vector<LogicalType>& types) {
    for (const LogicalType& type : types) { columns_.emplace_back(type); }
  }
  // Puts rows[index[i]] into row at + i of `columns`, as form.decode does.
  template <class Form>
  void decode(Form& form, std::span<const Text> rows, std::span<const uint32_t> index,
              std::span<Column* const> columns, uint32_t at, Arena* arena);

 private:
  std::vector<Column> columns_;
  std::vector<Column*> targets_;
};

// One thread.
class SharedRows {
 public:
  explicit SharedRows(const std::vector<LogicalType>& types) : decoded_(types) {}
  // As bytes.decode(rows, columns, at, arena), where rows that lie at the same address are equal.
  void decode(RowBytes& bytes, std::span<const Text> rows, std::span<Column* const> columns,
              uint32_t at, Arena* arena) {
    decode_by(bytes, rows, columns, at, arena);
  }
  void decode(const RowImages& images, std::span<const Text> rows, std::span<Column* const> columns,
              uint32_t at, Arena* arena) {
    decode_by(images, rows, columns, at, arena);
  }

 private:
  template <class Form>
  void decode_by(Form& form, std::span<const Text> rows, std::span<Column* const> columns,
                 uint32_t at, Arena* arena);
  // Fills distinct_ and index_; false when there are too few rows that come again.
  bool find_distinct(std::span<const Text> rows);

  struct Slot {
    const char* row = nullptr;
    uint32_t index = 0;
    uint32_t round = 0;
  };
  std::vector<Slot> slots_;  // a hash table; entries of earlier rounds are void
  uint32_t round_ = 0;
  std::vector<Text> distinct_;
  std::vector<uint32_t> index_;  // of each row in distinct_
  GatheredColumns decoded_;
};

// Rows that many others are paired with, each of them once. One thread.
class PairedRows {
 public:
  explicit PairedRows(const std::vector<LogicalType>& types) : decoded_(types) {}

  void clear() {
    rows_.clear();
    size_ = 0;
    is_each_once_ = true;
  }
  // A row for pairs to come. They are numbered.
  void add_row(const Text& row) { rows_.push_back(row); }
  uint32_t rows() const { return static_cast<uint32_t>(rows_.size()); }
  void add_pair(uint32_t row) {
    if (size_ == pairs_.size()) [[unlikely]] { grow(); }
    is_each_once_ = is_each_once_ && row == size_;
    pairs_[size_++] = row;
  }
  // Forgets pairs whose flag is 0.
  void keep(const uint8_t* keeps);
  // The rows of pairs [begin, begin + count) into `columns`, as RowBytes::decode does.
  template <class Form>
  void decode(Form& form, size_t begin, size_t count, std::span<Column* const> columns, uint32_t at,
              Arena* arena);

 private:
  void grow() { pairs_.resize(std::max<size_t>(2 * pairs_.size(), 256)); }

  std::vector<Text> rows_;
  std::vector<uint32_t> pairs_;  // the row of each: the first size_
  size_t size_ = 0;
  bool is_each_once_ = true;  // pairs are the first rows, in order
  GatheredColumns decoded_;
};

}  // namespace tidewheel::sql
