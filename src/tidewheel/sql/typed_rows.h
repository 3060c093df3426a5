// Between streams of C++ rows and batches of columns: one typed loop a column, chosen when the job
// is compiled. Strings are not copied on the way into columns; a batch of columns keeps the rows
// alive that its texts point into.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "tidewheel/dataflow/column_batch.h"
#include "tidewheel/operators/operator_base.h"
#include "tidewheel/operators/row_traits.h"
#include "tidewheel/operators/user_failure.h"
#include "tidewheel/sql/row_mapping.h"

namespace tidewheel::sql {

// A column of a stream's table: a field of its rows, or the time that the stream gave them.
inline constexpr size_t kStreamTime = SIZE_MAX;

// Fields of rows become columns, in the order of `fields`.
template <class T>
class RowsToColumns final : public OutputOperator<ColumnRow> {
 public:
  RowsToColumns(std::vector<size_t> fields, std::vector<LogicalType> types,
                std::shared_ptr<const NodeLinks> links)
      : OutputOperator<ColumnRow>(std::move(links)),
        fields_(std::move(fields)),
        types_(std::move(types)) {}

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    if (cursor == rows.end) { return Progress::kDone; }
    if (!output().ready()) { return Progress::kBlocked; }
    // A whole element at once: what it gives is kept by the port, when that can't send it.
    write(RowBatch<T>::of(*rows.batch), cursor, rows.end - cursor);
    cursor = rows.end;
    return Progress::kDone;
  }

 private:
  using Write = void (*)(const T*, uint32_t, tidewheel::Column&, uint32_t);
  template <size_t... kIndex>
  static constexpr std::array<Write, sizeof...(kIndex)> writers(std::index_sequence<kIndex...>) {
    return {write_field<T, kIndex>...};
  }

  void write(const RowBatch<T>& in, uint32_t begin, uint32_t count) {
    static constexpr auto kWriters = writers(std::make_index_sequence<kRowFields<T>>());
    static_cast<void>(output().flush());
    ColumnBatch& out = output().current();
    out.set_types(types_);
    out.ensure_room(count);
    for (size_t i = 0; i < fields_.size(); ++i) {
      if (fields_[i] == kStreamTime) {
        write_times(in, begin, count, out.column(i));
      } else {
        kWriters[fields_[i]](in.rows() + begin, count, out.column(i), 0);
      }
    }
    if constexpr (RowOf<T>::kIsChange) {
      RowKind* const kinds = out.make_kinds(count);
      for (uint32_t i = 0; i < count; ++i) { kinds[i] = in.row(begin + i).kind; }
    }
    out.keep(in);
    out.set_size(count);
    static_cast<void>(output().flush());
  }

  void write_times(const RowBatch<T>& in, uint32_t begin, uint32_t count,
                   tidewheel::Column& column) {
    int64_t* const to = column.values<int64_t>();
    const int64_t* const times = in.timestamps() + begin;
    for (uint32_t i = 0; i < count; ++i) {
      if (times[i] == kNoTimestamp) [[unlikely]] {
        throw_no_timestamp(context(), describe_record(in.row(begin + i)));
      }
      to[i] = times[i];
    }
  }

  const std::vector<size_t> fields_;
  const std::vector<LogicalType> types_;
};

// Which columns ColumnsToRows reads, beside the fields of its rows.
struct RowsTime {
  int32_t column = -1;  // of the rows' event time; -1: they have none
  int64_t units_per_ms = 1;
};

// Columns become fields of rows: column i is field i, of its type.
template <class T>
class ColumnsToRows final : public OutputOperator<T> {
 public:
  ColumnsToRows(RowsTime time, std::vector<std::string> names,
                std::shared_ptr<const NodeLinks> links)
      : OutputOperator<T>(std::move(links)), time_(time), names_(std::move(names)) {}

  Progress on_rows(int32_t, const Element& rows, uint32_t& cursor) override {
    const ColumnBatch& in = ColumnBatch::of(*rows.batch);
    while (cursor < rows.end) {
      if (!this->output().ready()) { return Progress::kBlocked; }
      RowBatch<T>& out = this->output().current();
      const uint32_t count = std::min(rows.end - cursor, this->output().room());
      read(in, cursor, count, out);
      cursor += count;
      this->output().commit();
    }
    return Progress::kDone;
  }

 private:
  using Read = bool (*)(const ColumnView&, uint32_t, uint32_t, T*);
  template <size_t... kIndex>
  static constexpr std::array<Read, sizeof...(kIndex)> readers(std::index_sequence<kIndex...>) {
    return {read_field<T, kIndex>...};
  }

  void read(const ColumnBatch& in, uint32_t begin, uint32_t count, RowBatch<T>& out) {
    static constexpr auto kReaders = readers(std::make_index_sequence<kRowFields<T>>());
    out.ensure_room(count);
    const uint32_t size = out.size();
    T* const to = out.rows() + size;
    for (uint32_t i = 0; i < count; ++i) { new (to + i) T(); }
    out.set_size(size + count);
    for (size_t i = 0; i < kReaders.size(); ++i) {
      if (!kReaders[i](in.view(i), begin, count, to)) [[unlikely]] {
        std::destroy_n(to, count);
        out.set_size(size);
        fail(kReaders[i], in, i, begin, count);
      }
    }
    if constexpr (RowOf<T>::kIsChange) {
      for (uint32_t i = 0; i < count; ++i) { to[i].kind = in.kind(begin + i); }
    }
    if constexpr (has_text_v<T>) {
      out.share_arena(Arena::external(std::make_shared<const BatchRef>(&in)));
    }
    read_times(in, begin, count, out.timestamps() + size);
  }

  void read_times(const ColumnBatch& in, uint32_t begin, uint32_t count, int64_t* times) const {
    if (time_.column < 0) { return static_cast<void>(std::fill_n(times, count, kNoTimestamp)); }
    const ColumnView& column = in.view(static_cast<size_t>(time_.column));
    for (uint32_t i = 0; i < count; ++i) {
      const int64_t units =
          column.is_null(begin + i) ? kNoTimestamp : column.at<int64_t>(begin + i);
      times[i] = units == kNoTimestamp ? units : floor_divide(units, time_.units_per_ms);
    }
  }
  static int64_t floor_divide(int64_t value, int64_t by) {
    return value / by - (value % by < 0 ? 1 : 0);
  }

  // Which row it was.
  [[noreturn]] void fail(Read reader, const ColumnBatch& in, size_t column, uint32_t begin,
                         uint32_t count) {
    T row{};
    uint32_t at = begin;
    while (at + 1 < begin + count && reader(in.view(column), at, 1, &row)) { ++at; }
    throw_user_failure(
        this->context(), "as",
        invalid_argument(ErrorId::kSqlValue,
                         "the value of column '{}' is NULL or out of range, for its field in {}",
                         names_[column], cpp_type_name<T>()),
        "");
  }

  const RowsTime time_;
  const std::vector<std::string> names_;
};

}  // namespace tidewheel::sql
