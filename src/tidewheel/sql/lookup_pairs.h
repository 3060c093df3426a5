// What a lookup join sends: rows of its input beside rows that were found.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/dataflow/output.h"
#include "tidewheel/sql/column_output.h"
#include "tidewheel/sql/stream_join.h"

namespace tidewheel::sql {

// One thread.
class LookupPairs {
 public:
  LookupPairs(std::vector<LogicalType> input, std::vector<LogicalType> table,
              std::vector<LogicalType> output, bool pads, std::unique_ptr<PairFilter> filter)
      : input_count_(input.size()),
        table_count_(table.size()),
        output_(std::move(output)),
        pads_(pads),
        filter_(std::move(filter)) {
    if (filter_ == nullptr) { return; }
    for (const std::vector<LogicalType>* types : {&input, &table}) {
      for (const LogicalType& type : *types) { columns_.emplace_back(type); }
    }
  }

  // Row `row` of the input met row `other` of `found`. Rows of the input rise.
  void add(uint32_t row, const ColumnBatch* found, uint32_t other) {
    rows_.push_back(row);
    founds_.push_back(found);
    others_.push_back(other);
  }
  // It met nothing.
  void add_missed(uint32_t row) { add(row, nullptr, 0); }
  size_t size() const { return rows_.size(); }

  // Sends what was added. Batches that were found are kept by what is sent.
  void emit(Output<ColumnRow>& output, const ColumnBatch& in) {
    if (filter_ != nullptr) { apply_filter(in); }
    if (!pads_) { drop_missed(); }
    emit_columns(output, output_, rows_.size(),
                 [&](ColumnBatch& out, size_t begin, size_t end) { fill(in, out, begin, end); });
    clear();
  }

 private:
  // Fewer rows are copied, text and all, so that they do not keep a batch.
  static constexpr size_t kKeptRows = 64;

  void clear() {
    rows_.clear();
    founds_.clear();
    others_.clear();
  }
  // Calls f(begin, end) for runs of rows in [begin, end) from the same batch.
  template <class F>
  void for_each_run(size_t begin, size_t end, F f) const {
    while (begin < end) {
      size_t next = begin + 1;
      while (next < end && founds_[next] == founds_[begin]) { ++next; }
      f(begin, next);
      begin = next;
    }
  }
  void fill(const ColumnBatch& in, ColumnBatch& out, size_t begin, size_t end) {
    const uint32_t at = out.size();
    const bool keeps = end - begin >= kKeptRows;
    const std::span<const uint32_t> rows = std::span(rows_).subspan(begin, end - begin);
    if (keeps) { out.keep(in); }
    for (size_t c = 0; c < input_count_; ++c) {
      gather(in.view(c), rows, out.column(c), at, keeps ? nullptr : &out.arena());
    }
    for_each_run(begin, end, [&](size_t from, size_t to) {
      const uint32_t place = at + static_cast<uint32_t>(from - begin);
      const ColumnBatch* const found = founds_[from];
      const bool keeps_found = found != nullptr && to - from >= kKeptRows;
      if (keeps_found) { out.keep(*found); }
      for (size_t c = 0; c < table_count_; ++c) {
        Column& column = out.column(input_count_ + c);
        if (found != nullptr) {
          gather(found->view(c), std::span(others_).subspan(from, to - from), column, place,
                 keeps_found ? nullptr : &out.arena());
          continue;
        }
        column.ensure(place + static_cast<uint32_t>(to - from));
        for (size_t i = 0; i < to - from; ++i) {
          column.append_null(place + static_cast<uint32_t>(i));
        }
      }
    });
    if (in.kinds() != nullptr) {
      RowKind* const kinds = out.make_kinds(at + static_cast<uint32_t>(rows.size())) + at;
      for (size_t i = 0; i < rows.size(); ++i) { kinds[i] = in.kind(rows[i]); }
    } else if (out.kinds() != nullptr) {
      RowKind* const kinds = out.make_kinds(at + static_cast<uint32_t>(rows.size())) + at;
      std::fill(kinds, kinds + rows.size(), RowKind::kInsert);
    }
  }
  void drop_missed() {
    size_t kept = 0;
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (founds_[i] == nullptr) { continue; }
      rows_[kept] = rows_[i];
      founds_[kept] = founds_[i];
      others_[kept++] = others_[i];
    }
    rows_.resize(kept);
    founds_.resize(kept);
    others_.resize(kept);
  }
  // A row all of whose pairs are refused has met nothing.
  void apply_filter(const ColumnBatch& in) {
    evaluate(in);
    std::vector<uint32_t> rows;
    std::vector<const ColumnBatch*> founds;
    std::vector<uint32_t> others;
    size_t pair = 0;
    for (size_t i = 0; i < rows_.size(); ++i) {
      const bool keeps = founds_[i] != nullptr && keeps_[pair++] != 0;
      const bool is_last = i + 1 == rows_.size() || rows_[i + 1] != rows_[i];
      const bool is_missed = !keeps && is_last && (rows.empty() || rows.back() != rows_[i]);
      if (!keeps && !is_missed) { continue; }
      rows.push_back(rows_[i]);
      founds.push_back(keeps ? founds_[i] : nullptr);
      others.push_back(keeps ? others_[i] : 0);
    }
    rows_ = std::move(rows);
    founds_ = std::move(founds);
    others_ = std::move(others);
  }
  void evaluate(const ColumnBatch& in) {
    std::vector<uint32_t> rows;
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (founds_[i] != nullptr) { rows.push_back(rows_[i]); }
    }
    for (Column& column : columns_) { column.clear(); }
    for (size_t c = 0; c < input_count_; ++c) { gather(in.view(c), rows, columns_[c], 0); }
    uint32_t at = 0;
    for_each_run(0, rows_.size(), [&](size_t from, size_t to) {
      if (founds_[from] == nullptr) { return; }
      for (size_t c = 0; c < table_count_; ++c) {
        gather(founds_[from]->view(c), std::span(others_).subspan(from, to - from),
               columns_[input_count_ + c], at);
      }
      at += static_cast<uint32_t>(to - from);
    });
    keeps_.assign(rows.size(), 0);
    views_.clear();
    for (const Column& column : columns_) { views_.push_back(column.view()); }
    if (!rows.empty()) { filter_->evaluate(views_, at, keeps_.data()); }
  }

  const size_t input_count_;
  const size_t table_count_;
  const std::vector<LogicalType> output_;
  const bool pads_;
  const std::unique_ptr<PairFilter> filter_;
  std::vector<uint32_t> rows_;
  std::vector<const ColumnBatch*> founds_;
  std::vector<uint32_t> others_;
  std::vector<Column> columns_;
  std::vector<ColumnView> views_;
  std::vector<uint8_t> keeps_;
};

}  // namespace tidewheel::sql
