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
// The string of a slot; `is_inside`: its bytes are in the image.
Text text_of(const char* image, uint32_t at, bool& is_inside) {
  const auto slot = load<uint64_t>(image + at);
  is_inside = (slot & kInImage) != 0;
  if (!is_inside) {
    if (slot == 0) { return {}; }
    return {reinterpret_cast<const char*>(slot & kAddressMask), slot >> kAddressBits};
  }
  const char* from = image + static_cast<uint32_t>(slot);
  uint64_t size = 0;
  for (uint32_t shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(*from++);
    size |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) { break; }
  }
  return {from, size};
}

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
  const bool has_flags = std::any_of(types.begin(), types.end(), may_be_null);
  flag_bytes_ = has_flags ? static_cast<uint32_t>((types.size() + 7) / 8) : 0;
  fixed_bytes_ = flag_bytes_;
  for (LogicalType& type : types) {
    const Physical physical = type.physical();
    const bool is_nullable = may_be_null(type);
    const auto bytes = static_cast<uint32_t>(physical_bytes(physical));
    slots_.push_back({std::move(type), physical, is_nullable, fixed_bytes_, bytes});
    fixed_bytes_ += physical == Physical::kText ? kSlotBytes : bytes;
  }
  fixed_bytes_ = std::max<uint32_t>(fixed_bytes_, 1);  // an image is never empty
}

void RowImages::see_tables(const Batch& batch) {
  const size_t before = lasting_.arenas().size();
  for (const ArenaRef& arena : batch.shared_arenas()) { lasting_.keep(arena); }
  for (size_t i = before; i < lasting_.arenas().size(); ++i) {
    lasting_.arenas()[i]->for_each_chunk([this](const char* bytes, size_t size) {
      const auto begin = reinterpret_cast<uintptr_t>(bytes);
      if ((begin + size) >> kAddressBits == 0) { tables_.push_back({begin, size}); }
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
  sizes_.assign(rows.size(), fixed_bytes_);
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
  tails_.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    tails_[i] = to[i] + fixed_bytes_;
    for (uint32_t flag = 0; flag < flag_bytes_; ++flag) { to[i][flag] = 0; }
  }
  for (size_t c = 0; c < slots_.size(); ++c) {
    const ColumnView& column = columns[c];
    const uint32_t at = slots_[c].at;
    Found found;
    with_physical(slots_[c].physical, [&]<class T>() {
      for (size_t i = 0; i < rows.size(); ++i) {
        const T& value = column.at<T>(rows[i]);
        if constexpr (std::is_same_v<T, Text>) {
          uint64_t slot = 0;
          if (is_lasting(value, found)) {
            slot = value.empty() ? 0 : lasting_slot(value);
          } else if (!value.empty()) {
            slot = kInImage | static_cast<uint64_t>(tails_[i] - to[i]);
            tails_[i] = put_text(tails_[i], value);
          }
          std::memcpy(to[i] + at, &slot, sizeof(slot));
        } else {
          std::memcpy(to[i] + at, &value, sizeof(T));
        }
      }
    });
    if (!slots_[c].is_nullable || column.validity == nullptr) { continue; }
    for (size_t i = 0; i < rows.size(); ++i) {
      if (column.is_null(rows[i])) { mark_null(to[i], c); }
    }
  }
}

template <class PlaceOf>
void RowImages::decode_columns(std::span<const Text> rows, std::span<Column* const> columns,
                               uint32_t end, Arena* arena, PlaceOf place_of) const {
  TIDEWHEEL_DCHECK(columns.size() == slots_.size());
  for (size_t c = 0; c < slots_.size(); ++c) {
    if (columns[c] == nullptr) { continue; }
    Column& to = *columns[c];
    to.ensure(end);
    const uint32_t at = slots_[c].at;
    const bool is_nullable = slots_[c].is_nullable;
    with_physical(slots_[c].physical, [&]<class T>() {
      T* const values = to.values<T>();
      for (size_t i = 0; i < rows.size(); ++i) {
        const char* const image = rows[i].data();
        if (is_nullable && is_null_at(image, c)) {
          to.set_null(place_of(i));
          continue;
        }
        if constexpr (std::is_same_v<T, Text>) {
          bool is_inside = false;
          const Text text = text_of(image, at, is_inside);
          values[place_of(i)] = is_inside && arena != nullptr ? arena->copy(text.view()) : text;
        } else {
          values[place_of(i)] = load<T>(image + at);
        }
      }
    });
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
  for (size_t c = 0; c < slots_.size(); ++c) {
    const Slot& slot = slots_[c];
    if (slot.is_nullable) {
      const bool is_null = is_null_at(image.data(), c);
      bytes_ += is_null ? '\0' : '\1';
      if (is_null) { continue; }
    }
    if (slot.physical == Physical::kText) {
      bool is_inside = false;
      const Text text = text_of(image.data(), slot.at, is_inside);
      append_varint(bytes_, text.size());
      bytes_.append(text.data(), text.size());
    } else {
      bytes_.append(image.data() + slot.at, slot.bytes);
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

uint32_t RowImages::image_size(std::string_view bytes) const {
  size_t size = fixed_bytes_;
  const bool is_row = walk(
      bytes, [](size_t) {},
      [&](size_t c, const Text& value) {
        if (slots_[c].physical != Physical::kText || value.empty()) { return; }
        size += varint_bytes(value.size()) + value.size();
      });
  return is_row ? static_cast<uint32_t>(size) : 0;
}

void RowImages::write_image(std::string_view bytes, char* to) const {
  std::memset(to, 0, fixed_bytes_);
  char* tail = to + fixed_bytes_;
  walk(
      bytes, [&](size_t c) { mark_null(to, c); },
      [&](size_t c, const Text& value) {
        char* const slot_at = to + slots_[c].at;
        if (slots_[c].physical != Physical::kText) {
          std::memcpy(slot_at, value.data(), value.size());
        } else if (!value.empty()) {
          const uint64_t slot = kInImage | static_cast<uint64_t>(tail - to);
          std::memcpy(slot_at, &slot, sizeof(slot));
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
