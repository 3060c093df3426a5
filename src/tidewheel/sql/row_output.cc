#include "tidewheel/sql/row_output.h"

#include <algorithm>

#include "tidewheel/sql/column_output.h"

namespace tidewheel::sql {

namespace {

// An input is kept by its rows' reader when at least one of so many rows is sent.
constexpr size_t kKeptPart = 8;

// Puts rows `rows` of a column to places `places` of another that has room. Of types that are not
// nested.
void scatter(const ColumnView& from, std::span<const uint32_t> rows, const uint32_t* places,
             Column& to, Arena* arena) {
  with_physical(to.physical(), [&]<class T>() {
    T* const values = to.values<T>();
    for (size_t i = 0; i < rows.size(); ++i) {
      const T& value = from.at<T>(rows[i]);
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

void RowOutput::keep(const uint8_t* keeps) {
  size_t kept = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    rows_[kept] = rows_[i];
    bytes_[kept] = bytes_[i];
    others_[kept] = others_[i];
    kinds_[kept] = kinds_[i];
    kept += keeps[i];
  }
  rows_.resize(kept);
  bytes_.resize(kept);
  others_.resize(kept);
  kinds_.resize(kept);
}

void RowOutput::emit(Output<ColumnRow>& output, const ColumnBatch* in) {
  emit_columns(output, output_, kinds_.size(), [&](ColumnBatch& out, size_t begin, size_t end) {
    const auto own = std::span<const Text>(bytes_).subspan(begin, end - begin);
    const auto other = std::span<const Text>(others_).subspan(begin, end - begin);
    const uint32_t* const rows = rows_.data() + begin;
    const auto kinds = std::span<const RowKind>(kinds_).subspan(begin, end - begin);
    const bool adds_only = std::all_of(kinds.begin(), kinds.end(),
                                       [](RowKind kind) { return kind == RowKind::kInsert; });
    if (!adds_only || out.kinds() != nullptr) { put_kinds(out, kinds); }
    const bool keeps_input = in != nullptr && (end - begin) * kKeptPart >= in->size();
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
    }
  });
  rows_.clear();
  bytes_.clear();
  others_.clear();
  kinds_.clear();
  numbers_.clear();
  has_bytes_ = false;
  bytes_arena_ = ArenaRef();
}

// Rows of several forms, form by form.
void RowOutput::scatter_side(size_t side, std::span<const Text> bytes, const uint32_t* rows,
                             const ColumnBatch* in, bool keeps_input, ColumnBatch& out) {
  row_places_.clear();
  row_numbers_.clear();
  byte_places_.clear();
  byte_rows_.clear();
  const uint32_t end = out.size() + static_cast<uint32_t>(bytes.size());
  for (Column* const column : columns_) { column->ensure(end); }
  for (size_t i = 0; i < bytes.size(); ++i) {
    const uint32_t place = out.size() + static_cast<uint32_t>(i);
    if (rows != nullptr && rows[i] != kNoRow) {
      row_places_.push_back(place);
      row_numbers_.push_back(rows[i]);
    } else if (!bytes[i].empty()) {
      byte_places_.push_back(place);
      byte_rows_.push_back(bytes[i]);
    } else {
      for (Column* const column : columns_) { column->set_null(place); }
    }
  }
  if (!byte_rows_.empty()) {
    Arena* const arena = bytes_arena_ ? nullptr : &out.arena();
    if (images_[side] != nullptr) {
      images_[side]->decode_to(byte_rows_, columns_, byte_places_.data(), arena);
    } else {
      sides_[side].decode_to(byte_rows_, columns_, byte_places_.data(), arena);
    }
  }
  for (size_t c = 0; !row_numbers_.empty() && c < columns_.size(); ++c) {
    scatter(in->view(c), row_numbers_, row_places_.data(), *columns_[c],
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
        shared_[side].decode(*images_[side], run, columns_, at, arena);
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
