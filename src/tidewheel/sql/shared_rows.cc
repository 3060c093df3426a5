#include "tidewheel/sql/shared_rows.h"

#include <bit>

#include "tidewheel/types/hash.h"

namespace tidewheel::sql {

template <class Form>
void GatheredColumns::decode(Form& form, std::span<const Text> rows,
                             std::span<const uint32_t> index, std::span<Column* const> columns,
                             uint32_t at, Arena* arena) {
  targets_.assign(columns.size(), nullptr);
  for (size_t c = 0; c < columns.size(); ++c) {
    if (columns[c] == nullptr) { continue; }
    columns_[c].clear();
    targets_[c] = &columns_[c];
  }
  form.decode(rows, targets_, 0, arena);
  for (size_t c = 0; c < columns.size(); ++c) {
    if (columns[c] != nullptr) { gather(columns_[c].view(), index, *columns[c], at); }
  }
}

template <class Form>
void SharedRows::decode_by(Form& form, std::span<const Text> rows, std::span<Column* const> columns,
                           uint32_t at, Arena* arena) {
  if (!find_distinct(rows)) { return form.decode(rows, columns, at, arena); }
  decoded_.decode(form, distinct_, index_, columns, at, arena);
}

template void SharedRows::decode_by(RowBytes&, std::span<const Text>, std::span<Column* const>,
                                    uint32_t, Arena*);
template void SharedRows::decode_by(const RowImages&, std::span<const Text>,
                                    std::span<Column* const>, uint32_t, Arena*);

template <class Form>
void PairedRows::decode(Form& form, size_t begin, size_t count, std::span<Column* const> columns,
                        uint32_t at, Arena* arena) {
  if (is_each_once_) {
    return form.decode(std::span<const Text>(rows_).subspan(begin, count), columns, at, arena);
  }
  decoded_.decode(form, rows_, std::span<const uint32_t>(pairs_).subspan(begin, count), columns, at,
                  arena);
}

template void PairedRows::decode(RowBytes&, size_t, size_t, std::span<Column* const>, uint32_t,
                                 Arena*);
template void PairedRows::decode(const RowImages&, size_t, size_t, std::span<Column* const>,
                                 uint32_t, Arena*);

void PairedRows::keep(const uint8_t* keeps) {
  size_t kept = 0;
  for (size_t i = 0; i < size_; ++i) {
    if (is_each_once_) { rows_[kept] = rows_[i]; }
    pairs_[kept] = is_each_once_ ? static_cast<uint32_t>(kept) : pairs_[i];
    kept += keeps[i];
  }
  size_ = kept;
}

bool SharedRows::find_distinct(std::span<const Text> rows) {
  constexpr size_t kRowsMin = 16;
  if (rows.size() < kRowsMin) { return false; }
  const size_t capacity = std::bit_ceil(rows.size() * 2);
  if (slots_.size() < capacity) { slots_.assign(capacity, Slot()); }
  ++round_;
  const size_t mask = slots_.size() - 1;
  distinct_.clear();
  index_.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const char* const row = rows[i].data();
    size_t place = mix64(reinterpret_cast<uintptr_t>(row)) & mask;
    while (slots_[place].round == round_ && slots_[place].row != row) {
      place = (place + 1) & mask;
    }
    Slot& slot = slots_[place];
    if (slot.round != round_) {
      slot = {row, static_cast<uint32_t>(distinct_.size()), round_};
      distinct_.push_back(rows[i]);
    }
    index_[i] = slot.index;
    // The first rows tell whether it is worth it.
    if (i + 1 == kRowsMin * 4 && distinct_.size() > kRowsMin * 3 + kRowsMin / 2) { return false; }
  }
  return distinct_.size() * 4 <= rows.size() * 3;
}

}  // namespace tidewheel::sql
