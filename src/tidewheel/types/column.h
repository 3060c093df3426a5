// Columns of values in Arrow's layout: values side by side, a bitmap of those that are not NULL,
// offsets and children for nested ones. Two things differ, both turned into Arrow's form where
// columns leave the process: a string is a Text, whose pointer saves a look into a table of
// buffers, and a truth value is a byte, so that loops over it need no shifting.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "tidewheel/base/check.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/decimal.h"
#include "tidewheel/types/logical_type.h"
#include "tidewheel/types/text.h"

namespace tidewheel {

inline constexpr uint32_t kValidityBits = 64;
inline constexpr size_t validity_words(uint32_t rows) {
  return (size_t{rows} + kValidityBits - 1) / kValidityBits;
}
inline bool bit_at(const uint64_t* bits, uint32_t index) {
  return ((bits[index / 64] >> (index % 64)) & 1) != 0;
}

// A column as it is read: pointers into what somebody else keeps alive. Row numbers are those of
// the batch. Plain data.
struct ColumnView {
  const void* values = nullptr;
  const uint64_t* validity = nullptr;  // bit of row i: it is not NULL; null: there is no NULL
  const uint32_t* offsets = nullptr;   // kList: elements of row i are [offsets[i], offsets[i + 1])
  const ColumnView* children = nullptr;
  bool is_constant = false;  // row 0 stands for all rows

  template <class T>
  const T* as() const {
    return static_cast<const T*>(values);
  }
  bool is_null(uint32_t row) const {
    return validity != nullptr && !bit_at(validity, is_constant ? 0 : row);
  }
  template <class T>
  const T& at(uint32_t row) const {
    return as<T>()[is_constant ? 0 : row];
  }
};

// A column that is being filled. Grows on demand and keeps its memory when it is cleared. Values of
// NULL rows are undefined bytes that may be read (Text: empty). One thread.
class Column {
 public:
  explicit Column(const LogicalType& type);
  ~Column();
  Column(Column&& other) noexcept;
  Column& operator=(Column&& other) noexcept;
  Column(const Column&) = delete;
  Column& operator=(const Column&) = delete;

  const LogicalType& type() const { return type_; }
  Physical physical() const { return physical_; }

  // Room for rows [0, rows). What is there stays.
  void ensure(uint32_t rows) {
    if (rows > capacity_) [[unlikely]] { grow(rows); }
  }
  uint32_t capacity() const { return capacity_; }
  template <class T>
  T* values() {
    TIDEWHEEL_DCHECK(sizeof(T) == physical_bytes(physical_));
    return reinterpret_cast<T*>(values_);
  }
  // Makes row `row` NULL (its values' memory is set to zero bytes).
  void set_null(uint32_t row);
  // The same for rows [begin, end). The offsets of lists are the caller's to write.
  void set_nulls(uint32_t begin, uint32_t end);
  // The same for the row behind those that were written: of a list, and of the lists in a struct,
  // it has the elements that were appended since.
  void append_null(uint32_t row);
  // Forgets the rows from `from` on, with what was appended to children for them.
  void drop_rows(uint32_t from);
  // The bitmap, made with all rows there so far and to come being no NULLs. `mark_nulls` has it
  // used.
  uint64_t* validity() {
    if (validity_ == nullptr) { make_validity(); }
    has_nulls_ = true;
    return validity_;
  }
  bool has_nulls() const { return has_nulls_; }
  bool is_null(uint32_t row) const { return has_nulls_ && !bit_at(validity_, row); }

  // ---- kList: row `row` has the elements that were appended to the children since the row before.
  uint32_t* offsets() { return offsets_; }
  uint32_t child_rows() const { return child_rows_; }  // of kList: how many elements there are
  void set_child_rows(uint32_t rows) { child_rows_ = rows; }
  Column& child(size_t index) { return children_[index]; }
  const Column& child(size_t index) const { return children_[index]; }
  size_t child_count() const { return children_.size(); }

  // Valid until the column grows, or is changed.
  ColumnView view() const;

  // Forgets all values; keeps the memory.
  void clear();
  int64_t memory_bytes() const;

 private:
  void grow(uint32_t rows);
  void make_validity();
  void free_memory();

  LogicalType type_;
  Physical physical_;
  uint32_t capacity_ = 0;
  std::byte* values_ = nullptr;
  uint64_t* validity_ = nullptr;
  uint32_t* offsets_ = nullptr;
  bool has_nulls_ = false;
  uint32_t child_rows_ = 0;
  std::vector<Column> children_;
  mutable std::vector<ColumnView> child_views_;
};

// Calls `f.template operator()<T>()` with the C++ type of fixed-size values and Text.
template <class F>
decltype(auto) with_physical(Physical physical, F&& f) {
  switch (physical) {
    case Physical::kBool: return f.template operator()<uint8_t>();
    case Physical::kInt8: return f.template operator()<int8_t>();
    case Physical::kInt16: return f.template operator()<int16_t>();
    case Physical::kInt32: return f.template operator()<int32_t>();
    case Physical::kInt64: return f.template operator()<int64_t>();
    case Physical::kInt128: return f.template operator()<Int128>();
    case Physical::kFloat: return f.template operator()<float>();
    case Physical::kDouble: return f.template operator()<double>();
    case Physical::kText:
    case Physical::kList:
    case Physical::kStruct: break;
  }
  return f.template operator()<Text>();
}

// Copies the rows `rows` of `from` behind the first `at` rows of `to`, which is of the same type.
// Bytes of Text are not copied, unless there is an arena.
void gather(const ColumnView& from, std::span<const uint32_t> rows, Column& to, uint32_t at,
            Arena* arena = nullptr);
// The same for rows [begin, end).
void copy_rows(const ColumnView& from, uint32_t begin, uint32_t end, Column& to, uint32_t at,
               Arena* arena = nullptr);

// Hashes of rows [begin, end), into hashes[0..]: of this column alone, or combined with what the
// columns before gave. Equal values hash alike whatever the width of the integer; NULL is a value
// of its own; 0.0 and -0.0, and all NaN, are one each. Part of the snapshot's format: it must not
// change.
void hash_rows(const LogicalType& type, const ColumnView& column, uint32_t begin, uint32_t end,
               bool combine, uint64_t* hashes);

}  // namespace tidewheel
