#include "tidewheel/types/column.h"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "tidewheel/types/hash.h"

namespace tidewheel {
namespace {

constexpr uint32_t kFirstRows = 64;
constexpr std::align_val_t kAlignment{64};

void* allocate(size_t bytes) { return ::operator new(bytes, kAlignment); }
void deallocate(void* bytes) { ::operator delete(bytes, kAlignment); }

template <class T>
T* regrow(T* old, size_t old_count, size_t count) {
  auto* const made = static_cast<T*>(allocate(count * sizeof(T)));
  if (old != nullptr) {
    std::memcpy(made, old, old_count * sizeof(T));
    deallocate(old);
  }
  return made;
}

}  // namespace

Column::Column(const LogicalType& type) : type_(type), physical_(type.physical()) {
  for (const LogicalType& child : type.children) { children_.emplace_back(child); }
  // A multiset is a map from elements to how often each is there.
  if (type.kind == TypeKind::kMultiset) {
    children_.emplace_back(LogicalType::of(TypeKind::kInt, false));
  }
  child_views_.resize(children_.size());
}

Column::~Column() { free_memory(); }

Column::Column(Column&& other) noexcept
    : type_(std::move(other.type_)),
      physical_(other.physical_),
      capacity_(std::exchange(other.capacity_, 0)),
      values_(std::exchange(other.values_, nullptr)),
      validity_(std::exchange(other.validity_, nullptr)),
      offsets_(std::exchange(other.offsets_, nullptr)),
      has_nulls_(std::exchange(other.has_nulls_, false)),
      child_rows_(std::exchange(other.child_rows_, 0)),
      children_(std::move(other.children_)),
      child_views_(std::move(other.child_views_)) {}

Column& Column::operator=(Column&& other) noexcept {
  if (this != &other) {
    this->~Column();
    new (this) Column(std::move(other));
  }
  return *this;
}

void Column::free_memory() {
  if (values_ != nullptr) { deallocate(values_); }
  if (validity_ != nullptr) { deallocate(validity_); }
  if (offsets_ != nullptr) { deallocate(offsets_); }
}

void Column::grow(uint32_t rows) {
  const uint32_t capacity = std::max({kFirstRows, std::bit_ceil(rows), capacity_ * 2});
  const size_t width = physical_bytes(physical_);
  if (width > 0) {
    values_ = regrow(values_, capacity_ * width, capacity * width);
    // Text of rows that nobody has written may be read.
    std::memset(values_ + capacity_ * width, 0, (capacity - capacity_) * width);
  }
  if (validity_ != nullptr) {
    const size_t old_words = validity_words(capacity_);
    validity_ = regrow(validity_, old_words, validity_words(capacity));
    std::fill(validity_ + old_words, validity_ + validity_words(capacity), ~uint64_t{0});
  }
  if (physical_ == Physical::kList) {
    const bool first = offsets_ == nullptr;
    offsets_ = regrow(offsets_, size_t{capacity_} + 1, size_t{capacity} + 1);
    if (first) { offsets_[0] = 0; }
  }
  if (physical_ == Physical::kStruct) {
    for (Column& child : children_) { child.ensure(capacity); }
  }
  capacity_ = capacity;
}

void Column::make_validity() {
  ensure(kFirstRows);
  validity_ = static_cast<uint64_t*>(allocate(validity_words(capacity_) * sizeof(uint64_t)));
  std::fill(validity_, validity_ + validity_words(capacity_), ~uint64_t{0});
}

void Column::set_null(uint32_t row) {
  ensure(row + 1);
  validity()[row / 64] &= ~(uint64_t{1} << (row % 64));
  const size_t width = physical_bytes(physical_);
  if (width > 0) { std::memset(values_ + row * width, 0, width); }
  if (physical_ == Physical::kStruct) {
    for (Column& child : children_) { child.set_null(row); }
  }
}

void Column::set_nulls(uint32_t begin, uint32_t end) {
  if (begin >= end) { return; }
  ensure(end);
  uint64_t* const bits = validity();
  for (uint32_t row = begin; row < end;) {
    const uint32_t first = row % kValidityBits;
    const uint32_t count = std::min(kValidityBits - first, end - row);
    const uint64_t mask = count == kValidityBits ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
    bits[row / kValidityBits] &= ~(mask << first);
    row += count;
  }
  const size_t width = physical_bytes(physical_);
  if (width > 0) { std::memset(values_ + begin * width, 0, (end - begin) * width); }
  if (physical_ == Physical::kStruct) {
    for (Column& child : children_) { child.set_nulls(begin, end); }
  }
}

void Column::append_null(uint32_t row) {
  ensure(row + 1);
  validity()[row / kValidityBits] &= ~(uint64_t{1} << (row % kValidityBits));
  const size_t width = physical_bytes(physical_);
  if (width > 0) { std::memset(values_ + row * width, 0, width); }
  if (physical_ == Physical::kList) { offsets_[row + 1] = child_rows_; }
  if (physical_ == Physical::kStruct) {
    for (Column& child : children_) { child.append_null(row); }
  }
}

void Column::drop_rows(uint32_t from) {
  if (has_nulls_ && from < capacity_) {
    const uint64_t kept = (uint64_t{1} << (from % kValidityBits)) - 1;
    const size_t word = from / kValidityBits;
    validity_[word] |= ~kept;
    std::fill(validity_ + word + 1, validity_ + validity_words(capacity_), ~uint64_t{0});
  }
  if (physical_ == Physical::kList) {
    if (from < capacity_) { child_rows_ = std::min(child_rows_, offsets_[from]); }
    for (Column& child : children_) { child.drop_rows(child_rows_); }
  }
  if (physical_ == Physical::kStruct) {
    for (Column& child : children_) { child.drop_rows(from); }
  }
}

ColumnView Column::view() const {
  for (size_t i = 0; i < children_.size(); ++i) { child_views_[i] = children_[i].view(); }
  return {values_, has_nulls_ ? validity_ : nullptr, offsets_,
          child_views_.empty() ? nullptr : child_views_.data(), false};
}

void Column::clear() {
  if (has_nulls_) {
    std::fill(validity_, validity_ + validity_words(capacity_), ~uint64_t{0});
    has_nulls_ = false;
  }
  child_rows_ = 0;
  for (Column& child : children_) { child.clear(); }
}

int64_t Column::memory_bytes() const {
  size_t bytes = capacity_ * physical_bytes(physical_);
  if (validity_ != nullptr) { bytes += validity_words(capacity_) * sizeof(uint64_t); }
  if (offsets_ != nullptr) { bytes += (size_t{capacity_} + 1) * sizeof(uint32_t); }
  auto sum = static_cast<int64_t>(bytes);
  for (const Column& child : children_) { sum += child.memory_bytes(); }
  return sum;
}

namespace {

// Rows to copy: listed, or one after another.
struct Listed {
  std::span<const uint32_t> rows;
  uint32_t size() const { return static_cast<uint32_t>(rows.size()); }
  uint32_t operator[](uint32_t index) const { return rows[index]; }
};
struct Ranged {
  uint32_t begin;
  uint32_t end;
  uint32_t size() const { return end - begin; }
  uint32_t operator[](uint32_t index) const { return begin + index; }
};

template <class Rows>
void copy_any(const ColumnView& from, const Rows& rows, Column& to, uint32_t at, Arena* arena);

template <class T, class Rows>
void copy_values(const ColumnView& from, const Rows& rows, T* to) {
  const T* const values = from.as<T>();
  if (from.is_constant) {
    std::fill(to, to + rows.size(), values[0]);
  } else if constexpr (std::is_same_v<Rows, Ranged>) {
    std::memcpy(static_cast<void*>(to), values + rows.begin, rows.size() * sizeof(T));
  } else {
    for (uint32_t i = 0; i < rows.size(); ++i) { to[i] = values[rows[i]]; }
  }
}

void own_texts(Column& column, uint32_t begin, uint32_t end, Arena& arena) {
  Text* const texts = column.values<Text>();
  for (uint32_t i = begin; i < end; ++i) {
    texts[i] = column.is_null(i) ? Text() : arena.copy(texts[i].view());
  }
}

template <class Rows>
void copy_lists(const ColumnView& from, const Rows& rows, Column& to, uint32_t at, Arena* arena) {
  uint32_t child_rows = to.child_rows();
  std::vector<uint32_t> elements;
  uint32_t* const offsets = to.offsets();
  for (uint32_t i = 0; i < rows.size(); ++i) {
    const uint32_t row = from.is_constant ? 0 : rows[i];
    offsets[at + i] = child_rows + static_cast<uint32_t>(elements.size());
    if (from.is_null(row)) { continue; }
    for (uint32_t e = from.offsets[row]; e < from.offsets[row + 1]; ++e) { elements.push_back(e); }
  }
  for (size_t c = 0; c < to.child_count(); ++c) {
    copy_any(from.children[c], Listed{elements}, to.child(c), child_rows, arena);
  }
  child_rows += static_cast<uint32_t>(elements.size());
  offsets[at + rows.size()] = child_rows;
  to.set_child_rows(child_rows);
}

// Where NULLs are is seldom guessed right: bits, without jumps, and sent on when there are some.
template <class Rows>
void copy_nulls(const ColumnView& from, const Rows& rows, Column& to, uint32_t at) {
  const uint32_t count = rows.size();
  const bool has_bits = to.physical() != Physical::kList && to.physical() != Physical::kStruct;
  if (from.is_constant || !has_bits) {
    for (uint32_t i = 0; i < count; ++i) {
      if (from.is_null(rows[i])) { to.set_null(at + i); }
    }
    return;
  }
  const uint64_t* const validity = from.validity;
  for (uint32_t begin = 0; begin < count; begin += kValidityBits) {
    const uint32_t end = std::min(count, begin + kValidityBits);
    uint64_t nulls = 0;
    for (uint32_t i = begin; i < end; ++i) {
      const uint32_t row = rows[i];
      const uint64_t is_null = ~(validity[row / kValidityBits] >> (row % kValidityBits)) & 1;
      nulls |= is_null << (i - begin);
    }
    if (nulls == 0) { continue; }
    uint64_t* const bits = to.validity() + (at + begin) / kValidityBits;
    const uint32_t shift = (at + begin) % kValidityBits;
    bits[0] &= ~(nulls << shift);
    if (shift != 0 && nulls >> (kValidityBits - shift) != 0) {
      bits[1] &= ~(nulls >> (kValidityBits - shift));
    }
  }
}

template <class Rows>
void copy_any(const ColumnView& from, const Rows& rows, Column& to, uint32_t at, Arena* arena) {
  const uint32_t count = rows.size();
  to.ensure(at + count);
  if (from.validity != nullptr) { copy_nulls(from, rows, to, at); }
  switch (to.physical()) {
    case Physical::kList: return copy_lists(from, rows, to, at, arena);
    case Physical::kStruct:
      for (size_t c = 0; c < to.child_count(); ++c) {
        ColumnView child = from.children[c];
        child.is_constant |= from.is_constant;
        copy_any(child, rows, to.child(c), at, arena);
      }
      return;
    default:
      with_physical(to.physical(),
                    [&]<class T>() { copy_values<T>(from, rows, to.values<T>() + at); });
      if (to.physical() == Physical::kText && arena != nullptr) {
        own_texts(to, at, at + count, *arena);
      }
  }
}

// ---- Hashes

constexpr uint64_t kNullHash = 0x9e3779b97f4a7c15ULL;

template <class T>
uint64_t hash_value(const T& value) {
  if constexpr (std::is_same_v<T, Int128>) {
    const auto wide = static_cast<UInt128>(value);
    return mix64(static_cast<uint64_t>(wide) ^ mix64(static_cast<uint64_t>(wide >> 64)));
  } else if constexpr (std::is_integral_v<T>) {
    return mix64(static_cast<uint64_t>(static_cast<int64_t>(value)));
  } else {
    return hash64(value);
  }
}

template <class HashAt>
void put_hashes(const ColumnView& column, uint32_t begin, uint32_t end, bool combine,
                uint64_t* hashes, HashAt hash_at) {
  for (uint32_t row = begin; row < end; ++row) {
    const uint64_t hash = column.is_null(row) ? kNullHash : hash_at(row);
    uint64_t& to = hashes[row - begin];
    to = combine ? detail::combine64(to, hash) : hash;
  }
}

uint64_t hash_one(const LogicalType& type, const ColumnView& column, uint32_t row) {
  uint64_t hash = 0;
  hash_rows(type, column, row, row + 1, false, &hash);
  return hash;
}

// Of a row: its fields in order. Of a list: its elements in order; of maps and multisets their sum,
// since their order means nothing.
uint64_t hash_nested(const LogicalType& type, const ColumnView& column, uint32_t row) {
  uint64_t hash = type.children.size();
  if (type.kind == TypeKind::kRow) {
    for (size_t c = 0; c < type.children.size(); ++c) {
      hash = detail::combine64(hash, hash_one(type.children[c], column.children[c], row));
    }
    return mix64(hash);
  }
  const uint32_t at = column.is_constant ? 0 : row;
  for (uint32_t e = column.offsets[at]; e < column.offsets[at + 1]; ++e) {
    const uint64_t element = hash_one(type.children[0], column.children[0], e);
    if (type.kind == TypeKind::kArray) {
      hash = detail::combine64(hash, element);
      continue;
    }
    const LogicalType& value_type =
        type.kind == TypeKind::kMap ? type.children[1] : LogicalType::of(TypeKind::kInt, false);
    hash += mix64(detail::combine64(element, hash_one(value_type, column.children[1], e)));
  }
  return mix64(hash);
}

}  // namespace

void gather(const ColumnView& from, std::span<const uint32_t> rows, Column& to, uint32_t at,
            Arena* arena) {
  copy_any(from, Listed{rows}, to, at, arena);
}

void copy_rows(const ColumnView& from, uint32_t begin, uint32_t end, Column& to, uint32_t at,
               Arena* arena) {
  copy_any(from, Ranged{begin, end}, to, at, arena);
}

void hash_rows(const LogicalType& type, const ColumnView& column, uint32_t begin, uint32_t end,
               bool combine, uint64_t* hashes) {
  const Physical physical = type.physical();
  if (physical == Physical::kList || physical == Physical::kStruct) {
    return put_hashes(column, begin, end, combine, hashes,
                      [&](uint32_t row) { return hash_nested(type, column, row); });
  }
  with_physical(physical, [&]<class T>() {
    put_hashes(column, begin, end, combine, hashes,
               [&](uint32_t row) { return hash_value(column.at<T>(row)); });
  });
}

}  // namespace tidewheel
