#include "tidewheel/sql/shared_rows.h"

#include <bit>

#include "tidewheel/types/hash.h"

namespace tidewheel::sql {

template <class Form>
void SharedRows::decode_found(Form& form, std::span<const Text> rows, size_t begin,
                              std::span<Column* const> columns, uint32_t at, Arena* arena) {
  if (!has_shared_) { return form.decode(rows, columns, at, arena); }
  targets_.assign(columns.size(), nullptr);
  for (size_t c = 0; c < columns.size(); ++c) {
    if (columns[c] == nullptr) { continue; }
    decoded_[c].clear();
    targets_[c] = &decoded_[c];
  }
  form.decode(distinct_, targets_, 0, arena);
  const auto index = std::span<const uint32_t>(index_).subspan(begin, rows.size());
  for (size_t c = 0; c < columns.size(); ++c) {
    if (columns[c] != nullptr) { gather(decoded_[c].view(), index, *columns[c], at); }
  }
}

template void SharedRows::decode_found(RowBytes&, std::span<const Text>, size_t,
                                       std::span<Column* const>, uint32_t, Arena*);
template void SharedRows::decode_found(const RowImages&, std::span<const Text>, size_t,
                                       std::span<Column* const>, uint32_t, Arena*);

void SharedRows::keep(const uint8_t* keeps) {
  if (!has_shared_) { return; }
  size_t kept = 0;
  for (size_t i = 0; i < index_.size(); ++i) {
    index_[kept] = index_[i];
    kept += keeps[i];
  }
  index_.resize(kept);
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
