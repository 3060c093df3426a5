// Rows as operators keep them in memory: values at fixed places, and strings of lasting tables by
// where they are. A byte of state costs a nanosecond when it is touched for the first time; a bid
// whose strings come from a source's dictionary takes 57 of them, and 200 with copies.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/types/column.h"
#include "tidewheel/types/lasting_text.h"
#include "tidewheel/types/logical_type.h"
#include "tidewheel/types/text.h"

namespace tidewheel {
class Batch;  // dataflow/batch.h
}  // namespace tidewheel

namespace tidewheel::sql {

// An image:
//   flags    a bit for each column, set: NULL; then one, set: the image is narrow. None where no
//            column may be NULL and narrow ones would be no smaller
//   slots    the values, unaligned. Narrow images, of rows whose numbers are not negative and below
//            2^32 (BIGINT) or 2^48 (times), have 4 or 6 bytes of them. Of a string:
//              8 bytes: 0 (empty), or its size (16 bits, of which the highest is 0) and its address
//              (48), or the highest bit and where it is in the image (32)
//              narrow, 6 bytes: 0, or its size (16 bits, as above) and where it is in all lasting
//              tables behind each other (32), or the highest bit and where it is in the image (32)
//   strings  size (varint) and bytes of those that are not in a lasting table
// It may be moved, and lives no longer than the one who has made it. In snapshots rows are what
// RowBytes makes of them. One thread.
class RowImages {
 public:
  // Values of nested types have no image.
  static bool can_hold(const std::vector<LogicalType>& types);
  explicit RowImages(std::vector<LogicalType> types);
  // Images do not have column `column`, which is the key that their rows are kept under: an
  // integer, time or truth value, and not NULL. Before the first of them.
  void leave_out(size_t column);
  bool leaves_out(size_t column) const { return slots_[column].is_left_out; }
  bool leaves_out_any() const { return leaves_out_any_; }
  // The key of what to_bytes is given next.
  void set_key(int64_t key) { key_ = key; }

  // Whether there are strings; else an image tells how large it is.
  bool has_strings() const { return has_strings_; }
  uint32_t size_of(const char* image) const { return fixed_bytes_[is_narrow(image) ? 1 : 0]; }

  // Keeps the lasting tables that the rows of `batch` may point into. Before they are encoded.
  void see_tables(const Batch& batch);
  // Has them live as long as `batch`, whose rows come from images.
  void share_tables(Batch& batch) const;

  // The calls of RowBytes; strings in lasting tables are never copied.
  void encode(std::span<const ColumnView> columns, std::span<const uint32_t> rows, Arena& arena,
              Text* out);
  std::span<const uint32_t> sizes(std::span<const ColumnView> columns,
                                  std::span<const uint32_t> rows);
  void write(std::span<const ColumnView> columns, std::span<const uint32_t> rows, char* const* to);
  // Columns that are left out are passed over.
  void decode(std::span<const Text> rows, std::span<Column* const> columns, uint32_t at,
              Arena* arena = nullptr) const;
  void decode_to(std::span<const Text> rows, std::span<Column* const> columns,
                 const uint32_t* places, Arena* arena) const;

  // What RowBytes makes of the same row. Valid until the next call.
  Text to_bytes(const Text& image);
  // How large the image of such bytes is; 0 when they are not those of a row.
  uint32_t image_size(std::string_view bytes) const;
  void write_image(std::string_view bytes, char* to) const;

 private:
  // Wide, narrow.
  static constexpr size_t kForms = 2;
  struct Slot {
    LogicalType type;
    Physical physical = Physical::kText;
    bool is_nullable = false;
    bool is_left_out = false;
    uint32_t bytes = 0;                // of a value that is no string
    uint32_t kept_bytes[kForms] = {};  // in an image
    uint32_t at[kForms] = {};
  };
  // A run of memory that strings are found in. `base`: how much is in those before.
  struct Found {
    uintptr_t begin = 0;
    size_t size = 0;
    uint64_t base = 0;
  };

  void place_slots();
  bool is_narrow(const char* image) const {
    return (static_cast<unsigned char>(image[form_byte_]) & form_bit_) != 0;
  }
  void choose_forms(std::span<const ColumnView> columns, std::span<const uint32_t> rows);
  bool fits_narrow(std::string_view bytes) const;
  void write_column(const Slot& slot, const ColumnView& column, std::span<const uint32_t> rows,
                    char* const* to);
  static uint64_t end_of(const Found& table) { return table.base + table.size; }
  const Found& table_at(uint64_t place) const;
  Text text_of(const char* image, const Slot& slot, bool is_narrow, Found& found,
               bool& is_inside) const;
  template <class T>
  T number_of(const char* image, const Slot& slot, bool is_narrow) const;
  bool is_lasting(const Text& text, Found& found) const;
  template <class PlaceOf>
  void decode_columns(std::span<const Text> rows, std::span<Column* const> columns, uint32_t end,
                      Arena* arena, PlaceOf place_of) const;
  template <class T, class PlaceOf>
  void decode_column(std::span<const Text> rows, size_t index, Column& to, Arena* arena,
                     PlaceOf place_of) const;
  template <class OnNull, class OnValue>
  bool walk(std::string_view bytes, OnNull on_null, OnValue on_value) const;

  std::vector<Slot> slots_;
  uint32_t flag_bytes_ = 0;
  uint32_t form_byte_ = 0;          // of an image, has form_bit_ when it is narrow
  unsigned char form_bit_ = 0;      // 0: there are no narrow ones
  uint32_t fixed_bytes_[kForms]{};  // without strings
  bool has_strings_ = false;
  bool leaves_out_any_ = false;
  int64_t key_ = 0;
  LastingTexts lasting_;
  std::vector<Found> tables_;
  std::vector<uint64_t> wide_;  // by row: not 0 when it has no narrow image
  std::vector<uint32_t> sizes_;
  std::vector<char*> tails_;
  std::vector<char*> images_;
  std::string bytes_;
};

// For cells whose rows may be images; `images` is null where they are RowBytes.
// What snapshots have of a row; valid until the next call.
inline Text saved_row(RowImages* images, const Text& row) {
  return images == nullptr ? row : images->to_bytes(row);
}
// How many bytes a row takes that a snapshot has. Errors: kSnapshotFormat when it is none.
Result<uint32_t> kept_bytes(const RowImages* images, const Text& saved, std::string_view state);
void keep_row(const RowImages* images, const Text& saved, char* to);

}  // namespace tidewheel::sql
