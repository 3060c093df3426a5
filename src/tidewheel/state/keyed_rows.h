// KeyedBatch for keys that lie side by side: the rows of all of them, found together.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tidewheel/base/prefetch.h"
#include "tidewheel/state/keyed_store.h"

namespace tidewheel {

// Instead of making one key after the other current, as the general form does. Hashes, slots of the
// index and rows of some dozens of keys are three loops, each of which does for many keys at once
// what would be a chain of waits for one. There is no current key afterwards.
//
//   KeyedBatch<K, std::span<const K>> batch(store, keys);
//   batch.ensure_rows(rows.data(), [&](size_t i) { return !is_null(i); });
template <class K>
class KeyedBatch<K, std::span<const K>> {
 public:
  // `keys` stay where they are as long as this lives.
  KeyedBatch(KeyedStore<K>& store, std::span<const K> keys) : store_(store), keys_(keys) {
    store_.begin_work();
    if (store_.has_backend()) [[unlikely]] {
      const auto key_at = [keys](uint32_t i) -> const K& { return keys[i]; };
      store_.fetch(0, static_cast<uint32_t>(keys.size()), key_at);
    }
  }
  ~KeyedBatch() {
    store_.clear_current();
    store_.touches_many_ = touches_ * kManyTouches > keys_.size();
    store_.end_work(static_cast<uint32_t>(keys_.size()));
  }
  KeyedBatch(const KeyedBatch&) = delete;
  KeyedBatch& operator=(const KeyedBatch&) = delete;

  // Sets rows[i] to the row of keys[i], made where there is none; to null when `wants(i)` is false.
  // Once. Whoever asks for a row makes a cell in it.
  template <class Wants>
  void ensure_rows(std::byte** rows, Wants wants) {
    const size_t count = keys_.size();
    hash_block(0);
    for (size_t begin = 0; begin < count; begin += kBlock) {
      hash_block(begin + kBlock);
      find_block(begin, rows);
      // The rows of the block before have come by now.
      if (begin > 0) { touch_block(begin - kBlock, rows, wants); }
    }
    if (count > 0) { touch_block((count - 1) / kBlock * kBlock, rows, wants); }
  }
  // Frees the rows of the keys, which are rows[i]: none is null, and destroy(row) ends all cells of
  // one. Once, instead of ensure_rows. Not in front of a backend.
  template <class Destroy>
  void erase_rows(std::byte* const* rows, Destroy destroy) {
    TIDEWHEEL_DCHECK(!store_.has_backend());
    const size_t count = keys_.size();
    hash_block(0);
    for (size_t begin = 0; begin < count; begin += kBlock) {
      hash_block(begin + kBlock);
      for (size_t i = begin + kBlock; i < end_of(begin + kBlock); ++i) {
        prefetch_for_write(rows[i]);
      }
      for (size_t i = begin; i < end_of(begin); ++i) {
        if (!store_.is_touched(rows[i])) [[unlikely]] { touch(keys_[i], hash_at(i)); }
        destroy(rows[i]);
        free_row(rows[i], hash_at(i));
      }
    }
  }

 private:
  static constexpr size_t kBlock = 32;
  static constexpr size_t kBlocks = 4;  // of hashes, of which three are in use
  static constexpr uint32_t kManyTouches = 128;

  size_t end_of(size_t begin) const { return std::min(keys_.size(), begin + kBlock); }
  KeyHash& hash_at(size_t i) { return hashes_[i % (kBlock * kBlocks)]; }
  // Calls would take as long as the hashes of numbers.
  [[gnu::flatten]] void hash_block(size_t begin) {
    const int32_t max_parallelism = store_.max_parallelism();
    for (size_t i = begin; i < end_of(begin); ++i) {
      hash_at(i) = key_hash(keys_[i], max_parallelism);
    }
    for (size_t i = begin; i < end_of(begin); ++i) { store_.index_.prefetch_slot(hash_at(i)); }
  }
  void find_block(size_t begin, std::byte** rows) {
    // Rows are not aligned to lines: most of those that are shorter lie in two of them.
    const size_t second = std::min<size_t>(store_.rows_.row_bytes() - 1, 64);
    for (size_t i = begin; i < end_of(begin); ++i) {
      rows[i] = store_.find_row(keys_[i], hash_at(i));
      if (rows[i] == nullptr) { continue; }
      prefetch_for_write(rows[i]);
      prefetch_for_write(rows[i] + second);
    }
  }
  template <class Wants>
  void touch_block(size_t begin, std::byte** rows, Wants wants) {
    if (store_.touches_many_ && !store_.logs_rows_) { fetch_bits(begin, rows); }
    for (size_t i = begin; i < end_of(begin); ++i) {
      if (!wants(i)) {
        rows[i] = nullptr;
        continue;
      }
      if (rows[i] == nullptr || !store_.is_touched(rows[i])) [[unlikely]] {
        rows[i] = touch(keys_[i], hash_at(i));
      }
      if (store_.backed_ != nullptr) [[unlikely]] { store_.backed_->rows.use(rows[i]); }
    }
  }
  // A key without a row may have got one from an earlier one of this batch.
  std::byte* touch(const K& key, KeyHash hash) {
    ++touches_;
    if (std::byte* const row = store_.touch_row(key, hash)) { return row; }
    store_.set_current_key(key, hash);
    return store_.make_row();
  }
  void free_row(const std::byte* row, KeyHash hash) {
    uint32_t number = StateRows::kNone;
    store_.index_.erase_where(hash, [&](const K&, uint32_t candidate) {
      if (store_.rows_.at(candidate) != row) { return false; }
      number = candidate;
      return true;
    });
    store_.rows_.free(number);
  }
  // What touching a row for the first time since the barrier needs.
  void fetch_bits(size_t begin, std::byte* const* rows) {
    for (size_t i = begin; i < end_of(begin); ++i) {
      if (rows[i] == nullptr || store_.is_touched(rows[i])) { continue; }
      store_.index_.prefetch_bits(hash_at(i));
    }
  }

  KeyedStore<K>& store_;
  const std::span<const K> keys_;
  size_t touches_ = 0;  // of keys that were not touched since the barrier
  std::array<KeyHash, kBlock * kBlocks> hashes_;
};

}  // namespace tidewheel
