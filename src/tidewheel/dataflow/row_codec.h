// Batches as bytes, for rows that go to another process, or are in flight while a snapshot is
// taken. Type-erased: the typed part is made where the edge's type is known.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tidewheel/base/status.h"
#include "tidewheel/dataflow/element.h"
#include "tidewheel/types/serde.h"

namespace tidewheel {

class BatchPool;   // dataflow/batch_pool.h
class MemoryPool;  // base/memory_pool.h

// What rows are written to: bytes of its own, and between them ranges of the batch's memory, which
// whoever sends the bytes takes from there while it holds the batch.
class EncodedRows {
 public:
  struct Piece {
    size_t at = 0;  // in the own bytes, before which it belongs
    std::string_view bytes;
  };

  // Ranges of less than `in_place_bytes_min` are copied; by default all are.
  explicit EncodedRows(size_t in_place_bytes_min = SIZE_MAX)
      : in_place_bytes_min_(in_place_bytes_min) {}

  Writer& writer() { return writer_; }
  // A range that stays as it is for as long as the batch.
  void range(const void* bytes, size_t size) {
    if (size < in_place_bytes_min_) {
      writer_.raw(bytes, size);
    } else {
      pieces_.push_back({writer_.size(), {static_cast<const char*>(bytes), size}});
      in_place_bytes_ += size;
    }
  }

  size_t size() const { return writer_.size() + in_place_bytes_; }
  // Without the pieces.
  std::string_view own() const { return writer_.view(); }
  const std::vector<Piece>& pieces() const { return pieces_; }
  void clear() {
    writer_.clear();
    pieces_.clear();
    in_place_bytes_ = 0;
  }
  // Drops what came after; both are what `own().size()` and `pieces().size()` were.
  void truncate(size_t own, size_t pieces) {
    writer_.truncate(own);
    for (; pieces_.size() > pieces; pieces_.pop_back()) {
      in_place_bytes_ -= pieces_.back().bytes.size();
    }
  }

 private:
  size_t in_place_bytes_min_;
  Writer writer_;
  std::vector<Piece> pieces_;
  size_t in_place_bytes_ = 0;
};

// Reads what was written with one schema. One thread.
class RowReader {
 public:
  virtual ~RowReader() = default;
  // Fills `batch`, which is empty. With `in_arena` the bytes lie in the batch's own arena, and its
  // texts point to them there. Errors: kSnapshotFormat, kSerializedData.
  [[nodiscard]] virtual Status read(std::string_view bytes, bool in_arena, Batch& batch) = 0;
};

// Shared by all subtasks: any thread, no state.
class RowCodec {
 public:
  virtual ~RowCodec() = default;
  // The rows' schema, as encoded by types/schema.h.
  virtual std::string schema() const = 0;
  // Writes rows [begin, end) of the element with their timestamps.
  virtual void encode(const Element& rows, EncodedRows& out) const = 0;
  // Batches that a reader fills.
  virtual std::shared_ptr<BatchPool> make_pool(uint32_t batch_rows, MemoryPool* memory) const = 0;
  // Errors: kSerializedData, kSchemaMismatch.
  virtual Result<std::unique_ptr<RowReader>> open_reader(std::string_view schema) const = 0;

  // A batch of the pool with the rows of `bytes`, which may go then. Errors: those of both above.
  Result<BatchRef> decode(std::string_view schema, std::string_view bytes, BatchPool& pool) const;
};

// What `encode` writes, appended to `out`.
void append_rows(const RowCodec& codec, const Element& rows, std::string& out);

}  // namespace tidewheel
