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
//   flags    a bit for each column, set: NULL; none where no column may be NULL
//   slots    the values, unaligned; of a string 8 bytes: 0 (empty), or its size (16 bits, of which
//            the highest is 0) and its address (48), or the highest bit and where it is in the
//            image (32)
//   strings  size (varint) and bytes of those that are not in a lasting table
// It may be moved, and lives no longer than the one who has made it. In snapshots rows are what
// RowBytes makes of them. One thread.
class RowImages {
 public:
  // Values of nested types have no image.
  static bool can_hold(const std::vector<LogicalType>& types);
  explicit RowImages(std::vector<LogicalType> types);

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
  struct Slot {
    LogicalType type;
    Physical physical = Physical::kText;
    bool is_nullable = false;
    uint32_t at = 0;     // in the image
    uint32_t bytes = 0;  // of a value that is no string
  };
  // A run of memory that strings were found in.
  struct Found {
    uintptr_t begin = 0;
    size_t size = 0;
  };

  bool is_lasting(const Text& text, Found& found) const;
  template <class PlaceOf>
  void decode_columns(std::span<const Text> rows, std::span<Column* const> columns, uint32_t end,
                      Arena* arena, PlaceOf place_of) const;
  template <class OnNull, class OnValue>
  bool walk(std::string_view bytes, OnNull on_null, OnValue on_value) const;

  std::vector<Slot> slots_;
  uint32_t flag_bytes_ = 0;
  uint32_t fixed_bytes_ = 0;  // without strings
  LastingTexts lasting_;
  std::vector<Found> tables_;
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
