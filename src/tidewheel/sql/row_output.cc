#include "tidewheel/sql/row_output.h"

#include <algorithm>

#include "tidewheel/sql/column_output.h"

namespace tidewheel::sql {

namespace {

// An input is kept by its rows' reader when at least one of so many rows is sent.
constexpr size_t kKeptPart = 8;
constexpr size_t kFirstRows = 256;

// Rows that nobody reads, of no nested type: values all the same.
void put_zeros(Column& column, uint32_t at, uint32_t count) {
  column.ensure(at + count);
  with_physical(column.physical(),
                [&]<class T>() { std::fill_n(column.values<T>() + at, count, T{}); });
}

// Puts rows `rows` of a column to places `places` of another that has room. Of types that are not
// nested.
void scatter(const ColumnView& from, std::span<const uint32_t> rows, const uint32_t* places,
             Column& to, Arena* arena) {
  with_physical(to.physical(), [&]<class T>() {
    T* const values = to.values<T>();
    const T* const all = from.as<T>();
    const size_t stride = from.is_constant ? 0 : 1;
    for (size_t i = 0; i < rows.size(); ++i) {
      const T& value = all[rows[i] * stride];
      if constexpr (std::is_same_v<T, Text>) {
        values[places[i]] = arena == nullptr ? value : arena->copy(value.view());
      } else {
        values[places[i]] = value;
      }
    }
  });
  if (from.validity == nullptr) { return; }
  for (size_t i = 0; i < rows.size(); ++i) {
    if (from.is_null(rows[i])) { to.set_null(places[i]); }
  }
}

}  // namespace

bool RowOutput::is_flat(const std::vector<LogicalType>& types) {
  return std::none_of(types.begin(), types.end(), [](const LogicalType& type) {
    return type.physical() == Physical::kList || type.physical() == Physical::kStruct;
  });
}

void RowOutput::grow() {
  const size_t size = std::max(kFirstRows, 2 * kinds_.size());
  numbers_.resize(size);
  rows_.resize(size);
  bytes_.resize(size);
  others_.resize(size);
  kinds_.resize(size);
}

void RowOutput::emit(Output<ColumnRow>& output, const ColumnBatch* in) {
  emit_columns(output, output_, size_, [&](ColumnBatch& out, size_t begin, size_t end) {
    const auto own = std::span<const Text>(bytes_).subspan(begin, end - begin);
    const auto other = std::span<const Text>(others_).subspan(begin, end - begin);
    const uint32_t* const rows = rows_.data() + begin;
    const auto kinds = std::span<const RowKind>(kinds_).subspan(begin, end - begin);
    const bool adds_only = std::all_of(kinds.begin(), kinds.end(),
                                       [](RowKind kind) { return kind == RowKind::kInsert; });
    if (!adds_only || out.kinds() != nullptr) { put_kinds(out, kinds); }
    // Not by what this batch has room for: what is left of it for the next one is kept as well.
    const bool keeps_input = in != nullptr && size_ * kKeptPart >= in->size();
    if (keeps_input) { out.keep(*in); }
    if (bytes_arena_ && has_bytes_) { out.share_arena(bytes_arena_); }
    for (const RowImages* const images : images_) {
      if (images != nullptr) { images->share_tables(out); }
    }
    fill_side(0, from_left_ ? own : other, from_left_ ? rows : nullptr, in, keeps_input, out);
    if (has_number_) {
      Column& numbers = out.column(left_count_);
      numbers.ensure(out.size() + static_cast<uint32_t>(end - begin));
      std::copy(numbers_.data() + begin, numbers_.data() + end,
                numbers.values<int64_t>() + out.size());
    }
    if (has_right_) {
      fill_side(1, from_left_ ? other : own, from_left_ ? nullptr : rows, in, keeps_input, out);
      copy_left_out(0, from_left_ ? own : other, from_left_ ? rows : nullptr, out);
      copy_left_out(1, from_left_ ? other : own, from_left_ ? nullptr : rows, out);
    }
  });
  size_ = 0;
  has_bytes_ = false;
  bytes_arena_ = ArenaRef();
}

// What the images of a side do not have, behind the rows of the batch.
void RowOutput::copy_left_out(size_t side, std::span<const Text> bytes, const uint32_t* rows,
                              ColumnBatch& out) {
  if (left_out_[side].column < 0) { return; }
  const size_t first = side == 0 ? 0 : left_count_;
  const size_t other_first = side == 0 ? left_count_ : 0;
  Column& to = out.column(first + static_cast<size_t>(left_out_[side].column));
  Column& from = out.column(other_first + static_cast<size_t>(left_out_[side].same));
  const uint32_t at = out.size();
  to.ensure(at + static_cast<uint32_t>(bytes.size()));
  with_physical(to.physical(), [&]<class T>() {
    T* const values = to.values<T>() + at;
    const T* const same = from.values<T>() + at;
    for (size_t i = 0; i < bytes.size(); ++i) {
      const bool is_row = rows != nullptr && rows[i] != kNoRow;
      if (!is_row && !bytes[i].empty()) { values[i] = same[i]; }
    }
  });
}

// Which of the rows are of the input, bytes, or NULLs, and where they go: behind place `at`. Forms
// come in no order, so that no jump depends on them.
void RowOutput::sort_forms(std::span<const Text> bytes, const uint32_t* rows, uint32_t at) {
  const size_t count = bytes.size();
  if (row_places_.size() < count) {
    row_places_.resize(count);
    row_numbers_.resize(count);
    byte_places_.resize(count);
    byte_rows_.resize(count);
  }
  null_places_.clear();
  size_t row_count = 0;
  size_t byte_count = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t place = at + static_cast<uint32_t>(i);
    const uint32_t row = rows == nullptr ? kNoRow : rows[i];
    const bool is_row = row != kNoRow;
    const bool is_bytes = !is_row & !bytes[i].empty();
    row_places_[row_count] = place;
    row_numbers_[row_count] = row;
    row_count += is_row ? 1 : 0;
    byte_places_[byte_count] = place;
    byte_rows_[byte_count] = bytes[i];
    byte_count += is_bytes ? 1 : 0;
    if (!is_row & !is_bytes) [[unlikely]] { null_places_.push_back(place); }
  }
  row_count_ = row_count;
  byte_count_ = byte_count;
}

// ---- Pairs.

void RowOutput::leave_unread(const std::vector<bool>& is_read) {
  is_read_ = is_read;
  if (is_read_.empty()) { return; }
  for (size_t c = 0; c < is_read_.size(); ++c) {
    const Physical physical = output_[c].physical();
    is_read_[c] = is_read_[c] || physical == Physical::kList || physical == Physical::kStruct;
  }
  for (size_t side = 0; side < 2; ++side) {
    const LeftOut& left_out = left_out_[side];
    if (left_out.column < 0) { continue; }
    const size_t column = first_of(side) + static_cast<size_t>(left_out.column);
    const size_t same = first_of(1 - side) + static_cast<size_t>(left_out.same);
    is_read_[same] = is_read_[same] || is_read_[column];
  }
}

void RowOutput::decode_others(std::span<Column* const> columns) {
  const size_t side = from_left_ ? 1 : 0;
  with_form(side,
            [&](auto& form) { others_of_pairs().decode(form, 0, size_, columns, 0, nullptr); });
}

void RowOutput::keep_pairs(const uint8_t* keeps) {
  others_of_pairs().keep(keeps);
  size_t kept = 0;
  for (size_t i = 0; i < size_; ++i) {
    rows_[kept] = rows_[i];
    kept += keeps[i];
  }
  size_ = kept;
}

void RowOutput::emit_pairs(Output<ColumnRow>& output, const ColumnBatch& in) {
  emit_columns(output, output_, size_,
               [&](ColumnBatch& out, size_t begin, size_t end) { put_pairs(begin, end, in, out); });
  size_ = 0;
  others_of_pairs().clear();
}

// Puts pairs [begin, end) behind the rows of the batch.
void RowOutput::put_pairs(size_t begin, size_t end, const ColumnBatch& in, ColumnBatch& out) {
  const size_t own = from_left_ ? 0 : 1;
  const auto rows = std::span<const uint32_t>(rows_).subspan(begin, end - begin);
  const uint32_t at = out.size();
  const auto count = static_cast<uint32_t>(rows.size());
  if (out.kinds() != nullptr) { std::fill_n(out.make_kinds(at + count) + at, count, RowKind{}); }
  const bool keeps_input = size_ * kKeptPart >= in.size();
  if (keeps_input) { out.keep(in); }
  for (const RowImages* const images : images_) {
    if (images != nullptr) { images->share_tables(out); }
  }
  byte_columns_.clear();
  for (size_t c = 0; c < output_.size(); ++c) {
    Column& column = out.column(c);
    const bool is_own = (c < left_count_) == (own == 0);
    if (!is_own) { byte_columns_.push_back(is_unread(c) ? nullptr : &column); }
    if (is_unread(c)) {
      put_zeros(column, at, count);
    } else if (is_own) {
      gather(in.view(c - first_of(own)), rows, column, at, keeps_input ? nullptr : &out.arena());
    }
  }
  const LeftOut& left_out = left_out_[1 - own];
  if (left_out.column >= 0) { byte_columns_[static_cast<size_t>(left_out.column)] = nullptr; }
  with_form(1 - own, [&](auto& form) {
    others_of_pairs().decode(form, begin, count, byte_columns_, at, &out.arena());
  });
  if (left_out.column < 0) { return; }
  const size_t column = first_of(1 - own) + static_cast<size_t>(left_out.column);
  if (is_unread(column)) { return; }
  Column& same = out.column(first_of(own) + static_cast<size_t>(left_out.same));
  copy_rows(same.view(), at, at + count, out.column(column), at);
}

// Rows of several forms, form by form.
void RowOutput::scatter_side(size_t side, std::span<const Text> bytes, const uint32_t* rows,
                             const ColumnBatch* in, bool keeps_input, ColumnBatch& out) {
  const uint32_t end = out.size() + static_cast<uint32_t>(bytes.size());
  for (Column* const column : columns_) { column->ensure(end); }
  sort_forms(bytes, rows, out.size());
  for (const uint32_t place : null_places_) {
    for (Column* const column : columns_) { column->set_null(place); }
  }
  if (byte_count_ > 0) {
    Arena* const arena = bytes_arena_ ? nullptr : &out.arena();
    const auto byte_rows = std::span<const Text>(byte_rows_).first(byte_count_);
    if (images_[side] != nullptr) {
      images_[side]->decode_to(byte_rows, byte_columns_, byte_places_.data(), arena);
    } else {
      sides_[side].decode_to(byte_rows, columns_, byte_places_.data(), arena);
    }
  }
  const auto row_numbers = std::span<const uint32_t>(row_numbers_).first(row_count_);
  for (size_t c = 0; row_count_ > 0 && c < columns_.size(); ++c) {
    scatter(in->view(c), row_numbers, row_places_.data(), *columns_[c],
            keeps_input ? nullptr : &out.arena());
  }
}

// In runs of rows of one form.
void RowOutput::fill_side(size_t side, std::span<const Text> bytes, const uint32_t* rows,
                          const ColumnBatch* in, bool keeps_input, ColumnBatch& out) {
  enum class Form : uint8_t { kRow, kBytes, kNull };
  const auto form_of = [&](size_t i) {
    if (rows != nullptr && rows[i] != kNoRow) { return Form::kRow; }
    return bytes[i].empty() ? Form::kNull : Form::kBytes;
  };
  const size_t first = side == 0 ? 0 : left_count_;
  const size_t count = sides_[side].types().size();
  columns_.clear();
  for (size_t c = 0; c < count; ++c) { columns_.push_back(&out.column(first + c)); }
  byte_columns_ = columns_;
  if (left_out_[side].column >= 0) {
    byte_columns_[static_cast<size_t>(left_out_[side].column)] = nullptr;
  }
  for (size_t begin = 0; begin < bytes.size();) {
    const Form form = form_of(begin);
    size_t end = begin + 1;
    while (end < bytes.size() && form_of(end) == form) { ++end; }
    if (begin == 0 && end < bytes.size() && is_flat_[side]) {
      return scatter_side(side, bytes, rows, in, keeps_input, out);
    }
    const uint32_t at = out.size() + static_cast<uint32_t>(begin);
    if (form == Form::kBytes) {
      const auto run = bytes.subspan(begin, end - begin);
      Arena* const arena = bytes_arena_ ? nullptr : &out.arena();
      if (images_[side] != nullptr) {
        shared_[side].decode(*images_[side], run, byte_columns_, at, arena);
      } else {
        shared_[side].decode(sides_[side], run, columns_, at, arena);
      }
    } else if (form == Form::kRow) {
      for (size_t c = 0; c < count; ++c) {
        gather(in->view(c), std::span(rows + begin, end - begin), *columns_[c], at,
               keeps_input ? nullptr : &out.arena());
      }
    } else {
      for (Column* const column : columns_) {
        for (size_t i = 0; i < end - begin; ++i) {
          column->set_null(at + static_cast<uint32_t>(i));
          if (column->physical() == Physical::kList) {
            uint32_t* const offsets = column->offsets();
            offsets[at + i] = offsets[at + i + 1] = column->child_rows();
          }
        }
      }
    }
    begin = end;
  }
}

}  // namespace tidewheel::sql
