// Rows of columns as bytes and back: what SQL operators keep in state. Three forms:
//   - RowBytes: the values of a row as types/serde.h would write a struct of the same schema, so
//     that whoever has the schema can read a snapshot.
//   - KeyReader: keys of keyed state. Equal keys have equal bytes, NULL is a key of its own.
//   - SortKeyEncoder: bytes whose order is that of ORDER BY.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/types/column.h"
#include "tidewheel/types/logical_type.h"
#include "tidewheel/types/schema.h"
#include "tidewheel/types/text.h"

namespace tidewheel {
template <class T>
class RowBatch;    // dataflow/batch.h
struct ColumnRow;  // dataflow/column_batch.h
}  // namespace tidewheel

namespace tidewheel::sql {

// What snapshots say of a value of this type: optional when it may be NULL. Timestamps of more than
// 3 digits are integers, in the units in which they are kept; a multiset is a map to numbers.
Schema schema_of_type(const LogicalType& type);
Schema schema_of_row(const RowType& row);
// The same for columns without names: c0, c1 ..
Schema schema_of_columns(const std::vector<LogicalType>& types);
// That the bytes of a value are what its schema says, before they are read without looking.
Status check_value(const Schema& schema, std::string_view bytes);

// How long the bytes of a KeyReader or SortKeyEncoder over some columns get; SIZE_MAX where a
// string or a nested value makes them as long as it is.
size_t key_bytes_max(const std::vector<LogicalType>& types, std::span<const int32_t> columns);

// The columns `indexes` of a batch.
void pick_columns(const RowBatch<ColumnRow>& batch, std::span<const int32_t> indexes,
                  std::vector<ColumnView>& columns);

// Rows of some types as bytes, field after field. One thread.
class RowBytes {
 public:
  enum class Form : uint8_t {
    kAsIs,
    // Equal values have equal bytes: 0.0 is not negative, there is one NaN, and the entries of maps
    // and multisets are sorted.
    kCanonical,
  };
  explicit RowBytes(std::vector<LogicalType> types, Form form = Form::kAsIs);

  const std::vector<LogicalType>& types() const { return types_; }
  // Encodes the rows `rows` of `columns`; out[i] are the bytes of rows[i], in `arena`.
  void encode(std::span<const ColumnView> columns, std::span<const uint32_t> rows, Arena& arena,
              Text* out);
  // The same in two steps, for bytes that are written where they stay: how many bytes each row has,
  // valid until the next call, then the bytes of rows[i] at to[i], which is moved behind them.
  std::span<const uint32_t> sizes(std::span<const ColumnView> columns,
                                  std::span<const uint32_t> rows);
  void write(std::span<const ColumnView> columns, std::span<const uint32_t> rows, char** to);
  // Puts the rows into `columns`, one for each type, at [at, at + rows.size()); null ones are
  // passed over. Strings point into the bytes of the rows, or are copied into an arena. The bytes
  // are those that `encode` gave.
  void decode(std::span<const Text> rows, std::span<Column* const> columns, uint32_t at,
              Arena* arena = nullptr);
  // The same with row i at place places[i]. Of types that are not nested.
  void decode_to(std::span<const Text> rows, std::span<Column* const> columns,
                 const uint32_t* places, Arena* arena);

 private:
  // Rows of numbers without NULLs: all have the same size.
  bool encode_fixed(std::span<const ColumnView> columns, std::span<const uint32_t> rows,
                    Arena& arena, Text* out);

  std::vector<LogicalType> types_;
  Form form_;
  size_t fixed_bytes_ = 0;  // of a row without NULLs; 0: strings or nested values are among them
  std::vector<uint32_t> sizes_;
  std::vector<char*> cursors_;
  std::vector<const char*> readers_;
};

// A key of one integer, time or truth value, or NULL.
using IntKey = std::optional<int64_t>;

// Makes keys of some columns of batches. Whether a key column may be NULL makes no difference, so
// that both inputs of a join have the same keys. One thread.
class KeyReader {
 public:
  // Without columns all rows have one key.
  KeyReader(const std::vector<LogicalType>& input, std::vector<int32_t> columns);

  // Keys are IntKey; else they are bytes: Text.
  bool is_int() const { return is_int_; }
  const std::vector<int32_t>& columns() const { return columns_; }
  const std::vector<LogicalType>& types() const { return types_; }
  // "(c0:bigint,c1:string)": a part of the form of state under these keys, so that keys of another
  // form are not taken for them.
  std::string describe() const;

  // The keys of rows [begin, end), valid until the next call.
  std::span<const IntKey> int_keys(const RowBatch<ColumnRow>& batch, uint32_t begin, uint32_t end);
  std::span<const Text> text_keys(const RowBatch<ColumnRow>& batch, uint32_t begin, uint32_t end);
  template <class K>
  std::span<const K> keys(const RowBatch<ColumnRow>& batch, uint32_t begin, uint32_t end) {
    if constexpr (std::is_same_v<K, IntKey>) {
      return int_keys(batch, begin, end);
    } else {
      return text_keys(batch, begin, end);
    }
  }
  // The hash that chooses the key group, of rows [begin, end), into hashes[0..].
  void hash32(const RowBatch<ColumnRow>& batch, uint32_t begin, uint32_t end, uint32_t* hashes);
  // Sets out[i] when some column of row begin + i is NULL.
  void find_nulls(const RowBatch<ColumnRow>& batch, uint32_t begin, uint32_t end, uint8_t* out);

  // Puts keys into columns of the key's types, as RowBytes::decode does.
  void decode(std::span<const IntKey> keys, std::span<Column* const> columns, uint32_t at,
              Arena* arena = nullptr);
  void decode(std::span<const Text> keys, std::span<Column* const> columns, uint32_t at,
              Arena* arena = nullptr);

 private:
  std::vector<int32_t> columns_;
  std::vector<LogicalType> types_;
  bool is_int_;
  RowBytes bytes_;
  std::vector<ColumnView> views_;
  std::vector<uint32_t> rows_;
  std::vector<IntKey> int_keys_;
  std::vector<Text> text_keys_;
  ArenaRef arena_;
};

// One column of an ORDER BY.
struct SortColumn {
  int32_t column = 0;
  bool descending = false;
  bool nulls_first = true;
  friend bool operator==(const SortColumn&, const SortColumn&) = default;
};

// Keys whose bytes compare as the rows do. NaN is the greatest number. One thread.
class SortKeyEncoder {
 public:
  // Columns of arrays, maps and rows have no order.
  SortKeyEncoder(const std::vector<LogicalType>& input, std::vector<SortColumn> columns);
  void encode(const ColumnView* all_columns, uint32_t row, std::string& out) const;
  // The keys of rows [begin, end) into out[0..], in `arena`.
  void encode(const ColumnView* all_columns, uint32_t begin, uint32_t end, Arena& arena,
              Text* out) const;
  // The value of a key of one column, into row `at`. Strings are copied.
  void decode_first(Text key, Column& to, uint32_t at, Arena& arena) const;

 private:
  std::vector<SortColumn> columns_;
  std::vector<Physical> physicals_;
  size_t fixed_bytes_ = 0;  // of a key without NULLs; 0: strings are among the columns
};

}  // namespace tidewheel::sql
