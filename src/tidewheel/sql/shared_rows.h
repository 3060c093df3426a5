// Rows as bytes of which many are one and the same: the row of an auction that comes with each of
// its bids. Each is then decoded once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/sql/row_image.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/text.h"

namespace tidewheel::sql {

// One thread.
class SharedRows {
 public:
  explicit SharedRows(const std::vector<LogicalType>& types) {
    for (const LogicalType& type : types) { decoded_.emplace_back(type); }
  }
  // As bytes.decode(rows, columns, at, arena), where rows that lie at the same address are equal.
  void decode(RowBytes& bytes, std::span<const Text> rows, std::span<Column* const> columns,
              uint32_t at, Arena* arena) {
    decode_by(bytes, rows, columns, at, arena);
  }
  void decode(const RowImages& images, std::span<const Text> rows, std::span<Column* const> columns,
              uint32_t at, Arena* arena) {
    decode_by(images, rows, columns, at, arena);
  }

  // The same for who decodes rows more than once: which of them are the same row. Holds until the
  // next call of `find`, or of `decode`.
  void find(std::span<const Text> rows) { has_shared_ = find_distinct(rows); }
  // Forgets, of the rows that `find` was given, those whose flag is 0.
  void keep(const uint8_t* keeps);
  // Rows [begin, begin + rows.size()) of those that are left.
  template <class Form>
  void decode_found(Form& form, std::span<const Text> rows, size_t begin,
                    std::span<Column* const> columns, uint32_t at, Arena* arena);

 private:
  template <class Form>
  void decode_by(Form& form, std::span<const Text> rows, std::span<Column* const> columns,
                 uint32_t at, Arena* arena) {
    find(rows);
    decode_found(form, rows, 0, columns, at, arena);
  }
  // Fills distinct_ and index_; false when there are too few rows that come again.
  bool find_distinct(std::span<const Text> rows);

  struct Slot {
    const char* row = nullptr;
    uint32_t index = 0;
    uint32_t round = 0;
  };
  std::vector<Slot> slots_;  // a hash table; entries of earlier rounds are void
  uint32_t round_ = 0;
  bool has_shared_ = false;
  std::vector<Text> distinct_;
  std::vector<uint32_t> index_;  // of each row in distinct_
  std::vector<Column> decoded_;
  std::vector<Column*> targets_;
};

}  // namespace tidewheel::sql
