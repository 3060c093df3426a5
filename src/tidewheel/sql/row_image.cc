#include "tidewheel/sql/row_image.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

#include "tidewheel/base/check.h"
#include "tidewheel/dataflow/batch.h"
#include "tidewheel/types/varint.h"

namespace tidewheel::sql {
namespace {

constexpr uint32_t kSlotBytes = 8;  // of a string
constexpr uint32_t kNarrowSlotBytes = 6;
constexpr uint32_t kNarrowNumberBytes = 4;
constexpr uint32_t kNarrowTimeBytes = 6;
constexpr uint64_t kNarrowPlaces = uint64_t{1} << 32;
constexpr uint16_t kNarrowInImage = 1U << 15;
constexpr uint32_t kAddressBits = 48;
constexpr uint64_t kAddressMask = (uint64_t{1} << kAddressBits) - 1;
constexpr size_t kLastingBytesMax = (1U << 15) - 1;  // what a slot has room for
constexpr uint64_t kInImage = uint64_t{1} << 63;

bool may_be_null(const LogicalType& type) { return type.nullable || type.kind == TypeKind::kNull; }

size_t varint_bytes(uint64_t value) {
  return (static_cast<size_t>(64 - std::countl_zero(value | 1)) + 6) / 7;
}
char* put_text(char* to, const Text& text) {
  uint64_t size = text.size();
  for (; size >= 0x80; size >>= 7) { *to++ = static_cast<char>(size | 0x80); }
  *to++ = static_cast<char>(size);
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}
// Moves `from` behind the number; false when it would pass `end`.
bool get_varint(const char*& from, const char* end, uint64_t& value) {
  value = 0;
  for (uint32_t shift = 0; from != end && shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(*from++);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) { return true; }
  }
  return false;
}

template <class T>
T load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

uint64_t lasting_slot(const Text& text) {
  return uint64_t{text.size()} << kAddressBits | reinterpret_cast<uintptr_t>(text.data());
}
// A string in an image.
Text text_inside(const char* from) {
  uint64_t size = 0;
  for (uint32_t shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(*from++);
    size |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) { break; }
  }
  return {from, size};
}

// Puts the lowest `bytes` bytes of a number, of which images have 4, 6 or 8.
void put_number(char* to, uint64_t value, uint32_t bytes) {
  const auto low = static_cast<uint32_t>(value);
  std::memcpy(to, &low, sizeof(low));
  const auto high = static_cast<uint32_t>(value >> 32);
  if (bytes == 6) {
    std::memcpy(to + sizeof(low), &high, 2);
  } else if (bytes == 8) {
    std::memcpy(to + sizeof(low), &high, sizeof(high));
  }
}
uint64_t get_number(const char* from, uint32_t bytes) {
  const uint64_t low = load<uint32_t>(from);
  if (bytes == 4) { return low; }
  if (bytes == 6) { return low | uint64_t{load<uint16_t>(from + 4)} << 32; }
  return load<uint64_t>(from);
}
uint64_t narrow_slot(uint64_t place, size_t size) { return place | uint64_t{size} << 32; }

bool is_null_at(const char* image, size_t column) {
  return (static_cast<unsigned char>(image[column / 8]) >> (column % 8) & 1) != 0;
}
void mark_null(char* image, size_t column) {
  image[column / 8] = static_cast<char>(image[column / 8] | 1 << (column % 8));
}

}  // namespace

bool RowImages::can_hold(const std::vector<LogicalType>& types) {
  return std::none_of(types.begin(), types.end(), [](const LogicalType& type) {
    return type.physical() == Physical::kList || type.physical() == Physical::kStruct;
  });
}

RowImages::RowImages(std::vector<LogicalType> types) {
  for (LogicalType& type : types) {
    Slot slot;
    slot.physical = type.physical();
    slot.is_nullable = may_be_null(type);
    slot.bytes = static_cast<uint32_t>(physical_bytes(slot.physical));
    has_strings_ |= slot.physical == Physical::kText;
    slot.type = std::move(type);
    slots_.push_back(std::move(slot));
  }
  place_slots();
}

void RowImages::place_slots() {
  uint32_t saved = 0;
  bool has_flags = false;
  for (Slot& slot : slots_) {
    uint32_t wide = slot.physical == Physical::kText ? kSlotBytes : slot.bytes;
    uint32_t narrow = wide;
    if (slot.physical == Physical::kText) { narrow = kNarrowSlotBytes; }
    if (slot.physical == Physical::kInt64) {
      narrow = slot.type.kind == TypeKind::kBigint ? kNarrowNumberBytes : kNarrowTimeBytes;
    }
    if (slot.is_left_out) { wide = narrow = 0; }
    slot.kept_bytes[0] = wide;
    slot.kept_bytes[1] = narrow;
    saved += wide - narrow;
    has_flags |= slot.is_nullable;
  }
  const size_t flags = slots_.size() + (saved > 1 ? 1 : 0);
  flag_bytes_ = has_flags || saved > 1 ? static_cast<uint32_t>((flags + 7) / 8) : 0;
  form_byte_ = saved > 1 ? static_cast<uint32_t>(slots_.size() / 8) : 0;
  form_bit_ = static_cast<unsigned char>(saved > 1 ? 1U << (slots_.size() % 8) : 0);
  for (size_t form = 0; form < kForms; ++form) {
    uint32_t at = flag_bytes_;
    for (Slot& slot : slots_) {
      slot.at[form] = at;
      at += slot.kept_bytes[form];
    }
    fixed_bytes_[form] = std::max<uint32_t>(at, 1);  // an image is never empty
  }
}

void RowImages::leave_out(size_t column) {
  Slot& slot = slots_[column];
  TIDEWHEEL_CHECK(slot.bytes <= sizeof(int64_t) && slot.physical != Physical::kText,
                  "a column that is no number is left out of images");
  slot.is_left_out = true;
  leaves_out_any_ = true;
  place_slots();
}

// Which rows have narrow images: those with 0 in wide_. Mostly all of them, which a look at all
// values between the first and the last row tells, wanted or not.
void RowImages::choose_forms(std::span<const ColumnView> columns, std::span<const uint32_t> rows) {
  const bool has_room = tables_.empty() || end_of(tables_.back()) <= kNarrowPlaces;
  wide_.assign(rows.size(), form_bit_ != 0 && has_room ? 0 : 1);
  if (form_bit_ == 0 || rows.empty()) { return; }
  uint32_t first = rows[0];
  uint32_t last = rows[0];
  for (const uint32_t row : rows) {
    first = std::min(first, row);
    last = std::max(last, row);
  }
  constexpr size_t kSparse = 4;
  const bool is_dense = last - first < kSparse * rows.size();
  for (size_t c = 0; c < slots_.size(); ++c) {
    const Slot& slot = slots_[c];
    if (slot.physical != Physical::kInt64 || slot.is_left_out) { continue; }
    const uint32_t bits = 8 * slot.kept_bytes[1];
    const auto* const values = columns[c].as<uint64_t>();
    const size_t stride = columns[c].is_constant ? 0 : 1;
    if (is_dense) {
      uint64_t any = values[first * stride];
      for (size_t row = first; stride != 0 && row <= last; ++row) { any |= values[row]; }
      if (any >> bits == 0) { continue; }
    }
    for (size_t i = 0; i < rows.size(); ++i) { wide_[i] |= values[rows[i] * stride] >> bits; }
  }
}

void RowImages::see_tables(const Batch& batch) {
  const size_t before = lasting_.arenas().size();
  for (const ArenaRef& arena : batch.shared_arenas()) { lasting_.keep(arena); }
  for (size_t i = before; i < lasting_.arenas().size(); ++i) {
    lasting_.arenas()[i]->for_each_chunk([this](const char* bytes, size_t size) {
      const auto begin = reinterpret_cast<uintptr_t>(bytes);
      if ((begin + size) >> kAddressBits != 0) { return; }
      tables_.push_back({begin, size, tables_.empty() ? 0 : end_of(tables_.back())});
    });
  }
}

void RowImages::share_tables(Batch& batch) const {
  for (const ArenaRef& arena : lasting_.arenas()) {
    const std::vector<ArenaRef>& shared = batch.shared_arenas();
    if (std::find(shared.begin(), shared.end(), arena) == shared.end()) {
      batch.share_arena(arena);
    }
  }
}

// The table that a narrow image points into.
const RowImages::Found& RowImages::table_at(uint64_t place) const {
  const auto behind =
      std::upper_bound(tables_.begin(), tables_.end(), place,
                       [](uint64_t wanted, const Found& table) { return wanted < table.base; });
  return *(behind - 1);
}

// Strings of a column are mostly of one table.
inline bool RowImages::is_lasting(const Text& text, Found& found) const {
  if (text.size() > kLastingBytesMax) { return false; }
  const auto address = reinterpret_cast<uintptr_t>(text.data());
  if (address - found.begin < found.size) [[likely]] { return true; }
  for (const Found& table : tables_) {
    if (address - table.begin < table.size) {
      found = table;
      return true;
    }
  }
  return false;
}

void RowImages::encode(std::span<const ColumnView> columns, std::span<const uint32_t> rows,
                       Arena& arena, Text* out) {
  static_cast<void>(sizes(columns, rows));
  char* at = arena.allocate(std::accumulate(sizes_.begin(), sizes_.end(), size_t{0}));
  images_.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    out[i] = Text(at, sizes_[i]);
    images_[i] = at;
    at += sizes_[i];
  }
  write(columns, rows, images_.data());
}

std::span<const uint32_t> RowImages::sizes(std::span<const ColumnView> columns,
                                           std::span<const uint32_t> rows) {
  TIDEWHEEL_DCHECK(columns.size() == slots_.size());
  choose_forms(columns, rows);
  sizes_.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) { sizes_[i] = fixed_bytes_[wide_[i] == 0 ? 1 : 0]; }
  for (size_t c = 0; c < slots_.size(); ++c) {
    if (slots_[c].physical != Physical::kText) { continue; }
    Found found;
    for (size_t i = 0; i < rows.size(); ++i) {
      const Text& text = columns[c].at<Text>(rows[i]);
      if (is_lasting(text, found) || text.empty()) { continue; }
      sizes_[i] += static_cast<uint32_t>(varint_bytes(text.size()) + text.size());
    }
  }
  return sizes_;
}

void RowImages::write(std::span<const ColumnView> columns, std::span<const uint32_t> rows,
                      char* const* to) {
  choose_forms(columns, rows);
  tails_.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool is_narrow = wide_[i] == 0;
    tails_[i] = to[i] + fixed_bytes_[is_narrow ? 1 : 0];
    for (uint32_t flag = 0; flag < flag_bytes_; ++flag) { to[i][flag] = 0; }
    if (is_narrow) { to[i][form_byte_] = static_cast<char>(form_bit_); }
  }
  for (size_t c = 0; c < slots_.size(); ++c) {
    if (slots_[c].is_left_out) { continue; }
    write_column(slots_[c], columns[c], rows, to);
    if (!slots_[c].is_nullable || columns[c].validity == nullptr) { continue; }
    for (size_t i = 0; i < rows.size(); ++i) {
      if (columns[c].is_null(rows[i])) { mark_null(to[i], c); }
    }
  }
}

// Rows of narrow images, which nearly all are, have loops that look at no form.
void RowImages::write_column(const Slot& slot, const ColumnView& column,
                             std::span<const uint32_t> rows, char* const* to) {
  const bool all_narrow =
      std::all_of(wide_.begin(), wide_.end(), [](uint64_t wide) { return wide == 0; });
  const uint32_t narrow_at = slot.at[1];
  Found found;
  const auto write_text = [&](const Text& value, size_t i) {
    const uint64_t place = reinterpret_cast<uintptr_t>(value.data()) - found.begin;
    if (all_narrow && value.size() - 1 < kLastingBytesMax && place < found.size) [[likely]] {
      return put_number(to[i] + narrow_at, narrow_slot(found.base + place, value.size()),
                        kNarrowSlotBytes);
    }
    const bool is_narrow = wide_[i] == 0;
    uint64_t kept = 0;
    if (!value.empty() && is_lasting(value, found)) {
      const auto address = reinterpret_cast<uintptr_t>(value.data());
      kept = is_narrow ? narrow_slot(found.base + (address - found.begin), value.size())
                       : lasting_slot(value);
    } else if (!value.empty()) {
      const auto inside = static_cast<uint64_t>(tails_[i] - to[i]);
      kept = is_narrow ? narrow_slot(inside, kNarrowInImage) : kInImage | inside;
      tails_[i] = put_text(tails_[i], value);
    }
    put_number(to[i] + slot.at[is_narrow ? 1 : 0], kept, slot.kept_bytes[is_narrow ? 1 : 0]);
  };
  with_physical(slot.physical, [&]<class T>() {
    constexpr bool kIsLong = sizeof(T) == sizeof(uint64_t) && std::is_integral_v<T>;
    if constexpr (std::is_same_v<T, Text>) {
      for (size_t i = 0; i < rows.size(); ++i) { write_text(column.at<T>(rows[i]), i); }
    } else if (kIsLong && all_narrow && slot.kept_bytes[1] == kNarrowNumberBytes) {
      for (size_t i = 0; i < rows.size(); ++i) {
        const auto value = static_cast<uint32_t>(column.at<T>(rows[i]));
        std::memcpy(to[i] + narrow_at, &value, sizeof(value));
      }
    } else {
      for (size_t i = 0; i < rows.size(); ++i) {
        const T value = column.at<T>(rows[i]);
        const size_t form = wide_[i] == 0 ? 1 : 0;
        char* const at = to[i] + slot.at[form];
        if constexpr (kIsLong) {
          put_number(at, static_cast<uint64_t>(value), slot.kept_bytes[form]);
        } else {
          std::memcpy(at, &value, sizeof(T));
        }
      }
    }
  });
}

Text RowImages::text_of(const char* image, const Slot& slot, bool is_narrow, Found& found,
                        bool& is_inside) const {
  const char* const at = image + slot.at[is_narrow ? 1 : 0];
  if (is_narrow) {
    const uint64_t kept = get_number(at, kNarrowSlotBytes);
    const auto size = static_cast<uint16_t>(kept >> 32);
    const uint64_t place = static_cast<uint32_t>(kept);
    is_inside = size == kNarrowInImage;
    if (is_inside) { return text_inside(image + place); }
    if (size == 0) { return {}; }
    if (place - found.base >= found.size) { found = table_at(place); }
    return {reinterpret_cast<const char*>(found.begin + (place - found.base)), size};
  }
  const auto kept = load<uint64_t>(at);
  is_inside = (kept & kInImage) != 0;
  if (is_inside) { return text_inside(image + static_cast<uint32_t>(kept)); }
  if (kept == 0) { return {}; }
  return {reinterpret_cast<const char*>(kept & kAddressMask), kept >> kAddressBits};
}

template <class T>
T RowImages::number_of(const char* image, const Slot& slot, bool is_narrow) const {
  const char* const at = image + slot.at[is_narrow ? 1 : 0];
  if constexpr (sizeof(T) == sizeof(uint64_t) && std::is_integral_v<T>) {
    return static_cast<T>(get_number(at, slot.kept_bytes[is_narrow ? 1 : 0]));
  } else {
    return load<T>(at);
  }
}

// Rows of narrow images, which nearly all are, have loops that look at no form.
template <class T, class PlaceOf>
void RowImages::decode_column(std::span<const Text> rows, size_t index, Column& to, Arena* arena,
                              PlaceOf place_of) const {
  const Slot& slot = slots_[index];
  T* const values = to.values<T>();
  const bool all_narrow =
      form_bit_ != 0 &&
      std::all_of(rows.begin(), rows.end(), [&](const Text& row) { return is_narrow(row.data()); });
  if constexpr (std::is_same_v<T, Text>) {
    Found found;
    for (size_t i = 0; i < rows.size(); ++i) {
      const char* const image = rows[i].data();
      if (all_narrow) {
        const uint64_t place = load<uint32_t>(image + slot.at[1]) - found.base;
        const uint32_t size = load<uint16_t>(image + slot.at[1] + sizeof(uint32_t));
        // A string of the table at hand, which is neither empty nor in the image.
        if (size - 1 < kLastingBytesMax && place < found.size) [[likely]] {
          values[place_of(i)] = Text(reinterpret_cast<const char*>(found.begin + place), size);
          continue;
        }
      }
      bool is_inside = false;
      const Text text = text_of(image, slot, is_narrow(image), found, is_inside);
      values[place_of(i)] = is_inside && arena != nullptr ? arena->copy(text.view()) : text;
    }
    return;
  } else if constexpr (sizeof(T) == sizeof(uint64_t) && std::is_integral_v<T>) {
    if (all_narrow && slot.kept_bytes[1] == kNarrowNumberBytes) {
      for (size_t i = 0; i < rows.size(); ++i) {
        values[place_of(i)] = static_cast<T>(load<uint32_t>(rows[i].data() + slot.at[1]));
      }
      return;
    }
    if (all_narrow && slot.kept_bytes[1] == kNarrowTimeBytes) {
      for (size_t i = 0; i < rows.size(); ++i) {
        const char* const at = rows[i].data() + slot.at[1];
        values[place_of(i)] = static_cast<T>(get_number(at, kNarrowTimeBytes));
      }
      return;
    }
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const char* const image = rows[i].data();
    values[place_of(i)] = number_of<T>(image, slot, is_narrow(image));
  }
}

template <class PlaceOf>
void RowImages::decode_columns(std::span<const Text> rows, std::span<Column* const> columns,
                               uint32_t end, Arena* arena, PlaceOf place_of) const {
  TIDEWHEEL_DCHECK(columns.size() == slots_.size());
  // Mostly there is no NULL, and one look for all columns tells.
  uint32_t nulls = 0;
  for (uint32_t byte = 0; byte < flag_bytes_; ++byte) {
    const uint32_t is_form = byte == form_byte_ ? form_bit_ : 0;
    for (const Text& row : rows) { nulls |= static_cast<unsigned char>(row[byte]) & ~is_form; }
  }
  for (size_t c = 0; c < slots_.size(); ++c) {
    if (columns[c] == nullptr || slots_[c].is_left_out) { continue; }
    Column& to = *columns[c];
    to.ensure(end);
    with_physical(slots_[c].physical,
                  [&]<class T>() { decode_column<T>(rows, c, to, arena, place_of); });
    if (!slots_[c].is_nullable || nulls == 0) { continue; }
    for (size_t i = 0; i < rows.size(); ++i) {
      if (is_null_at(rows[i].data(), c)) { to.set_null(place_of(i)); }
    }
  }
}

void RowImages::decode(std::span<const Text> rows, std::span<Column* const> columns, uint32_t at,
                       Arena* arena) const {
  decode_columns(rows, columns, at + static_cast<uint32_t>(rows.size()), arena,
                 [at](size_t i) { return at + static_cast<uint32_t>(i); });
}

void RowImages::decode_to(std::span<const Text> rows, std::span<Column* const> columns,
                          const uint32_t* places, Arena* arena) const {
  uint32_t end = 0;
  for (size_t i = 0; i < rows.size(); ++i) { end = std::max(end, places[i] + 1); }
  decode_columns(rows, columns, end, arena, [places](size_t i) { return places[i]; });
}

Text RowImages::to_bytes(const Text& image) {
  bytes_.clear();
  const bool narrow = is_narrow(image.data());
  Found found;
  for (size_t c = 0; c < slots_.size(); ++c) {
    const Slot& slot = slots_[c];
    if (slot.is_nullable) {
      const bool is_null = !slot.is_left_out && is_null_at(image.data(), c);
      bytes_ += is_null ? '\0' : '\1';
      if (is_null) { continue; }
    }
    if (slot.is_left_out) {
      bytes_.append(reinterpret_cast<const char*>(&key_), slot.bytes);  // little-endian
    } else if (slot.physical == Physical::kText) {
      bool is_inside = false;
      const Text text = text_of(image.data(), slot, narrow, found, is_inside);
      append_varint(bytes_, text.size());
      bytes_.append(text.data(), text.size());
    } else if (slot.physical == Physical::kInt64) {
      const auto value = number_of<int64_t>(image.data(), slot, narrow);
      bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    } else {
      bytes_.append(image.data() + slot.at[narrow ? 1 : 0], slot.bytes);
    }
  }
  if (slots_.empty()) { bytes_ += '\0'; }
  return bytes_;
}

// Calls on_null(column) and on_value(column, Text) for the values of a row; false when the bytes
// are not one.
template <class OnNull, class OnValue>
bool RowImages::walk(std::string_view bytes, OnNull on_null, OnValue on_value) const {
  const char* from = bytes.data();
  const char* const end = from + bytes.size();
  for (size_t c = 0; c < slots_.size(); ++c) {
    const Slot& slot = slots_[c];
    if (slot.is_nullable) {
      if (from == end) { return false; }
      if (*from++ == '\0') {
        on_null(c);
        continue;
      }
    }
    uint64_t size = slot.bytes;
    if (slot.physical == Physical::kText && !get_varint(from, end, size)) { return false; }
    if (size > static_cast<size_t>(end - from)) { return false; }
    on_value(c, Text(from, size));
    from += size;
  }
  return from == end || slots_.empty();
}

// Whether the row has a narrow image; its strings are in the image.
bool RowImages::fits_narrow(std::string_view bytes) const {
  bool fits = form_bit_ != 0;
  walk(
      bytes, [](size_t) {},
      [&](size_t c, const Text& value) {
        const Slot& slot = slots_[c];
        if (slot.physical != Physical::kInt64 || slot.is_left_out) { return; }
        fits = fits && load<uint64_t>(value.data()) >> (8 * slot.kept_bytes[1]) == 0;
      });
  return fits;
}

uint32_t RowImages::image_size(std::string_view bytes) const {
  size_t size = fixed_bytes_[fits_narrow(bytes) ? 1 : 0];
  const bool is_row = walk(
      bytes, [](size_t) {},
      [&](size_t c, const Text& value) {
        if (slots_[c].physical != Physical::kText || value.empty()) { return; }
        size += varint_bytes(value.size()) + value.size();
      });
  return is_row ? static_cast<uint32_t>(size) : 0;
}

void RowImages::write_image(std::string_view bytes, char* to) const {
  const bool is_narrow = fits_narrow(bytes);
  const size_t form = is_narrow ? 1 : 0;
  std::memset(to, 0, fixed_bytes_[form]);
  if (is_narrow) { to[form_byte_] = static_cast<char>(form_bit_); }
  char* tail = to + fixed_bytes_[form];
  walk(
      bytes, [&](size_t c) { mark_null(to, c); },
      [&](size_t c, const Text& value) {
        const Slot& slot = slots_[c];
        char* const at = to + slot.at[form];
        if (slot.is_left_out) { return; }
        if (slot.physical == Physical::kInt64) {
          put_number(at, load<uint64_t>(value.data()), slot.kept_bytes[form]);
        } else if (slot.physical != Physical::kText) {
          std::memcpy(at, value.data(), value.size());
        } else if (!value.empty()) {
          const auto place = static_cast<uint64_t>(tail - to);
          put_number(at, is_narrow ? narrow_slot(place, kNarrowInImage) : kInImage | place,
                     slot.kept_bytes[form]);
          tail = put_text(tail, value);
        }
      });
}

Result<uint32_t> kept_bytes(const RowImages* images, const Text& saved, std::string_view state) {
  if (images == nullptr) { return static_cast<uint32_t>(saved.size()); }
  const uint32_t bytes = images->image_size(saved);
  if (bytes != 0) { return bytes; }
  return data_loss(ErrorId::kSnapshotFormat, "state {} has a row that does not end where it should",
                   state);
}

void keep_row(const RowImages* images, const Text& saved, char* to) {
  if (images == nullptr) {
    std::memcpy(to, saved.data(), saved.size());
  } else {
    images->write_image(saved, to);
  }
}

}  // namespace tidewheel::sql
