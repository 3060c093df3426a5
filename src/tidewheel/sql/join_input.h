// What the joins of two streams have in common.
#pragma once
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/sql/row_image.h"
#include "tidewheel/sql/stream_join.h"
#include "tidewheel/types/arena.h"

namespace tidewheel::sql {

// Whether rows of a side come with NULLs when nothing matches them.
inline bool pads(StreamJoinKind kind, bool left) {
  return kind == StreamJoinKind::kFull ||
         kind == (left ? StreamJoinKind::kLeft : StreamJoinKind::kRight);
}
inline bool gives_left_only(StreamJoinKind kind) {
  return kind == StreamJoinKind::kSemi || kind == StreamJoinKind::kAnti ||
         kind == StreamJoinKind::kMark;
}

// Reads the rows of one side. One thread.
struct JoinInput {
  JoinInput(const RowType& type, const std::vector<int32_t>& columns)
      : keys(type.types, columns), bytes(type.types) {}

  // Rows are kept as images, if they can be.
  void use_images() {
    if (RowImages::can_hold(bytes.types())) { images.emplace(bytes.types()); }
  }
  // f(RowBytes&) or f(RowImages&): what makes the bytes of rows.
  template <class F>
  decltype(auto) with_form(F f) {
    return images ? f(*images) : f(bytes);
  }

  KeyReader keys;
  RowBytes bytes;
  std::optional<RowImages> images;
};

// What rows in a join's state are made of. `input` is one of them.
inline std::string join_layout(const RowType& left, const RowType& right, const JoinInput& input) {
  return "left " + schema_of_row(left).to_string() + ", right " + schema_of_row(right).to_string() +
         ", by " + input.keys.describe();
}

// Some rows of a batch as a join needs them. One thread.
template <class K>
class JoinChunk {
 public:
  // Rows [begin, end) of the batch. Valid until the next call.
  void read(JoinInput& input, const ColumnBatch& in, uint32_t begin, uint32_t end,
            bool finds_nulls) {
    read_keys(input, in, begin, end, finds_nulls);
    const uint32_t count = end - begin;
    renew_arena();
    rows_.resize(count);
    std::iota(rows_.begin(), rows_.end(), begin);
    bytes_.resize(count);
    input.with_form([&](auto& form) { form.encode(in.views(), rows_, *arena_, bytes_.data()); });
  }
  // Their keys only.
  void read_keys(JoinInput& input, const ColumnBatch& in, uint32_t begin, uint32_t end,
                 bool finds_nulls) {
    const uint32_t count = end - begin;
    keys_ = input.keys.template keys<K>(in, begin, end);
    nulls_.assign(count, 0);
    if (finds_nulls) { input.keys.find_nulls(in, begin, end, nulls_.data()); }
  }
  // Forgets what the arena has.
  void renew_arena() {
    arena_.recycle();
    if (!arena_) { arena_ = Arena::create(); }
  }

  std::span<const K> keys() const { return keys_; }
  bool has_null_key(uint32_t index) const { return nulls_[index] != 0; }
  const Text& bytes(uint32_t index) const { return bytes_[index]; }
  Arena& arena() { return *arena_; }

 private:
  ArenaRef arena_;
  std::span<const K> keys_;
  std::vector<uint8_t> nulls_;
  std::vector<uint32_t> rows_;
  std::vector<Text> bytes_;
};

// Rows of a batch that are written where they stay, in lists of the state: column by column, when
// room has been made for all of them. One thread.
class AddedRows {
 public:
  // How many bytes each of the rows [begin, end) has. Valid until the next call.
  std::span<const uint32_t> begin(JoinInput& input, const ColumnBatch& in, uint32_t begin,
                                  uint32_t end) {
    rows_.resize(end - begin);
    std::iota(rows_.begin(), rows_.end(), begin);
    const std::span<const uint32_t> sizes =
        input.with_form([&](auto& form) { return form.sizes(in.views(), rows_); });
    to_.resize(rows_.size());
    count_ = 0;
    return sizes;
  }
  // There is room for the row at `to`. Each of them once at most.
  void add(uint32_t row, char* to) {
    rows_[count_] = row;
    to_[count_++] = to;
  }
  void write(JoinInput& input, const ColumnBatch& in) {
    const auto rows = std::span<const uint32_t>(rows_).first(count_);
    input.with_form([&](auto& form) { form.write(in.views(), rows, to_.data()); });
  }

 private:
  // The first count_ of them; there is room for all.
  std::vector<uint32_t> rows_;
  std::vector<char*> to_;
  size_t count_ = 0;
};

// Whether the keys of a join are numbers. Errors: kSqlType when those of both sides differ.
Result<bool> join_keys_are_int(const RowType& left, const std::vector<int32_t>& left_keys,
                               const RowType& right, const std::vector<int32_t>& right_keys);

}  // namespace tidewheel::sql
