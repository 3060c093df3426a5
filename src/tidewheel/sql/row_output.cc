#include "tidewheel/sql/row_output.h"

#include <algorithm>

#include "tidewheel/sql/column_output.h"

namespace tidewheel::sql {

namespace {

// An input is kept by its rows' reader when at least one of so many rows is sent.
constexpr size_t kKeptPart = 8;

}  // namespace

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
    const uint32_t at = out.size() + static_cast<uint32_t>(begin);
    if (form == Form::kBytes) {
      sides_[side].decode(bytes.subspan(begin, end - begin), columns_, at,
                          bytes_arena_ ? nullptr : &out.arena());
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
