#include "tidewheel/sql/waiting_rows.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "tidewheel/operators/record_codec.h"
#include "tidewheel/sql/row_bytes.h"
#include "tidewheel/state/state_memory.h"
#include "tidewheel/types/hash.h"
#include "tidewheel/types/time.h"

namespace tidewheel::sql {

WaitingRows::WaitingRows(const WaitingSpec& spec, const std::vector<LogicalType>& types,
                         StateMemory& memory)
    : spec_(spec), memory_(memory), log_(types) {
  for (const LogicalType& type : types) { columns_.emplace_back(type); }
  for (Column& column : columns_) { targets_.push_back(&column); }
}

bool WaitingRows::is_over(int64_t time) const {
  return saturating_add(time, spec_.after_ms) <= watermark_;
}

void WaitingRows::add(std::span<const ColumnView> columns, std::span<const uint32_t> rows) {
  const ColumnView& times = columns[spec_.time];
  rows_.clear();
  int64_t last_time = INT64_MIN;
  for (const uint32_t row : rows) {
    const auto time = times.at<int64_t>(row);
    if (times.is_null(row) || is_over(time)) { continue; }
    rows_.push_back(row);
    last_time = std::max(last_time, time);
  }
  if (rows_.empty()) { return; }
  blocks_.push_back({log_.add(columns, rows_), last_time});
  size_ += rows_.size();
  account();
}

void WaitingRows::advance(int64_t watermark) {
  watermark_ = std::max(watermark_, watermark);
  drop_ended();
}

// Rows come about in the order of their times, so that what is over comes first.
void WaitingRows::drop_ended() {
  if (is_saving_) { return; }
  while (!blocks_.empty() && is_over(blocks_.front().last_time)) {
    size_ -= log_.rows_of(blocks_.front().number);
    log_.drop(blocks_.front().number);
    blocks_.pop_front();
  }
  account();
}

void WaitingRows::account() {
  const int64_t bytes = log_.memory_bytes();
  if (bytes > accounted_bytes_) {
    memory_.reserve(bytes - accounted_bytes_);
  } else {
    memory_.release(accounted_bytes_ - bytes);
  }
  accounted_bytes_ = bytes;
}

// ---- Search.

size_t WaitingRows::place_of(int64_t key) const {
  const size_t mask = wanted_.size() - 1;
  size_t at = mix64(static_cast<uint64_t>(key)) & mask;
  while (wanted_[at].first != kNone && wanted_[at].key != key) { at = (at + 1) & mask; }
  return at;
}

void WaitingRows::begin_search(std::span<const int64_t> keys) {
  wanted_.assign(std::bit_ceil(keys.size() * 4), Wanted());
  next_.assign(keys.size(), kNone);
  // From the last one on, so that equal keys come in their order.
  for (size_t i = keys.size(); i-- > 0;) {
    Wanted& wanted = wanted_[place_of(keys[i])];
    next_[i] = wanted.first;
    wanted = {keys[i], static_cast<uint32_t>(i)};
  }
}

std::span<const WaitingRows::Match> WaitingRows::find(std::span<const int64_t> keys) {
  matches_.clear();
  if (keys.empty()) { return matches_; }
  begin_search(keys);
  for (const Block& block : blocks_) {
    const auto take = [&](uint32_t row, uint32_t first) {
      for (uint32_t i = first; i != kNone; i = next_[i]) {
        matches_.push_back({i, block.number, row});
      }
    };
    if (keys.size() == 1) {
      log_.for_each_value(block.number, spec_.key, [&](uint32_t row, int64_t key) {
        if (key == keys[0]) [[unlikely]] { take(row, 0); }
      });
    } else {
      log_.for_each_value(block.number, spec_.key, [&](uint32_t row, int64_t key) {
        take(row, wanted_[place_of(key)].first);
      });
    }
  }
  return matches_;
}

std::span<const ColumnView> WaitingRows::decode(std::span<const Match> matches) {
  for (Column& column : columns_) { column.clear(); }
  for (size_t begin = 0; begin < matches.size();) {
    rows_.clear();
    size_t end = begin;
    for (; end < matches.size() && matches[end].block == matches[begin].block; ++end) {
      rows_.push_back(matches[end].row);
    }
    log_.decode(matches[begin].block, rows_, targets_, static_cast<uint32_t>(begin));
    begin = end;
  }
  views_.clear();
  for (const Column& column : columns_) { views_.push_back(column.view()); }
  return views_;
}

// ---- Snapshots.

void WaitingRows::begin_snapshot() {
  is_saving_ = true;
  to_save_ = blocks_.size();
  saved_ = 0;
}

void WaitingRows::abort_snapshot() {
  is_saving_ = false;
  drop_ended();
}

bool WaitingRows::write(SnapshotWriter& writer, RowBytes& bytes, const std::string& name,
                        int32_t subtask, int32_t parallelism) {
  if (!is_saving_) { return true; }
  SavedRecordWriter saved(writer, name, StateKind::kUnionList,
                          encoded_schema<SavedRecord<SavedWaitingRows>>(), subtask, parallelism);
  std::vector<Text> texts;
  std::vector<Match> all;
  for (; saved_ < to_save_; ++saved_) {
    if (!writer.ready()) { return false; }
    all.clear();
    const uint32_t block = blocks_[saved_].number;
    const uint32_t rows = log_.rows_of(block);
    for (uint32_t row = 0; row < rows; ++row) { all.push_back({0, block, row}); }
    const std::span<const ColumnView> columns = decode(all);
    rows_.resize(rows);
    std::iota(rows_.begin(), rows_.end(), 0);
    texts.resize(rows);
    const ArenaRef arena = Arena::create();
    bytes.encode(columns, rows_, *arena, texts.data());
    SavedWaitingRows record;
    for (const Text& text : texts) { record.rows.emplace_back(text.view()); }
    saved.add(encode_record(record));
  }
  is_saving_ = false;
  drop_ended();
  return true;
}

}  // namespace tidewheel::sql
