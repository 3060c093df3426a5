// Rows of a table in memory, found by their keys: the full cache of a lookup join.
#pragma once
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/types/arena.h"
#include "tidewheel/types/hash.h"

namespace tidewheel::sql {

// Made once, then only read. `K` as in KeyReader.
template <class K>
class LookupTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  LookupTable(BatchRef rows, const std::vector<LogicalType>& types,
              const std::vector<int32_t>& key_columns)
      : rows_(std::move(rows)), arena_(Arena::create()) {
    const ColumnBatch& batch = this->rows();
    const uint32_t count = batch.size();
    KeyReader reader(types, key_columns);
    keys_.resize(count);
    next_.assign(count, kNone);
    slots_.assign(std::bit_ceil(size_t{2} * count + 2), kNone);
    std::vector<uint8_t> nulls(count, 0);
    reader.find_nulls(batch, 0, count, nulls.data());
    for (uint32_t begin = 0; begin < count; begin += kChunk) {
      const uint32_t end = std::min(count, begin + kChunk);
      const std::span<const K> keys = reader.template keys<K>(batch, begin, end);
      for (uint32_t row = begin; row < end; ++row) { keys_[row] = kept(keys[row - begin]); }
    }
    // From the last to the first, so that rows of a key are found in their order.
    for (uint32_t row = count; row-- > 0;) {
      if (nulls[row] != 0) { continue; }
      uint32_t& slot = slots_[slot_of(keys_[row])];
      next_[row] = slot;
      slot = row;
    }
  }

  const ColumnBatch& rows() const { return ColumnBatch::of(*rows_); }
  // The first row with the key, or kNone.
  uint32_t find(const K& key) const { return slots_[slot_of(key)]; }
  // The row with the same key behind `row`, or kNone.
  uint32_t next(uint32_t row) const { return next_[row]; }

 private:
  static constexpr uint32_t kChunk = 4096;

  static uint64_t hash(const IntKey& key) {
    return mix64(key.has_value() ? static_cast<uint64_t>(*key) : 0);
  }
  static uint64_t hash(const Text& key) { return hash_bytes(key.data(), key.size()); }
  const IntKey& kept(const IntKey& key) const { return key; }
  Text kept(const Text& key) const { return arena_->copy(key.view()); }

  size_t slot_of(const K& key) const {
    const size_t mask = slots_.size() - 1;
    size_t slot = hash(key) & mask;
    while (slots_[slot] != kNone && !(keys_[slots_[slot]] == key)) { slot = (slot + 1) & mask; }
    return slot;
  }

  const BatchRef rows_;
  const ArenaRef arena_;
  std::vector<K> keys_;          // of the rows
  std::vector<uint32_t> slots_;  // the first row of a key
  std::vector<uint32_t> next_;
};

}  // namespace tidewheel::sql
