#include "tidewheel/sql/distinct_calls.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/row_bytes.h"

namespace tidewheel::sql {
namespace {

template <class K>
class DistinctCallsOf final : public DistinctCalls {
 public:
  DistinctCallsOf(DistinctSetCell<K>& cell, KeyReader reader)
      : cell_(cell), reader_(std::move(reader)) {}

  void read(const RowBatch<ColumnRow>& batch, uint32_t begin, uint32_t end) override {
    if constexpr (std::is_same_v<K, int64_t>) {
      const std::span<const IntKey> keys = reader_.int_keys(batch, begin, end);
      ints_.resize(keys.size());
      for (size_t i = 0; i < keys.size(); ++i) { ints_[i] = keys[i].value_or(0); }
      keys_ = ints_;
    } else {
      keys_ = reader_.text_keys(batch, begin, end);
    }
  }
  uint64_t add(std::byte* state, uint32_t index, uint64_t bits) override {
    return cell_.add(state, keys_[index], DistinctSetCell<K>::hash_of(keys_[index]), bits);
  }
  void add_all(std::byte* const* states, bool has_one_state, std::span<const uint32_t> rows,
               uint32_t begin, const uint64_t* bits, uint64_t* added) override {
    const size_t count = rows.size();
    hashes_.resize(count);
    for (size_t i = 0; i < count; ++i) {
      hashes_[i] = DistinctSetCell<K>::hash_of(keys_[rows[i] - begin]);
    }
    if (has_one_state && count > 0 && cell_.can_add_together() &&
        std::none_of(bits, bits + count, [](uint64_t of_row) { return of_row == 0; })) {
      return cell_.add_together(
          states[0], hashes_, [&](size_t i) -> const K& { return keys_[rows[i] - begin]; }, bits,
          added);
    }
    for (size_t i = 0; i < std::min(count, 2 * kAhead); ++i) { cell_.prefetch_table(states[i]); }
    for (size_t i = 0; i < std::min(count, kAhead); ++i) { cell_.prefetch(states[i], hashes_[i]); }
    for (size_t i = 0; i < count; ++i) {
      if (i + 2 * kAhead < count) { cell_.prefetch_table(states[i + 2 * kAhead]); }
      if (i + kAhead < count) { cell_.prefetch(states[i + kAhead], hashes_[i + kAhead]); }
      added[i] =
          bits[i] == 0 ? 0 : cell_.add(states[i], keys_[rows[i] - begin], hashes_[i], bits[i]);
    }
  }
  void take(std::byte* state) override {
    taken_.clear();
    taken_bits_.clear();
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
    cell_.for_each_value(state, [&](const K& value, uint64_t bits) {
      if constexpr (std::is_same_v<K, int64_t>) {
        taken_.push_back(value);
      } else {
        taken_.push_back(arena_->copy(value.view()));
      }
      taken_bits_.push_back(bits);
    });
  }
  void give(std::byte* state, std::vector<uint64_t>& added) override {
    added.resize(taken_.size());
    for (size_t i = 0; i < taken_.size(); ++i) {
      added[i] =
          cell_.add(state, taken_[i], DistinctSetCell<K>::hash_of(taken_[i]), taken_bits_[i]);
    }
  }
  void put(ColumnBatch& batch) override {
    std::vector<Column*> columns;
    for (const int32_t column : reader_.columns()) {
      columns.push_back(&batch.column(static_cast<size_t>(column)));
    }
    if constexpr (std::is_same_v<K, int64_t>) {
      reader_.decode(std::vector<IntKey>(taken_.begin(), taken_.end()), columns, 0, &batch.arena());
    } else {
      reader_.decode(taken_, columns, 0, &batch.arena());
    }
  }

 private:
  static constexpr size_t kAhead = 16;

  DistinctSetCell<K>& cell_;
  KeyReader reader_;
  std::vector<int64_t> ints_;
  std::span<const K> keys_;
  std::vector<uint64_t> hashes_;
  std::vector<K> taken_;
  std::vector<uint64_t> taken_bits_;  // which calls have each
  ArenaRef arena_;                    // of those that are taken
};

template <class K>
Result<std::unique_ptr<DistinctCalls>> make_of(KeyedState& state, const std::string& name,
                                               KeyReader reader, const StateOptions& options,
                                               std::vector<std::string> calls) {
  TIDEWHEEL_ASSIGN_OR_RETURN(auto* const cell,
                             DistinctSetCell<K>::declare(state, name, options, std::move(calls)));
  return std::unique_ptr<DistinctCalls>(
      std::make_unique<DistinctCallsOf<K>>(*cell, std::move(reader)));
}

}  // namespace

Result<std::unique_ptr<DistinctCalls>> DistinctCalls::make(
    KeyedState& state, const std::string& name, const std::vector<LogicalType>& input,
    std::vector<int32_t> arguments, const StateOptions& options, std::vector<std::string> calls) {
  KeyReader reader(input, std::move(arguments));
  if (reader.is_int()) {
    return make_of<int64_t>(state, name, std::move(reader), options, std::move(calls));
  }
  return make_of<Text>(state, name, std::move(reader), options, std::move(calls));
}

}  // namespace tidewheel::sql
